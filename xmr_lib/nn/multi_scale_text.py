"""The multi-scale text block of SSAH: a row of word counts seen in windows of several widths.

C. Li et al. "Self-Supervised Adversarial Hashing Networks for Cross-Modal Retrieval". CVPR 2018, section 3.2.

The idea comes from images, where neighbours belong together. Words next to each other in a vocabulary do so only if the
vocabulary is in an order that means something; in an alphabetical one a window is a random group of words.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput

WINDOWS = (50, 30, 15, 10, 5)


def window_means(x: Tensor, window: int) -> Tensor:
    """Every entry becomes the mean of its window; the windows lie side by side, the last one may be shorter.

    Args:
        x: (b, d). window: Entries per window.

    Returns:
        (b, d).

    >>> window_means(torch.tensor([[1.0, 3.0, 5.0, 7.0, 4.0]]), 2).tolist()
    [[2.0, 2.0, 6.0, 6.0, 4.0]]
    """
    means = F.avg_pool1d(x[:, None], window, ceil_mode=True)[:, 0]  # (b, windows)
    return means.repeat_interleave(window, dim=1)[:, : x.shape[1]]


class MultiScaleText(nn.Module):
    """The row itself, and ``relu(w_k * window_means(x, k) + b_k)`` for every window k, side by side.

    Args:
        windows: Widths of the windows. Each has one weight and one bias (a 1 x 1 convolution), which start at 1 and 0.

    Raises:
        InvalidInput: No window, or one below 1.
    """

    def __init__(self, windows: Sequence[int] = WINDOWS) -> None:
        super().__init__()
        if not windows or min(windows) < 1:
            raise InvalidInput(f"The text block needs windows of 1 word or more, but they are {list(windows)}.")
        self.windows = tuple(windows)
        self.weight = nn.Parameter(torch.ones(len(windows)))
        self.bias = nn.Parameter(torch.zeros(len(windows)))

    def width(self, d: int) -> int:
        """Columns that come out for d columns."""
        return d * (1 + len(self.windows))

    def forward(self, x: Tensor) -> Tensor:
        """(b, d) -> (b, (1 + windows) d)."""
        scales = zip(self.windows, self.weight, self.bias, strict=True)
        return torch.cat([x, *(torch.relu(w * window_means(x, size) + b) for size, w, b in scales)], dim=1)
