"""Canonical correlation analysis, by hand.

H. Hotelling. "Relations between two sets of variates". Biometrika 28, 1936. Ridge form: H. D. Vinod. "Canonical
ridge and econometrics of joint production". Journal of Econometrics 4, 1976.

Taxonomy: dual mapping into one linear subspace, real-valued, unsupervised (pairs only), no fusion.

Objective. With centred views X (n, d_x), Y (n, d_y) and covariances S_xx = X'X/n, S_yy = Y'Y/n, S_xy = X'Y/n find

    max_{w_x, w_y}  rho = w_x' S_xy w_y / sqrt( (w_x' S_xx w_x) (w_y' S_yy w_y) )

Closed form. Whiten both views, then take a singular value decomposition:

    M = S_xx^{-1/2} S_xy S_yy^{-1/2} = U diag(rho) V',    W_x = S_xx^{-1/2} U_d,    W_y = S_yy^{-1/2} V_d

Here S_xx stands for S_xx + ridge * (tr S_xx / d_x) I: without the ridge S_xx^{-1/2} does not exist when features are
linearly dependent (topic proportions sum to one) or when there are fewer pairs than features.

What differs from the 1936 paper: the ridge, and ``correlation_power``: each canonical direction is multiplied by
rho**power before the cosine, so that directions on which the two views agree count more. Power 0 is plain CCA.
Weighting by powers of the correlations is due to Y. Gong et al., "A Multi-View Embedding Space for Modeling Internet
Images, Tags, and their Semantics", IJCV 106, 2014 (there the eigenvalues are raised to the power 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import DualEncoder, Matrix
from xmr_lib.methods.canonical import cca, cca_path, check_ridge, whitening_matrix

__all__ = ["CCA", "cca", "whitening_matrix"]


class CCA(DualEncoder):
    """Canonical correlation analysis between image and text features.

    Args:
        n_components: Dimensions of the common space.
        ridge: Regularisation of both covariances, relative to their mean variance.
        correlation_power: Weight of a direction is its correlation to this power; 0 gives plain CCA.

    Attributes:
        image_mean_, text_mean_: (d_i,), (d_t,) means of the training pairs.
        image_weights_, text_weights_: (d_i, k), (d_t, k) projections.
        correlations_: (k,) canonical correlations on the training pairs, largest first.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(50, 2))
    >>> CCA(2, ridge=0.0).fit(PairedFeatures(z, z @ [[1.0, 2.0], [0.0, 1.0]])).correlations_.round(6).tolist()
    [1.0, 1.0]
    """

    def __init__(self, n_components: int = 64, ridge: float = 1e-3, correlation_power: float = 0.0) -> None:
        self.n_components = n_components
        self.ridge = ridge
        self.correlation_power = correlation_power

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Learn both projections from all right pairs of ``train`` (``validation`` is not needed).

        Raises:
            InvalidInput: More components than features, a negative ridge, or fewer than two pairs.
        """
        x, y = self._centred_pairs(train)
        self.image_weights_, self.text_weights_, self.correlations_ = cca(x, y, self.n_components, self.ridge)
        return self

    def fit_path(self, train: PairedFeatures, ridges: Sequence[float]) -> list[CCA]:
        """Fitted copies for several ridges, much cheaper than one :meth:`fit` each (see :func:`cca_path`)."""
        for ridge in ridges:
            check_ridge(ridge)
        first = type(self)(self.n_components, 0.0, self.correlation_power)
        x, y = first._centred_pairs(train)
        copies = []
        for ridge, learnt in zip(ridges, cca_path(x, y, self.n_components, ridges), strict=True):
            copy = type(self)(self.n_components, ridge, self.correlation_power)
            copy.image_mean_, copy.text_mean_ = first.image_mean_, first.text_mean_
            copy.image_weights_, copy.text_weights_, copy.correlations_ = learnt
            copies.append(copy)
        return copies

    def _centred_pairs(self, train: PairedFeatures) -> tuple[Matrix, Matrix]:
        """Check the settings, look up the pairs, keep the means; both views centred, row by row a pair."""
        limit = min(train.image.shape[1], train.text.shape[1])
        if check_positive(self.n_components, "n_components") > limit:
            raise InvalidInput(
                f"n_components is {self.n_components}, but two views of {train.image.shape[1]} and "
                f"{train.text.shape[1]} dimensions share at most {limit} directions. Use n_components={limit} or less."
            )
        check_ridge(self.ridge)
        image_index, caption_index = train.pairs()
        if len(image_index) < 2:
            raise InvalidInput(f"CCA needs at least 2 image-text pairs, but there is {len(image_index)}.")
        x = train.image[image_index].astype(np.float64)
        y = train.text[caption_index].astype(np.float64)
        self.image_mean_, self.text_mean_ = x.mean(axis=0), y.mean(axis=0)
        return x - self.image_mean_, y - self.text_mean_

    def encode_image(self, images: Any) -> Matrix:
        """(n, d_i) image features -> (n, k) embeddings."""
        self._check_fitted()
        return self._project(images, self.image_mean_, self.image_weights_, "image")

    def encode_text(self, texts: Any) -> Matrix:
        """(m, d_t) text features -> (m, k) embeddings."""
        self._check_fitted()
        return self._project(texts, self.text_mean_, self.text_weights_, "text")

    def truncated(self, n_components: int, correlation_power: float | None = None) -> CCA:
        """A fitted copy that keeps only the first directions: the same as a fit with fewer components.

        Args:
            n_components: How many to keep, at most as many as were fitted.
            correlation_power: New weight of the correlations. Default: as it is.

        Raises:
            InvalidInput: Not fitted, or more components than were fitted.
        """
        self._check_fitted()
        if check_positive(n_components, "n_components") > len(self.correlations_):
            raise InvalidInput(
                f"Only {len(self.correlations_)} directions were fitted, so {n_components} cannot be kept. "
                "Fit again with more components."
            )
        power = self.correlation_power if correlation_power is None else correlation_power
        short = type(self)(n_components, self.ridge, power)
        short.image_mean_, short.text_mean_ = self.image_mean_, self.text_mean_
        short.image_weights_ = self.image_weights_[:, :n_components]
        short.text_weights_ = self.text_weights_[:, :n_components]
        short.correlations_ = self.correlations_[:n_components]
        return short

    def _project(self, features: Any, mean: Matrix, weights: Matrix, side: str) -> Matrix:
        matrix = np.asarray(features)
        if matrix.ndim != 2 or matrix.shape[1] != len(mean):
            raise InvalidInput(
                f"The {side} features must have shape (rows, {len(mean)}) as in training, but it is {matrix.shape}."
            )
        return (matrix - mean) @ weights * np.clip(self.correlations_, 0.0, 1.0) ** self.correlation_power
