"""Several settings of a method, the best one chosen on validation: a baseline that was given a fair chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix, Method


class Selected(Method):
    """Fit every option on the training pairs and keep the one with the best MAP on the validation pairs.

    Args:
        options: Unfitted methods, for example ``[SM(C=c) for c in (0.01, 0.1, 1)]``; copies of them are fitted.
        metric: What is compared, mean of both directions; larger must be better. As in
            :func:`xmr_lib.evaluation.evaluate`.
        seed: Handed to the options that take one.

    Attributes:
        best_: The chosen method, fitted.
        scores_: (options,) validation score of every option.
    """

    def __init__(self, options: Sequence[Method], metric: str = "MAP", seed: int = 0) -> None:
        self.options = options
        self.metric = metric
        self.seed = seed

    @property
    def name(self) -> str:
        """The name of the options."""
        return self.options[0].name if len(self.options) else "Selected"

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Fit all options, keep one; the first of several equally good ones.

        Raises:
            InvalidInput: No options, or nothing to choose with.
        """
        from xmr_lib.evaluation import evaluate  # evaluation reads methods

        if not len(self.options):
            raise InvalidInput("There is nothing to choose from: options is empty. Pass at least one method.")
        if validation is None:
            raise InvalidInput("Choosing needs validation pairs. Call fit(train, validation).")
        fitted, scores = [], []
        for option in self.options:
            copy = option.clone(seed=self.seed) if "seed" in option.get_params() else option.clone()
            fitted.append(copy.fit(train, validation))
            scores.append(evaluate(copy, validation, metrics=[self.metric]).value(self.metric))
        self.scores_ = np.array(scores)
        self.best_ = fitted[int(self.scores_.argmax())]
        return self

    def similarity(self, images: Any, texts: Any) -> Matrix:
        """(n, m) scores of the chosen method."""
        self._check_fitted()
        return self.best_.similarity(images, texts)

    def save(self, path: Any) -> None:
        """Not possible, and not needed: store the chosen method.

        Raises:
            InvalidInput: Always.
        """
        raise InvalidInput("Store the chosen method instead: selected.best_.save(folder).")
