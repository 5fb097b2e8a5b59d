"""Whitening and canonical directions: the algebra below CCA, and below the hash functions built on it.

With centred views X (n, d_x), Y (n, d_y) and covariances S_xx = X'X/n, S_yy = Y'Y/n, S_xy = X'Y/n:

    M = S_xx^{-1/2} S_xy S_yy^{-1/2} = U diag(rho) V',    W_x = S_xx^{-1/2} U_d,    W_y = S_yy^{-1/2} V_d

Why this maximises the correlation, and what the ridge is for: :mod:`xmr_lib.methods.subspace.cca`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.linalg import eigh

from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix


def whitening_matrix(covariance: Matrix, ridge: float = 0.0) -> Matrix:
    """The symmetric inverse square root ``(S + ridge * tr(S)/d * I)^(-1/2)``.

    Args:
        covariance: S, (d, d), symmetric, positive semi-definite.
        ridge: Strength relative to the mean variance tr(S)/d; 0 or more.

    Returns:
        W, (d, d), with W (S + ridge * tr(S)/d * I) W = I. Directions without any variance get 0, not infinity.

    >>> whitening_matrix(np.diag([4.0, 1.0])).round(3).tolist()
    [[0.5, 0.0], [0.0, 1.0]]
    """
    values, vectors = eigh(covariance, driver="evd")  # the default driver fails on some repeated eigenvalues
    return _inverse_root(values, vectors, ridge)


def _inverse_root(values: Matrix, vectors: Matrix, ridge: float) -> Matrix:
    """``V diag((lambda + ridge * mean(lambda))^(-1/2)) V'``; tr(S)/d is the mean eigenvalue."""
    values = values + ridge * values.mean()
    alive = values > values[-1] * len(values) * np.finfo(values.dtype).eps
    scale = np.where(alive, 1.0 / np.sqrt(np.where(alive, values, 1.0)), 0.0)
    return (vectors * scale) @ vectors.T


def cca(x: Matrix, y: Matrix, n_components: int, ridge: float = 0.0) -> tuple[Matrix, Matrix, Matrix]:
    """Canonical directions and correlations of two centred views.

    Args:
        x: (n, d_x), every column with mean zero. Row i of ``x`` and row i of ``y`` form a pair.
        y: (n, d_y), likewise.
        n_components: How many directions to keep, 1 .. min(d_x, d_y).
        ridge: See :func:`whitening_matrix`.

    Returns:
        W_x (d_x, k), W_y (d_y, k) and the correlations rho (k,), largest first.
    """
    n = len(x)
    whiten_x = whitening_matrix(x.T @ x / n, ridge)  # (d_x, d_x)
    whiten_y = whitening_matrix(y.T @ y / n, ridge)  # (d_y, d_y)
    u, rho, vt = np.linalg.svd(whiten_x @ (x.T @ y / n) @ whiten_y, full_matrices=False)
    k = n_components
    return whiten_x @ u[:, :k], whiten_y @ vt[:k].T, rho[:k]


def cca_path(
    x: Matrix, y: Matrix, n_components: int, ridges: Sequence[float]
) -> Iterator[tuple[Matrix, Matrix, Matrix]]:
    """:func:`cca` for one ridge after the other, with one eigendecomposition per side for all of them.

    A ridge moves the eigenvalues of a covariance and leaves its eigenvectors, so only the cheap part is repeated.
    """
    n = len(x)
    values_x, vectors_x = eigh(x.T @ x / n, driver="evd")
    values_y, vectors_y = eigh(y.T @ y / n, driver="evd")
    cross = x.T @ y / n  # (d_x, d_y)
    for ridge in ridges:
        whiten_x = _inverse_root(values_x, vectors_x, ridge)
        whiten_y = _inverse_root(values_y, vectors_y, ridge)
        u, rho, vt = np.linalg.svd(whiten_x @ cross @ whiten_y, full_matrices=False)
        yield whiten_x @ u[:, :n_components], whiten_y @ vt[:n_components].T, rho[:n_components]


def check_ridge(ridge: float) -> None:
    """Refuse a negative ridge."""
    if ridge < 0:
        raise InvalidInput(f"ridge must be 0 or more, but it is {ridge}. Try 1e-3.")
