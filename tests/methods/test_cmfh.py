"""CMFH: every step is a minimum, the objective never rises, and codes on generated and real rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xmr_lib.data import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing.cmfh import CMFH, Weights, factors_of, latent_rows, loadings, objective, sweep

DIRECTIONS = ("i2t", "t2i")
W = Weights((0.3, 0.7), 5.0, 0.2)


@pytest.fixture(scope="module")
def data() -> PairedFeatures:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(80, 4))
    image, text = z @ rng.normal(size=(4, 9)), z @ rng.normal(size=(4, 7))
    return PairedFeatures(image + rng.normal(size=(80, 9)) + 2, text + rng.normal(size=(80, 7)))


def gradient(f: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Central differences: exact for a quadratic, up to rounding."""
    slope = np.zeros_like(at)
    for i in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[i] = 1e-3
        slope[i] = (f(at + step) - f(at - step)) / 2e-3
    return slope


def test_every_step_is_a_minimum_of_the_objective() -> None:
    rng = np.random.default_rng(1)
    views = [rng.normal(size=(12, 5)), rng.normal(size=(12, 4))]
    old = rng.random((12, 3))
    new, u, p = sweep(views, factors_of(views, W), old, W)
    for t in range(2):

        def with_u(part: np.ndarray, t: int = t) -> float:
            return objective(views, old, [part if t == i else u[i] for i in range(2)], p, W)

        def with_p(part: np.ndarray, t: int = t) -> float:
            return objective(views, old, u, [part if t == i else p[i] for i in range(2)], W)

        np.testing.assert_allclose(gradient(with_u, u[t]), 0, atol=1e-7)
        np.testing.assert_allclose(gradient(with_p, p[t]), 0, atol=1e-7)
    np.testing.assert_allclose(gradient(lambda v: objective(views, v, u, p, W), new), 0, atol=1e-7)
    assert np.abs(gradient(lambda v: objective(views, v, u, p, W), old)).max() > 1, "the test can fail"


def test_loadings_equal_ridge_regression() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(20, 6)), rng.normal(size=(20, 3))
    reference = Ridge(alpha=0.4, fit_intercept=False).fit(v, x).coef_.T
    np.testing.assert_allclose(loadings(x, v, 0.4), reference, atol=1e-10)


def test_one_latent_row_by_hand() -> None:
    # one row, one bit, one feature per view: V (1 + 1 + 2 * 2 + 1) = x_1 u_1 + x_2 u_2 + 2 (x_1 p_1 + x_2 p_2)
    one = np.ones((1, 1))
    w = Weights((1.0, 1.0), 2.0, 1.0)
    assert latent_rows([3 * one, 4 * one], [one, one], [one, 0 * one], w) == pytest.approx((3 + 4 + 2 * 3) / 7)


@pytest.mark.parametrize("settings", [{}, {"mu": 1.0, "gamma": 10.0}, {"lam": 0.05, "mu": 0.01}])
def test_objective_never_increases(data: PairedFeatures, settings: dict[str, float]) -> None:
    history = CMFH(6, sweeps=60, **settings).fit(data).objective_
    assert history.shape == (60,)
    assert (np.diff(history) <= 1e-9 * history[0]).all()
    assert history[-1] < history[0] - 1e-3


def test_objective_never_increases_on_generated_rows(generated: HashingSplits) -> None:
    history = CMFH(16, sweeps=50).fit(generated.train).objective_
    assert (np.diff(history) < 0).all()


def test_unified_codes_know_both_modalities(data: PairedFeatures) -> None:
    cmfh = CMFH(6).fit(data)
    assert cmfh.unified_codes_.shape == (80, 6)
    assert set(np.unique(cmfh.unified_codes_)) == {-1, 1}
    agree = [(cmfh.unified_codes_ == c).mean() for c in (cmfh.encode_image(data.image), cmfh.encode_text(data.text))]
    between = (cmfh.encode_image(data.image) == cmfh.encode_text(data.text)).mean()
    assert min(agree) > between
    assert min(agree) > 0.7


def test_unified_codes_are_an_easier_protocol(generated: HashingSplits) -> None:
    cmfh = CMFH(16).fit(generated.train)
    training, unified = (evaluate_hashing(cmfh, generated, protocol=p) for p in ("training", "unified"))
    for direction in DIRECTIONS:
        assert unified.value("MAP", direction) > training.value("MAP", direction)


def test_map_and_seeds_on_generated_rows(generated: HashingSplits) -> None:
    """Reference runs, 30 sweeps: .600 / .584 with 16 bits, .582 / .565 with 64; chance .446."""
    short = [evaluate_hashing(CMFH(16, seed=seed).fit(generated.train), generated) for seed in range(3)]
    long = evaluate_hashing(CMFH(64).fit(generated.train), generated)
    for direction, expected in zip(DIRECTIONS, (0.600, 0.584), strict=True):
        values = [report.value("MAP", direction) for report in short]
        assert values == pytest.approx([expected] * 3, abs=0.05)
        assert len(set(values)) == 3
        assert long.value("MAP", direction) == pytest.approx(0.575, abs=0.05)


def test_map_rises_with_the_length_on_wikipedia(wikipedia: HashingSplits) -> None:
    reference = {16: (0.200, 0.238), 32: (0.211, 0.267), 64: (0.234, 0.296)}
    metrics = ["MAP", "MAP@50/hits"]
    fitted = {k: CMFH(k).fit(wikipedia.train) for k in reference}
    reports = {k: evaluate_hashing(fitted[k], wikipedia, metrics=metrics) for k in reference}
    for k, expected in reference.items():
        assert [reports[k].value("MAP", d) for d in DIRECTIONS] == pytest.approx(expected, abs=0.03)
        assert reports[k].value("MAP@50/hits", "t2i") > reports[k].value("MAP@50/hits", "i2t") + 0.1
        assert (np.diff(fitted[k].objective_) < 0).all()
    for direction in DIRECTIONS:
        assert reports[64].value("MAP", direction) > reports[16].value("MAP", direction) + 0.01


def test_round_trip_and_seeds(data: PairedFeatures, tmp_path: Path) -> None:
    cmfh = CMFH(6, seed=3).fit(data)
    cmfh.save(tmp_path)
    again = CMFH.load(tmp_path)
    assert again.get_params() == cmfh.get_params()
    np.testing.assert_array_equal(again.unified_codes_, cmfh.unified_codes_)
    np.testing.assert_array_equal(again.objective_, cmfh.objective_)
    for other in (again, CMFH(6, seed=3).fit(data)):
        np.testing.assert_array_equal(other.similarity(data.image, data.text), cmfh.similarity(data.image, data.text))
    assert (CMFH(6, seed=4).fit(data).unified_codes_ != cmfh.unified_codes_).any()


def test_more_bits_than_features_are_allowed(data: PairedFeatures) -> None:
    assert CMFH(20).fit(data).encode_text(data.text).shape == (80, 20)


def test_presets_are_parameters() -> None:
    for profile in ("smoke", "course", "paper"):
        assert CMFH(32, **CMFH.preset(profile)).bits == 32


@pytest.mark.parametrize("settings", [{"lam": 0.0}, {"lam": 1.0}, {"mu": 0.0}, {"gamma": 0.0}, {"mu": -1.0}])
def test_weights_out_of_range(data: PairedFeatures, settings: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="mu and gamma above 0"):
        CMFH(4, **settings).fit(data)


def test_bad_input(data: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="sweeps must be a whole number"):
        CMFH(4, sweeps=0).fit(data)
    with pytest.raises(InvalidInput, match="bits must be a whole number"):
        CMFH(-1).fit(data)
    several = PairedFeatures(data.image[:40], data.text, caption_image=np.repeat(np.arange(40), 2))
    with pytest.raises(InvalidInput, match="one caption per image"):
        CMFH(4).fit(several)
