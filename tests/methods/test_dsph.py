"""DSPH: proxies and codes after training, the margin, the rates of the two groups, save, seeds, bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xmr_lib.data import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits, hashing_splits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing import DSPH
from xmr_lib.nn.proxies import irrelevant_pair_loss, proxy_loss

SMALL: dict[str, Any] = {"bits": 8, "hidden": 16, "epochs": 2, "batch_size": 30}


@pytest.fixture(scope="module")
def splits() -> HashingSplits:
    return hashing_splits("generated")


@pytest.fixture(scope="module")
def fitted(splits: HashingSplits) -> dict[int, DSPH]:
    course, check = DSPH.preset("course"), splits.database.subset(np.arange(1000, 1100))
    return {bits: DSPH(**course | {"bits": bits}).fit(splits.train, check) for bits in (16, 64)}


@pytest.fixture(scope="module")
def few(splits: HashingSplits) -> PairedFeatures:
    return splits.train.subset(np.arange(90))


def test_map_rises_with_the_bits(fitted: dict[int, DSPH], splits: HashingSplits) -> None:
    reports = {bits: evaluate_hashing(method, splits) for bits, method in fitted.items()}
    for direction in ("i2t", "t2i"):
        values = {bits: report.value("MAP", direction) for bits, report in reports.items()}
        assert values[64] > values[16] + 0.03
        assert values[16] > reports[16].chance[direction]["MAP"] + 0.15


@pytest.mark.parametrize("bits", [16, 64])
def test_items_are_near_their_proxies_and_at_the_margin_of_the_others(
    fitted: dict[int, DSPH], splits: HashingSplits, bits: int
) -> None:
    method, train, query = fitted[bits], splits.train, splits.query
    learnt = method.proxy_cosines(train.image, train.text, train.labels)
    unseen = method.proxy_cosines(query.image, query.text, query.labels)
    assert learnt["positive cosine"] > unseen["positive cosine"] > 0.35
    margin = method.model_.margin
    assert learnt["negative cosine"] < margin + 0.02  # type: ignore[operator]
    assert unseen["negative cosine"] < margin + 0.05  # type: ignore[operator]


def test_cosines_are_watched(fitted: dict[int, DSPH]) -> None:
    watched = fitted[16].history_.watched
    assert watched["positive cosine"][-1] > watched["positive cosine"][0] + 0.05
    assert len(watched["negative cosine"]) == fitted[16].history_.epochs


def test_proxy_cosines_by_hand(fitted: dict[int, DSPH], monkeypatch: pytest.MonkeyPatch) -> None:
    method = fitted[16].clone()
    method.model_ = fitted[16].model_
    monkeypatch.setattr(method, "image_outputs", lambda rows: np.asarray(rows))
    monkeypatch.setattr(method, "text_outputs", lambda rows: np.asarray(rows))
    monkeypatch.setattr(DSPH, "proxies", np.array([[2.0, 0.0], [0.0, 1.0]]))
    values = method.proxy_cosines([[3.0, 4.0]], [[1.0, 0.0]], [[1, 0]])
    assert values == pytest.approx({"positive cosine": (0.6 + 1) / 2, "negative cosine": (0.8 + 0) / 2})


def test_the_loss_of_a_batch_is_the_sum_of_its_parts(few: PairedFeatures) -> None:
    method = DSPH(**SMALL, dropout=0.0, alpha=0.5)
    network = method.build(128, 200, 12).eval()
    batch = next(iter(method.batches(few)(0)))
    terms = network(batch, "all", 0.0)
    v, t, labels = network.image_tower(batch["image"]), network.text_tower(batch["text"]), batch["labels"]
    expected = {
        "image proxies": proxy_loss(v, network.proxies, labels, network.margin),
        "text proxies": proxy_loss(t, network.proxies, labels, network.margin),
        "irrelevant pairs": 0.5 * irrelevant_pair_loss(v, t, labels, network.margin),
    }
    assert {name: value.item() for name, value in terms.items()} == {k: v.item() for k, v in expected.items()}
    assert terms["irrelevant pairs"] > 0


def test_the_margin_comes_from_bits_and_classes() -> None:
    assert DSPH(bits=16).build(4, 5, 80).margin == 0.25
    assert DSPH(bits=64).build(4, 5, 80).margin == 0
    assert DSPH(bits=16, margin=-0.2).build(4, 5, 80).margin == -0.2


def test_proxies_have_their_own_rate() -> None:
    method = DSPH(**SMALL, proxy_lr=0.1)
    heads, proxies = method.players(method.build(128, 200, 12))["all"].parameters
    assert [len(heads["params"]), len(proxies["params"])] == [8, 1]
    assert "lr" not in heads
    assert (proxies["lr"], proxies["weight_decay"]) == (0.1, 5e-4)


def test_proxies_without_a_rate_stay_where_they_were_drawn(few: PairedFeatures) -> None:
    one, three = (DSPH(**SMALL | {"epochs": epochs}, proxy_lr=0.0).fit(few).proxies for epochs in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_terms(few: PairedFeatures) -> None:
    both = {"image proxies", "text proxies"}
    assert set(DSPH(**SMALL).fit(few).history_.terms) == both | {"irrelevant pairs"}
    assert set(DSPH(**SMALL, alpha=0.0).fit(few).history_.terms) == both


def test_one_label_each_leaves_nothing_to_the_irrelevant_pairs(few: PairedFeatures) -> None:
    single = replace(few, labels=np.eye(12, dtype=bool)[np.arange(90) % 12])
    assert DSPH(**SMALL).fit(single).history_.terms["irrelevant pairs"] == [0, 0]


def test_the_defaults_are_those_of_the_paper() -> None:
    method = DSPH(**DSPH.preset("paper"))
    network = method.build(512, 512, 24)
    assert [tuple(p.shape) for p in network.image_tower.parameters()] == [(64, 512), (64,)]
    assert network.proxies.shape == (24, 64)
    assert (method.alpha, method.dropout, method.lr, method.batch_size, method.epochs) == (0.8, 0.2, 1e-3, 64, 100)


def test_same_seed_same_codes(few: PairedFeatures) -> None:
    one, two, other = (DSPH(**SMALL, seed=s).fit(few) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.image_outputs(few.image), two.image_outputs(few.image))
    np.testing.assert_array_equal(one.proxies, two.proxies)
    assert not np.allclose(one.image_outputs(few.image), other.image_outputs(few.image))


@pytest.mark.parametrize("hidden", [0, 16])
def test_stored_and_read_back(few: PairedFeatures, tmp_path: Path, hidden: int) -> None:
    method = DSPH(**SMALL | {"hidden": hidden}, standardise=True).fit(few)
    method.save(tmp_path)
    again = DSPH.load(tmp_path)
    assert again.get_params() == method.get_params()
    np.testing.assert_array_equal(again.similarity(few.image, few.text), method.similarity(few.image, few.text))
    np.testing.assert_array_equal(again.proxies, method.proxies)


def test_codes_hold_no_zero_even_for_an_output_of_zero(few: PairedFeatures) -> None:
    method = DSPH(**SMALL | {"hidden": 0}).fit(few)
    for p in method.model_.image_tower.parameters():
        p.data.zero_()
    assert torch.from_numpy(method.encode_image(few.image)).unique().tolist() == [-1]


def test_bad_input(few: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="DSPH learns from class labels"):
        DSPH(**SMALL).fit(replace(few, labels=None))
    with pytest.raises(InvalidInput, match="have no label"):
        DSPH(**SMALL).fit(replace(few, labels=np.zeros((90, 12), dtype=bool)))
    with pytest.raises(InvalidInput, match="margin is a cosine"):
        DSPH(**SMALL, margin=1.5).fit(few)
    with pytest.raises(InvalidInput, match="at least 4 bits"):
        DSPH(**SMALL | {"bits": 3}).fit(few)
    with pytest.raises(InvalidInput, match="NaN"):
        DSPH(**SMALL).fit(few).encode_text(np.full((2, 200), np.nan))
    with pytest.raises(InvalidInput, match="not fitted"):
        _ = DSPH(**SMALL).proxies


def test_a_single_class(few: PairedFeatures) -> None:
    method = DSPH(**SMALL).fit(replace(few, labels=np.ones((90, 1), dtype=bool), class_names=()))
    assert np.isfinite(method.image_outputs(few.image)).all()
