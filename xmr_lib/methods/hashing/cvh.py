"""CVH: cross-view hashing, in its closed form.

S. Kumar, R. Udupa. "Learning Hash Functions for Cross-View Similarity Search". IJCAI 2011.

Taxonomy: one linear hash function per modality, unsupervised (pairs only), relaxed: solved without signs,
then thresholded.

Objective. The general problem asks for codes with small Hamming distances between similar items, seen from every pair
of views, under bits that are balanced and uncorrelated: a generalised eigenproblem. Where the only thing known is
which image belongs to which text, it is canonical correlation analysis. With centred views X (n, d_x), Y (n, d_y):

    C_xy C_yy^{-1} C_yx w_x = rho^2 C_xx w_x,    w_y = (1/rho) C_yy^{-1} C_yx w_x,    the largest rho first
    h(x) = sgn(w_x' (x - mean))

The threshold 0 of a centred projection halves the training items about evenly, so every bit is about balanced.

What to expect. Bit k is the k-th most correlated direction, and every bit counts the same in a Hamming distance. Once
the directions that both views agree on are used up, a longer code adds noise: MAP can *fall* as the code grows.

Paper and released code. A widely copied MATLAB toolbox multiplies by C_yy where the inverse belongs, in the
eigenproblem only; its w_y has the inverse. Its directions are those of large covariance with the strong directions of
the text, not of large correlation: ``inverse=False``. The ridge here is relative to the mean variance of a view.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.linalg import eigh

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.canonical import cca, check_ridge, whitening_matrix
from xmr_lib.methods.hashing.base import check_bits, hashing_pairs
from xmr_lib.methods.hashing.linear import LinearHashing


class CVH(LinearHashing):
    """Cross-view hashing.

    Args:
        bits: Length of a code; at most as many as the smaller view has features.
        ridge: Regularisation of both covariances, relative to their mean variance.
        inverse: False multiplies by C_yy instead of its inverse, as the toolbox does.

    Attributes:
        correlations_: (bits,) rho of each bit on the training pairs, largest first (with the ridge; for
            ``inverse=False`` the square roots of the eigenvalues, which are no correlations).

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(50, 2))
    >>> cvh = CVH(2, ridge=0.0).fit(PairedFeatures(z, z @ [[1.0, 2.0], [0.0, 1.0]]))
    >>> bool((cvh.encode_image(cvh.image_mean_ + z) == cvh.encode_image(cvh.image_mean_ + 9 * z)).all())
    True
    """

    def __init__(self, bits: int = 16, ridge: float = 1e-2, inverse: bool = True) -> None:
        self.bits = bits
        self.ridge = ridge
        self.inverse = inverse

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """course: the ridge with the best validation MAP on scenes over 16, 32 and 64 bits."""
        return {"ridge": 0.3} if profile == "course" else {}

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Learn both projections from the pairs (labels and ``validation`` are not used).

        Raises:
            InvalidInput: More bits than the smaller view has features, a negative ridge, or no one-to-one pairs.
        """
        hashing_pairs(train, "CVH", labels=False)
        limit = min(train.image.shape[1], train.text.shape[1])
        if check_bits(self.bits) > limit:
            raise InvalidInput(
                f"CVH has one direction per bit. Views of {train.image.shape[1]} and {train.text.shape[1]} features "
                f"share at most {limit}, but bits is {self.bits}. Lift the features with RBFAnchors, or use fewer bits."
            )
        check_ridge(self.ridge)
        x, y = self.centre(train)
        solve = cca if self.inverse else covariance_directions
        self.image_weights_, self.text_weights_, self.correlations_ = solve(x, y, self.bits, self.ridge)
        return self


def covariance_directions(x: Matrix, y: Matrix, k: int, ridge: float) -> tuple[Matrix, Matrix, Matrix]:
    """What the toolbox solves: C_xy C_yy C_yx w_x = value C_xx w_x, then w_y = C_yy^{-1} C_yx w_x / sqrt(value).

    Args:
        x, y: (n, d_x), (n, d_y) centred. k: How many directions. ridge: As in :class:`CVH`.

    Returns:
        W_x (d_x, k), W_y (d_y, k), the square roots of the eigenvalues (k,), largest first.
    """
    n = len(x)
    cross, text = x.T @ y / n, y.T @ y / n  # (d_x, d_y), (d_y, d_y)
    whiten_x, whiten_y = whitening_matrix(x.T @ x / n, ridge), whitening_matrix(text, ridge)
    text = text + ridge * np.trace(text) / len(text) * np.eye(len(text))
    white = whiten_x @ cross  # (d_x, d_y)
    d = len(white)
    values, vectors = eigh(white @ text @ white.T, subset_by_index=[d - k, d - 1])
    root = np.sqrt(np.maximum(values[::-1], np.finfo(float).tiny))
    w_x = whiten_x @ vectors[:, ::-1]  # (d_x, k)
    return w_x, whiten_y @ (whiten_y @ (cross.T @ w_x)) / root, root
