"""SCM-seq: semantic correlation maximisation, one bit after the other.

D. Zhang, W.-J. Li. "Large-Scale Supervised Multimodal Hashing with Semantic Correlation Maximization". AAAI 2014.
(Not the SCM of 2010, which is *semantic correlation matching*, :class:`xmr_lib.methods.subspace.SCM`.)

Taxonomy: one linear hash function per modality, supervised by labels, greedy over bits.

Objective. With L~ (n, c) the label rows scaled to unit length, S' = 2 L~ L~' - 1 1' in -1..1 and H_x, H_y the codes:

    min || (1/K) H_x H_y' - S' ||^2

S' has n^2 entries and is never built. What a bit needs of it is C = X' (K S') Y, which is a product of small factors:

    C_1 = K ( 2 (X'L~)(Y'L~)' - (X'1)(Y'1)' )           (X'1 = 0 for centred views, so only the labels remain)
    for k = 1 .. K:
        w_x, w_y = argmax w_x' C_k w_y   with   w_x' C_xx w_x = w_y' C_yy w_y = 1
        h_x = sgn(X w_x), h_y = sgn(Y w_y),   C_{k+1} = C_k - (X'h_x)(Y'h_y)'

The next bit sees what the bits before it, *signs and all*, have left of S'. ``sequential=False`` is SCM-orth: the best
K directions of C_1 at once, which knows nothing of the signs. The labels give C_1 a rank of at most c, so SCM-orth
has nothing to say after c bits, while SCM-seq has no such limit, nor that of the features.

Speed. Whiten both views once; the problem of a bit is then the leading singular pair of one small matrix, instead of
a generalised eigenproblem.

Paper and released code. One bit can hold only so much of K S'. Where few pairs share labels, S' is -1 almost
everywhere, and a short code overshoots: after one bit the largest thing left to explain is that bit itself, turned
round. The released code stops when the leading eigenvalue rises, and takes the directions of CCA, the strongest last,
for the bits that are left: ``fallback=True``. A value that rises by a hair is enough, so this can also throw good bits
away. Its ridge is absolute, 1e-6; here it is relative to the mean variance.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.linalg import eigh

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix, l2_normalise
from xmr_lib.methods.canonical import check_ridge, whitening_matrix
from xmr_lib.methods.hashing.base import binary_codes, check_bits, hashing_pairs
from xmr_lib.methods.hashing.linear import LinearHashing


def semantic_cross(x: Matrix, y: Matrix, labels: Matrix) -> Matrix:
    """X' S' Y with S' = 2 L~ L~' - 1 1', without building S': (d_x, d_y).

    Args:
        x: (n, d_x). y: (n, d_y). labels: (n, c) multi-hot, no empty row.

    >>> x, y = np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]])
    >>> semantic_cross(x, y, np.eye(2)).tolist()  # S' = [[1, -1], [-1, 1]]
    [[0.0]]
    """
    unit = l2_normalise(np.asarray(labels, dtype=np.float64))  # (n, c)
    cross: Matrix = 2 * (x.T @ unit) @ (y.T @ unit).T - np.outer(x.sum(axis=0), y.sum(axis=0))
    return cross


def leading_pair(matrix: Matrix) -> tuple[Matrix, Matrix, float]:
    """u (d_x,), v (d_y,), value: the largest singular value of a matrix (d_x, d_y), and its vectors.

    >>> leading_pair(np.diag([3.0, 1.0]))[2]
    3.0
    """
    tall = len(matrix) >= matrix.shape[1]
    m = matrix if tall else matrix.T
    last = m.shape[1] - 1
    _, vectors = eigh(m.T @ m, subset_by_index=[last, last])
    v = vectors[:, 0]
    u = m @ v
    value = float(np.linalg.norm(u))
    u = u / value if value else u
    return (u, v, value) if tall else (v, u, value)


class SCMSeq(LinearHashing):
    """Semantic correlation maximisation.

    Args:
        bits: Length of a code; any for the sequential form, else at most as many as the smaller view has features.
        ridge: Regularisation of both covariances, relative to their mean variance.
        sequential: False is SCM-orth.
        fallback: Directions of CCA for all bits from the first whose value is larger than that of the bit before it,
            as the released code does.

    Attributes:
        values_: (bits,) the singular value of each bit: how much of S' is left to explain. NaN for bits of CCA.
    """

    values_: Matrix

    def __init__(self, bits: int = 16, ridge: float = 1e-2, sequential: bool = True, fallback: bool = False) -> None:
        self.bits = bits
        self.ridge = ridge
        self.sequential = sequential
        self.fallback = fallback

    @property
    def name(self) -> str:
        """How tables and plots call this method: SCM-seq or SCM-orth."""
        return "SCM-seq" if self.sequential else "SCM-orth"

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """course: ridge and fallback with the best validation MAP on scenes over 16, 32 and 64 bits."""
        return {"ridge": 0.1, "fallback": True} if profile == "course" else {}

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Learn both projections from pairs and labels (``validation`` is not used).

        Raises:
            InvalidInput: No labels, or the same ones everywhere; too many bits for SCM-orth; no one-to-one pairs.
        """
        labels = hashing_pairs(train, self.name).labels
        assert labels is not None
        if (labels == labels[0]).all():
            raise InvalidInput(
                f"{self.name} learns from what differs in the labels, but all {train.n_images} pairs have the same "
                "ones. Pass pairs of at least two classes."
            )
        limit = min(train.image.shape[1], train.text.shape[1])
        if check_bits(self.bits) > limit and (self.fallback or not self.sequential):
            raise InvalidInput(
                f"bits is {self.bits}, but the views share at most {limit} directions. Use SCMSeq(sequential=True) "
                "without the fallback, which takes any number of bits, or at most that many."
            )
        check_ridge(self.ridge)
        x, y = self.centre(train)
        n = len(x)
        whiten_x, whiten_y = whitening_matrix(x.T @ x / n, self.ridge), whitening_matrix(y.T @ y / n, self.ridge)
        x, y = x @ whiten_x, y @ whiten_y
        cross = self.bits * semantic_cross(x, y, labels)
        if self.sequential:
            u, v, self.values_ = self._bit_by_bit(x, y, cross)
        else:
            u, v, self.values_ = _directions(cross, self.bits)
        self.image_weights_, self.text_weights_ = whiten_x @ u, whiten_y @ v
        return self

    def _bit_by_bit(self, x: Matrix, y: Matrix, cross: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Directions in the whitened views, (d_x, bits), (d_y, bits), and the value of each bit (bits,)."""
        u, v = np.empty((x.shape[1], self.bits)), np.empty((y.shape[1], self.bits))
        values = np.full(self.bits, np.nan)
        for k in range(self.bits):
            u[:, k], v[:, k], value = leading_pair(cross)
            if self.fallback and k and value > values[k - 1]:
                left = self.bits - k
                a, b, _ = _directions(x.T @ y, left)
                u[:, k:], v[:, k:] = a[:, ::-1], b[:, ::-1]
                break
            values[k] = value
            h_x, h_y = binary_codes(x @ u[:, k]).astype(np.float64), binary_codes(y @ v[:, k]).astype(np.float64)
            cross = cross - np.outer(x.T @ h_x, y.T @ h_y)
        return u, v, values


def _directions(cross: Matrix, k: int) -> tuple[Matrix, Matrix, Matrix]:
    """The k leading singular pairs: (d_x, k), (d_y, k), values (k,)."""
    u, values, vt = np.linalg.svd(cross, full_matrices=False)
    return u[:, :k], vt[:k].T, values[:k]
