"""The inputs on which solutions of exercise 05 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.graph_by_hand import Array


def neighbour_cases() -> list[Case]:
    """Five arrows with ties; a cloud; rows of zeros and rows that occur twice."""
    rng = np.random.default_rng(50)
    arrows = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [1.0, 1.0]])
    cloud = rng.normal(size=(9, 3)) * rng.uniform(0.3, 3, (9, 1)) + 0.5
    twice = cloud.copy()
    twice[[4, 7]] = 2 * twice[1]
    twice[2] = 0.0
    return [
        Case("(1, 0), (2, 0), (0, 1), (0, 3), (1, 1) with k = 1", (arrows, 1)),
        Case("9 random rows, k = 2", (cloud, 2)),
        Case("9 rows, three of which point the same way and one of which is zero, k = 2", (twice, 2)),
        Case("9 random rows, k = 8: everybody", (cloud, 8)),
    ]


def graph(seed: int, n: int, isolated: int | None = None) -> Array:
    """Symmetric edge weights with a zero diagonal; one node may have no edge."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.uniform(0.2, 2.0, (n, n)) * (rng.random((n, n)) < 0.5), 1)
    upper[np.arange(n - 1), np.arange(1, n)] = 1.5  # a path, so that nobody else is alone
    weights = upper + upper.T
    if isolated is not None:
        weights[isolated] = weights[:, isolated] = 0.0
    return np.asarray(weights)


def propagation_cases() -> list[Case]:
    """Two nodes that talk and one alone; a graph of weights; no step."""
    rng = np.random.default_rng(51)
    small = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([[0.0], [4.0], [5.0]])
    x = rng.normal(size=(7, 2)) + 1
    return [
        Case("nodes 0 and 1 joined, node 2 alone, x = [[0], [4], [5]], 2 steps, restart 0.5", (*small, 2, 0.5)),
        Case("7 nodes with weighted edges, 3 steps, restart 0.2", (graph(52, 7), x, 3, 0.2)),
        Case("7 nodes of which the first is alone, 2 steps, restart 0", (graph(53, 7, 0), x, 2, 0.0)),
        Case("7 nodes, no step", (graph(52, 7), x, 0, 0.3)),
    ]


def inductive_cases() -> list[Case]:
    """Two training items and two new ones; a larger graph; a new item with no training neighbour."""
    small = np.zeros((4, 4))
    for i, j, weight in ((0, 1, 1.0), (0, 2, 3.0), (2, 3, 2.0)):
        small[i, j] = small[j, i] = weight
    alone = graph(55, 8)
    alone[6, :5] = alone[:5, 6] = 0.0
    return [
        Case("training items 0 and 1, new items 2 and 3, edges 0-1: 1, 0-2: 3, 2-3: 2", (small, 2)),
        Case("6 training and 3 new items with weighted edges", (graph(54, 9), 6)),
        Case("5 training and 3 new items, one of them without a training neighbour", (alone, 5)),
        Case("7 training items and 1 new one", (graph(56, 8), 7)),
    ]


def gan_cases() -> list[Case]:
    """One logit each; unequal numbers; logits that overflow exp."""
    rng = np.random.default_rng(57)
    real, fake = rng.normal(size=5) + 1, rng.normal(size=3) - 1
    return [
        Case("real [0], fake [ln 3], smoothing 0.1", (np.zeros(1), np.array([np.log(3.0)]), 0.1)),
        Case("5 real and 3 fake logits, smoothing 0.2", (real, fake, 0.2)),
        Case("the same without smoothing", (real, fake, 0.0)),
        Case("logits in the thousands, smoothing 0.1", (3000 * real, np.array([-2000.0, 0.5, 1500.0]), 0.1)),
    ]
