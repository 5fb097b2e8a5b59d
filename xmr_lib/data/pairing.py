"""Checks and index arithmetic behind the two containers of :mod:`xmr_lib.data.base`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput

IntArray = NDArray[np.int64]


def whole_numbers(values: Any, what: str) -> IntArray:
    """``values`` as int64, or :class:`InvalidInput` where that would round or guess."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise InvalidInput(
            f"{what} must hold whole numbers, but its values are of type {array.dtype}. Convert it with astype(int)."
        )
    return array.astype(np.int64)


def check_pairing(
    n: int, m: int, caption_image: Any, instances: Any, labels: Any, class_names: tuple[str, ...]
) -> tuple[IntArray, IntArray, Any]:
    """Check the index vectors and labels of one container and return them as arrays."""
    captions = whole_numbers(caption_image, "caption_image")
    if captions.shape != (m,):
        raise InvalidInput(
            f"caption_image must hold one image index for each of the {m} captions, but its shape is "
            f"{captions.shape}. For one caption per image pass numpy.arange({n})."
        )
    if m and (captions.min() < 0 or captions.max() >= n):
        raise InvalidInput(
            f"caption_image must point at images 0..{n - 1}, but it holds values from {captions.min()} to "
            f"{captions.max()}. Count images from 0."
        )
    things = np.arange(n) if instances is None else whole_numbers(instances, "instances")
    if things.shape != (n,):
        raise InvalidInput(f"instances must have shape ({n},), one identifier per image, but it is {things.shape}.")
    if labels is not None:
        labels = np.asarray(labels)
        if labels.ndim != 2 or len(labels) != n:
            raise InvalidInput(
                f"labels must be a multi-hot matrix of shape ({n}, classes), but it is {labels.shape}. "
                "Turn class numbers y into one-hot rows with numpy.eye(classes)[y]."
            )
        if labels.dtype != bool and not np.isin(labels, (0, 1)).all():
            raise InvalidInput(
                "labels must hold only 0 and 1 (or False and True), but other values are in it. "
                "Turn class numbers y into one-hot rows with numpy.eye(classes)[y]."
            )
        if class_names and len(class_names) != labels.shape[1]:
            raise InvalidInput(
                f"There are {len(class_names)} class names but {labels.shape[1]} label columns. "
                "Pass one name per column."
            )
        labels = labels.astype(bool)
    return captions, things, labels


def selection(images: Any, n: int) -> IntArray:
    """Indices or a bool mask of images as indices in 0..n-1."""
    chosen = np.asarray(images)
    if chosen.dtype == bool:
        if chosen.shape != (n,):
            raise InvalidInput(f"A mask of images must have shape ({n},), but it is {chosen.shape}.")
        return np.flatnonzero(chosen)
    keep = whole_numbers(chosen, "The list of images").reshape(-1)
    if keep.size and (keep.min() < 0 or keep.max() >= n):
        raise InvalidInput(
            f"There are images 0..{n - 1}, but the list of images holds values from {keep.min()} to {keep.max()}. "
            "Count images from 0."
        )
    return keep


def subset_pairing(keep: IntArray, caption_image: IntArray, instances: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Captions that stay when the images ``keep`` stay, and their new ``caption_image``.

    A caption stays if any kept image shows its instance. It points at its own image if that one is kept, else at
    the first kept image of the same instance. Captions keep their order, except where row i is one pair of image and
    caption (one caption per image, in one order): there they follow the images, so that row i is one pair again.
    """
    pairs = len(instances) == len(caption_image) == len(np.unique(instances))
    if pairs and (caption_image == np.arange(len(instances))).all() and len(np.unique(keep)) == len(keep):
        return keep, np.arange(len(keep)), instances[keep]
    position = {int(old): new for new, old in enumerate(keep)}
    first: dict[int, int] = {}
    for new, old in enumerate(keep):
        first.setdefault(int(instances[old]), new)
    kept_captions, target = [], []
    for caption, old in enumerate(caption_image):
        image = position.get(int(old), first.get(int(instances[old])))
        if image is not None:
            kept_captions.append(caption)
            target.append(image)
    return np.array(kept_captions, dtype=np.int64), np.array(target, dtype=np.int64), instances[keep]


def check_splits(splits: Mapping[str, Any], n: int) -> dict[str, IntArray]:
    """Named splits as index vectors, each checked to point at images 0..n-1 and to hold none twice."""
    checked = {}
    for key, index in splits.items():
        try:
            checked[key] = selection(index, n)
        except InvalidInput as error:
            raise InvalidInput(f"Split {key!r}: {error}") from None
        if len(np.unique(checked[key])) != len(checked[key]):
            raise InvalidInput(f"Split {key!r} holds an image more than once; list every image once.")
    return checked


def cut_metadata(value: Any, keep: IntArray, n: int) -> Any:
    """Per-image metadata follows the images; everything else stays."""
    if isinstance(value, np.ndarray) and value.ndim and len(value) == n:
        return value[keep]
    if isinstance(value, (list, tuple)) and len(value) == n:
        return [value[int(i)] for i in keep]
    return value
