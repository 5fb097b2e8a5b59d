"""What every tower takes and gives: normalised pixels, texts without needless padding, :class:`Encoded`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Encoded(NamedTuple):
    """What a tower says about a batch.

    Attributes:
        tokens: (b, t, w) one vector per patch or word.
        mask: (b, t) bool, True where a token is real (not padding).
        pooled: (b, w) one vector per image or text.
    """

    tokens: Tensor
    mask: Tensor
    pooled: Tensor


class Tower(nn.Module):
    """Base of all towers: ``tower(inputs)`` is an :class:`Encoded`.

    Attributes:
        width: w, of tokens and pooled vectors.
    """

    width: int

    def pooled(self, inputs: Tensor) -> Tensor:
        """(b, w): the pooled vectors alone. Towers that can leave out work for it do so."""
        answer: Tensor = self(inputs).pooled
        return answer


class Pixels(nn.Module):
    """uint8 pixels -> normalised floats, channel by channel: ``(x / 255 - mean) / std``. (b, 3, h, w)."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] = (0.5,) * 3, std: Sequence[float] = (0.5,) * 3) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Channels last in memory: convolutions on a CPU are faster on it."""
        scaled = (pixels.to(self.mean.dtype) / 255 - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last)


def trim(text: Tensor) -> Tensor:
    """Without the columns that are padding in every row; at least one column stays."""
    used = int((text > 0).any(0).sum())
    return text[:, : max(used, 1)]
