"""Solutions of exercise 05 in loops over single numbers: no matrix product, no autograd, nothing of the library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def cosine(a: Array, b: Array) -> float:
    """Cosine of two vectors to nine digits; 0 if one of them is all zeros."""
    lengths = math.sqrt(sum(float(p) ** 2 for p in a) * sum(float(q) ** 2 for q in b))
    return round(sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / lengths, 9) if lengths else 0.0


def neighbour_graph(x: Array, k: int) -> Array:
    """(n, n) of 0 and 1: an edge where one of the two rows is among the k nearest others of the other one."""
    graph = np.zeros((len(x), len(x)))
    for i, row in enumerate(x):
        others = sorted((-cosine(row, other), j) for j, other in enumerate(x) if j != i)
        for _, j in others[:k]:
            graph[i, j] = graph[j, i] = 1.0
    return graph


def propagate(adjacency: Array, x: Array, steps: int, restart: float) -> Array:
    """Features (n, d) after some steps of "mean of the neighbours", mixed with the own features each time."""
    n, state = len(x), x.astype(float)
    for _ in range(steps):
        after = np.zeros(state.shape)
        for i in range(n):
            degree = sum(float(weight) for weight in adjacency[i])
            for k in range(x.shape[1]):
                heard = sum(float(adjacency[i, j]) * float(state[j, k]) for j in range(n))
                mean = heard / degree if degree > 0 else float(state[i, k])
                after[i, k] = (1 - restart) * mean + restart * float(x[i, k])
        state = after
    return state


def inductive_rows(adjacency: Array, n_train: int) -> Array:
    """Rows (b, n) of the normalised adjacency for the items behind the first ``n_train``, without any leak."""
    n = len(adjacency)
    degree = [1 + sum(float(adjacency[i, j]) for j in range(n_train)) for i in range(n)]
    rows = np.zeros((n - n_train, n))
    for i in range(n_train, n):
        for j in range(n_train):
            rows[i - n_train, j] = float(adjacency[i, j]) / math.sqrt(degree[i] * degree[j])
        rows[i - n_train, i] = 1 / degree[i]
    return rows


def softplus(z: float) -> float:
    """log(1 + exp(z)), with an exponent that is never positive."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def gan_losses(real: Array, fake: Array, smoothing: float) -> tuple[float, float, Array]:
    """Loss of the discriminator, loss of the generator, and its slope along the logits of the fakes (m,)."""
    n, m = len(real), len(fake)
    of_real = sum((1 - smoothing) * softplus(-float(z)) + smoothing * softplus(float(z)) for z in real) / n
    of_fake = sum(softplus(float(z)) for z in fake) / m
    generator = sum(softplus(-float(z)) for z in fake) / m
    slope = np.array([-math.exp(-softplus(float(z))) / m for z in fake])
    return of_real + of_fake, generator, slope
