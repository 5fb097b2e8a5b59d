"""Solutions of exercise 07 in loops over single numbers: no matrix product, no autograd, nothing of the library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def chances(scores: list[float]) -> list[float]:
    """exp(score) / sum of exp, the largest subtracted first."""
    exponents = [math.exp(score - max(scores)) for score in scores]
    return [exponent / sum(exponents) for exponent in exponents]


def soft_maximum(values: list[float], alpha: float) -> tuple[float, list[float]]:
    """1/alpha log of the mean of exp(alpha value), and its slope; alpha 0: the mean; infinite: the maximum."""
    top = max(values)
    if alpha == 0:
        return sum(values) / len(values), [1 / len(values)] * len(values)
    if math.isinf(alpha):
        winners = [1.0 if value == top else 0.0 for value in values]
        return top, [winner / sum(winners) for winner in winners]
    mean = sum(math.exp(alpha * (value - top)) for value in values) / len(values)
    return top + math.log(mean) / alpha, chances([alpha * value for value in values])


def set_similarity(c: Array, alpha: float) -> tuple[float, Array]:
    """Similarity of two sets from their cosines (p, q), and its slope along each cosine (p, q)."""
    p, q = c.shape
    value, slope = 0.0, np.zeros((p, q))
    for i in range(p):
        best, shares = soft_maximum([float(x) for x in c[i]], alpha)
        value += best / (2 * p)
        for j in range(q):
            slope[i, j] += shares[j] / (2 * p)
    for j in range(q):
        best, shares = soft_maximum([float(x) for x in c[:, j]], alpha)
        value += best / (2 * q)
        for i in range(p):
            slope[i, j] += shares[i] / (2 * q)
    return value, slope


def slot_steps(slots: Array, tokens: Array, real: Array, steps: int) -> tuple[Array, Array]:
    """Slots (k, d) after some steps of competition for the real tokens (n, d), and the weights (k, n) of the last."""
    k, d = slots.shape
    state, weights = slots.astype(float).copy(), np.zeros((k, len(tokens)))
    for _ in range(steps):
        weights = np.zeros((k, len(tokens)))
        for j, token in enumerate(tokens):
            if real[j]:
                scores = [sum(float(a) * float(b) for a, b in zip(slot, token, strict=True)) for slot in state]
                weights[:, j] = chances([score / math.sqrt(d) for score in scores])
        for i in range(k):
            total = sum(float(w) for w in weights[i])
            if total > 0:
                weights[i] = [float(w) / total for w in weights[i]]
                state[i] = [sum(float(w) * float(t[c]) for w, t in zip(weights[i], tokens, strict=True) if w > 0)
                            for c in range(d)]  # fmt: skip
    return state, weights


def cosine(a: list[float], b: list[float]) -> float:
    """Of two vectors, neither of length 0."""
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def token_scores(words: Array, real: Array, patches: Array, tau: float) -> Array:
    """(n, m) how well each picture (n, p, d) answers the words (m, t, d) of each sentence."""
    scores = np.zeros((len(patches), len(words)))
    for i, picture in enumerate(patches):
        units = [[float(x) / math.sqrt(sum(float(y) ** 2 for y in patch)) for x in patch] for patch in picture]
        for j, sentence in enumerate(words):
            counted = [w for w in range(len(sentence)) if real[j, w]][1:-1]
            for w in counted:
                word = [float(x) for x in sentence[w]]
                shares = chances([cosine(word, unit) / tau for unit in units])
                heard = [sum(s * u[c] for s, u in zip(shares, units, strict=True)) for c in range(len(word))]
                scores[i, j] += cosine(word, heard) / len(counted)
    return scores


def two_stages(first: Array, second: Array, k: int) -> Array:
    """(q, n) items in order: the best k of the first stage, by the second stage; then the rest, by the first."""
    order = np.zeros(first.shape, dtype=np.int64)
    for row in range(len(first)):
        ranked = sorted(range(first.shape[1]), key=lambda item: (-first[row, item], item))
        top = sorted(ranked[:k], key=lambda item: -second[row, item])  # sorted() keeps the order of equal ones
        order[row] = top + ranked[k:]
    return order
