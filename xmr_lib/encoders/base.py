"""What an encoder is: a name, a fingerprint for the cache, and ``encode``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.errors import InvalidInput
from xmr_lib.progress import progress

Features = NDArray[np.float32]
Item = TypeVar("Item")


class ImageEncoder(Protocol):
    """Pictures to vectors."""

    name: str
    dim: int
    fingerprint: str  # changes whenever the vectors would

    def encode(self, images: Sequence[Image.Image]) -> Features:
        """n RGB pictures -> (n, dim) float32."""
        ...


class TextEncoder(Protocol):
    """Sentences to vectors."""

    name: str
    dim: int
    fingerprint: str

    def encode(self, texts: Sequence[str]) -> Features:
        """m sentences -> (m, dim) float32."""
        ...


def batches(items: Sequence[Any], size: int, what: str) -> Iterator[list[Any]]:
    """Consecutive slices of ``items`` with a progress bar that appears after two seconds.

    Raises:
        InvalidInput: There are no items, or ``items`` is one string instead of a list of them.
    """
    if len(items) == 0 or isinstance(items, str):
        found = "one string" if len(items) else "an empty list"
        raise InvalidInput(f"There are no {what} to encode: this is {found}. Pass a list of at least one.")
    starts = range(0, len(items), size)
    for start in progress(starts, desc=what, unit="batch"):
        yield [items[i] for i in range(start, min(start + size, len(items)))]
