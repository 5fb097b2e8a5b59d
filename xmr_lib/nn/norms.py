"""How far rows are from zero: the mean of their norms, in the two forms that papers and code mix up."""

from __future__ import annotations

import torch
from torch import Tensor

from xmr_lib.errors import check_choice

NORMS = ("sample", "batch")


def mean_norm(x: Tensor, norms: str = "sample") -> Tensor:
    """The size of the rows of ``x``; the gradient of a row of zeros is 0, not NaN.

    Args:
        x: (b, d).
        norms: ``"sample"``: 1/b sum_i ||x_i||_2, the mean over the rows; ``"batch"``: 1/b ||x||_F, one norm for the
            whole batch, smaller by up to a factor of sqrt(b).

    Raises:
        UnknownName: Another form.

    >>> x = torch.tensor([[3.0, 4.0], [0.0, 12.0]])
    >>> mean_norm(x).item(), mean_norm(x, "batch").item()
    (8.5, 6.5)
    """
    if check_choice(norms, NORMS, "form of the norms") == "batch":
        return torch.linalg.vector_norm(x) / len(x)
    return torch.linalg.vector_norm(x, dim=1).mean()
