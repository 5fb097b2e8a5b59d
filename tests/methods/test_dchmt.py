"""DCHMT: its loss by hand and by finite differences, bits that become binary by themselves, save, seeds, bad input."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from xmr_lib.data import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits, hashing_splits
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing import DCHMT
from xmr_lib.methods.hashing.dchmt import DISTANCES, ROOT_EPS, distance_loss
from xmr_lib.metrics import mean_average_precision, relevance_from_labels
from xmr_lib.nn.codes import label_similarity
from xmr_lib.nn.selecting import both_values

SMALL: dict[str, Any] = {"bits": 8, "embed": 16, "epochs": 2, "batch_size": 30}


@pytest.fixture(scope="module")
def splits() -> HashingSplits:
    return hashing_splits("generated")


@pytest.fixture(scope="module")
def fitted(splits: HashingSplits) -> DCHMT:
    course = DCHMT.preset("course") | {"bits": 16, "epochs": 20}
    return DCHMT(**course).fit(splits.train, splits.database.subset(np.arange(1000, 1100)))


@pytest.fixture(scope="module")
def few(splits: HashingSplits) -> PairedFeatures:
    return splits.train.subset(np.arange(90))


def double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_loss_by_hand() -> None:
    """K = 2, tau = sqrt(2 * 2 * .75) = sqrt 3; the codes differ in 0, 1 and 2 bits: distances 0, sqrt 2, 2."""
    u, v = both_values(double([1, 1])), both_values(double([1, 1], [1, -1], [-1, -1]))
    tau, root = math.sqrt(3), math.sqrt(2)
    similar, other = double([1, 1, 0]), double([0, 0, 1])
    close = pytest.approx
    assert distance_loss(u, v, similar, 0.75).item() == close((0 + 2 + 0) / 3, abs=1e-5)
    assert distance_loss(u, v, other, 0.75).item() == close((tau**2 + (tau - root) ** 2 + 4) / 3, abs=2e-3)
    assert distance_loss(u, v, similar, 0.75, "l1").item() == close((0 + root + 0) / 3, abs=1e-3)
    assert distance_loss(u, v, other, 0.75, "l1").item() == close((tau + tau - root + 2) / 3, abs=1e-3)
    assert distance_loss(u, v, similar, 0.75, "cosine").item() == close((0 + 0.5 + 0) / 3)
    assert distance_loss(u, v, other, 0.75, "cosine").item() == close((0.75 + 0.25 + 1) / 3)


def test_vartheta_is_a_share_of_the_bits() -> None:
    """Irrelevant codes of 8 bits are left alone from half the bits on, and not before."""
    u, nothing = both_values(torch.ones(1, 8)), torch.zeros(1, 1)
    for differing in range(9):
        code = torch.ones(1, 8)
        code[0, :differing] = -1
        for distance in DISTANCES:
            loss = distance_loss(u, both_values(code), nothing, 0.5, distance).item()
            assert (loss > 1e-3) == (differing < 4), (distance, differing)


@pytest.mark.parametrize("distance", DISTANCES)
def test_gradients_agree_with_finite_differences(distance: str) -> None:
    rng = torch.Generator().manual_seed(0)
    f, g = (torch.randn(5, 4, dtype=torch.float64, generator=rng).tanh().requires_grad_() for _ in range(2))
    labels = double([1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1])
    similar = label_similarity(labels, labels)
    assert torch.autograd.gradcheck(
        lambda a, b: distance_loss(both_values(a), both_values(b), similar, 0.6, distance), (f, g)
    )


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("similar", [0.0, 1.0])
def test_the_gradient_is_finite_at_distance_zero(distance: str, similar: float) -> None:
    f = torch.tensor([[0.3, -0.5], [0.3, -0.5]], requires_grad=True)
    u = both_values(f)
    distance_loss(u, u, torch.full((2, 2), similar), 0.5, distance).backward()
    assert f.grad is not None
    assert f.grad.abs().max() < 1 / math.sqrt(ROOT_EPS)


def test_bits_become_binary_without_a_quantisation_loss(fitted: DCHMT) -> None:
    assert set(fitted.history_.terms) == {"image-text", "image-image", "text-text"}
    for side in ("image certainty", "text certainty"):
        values = fitted.history_.watched[side]
        assert values[-1] > values[0] + 0.05
        assert values[-1] > 0.7


def test_the_codes_find_what_shares_a_label(fitted: DCHMT, splits: HashingSplits) -> None:
    report = evaluate_hashing(fitted, splits)
    for direction in ("i2t", "t2i"):
        assert report.value("MAP", direction) > report.chance[direction]["MAP"] + 0.12


def test_binarising_costs_less_than_a_tenth(fitted: DCHMT, splits: HashingSplits) -> None:
    query, database = splits.query, splits.database
    real = fitted.real_similarity(query.image, database.text)
    relevant = relevance_from_labels(query.labels, database.labels)
    cost = mean_average_precision(real, relevant) - evaluate_hashing(fitted, splits).value("MAP", "i2t")
    assert 0 < cost < 0.1


def test_real_similarity_of_binary_outputs_is_a_root_of_the_hamming_distance(
    fitted: DCHMT, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, text = np.array([[1.0, 1, -1]]), np.array([[1.0, -1, 1], [1, 1, -1]])
    monkeypatch.setattr(fitted, "image_outputs", lambda rows: rows)
    monkeypatch.setattr(fitted, "text_outputs", lambda rows: rows)
    np.testing.assert_allclose(fitted.real_similarity(image, text), [[-math.sqrt(4), 0]])
    np.testing.assert_array_equal(fitted.similarity(image, text), [[-2, 0]])


def test_outputs_are_differences_of_probabilities(fitted: DCHMT, splits: HashingSplits) -> None:
    outputs = fitted.image_outputs(splits.query.image)
    assert outputs.shape == (400, 16)
    assert np.abs(outputs).max() <= 1
    np.testing.assert_array_equal(fitted.encode_image(splits.query.image), np.where(outputs > 0, 1, -1))


def test_the_selecting_layer_is_a_tanh_layer(few: PairedFeatures) -> None:
    """Equal weights and no dropout: the two layers give equal outputs."""
    select = DCHMT(**SMALL).build(128, 200, 12)
    tanh = DCHMT(**SMALL, layer="tanh", dropout=0.0).build(128, 200, 12)
    x = torch.from_numpy(few.image[:10])
    first, _, scores = select.image_tower[1].children()  # type: ignore[index]
    again, _, linear, _, _ = tanh.image_tower[1].children()  # type: ignore[index]
    again.load_state_dict(first.state_dict())
    linear.weight.data = (scores.scores.weight[1::2] - scores.scores.weight[0::2]).detach() / 2
    linear.bias.data = (scores.scores.bias[1::2] - scores.scores.bias[0::2]).detach() / 2
    torch.testing.assert_close(tanh.image_tower(x), select.image_tower(x))


def test_terms_of_the_tanh_layer(few: PairedFeatures) -> None:
    three = {"image-text", "image-image", "text-text"}
    assert set(DCHMT(**SMALL, layer="tanh").fit(few).history_.terms) == three | {"quantisation"}
    assert set(DCHMT(**SMALL, layer="tanh", quantisation=0.0).fit(few).history_.terms) == three


def test_the_defaults_are_those_of_the_paper() -> None:
    method = DCHMT(**DCHMT.preset("paper"))
    shapes = [tuple(p.shape) for p in method.build(512, 512, 24).image_tower.parameters()]
    assert shapes == [(128, 512), (128,), (128, 128), (128,)]
    player = method.players(method.build(512, 512, 24))["all"]
    assert (player.lr, player.betas, player.weight_decay, player.clip) == (1e-3, (0.9, 0.98), 0.2, 1.0)
    assert player.schedule is not None
    assert [player.schedule(p) for p in (0.05, 0.1, 1.0)] == pytest.approx([0.5, 1.0, 0.0])


def test_same_seed_same_codes(few: PairedFeatures) -> None:
    one, two, other = (DCHMT(**SMALL, seed=s).fit(few).image_outputs(few.image) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("layer", ["selecting", "tanh"])
def test_stored_and_read_back(few: PairedFeatures, tmp_path: Path, layer: str) -> None:
    method = DCHMT(**SMALL, layer=layer, standardise=True).fit(few)
    method.save(tmp_path)
    again = DCHMT.load(tmp_path)
    assert again.get_params() == method.get_params()
    np.testing.assert_array_equal(again.similarity(few.image, few.text), method.similarity(few.image, few.text))
    np.testing.assert_array_equal(
        again.real_similarity(few.image, few.text), method.real_similarity(few.image, few.text)
    )


def test_bad_input(few: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="DCHMT learns from class labels"):
        DCHMT(**SMALL).fit(replace(few, labels=None))
    with pytest.raises(InvalidInput, match="have no label"):
        DCHMT(**SMALL).fit(replace(few, labels=np.zeros((90, 12), dtype=bool)))
    with pytest.raises(InvalidInput, match="NaN"):
        DCHMT(**SMALL).fit(few).encode_image(np.full((2, 128), np.nan))
    with pytest.raises(InvalidInput, match="bits"):
        DCHMT(**SMALL | {"bits": 0}).fit(few)
    with pytest.raises(InvalidInput, match="vartheta is a share"):
        DCHMT(**SMALL, vartheta=1.5).fit(few)
    with pytest.raises(UnknownName, match="selecting, tanh"):
        DCHMT(**SMALL, layer="sign").fit(few)
    with pytest.raises(UnknownName, match="cosine, l1, l2"):
        DCHMT(**SMALL, distance="l3").fit(few)


def test_a_single_class(few: PairedFeatures) -> None:
    """All pairs are similar: nothing to push apart, and all numbers stay finite."""
    method = DCHMT(**SMALL).fit(replace(few, labels=np.ones((90, 1), dtype=bool), class_names=()))
    assert np.isfinite(method.image_outputs(few.image)).all()
