"""The contrastive loss of dual towers, for batches in which an image may have several captions.

A. van den Oord et al. "Representation Learning with Contrastive Predictive Coding". arXiv 1807.03748, 2018 (InfoNCE);
symmetric form: A. Radford et al., ICML 2021 (CLIP).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput


class Temperature(nn.Module):
    """A learnable scale ``s = 1 / tau`` for cosines, stored as its logarithm and kept at most ``maximum``.

    Args:
        start: tau at the start; CLIP begins with .07, ALIGN with 1.
        maximum: Largest scale s. CLIP clips at 100, where a cosine gap of .01 is one unit of the logits.
        learnable: False keeps tau where it starts.

    Raises:
        InvalidInput: ``start`` is not positive.
    """

    def __init__(self, start: float = 0.07, maximum: float = 100.0, learnable: bool = True) -> None:
        super().__init__()
        if start <= 0:
            raise InvalidInput(f"The temperature must be positive, but it is {start}. CLIP starts at .07.")
        self.maximum = maximum
        self.log_scale = nn.Parameter(torch.tensor(-math.log(start)), requires_grad=learnable)

    def forward(self) -> Tensor:
        """The scale s, a scalar. A step that went above the maximum is taken back, so it can fall again."""
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(self.maximum))
        return self.log_scale.exp()


def same_instance(rows: Tensor, columns: Tensor) -> Tensor:
    """(r, c) bool: which rows and columns show the same thing, from their instance numbers (r,) and (c,)."""
    return rows[:, None] == columns[None, :]


def pair_losses(logits: Tensor, positive: Tensor, smoothing: float = 0.0) -> Tensor:
    """InfoNCE of every right pair against the wrong partners of its row.

    For a right pair (i, j) and N_i, the columns that are wrong for row i:

        loss_ij = -log [ exp(l_ij) / (exp(l_ij) + sum_{k in N_i} exp(l_ik)) ]

    The other right columns of the row are left out: they are neither target nor negative. (Multiplying their logits by
    0 instead, as TEAM's released code does, leaves a negative of weight exp(0) = 1.)

    Args:
        logits: (r, c) scores, larger = more alike.
        positive: (r, c) bool.
        smoothing: Share of the target that is spread evenly over the pair itself and the wrong partners.

    Returns:
        (p,) one loss per True in ``positive``, row by row.

    Example: one right and two wrong partners with equal scores cost log 3.
        >>> pair_losses(torch.zeros(1, 3), torch.tensor([[True, False, False]]))
        tensor([1.0986])
    """
    rows, columns = positive.nonzero(as_tuple=True)
    wrong = logits.masked_fill(positive, -torch.inf).logsumexp(1)  # (r,)
    right = logits[rows, columns]  # (p,)
    total = torch.logaddexp(right, wrong[rows])  # (p,) log of the sum over all candidates
    if not smoothing:
        return total - right
    candidates = (~positive).sum(1)[rows] + 1  # (p,)
    mean = (logits.masked_fill(positive, 0).sum(1)[rows] + right) / candidates
    return total - (1 - smoothing) * right - smoothing * mean


def symmetric_info_nce(logits: Tensor, positive: Tensor, smoothing: float = 0.0) -> Tensor:
    """CLIP's loss: the mean of image-to-text and text-to-image InfoNCE, a scalar.

        L = 1/2 [ mean_ij loss_ij(logits) + mean_ij loss_ji(logits') ]

    Args:
        logits: (n, m) scaled similarities of images and texts.
        positive: (n, m) bool, which pairs are right; one per row and column, or more.
        smoothing: See :func:`pair_losses`.

    Example: with one right partner each it is the cross-entropy of CLIP's pseudo-code, here log 2.
        >>> symmetric_info_nce(torch.zeros(2, 2), torch.eye(2, dtype=torch.bool))
        tensor(0.6931)
    """
    i2t = pair_losses(logits, positive, smoothing).mean()
    return (i2t + pair_losses(logits.T, positive.T, smoothing).mean()) / 2
