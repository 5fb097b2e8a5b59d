"""Wrong partners that look right: drawn with the probabilities that a contrastive model gives them.

The same draw trains TEAM's token alignment (C.-W. Xie et al., ACM MM 2022) and the image-text matching heads of ALBEF
(J. Li et al., NeurIPS 2021) and BLIP-2 (J. Li et al., ICML 2023).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from xmr_lib.errors import InvalidInput


class HardNegatives(NamedTuple):
    """One wrong partner for each row.

    Attributes:
        column: (r,) int64; 0 where there is none.
        found: (r,) bool, False for a row whose columns all show the same thing as the row.
    """

    column: Tensor
    found: Tensor


def sample_hard_negatives(scores: Tensor, same: Tensor, generator: torch.Generator | None = None) -> HardNegatives:
    """Draw a wrong column for each row, with probability softmax(scores) over the wrong columns.

        P(column j | row i) = exp(s_ij) / sum_{k wrong for i} exp(s_ik)        for j wrong, else 0

    The softmax is taken after the right columns are gone. Taken before, the right columns leave the wrong ones nothing
    but rounding errors once the model is sure; such rows (here: all wrong scores are -inf) draw uniformly. The draw has
    no gradient: a loss on the drawn pairs must not teach the model to hide them.

    Args:
        scores: (r, c) logits, larger = more alike: cosines times the learnt scale.
        same: (r, c) bool, which columns show the same thing as the row and can never be drawn.
        generator: Random numbers. Default: torch's own.

    Raises:
        InvalidInput: The two differ in shape, or a score is NaN.

    Example: only one column is wrong.
        >>> sample_hard_negatives(torch.zeros(1, 3), torch.tensor([[True, False, True]])).column
        tensor([1])
    """
    if scores.shape != same.shape or scores.ndim != 2:
        raise InvalidInput(
            f"scores and same must be matrices of one shape, but they are {tuple(scores.shape)} and "
            f"{tuple(same.shape)}. Pass the logits (r, c) and same_instance(rows, columns)."
        )
    with torch.no_grad():
        wrong = ~same
        found = wrong.any(1)  # (r,)
        if scores.shape[1] == 0 or not found.any():
            return HardNegatives(torch.zeros_like(found, dtype=torch.int64), found)
        logits = scores.float().masked_fill(same, -torch.inf)  # (r, c)
        if logits.isnan().any():
            raise InvalidInput("The scores hold NaN, and no partner can be drawn by them. Lower the learning rate.")
        hopeless = logits.amax(1, keepdim=True) == -torch.inf  # (r, 1)
        chances = torch.where(hopeless, wrong.float(), logits.softmax(1).nan_to_num(0))  # (r, c)
        chances = torch.where(found[:, None], chances, torch.ones_like(chances))
        index = torch.multinomial(chances, 1, generator=generator)[:, 0]  # (r,)
        return HardNegatives(torch.where(found, index, 0), found)
