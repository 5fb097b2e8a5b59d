"""The inputs on which solutions of exercise 09 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.hashing_by_hand import Array


def pair_cases() -> list[Case]:
    """Two pairs you can do in your head; hard and soft similarities, weights with zeros; theta in the thousands."""
    rng = np.random.default_rng(90)
    small = np.array([[2.0]]), np.array([[np.log(3.0)], [0.0]]), np.array([[1.0, 0.0]]), np.array([[3.0, 1.0]])
    f, g = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    hard, soft = np.round(rng.random((3, 5))), np.round(rng.uniform(0.05, 0.95, (3, 5)), 2)
    weights = np.where(rng.random((3, 5)) < 0.3, 0.0, rng.uniform(0.5, 3, (3, 5)))
    return [
        Case("f 2, g ln 3 and 0, S 1 and 0, weights 3 and 1", small),
        Case("3 images, 5 texts, 4 bits, S 0 or 1, all weights 1", (f, g, hard, np.ones((3, 5)))),
        Case("the same with soft similarities", (f, g, soft, np.ones((3, 5)))),
        Case("the same with soft similarities and weights, some of them 0", (f, g, soft, weights)),
        Case("the same with outputs 60 times as large", (60 * f, 60 * g, soft, weights)),
    ]


def gap_cases() -> list[Case]:
    """Three bits by hand, one of them undecided; equal and unequal weights; one modality only; dead outputs."""
    rng = np.random.default_rng(91)
    small = np.array([[3.0, 1.0, -2.0]]), np.array([[-1.0, -1.0, 0.0]]), np.array([[-1.0, 1.0, -1.0]])
    f, g, old = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), np.where(rng.random((5, 4)) < 0.5, 1.0, -1.0)
    dead = np.ones((5, 4)) * [1, 0, 1, 0]
    return [
        Case("F (3, 1, -2), G (-1, -1, 0), old codes (-1, 1, -1), a = 1/4", (*small, 0.25)),
        Case("5 pairs, 4 bits, a = 1/2", (f, g, old, 0.5)),
        Case("the same, a = 0.3", (f, g, old, 0.3)),
        Case("the same, a = 1", (f, g, old, 1.0)),
        Case("the same, a = 1/2, two outputs always 0 in both towers", (f * dead, g * dead, old, 0.5)),
    ]


def with_spare(bits: int, codes: Array, rng: np.random.Generator) -> Array:
    """Packed codes whose unused last bits hold anything."""
    missing = -bits % 8
    filler = rng.random((len(codes), missing)) < 0.5
    return np.packbits(np.concatenate([codes, filler], axis=1), axis=1)


def tie_cases() -> list[Case]:
    """Four items by hand; short codes with many ties; spare bits; distances beyond 255; all codes equal."""
    rng = np.random.default_rng(92)
    small = np.array([[0b1111_0110]], np.uint8), np.array([[0b1110_0000], [0b0001_1001], [0b0111_1111], [0b1101_0110]])
    few = np.array([[True, True, False, False]])
    items, queries = rng.random((30, 16)) < 0.5, rng.random((4, 16)) < 0.5
    relevant = rng.random((4, 30)) < 0.3
    silent = relevant & (np.arange(4) < 3)[:, None]
    far = rng.random((12, 320)) < 0.5
    near = ~far[:3] ^ (rng.random((3, 320)) < 0.1)
    return [
        Case("1 query, 4 items, 4 bits, distances 1, 3, 1, 1, the first two relevant",
             (small[0], small[1].astype(np.uint8), few, 4)),
        Case("4 queries, 30 items, 16 bits", (np.packbits(queries, axis=1), np.packbits(items, axis=1), relevant, 16)),
        Case("the same items, 11 bits, the other five hold anything, one query without relevant items",
             (with_spare(11, queries[:, :11], rng), with_spare(11, items[:, :11], rng), silent, 11)),
        Case("3 queries, 12 items, 320 bits",
             (np.packbits(near, axis=1), np.packbits(far, axis=1), relevant[:3, :12], 320)),
        Case("30 items with one and the same code of 8 bits",
             (np.array([[7]], np.uint8), np.full((30, 1), 9, np.uint8), relevant[:1], 8)),
    ]  # fmt: skip


def sweep_cases() -> list[Case]:
    """One item by hand; without and with gamma; weights of 0, an item of which nothing is known; a longer code."""
    rng = np.random.default_rng(93)
    small = np.array([[-1.0, -1.0]]), np.array([[1.0, 0.5]]), np.array([0]), np.ones((1, 1)), np.ones((1, 1))

    def drawn(m: int, n: int, bits: int, low: float) -> tuple[Array, ...]:
        codes, outputs = np.where(rng.random((n, bits)) < 0.5, 1.0, -1.0), np.tanh(2 * rng.normal(size=(m, bits)))
        target = np.where(rng.random((m, n)) < 0.4, 1.0, low)
        return codes, outputs, rng.permutation(n)[:m], target, np.ones((m, n))

    first, long = drawn(3, 7, 4, -0.6), drawn(4, 12, 8, -0.1)
    known = rng.uniform(0.2, 3, (3, 7)) * (rng.random((3, 7)) < 0.8)
    nobody = np.setdiff1d(np.arange(7), first[2])[0]
    known[:, nobody] = 0
    return [
        Case("1 item, code (-1, -1), output (1, 0.5), S 1, weight 1, gamma 0", (*small, 0.0)),
        Case("7 items, 3 drawn, 4 bits, all weights 1, gamma 0", (*first, 0.0)),
        Case("the same, gamma 5", (*first, 5.0)),
        Case("the same, gamma 5, weights from 0 to 3, and of one item nothing is known", (*first[:4], known, 5.0)),
        Case("12 items, 4 drawn, 8 bits, all weights 1, gamma 9", (*long, 9.0)),
    ]
