"""Where the things are in the pixels a tower reads, pictures in which one of them is painted grey, and pictures of one
thing alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.entities import EntityWords
from xmr_lib.data.pairing import IntArray
from xmr_lib.data.pixels import PixelImages

GREY = 128
SMALLEST = 4
"""Pixels: a box that is narrower or lower than this, in the pixels a tower reads, shows nothing."""

Boxes = dict[int, IntArray]
"""Class number -> (k, 4) boxes as left, top, right, bottom in pixels."""


def has_boxes(data: PairedDataset) -> bool:
    """Whether the data set knows where its things are."""
    return "scenes" in data.metadata or {"boxes", "box_class"} <= set(data.metadata)


def object_boxes(data: PairedDataset, words: EntityWords, size: int) -> list[Boxes]:
    """The boxes of every picture after it was scaled and cut to ``size`` x ``size`` (see ``pixels.square``).

    Args:
        data: With ``scenes``, or with ``boxes`` and ``box_class`` as COCO has them; sizes of the pictures are taken
            from ``picture_size`` where the data set has it, else the pictures are opened.
        words: Classes that it does not know are left out.
        size: Height and width of the pixels.

    Returns:
        n dictionaries; empty ones for a data set without boxes. What lies outside the cut is left out.
    """
    number = {name: i for i, name in enumerate(words.names)}
    if not has_boxes(data):
        return [{} for _ in range(data.n_images)]
    found: list[Boxes] = []
    for (width, height), names, boxes in _named_boxes(data):
        placed = _to_pixels(boxes, width, height, size)
        seen = (placed[:, 2:] - placed[:, :2]).min(1) >= SMALLEST
        kinds = np.array([number.get(name, -1) for name in names], dtype=np.int64)
        found.append({int(kind): placed[seen & (kinds == kind)] for kind in np.unique(kinds[seen]) if kind >= 0})
    return found


def _named_boxes(data: PairedDataset) -> Iterator[tuple[tuple[int, int], list[str], NDArray[Any]]]:
    """For every picture its width and height, the class names of its boxes, and the boxes (k, 4) as in COCO."""
    if "scenes" in data.metadata:
        for scene in data.metadata["scenes"]:
            pairs = [(obj.category, box) for obj in scene.objects for box in obj.boxes]
            yield (scene.image_size, scene.image_size), [name for name, _ in pairs], np.array([box for _, box in pairs])
        return
    pictures = data.images.source if isinstance(data.images, PixelImages) else data.images
    sizes = data.metadata.get("picture_size")
    for i, (boxes, classes) in enumerate(zip(data.metadata["boxes"], data.metadata["box_class"], strict=True)):
        width, height = pictures[i].size if sizes is None or min(sizes[i]) <= 0 else sizes[i]
        yield (int(width), int(height)), [data.class_names[c] for c in classes], np.asarray(boxes)


def _to_pixels(boxes: NDArray[Any], width: int, height: int, size: int) -> IntArray:
    """(k, 4) boxes (x, y, width, height) of a picture -> left, top, right, bottom after scaling and cutting."""
    scale = size / min(width, height)
    middle = np.array([round(width * scale) - size, round(height * scale) - size]) // 2  # (2,) cut off on the left, top
    corner, extent = boxes.reshape(-1, 4)[:, :2], boxes.reshape(-1, 4)[:, 2:]
    first = np.floor(corner * scale) - middle
    last = np.ceil((corner + extent) * scale) - middle
    placed: IntArray = np.clip(np.concatenate([first, last], axis=1), 0, size).astype(np.int64)
    return placed


def paint_grey(pixels: Tensor, boxes: IntArray) -> Tensor:
    """A copy of one picture with grey rectangles.

    Args:
        pixels: (3, h, w) uint8. boxes: (k, 4) left, top, right, bottom.
    """
    painted = pixels.clone()
    for left, top, right, bottom in boxes:
        painted[:, top:bottom, left:right] = GREY
    return painted


def cut_out(pixels: Tensor, box: IntArray, surroundings: float = 2.0) -> Tensor:
    """One thing and what is around it, enlarged to the size of the picture.

    Args:
        pixels: (3, size, size) uint8.
        box: (4,) left, top, right, bottom.
        surroundings: Side of the square that is cut out, in longer sides of the box; it is moved inside the picture.

    Returns:
        (3, size, size) uint8.
    """
    size = pixels.shape[-1]
    side = min(size, max(1, round(surroundings * int(max(box[2] - box[0], box[3] - box[1])))))
    left, top = (min(max(0, int(box[i] + box[i + 2] - side) // 2), size - side) for i in (0, 1))
    part = pixels[None, :, top : top + side, left : left + side].float()
    whole: Tensor = F.interpolate(part, size=(size, size), mode="bilinear", antialias=False, align_corners=False)[0]
    return whole.round().to(pixels.dtype)
