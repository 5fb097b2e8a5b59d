"""What lesson 09 studies about codes: agreement, mirrors, thresholds, the descent of a code step."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits, hashing_splits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.bits import compare_bits
from xmr_lib.evaluation.code_study import (
    Centred,
    best_on_validation,
    code_descent,
    mirror,
    moved_threshold,
    partner_agreement,
    published_by_bits,
    search_cost,
)
from xmr_lib.methods.hashing import CVH, DCHUC
from xmr_lib.methods.hashing.base import HashingMethod
from xmr_lib.methods.hashing.dchuc_steps import dcc_step


class Given(HashingMethod):
    """The features are the outputs."""

    bits = 3

    def image_outputs(self, images):
        return np.asarray(images)

    def text_outputs(self, texts):
        return np.asarray(texts)


@pytest.fixture(scope="module")
def parts() -> HashingSplits:
    return hashing_splits("generated", seed=0)


IMAGE = np.array([[1.0, 2.0, -1.0], [1.0, -2.0, -1.0], [1.0, 2.0, -3.0], [1.0, -1.0, -1.0]])
PAIRS = PairedFeatures(IMAGE, IMAGE * [-1.0, 1.0, -1.0], labels=np.eye(4, dtype=bool))


def test_agreement_and_mirror_by_hand() -> None:
    assert partner_agreement(Given(), PAIRS).tolist() == [0.0, 1.0, 0.0]
    found = mirror(Given(), PAIRS)
    assert found.image.tolist() == [1.0, 0.0, -1.0]
    assert found.text.tolist() == [-1.0, 0.0, 1.0]
    assert found.correlation == pytest.approx(-1.0)
    assert found.partners == 2.0  # the first and the last bit
    assert found.anyone == 2.5  # and the middle bit for half of all


def test_centred_moves_every_threshold_to_the_training_mean() -> None:
    centred = Centred(Given(), PAIRS)
    assert np.allclose(centred.image_outputs(IMAGE).mean(axis=0), 0)
    assert centred.encode_image([[1.5, 0.0, -2.0]]).tolist() == [[1, -1, -1]]
    assert centred.encode_text([[-1.5, 0.0, 2.0]]).tolist() == [[-1, -1, 1]]


def test_a_moved_threshold_changes_little_where_outputs_have_mean_zero(parts: HashingSplits) -> None:
    splits = partial(hashing_splits, "generated", None)
    table = compare_bits({"CVH": CVH()}, lambda seed: splits(seed=seed), [0, 1], bits=[8])
    rows = moved_threshold(table, "CVH", lambda seed: splits(seed=seed)).rows
    assert [row[1] for row in rows] == ["0", "training mean"]
    assert rows[0][2:] == rows[1][2:]  # CVH centres its projections itself
    with pytest.raises(InvalidInput, match="two seeds"):
        moved_threshold(compare_bits({"CVH": CVH()}, lambda seed: parts, [0], bits=[8]), "CVH", lambda seed: parts)


def test_the_best_option_is_chosen_on_validation(parts: HashingSplits) -> None:
    good, bad = CVH(ridge=0.1), CVH(ridge=1e-9, inverse=False)
    chosen = best_on_validation([bad, good], parts, 8)
    assert chosen is good
    with pytest.raises(InvalidInput, match="at least one option"):
        best_on_validation([], parts, 8)


def test_a_code_step_descends(parts: HashingSplits) -> None:
    train = parts.train.subset(np.arange(200))
    method = DCHUC(**DCHUC.preset("smoke") | {"bits": 8}).fit(train)
    j = code_descent(dcc_step, method, train, sample=80)
    assert len(j) == 24
    assert (np.diff(j) <= 1e-6 * abs(j[0])).all()


def test_costs_and_published_rows() -> None:
    rows = search_cost(1000, d=64, repeats=1).rows
    assert [row[1] for row in rows] == ["256", "8"]
    table = published_by_bits(["SSAH"], "coco")
    assert table.rows[0][1:] == ["55.0", "55.8", "55.7", "53.7", "53.8", "52.9"]
