"""The steps of DCHUC as functions: its objective, the codes bit by bit, the label map in closed form.

Notation and formulas: :mod:`xmr_lib.methods.hashing.dchuc`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xmr_lib.nn.codes import sign_codes


def balance_ratio(similarity: Tensor) -> float:
    """r = (pairs with S = 1) / (pairs with S = 0): then the targets 1 and -r sum to 0. 0 without dissimilar pairs.

    >>> balance_ratio(torch.tensor([[1.0, 0.0, 0.0, 0.0]])) == 1 / 3
    True
    """
    similar = float(similarity.sum())
    dissimilar = similarity.numel() - similar
    return similar / dissimilar if dissimilar else 0.0


def dchuc_objective(
    u: Tensor,
    g: Tensor,
    codes: Tensor,
    w: Tensor,
    target: Tensor,
    labels: Tensor,
    omega: Tensor,
    *,
    gamma: float = 200.0,
    alpha: float = 50.0,
    mu: float = 50.0,
    eta: float = 50.0,
    beta: float = 1.0,
) -> Tensor:
    """J, a scalar; its formula is at the head of :mod:`xmr_lib.methods.hashing.dchuc`.

    Args:
        u: (m, bits) image outputs on the drawn pairs. g: (m, bits) text outputs. codes: (N, bits) V in {-1, +1}.
        w: (bits, c). target: (m, N), 1 where items share a label, else -r. labels: (N, c) multi-hot.
        omega: (m,) which of the N pairs were drawn.
    """
    bits, drawn = codes.shape[1], labels[omega]
    to_codes = (u @ codes.T - bits * target).square().sum() + (g @ codes.T - bits * target).square().sum()
    to_each_other = (u @ g.T - bits * target[:, omega]).square().sum()
    quantisation = (codes[omega] - (u + g) / 2).square().sum()
    from_outputs = (u @ w - drawn).square().sum() + (g @ w - drawn).square().sum()
    from_codes = (codes @ w - labels).square().sum()
    return (
        to_codes
        + mu * to_each_other
        + gamma * quantisation
        + alpha * from_outputs
        + beta * from_codes
        + eta * w.square().sum()
    )


def dcc_step(
    k: int,
    codes: Tensor,
    u: Tensor,
    g: Tensor,
    w: Tensor,
    target: Tensor,
    labels: Tensor,
    omega: Tensor,
    *,
    gamma: float = 200.0,
    beta: float = 1.0,
    slip: bool = False,
) -> Tensor:
    """Bit k of all codes: the signs that minimise J while all other bits stand still.

    In bit k the objective is linear, because its square is 1. With a hat for "without column k" and a bar for "0
    outside of Omega":

        v_k = - sgn( Q_k + 2 Vhat ( Uhat^T u_k + Ghat^T g_k + beta What w_k ) )
        Q_k = - 2 K S^T (u_k + g_k) - gamma (ubar_k + gbar_k) - 2 beta L w_k

    Args:
        k: Number of the bit. codes to omega: As in :func:`dchuc_objective`.
        gamma, beta: Weights of quantisation and of the labels.
        slip: Count the text and the label part twice, as the released code does; then J can rise.

    Returns:
        (N,) in {-1, +1}, a new tensor.
    """
    bits = codes.shape[1]
    others = torch.arange(bits, device=codes.device) != k
    both = u[:, k] + g[:, k]  # (m,)
    q = -2 * bits * (target.T @ both) - 2 * beta * (labels @ w[k])  # (N,)
    q = q.index_add(0, omega, -gamma * both)
    from_image = u[:, others].T @ u[:, k]  # (bits - 1,)
    from_rest = g[:, others].T @ g[:, k] + beta * (w[others] @ w[k])
    return sign_codes(-(q + 2 * codes[:, others] @ (from_image + (2 if slip else 1) * from_rest)))


def label_ridge(
    u: Tensor,
    g: Tensor,
    codes: Tensor,
    labels: Tensor,
    omega: Tensor,
    *,
    alpha: float = 50.0,
    beta: float = 1.0,
    eta: float = 50.0,
) -> Tensor:
    """W in closed form, ridge regression of the labels on outputs and codes: the minimiser of J in W. (bits, c).

    W = ( alpha (U^T U + G^T G) + beta V^T V + eta I )^-1 ( alpha (U + G)^T L_Omega + beta V^T L )
    """
    left = alpha * (u.T @ u + g.T @ g) + beta * codes.T @ codes + eta * torch.eye(u.shape[1]).to(u)
    right = alpha * (u + g).T @ labels[omega] + beta * codes.T @ labels
    solved: Tensor = torch.linalg.solve(left, right)
    return solved


def drawn_pairs(n: int, m: int, seed: int, epoch: int) -> Tensor:
    """Omega of an epoch: m of n pairs, none twice, in ascending order. (min(m, n),); all of them where m is larger."""
    chosen = np.random.default_rng([seed, epoch, n]).permutation(n)[:m]
    return torch.from_numpy(np.sort(chosen))
