"""AGREE: fine-tune two towers so that a picture prefers its caption to the same caption with one entity hidden.

X. Wang, L. Li, Z. Li, X. Wang et al. "AGREE: Aligning Cross-Modal Entities for Image-Text Retrieval Upon
Vision-Language Pre-trained Models". WSDM 2023, pages 456-464. Code: alibaba/EasyNLP, examples/agree.

Taxonomy: dual tower; one real-valued vector per item; no fusion but the dot product. Its two ways to re-rank are in
:mod:`xmr_lib.methods.bidirectional_rerank` and :mod:`xmr_lib.methods.entity_rerank`.

With V the picture, T its caption, T_e the caption with entity e -> [MASK], V_e the picture with e painted grey, P_e the
text "a photo containing {e}", O the picture of an object o and O_o the same with o painted grey, all of unit length:

    L = .90 CLIP(V, T)                         main
      + .03 mean over the slots of CLIP(V, P_e)  prompt
      + .10 rank(V'T   > V'T_e)                text_mask
      + .03 CLIP(O, P_o)                       object
      + .15 rank(O'P_o > O_o'P_o)              object_mask
      + .10 rank(V'T   > V_e'T)                image_mask        rank(a > b) = sum max(0, margin - (a - b))

The weights are those of the released code.

What differs here. (1) The released code rebuilds the ranking terms from detached numbers: no gradient reaches a tower,
only the scale, by which they are divided. Here they train the towers; ``detached=True`` is the released form. (2) The
release encodes an empty entity slot as "" and counts it as a right pair; here only with ``count_empty=True``.
(3) Pictures that show the entity are never negatives of its prompt. (4) Entities are nouns of a list, and the objects
and grey things are boxes of the training pictures, instead of Visual Genome and GLIP
(:mod:`xmr_lib.data.entity_batches`). (5) Our tokenizer has a [MASK]; CLIP's has none. (6) CLIP(...) is a mean over the
batch and rank(...) a sum, so the same weights mean something else in another batch size; ``ranking_rows`` keeps the
balance of a batch of so many rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.entity_batches import PROMPT, EntityBatches
from xmr_lib.data.tokens import CaptionTokenizer
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.methods.towers import (
    COURSE_IMAGE,
    COURSE_TEXT,
    COURSE_TRAINING,
    SMOKE_IMAGE,
    SMOKE_TEXT,
    SMOKE_TRAINING,
    Settings,
    TowerMethod,
    TwoTowers,
)
from xmr_lib.nn.entity_losses import image_mask_loss, object_loss, object_mask_loss, prompt_loss, text_mask_loss
from xmr_lib.processes import gather_rows

VIT_L_14: Settings = {"kind": "vit", "size": 224, "patch": 14, "width": 1024, "layers": 24, "heads": 16}
TEXT_LARGE: Settings = {"kind": "transformer", "width": 768, "layers": 12, "heads": 12}
WEIGHTS: Mapping[str, float] = {
    "main": 0.90,
    "prompt": 0.03,
    "text_mask": 0.10,
    "object": 0.03,
    "object_mask": 0.15,
    "image_mask": 0.10,
}


class EntityTowers(TwoTowers):
    """Two towers with the six losses of AGREE; :class:`AGREE` explains the arguments."""

    def __init__(
        self,
        *towers: Any,
        weights: Mapping[str, float],
        margin: float,
        detached: bool,
        count_empty: bool,
        ranking_rows: int | None,
        keep_statistics: bool,
    ) -> None:
        super().__init__(*towers)
        self.weights, self.margin, self.detached = dict(weights), margin, detached
        self.count_empty, self.ranking_rows, self.keep_statistics = count_empty, ranking_rows, keep_statistics

    def train(self, mode: bool = True) -> Self:
        """See ``nn.Module``; batch norms stay in evaluation mode where they keep their statistics."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.train(mode and not self.keep_statistics)
        return self

    def embed_texts(self, texts: Tensor, filled: Tensor) -> Tensor:
        """(..., length) int64 -> (..., d); zeros where not ``filled`` (...) bool: most entity slots are empty."""
        some = self.embed_text(texts[filled])
        return some.new_zeros(*filled.shape, some.shape[-1]).masked_scatter(filled[..., None], some)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The weighted terms on a batch of ``EntityBatches``, computed over the rows of all processes."""
        seen = self._embed_pictures(batch)
        image, text = seen["image"], self.embed_text(batch["text"].flatten(0, 1))  # (b, d), (b * k, d)
        losses = {"main": self.contrastive(image, text, batch["instance"])}
        text = gather_rows(text.unflatten(0, batch["text"].shape[:2]))  # (B, k, d)
        seen = {name: gather_rows(rows) for name, rows in seen.items()}  # (B, d) each
        losses |= self._text_terms(batch, seen["image"], text) | self._picture_terms(batch, seen, text)
        return {name: self.weights[name] * loss for name, loss in losses.items() if self._has(name)}

    def _embed_pictures(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The pictures that a term needs, (b, d) each, through the tower in one batch.

        In two batches a batch norm would normalise the whole and the grey pictures by different statistics, and the
        ranking terms would learn that difference, which is not there at test time.
        """
        terms = {"grey": ["image_mask"], "object": ["object", "object_mask"], "object_grey": ["object_mask"]}
        names = ["image"] + [name for name, of in terms.items() if name in batch and self._has(*of)]
        embedded = self.embed_image(torch.cat([batch[name] for name in names]))
        return dict(zip(names, embedded.chunk(len(names)), strict=True))

    def _has(self, *names: str) -> bool:
        return any(self.weights.get(name) for name in names)

    def _ranking(self, rows: int) -> tuple[dict[str, Any], float]:
        """What the ranking losses take, and their weight beside the means in a batch of so many rows."""
        settings = {"scale": self.temperature(), "margin": self.margin, "detached": self.detached}
        return settings, 1.0 if self.ranking_rows is None else self.ranking_rows / rows

    def _text_terms(self, batch: dict[str, Tensor], image: Tensor, text: Tensor) -> dict[str, Tensor]:
        """The terms on prompts and captions with a [MASK]."""
        filled, entity, terms = batch["entity"] >= 0, gather_rows(batch["entity"]), {}
        if self._has("prompt"):
            prompt = gather_rows(self.embed_texts(batch["prompt"], filled | self.count_empty))  # (B, k, E, d)
            shows = gather_rows(batch["shows"])
            terms["prompt"] = prompt_loss(image, prompt, entity, shows, self.temperature(), self.count_empty)
        if self._has("text_mask"):
            masked = gather_rows(self.embed_texts(batch["masked"], filled))  # (B, k, E, d)
            settings, share = self._ranking(len(image))
            terms["text_mask"] = share * text_mask_loss(image, text, masked, entity, **settings)
        return terms

    def _picture_terms(self, batch: dict[str, Tensor], seen: dict[str, Tensor], text: Tensor) -> dict[str, Tensor]:
        """The terms on objects and grey things; none for data without boxes."""
        terms: dict[str, Tensor] = {}
        settings, share = self._ranking(len(text))
        if "grey" in seen:
            kind, entity = gather_rows(batch["grey_class"]), gather_rows(batch["entity"])
            named = (entity == kind[:, None, None]).any(-1) & (kind >= 0)[:, None]  # (B, k)
            terms["image_mask"] = share * image_mask_loss(seen["image"], seen["grey"], text, named, **settings)
        if "object" in seen:
            things, kind = seen["object"], gather_rows(batch["object_class"])
            prompt = gather_rows(self.embed_text(batch["object_prompt"]))  # (B, d)
            terms["object"] = object_loss(things, prompt, kind, self.temperature())
            if "object_grey" in seen:
                terms["object_mask"] = share * object_mask_loss(things, seen["object_grey"], prompt, kind, **settings)
        return terms


class AGREE(TowerMethod):
    """Fine-tuning that aligns entities: ``fit(train, start=clip)``. The defaults are the released code's.

    Args:
        image, text: Settings of the towers (those of ``start``), see :mod:`xmr_lib.nn.towers`.
        dim: Dimensions of the common space.
        weights: Of the six terms; a term without weight is not computed. ``{"main": 1}`` is CLIP.
        margin: Of the ranking terms.
        detached, count_empty: The released forms of the ranking terms and of the prompts, see above.
        ranking_rows: The ranking sums count as in a batch of so many images. None: plain sums.
        keep_statistics: Batch norms go on with those of ``start``, as cut-out pictures have others than whole ones.
        slots: Entities per caption at most.
        prompt: With {} for the entity.
        surroundings: Of an object that is cut out, see :func:`xmr_lib.data.object_boxes.cut_out`.
        temperature, epochs, batch_size, captions, lr, weight_decay, warm_up, seed: As in CLIP. The released warm-up
            is 10,000 steps; here it is a share: that of 50 epochs of Flickr30K in batches of 8.
    """

    def __init__(
        self,
        image: Settings = VIT_L_14,
        text: Settings = TEXT_LARGE,
        dim: int = 768,
        weights: Mapping[str, float] = WEIGHTS,
        margin: float = 0.0,
        detached: bool = False,
        count_empty: bool = False,
        ranking_rows: int | None = None,
        keep_statistics: bool = False,
        slots: int = 5,
        prompt: str = PROMPT,
        surroundings: float = 2.0,
        temperature: float = 0.07,
        epochs: int = 50,
        batch_size: int = 8,
        captions: int = 1,
        lr: float = 1e-5,
        weight_decay: float = 0.1,
        warm_up: float = 0.055,
        seed: int = 0,
    ) -> None:
        self.image, self.text, self.dim = image, text, dim
        self.weights, self.margin, self.detached = weights, margin, detached
        self.count_empty, self.ranking_rows, self.keep_statistics = count_empty, ranking_rows, keep_statistics
        self.slots, self.prompt, self.surroundings = slots, prompt, surroundings
        self.temperature = temperature
        self.epochs, self.batch_size, self.captions = epochs, batch_size, captions
        self.lr, self.weight_decay, self.warm_up = lr, weight_decay, warm_up
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``course``: one epoch from CLIP's ``course`` towers, with words it knows; ``smoke``: of small towers."""
        tuning = {"margin": 0.05, "keep_statistics": True, "prompt": "a picture of {}", "epochs": 1, "lr": 3e-4}
        if profile == "course":
            return {"image": COURSE_IMAGE, "text": COURSE_TEXT, "dim": 128, **COURSE_TRAINING, **tuning}
        if profile == "smoke":
            return {"image": SMOKE_IMAGE, "text": SMOKE_TEXT, "dim": 32, **SMOKE_TRAINING, **tuning}
        return {}

    def build(self, vocabulary: int, length: int) -> EntityTowers:
        """See :class:`xmr_lib.methods.towers.TowerMethod`."""
        check_weights(self.weights)
        names = ("weights", "margin", "detached", "count_empty", "ranking_rows", "keep_statistics")
        options = {name: getattr(self, name) for name in names}
        return EntityTowers(self.image, self.text, vocabulary, length, self.dim, self.temperature, **options)

    def learn_tokenizer(self, captions: Any) -> CaptionTokenizer:
        """The words of the captions and those of the prompt."""
        return CaptionTokenizer.learn([*captions, self.prompt.format("")])

    def batches(self, train: PairedDataset, pixels: Tensor, tokens: Tensor) -> EntityBatches:
        """See :class:`xmr_lib.data.entity_batches.EntityBatches`."""
        return EntityBatches(
            train,
            pixels,
            tokens,
            self.batch_size,
            self.captions,
            self.seed,
            tokenizer=self.tokenizer_,
            slots=self.slots,
            prompt=self.prompt,
            surroundings=self.surroundings,
        )


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights of terms that AGREE has not, negative ones, and none at all."""
    for name in weights:
        check_choice(name, WEIGHTS, "term of AGREE")
    if any(weight < 0 for weight in weights.values()) or not any(weights.values()):
        raise InvalidInput(f"The weights must be 0 or more, and one of them more, but they are {dict(weights)}.")
