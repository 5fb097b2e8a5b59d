"""Layers: a feed-forward stack in one line, and input scaling that travels with the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput


def feed_forward(
    sizes: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
    *,
    activate_last: bool = False,
    norm: Callable[[int], nn.Module] | None = None,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Linear layers with something between them.

    Args:
        sizes: ``[d_in, ..., d_out]``, at least two numbers.
        activation: Made after every linear layer but the last.
        activate_last: Also after the last.
        norm: Made from the layer's width, between a linear layer and its activation.
        dropout: Rate after each activation; 0 adds nothing.

    >>> [type(layer).__name__ for layer in feed_forward([4, 8, 2], nn.Tanh)]
    ['Linear', 'Tanh', 'Linear']
    """
    if len(sizes) < 2:
        raise InvalidInput(f"A feed-forward stack needs an input and an output size, but sizes is {list(sizes)}.")
    layers: list[nn.Module] = []
    for number, (d_in, d_out) in enumerate(pairwise(sizes), start=1):
        layers.append(nn.Linear(d_in, d_out))
        if number < len(sizes) - 1 or activate_last:
            layers += [norm(d_out)] if norm else []
            layers.append(activation())
            layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers)


class Standardise(nn.Module):
    """``(x - mean) / deviation`` per feature, learnt from training rows and stored with the network.

    Until :meth:`learn` is called it changes nothing. Features that never vary become 0.

    Args:
        d: Number of features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, d: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("scale", torch.ones(d))

    def learn(self, rows: np.ndarray) -> None:
        """Take mean and deviation of the training rows, (n, d)."""
        deviation = rows.std(axis=0, dtype=np.float64)
        constant = deviation <= 1e-8 * np.maximum(1.0, np.abs(rows).max(axis=0))
        self.mean.copy_(torch.from_numpy(rows.mean(axis=0, dtype=np.float64)))
        self.scale.copy_(torch.from_numpy(np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation))))

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) -> (n, d)."""
        return (x - self.mean) * self.scale
