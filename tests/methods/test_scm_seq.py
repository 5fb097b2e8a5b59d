"""SCM-seq against a plain implementation that builds S', and its codes on generated and real rows."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import eigh

from xmr_lib.data import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.canonical import cca
from xmr_lib.methods.hashing.scm_seq import SCMSeq, leading_pair, semantic_cross

DIRECTIONS = ("i2t", "t2i")


def rows(n: int, classes: int, d_image: int = 8, d_text: int = 6, per_row: int = 1, seed: int = 0) -> PairedFeatures:
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, classes))
    for _ in range(per_row):
        labels[np.arange(n), rng.integers(0, classes, n)] = 1
    image = labels @ rng.normal(size=(classes, d_image)) + 0.7 * rng.normal(size=(n, d_image)) + 1
    text = labels @ rng.normal(size=(classes, d_text)) + 0.7 * rng.normal(size=(n, d_text)) - 1
    return PairedFeatures(image, text, labels=labels)


def with_n_by_n_matrices(data: PairedFeatures, bits: int, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """The paper, word by word: S' in full, a residual in full, a generalised eigenproblem per bit. Codes (n, bits)."""
    x, y = (m.astype(np.float64) - m.mean(axis=0, dtype=np.float64) for m in (data.image, data.text))
    cosine = np.array([[a @ b / np.sqrt((a @ a) * (b @ b)) for b in data.labels * 1.0] for a in data.labels * 1.0])
    left = bits * (2 * cosine - 1)  # (n, n)
    xx, yy = x.T @ x, y.T @ y
    xx += ridge * np.trace(xx) / len(xx) * np.eye(len(xx))
    yy += ridge * np.trace(yy) / len(yy) * np.eye(len(yy))
    codes_x, codes_y = [], []
    for _ in range(bits):
        cross = x.T @ left @ y
        _, vectors = eigh(cross @ np.linalg.solve(yy, cross.T), xx)
        w_x = vectors[:, -1]
        w_y = np.linalg.solve(yy, cross.T @ w_x)
        codes_x.append(np.where(x @ w_x > 0, 1, -1))
        codes_y.append(np.where(y @ w_y > 0, 1, -1))
        left = left - np.outer(codes_x[-1], codes_y[-1])
    return np.array(codes_x).T, np.array(codes_y).T


@pytest.mark.parametrize("per_row", [1, 2])
def test_codes_equal_those_of_the_n_by_n_form(per_row: int) -> None:
    data = rows(60, 4, per_row=per_row)
    scm = SCMSeq(6, ridge=0.1).fit(data)
    h_x, h_y = scm.encode_image(data.image), scm.encode_text(data.text)
    theirs_x, theirs_y = with_n_by_n_matrices(data, 6, 0.1)
    turn = np.sign((h_x * theirs_x).sum(axis=0))  # an eigenvector has no sign: both views of a bit turn together
    np.testing.assert_array_equal(h_x * turn, theirs_x)
    np.testing.assert_array_equal(h_y * turn, theirs_y)


def test_semantic_cross_equals_the_product_with_s() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 5)) + 1, rng.normal(size=(30, 4)) - 1  # not centred
    labels = rng.random((30, 6)) < 0.4
    labels[~labels.any(axis=1), 0] = True
    unit = labels / np.sqrt(labels.sum(axis=1, keepdims=True))
    target = 2 * unit @ unit.T - 1
    assert target.max() == pytest.approx(1)
    assert target.min() == pytest.approx(-1)
    np.testing.assert_allclose(semantic_cross(x, y, labels), x.T @ target @ y, atol=1e-9)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (1, 3)])
def test_leading_pair_equals_the_svd(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(0).normal(size=shape)
    u, values, vt = np.linalg.svd(matrix)
    ours = leading_pair(matrix)
    assert ours[2] == pytest.approx(values[0])
    np.testing.assert_allclose(np.outer(ours[0], ours[1]), np.outer(u[:, 0], vt[0]), atol=1e-9)


def test_leading_pair_of_nothing() -> None:
    u, _, value = leading_pair(np.zeros((3, 2)))
    assert value == 0
    assert u.tolist() == [0, 0, 0]


def test_no_matrix_of_n_by_n_is_built() -> None:
    data = rows(4000, 5)
    tracemalloc.start()
    SCMSeq(8).fit(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 4000, "less than one byte per pair"


def test_codes_come_nearer_to_the_target_bit_by_bit(generated: HashingSplits) -> None:
    data = generated.train.subset(np.arange(400))
    assert data.labels is not None
    unit = data.labels / np.sqrt(data.labels.sum(axis=1, keepdims=True))
    target = 2 * unit @ unit.T - 1
    scm = SCMSeq(16).fit(data)
    h_x, h_y = scm.encode_image(data.image).astype(float), scm.encode_text(data.text).astype(float)
    left = [np.linalg.norm(16 * target - h_x[:, :k] @ h_y[:, :k].T) for k in range(17)]
    assert (np.diff(left) < 0).all()


def test_sequential_rises_where_the_orthogonal_form_falls(generated: HashingSplits) -> None:
    """Reference runs of SCM-seq: .635 / .621 with 16 bits, .677 / .664 with 64; chance .446."""
    reports = {
        (form, bits): evaluate_hashing(SCMSeq(bits, sequential=form).fit(generated.train), generated)
        for form in (True, False)
        for bits in (16, 64)
    }
    for direction in DIRECTIONS:
        values = {key: report.value("MAP", direction) for key, report in reports.items()}
        assert values[True, 64] > values[True, 16] + 0.01
        assert values[False, 64] < values[False, 16] - 0.02
        assert values[True, 16] == pytest.approx(0.628, abs=0.05)
        assert values[True, 64] == pytest.approx(0.67, abs=0.05)


def test_sequential_rises_on_wikipedia(wikipedia: HashingSplits) -> None:
    reference = {16: (0.247, 0.251), 32: (0.274, 0.295), 64: (0.281, 0.318)}
    metrics = ["MAP", "MAP@50/hits"]
    reports = {k: evaluate_hashing(SCMSeq(k).fit(wikipedia.train), wikipedia, metrics=metrics) for k in reference}
    orth = {k: evaluate_hashing(SCMSeq(k, sequential=False).fit(wikipedia.train), wikipedia) for k in (16, 64)}
    for k, expected in reference.items():
        assert [reports[k].value("MAP", d) for d in DIRECTIONS] == pytest.approx(expected, abs=0.03)
        assert reports[k].value("MAP@50/hits", "t2i") > reports[k].value("MAP@50/hits", "i2t") + 0.1
    for d in DIRECTIONS:
        assert reports[64].value("MAP", d) > reports[16].value("MAP", d) + 0.02
        assert orth[64].value("MAP", d) < orth[16].value("MAP", d)


def test_with_many_rare_classes_a_short_code_turns_its_first_bit_round() -> None:
    data = rows(600, 60, d_image=30, d_text=20)
    plain, mended = (SCMSeq(8, fallback=fallback).fit(data) for fallback in (False, True))
    codes = plain.encode_image(data.image).astype(int)
    opposite = codes * plain.encode_text(data.text)
    assert abs((codes[:, 0] * codes[:, 1]).mean()) > 0.5, "the second bit is the first one again"
    assert opposite[:, 0].mean() > 0.2
    assert opposite[:, 1].mean() < -0.2, "with the sides disagreeing"
    assert np.isnan(mended.values_[1:]).all()
    x, y = data.image - mended.image_mean_, data.text - mended.text_mean_
    w_x, w_y, _ = cca(x, y, 7, ridge=0.01)
    for ours, theirs in ((mended.image_weights_[:, 1:], w_x), (mended.text_weights_[:, 1:], w_y)):
        turn = np.sign((ours * theirs[:, ::-1]).sum(axis=0))
        scale = np.linalg.norm(ours, axis=0) / np.linalg.norm(theirs[:, ::-1], axis=0)
        np.testing.assert_allclose(ours, theirs[:, ::-1] * turn * scale, atol=1e-6)  # of CCA, the strongest last
    agree = (mended.encode_image(data.image) * mended.encode_text(data.text)).mean(axis=0)
    assert (agree > 0).all()


def test_the_fallback_changes_nothing_where_no_value_rises(generated: HashingSplits) -> None:
    plain, mended = (SCMSeq(16, fallback=fallback).fit(generated.train) for fallback in (False, True))
    assert (np.diff(plain.values_) <= 0).all()
    np.testing.assert_array_equal(plain.image_weights_, mended.image_weights_)


def test_the_sequential_form_takes_more_bits_than_features() -> None:
    data = rows(80, 4)
    assert SCMSeq(20).fit(data).encode_text(data.text).shape == (80, 20)
    for settings in ({"sequential": False}, {"fallback": True}):
        with pytest.raises(InvalidInput, match="share at most 6 directions"):
            SCMSeq(20, **settings).fit(data)


def test_names_tell_the_forms_apart() -> None:
    assert SCMSeq().name == "SCM-seq"
    assert SCMSeq(sequential=False).name == "SCM-orth"


@pytest.mark.parametrize("sequential", [True, False])
def test_round_trip_and_same_result(tmp_path: Path, sequential: bool) -> None:
    data = rows(80, 4)
    scm = SCMSeq(5, sequential=sequential).fit(data)
    scm.save(tmp_path)
    again = SCMSeq.load(tmp_path)
    assert again.get_params() == scm.get_params()
    for other in (again, scm.clone().fit(data)):
        np.testing.assert_array_equal(other.similarity(data.image, data.text), scm.similarity(data.image, data.text))


def test_presets_are_parameters() -> None:
    for profile in ("smoke", "course", "paper"):
        assert SCMSeq(32, **SCMSeq.preset(profile)).bits == 32


def test_bad_input() -> None:
    data = rows(40, 4)
    with pytest.raises(InvalidInput, match="all 40 pairs have the same"):
        SCMSeq(4).fit(PairedFeatures(data.image, data.text, labels=np.tile([1, 0], (40, 1))))
    with pytest.raises(InvalidInput, match="SCM-seq learns from class labels"):
        SCMSeq(4).fit(PairedFeatures(data.image, data.text))
    with pytest.raises(InvalidInput, match="no label"):
        SCMSeq(4).fit(PairedFeatures(data.image, data.text, labels=data.labels * (np.arange(40) > 3)[:, None]))
    with pytest.raises(InvalidInput, match="ridge must be 0 or more"):
        SCMSeq(4, ridge=-0.1).fit(data)
    with pytest.raises(InvalidInput, match="bits must be a whole number"):
        SCMSeq(0).fit(data)
