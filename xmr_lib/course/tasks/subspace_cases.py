"""The inputs on which solutions of exercise 02 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.subspace_by_hand import Array


def features(seed: int, n: int, d: int) -> Array:
    """Features whose mean is far from zero and whose directions differ in strength."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * np.linspace(2, 0.5, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d) * 3


def captioned(seed: int, n: int, m: int, d_x: int, d_y: int, shared: int) -> tuple[Array, Array, Array]:
    """Images, captions, caption_image: uncentred, captions in mixed order, some images with more than others."""
    rng = np.random.default_rng(seed)
    caption_image = rng.permutation(np.r_[np.arange(n), n * rng.random(m - n) ** 2].astype(int))
    causes = rng.normal(size=(n, shared)) * np.linspace(2.0, 0.7, shared)
    images = causes @ rng.normal(size=(shared, d_x)) + rng.normal(size=(n, d_x)) * rng.uniform(0.5, 2, d_x)
    noise = rng.normal(size=(m, d_y)) * rng.uniform(0.5, 2, d_y)
    captions = causes[caption_image] @ rng.normal(size=(shared, d_y)) + noise
    return images + 3 * rng.normal(size=d_x), captions + 3 * rng.normal(size=d_y), caption_image


def whitening_cases() -> list[Case]:
    """From four points you can do in your head to fewer vectors than features."""
    points = np.array([[1.0, 3.0], [5.0, 7.0], [2.0, 6.0], [4.0, 4.0]])
    return [
        Case("the points (1, 3), (5, 7), (2, 6), (4, 4), 1 direction, ridge 0.4", (points, 1, 0.4)),
        Case("50 vectors with 5 features, 3 directions, ridge 0.1", (features(1, 50, 5), 3, 0.1)),
        Case("4 vectors with 6 features (a singular covariance), 2 directions, ridge 0.3", (features(2, 4, 6), 2, 0.3)),
        Case("30 vectors with 4 features, all 4 directions, no ridge", (features(3, 30, 4), 4, 0.0)),
    ]


def cca_cases() -> list[Case]:
    """Several captions per image, views of different widths; last one caption each, in another order."""
    small, medium = captioned(3, 8, 20, 2, 2, 1), captioned(4, 40, 100, 5, 4, 3)
    single = captioned(5, 60, 60, 4, 7, 3)
    return [
        Case("8 images with 20 captions, 2 and 2 features, 1 component, no ridge", (*small, 1, 0.0)),
        Case("40 images with 100 captions, 5 and 4 features, 3 components, ridge 0.1", (*medium, 3, 0.1)),
        Case("60 images with 60 captions in another order, 2 components, ridge 0.01", (*single, 2, 0.01)),
    ]


def step_cases() -> list[Case]:
    """From one vector and two classes to scores that overflow exp."""
    rng = np.random.default_rng(6)
    x, weights, bias = rng.normal(size=(6, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)
    labels = np.eye(3)[[0, 1, 2, 1, 0, 1]]
    one = (np.array([[2.0]]), np.array([[1.0, 0.0]]), np.ones((2, 1)), np.zeros(2))
    return [
        Case(
            "x = [[2]], the first of two classes, weights [[1], [1]], bias 0, rate 0.1, penalty 0.5", (*one, 0.1, 0.5)
        ),
        Case("6 vectors with 4 features, 3 classes, rate 0.5, penalty 0.2", (x, labels, weights, bias, 0.5, 0.2)),
        Case("the same with scores in the thousands", (2000 * x, labels, weights, bias, 0.001, 0.2)),
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
