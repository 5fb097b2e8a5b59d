"""Choosing CCA's settings: one fit per ridge gives what a fit per setting gives, and the test split stays out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.subspace import CCA, CM
from xmr_lib.methods.subspace.selection import Trial, try_cca
from xmr_lib.metrics import recall_at_k

GRID = {"ridges": [0.0, 0.01, 1.0], "components": [2, 6, 4], "powers": [0.0, 1.5]}


def pairs(n: int, seed: int) -> PairedFeatures:
    """Three common factors, of different strength, in 8 image and 6 text features."""
    rng, mixing = np.random.default_rng(seed), np.random.default_rng(99)
    z = rng.normal(size=(n, 3)) * [2.0, 1.0, 0.5]
    return PairedFeatures(
        z @ mixing.normal(size=(3, 8)) + rng.normal(size=(n, 8)),
        z @ mixing.normal(size=(3, 6)) + rng.normal(size=(n, 6)),
    )


@pytest.fixture(scope="module")
def train() -> PairedFeatures:
    return pairs(60, 0)


@pytest.fixture(scope="module")
def validation() -> PairedFeatures:
    return pairs(50, 1)


def score(method: CCA, data: PairedFeatures) -> float:
    """Smooth, so that a small error in the embeddings shows: mean cosine of the right pairs minus that of all."""
    similarity = method.similarity(data.image, data.text)
    return float(np.diag(similarity).mean() - similarity.mean())


def test_every_grid_point_equals_its_own_fit(train: PairedFeatures, validation: PairedFeatures) -> None:
    trials = try_cca(train, validation, score, **GRID)
    settings = {(t.ridge, t.n_components, t.correlation_power) for t in trials}
    assert len(trials) == 18
    assert settings == set(itertools.product(*GRID.values()))
    for trial in trials:
        own = trial.method().fit(train)
        assert own.get_params() == {
            "n_components": trial.n_components,
            "ridge": trial.ridge,
            "correlation_power": trial.correlation_power,
        }
        assert trial.score == pytest.approx(score(own, validation), abs=1e-10)
    assert len({round(trial.score, 9) for trial in trials}) == 18  # the settings do make a difference


def test_best_comes_first(train: PairedFeatures, validation: PairedFeatures) -> None:
    scores = [trial.score for trial in try_cca(train, validation, score, **GRID)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


def test_equal_scores_keep_the_order_of_the_grid(train: PairedFeatures, validation: PairedFeatures) -> None:
    trials = try_cca(train, validation, lambda method, data: 0.5, **GRID)
    assert [(t.ridge, t.n_components, t.correlation_power) for t in trials] == list(itertools.product(*GRID.values()))


def test_a_metric_of_the_course_as_score(train: PairedFeatures, validation: PairedFeatures) -> None:
    def recall(method: CCA, data: PairedFeatures) -> float:
        return recall_at_k(method.similarity(data.image, data.text), np.eye(data.n_images, dtype=bool), 5)

    best = try_cca(train, validation, recall, **GRID)[0]
    assert best.score == recall(best.method().fit(train), validation) > 5 / 50


def test_path_equals_one_fit_per_ridge(train: PairedFeatures) -> None:
    for copy, ridge in zip(CM(5).fit_path(train, GRID["ridges"]), GRID["ridges"], strict=True):
        own = CM(5, ridge=ridge).fit(train)
        assert type(copy) is CM
        assert copy.get_params() == own.get_params()
        np.testing.assert_allclose(copy.correlations_, own.correlations_, atol=1e-10)
        np.testing.assert_allclose(
            copy.similarity(train.image, train.text), own.similarity(train.image, train.text), atol=1e-8
        )


def test_path_errors(train: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="ridge must be 0 or more"):
        CCA(3).fit_path(train, [0.1, -1.0])


def test_trial_is_a_setting_not_a_fit() -> None:
    method = Trial(0.1, 5, 2.0, 0.3).method()
    assert method.get_params() == {"n_components": 5, "ridge": 0.1, "correlation_power": 2.0}
    with pytest.raises(InvalidInput, match="not fitted yet"):
        method.encode_image(np.zeros((1, 8)))


@pytest.mark.parametrize("empty", ["ridges", "components", "powers"])
def test_empty_grid(train: PairedFeatures, validation: PairedFeatures, empty: str) -> None:
    with pytest.raises(InvalidInput, match="at least one value each"):
        try_cca(train, validation, score, **{**GRID, empty: []})


def test_too_many_components(train: PairedFeatures, validation: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="n_components=6 or less"):
        try_cca(train, validation, score, ridges=[0.1], components=[3, 7])
    with pytest.raises(InvalidInput, match="at least 1"):
        try_cca(train, validation, score, ridges=[0.1], components=[3, 0])


# --- truncated -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [1, 3, 6])
def test_truncated_equals_a_smaller_fit(train: PairedFeatures, validation: PairedFeatures, keep: int) -> None:
    full = CCA(6, ridge=0.01, correlation_power=0.5).fit(train)
    short, own = full.truncated(keep), CCA(keep, ridge=0.01, correlation_power=0.5).fit(train)
    assert short.get_params() == own.get_params()
    np.testing.assert_allclose(short.correlations_, own.correlations_, atol=1e-12)
    np.testing.assert_allclose(
        short.similarity(validation.image, validation.text),
        own.similarity(validation.image, validation.text),
        atol=1e-10,
    )


def test_truncated_leaves_the_original_alone(train: PairedFeatures) -> None:
    full = CCA(6).fit(train)
    before = full.encode_image(train.image)
    full.truncated(2, correlation_power=3.0)
    np.testing.assert_array_equal(full.encode_image(train.image), before)


def test_truncated_takes_a_new_power(train: PairedFeatures) -> None:
    plain = CCA(6).fit(train).truncated(3, correlation_power=2.0)
    np.testing.assert_allclose(
        plain.encode_text(train.text), CCA(3, correlation_power=2.0).fit(train).encode_text(train.text), atol=1e-10
    )


def test_truncated_keeps_the_class(train: PairedFeatures) -> None:
    assert type(CM(5).fit(train).truncated(2)) is CM


def test_truncated_errors(train: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="not fitted yet"):
        CCA(3).truncated(2)
    with pytest.raises(InvalidInput, match=r"Only 3 directions were fitted, so 4 cannot be kept"):
        CCA(3).fit(train).truncated(4)
    with pytest.raises(InvalidInput, match="at least 1"):
        CCA(3).fit(train).truncated(0)
