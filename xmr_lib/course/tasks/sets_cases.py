"""The inputs on which solutions of exercise 07 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case


def set_cases() -> list[Case]:
    """A table you can do in your head at three alphas; sets of different sizes; a steep alpha; the two limits."""
    rng = np.random.default_rng(70)
    small = np.array([[1.0, 0.5], [0.0, 0.5]])
    cosines = rng.uniform(-1, 1, (3, 5))
    return [
        Case("cosines [[1, 0.5], [0, 0.5]], alpha 2 ln 2", (small, float(2 * np.log(2)))),
        Case("sets of 3 and 5, alpha 16", (cosines, 16.0)),
        Case("the same, alpha 5000", (cosines, 5000.0)),
        Case("the same, alpha 0", (cosines, 0.0)),
        Case("the same, alpha infinite", (cosines, float("inf"))),
        Case("cosines [[1, 0.5], [0, 0.5]], alpha infinite", (small, float("inf"))),
    ]


def slot_cases() -> list[Case]:
    """Two slots in one dimension; no padding; padding that is not zero; a slot that holds nothing."""
    rng = np.random.default_rng(71)
    small = np.array([[0.0], [np.log(3.0)]]), np.array([[1.0], [-1.0], [9.0]]), np.array([True, True, False])
    slots, tokens = rng.normal(size=(3, 4)), 2 * rng.normal(size=(7, 4))
    everything, some = np.ones(7, dtype=bool), np.array([True, True, False, True, True, False, False])
    far = np.array([[60.0, 0.0], [0.0, 60.0], [-60.0, -60.0]]), 60 * np.array([[1.0, 0.2], [0.1, 1.0], [0.9, 0.1]])
    return [
        Case("slots 0 and ln 3, tokens 1 and -1, one padded token 9, 1 step", (*small, 1)),
        Case("3 slots, 7 tokens, no padding, 1 step", (slots, tokens, everything, 1)),
        Case("the same, 3 steps", (slots, tokens, everything, 3)),
        Case("the same with three padded tokens, 3 steps", (slots, tokens, some, 3)),
        Case("3 slots, 3 tokens, scores in the thousands, one slot holds nothing, 2 steps",
             (*far, np.ones(3, dtype=bool), 2)),
    ]  # fmt: skip


def token_cases() -> list[Case]:
    """One word and two patches; sentences of different lengths; zeros as padding, no word at all; a small tau."""
    rng = np.random.default_rng(72)
    sentence = np.array([[[0.0, 5.0], [2.0, 0.0], [0.0, -5.0], [7.0, 7.0]]])
    small = sentence, np.array([[True, True, True, False]]), np.array([[[3.0, 0.0], [0.0, 2.0]]]), 1 / float(np.log(3))
    words, patches = rng.normal(size=(3, 6, 4)), rng.normal(size=(2, 5, 4)) * rng.uniform(0.5, 3, (2, 5, 1))
    real = np.arange(6) < np.array([6, 4, 5])[:, None]
    zeros = np.where(real[:, :, None], words, 0.0)
    silent = np.arange(6) < np.array([6, 2, 5])[:, None]
    return [
        Case("begin, word (2, 0), end, padding; patches (3, 0) and (0, 2); tau 1 / ln 3", small),
        Case("2 pictures of 5 patches, 3 sentences of up to 4 words, tau 0.5", (words, real, patches, 0.5)),
        Case("the same, padding of zeros, tau 0.1", (zeros, real, patches, 0.1)),
        Case("the same, one sentence without any word", (zeros, silent, patches, 0.1)),
        Case("the same as the second, tau 0.0005", (words, real, patches, 0.0005)),
    ]  # fmt: skip


def stage_cases() -> list[Case]:
    """Four items and a second stage far below -1000; ties; scores for the best k only; k beyond the items."""
    rng = np.random.default_rng(73)
    small = np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([[-5000.0, -2000.0, np.nan, np.nan]])
    first, second = rng.normal(size=(4, 7)), rng.normal(size=(4, 7))
    tied_first, tied_second = np.round(rng.normal(size=(4, 9))), np.round(rng.normal(size=(4, 9)))
    partly = np.where(np.argsort(np.argsort(-first, axis=1), axis=1) < 3, second, np.nan)
    return [
        Case("first [0.9, 0.8, 0.7, 0.1], second [-5000, -2000, NaN, NaN], k = 2", (*small, 2)),
        Case("4 queries, 7 items, k = 3", (first, second, 3)),
        Case("the same, the second stage knows those 3 only: NaN elsewhere", (first, partly, 3)),
        Case("4 queries, 9 items, many ties, k = 5", (tied_first, tied_second, 5)),
        Case("4 queries, 7 items, k = 1", (first, second, 1)),
        Case("4 queries, 7 items, k = 20", (first, second, 20)),
    ]  # fmt: skip
