"""A data set that comes as features: no pictures and no sentences, only matrices and named splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.pairing import IntArray, check_splits
from xmr_lib.errors import InvalidInput, check_choice


@dataclass(frozen=True, eq=False)
class FeatureDataset:
    """Paired features with named splits: what :class:`~xmr_lib.data.base.PairedDataset` is for pictures.

    Attributes:
        name: As in :func:`xmr_lib.data.load_dataset`.
        version: Changes whenever the features or their order change.
        features: All pairs, in the order of the official files.
        splits: Name -> row numbers. Two splits may share rows ("fit" and "validation" cut "train" in two).
        metadata: Anything particular to the data set, by name; nothing here is cut by :meth:`split`.
    """

    name: str
    version: str
    features: PairedFeatures
    splits: Mapping[str, IntArray]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "splits", check_splits(self.splits, self.features.n_images))

    @property
    def n_images(self) -> int:
        """Number of images, ``n``."""
        return self.features.n_images

    @property
    def n_captions(self) -> int:
        """Number of captions, ``m``."""
        return self.features.n_captions

    @property
    def labels(self) -> NDArray[np.bool_] | None:
        """(n, c) multi-hot labels, or None."""
        return self.features.labels

    @property
    def class_names(self) -> tuple[str, ...]:
        """The c class names."""
        return self.features.class_names

    def split(self, name: str) -> PairedFeatures:
        """The pairs of one named split.

        Raises:
            UnknownName: This data set has no such split; the message lists its splits.
        """
        check_choice(name, self.splits, f"split of {self.name}")
        return self.features.subset(self.splits[name], f"{self.name}/{name}")

    def __repr__(self) -> str:
        sizes = ", ".join(f"{key} {len(index)}" for key, index in self.splits.items())
        return (
            f"FeatureDataset({self.name!r}: {self.n_images} images x {self.features.image.shape[1]}, "
            f"{self.n_captions} captions x {self.features.text.shape[1]}, {len(self.class_names)} classes; "
            f"splits: {sizes})"
        )


def stratified_cut(classes: Any, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Cut rows in two so that every class keeps its share in both parts.

    Of the n_c rows of class c, round(share * n_c) go to the second part, drawn with ``seed``; a class of two or
    more rows gives at least one row to each part.

    Args:
        classes: (n,) class number of each row.
        share: Part of the rows that goes to the second part, between 0 and 1.
        seed: Seed of the drawing.

    Returns:
        Row numbers of the first and of the second part, each sorted.

    Raises:
        InvalidInput: ``share`` is not between 0 and 1.

    Example:
        >>> first, second = stratified_cut([0, 0, 0, 0, 1, 1, 1, 1], share=0.25, seed=0)
        >>> len(first), len(second)
        (6, 2)
    """
    if not 0 < share < 1:
        raise InvalidInput(f"The share must lie between 0 and 1, but it is {share!r}. Use for example 0.2.")
    classes = np.asarray(classes)
    rng = np.random.default_rng(seed)
    second = np.zeros(len(classes), dtype=bool)
    for number in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == number))
        count = min(max(round(share * len(rows)), 1), len(rows) - 1)
        second[rows[:count]] = True
    return np.flatnonzero(~second), np.flatnonzero(second)
