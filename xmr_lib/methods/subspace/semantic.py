"""CM, SM and SCM: correlation, semantics, and both (the first cross-media retrieval systems).

N. Rasiwasia, J. Costa Pereira, E. Coviello, G. Doyle, G. Lanckriet, R. Levy, N. Vasconcelos. "A New Approach to
Cross-Modal Multimedia Retrieval". ACM Multimedia 2010, pp. 251-260. Extended: J. Costa Pereira et al., IEEE TPAMI
36(3), 2014.

Taxonomy: dual mapping into one subspace, real-valued, no fusion. CM uses pairs only; SM and SCM use class labels.

    CM   p_I = W_I'(x_I - mean_I),  p_T = W_T'(x_T - mean_T)          (CCA, the first d directions)
    SM   pi_c(x) = exp(w_c'x + b_c) / sum_k exp(w_k'x + b_k)          (one multinomial logistic regression per side)
    SCM  pi_c(p_I), pi_c(p_T)                                          (SM on the projections of CM)

The classifiers minimise L2-penalised cross-entropy; similarity is the normalised correlation NC(a, b) =
a'b / (|a| |b|), without centring.

What differs from the paper: a ridge of 1e-3 in CM (topic proportions sum to one, so their covariance is singular), and
L-BFGS instead of the liblinear solver of the authors' demo. The paper compares several similarities and settles on NC;
only NC is offered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.labels import single_classes
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import DualEncoder, Matrix, Method
from xmr_lib.methods.subspace.cca import CCA


def posterior(x: Matrix, weights: Matrix, bias: Matrix) -> Matrix:
    """The semantic space: ``exp(w_c'x + b_c) / sum_k exp(w_k'x + b_k)``.

    Args:
        x: (n, d) features.
        weights: (c, d) one row per class.
        bias: (c,).

    Returns:
        (n, c) class probabilities; every row sums to 1.
    """
    scores = x @ weights.T + bias  # (n, c)
    scores = scores - scores.max(axis=1, keepdims=True)  # the same posterior, and exp cannot overflow
    exponent = np.exp(scores)
    return exponent / exponent.sum(axis=1, keepdims=True)


class CM(CCA):
    """Correlation matching: CCA with the paper's settings (7 components, ridge 1e-3)."""

    def __init__(self, n_components: int = 7, ridge: float = 1e-3, correlation_power: float = 0.0) -> None:
        super().__init__(n_components, ridge, correlation_power)


class SM(DualEncoder):
    """Semantic matching: each side is described by its class posterior.

    Args:
        C: Inverse strength of the L2 penalty of the logistic regressions.
        standardise: Scale every feature to mean 0 and deviation 1 of the training pairs first.

    Attributes:
        image_weights_, text_weights_: (c, d_i), (c, d_t). image_bias_, text_bias_: (c,).
        image_mean_, image_scale_, text_mean_, text_scale_: What ``standardise`` learnt, else 0 and 1.
    """

    def __init__(self, C: float = 0.01, standardise: bool = True) -> None:
        self.C = C
        self.standardise = standardise

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Learn one classifier per side from the labels of ``train`` (one class per image).

        Raises:
            InvalidInput: There are no labels, an image has none or several, or all have the same.
        """
        classes = single_classes(train)
        image_index, caption_index = train.pairs()
        y = classes[image_index]
        for side, x in (("image", train.image[image_index]), ("text", train.text[caption_index])):
            x = x.astype(np.float64)
            mean = x.mean(axis=0) if self.standardise else np.zeros(x.shape[1])
            scale = np.maximum(x.std(axis=0), 1e-12) if self.standardise else np.ones(x.shape[1])
            weights, bias = self._classifier((x - mean) / scale, y)
            setattr(self, f"{side}_mean_", mean)
            setattr(self, f"{side}_scale_", scale)
            setattr(self, f"{side}_weights_", weights)
            setattr(self, f"{side}_bias_", bias)
        return self

    def _classifier(self, x: Matrix, y: IntArray) -> tuple[Matrix, Matrix]:
        model = LogisticRegression(C=self.C, max_iter=2000).fit(x, y)
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes: the other is its negative
            return np.vstack([-model.coef_, model.coef_]) / 2, np.r_[-model.intercept_, model.intercept_] / 2
        return model.coef_, model.intercept_

    def encode_image(self, images: Any) -> Matrix:
        """(n, d_i) image features -> (n, c) class posteriors."""
        self._check_fitted()
        return self._encode(images, "image")

    def encode_text(self, texts: Any) -> Matrix:
        """(m, d_t) text features -> (m, c) class posteriors."""
        self._check_fitted()
        return self._encode(texts, "text")

    def _encode(self, features: Any, side: str) -> Matrix:
        mean, scale = getattr(self, f"{side}_mean_"), getattr(self, f"{side}_scale_")
        x = np.asarray(features, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(mean):
            raise InvalidInput(
                f"The {side} features must have shape (rows, {len(mean)}) as in training, but it is {x.shape}."
            )
        return posterior((x - mean) / scale, getattr(self, f"{side}_weights_"), getattr(self, f"{side}_bias_"))


class SCM(DualEncoder):
    """Semantic correlation matching: SM on the projections of CM.

    Args:
        n_components: Directions kept by CM.
        ridge: Ridge of CM.
        C: Inverse penalty of the logistic regressions on the projections.

    Attributes:
        correlation_: The fitted :class:`CM`. semantic_: The fitted :class:`SM`.
    """

    parts: ClassVar[Mapping[str, type[Method]]] = {"correlation_": CM, "semantic_": SM}

    def __init__(self, n_components: int = 9, ridge: float = 1e-3, C: float = 30.0) -> None:
        self.n_components = n_components
        self.ridge = ridge
        self.C = C

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Learn the projections from the pairs, then the classifiers from the labels."""
        single_classes(train)
        self.correlation_ = CM(self.n_components, self.ridge).fit(train)
        self.semantic_ = SM(self.C, standardise=False).fit(
            PairedFeatures(
                self.correlation_.encode_image(train.image),
                self.correlation_.encode_text(train.text),
                train.caption_image,
                train.instances,
                train.labels,
            )
        )
        return self

    def encode_image(self, images: Any) -> Matrix:
        """(n, d_i) image features -> (n, c) class posteriors."""
        self._check_fitted()
        return self.semantic_.encode_image(self.correlation_.encode_image(images))

    def encode_text(self, texts: Any) -> Matrix:
        """(m, d_t) text features -> (m, c) class posteriors."""
        self._check_fitted()
        return self.semantic_.encode_text(self.correlation_.encode_text(texts))
