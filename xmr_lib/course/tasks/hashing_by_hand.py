"""Solutions of exercise 09 in loops over single numbers: no matrix product, no autograd, nothing of the library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def softplus(x: float) -> float:
    """log(1 + exp x), for any x."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    """1 / (1 + exp -x), for any x."""
    small = math.exp(-abs(x))
    return 1 / (1 + small) if x >= 0 else small / (1 + small)


def pair_loss(f: Array, g: Array, s: Array, w: Array) -> tuple[float, Array, Array]:
    """Weighted mean of softplus(theta) - s theta over all pairs (n, m), its slopes along f (n, K) and g (m, K)."""
    (n, bits), m = f.shape, len(g)
    total = sum(float(x) for row in w for x in row)
    value, slope_f, slope_g = 0.0, np.zeros(f.shape), np.zeros(g.shape)
    for i in range(n):
        for j in range(m):
            theta = sum(float(f[i, k]) * float(g[j, k]) for k in range(bits)) / 2
            share = float(w[i, j]) / total
            value += share * (softplus(theta) - float(s[i, j]) * theta)
            slope = share * (sigmoid(theta) - float(s[i, j])) / 2
            for k in range(bits):
                slope_f[i, k] += slope * g[j, k]
                slope_g[j, k] += slope * f[i, k]
    return value, slope_f, slope_g


def sign_gap(f: Array, g: Array, old: Array, a: float) -> tuple[Array, float, float, float]:
    """The nearest codes (n, K) to f and g with weights a and 1 - a; the loss of old and new codes; the sign gap."""
    codes, before, after, gap = np.zeros(f.shape), 0.0, 0.0, 0.0

    def cost(bit: float, x: float, y: float) -> float:
        return a * (bit - x) ** 2 + (1 - a) * (bit - y) ** 2

    for place in np.ndindex(*f.shape):
        x, y, bit = float(f[place]), float(g[place]), float(old[place])
        middle = a * x + (1 - a) * y
        before += cost(bit, x, y) / f.size
        bit = bit if middle == 0 else math.copysign(1.0, middle)
        after += cost(bit, x, y) / f.size
        gap += (bit - middle) ** 2 / f.size
        codes[place] = bit
    return codes, before, after, gap


def distance(a: Array, b: Array, bits: int) -> int:
    """In how many of the first ``bits`` bits two packed codes differ."""
    spare = 8 * len(a) - bits
    first, second = (int.from_bytes(bytes(code), "big") >> spare for code in (a, b))
    return (first ^ second).bit_count()


def tied_ap(queries: Array, items: Array, relevant: Array, bits: int) -> tuple[Array, Array, Array]:
    """Lowest, expected and highest AP of every query (q,), over all orders of items at equal distance."""
    lowest, expected, highest = np.zeros(len(queries)), np.zeros(len(queries)), np.zeros(len(queries))
    for i, query in enumerate(queries):
        away = [distance(query, item, bits) for item in items]
        total = int(sum(bool(x) for x in relevant[i]))
        above, hits = 0, 0  # items, and relevant ones, that are nearer
        for d in range(bits + 1):
            size = away.count(d)
            right = sum(1 for x, is_right in zip(away, relevant[i], strict=True) if x == d and is_right)
            for j in range(1, right + 1):
                highest[i] += (hits + j) / (above + j) / total
                lowest[i] += (hits + j) / (above + size - right + j) / total
            for j in range(1, size + 1):  # the item at place j: relevant with probability right / size, and then ...
                others = (j - 1) * (right - 1) / (size - 1) if size > 1 else 0.0
                if right:
                    expected[i] += right / size * (hits + 1 + others) / (above + j) / total
            above, hits = above + size, hits + right
    return lowest, expected, highest


def code_objective(codes: Array, outputs: Array, rows: Array, target: Array, weights: Array, gamma: float) -> float:
    """sum w (u v - K s)^2 over all pairs, plus gamma times the squared distance of drawn codes from their outputs."""
    (m, bits), n = outputs.shape, len(codes)
    total = 0.0
    for i in range(m):
        for j in range(n):
            dot = sum(float(outputs[i, k]) * float(codes[j, k]) for k in range(bits))
            total += float(weights[i, j]) * (dot - bits * float(target[i, j])) ** 2
        total += gamma * sum((float(codes[rows[i], k]) - float(outputs[i, k])) ** 2 for k in range(bits))
    return total


def code_sweep(
    codes: Array, outputs: Array, rows: Array, target: Array, weights: Array, gamma: float
) -> tuple[Array, Array]:
    """Codes (n, K) after one pass over the bits, each set to its minimiser, and the objective (K + 1,) on the way.

    A bit is tried with both signs, and what changes in the objective decides; equal ones leave it as it is.
    """
    (m, bits), n = outputs.shape, len(codes)
    v = codes.astype(float).copy()
    trail = [code_objective(v, outputs, rows, target, weights, gamma)]
    for k in range(bits):
        for j in range(n):
            gain = 0.0  # a fourth of what the minus costs more than the plus
            for i in range(m):
                rest = sum(float(outputs[i, x]) * float(v[j, x]) for x in range(bits) if x != k)
                gain += float(weights[i, j]) * float(outputs[i, k]) * (bits * float(target[i, j]) - rest)
                gain += gamma * float(outputs[i, k]) if rows[i] == j else 0.0
            v[j, k] = v[j, k] if gain == 0 else math.copysign(1.0, gain)
        trail.append(code_objective(v, outputs, rows, target, weights, gamma))
    return v, np.array(trail)
