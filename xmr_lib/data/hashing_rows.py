"""Rows of the arrays of a hashing container: on which axis they lie, and which of them are the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput


def row_count(shapes: Mapping[str, tuple[int, ...]], path: Path) -> int:
    """The number of rows on which all arrays agree, on their first axes or else on first or last ones.

    Raises:
        InvalidInput: They agree on none.

    Example:
        >>> row_count({"images": (224, 224, 3, 50), "YAll": (50, 1386), "LAll": (24, 50)}, Path("a.mat"))
        50
    """
    if len({shape[:1] for shape in shapes.values()}) == 1:
        return next(iter(shapes.values()))[0]
    long = {key: tuple(size for size in shape if size != 1) or shape for key, shape in shapes.items()}
    common = set.intersection(*({shape[0], shape[-1]} if shape else set() for shape in long.values()))
    if len(common) != 1:
        held = ", ".join(f"{key} {'x'.join(map(str, shape))}" for key, shape in shapes.items())
        raise InvalidInput(
            f"The arrays of {path} have no number of rows in common ({held}). They must come from the same release."
        )
    return common.pop()


def aligned(array: NDArray[Any], n: int) -> NDArray[Any]:
    """The array with its ``n`` rows on the first axis; cells and characters as (n,) strings.

    Example:
        >>> aligned(np.ones((3, 5)), 5).shape, aligned(np.array([["a", "b"]]), 2).tolist()
        ((5, 3), ['a', 'b'])
    """
    array = np.asarray(array)
    if array.dtype == object:
        array = np.array([_text(cell) for cell in array.ravel()], dtype=str)
    if array.dtype.kind == "U":
        return np.char.rstrip(array.ravel())
    return array if array.shape[0] == n else np.moveaxis(array, -1, 0)


def _text(cell: Any) -> str:
    """A MATLAB cell as a string: characters arrive as an array of one string, an empty cell as an empty array."""
    return "" if np.size(cell) == 0 else str(np.asarray(cell).ravel()[0])


def multi_hot(labels: NDArray[Any], key: str, path: Path) -> NDArray[np.bool_]:
    """(n, c) bool from zeros and ones, or from one column of class numbers that count from 1.

    Raises:
        InvalidInput: Neither.
    """
    if labels.dtype.kind not in "fiub" or labels.ndim != 2 or not labels.size:
        raise InvalidInput(f"{key} in {path} must be a matrix of labels, but it is {labels.dtype} {labels.shape}.")
    if labels.shape[1] == 1 and labels.min() >= 1 and (labels == labels.astype(np.int64)).all() and labels.max() > 1:
        one_hot: NDArray[np.bool_] = np.eye(int(labels.max()), dtype=bool)[labels[:, 0].astype(np.int64) - 1]
        return one_hot
    if not np.isin(labels, (0, 1)).all():
        raise InvalidInput(f"{key} in {path} must hold zeros and ones, but other values are in it.")
    found: NDArray[np.bool_] = labels.astype(bool)
    return found


def pixels(array: NDArray[Any]) -> Image.Image:
    """One picture from (height, width, 3), or from (3, width, height): h5py's view of what MATLAB wrote."""
    array = np.asarray(array)
    if array.shape[0] == 3:
        array = array.T
    if array.ndim != 3 or array.shape[2] != 3:
        raise InvalidInput(f"A picture must have three colours, but its array has shape {array.shape}.")
    return Image.fromarray(np.clip(array, 0, 255).astype(np.uint8), "RGB")


def distinct_rows(part: Mapping[str, Any], whole: Mapping[str, Any]) -> IntArray | None:
    """Where the items of ``part`` stand in ``whole``, each place used once; None where one of them is not there.

    Two items are equal if image, text and labels are, bit by bit.
    """
    places: dict[bytes, list[int]] = {}
    for row, key in enumerate(_keys(whole)):
        places.setdefault(key, []).append(row)
    found = [places[key].pop(0) if places.get(key) else -1 for key in _keys(part)]
    return None if -1 in found else np.array(found, dtype=np.int64)


def _keys(part: Mapping[str, Any]) -> list[bytes]:
    arrays = [np.asarray(part[key]) for key in sorted(part)]
    return [b"|".join(np.ascontiguousarray(array[i]).tobytes() for array in arrays) for i in range(len(arrays[0]))]
