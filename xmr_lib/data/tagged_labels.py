"""Tags and labels without pictures: enough to study label density, chance levels and hashing of text alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.pairing import IntArray, check_pairing, check_splits
from xmr_lib.errors import InvalidInput, check_choice


@dataclass(frozen=True, eq=False)
class TaggedLabels:
    """The text side and the labels of a data set whose pictures are not at hand.

    Attributes:
        tags: (n, t) bool, which tags an item carries.
        labels: (n, c) multi-hot bool.
        tag_names: The t tags. class_names: The c classes.
        name: As in :func:`xmr_lib.data.load_dataset`.
        splits: Name -> row numbers. metadata: Anything particular to the data set, by name.
    """

    tags: NDArray[np.bool_]
    labels: NDArray[np.bool_]
    tag_names: tuple[str, ...]
    class_names: tuple[str, ...]
    name: str
    splits: Mapping[str, IntArray] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.tags)
        if self.tags.ndim != 2 or self.tags.shape[1] != len(self.tag_names):
            raise InvalidInput(
                f"tags must have a column for each of the {len(self.tag_names)} tag names, not shape {self.tags.shape}."
            )
        check_pairing(n, n, np.arange(n), None, self.labels, self.class_names)
        object.__setattr__(self, "splits", check_splits(self.splits, n))

    def __len__(self) -> int:
        return len(self.tags)

    def split(self, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Tags and labels of one named split.

        Raises:
            UnknownName: There is no such split; the message lists the splits.
        """
        rows = self.splits[check_choice(name, self.splits, f"split of {self.name}")]
        return self.tags[rows], self.labels[rows]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{key} {len(index)}" for key, index in self.splits.items())
        return (
            f"TaggedLabels({self.name!r}: {len(self)} items, {len(self.tag_names)} tags, {len(self.class_names)} "
            f"classes; splits: {sizes or 'none'})"
        )


def tag_matrix(items: Iterable[Iterable[str]], names: Sequence[str]) -> NDArray[np.bool_]:
    """(n, t) which of the named tags each item carries; other tags are left out, order and repetition do not count.

    Example:
        >>> tag_matrix([["sea", "blue"], [], ["blue", "cat", "blue"]], ["blue", "sea"]).astype(int)
        array([[1, 1],
               [0, 0],
               [1, 0]])
    """
    column = {name: j for j, name in enumerate(names)}
    rows = [sorted({column[tag] for tag in tags if tag in column}) for tags in items]
    found = np.zeros((len(rows), len(names)), dtype=bool)
    for row, columns in zip(found, rows, strict=True):
        row[columns] = True
    return found
