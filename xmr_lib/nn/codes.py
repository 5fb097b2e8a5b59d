"""Binary codes inside a network: the sign without a zero, and the likelihood of pairwise similarity."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def sign_codes(outputs: Tensor) -> Tensor:
    """Binary codes in {-1, +1}: +1 where the output is above 0, else -1. The same shape and type.

    ``torch.sign`` gives 0 at 0, and a code with a 0 in it is no code: its Hamming distances are not whole numbers.

    >>> sign_codes(torch.tensor([[0.3, 0.0, -2.0]])).tolist()
    [[1.0, -1.0, -1.0]]
    """
    return torch.where(outputs > 0, 1.0, -1.0).to(outputs.dtype)


def label_similarity(a: Tensor, b: Tensor) -> Tensor:
    """S_ij = 1 where row i of ``a`` and row j of ``b`` share at least one label, else 0.

    Args:
        a: (b, c) multi-hot. b: (n, c) multi-hot.

    Returns:
        (b, n), of the type of ``a``.

    >>> label_similarity(torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])).tolist()
    [[1.0, 0.0]]
    """
    return (a @ b.T > 0).to(a.dtype)


def pair_likelihood(f: Tensor, g: Tensor, similarity: Tensor) -> Tensor:
    """Negative log-likelihood of the similarity of every pair: softplus(Theta) - S Theta, Theta = f g^T / 2.

    P(S_ij = 1) = sigmoid(Theta_ij). Written with softplus, which does not overflow: log(1 + exp(Theta)) does in float32
    for Theta > 88, which 128 unbounded outputs reach.

    Args:
        f: (b, bits) real outputs. g: (n, bits) real outputs or codes. similarity: (b, n) in 0..1.

    Returns:
        (b, n), 0 or more; log 2 where f and g are orthogonal. Take its sum or mean.

    Source: Q.-Y. Jiang and W.-J. Li, CVPR 2017, equation 1 (first term).

    >>> round(pair_likelihood(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 1.0]]), torch.ones(1, 1)).item(), 4)
    0.3133
    """
    theta = f @ g.T / 2  # (b, n)
    return F.softplus(theta) - similarity * theta


def quantisation_error(outputs: Tensor) -> Tensor:
    """Mean squared distance of the outputs from their own signs: what binarising costs. (b, bits) -> scalar.

    >>> round(quantisation_error(torch.tensor([[0.5, -1.0]])).item(), 3)
    0.125
    """
    return (outputs - sign_codes(outputs)).square().mean()
