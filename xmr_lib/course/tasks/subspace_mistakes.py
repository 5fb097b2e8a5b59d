"""The mistakes people make with whitening and CCA in exercise 02, as functions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from xmr_lib.course.task import Case, close
from xmr_lib.course.tasks.subspace_by_hand import (
    Array,
    paired_cca,
    parts,
    pca_whitening,
    same_directions,
    signs,
)

Whitening = tuple[Array, Array]
Directions = tuple[Array, Array, Array]


def symmetric_root(covariance: Array, ridge: float) -> Array:
    """The whitening matrix of lesson 02: the symmetric (S + ridge * tr(S)/d * I)^(-1/2)."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0) + ridge * values.mean()
    return np.asarray((vectors * np.maximum(values, 1e-300) ** -0.5) @ vectors.T)


def whitening(
    pick: Callable[[Array, int], Array] = lambda values, k: np.argsort(-values)[:k],
    shift: Callable[[Array, float, int], Any] = lambda values, ridge, k: ridge * values.mean(),
    power: float = -0.5,
    centre: bool = True,
    divisor: Callable[[int], float] = float,
) -> Callable[..., Whitening]:
    """A wrong PCA whitening: which directions, what is added to the variances, their power, the covariance."""

    def wrong(x: Array, n_components: int, ridge: float) -> Whitening:
        mean = x.mean(axis=0)
        centred = x - mean if centre else x
        values, vectors = np.linalg.eigh(centred.T @ centred / divisor(len(x)))
        kept = pick(values, n_components)
        return mean, vectors[:, kept] * (values[kept] + shift(values, ridge, n_components)) ** power

    return wrong


def columns_of_the_root(x: Array, n_components: int, ridge: float) -> Whitening:
    """The first k columns of the lesson's symmetric matrix."""
    mean = x.mean(axis=0)
    return mean, symmetric_root((x - mean).T @ (x - mean) / len(x), ridge)[:, :n_components]


def alone_or_last(got: Any, like: Array) -> Array | None:
    """The result itself, or the last of several, if it has the shape of ``like``; else None."""
    several = isinstance(got, (tuple, list)) and len(got) > 0
    found = parts((got,), (like,)) or (parts((got[-1],), (like,)) if several else None)
    return found[0] if found else None


def is_symmetric_root(case: Case, expected: Any, got: Any) -> bool:
    """Whether W, alone or behind the mean, is the lesson's (d, d) matrix, of centred features or not."""
    x, _, ridge = case.arguments
    roots = [symmetric_root(z.T @ z / len(z), ridge) for z in (x, x - x.mean(axis=0))]
    matrix = alone_or_last(got, roots[0])
    return matrix is not None and any(close(root, matrix) for root in roots)


def rows_of_eigh(case: Case, expected: Any, got: Any) -> bool:
    """Whether rows of the matrix of eigenvectors were taken for its columns, whatever their signs."""
    x, k, ridge = case.arguments
    arrays = parts(got, expected)
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    rows = vectors[::-1][:k].T * (values[::-1][:k] + ridge * values.mean()) ** -0.5
    return arrays is not None and close(np.abs(rows), np.abs(arrays[1]))


def is_whitened_data(case: Case, expected: Any, got: Any) -> bool:
    """Whether the whitened features themselves were returned, alone or instead of W."""
    white = (case.arguments[0] - expected[0]) @ expected[1]
    matrix = alone_or_last(got, white)
    return matrix is not None and close(np.abs(white), np.abs(matrix))


def only_w(case: Case, expected: Any, got: Any) -> bool:
    """Whether W came without the mean."""
    matrix = parts((got,), (expected[1],))
    return matrix is not None and close(np.abs(expected[1]), np.abs(matrix[0]))


def cca_of(x: Array, y: Array, n_components: int, ridge: float, root: Any = symmetric_root) -> Directions:
    """The cca of lesson 02, for views that it takes to be centred and paired; ``root`` whitens."""
    n, k = len(x), n_components
    a, b = root(x.T @ x / n, ridge), root(y.T @ y / n, ridge)
    u, rho, vt = np.linalg.svd(a @ (x.T @ y / n) @ b)
    return a @ u[:, :k], b @ vt[:k].T, rho[:k]


def with_pairs(build: Callable[[Array, Array, Array], tuple[Array, Array]], centre: bool = True) -> Callable[..., Any]:
    """A wrong CCA on pairs made by ``build(images, captions, caption_image)``, then centred or not."""

    def wrong(images: Array, captions: Array, caption_image: Array, n_components: int, ridge: float) -> Directions:
        x, y = build(images, captions, caption_image)
        if centre:
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        return cca_of(x, y, n_components, ridge)

    return wrong


def first_captions(images: Array, captions: Array, caption_image: Array) -> tuple[Array, Array]:
    """One pair per image: its first caption."""
    found, first = np.unique(caption_image, return_index=True)
    return images[found], captions[first]


def mean_captions(images: Array, captions: Array, caption_image: Array) -> tuple[Array, Array]:
    """One pair per image: the mean of its captions."""
    counts = np.bincount(caption_image)[:, None]
    member = np.eye(len(images))[:, caption_image]
    return images, member @ captions / counts


def in_order(images: Array, captions: Array, caption_image: Array) -> tuple[Array, Array]:
    """Every image repeated as often as it has captions, as if captions were sorted by image."""
    return np.repeat(images, np.bincount(caption_image), axis=0), captions


def whiten_with(root: Callable[[Array], Array]) -> Callable[..., Directions]:
    """A wrong CCA whose whitening is ``root(S)``, S with the ridge."""

    def wrong(images: Array, captions: Array, caption_image: Array, n_components: int, ridge: float) -> Directions:
        def regular(s: Array, ridge: float) -> Array:
            return root(s + ridge * np.trace(s) / len(s) * np.eye(len(s)))

        x, y = images[caption_image], captions
        return cca_of(x - x.mean(axis=0), y - y.mean(axis=0), n_components, ridge, regular)

    return wrong


def whitened(images: Array, captions: Array, caption_image: Array, ridge: float) -> tuple[Array, Array, Array]:
    """Both PCA whitening matrices with all directions, and the cross-covariance of the centred pairs."""
    x, y = images[caption_image], captions
    mean_x, a = pca_whitening(x, x.shape[1], ridge)
    mean_y, b = pca_whitening(y, y.shape[1], ridge)
    return a, b, (x - mean_x).T @ (y - mean_y) / len(y)


def columns_of_vt(images: Array, captions: Array, caption_image: Array, n_components: int, ridge: float) -> Directions:
    """The first columns of V' instead of those of V, in the lesson's symmetric whitening."""
    x, y, k = images[caption_image], captions, n_components
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    a, b = symmetric_root(x.T @ x / len(x), ridge), symmetric_root(y.T @ y / len(y), ridge)
    u, rho, vt = np.linalg.svd(a @ (x.T @ y / len(x)) @ b)
    return a @ u[:, :k], b @ vt[:, :k], rho[:k]


def not_mapped_back(case: Case, expected: Any, got: Any) -> bool:
    """Whether the directions are orthonormal, as singular vectors are, and the correlations right."""
    arrays = parts(got, expected)
    unit = np.eye(len(expected[2]))
    return (
        arrays is not None and close(expected[2], arrays[2]) and all(close(unit, part.T @ part) for part in arrays[:2])
    )


def not_transposed(case: Case, expected: Any, got: Any) -> bool:
    """Whether W_x S_xy W_y was taken apart, without the transpose, whatever the signs of the columns of W_x."""
    images, captions, caption_image, k, ridge = case.arguments
    a, b, cross = whitened(images, captions, caption_image, ridge)
    for sign in product((-1.0, 1.0), repeat=a.shape[1]):
        u, rho, vt = np.linalg.svd((a * sign) @ cross @ b)
        if same_directions(((a * sign) @ u[:, :k], b @ vt[:k].T, rho[:k]), got):
            return True
    return False


def smallest(images: Array, captions: Array, caption_image: Array, n_components: int, ridge: float) -> Directions:
    """The directions with the smallest correlations."""
    all_of_them = min(images.shape[1], captions.shape[1])
    w_x, w_y, rho = paired_cca(images, captions, caption_image, all_of_them, ridge)
    return w_x[:, -n_components:], w_y[:, -n_components:], rho[-n_components:]


def rescaled(
    length: Callable[[int, int], float], correlation: Callable[[int, int], float] = lambda n, m: 1.0
) -> Callable[..., Directions]:
    """A wrong CCA: right directions and correlations times factors of n images and m captions."""

    def wrong(images: Array, captions: Array, caption_image: Array, n_components: int, ridge: float) -> Directions:
        w_x, w_y, rho = paired_cca(images, captions, caption_image, n_components, ridge)
        n, m = len(images), len(captions)
        return w_x * length(n, m), w_y * length(n, m), rho * correlation(n, m)

    return wrong


def flipped(case: Case, expected: Any, got: Any) -> bool:
    """Right but for signs that were changed in one view only."""
    arrays = parts(got, expected)
    if arrays is None:
        return False
    both = signs(expected[0], arrays[0]) * signs(expected[1], arrays[1])
    return bool((both < 0).any()) and same_directions(expected, (arrays[0], arrays[1] * both, arrays[2]))
