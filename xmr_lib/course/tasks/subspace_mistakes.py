"""The mistakes people make in exercise 02, as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.subspace_by_hand import Array, cca, matrix_power, same_directions, whitening_matrix


def eigen(covariance: Array, ridge: float) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of S + ridge * tr(S)/d * I."""
    d = len(covariance)
    values, vectors = np.linalg.eigh(covariance + ridge * np.trace(covariance) / d * np.eye(d))
    return values, vectors


def whiten_with(root: Callable[[Array], Array]) -> Callable[..., tuple[Array, Array, Array]]:
    """A wrong CCA whose whitening is ``root(S)``, S with the ridge."""

    def wrong(x: Array, y: Array, n_components: int, ridge: float) -> tuple[Array, Array, Array]:
        n, k = len(x), n_components
        a = root(matrix_power(x.T @ x / n, ridge, 1.0))
        b = root(matrix_power(y.T @ y / n, ridge, 1.0))
        u, rho, vt = np.linalg.svd(a @ (x.T @ y / n) @ b)
        return a @ u[:, :k], b @ vt[:k].T, rho[:k]

    return wrong


def without_mapping_back(x: Array, y: Array, n_components: int, ridge: float) -> tuple[Array, Array, Array]:
    """The singular vectors themselves, which live in the whitened space."""
    n, k = len(x), n_components
    a, b = whitening_matrix(x.T @ x / n, ridge), whitening_matrix(y.T @ y / n, ridge)
    u, rho, vt = np.linalg.svd(a @ (x.T @ y / n) @ b)
    return u[:, :k], vt[:k].T, rho[:k]


def columns_of_vt(x: Array, y: Array, n_components: int, ridge: float) -> tuple[Array, Array, Array]:
    """The first columns of V' instead of those of V."""
    n, k = len(x), n_components
    a, b = whitening_matrix(x.T @ x / n, ridge), whitening_matrix(y.T @ y / n, ridge)
    u, rho, vt = np.linalg.svd(a @ (x.T @ y / n) @ b)
    return a @ u[:, :k], b @ vt[:, :k], rho[:k]


def smallest(x: Array, y: Array, n_components: int, ridge: float) -> tuple[Array, Array, Array]:
    """The directions with the smallest correlations."""
    w_x, w_y, rho = cca(x, y, min(x.shape[1], y.shape[1]), ridge)
    return w_x[:, -n_components:], w_y[:, -n_components:], rho[-n_components:]


def flipped(case: Case, expected: Any, got: Any) -> bool:
    """Right but for signs that were changed in one view only."""
    if not isinstance(got, (tuple, list)) or len(got) != 3 or np.shape(got[1]) != expected[1].shape:
        return False
    sign = np.where((expected[1] * np.asarray(got[1])).sum(axis=0) < 0, -1.0, 1.0)
    other = np.where((expected[0] * np.asarray(got[0])).sum(axis=0) < 0, -1.0, 1.0)
    return bool((sign != other).any()) and same_directions(expected, (got[0], got[1] * sign * other, got[2]))


def softmax(scores: Array, axis: int | None = 1) -> Array:
    """exp(scores) as shares along an axis."""
    exponent = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=axis, keepdims=True))


def unit(x: Array, axis: int | None = 1, order: int | None = None) -> Array:
    """x divided by its norms along an axis; rows of zeros stay."""
    return np.asarray(x / np.maximum(np.linalg.norm(x, ord=order, axis=axis, keepdims=True), 1e-300))


def centred(x: Array) -> Array:
    """x minus the mean of every row."""
    return np.asarray(x - x.mean(axis=1, keepdims=True))


def squared_lengths(a: Array, b: Array) -> Array:
    """Dot products divided by the squared lengths of both vectors."""
    lengths = (a**2).sum(axis=1)[:, None] * (b**2).sum(axis=1)
    return np.asarray(a @ b.T / np.maximum(lengths, 1e-300))


def has_nan(case: Case, expected: Any, got: Any) -> bool:
    """Whether the result is an array that holds NaN or infinity."""
    return isinstance(got, np.ndarray) and got.dtype.kind == "f" and not np.isfinite(got).all()


def has_form(case: Case, got: Any, build: Callable[[Array, Array], Array]) -> bool:
    """Whether the result is ``build(eigenvalues, eigenvectors)``, whatever the signs of the eigenvectors."""
    wrong = build(*eigen(*case.arguments))
    return np.shape(got) == wrong.shape and np.allclose(np.abs(got), np.abs(wrong))


def close_to(got: Any, wrong: Array) -> bool:
    """Whether a result is this wrong array."""
    return np.shape(got) == wrong.shape and bool(np.allclose(np.asarray(got, dtype=float), wrong))
