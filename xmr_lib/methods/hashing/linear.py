"""Linear hash functions: what the shallow methods end in."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.base import HashingMethod


class LinearHashing(HashingMethod):
    """h(x) = sgn(W^T (x - mean)) for each modality. A subclass learns the weights in :meth:`fit`.

    Attributes:
        image_mean_, text_mean_: (d_i,), (d_t,) means of the training pairs.
        image_weights_, text_weights_: (d_i, bits), (d_t, bits).
    """

    image_mean_: Matrix
    text_mean_: Matrix
    image_weights_: Matrix
    text_weights_: Matrix

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Learn both projections from the pairs."""
        raise NotImplementedError

    def centre(self, train: PairedFeatures) -> tuple[Matrix, Matrix]:
        """Keep the means; both views centred, float64: (n, d_i), (n, d_t)."""
        x, y = train.image.astype(np.float64), train.text.astype(np.float64)
        self.image_mean_, self.text_mean_ = x.mean(axis=0), y.mean(axis=0)
        return x - self.image_mean_, y - self.text_mean_

    def image_outputs(self, images: Any) -> Matrix:
        """(n, d_i) image features -> (n, bits) projections."""
        self._check_fitted()
        return self._project(images, self.image_mean_, self.image_weights_, "image")

    def text_outputs(self, texts: Any) -> Matrix:
        """(m, d_t) text features -> (m, bits) projections."""
        self._check_fitted()
        return self._project(texts, self.text_mean_, self.text_weights_, "text")

    def _project(self, features: Any, mean: Matrix, weights: Matrix, side: str) -> Matrix:
        matrix = np.asarray(features, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != len(mean):
            raise InvalidInput(
                f"The {side} features must have shape (rows, {len(mean)}) as in training, but it is {matrix.shape}."
            )
        if not np.isfinite(matrix).all():
            raise InvalidInput(f"The {side} features hold NaN or infinity. Drop those rows or mend the encoder.")
        return (matrix - mean) @ weights
