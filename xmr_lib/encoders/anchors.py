"""A feature map with a kernel: how near a row is to each of some training rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import Matrix


class RBFAnchors:
    """phi_j(x) = exp(-||x - a_j||^2 / (2 sigma^2)) for anchors a_j drawn from training rows.

    Linear hash functions of d features give at most d different bits. Ten topic proportions cannot fill a code of 64
    bits; 500 similarities to anchors can.

    Args:
        rows: (n, d) training rows. count: How many anchors, at most n. seed: Which rows.

    Attributes:
        anchors: (count, d). sigma: Root of half the mean squared distance between rows and anchors.

    Source: the kernel features of W. Liu, J. Wang, R. Ji, Y.-G. Jiang, S.-F. Chang. "Supervised Hashing with Kernels".
    CVPR 2012, section 3.2.
    """

    def __init__(self, rows: Any, count: int = 500, seed: int = 0) -> None:
        matrix = np.asarray(rows, dtype=np.float64)
        if check_positive(count, "count") > len(matrix):
            raise InvalidInput(f"There are {len(matrix)} rows, so at most as many anchors, but count is {count}.")
        self.anchors = matrix[np.sort(np.random.default_rng(seed).permutation(len(matrix))[:count])]
        self.sigma = float(np.sqrt(squared_distances(matrix, self.anchors).mean() / 2))

    def __call__(self, rows: Any) -> Matrix:
        """(n, d) -> (n, count) float32, in 0..1."""
        distance = squared_distances(np.asarray(rows, dtype=np.float64), self.anchors)
        near: Matrix = np.exp(-distance / (2 * self.sigma**2)).astype(np.float32)
        return near


def squared_distances(a: Matrix, b: Matrix) -> Matrix:
    """Squared Euclidean distances of all rows, (n, d), (m, d) -> (n, m), 0 or more."""
    distance: Matrix = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.maximum(distance, 0.0)
