"""The inputs on which solutions of exercise 10 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.unsupervised_by_hand import Array


def label_cases() -> list[Case]:
    """One image you can do in your head; drawn labels at three strictnesses; equal cosines; no labels at all."""
    rng = np.random.default_rng(100)
    one = np.array([[1, 1, 0, 0]], dtype=bool)
    few = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1]], dtype=bool)
    a, b = rng.random((6, 5)) < 0.4, rng.random((8, 5)) < 0.4
    b[3] = False
    # cosines 1/2 from 1 and 4 labels, 2 and 2, 2 and 8; 1/sqrt 2 from 1 and 2, 2 and 4; 1/sqrt 3
    same = np.zeros((5, 8), dtype=bool)
    for row, size in zip(same, (1, 2, 4, 8, 3), strict=True):
        row[:size] = True
    turned = np.roll(same, 1, axis=1)
    return [
        Case("1 image, 4 texts, cosines 1, .5, .707 and 0, share 1/2", (one, few, 0.5)),
        Case("6 images, 8 texts, 5 labels, one text without a label, share 0.3", (a, b, 0.3)),
        Case("the same, share 0.1", (a, b, 0.1)),
        Case("the same, share 1", (a, b, 1.0)),
        Case("sets of 1, 2, 3, 4 and 8 labels, many of their cosines equal, share 0.6", (same, turned, 0.6)),
        Case("the same, share 0.25", (same, turned, 0.25)),
        Case("the same, share 0: even the largest cosine is reached by too many", (same, turned, 0.0)),
        Case("2 images, 3 texts that share no label", (np.eye(5)[:2] > 0, np.eye(5)[2:] > 0, 0.5)),
    ]


def bit_cases() -> list[Case]:
    """Two items by hand; without and with a graph, symmetric or not; own weights on the diagonal; nothing known."""
    rng = np.random.default_rng(101)
    none = np.zeros((2, 1))
    small = (0, np.array([[-1.0], [1.0]]), (np.array([[1.0], [-2.0]]),), (np.array([[1.0]]),), np.ones(1))

    def drawn(n: int, bits: int) -> tuple[Array, tuple[Array, ...], tuple[Array, ...], Array]:
        codes = np.where(rng.random((n, bits)) < 0.5, 1.0, -1.0)
        views = rng.normal(size=(n, 4)), rng.normal(size=(n, 3))
        bases = 0.6 * rng.normal(size=(bits, 4)), 0.6 * rng.normal(size=(bits, 3))
        return codes, views, bases, np.array([0.3, 0.7]) ** 2

    first, long = drawn(7, 3), drawn(10, 6)
    two_way = np.triu(np.sign(np.round(1.2 * rng.normal(size=(7, 7)))), 1)
    one_way = np.sign(np.round(rng.normal(size=(10, 10)))) / 2
    nobody = one_way.copy()
    nobody[4], nobody[:, 4] = 0, 0
    unknown = tuple(np.where(np.arange(10)[:, None] == 4, 0.0, view) for view in long[1])
    silent = tuple(np.vstack([basis[:5] * [[0], [1], [1], [1], [1]], np.zeros_like(basis[:1])]) for basis in long[2])
    return [
        Case("2 items of 1 bit, F (1, -2), U 1, an edge of 3/2 from the first to the second, beta 1",
             (*small, np.array([[0.0, 1.5], [0.0, 0.0]]), 1.0)),
        Case("7 items, bit 1 of 3, no graph", (1, *first, np.zeros((7, 7)), 0.0)),
        Case("the same, a symmetric graph, beta 0.3", (1, *first, two_way + two_way.T, 0.3)),
        Case("the same, every item also its own neighbour", (1, *first, two_way + two_way.T + 3 * np.eye(7), 0.3)),
        Case("10 items, bit 5 of 6, edges in one direction, beta 0.4", (5, *long, one_way - np.diag(np.diag(one_way)),
                                                                        0.4)),
        Case("the same, bit 0, beta 0.75, nothing known of item 4 and of what bit 0 looks like",
             (0, long[0], unknown, silent, long[3], nobody, 0.75)),
        Case("2 items of which nothing is known, bits +1 and -1",
             (0, np.array([[1.0], [-1.0]]), (none,), (none[:1],), np.ones(1), np.zeros((2, 2)), 1.0)),
    ]  # fmt: skip


def game_cases() -> list[Case]:
    """One code and one draw by hand; codes and draws of different numbers; a judge that says nothing to some."""
    rng = np.random.default_rng(102)
    h, prior = np.tanh(2 * rng.normal(size=(5, 4))), rng.normal(size=(8, 4))
    W, c, v = rng.normal(size=(6, 4)), 0.5 * rng.normal(size=6), rng.normal(size=6)
    hand = np.array([[-0.5]]), np.array([[1.0]]), np.array([[1.0], [-1.0]]), np.zeros(2), np.array([0.5, 1.0])
    return [
        Case("code -1/2, draw 1, D(x) = x/2 above 0 and -x below", hand),
        Case("5 codes of 4 bits, 8 draws, 6 units", (h, prior, W, c, v)),
        Case("the same, as many draws as codes", (h, prior[:5], W, c, v)),
        Case("3 codes, 7 draws, a judge whose units are mostly silent", (h[:3], prior[:7], W, c - 2, v)),
    ]
