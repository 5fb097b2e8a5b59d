"""Solutions of exercise 11 in loops over single numbers: no matrix product, no autograd, nothing of the library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def selecting_bit(z: Array, along: Array, temperature: float) -> tuple[Array, Array, Array]:
    """Bits (n, K), expected bits (n, K), and the slope along the scores (n, K, 2) of something with a slope along them.

    The second score stands for +1, the first for -1; equal scores give -1.
    """
    bits, expected, slope = np.zeros(along.shape), np.zeros(along.shape), np.zeros(z.shape)
    for place in np.ndindex(*along.shape):
        minus, plus = float(z[place][0]), float(z[place][1])
        top = max(minus, plus)
        e_minus, e_plus = math.exp((minus - top) / temperature), math.exp((plus - top) / temperature)
        p_minus, p_plus = e_minus / (e_minus + e_plus), e_plus / (e_minus + e_plus)
        bits[place] = 1.0 if plus > minus else -1.0
        expected[place] = p_plus - p_minus
        moved = float(along[place]) * 2 * p_plus * p_minus / temperature
        slope[place] = [-moved, moved]
    return bits, expected, slope


def code_distance_loss(e: Array, f: Array, similar: Array, vartheta: float) -> tuple[float, Array, Array]:
    """DCHMT's loss of expected bits e (n, K) and f (m, K), its slopes along both; slope 0 of a distance that is 0."""
    (n, bits), m = e.shape, len(f)
    tau = math.sqrt(2 * bits * vartheta)
    value, slope_e, slope_f = 0.0, np.zeros(e.shape), np.zeros(f.shape)
    for i in range(n):
        for j in range(m):
            square = sum((float(x) - float(y)) ** 2 for x, y in zip(e[i], f[j], strict=True)) / 2
            d = math.sqrt(square)
            if similar[i, j]:
                value, pull = value + square / (n * m), 1.0
            else:
                value += max(0.0, tau - d) ** 2 / (n * m)
                pull = -(tau - d) / d if 0 < d < tau else 0.0
            for k in range(bits):
                step = pull * (float(e[i, k]) - float(f[j, k])) / (n * m)
                slope_e[i, k] += step
                slope_f[j, k] -= step
    return value, slope_e, slope_f


def best_distance(bits: int, words: int) -> int:
    """The largest d that Griesmer's bound allows for so many words, a power of two or fewer."""
    q = 1
    while 2**q < words:
        q += 1
    d = 0
    while sum(-(-(d + 1) // 2**i) for i in range(q)) <= bits:
        d += 1
    return d


def proxy_loss(outputs: Array, proxies: Array, labels: Array) -> tuple[float, float, Array]:
    """Margin, DSPH's proxy loss, and its slope along the outputs (n, K)."""
    (n, bits), classes = outputs.shape, len(proxies)
    margin = 1 - 2 * best_distance(bits, classes) / bits
    positive = sum(1 for i in range(n) for c in range(classes) if labels[i, c])
    negative = n * classes - positive
    value, slope = 0.0, np.zeros(outputs.shape)
    for i in range(n):
        size = math.sqrt(sum(float(x) ** 2 for x in outputs[i]))
        for c in range(classes):
            length = math.sqrt(sum(float(x) ** 2 for x in proxies[c]))
            dot = sum(float(x) * float(y) for x, y in zip(outputs[i], proxies[c], strict=True))
            cosine = dot / size / length
            if labels[i, c]:
                value, along = value + (1 - cosine) / positive, -1 / positive
            else:
                value += max(0.0, cosine - margin) / negative
                along = 1 / negative if cosine > margin else 0.0
            for k in range(bits):
                slope[i, k] += along * (float(proxies[c, k]) / length - cosine * float(outputs[i, k]) / size) / size
    return margin, value, slope
