"""The inputs on which solutions of exercise 06 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.contrastive_by_hand import Array


def cross_entropy_cases() -> list[Case]:
    """One row you can do in your head; more columns than rows and the reverse; logits that overflow exp."""
    rng = np.random.default_rng(60)
    wide, tall = rng.normal(size=(3, 5)), 2 * rng.normal(size=(4, 3))
    return [
        Case("logits [[ln 2, 0, 0]], target [0]", (np.array([[np.log(2), 0.0, 0.0]]), np.array([0]))),
        Case("3 rows of 5 logits", (wide, np.array([4, 0, 2]))),
        Case("4 rows of 3 logits", (tall, np.array([1, 1, 0, 2]))),
        Case("the same rows times 1000", (1000 * tall, np.array([1, 1, 0, 2]))),
    ]


def several_captions_cases() -> list[Case]:
    """Two images and three captions; three captions each, mixed; an image without caption; scores that overflow."""
    rng = np.random.default_rng(61)
    small = np.log(np.array([[1.0, 2.0, 1.0], [1.0, 1.0, 3.0]]))
    image, caption = np.array([7, 3, 9, 4]), np.array([9, 3, 7, 7, 4, 3, 9, 4, 3, 7, 9, 4])
    logits = 2 * rng.normal(size=(4, 12))
    other = np.array([9, 3, 7, 7, 4, 3, 9, 4, 3, 7, 9, 8])  # 8: nobody's caption
    return [
        Case("the table of the text: 2 images, 3 captions", (small, np.array([0, 1]), np.array([0, 0, 1]))),
        Case("4 images with 3 captions each, in any order", (logits, image, caption)),
        Case("the same, and the second image has no caption here", (logits, np.array([7, 5, 9, 4]), other)),
        Case("4 images with 3 captions each, logits times 500", (500 * logits, image, caption)),
        Case("one caption per image", (logits[:, :4], np.arange(4), np.arange(4))),
    ]


def temperature_cases() -> list[Case]:
    """Two pairs by hand; a batch at two scales; a step that meets the maximum, and one that starts beyond it."""
    rng = np.random.default_rng(62)
    v, t = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.normal(size=(2, 6, 4)))
    cosines = v @ t.T
    good = 0.6 * np.eye(6) + 0.4 * cosines
    return [
        Case("cosines [[1, 0], [0, 1]], s = 1", (np.eye(2), 0.0, 1.0, 100.0)),
        Case("6 pairs that do not fit yet, s = 14.3, rate 0.1", (cosines, float(-np.log(0.07)), 0.1, 100.0)),
        Case("6 pairs that fit, s = 5, rate 2", (good, float(np.log(5.0)), 2.0, 100.0)),
        Case("the same with a maximum of 6", (good, float(np.log(5.0)), 4.0, 6.0)),
        Case("6 pairs that do not fit, s = 100 = maximum, rate 0.01", (cosines, float(np.log(100.0)), 0.01, 100.0)),
    ]


def shared(batch: int, world: int, rng: np.random.Generator) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Pictures and sentences of one batch in interleaved shares, row beside row, of any length."""
    v = rng.normal(size=(batch, 3)) * rng.uniform(0.5, 3.0, size=(batch, 1))
    t = v + 0.8 * rng.normal(size=(batch, 3))
    return tuple(v[r::world] for r in range(world)), tuple(t[r::world] for r in range(world))


def gathered_cases() -> list[Case]:
    """Two processes with one pair each; four and four rows; three processes; shares that are not equal."""
    rng = np.random.default_rng(63)
    axes = np.array([[2.0, 0.0]]), np.array([[0.0, 1.0]])
    even, three, uneven = shared(8, 2, rng), shared(6, 3, rng), shared(7, 2, rng)
    return [
        Case("2 processes with one pair each, rank 0, s = 1", (axes, axes, 0, 1.0)),
        Case("8 pairs in 2 processes, rank 1, s = 4", (*even, 1, 4.0)),
        Case("6 pairs in 3 processes, rank 2, s = 10", (*three, 2, 10.0)),
        Case("7 pairs in 2 processes (4 and 3), rank 0, s = 4", (*uneven, 0, 4.0)),
        Case("7 pairs in 2 processes (4 and 3), rank 1, s = 4", (*uneven, 1, 4.0)),
    ]
