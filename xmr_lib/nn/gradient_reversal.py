"""Gradient reversal: two players, one backward pass.

Y. Ganin, V. Lempitsky. "Unsupervised Domain Adaptation by Backpropagation". ICML 2015.

    forward   R(x) = x            backward   dL/dx = -strength * dL/dR

A discriminator behind ``R`` minimises its loss, and everything in front of ``R`` maximises it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float = 1.0) -> Tensor:
    """``x`` going forward; the gradient times ``-strength`` going back.

    Args:
        x: Any shape.
        strength: 0 cuts the gradient off, 1 reverses it.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> reverse_gradient(x, 0.5).sum().backward()
    >>> x.grad
    tensor([-0.5000, -0.5000])
    """
    reversed_x: Tensor = _Reversal.apply(x, float(strength))
    return reversed_x


def reversal_strength(progress: float, steepness: float = 10.0) -> float:
    """The strength that grows from 0 to 1 while the discriminator learns: ``2 / (1 + exp(-10 p)) - 1``.

    Args:
        progress: p, the part of the training that is done, 0..1.
        steepness: 10 in Ganin and Lempitsky, section 3.1, and in ACMR.

    >>> [round(reversal_strength(p), 3) for p in (0.0, 0.1, 0.5, 1.0)]
    [0.0, 0.462, 0.987, 1.0]
    """
    return 2.0 / (1.0 + math.exp(-steepness * progress)) - 1.0
