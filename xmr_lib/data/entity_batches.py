"""Mini-batches for AGREE: pictures and captions, and both with one thing hidden."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.caption_batches import CaptionBatches
from xmr_lib.data.entities import EntityWords, words_for
from xmr_lib.data.object_boxes import cut_out, has_boxes, object_boxes, paint_grey
from xmr_lib.data.pairing import IntArray
from xmr_lib.data.tokens import CaptionTokenizer
from xmr_lib.errors import InvalidInput, check_positive

PROMPT = "a photo containing {}"


class EntityBatches(CaptionBatches):
    """:class:`CaptionBatches` with entities. With E slots for the entities of a caption a batch also holds

    ``entity``        (b, k, E) int64 class numbers; -1: an empty slot.
    ``prompt``        (b, k, E, length) "a photo containing {entity}"; the text "" in an empty slot.
    ``masked``        (b, k, E, length) the caption with this entity -> [MASK]; the text "" in an empty slot.
    ``shows``         (b, c) uint8, 1 where a caption of the image names the class or the image has a box of it.

    and, where the data set has boxes,

    ``grey``          (b, 3, h, w) the picture with all boxes of one class painted grey: a class that the captions of
                      the batch name. ``grey_class`` (b,): which; -1: none of them has a box, and nothing is painted.
    ``object``        (b, 3, h, w) one thing cut out of the picture. ``object_class`` (b,); -1: the picture has no box,
                      and ``object`` is the whole picture. ``object_prompt`` (b, length) "a photo containing {class}".
    ``object_grey``   (b, 3, h, w) the same part of the picture, its things of this class painted grey.

    AGREE's objects are pictures of Visual Genome and its grey things are found by GLIP; here both are boxes of the
    training pictures themselves.

    Args:
        data, pixels, tokens, batch_size, captions, seed: As in :class:`CaptionBatches`.
        tokenizer: The one that made ``tokens``.
        slots: E, entities per caption at most.
        prompt: With {} for the entity.
        surroundings: Of an object, see :func:`xmr_lib.data.object_boxes.cut_out`.
        words: Default: :func:`xmr_lib.data.entities.words_for`.

    Raises:
        InvalidInput: As CaptionBatches, or a prompt without {}.
    """

    def __init__(
        self,
        data: PairedDataset,
        pixels: Tensor,
        tokens: Tensor,
        batch_size: int,
        captions: int,
        seed: int = 0,
        *,
        tokenizer: CaptionTokenizer,
        slots: int = 5,
        prompt: str = PROMPT,
        surroundings: float = 2.0,
        words: EntityWords | None = None,
    ) -> None:
        super().__init__(data, pixels, tokens, batch_size, captions, seed)
        if "{}" not in prompt:
            raise InvalidInput(f"The prompt needs {{}} where the entity goes, but it is {prompt!r}.")
        self.words, self.surroundings = words or words_for(data), surroundings
        self.boxes = object_boxes(data, self.words, pixels.shape[-1]) if has_boxes(data) else None
        self._class_prompts = tokenizer.encode([prompt.format(name) for name in self.words.names])  # (c, length)

        # Most slots are empty: one row per filled slot, and row 0 for all the empty ones.
        masked, phrases = [""], {"": 0}
        slot = np.zeros((3, data.n_captions, check_positive(slots, "slots")), dtype=np.int64)
        slot[0] = -1
        for j, caption in enumerate(data.captions):
            for e, mention in enumerate(self.words.entities(caption, slots)):
                slot[:, j, e] = mention.number, len(masked), phrases.setdefault(mention.phrase, len(phrases))
                masked.append(self.words.hide(caption, mention.number))
        self._entity, self._masked_row, self._prompt_row = torch.from_numpy(slot)  # (m, E) each
        self._masked = tokenizer.encode(masked)
        self._prompts = tokenizer.encode([prompt.format(phrase) if phrase else "" for phrase in phrases])
        self._shows = self._what_pictures_show(data)

    def _what_pictures_show(self, data: PairedDataset) -> Tensor:
        """(n, c) uint8."""
        shows = torch.zeros(self.n, len(self.words.names) + 1, dtype=torch.uint8)  # the last column: empty slots
        image, caption = (torch.from_numpy(index) for index in data.pairs())
        shows[image[:, None], self._entity[caption]] = 1
        for row, boxes in zip(shows, self.boxes or [], strict=False):
            row[list(boxes)] = 1
        return shows[:, :-1].contiguous()

    def __call__(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        """The batches of one epoch, counted from 0."""
        rng = np.random.default_rng([self.seed, epoch, 1])
        for batch in super().__call__(epoch):
            text = batch["text_index"]
            batch |= {
                "entity": self._entity[text],
                "prompt": self._prompts[self._prompt_row[text]],
                "masked": self._masked[self._masked_row[text]],
                "shows": self._shows[batch["image_index"]],
            }
            yield batch | (self._pictures(batch, rng) if self.boxes else {})

    def _pictures(self, batch: dict[str, Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
        """What is painted and what is cut out."""
        names = ("grey", "object", "object_grey")
        pictures = {name: batch["image"].clone() for name in names}
        classes = torch.full((2, len(batch["image"])), -1)
        for row, (image, entities) in enumerate(zip(batch["image_index"].tolist(), batch["entity"], strict=True)):
            boxes = self.boxes[image] if self.boxes else {}
            pixels = self.pixels[image]
            named = [kind for kind in boxes if (entities == kind).any()]
            if named:
                classes[0, row] = kind = named[rng.integers(len(named))]
                pictures["grey"][row] = paint_grey(pixels, boxes[kind])
            if boxes:
                classes[1, row] = kind = list(boxes)[rng.integers(len(boxes))]
                place: IntArray = boxes[kind][rng.integers(len(boxes[kind]))]
                pictures["object"][row] = cut_out(pixels, place, self.surroundings)
                pictures["object_grey"][row] = cut_out(paint_grey(pixels, boxes[kind]), place, self.surroundings)
        prompts = self._class_prompts[classes[1]]  # of some class where there is no object: it never counts
        return {**pictures, "grey_class": classes[0], "object_class": classes[1], "object_prompt": prompts}
