"""CMFH: collective matrix factorisation hashing.

G. Ding, Y. Guo, J. Zhou. "Collective Matrix Factorization Hashing for Multimodal Data". CVPR 2014.

Taxonomy: one linear hash function per modality and unified codes of the training pairs, unsupervised (pairs only),
relaxed: solved without signs, then thresholded.

Objective. Image and text of a pair are two readings of one latent row. With centred views X_t (n, d_t), t = image,
text, latent rows V (n, bits), loadings U_t (bits, d_t) and projections P_t (d_t, bits):

    J = sum_t lam_t ||X_t - V U_t||^2 + mu sum_t ||V - X_t P_t||^2
        + gamma ( ||V||^2 + sum_t ||U_t||^2 + sum_t ||P_t||^2 )

Algorithm. J is quadratic in each of U, P, V while the others are held, so every step goes to its minimum exactly, and
J never increases:

    U_t = (V'V + gamma/lam_t I)^{-1} V'X_t
    P_t = (X_t'X_t + gamma/mu I)^{-1} X_t'V
    V   = ( sum_t lam_t X_t U_t' + mu X_t P_t ) ( sum_t lam_t U_t U_t' + (2 mu + gamma) I )^{-1}

Codes: sgn(V - mean) for the training pairs, from both modalities at once; sgn(P_t' (x - mean)) for a new item. Ranking
the unified codes is another task than cross-modal hashing, mostly an easier one: :mod:`xmr_lib.evaluation.hashing`.

What differs from the paper: rows are items here (the paper's are columns), and both views are centred.
Paper and released code. A widely copied toolbox stops after exactly 25 sweeps, which is also the default here: J goes
on falling (try ``sweeps=100``), but MAP hardly moves. It weighs mu by lam_t in the step of V, but not in the objective
it prints, and it hashes the database with P_t instead of taking the unified codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.base import Codes, binary_codes, check_bits, hashing_pairs
from xmr_lib.methods.hashing.linear import LinearHashing
from xmr_lib.progress import progress

Factor = tuple[Matrix, bool]  # as scipy.linalg.cho_factor gives it


class Weights(NamedTuple):
    """lam: one weight per view; mu: of the projections; gamma: of the sizes."""

    lam: tuple[float, float]
    mu: float
    gamma: float


def loadings(x: Matrix, v: Matrix, ridge: float) -> Matrix:
    """U minimising ||X - V U||^2 + ridge ||U||^2: (n, d), (n, bits) -> (bits, d).

    >>> loadings(np.array([[2.0], [2.0]]), np.array([[1.0], [1.0]]), 0.0).tolist()
    [[2.0]]
    """
    u: Matrix = np.linalg.solve(v.T @ v + ridge * np.eye(v.shape[1]), v.T @ x)
    return u


def latent_rows(views: Sequence[Matrix], u: Sequence[Matrix], p: Sequence[Matrix], w: Weights) -> Matrix:
    """V minimising J for given loadings and projections: (n, bits).

    Args:
        views: (n, d_t) each. u: (bits, d_t) each. p: (d_t, bits) each. w: The weights of J.
    """
    gram = sum(lam * each @ each.T for lam, each in zip(w.lam, u, strict=True))  # (bits, bits)
    right = sum(x @ (lam * a.T + w.mu * b) for lam, x, a, b in zip(w.lam, views, u, p, strict=True))  # (n, bits)
    bits = len(u[0])
    v: Matrix = np.linalg.solve(gram + (len(views) * w.mu + w.gamma) * np.eye(bits), np.asarray(right).T).T
    return v


def sweep(
    views: Sequence[Matrix], factors: Sequence[Factor], v: Matrix, w: Weights
) -> tuple[Matrix, list[Matrix], list[Matrix]]:
    """U and P for the old V, then V for both: the new V (n, bits), U (bits, d_t) each, P (d_t, bits) each.

    Args:
        views: (n, d_t) each. factors: Cholesky factors of X_t'X_t + gamma/mu I, the same in every sweep.
        v: (n, bits). w: The weights of J.
    """
    u = [loadings(x, v, w.gamma / lam) for x, lam in zip(views, w.lam, strict=True)]
    p = [cho_solve(factor, x.T @ v) for x, factor in zip(views, factors, strict=True)]
    return latent_rows(views, u, p, w), u, p


def factors_of(views: Sequence[Matrix], w: Weights) -> list[Factor]:
    """Cholesky factor of X_t'X_t + gamma/mu I of each view (n, d_t)."""
    return [cho_factor(x.T @ x + w.gamma / w.mu * np.eye(x.shape[1])) for x in views]


def objective(views: Sequence[Matrix], v: Matrix, u: Sequence[Matrix], p: Sequence[Matrix], w: Weights) -> float:
    """J, see the head of this file."""
    total = w.gamma * (v**2).sum()
    for lam, x, a, b in zip(w.lam, views, u, p, strict=True):
        total += lam * ((x - v @ a) ** 2).sum() + w.mu * ((v - x @ b) ** 2).sum()
        total += w.gamma * ((a**2).sum() + (b**2).sum())
    return float(total)


class CMFH(LinearHashing):
    """Collective matrix factorisation hashing.

    Args:
        bits: Length of a code.
        lam: Weight of the image view in the factorisation, 0..1; the text has 1 - lam.
        mu: Weight of the projections. gamma: Weight of the sizes, above 0.
        sweeps: How often U, P and V are solved.
        seed: Of the first V, uniform in 0..1.

    Attributes:
        objective_: (sweeps,) J after each sweep.
        unified_codes_: (n, bits) int8 codes of the training pairs, from both modalities.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> model = CMFH(4, sweeps=5).fit(PairedFeatures(rng.normal(size=(30, 6)), rng.normal(size=(30, 5))))
        >>> model.unified_codes_.shape, bool((np.diff(model.objective_) <= 0).all())
        ((30, 4), True)
    """

    objective_: Matrix
    unified_codes_: Codes

    def __init__(
        self, bits: int = 16, lam: float = 0.5, mu: float = 100.0, gamma: float = 0.01, sweeps: int = 25, seed: int = 0
    ) -> None:
        self.bits = bits
        self.lam = lam
        self.mu = mu
        self.gamma = gamma
        self.sweeps = sweeps
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """course: the weight of the much larger image features, chosen by validation MAP on scenes; smoke: 5 sweeps."""
        presets: dict[str, dict[str, Any]] = {"course": {"lam": 0.05}, "smoke": {"sweeps": 5}}
        return presets.get(profile, {})

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Solve U, P and V in turn, ``sweeps`` times (labels and ``validation`` are not used).

        Raises:
            InvalidInput: A weight out of its range, or no one-to-one pairs.
        """
        hashing_pairs(train, "CMFH", labels=False)
        check_bits(self.bits)
        check_positive(self.sweeps, "sweeps")
        if not 0 < self.lam < 1 or self.mu <= 0 or self.gamma <= 0:
            raise InvalidInput(
                f"CMFH needs lam in 0..1 and mu and gamma above 0, but they are {self.lam}, {self.mu} and "
                f"{self.gamma}. The paper has 0.5, 100 and 0.01."
            )
        w = Weights((self.lam, 1 - self.lam), self.mu, self.gamma)
        views = self.centre(train)
        factors = factors_of(views, w)
        v: Matrix = np.random.default_rng(self.seed).random((train.n_images, self.bits))
        history = []
        for _ in progress(range(self.sweeps), desc="CMFH sweeps"):
            v, u, p = sweep(views, factors, v, w)
            history.append(objective(views, v, u, p, w))
        self.objective_ = np.array(history)
        self.image_weights_, self.text_weights_ = p
        self.unified_codes_ = binary_codes(v - v.mean(axis=0))
        return self
