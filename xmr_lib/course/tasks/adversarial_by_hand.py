"""Solutions of exercise 03 in loops over single numbers: no matrix product, no autograd, nothing of the library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def warm_up(progress: float, start: float, stop: float, peak: float) -> float:
    """0 before ``start``, ``peak`` from ``stop`` on, a straight line between."""
    if progress >= stop:
        return peak
    if progress <= start:
        return 0.0
    return peak * (progress - start) / (stop - start)


def logistic(z: float) -> float:
    """1 / (1 + exp(-z)), with an exponent that is never positive."""
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))


def player_gradients(
    x: Array, weights: Array, probe: Array, bias: float, modality: Array, slope: Array, strength: float
) -> tuple[Array, Array, float]:
    """What the encoder (p, d) and the discriminator (d,), scalar go down: reversed for the encoder only."""
    n, p, d = len(x), len(weights), len(probe)
    for_weights, for_probe, for_bias = np.zeros((p, d)), np.zeros(d), 0.0
    for i in range(n):
        embedding = [sum(float(x[i, k]) * float(weights[k, j]) for k in range(p)) for j in range(d)]
        chance = logistic(sum(embedding[j] * float(probe[j]) for j in range(d)) + bias)
        error = (chance - float(modality[i])) / n  # dL_adv / dz_i
        for j in range(d):
            for_probe[j] += error * embedding[j]
            for k in range(p):
                for_weights[k, j] += float(x[i, k]) * (float(slope[i, j]) - strength * error * float(probe[j]))
        for_bias += error
    return for_weights, for_probe, for_bias


def squared_distance(a: Array, b: Array) -> float:
    """|a - b|^2 of two vectors."""
    return sum((float(p) - float(q)) ** 2 for p, q in zip(a, b, strict=True))


def semi_hard_triplets(anchors: Array, others: Array, classes: Array, margin: float) -> float:
    """Mean hinge on the nearest negative that is farther than the partner, else on the farthest negative."""
    hinges = []
    for i, anchor in enumerate(anchors):
        partner = squared_distance(anchor, others[i])
        negatives = [squared_distance(anchor, others[k]) for k in range(len(others)) if classes[k] != classes[i]]
        if negatives:
            farther = [distance for distance in negatives if distance > partner]
            hinges.append(max(0.0, margin + partner - (min(farther) if farther else max(negatives))))
    return sum(hinges) / len(hinges) if hinges else 0.0


def modality_probe(train: Array, train_modality: Array, test: Array, test_modality: Array) -> float:
    """Mean over both modalities of the share of test items whose nearest training mean is their own; ties count 1/2."""
    means = [np.array([sum(column) / len(column) for column in train[train_modality == m].T]) for m in (0, 1)]
    shares = []
    for m in (0, 1):
        points = []
        for item in test[test_modality == m]:
            own, other = squared_distance(item, means[m]), squared_distance(item, means[1 - m])
            points.append(0.5 if abs(own - other) < 1e-9 else float(own < other))
        shares.append(sum(points) / len(points))
    return sum(shares) / 2
