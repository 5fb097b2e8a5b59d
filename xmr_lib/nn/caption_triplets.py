"""Triplets of pictures and sentences: every right pair must beat the wrong partners of both by a margin.

F. Faghri et al. "VSE++: Improving Visual-Semantic Embeddings with Hard Negatives". BMVC 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor


def pair_hinges(similarity: Tensor, positive: Tensor, margin: float = 0.2, hardest: bool = True) -> Tensor:
    """Hinge of every right pair (i, j) against N_i, the columns that are wrong for row i.

        hardest:  max(0, margin - s_ij + max_{k in N_i} s_ik)
        mean:     mean_{k in N_i} max(0, margin - s_ij + s_ik)

    The other right columns of the row are left out. The hardest negative teaches most, but at the start, when all
    negatives are alike, following one of them can pull everything to one point; the mean does not.

    Args:
        similarity: (r, c), larger = more alike. positive: (r, c) bool.
        margin: By how much the right pair must win. hardest: Which of the two.

    Returns:
        (p,) one loss per True in ``positive``, row by row; 0 where a row has no wrong column.

    Example: the right pair scores .5; a wrong one scores .6, another .1.
        >>> s, right = torch.tensor([[0.5, 0.6, 0.1]]), torch.tensor([[True, False, False]])
        >>> pair_hinges(s, right), pair_hinges(s, right, hardest=False)
        (tensor([0.3000]), tensor([0.1500]))
    """
    rows, columns = positive.nonzero(as_tuple=True)
    right = similarity[rows, columns]  # (p,)
    if hardest:
        nearest = similarity.masked_fill(positive, -torch.inf).amax(1)  # (r,); -inf: no wrong column
        return (margin - right + nearest[rows]).clamp_min(0)
    wrong = ~positive[rows]  # (p, c)
    hinges = (margin - right[:, None] + similarity[rows]).clamp_min(0)  # (p, c)
    return (hinges * wrong).sum(1) / wrong.sum(1).clamp_min(1)


def caption_triplets(similarity: Tensor, positive: Tensor, margin: float = 0.2, hardest: bool = True) -> Tensor:
    """Both directions: ``mean_ij hinge_ij(s) + mean_ij hinge_ji(s')``, a scalar; see :func:`pair_hinges`.

    Args:
        similarity: (n, m) of images and captions. positive: (n, m) bool, several captions per image or not.
        margin, hardest: See :func:`pair_hinges`.
    """
    i2t = pair_hinges(similarity, positive, margin, hardest).mean()
    return i2t + pair_hinges(similarity.T, positive.T, margin, hardest).mean()
