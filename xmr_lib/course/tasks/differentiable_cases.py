"""The inputs on which solutions of exercise 11 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case


def selecting_cases() -> list[Case]:
    """Three bits by hand; temperatures; scores in the thousands; equal scores."""
    rng = np.random.default_rng(110)
    small = np.array([[[0.0, np.log(3)], [1.0, 1.0], [2.0, 0.0]]]), np.array([[1.0, -2.0, 0.5]])
    z, along = 2 * rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3))
    shifted = z + 2000 * rng.normal(size=(4, 3, 1))
    return [
        Case("1 item, scores (0, ln 3), (1, 1) and (2, 0), slopes 1, -2 and 0.5, temperature 1", (*small, 1.0)),
        Case("4 items, 3 bits, temperature 1", (z, along, 1.0)),
        Case("the same, temperature 0.4", (z, along, 0.4)),
        Case("the same, temperature 3", (z, along, 3.0)),
        Case("the same scores, some thousands added to both of a bit", (shifted, along, 1.0)),
        Case("scores in the thousands, temperature 0.4", (1000 * z, along, 0.4)),
    ]


def distance_cases() -> list[Case]:
    """Two pairs by hand; drawn bits, soft and binary; both sides equal, with and without own labels; no pair of a kind.

    The last ones have distances of 0, of similar pairs and of others.
    """
    rng = np.random.default_rng(111)
    small = np.array([[1.0, 1.0]]), np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([[1.0, 0.0]])
    e, f = np.tanh(rng.normal(size=(4, 6))), np.tanh(rng.normal(size=(5, 6)))
    similar = np.round(rng.random((4, 5)))
    codes = np.sign(f)
    own = (np.add.outer(np.arange(4), np.arange(4)) % 3 == 0) * 1.0
    known = own.copy()
    np.fill_diagonal(known, 1)
    return [
        Case("e (1, 1), f (1, -1) similar and (1, 1) not, vartheta 1/2", (*small, 0.5)),
        Case("4 images, 5 texts, 6 bits, vartheta 0.5", (e, f, similar, 0.5)),
        Case("the same, vartheta 0.2: some pairs are far enough apart", (e, f, similar, 0.2)),
        Case("4 images with themselves, each similar to itself", (e, e, known, 0.5)),
        Case("4 images with themselves, some without a label, so not even similar to themselves", (e, e, own, 0.5)),
        Case("binary codes, no pair similar", (codes, codes, np.zeros((5, 5)), 0.75)),
        Case("binary codes, all pairs similar", (codes, codes, np.ones((5, 5)), 0.75)),
    ]


def proxy_cases() -> list[Case]:
    """One item by hand; few and many classes, powers of two among them; an item of all classes, and of none."""
    rng = np.random.default_rng(112)

    def drawn(n: int, bits: int, classes: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        outputs = np.tanh(rng.normal(size=(n, bits)))
        return outputs, rng.normal(size=(classes, bits)), (rng.random((n, classes)) < share) * 1.0

    hand = np.array([[2.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0], [-1.0, 0.0, 0.0]]), np.eye(3)[:1]
    all_of_them = drawn(2, 6, 4, 2.0)
    return [
        Case("1 item (2, 0, 0) of the first of 3 classes", hand),
        Case("4 items, 6 bits, 5 classes", drawn(4, 6, 5, 0.4)),
        Case("5 items, 8 bits, 4 classes", drawn(5, 8, 4, 0.4)),
        Case("4 items, 16 bits, 24 classes", drawn(4, 16, 24, 0.1)),
        Case("3 items, 12 bits, 2 classes", drawn(3, 12, 2, 0.5)),
        Case("2 items of all 4 classes, so that there is no negative", all_of_them),
        Case("the same items without any class, so that there is no positive", (*all_of_them[:2], np.zeros((2, 4)))),
    ]
