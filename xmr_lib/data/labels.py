"""Class numbers from one-hot labels: what the supervised methods learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput


def single_classes(data: PairedFeatures, method: str = "Semantic matching") -> NDArray[np.int64]:
    """(n,) class numbers of single-label data.

    Args:
        data: Pairs with labels.
        method: Who asks, as it reads in a sentence.

    Raises:
        InvalidInput: No pairs, no labels, rows with no or several classes, or only one class in all.
    """
    if data.labels is None:
        raise InvalidInput(f"{method} learns from class labels, but this data has none. Use CM or CCA.")
    if data.n_images == 0:
        raise InvalidInput(f"There are no pairs, so {method} has nothing to learn from.")
    per_image = data.labels.sum(axis=1)
    if (per_image != 1).any():
        bad = int((per_image != 1).sum())
        raise InvalidInput(
            f"{method} needs exactly one class per image, but {bad} of {len(per_image)} images have none or "
            "several. Keep the single-label images with subset()."
        )
    classes: NDArray[np.int64] = data.labels.argmax(axis=1)
    if len(np.unique(classes)) < 2:
        raise InvalidInput("All images have the same class, so there is nothing to tell apart. Use more classes.")
    return classes
