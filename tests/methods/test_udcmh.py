"""UDCMH: the objective never rises, no label is touched, and what the graph is good for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing import CVH, UDCMH
from xmr_lib.methods.hashing.base import HashingMethod
from xmr_lib.methods.hashing.udcmh import code_regression, learn_codes

SMALL: dict[str, Any] = {"bits": 8, "near": 5, "far": 5, "sweeps": 4, "hidden": 16, "epochs": 3, "batch_size": 32}


@pytest.fixture(scope="module")
def data(generated: HashingSplits) -> PairedFeatures:
    return replace(generated.train.subset(np.arange(120)), labels=None, class_names=())


@pytest.fixture(scope="module")
def fitted(data: PairedFeatures) -> UDCMH:
    return UDCMH(**SMALL).fit(data)


# --- binary factors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("beta", "far"), [(0.0, 5), (0.01, 5), (0.1, 5), (0.1, 0), (3.0, 5)])
def test_the_objective_never_rises(data: PairedFeatures, beta: float, far: int) -> None:
    found = learn_codes((data.image, data.text), 16, near=5, far=far, beta=beta)
    steps = np.diff(found.objective)
    assert len(found.objective) % 3 == 0
    assert np.all(steps <= 1e-9 * found.objective[0])
    assert found.objective[-1] < found.objective[0]
    assert min(found.objective) >= 0


def test_nothing_changes_any_more_once_nothing_changed(data: PairedFeatures) -> None:
    found = learn_codes((data.image, data.text), 4, near=5, far=5, sweeps=200)
    assert len(found.objective) < 3 * 200
    assert found.objective[-1] == found.objective[-2]  # the last B step left the codes alone


def test_codes_are_bits_and_weights_sum_to_one(data: PairedFeatures) -> None:
    found = learn_codes((data.image, data.text), 16, near=5, far=5)
    assert set(np.unique(found.codes)) == {-1.0, 1.0}
    assert found.weights.sum() == pytest.approx(1)
    assert np.all(found.weights > 0)


def test_a_modality_without_structure_gets_less_weight(data: PairedFeatures) -> None:
    noise = np.random.default_rng(0).normal(size=data.text.shape)
    found = learn_codes((data.image, noise), 8, near=5, far=5)
    swapped = learn_codes((noise, data.image), 8, near=5, far=5)
    assert found.weights[0] > 0.5
    assert swapped.weights[1] > 0.5


def test_the_scale_of_a_modality_does_not_matter(data: PairedFeatures) -> None:
    one = learn_codes((data.image, data.text), 8, near=5, far=5)
    other = learn_codes((data.image, 1000 * data.text), 8, near=5, far=5)
    assert np.mean(one.codes == other.codes) > 0.99


def test_a_strong_pull_alone_makes_all_codes_equal_and_the_push_prevents_it(generated: HashingSplits) -> None:
    views = generated.train.image, generated.train.text
    codes = {far: learn_codes(views, 16, near=20, far=far, beta=0.1).codes for far in (0, 20)}
    balance = {far: float(np.abs(c.mean(axis=0)).mean()) for far, c in codes.items()}
    assert balance[0] > 0.95  # every bit has the same value for nearly all items
    assert balance[20] < 0.4


def test_regression_by_hand_and_by_finite_differences() -> None:
    codes = torch.tensor([[1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
    outputs = torch.tensor([[0.5, -1.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    assert code_regression(outputs, codes).item() == pytest.approx((0.25 + 0 + 1 + 4) / 4)
    assert torch.autograd.gradcheck(lambda x: code_regression(x, codes), (outputs,))


# --- the method -----------------------------------------------------------------------------------------------------


def test_it_trains_without_labels_and_labels_change_nothing(fitted: UDCMH, generated: HashingSplits) -> None:
    labelled = generated.train.subset(np.arange(120))
    assert labelled.labels is not None
    again = UDCMH(**SMALL).fit(labelled, generated.validation)  # the validation pairs are not used either
    query = generated.query
    assert np.array_equal(again.unified_codes_, fitted.unified_codes_)
    assert np.array_equal(again.similarity(query.image, query.text), fitted.similarity(query.image, query.text))
    assert again.history_.validation == []
    assert again.model_.codes.shape == (120, 8)


def test_codes_of_the_training_pairs(fitted: UDCMH, data: PairedFeatures) -> None:
    found = learn_codes((data.image, data.text), 8, near=5, far=5, sweeps=4)
    assert fitted.unified_codes_.dtype == np.int8
    assert np.array_equal(fitted.unified_codes_, found.codes)
    assert fitted.objective_.tolist() == found.objective
    assert set(fitted.history_.terms) == {"image", "text"}
    assert all(values[-1] < values[0] for values in fitted.history_.terms.values())


def test_the_networks_learn_the_codes(data: PairedFeatures) -> None:
    method = UDCMH(**{**SMALL, "epochs": 60, "hidden": 64, "lr": 3e-3}).fit(data)
    assert np.mean(method.encode_image(data.image) == method.unified_codes_) > 0.95
    assert np.mean(method.encode_text(data.text) == method.unified_codes_) > 0.95


def test_save_and_load(fitted: UDCMH, generated: HashingSplits, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    loaded = UDCMH.load(tmp_path)
    query = generated.query
    assert np.array_equal(loaded.similarity(query.image, query.text), fitted.similarity(query.image, query.text))
    for name in ("unified_codes_", "weights_", "objective_"):
        assert np.array_equal(getattr(loaded, name), getattr(fitted, name))
    assert loaded.unified_codes_.dtype == np.int8


def test_another_seed_gives_other_codes(fitted: UDCMH, data: PairedFeatures) -> None:
    again, other = UDCMH(**SMALL).fit(data), UDCMH(**SMALL, seed=1).fit(data)
    assert np.array_equal(again.encode_image(data.image), fitted.encode_image(data.image))
    assert not np.array_equal(other.unified_codes_, fitted.unified_codes_)


def test_empty_texts_are_legal(data: PairedFeatures) -> None:
    text = data.text.copy()
    text[::6] = 0
    method = UDCMH(**SMALL).fit(replace(data, text=text))
    assert np.all(np.diff(method.objective_) <= 1e-9 * method.objective_[0])
    assert set(np.unique(method.encode_text(text))) <= {-1, 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"near": 120}, "Use fewer neighbours"),
        ({"near": 60, "far": 60}, "Use fewer neighbours"),
        ({"beta": -1.0}, "beta"),
        ({"delta": 1.0}, "delta"),
        ({"bits": 0}, "bits"),
        ({"sweeps": 0}, "sweeps"),
    ],
)
def test_bad_settings(data: PairedFeatures, change: dict[str, Any], message: str) -> None:
    method = UDCMH(**{**SMALL, **change})
    with pytest.raises(InvalidInput, match=message):
        method.fit(data)
    with pytest.raises(InvalidInput, match="not fitted"):
        method.encode_image(data.image)


def test_a_constant_view_is_refused(data: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="equal"):
        UDCMH(**SMALL).fit(replace(data, text=np.ones_like(data.text)))


def test_presets() -> None:
    for profile in ("paper", "course", "smoke"):
        assert UDCMH(32, **UDCMH.preset(profile)).bits == 32


def test_without_labels_it_beats_cvh_at_64_bits_and_the_graph_helps(generated: HashingSplits) -> None:
    methods: dict[str, HashingMethod] = {
        name: UDCMH(64, epochs=6, beta=beta) for name, beta in (("none", 0.0), ("both", 0.01))
    }
    methods["cvh"] = CVH(64)
    score = {name: evaluate_hashing(m.fit(generated.train), generated).value("MAP") for name, m in methods.items()}
    assert score["both"] > score["cvh"] + 0.08
    assert score["both"] > score["none"] + 0.05
