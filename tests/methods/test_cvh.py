"""CVH against scikit-learn and the generalised eigenproblem, and its codes on generated and real rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import eig
from sklearn.cross_decomposition import CCA as SklearnCCA

from xmr_lib.data import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing.cvh import CVH

DIRECTIONS = ("i2t", "t2i")


@pytest.fixture(scope="module")
def data() -> PairedFeatures:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 6)) * np.linspace(2, 0.5, 6)
    image = z @ rng.normal(size=(6, 9)) + rng.normal(size=(300, 9)) + 5
    text = z @ rng.normal(size=(6, 7)) + rng.normal(size=(300, 7)) - 2
    return PairedFeatures(image, text)


def covariances(data: PairedFeatures, ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = (m.astype(np.float64) - m.mean(axis=0, dtype=np.float64) for m in (data.image, data.text))
    n = len(x)
    xx, yy = x.T @ x / n, y.T @ y / n
    xx += ridge * np.trace(xx) / len(xx) * np.eye(len(xx))
    yy += ridge * np.trace(yy) / len(yy) * np.eye(len(yy))
    return xx, yy, x.T @ y / n


def parallel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|cosine| of the columns."""
    return np.abs((a * b).sum(axis=0)) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("inverse", [True, False])
def test_weights_solve_the_eigenproblem(data: PairedFeatures, ridge: float, inverse: bool) -> None:
    xx, yy, xy = covariances(data, ridge)
    values, vectors = eig(xy @ (np.linalg.inv(yy) if inverse else yy) @ xy.T, xx)
    best = np.argsort(-values.real)[:5]
    cvh = CVH(5, ridge=ridge, inverse=inverse).fit(data)
    np.testing.assert_allclose(cvh.correlations_, np.sqrt(values.real[best]), rtol=1e-5)
    np.testing.assert_allclose(parallel(cvh.image_weights_, vectors.real[:, best]), 1, atol=1e-6)
    np.testing.assert_allclose(parallel(cvh.text_weights_, np.linalg.inv(yy) @ xy.T @ cvh.image_weights_), 1, atol=1e-6)
    assert ((cvh.image_weights_ * (xy @ cvh.text_weights_)).sum(axis=0) > 0).all(), "a bit must mean the same in both"


def test_the_toolbox_does_not_solve_cca(data: PairedFeatures) -> None:
    ours, theirs = CVH(3).fit(data), CVH(3, inverse=False).fit(data)
    assert parallel(ours.image_weights_, theirs.image_weights_)[0] < 0.99


def test_first_bit_equals_scikit_learn(data: PairedFeatures) -> None:
    a, b = SklearnCCA(1, max_iter=5000, tol=1e-12).fit_transform(data.image, data.text)
    cvh = CVH(1, ridge=0.0).fit(data)
    theirs = np.where(a > 0, 1, -1), np.where(b > 0, 1, -1)
    for codes, reference in zip((cvh.encode_image(data.image), cvh.encode_text(data.text)), theirs, strict=True):
        assert abs((codes * reference).mean()) > 0.98  # a row next to the threshold may fall to either side


def test_bits_are_uncorrelated_before_the_sign_and_about_balanced_after(generated: HashingSplits) -> None:
    cvh = CVH(16, ridge=0.0).fit(generated.train)
    outputs = cvh.image_outputs(generated.train.image)
    np.testing.assert_allclose(outputs.T @ outputs / len(outputs), np.eye(16), atol=1e-6)
    assert np.abs(cvh.encode_image(generated.train.image).mean(axis=0)).max() < 0.15


def test_a_shorter_code_is_the_beginning_of_a_longer_one(generated: HashingSplits) -> None:
    short, long = CVH(8).fit(generated.train), CVH(32).fit(generated.train)
    query = generated.query.image
    np.testing.assert_array_equal(short.encode_image(query), long.encode_image(query)[:, :8])
    assert (np.diff(long.correlations_) <= 1e-12).all()


def test_map_falls_with_the_length_on_generated_rows(generated: HashingSplits) -> None:
    """Reference runs: .537 / .526 with 16 bits, .496 / .490 with 64; chance .446."""
    short, long = (evaluate_hashing(CVH(bits).fit(generated.train), generated) for bits in (16, 64))
    for direction in DIRECTIONS:
        assert short.value("MAP", direction) > long.value("MAP", direction) + 0.015
        assert short.value("MAP", direction) == pytest.approx(0.53, abs=0.04)
        assert long.value("MAP", direction) == pytest.approx(0.493, abs=0.04)


def test_map_falls_with_the_length_on_wikipedia(wikipedia: HashingSplits) -> None:
    reference = {16: (0.175, 0.168), 32: (0.156, 0.156), 64: (0.142, 0.142)}
    metrics = ["MAP", "MAP@50/hits"]
    reports = {k: evaluate_hashing(CVH(k).fit(wikipedia.train), wikipedia, metrics=metrics) for k in reference}
    for k, expected in reference.items():
        assert [reports[k].value("MAP", d) for d in DIRECTIONS] == pytest.approx(expected, abs=0.03)
        assert reports[k].value("MAP@50/hits", "t2i") > reports[k].value("MAP@50/hits", "i2t") + 0.05
    for direction in DIRECTIONS:
        assert reports[16].value("MAP", direction) > reports[64].value("MAP", direction) + 0.01


def test_round_trip_and_same_result(data: PairedFeatures, tmp_path: Path) -> None:
    cvh = CVH(5, ridge=0.1).fit(data)
    cvh.save(tmp_path)
    again = CVH.load(tmp_path)
    assert again.get_params() == cvh.get_params()
    for other in (again, cvh.clone().fit(data)):
        np.testing.assert_array_equal(other.similarity(data.image, data.text), cvh.similarity(data.image, data.text))


def test_presets_are_parameters() -> None:
    for profile in ("smoke", "course", "paper"):
        assert CVH(32, **CVH.preset(profile)).bits == 32


def test_bad_input(data: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match=r"at most 7, but bits is 8\. Lift the features with RBFAnchors"):
        CVH(8).fit(data)
    with pytest.raises(InvalidInput, match="ridge must be 0 or more"):
        CVH(4, ridge=-1.0).fit(data)
    with pytest.raises(InvalidInput, match="bits must be a whole number"):
        CVH(0).fit(data)
    several = PairedFeatures(data.image[:150], data.text, caption_image=np.repeat(np.arange(150), 2))
    with pytest.raises(InvalidInput, match="one caption per image"):
        CVH(4).fit(several)


@pytest.mark.parametrize("inverse", [True, False])
def test_a_constant_column_makes_no_bit_infinite(data: PairedFeatures, inverse: bool) -> None:
    flat = PairedFeatures(np.hstack([data.image, np.ones((300, 1))]), data.text)
    for ridge in (0.0, 0.1):
        cvh = CVH(5, ridge=ridge, inverse=inverse).fit(flat)
        assert np.isfinite(cvh.image_outputs(flat.image)).all()
        assert np.isfinite(cvh.text_outputs(flat.text)).all()
