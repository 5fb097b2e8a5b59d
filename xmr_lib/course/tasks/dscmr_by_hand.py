"""Solutions of exercise 04 in loops over single numbers: no matrix product, no autograd, nothing of the library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def length(vector: Array) -> float:
    """Euclidean length."""
    return math.sqrt(sum(float(value) ** 2 for value in vector))


def label_regression_slope(scores: Array, labels: Array, form: str) -> tuple[float, Array]:
    """J1 of one side, as a mean of norms ("sample") or one norm over the batch ("batch"), and its slope (n, c)."""
    n, error = len(scores), scores - labels.astype(float)
    lengths = [length(row) for row in error]
    whole = math.sqrt(sum(value**2 for value in lengths))
    slope = np.zeros(error.shape)
    for i, row in enumerate(error):
        divisor = lengths[i] if form == "sample" else whole
        if divisor > 0:
            slope[i] = [float(value) / divisor / n for value in row]
    return (sum(lengths) / n if form == "sample" else whole / n), slope


def softplus(z: float) -> float:
    """log(1 + exp(z)), with an exponent that is never positive."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def logistic(z: float) -> float:
    """1 / (1 + exp(-z)), with an exponent that is never positive."""
    return math.exp(-softplus(-z))


def pair_likelihood(logits: Array, labels_a: Array, labels_b: Array) -> float:
    """Mean of log(1 + exp(z)) - S z over all pairs, S = shared labels / labels of either."""
    total = 0.0
    for i, a in enumerate(labels_a):
        for j, b in enumerate(labels_b):
            shared = sum(1 for p, q in zip(a, b, strict=True) if p and q)
            either = sum(1 for p, q in zip(a, b, strict=True) if p or q)
            z = float(logits[i, j])
            total += softplus(z) - (shared / either if either else 0.0) * z
    return total / logits.size


def image_slope(u: Array, v: Array, classes: Array, alpha: float, beta: float) -> Array:
    """Slope along u, (n, d), of alpha (l(u, u) + l(u, v)) + beta mean |u_i - v_i|."""
    n, d = u.shape
    slope = np.zeros((n, d))

    def pull(i: int, other: Array, weight: float) -> None:
        """Add weight times the slope of cos(u_i, other) along u_i."""
        a, b = length(u[i]), length(other)
        cosine = sum(float(p) * float(q) for p, q in zip(u[i], other, strict=True)) / (a * b)
        for k in range(d):
            slope[i, k] += weight * (float(other[k]) / b - cosine * float(u[i, k]) / a) / a

    def error(i: int, other: Array, same: bool) -> float:
        """Slope of l along cos(u_i, other): half of (sigmoid(G) - S) / n^2."""
        cosine = sum(float(p) * float(q) for p, q in zip(u[i], other, strict=True)) / (length(u[i]) * length(other))
        return (logistic(cosine / 2) - same) / (2 * n * n)

    for i in range(n):
        for j in range(n):
            same = bool(classes[i] == classes[j])
            pull(i, v[j], alpha * error(i, v[j], same))
            pull(i, u[j], alpha * error(i, u[j], same))  # u_i stands left in l(u, u) ...
            pull(j, u[i], alpha * error(i, u[j], same))  # ... and right
        distance = length(u[i] - v[i])
        if distance > 0:
            slope[i] += beta * (u[i] - v[i]) / distance / n
    return slope


def move_prototypes(prototypes: Array, embeddings: Array, classes: Array, momentum: float) -> Array:
    """Prototypes (c, d) after one batch: towards the mean of their class, length 1; absent classes stay."""
    moved = prototypes.astype(float).copy()
    for k in range(len(prototypes)):
        members = [row for row, number in zip(embeddings, classes, strict=True) if number == k]
        if members:
            mean = [sum(column) / len(members) for column in zip(*members, strict=True)]
            mixed = np.array([momentum * p + (1 - momentum) * q for p, q in zip(prototypes[k], mean, strict=True)])
            moved[k] = mixed / length(mixed)
    return moved
