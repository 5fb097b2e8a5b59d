"""Does a picture prefer its caption to the same caption with one entity hidden? What AGREE trains for, asked of any
method with two towers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.entities import HIDDEN, EntityWords, words_for
from xmr_lib.data.object_boxes import object_boxes, paint_grey
from xmr_lib.data.pairing import IntArray
from xmr_lib.data.pixels import pixel_tensor
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.methods.base import l2_normalise
from xmr_lib.methods.towers import TowerMethod

WAYS = ("mask", "other", "drop", "grey")


@dataclass(frozen=True)
class EntityMargins:
    """One number for every entity of every caption.

    Attributes:
        margin: (p,) cosine of picture and caption minus the cosine with the entity hidden.
        caption: (p,) index of the caption. entity: (p,) class number in ``words_for(data).names``.
    """

    margin: NDArray[np.float32]
    caption: IntArray
    entity: IntArray

    @property
    def fraction(self) -> float:
        """Share of the entities whose hiding lowers the cosine, 0..1."""
        return float((self.margin > 0).mean())

    @property
    def mean(self) -> float:
        """By how much it does on average."""
        return float(self.margin.mean())


def entity_margins(
    method: TowerMethod, data: PairedDataset, hide: str = "mask", words: EntityWords | None = None
) -> EntityMargins:
    """``cos(V, T) - cos(V, T_e)`` for every caption T, its picture V and every entity e it names.

    Args:
        method: Fitted, with one vector per picture and sentence.
        data: Pairs it has not seen.
        hide: ``"mask"``: [MASK] in the place of the entity's words. ``"other"``: [MASK] in the place of a word that
            names no thing, drawn at random; does any [MASK] do? ``"drop"``: the entity's words left out, no [MASK].
            ``"grey"``: ``cos(V, T) - cos(V_e, T)``, the entity's boxes painted grey in the picture; entities without a
            box are left out.
        words: Default: ``words_for(data)``.

    Raises:
        UnknownName: Another way to hide. InvalidInput: No caption names a thing (with a box, for ``"grey"``).
    """
    check_choice(hide, WAYS, "way to hide an entity")
    words = words or words_for(data)
    found = [(j, each.number) for j, text in enumerate(data.captions) for each in words.entities(text)]
    boxes = object_boxes(data, words, method.image["size"]) if hide == "grey" else []
    if hide == "grey":
        found = [(j, kind) for j, kind in found if kind in boxes[data.caption_image[j]]]
    if hide == "other":
        found = [(j, kind) for j, kind in found if words.other_words(data.captions[j])]
    if not found:
        what = "an entity with a box" if hide == "grey" else "an entity"
        raise InvalidInput(f"No caption of {data.name!r} names {what}. Pass words that occur in the captions.")
    caption, entity = np.array(found, dtype=np.int64).T  # (p,) each
    image = data.caption_image[caption]  # (p,)
    pictures, texts = l2_normalise(method.encode_image(data.images)), l2_normalise(method.encode_text(data.captions))
    whole = (pictures[image] * texts[caption]).sum(1)  # (p,)
    if hide == "grey":
        pixels = pixel_tensor(data.images, method.image["size"])
        places, row = np.unique(np.stack([image, entity], 1), axis=0, return_inverse=True)
        painted = torch.stack([paint_grey(pixels[i], boxes[i][kind]) for i, kind in places.tolist()])
        hidden = (l2_normalise(method.encode_image(painted))[row.reshape(-1)] * texts[caption]).sum(1)
    else:
        hidden = (pictures[image] * l2_normalise(method.encode_text(_changed(data, words, found, hide)))).sum(1)
    return EntityMargins(whole - hidden, caption, entity)


def _changed(data: PairedDataset, words: EntityWords, found: list[tuple[int, int]], hide: str) -> list[str]:
    """The captions with the entity hidden, or another word of them."""
    if hide != "other":
        mark = HIDDEN if hide == "mask" else ""
        return [words.hide(data.captions[j], kind, mark) for j, kind in found]
    rng, texts = np.random.default_rng(0), []
    for j, _ in found:
        spots = words.other_words(data.captions[j])
        start, stop = spots[rng.integers(len(spots))]
        texts.append(data.captions[j][:start] + HIDDEN + data.captions[j][stop:])
    return texts
