"""Solutions of exercise 02 and the inputs they are tried on. Numpy only, independent of the library."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.course.task import Case, close

Array = NDArray[Any]


def whitening_matrix(covariance: Array, ridge: float) -> Array:
    """The symmetric (S + ridge * tr(S)/d * I)^(-1/2)."""
    return matrix_power(covariance, ridge, -0.5)


def matrix_power(covariance: Array, ridge: float, power: float) -> Array:
    """A power of S + ridge * tr(S)/d * I through its eigenvalues."""
    d = len(covariance)
    values, vectors = np.linalg.eigh(covariance + ridge * np.trace(covariance) / d * np.eye(d))
    return (vectors * values**power) @ vectors.T


def cca(x: Array, y: Array, n_components: int, ridge: float) -> tuple[Array, Array, Array]:
    """Directions W_x (d_x, k), W_y (d_y, k) and correlations (k,), largest first, of two centred views."""
    n, k = len(x), n_components
    whiten_x, whiten_y = whitening_matrix(x.T @ x / n, ridge), whitening_matrix(y.T @ y / n, ridge)
    u, rho, vt = np.linalg.svd(whiten_x @ (x.T @ y / n) @ whiten_y)
    return whiten_x @ u[:, :k], whiten_y @ vt[:k].T, rho[:k]


def posterior(x: Array, weights: Array, bias: Array) -> Array:
    """Class probabilities of a multinomial logistic regression, (n, c)."""
    scores = x @ weights.T + bias
    exponent = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponent / exponent.sum(axis=1, keepdims=True)


def normalised_correlation(a: Array, b: Array) -> Array:
    """a'b / (|a| |b|) of every row of a (n, d) with every row of b (m, d); 0 for a row of zeros."""
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.divide(a @ b.T, norms, out=np.zeros(norms.shape), where=norms > 0)


def same_directions(expected: Any, got: Any) -> bool:
    """Equal CCA results when a direction may point either way, together in both views."""
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        return False
    try:
        w_x, w_y, rho = (np.asarray(part, dtype=float) for part in got)
    except (TypeError, ValueError):
        return False
    if any(a.shape != b.shape for a, b in zip(expected, (w_x, w_y, rho), strict=True)):
        return False
    sign = np.where((expected[0] * w_x).sum(axis=0) < 0, -1.0, 1.0)
    return close(expected, (w_x * sign, w_y * sign, rho))


def views(seed: int, n: int, d_x: int, d_y: int, shared: int) -> tuple[Array, Array]:
    """Two centred views with a few shared causes of falling strength and features of unequal size."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(n, shared))
    strength = np.linspace(2.0, 0.7, shared)
    x = (causes * strength) @ rng.normal(size=(shared, d_x)) + rng.normal(size=(n, d_x)) * rng.uniform(0.5, 2, d_x)
    y = (causes * strength) @ rng.normal(size=(shared, d_y)) + rng.normal(size=(n, d_y)) * rng.uniform(0.5, 2, d_y)
    return x - x.mean(axis=0), y - y.mean(axis=0)


def whitening_cases() -> list[Case]:
    """Covariances from one you can invert in your head to a random one."""
    x, _ = views(1, 50, 5, 2, 2)
    few, _ = views(2, 4, 6, 2, 1)
    return [
        Case("S = diag(4, 1) without ridge", (np.diag([4.0, 1.0]), 0.0)),
        Case("S = [[2, 1], [1, 2]] with ridge 0.5", (np.array([[2.0, 1.0], [1.0, 2.0]]), 0.5)),
        Case("the covariance of 50 vectors with 5 features, ridge 0.1", (x.T @ x / 50, 0.1)),
        Case("the covariance of 4 vectors with 6 features (singular), ridge 0.3", (few.T @ few / 4, 0.3)),
    ]


def cca_cases() -> list[Case]:
    """Pairs of views of different widths."""
    small, medium, wide = views(3, 30, 2, 2, 1), views(4, 80, 5, 4, 3), views(5, 60, 4, 7, 3)
    return [
        Case("30 pairs, 2 and 2 features, 1 component, no ridge", (*small, 1, 0.0)),
        Case("80 pairs, 5 and 4 features, 3 components, ridge 0.1", (*medium, 3, 0.1)),
        Case("60 pairs, 4 and 7 features, 2 components, ridge 0.01", (*wide, 2, 0.01)),
    ]


def posterior_cases() -> list[Case]:
    """From two vectors and two classes to scores that overflow exp."""
    rng = np.random.default_rng(6)
    x, weights, bias = rng.normal(size=(6, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)
    return [
        Case(
            "two vectors, two classes, weights the unit matrix, bias (0, 1)",
            (np.array([[1.0, 0.0], [0.0, 0.0]]), np.eye(2), np.array([0.0, 1.0])),
        ),
        Case("6 vectors with 4 features, 3 classes", (x, weights, bias)),
        Case("the same with scores in the thousands", (2000 * x, weights, bias)),
    ]


def correlation_cases() -> list[Case]:
    """From two by three unit-like vectors to one with a row of zeros."""
    rng = np.random.default_rng(7)
    a, b = rng.random((5, 4)), rng.random((7, 4)) * rng.uniform(0.5, 3, (7, 1))
    zeros = a.copy()
    zeros[2] = 0.0
    return [
        Case(
            "a = [[3, 4], [1, 0]], b = [[1, 0], [0, 2], [6, 8]]",
            (np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 2.0], [6.0, 8.0]])),
        ),
        Case("5 and 7 vectors of 4 numbers", (a, b)),
        Case("5 and 7 vectors, one of them all zeros", (zeros, b)),
    ]
