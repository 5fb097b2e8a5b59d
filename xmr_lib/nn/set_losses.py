"""Losses and measures for sets of vectors: is a set spread out, and do two clouds of vectors lie in one place?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.nn.triplets import squared_distances

TINY = 1e-6


def diversity_loss(slots: Tensor) -> Tensor:
    """What alike slots cost: mean over items and pairs a != b of ``exp(-2 ||s_a - s_b||^2)``, a scalar.

    Kim et al., CVPR 2023: taken of the slots themselves, scaled to unit length, before the global vector is added. 1
    for K equal slots, exp(-4) = .018 for orthogonal ones.

    Args:
        slots: (n, K, d). One slot has nobody to differ from and costs 0.

    >>> diversity_loss(torch.eye(2)[None])
    tensor(0.0183)
    """
    k = slots.shape[1]
    if k == 1:
        return slots.sum() * 0
    unit = F.normalize(slots, dim=-1)
    cosines = unit @ unit.transpose(1, 2)  # (n, K, K); ||s_a - s_b||^2 = 2 - 2 cos
    other = ~torch.eye(k, dtype=torch.bool, device=slots.device)
    return (4 * (cosines[:, other] - 1)).exp().mean()


def circular_variance(sets: Tensor) -> Tensor:
    """How spread a set is: ``1 - ||mean_k e_k||`` of its unit vectors. (n, K, d) -> (n,), in 0..1.

    0: all K vectors are the same, the set has collapsed to one vector.

    >>> circular_variance(torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]]]))
    tensor([0., 1.])
    """
    return 1 - torch.linalg.vector_norm(sets.mean(1), dim=-1)


def mmd_loss(a: Tensor, b: Tensor) -> Tensor:
    """Maximum mean discrepancy of two clouds of vectors: 0 where they look alike, larger the further apart they lie.

        MMD = mean k(a, a') + mean k(b, b') - 2 mean k(a, b),   k(x, y) = exp(-||x - y|| / 2)

    As in the code of Kim et al., CVPR 2023: the distance is not squared. (A. Gretton et al., JMLR 2012.)

    Args:
        a: (n, d). b: (m, d).

    >>> mmd_loss(torch.zeros(2, 1), torch.full((3, 1), 2.0))  # 1 + 1 - 2 / e
    tensor(1.2642)
    """
    return _kernel(a, a).mean() + _kernel(b, b).mean() - 2 * _kernel(a, b).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """(n, m). The root has an infinite slope at 0: vectors nearer than .001 count as equal and get no gradient."""
    squared = squared_distances(x, y)
    distance = squared.clamp_min(TINY).sqrt().masked_fill(squared < TINY, 0)
    return (-distance / 2).exp()
