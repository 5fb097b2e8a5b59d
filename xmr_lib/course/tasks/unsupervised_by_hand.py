"""Solutions of exercise 10 in loops over single numbers: no matrix product, no autograd, nothing of the library."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def label_targets(a: Array, b: Array, share: float) -> tuple[Array, Array, Array, float]:
    """Of every row of a with every row of b: shares a label, cosine reaches lambda, 2 sigmoid(count) - 1; lambda.

    Cosines are compared by their squares, which are fractions of whole numbers: no rounding.
    """
    n, m = len(a), len(b)
    counts = [[sum(bool(x) and bool(y) for x, y in zip(p, q, strict=True)) for q in b] for p in a]
    sizes = [[max(1, sum(map(bool, p)) * sum(map(bool, q))) for q in b] for p in a]
    squares = [
        [Fraction(count * count, size) for count, size in zip(*rows, strict=True)]
        for rows in zip(counts, sizes, strict=True)
    ]
    found = [square for row in squares for square in row if square > 0]
    threshold = max(found, default=Fraction(1))
    for square in sorted(set(found)):
        if sum(x >= square for x in found) / (n * m) <= share:
            threshold = square
            break
    shared = np.array([[float(count > 0) for count in row] for row in counts])
    strict = np.array([[float(square >= threshold) for square in row] for row in squares])
    graded = np.array([[2 / (1 + math.exp(-count)) - 1 for count in row] for row in counts])
    return shared, strict, graded, math.sqrt(threshold)


def bit_objective(
    codes: Array, views: tuple[Array, ...], bases: tuple[Array, ...], weights: Array, graph: Array, beta: float
) -> float:
    """sum_m w_m |F_m - B U_m|^2 - beta sum over pairs of different items of graph_ij times the dot product of codes."""
    n, bits = codes.shape
    total = 0.0
    for weight, view, basis in zip(weights, views, bases, strict=True):
        for i in range(n):
            for c in range(view.shape[1]):
                seen = sum(float(codes[i, l]) * float(basis[l, c]) for l in range(bits))  # noqa: E741
                total += float(weight) * (float(view[i, c]) - seen) ** 2
    for i in range(n):
        for j in range(n):
            if i != j:
                dot = sum(float(x) * float(y) for x, y in zip(codes[i], codes[j], strict=True))
                total -= beta * float(graph[i, j]) * dot
    return total


def discrete_bit(
    k: int,
    codes: Array,
    views: tuple[Array, ...],
    bases: tuple[Array, ...],
    weights: Array,
    graph: Array,
    beta: float,
) -> tuple[Array, Array]:
    """Bit k (n,) after one visit of every item in order, and the objective before and after each visit (n + 1,).

    A half of what -1 costs more than +1 decides; where that is 0 the bit stays.
    """
    n, bits = codes.shape
    b = codes.astype(float).copy()
    trail = [bit_objective(b, views, bases, weights, graph, beta)]
    for i in range(n):
        gain = 0.0
        for weight, view, basis in zip(weights, views, bases, strict=True):
            for c in range(view.shape[1]):
                rest = sum(float(b[i, l]) * float(basis[l, c]) for l in range(bits) if l != k)  # noqa: E741
                gain += 2 * float(weight) * float(basis[k, c]) * (float(view[i, c]) - rest)
        for j in range(n):
            if j != i:
                gain += beta * (float(graph[i, j]) + float(graph[j, i])) * float(b[j, k])
        b[i, k] = b[i, k] if gain == 0 else math.copysign(1.0, gain)
        trail.append(bit_objective(b, views, bases, weights, graph, beta))
    return b[:, k], np.array(trail)


def judged(x: Array, W: Array, c: Array, v: Array) -> tuple[float, list[float]]:
    """D(x) = v . relu(W x + c) of one row, and what its units say."""
    units = []
    for row, bias in zip(W, c, strict=True):
        units.append(max(0.0, float(bias) + sum(float(a) * float(b) for a, b in zip(row, x, strict=True))))
    return sum(float(a) * unit for a, unit in zip(v, units, strict=True)), units


def code_game(h: Array, prior: Array, W: Array, c: Array, v: Array) -> tuple[float, float, Array, Array]:
    """Least-squares game: loss of the judge, loss of the teacher, judge's slope along v, teacher's along h (n, K)."""
    judge, teacher, slope_v, slope_h = 0.0, 0.0, np.zeros(len(v)), np.zeros(h.shape)
    for rows, target in ((prior, 1.0), (h, 0.0)):
        for x in rows:
            score, units = judged(x, W, c, v)
            judge += (score - target) ** 2 / len(rows)
            for u, unit in enumerate(units):
                slope_v[u] += 2 * (score - target) * unit / len(rows)
    for i, x in enumerate(h):
        score, units = judged(x, W, c, v)
        teacher += (score - 1) ** 2 / len(h)
        for u, unit in enumerate(units):
            if unit > 0:
                for k in range(h.shape[1]):
                    slope_h[i, k] += 2 * (score - 1) * float(v[u]) * float(W[u, k]) / len(h)
    return judge, teacher, slope_v, slope_h
