"""Cutting a data set into splits: at random, or by names that somebody published."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import check_positive

Image = TypeVar("Image", bound=Hashable)
NAMES = ("train", "validation", "test")


def draw_rows(n: int, limit: int | None, seed: int) -> IntArray:
    """At most ``limit`` of ``n`` rows, drawn with ``seed``, in their order.

    Example:
        >>> draw_rows(3, None, seed=0), len(draw_rows(100, 7, seed=0))
        (array([0, 1, 2]), 7)
    """
    if limit is None or check_positive(limit, "limit") >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:limit])


def random_cut(n: int, seed: int) -> dict[str, IntArray]:
    """80 / 10 / 10 % of ``n`` images as "train", "validation" and "test"."""
    order = np.random.default_rng([seed, 1]).permutation(n)
    first, second = round(0.8 * n), round(0.9 * n)
    return {name: np.sort(rows) for name, rows in zip(NAMES, np.split(order, [first, second]), strict=True)}


def named_cut(split_of: Mapping[Image, str], images: Sequence[Image]) -> dict[str, IntArray]:
    """The published splits of the images that are here; a split of which no image is here is left out.

    Args:
        split_of: Image -> "train", "validation" or "test", in the published order.
        images: The images that are here, in the order of the data set.

    Returns:
        Split -> positions in ``images``, in the published order (COCO's 1K protocol cuts the test list into blocks).

    Example:
        >>> named_cut({"c": "test", "a": "train", "b": "test"}, ["a", "b", "c"])
        {'train': array([0]), 'test': array([2, 1])}
    """
    row = {image: position for position, image in enumerate(images)}
    rows = {name: [row[image] for image, split in split_of.items() if split == name and image in row] for name in NAMES}
    return {name: np.array(index, dtype=np.int64) for name, index in rows.items() if index}
