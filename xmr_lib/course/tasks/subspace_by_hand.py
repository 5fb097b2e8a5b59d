"""Solutions of exercise 02 and how results are compared with them. Numpy only, independent of the library."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.course.task import close

Array = NDArray[Any]


def pca_whitening(x: Array, n_components: int, ridge: float) -> tuple[Array, Array]:
    """Mean (d,) and W (d, k), so that (x - mean) @ W has unit covariance along the k strongest directions."""
    mean = x.mean(axis=0)
    centred = x - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    strongest = np.argsort(-values)[:n_components]
    return mean, vectors[:, strongest] / np.sqrt(values[strongest] + ridge * values.mean())


def paired_cca(
    images: Array, captions: Array, caption_image: Array, n_components: int, ridge: float
) -> tuple[Array, Array, Array]:
    """Directions W_x (d_x, k), W_y (d_y, k) and correlations (k,), largest first, over all image-caption pairs."""
    x, y, k = images[caption_image], captions, n_components
    mean_x, whiten_x = pca_whitening(x, x.shape[1], ridge)
    mean_y, whiten_y = pca_whitening(y, y.shape[1], ridge)
    cross = (x - mean_x).T @ (y - mean_y) / len(y)
    u, rho, vt = np.linalg.svd(whiten_x.T @ cross @ whiten_y)
    return whiten_x @ u[:, :k], whiten_y @ vt[:k].T, rho[:k]


def gradient_step(
    x: Array, labels: Array, weights: Array, bias: Array, rate: float, penalty: float
) -> tuple[Array, Array]:
    """New weights (c, d) and bias (c,) after one step down the penalised cross-entropy."""
    error = softmax(x @ weights.T + bias) - labels
    gradient = error.T @ x / len(x) + penalty * weights
    return weights - rate * gradient, bias - rate * error.mean(axis=0)


def softmax(scores: Array, axis: int | None = 1) -> Array:
    """exp(scores) as shares along an axis."""
    exponent = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=axis, keepdims=True))


def normalised_correlation(a: Array, b: Array) -> Array:
    """a'b / (|a| |b|) of every row of a (n, d) with every row of b (m, d); 0 for a row of zeros."""
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.divide(a @ b.T, norms, out=np.zeros(norms.shape), where=norms > 0)


def parts(got: Any, like: tuple[Array, ...]) -> tuple[Array, ...] | None:
    """The results as arrays of floats, or None when their number or a shape differs from ``like``."""
    if not isinstance(got, (tuple, list)) or len(got) != len(like):
        return None
    try:
        arrays = tuple(np.asarray(part, dtype=float) for part in got)
    except (TypeError, ValueError):
        return None
    return arrays if all(a.shape == b.shape for a, b in zip(arrays, like, strict=True)) else None


def signs(expected: Array, got: Array) -> Array:
    """+1 or -1 for every column: whether it points as expected or the other way."""
    return np.where((expected * got).sum(axis=0) < 0, -1.0, 1.0)


def same_whitening(expected: Any, got: Any) -> bool:
    """Equal mean, equal W when a column may point either way."""
    arrays = parts(got, expected)
    return arrays is not None and close(expected, (arrays[0], arrays[1] * signs(expected[1], arrays[1])))


def same_directions(expected: Any, got: Any) -> bool:
    """Equal CCA results when a direction may point either way, together in both views."""
    arrays = parts(got, expected)
    if arrays is None:
        return False
    sign = signs(expected[0], arrays[0])
    return close(expected, (arrays[0] * sign, arrays[1] * sign, arrays[2]))
