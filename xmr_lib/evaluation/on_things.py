"""Does attention fall on the things? Maps over a grid of patches, against the boxes of generated scenes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.entities import scene_words
from xmr_lib.data.scenes.layout import Scene, SceneObject
from xmr_lib.errors import InvalidInput


def cover(scene: Scene, grid: int, things: Sequence[SceneObject] | None = None) -> NDArray[np.float64]:
    """(grid, grid) share of every cell of a picture that lies in the box of a thing, 0..1.

    Args:
        scene: An element of ``dataset.metadata["scenes"]``.
        grid: Cells per side.
        things: Some of ``scene.objects``. Default: all.
    """
    inside = np.zeros((scene.image_size, scene.image_size))
    for thing in scene.objects if things is None else things:
        for left, top, width, height in thing.boxes:
            inside[max(top, 0) : top + height, max(left, 0) : left + width] = 1
    edges = np.linspace(0, scene.image_size, grid + 1).round().astype(int)
    rows = [inside[a:b] for a, b in pairwise(edges)]
    return np.array([[row[:, a:b].mean() for a, b in pairwise(edges)] for row in rows])


class NounAttention(NamedTuple):
    """Where nouns look, for p nouns whose thing is in the picture.

    Attributes:
        on: (p, L) share of a noun's attention, block by block, on the boxes of its thing.
        area: (p,) share of the picture that these boxes cover: what evenly spread attention would have.
    """

    on: NDArray[np.float64]
    area: NDArray[np.float64]


def noun_attention(method: Any, data: PairedDataset, captions: Iterable[int]) -> NounAttention:
    """How much of the attention of each noun falls on its thing.

    Args:
        method: Fitted, with ``alignment(picture, caption)`` as :class:`xmr_lib.methods.dual_tower.TEAM` has it.
        data: Scenes. captions: Their numbers.

    Raises:
        InvalidInput: No caption names a thing of its picture in words that the method knows.
    """
    nouns, on, area = scene_words(), [], []
    for number in captions:
        image, caption = int(data.caption_image[number]), data.captions[number]
        scene, seen = data.metadata["scenes"][image], method.alignment(data.images[image], caption)
        for noun in nouns.entities(caption):
            word = noun.phrase.split()[-1]
            things = [thing for thing in scene.objects if thing.category == nouns.names[noun.number]]
            if things and word in seen.words:
                place = cover(scene, seen.looks.shape[-1], things)
                on.append((seen.looks[:, seen.words.index(word)] * place).sum(axis=(1, 2)))
                area.append(place.mean())
    if not on:
        raise InvalidInput("None of these captions names a thing of its picture in known words. Pass more captions.")
    return NounAttention(np.array(on), np.array(area))
