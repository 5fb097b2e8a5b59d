"""The network of DivE: two towers with K slots each, and the loss on sets."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.errors import check_choice
from xmr_lib.methods.towers import TwoTowers
from xmr_lib.nn.caption_triplets import caption_triplets
from xmr_lib.nn.contrastive import same_instance, symmetric_info_nce
from xmr_lib.nn.set_losses import diversity_loss, mmd_loss
from xmr_lib.nn.set_similarity import KINDS, set_cosines, set_similarity
from xmr_lib.nn.slots import SlotAttention
from xmr_lib.nn.towers import Encoded
from xmr_lib.processes import gather_rows

LOSSES = ("triplet", "contrastive")


class Sets(NamedTuple):
    """One side of a batch.

    Attributes:
        elements: (b, K, d) unit vectors e_k. slots: (b, K, d), before the global vector is added.
    """

    elements: Tensor
    slots: Tensor


class SetTowers(TwoTowers):
    """Two towers with K slots each.

    Args:
        towers: Arguments of :class:`xmr_lib.methods.towers.TwoTowers`.
        slots: Arguments of :class:`xmr_lib.nn.slots.SlotAttention` but the two widths.
        kind, alpha: Of the similarity, see :mod:`xmr_lib.nn.set_similarity`.
        loss, margin, mean_share, mmd, diversity: See :class:`xmr_lib.methods.dual_tower.DivE`.
    """

    def __init__(
        self,
        towers: dict[str, Any],
        slots: dict[str, Any],
        kind: str,
        alpha: float,
        loss: str,
        margin: float,
        mean_share: float,
        mmd: float,
        diversity: float,
    ) -> None:
        super().__init__(**towers)
        self.kind, self.alpha = check_choice(kind, KINDS, "similarity of sets"), alpha
        self.loss, self.margin = check_choice(loss, LOSSES, "loss of DivE"), margin
        self.mean_share, self.mmd, self.diversity = mean_share, mmd, diversity
        dim = towers["dim"]
        self.image_slots = SlotAttention(self.image_tower.width, dim, **slots)
        self.text_slots = SlotAttention(self.text_tower.width, dim, places=True, **slots)
        self.image_norm, self.text_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def image_sets(self, pixels: Tensor) -> Sets:
        """(b, 3, h, w) uint8."""
        seen = self.image_tower(pixels)
        return _sets(self.image_norm(self.image_projection(seen.pooled)), self.image_slots, seen)

    def text_sets(self, text: Tensor) -> Sets:
        """(b, length) int64."""
        seen = self.text_tower(text)
        return _sets(self.text_norm(self.text_projection(seen.pooled)), self.text_slots, seen)

    def embed_image(self, pixels: Tensor) -> Tensor:
        """(b, 3, h, w) uint8 -> (b, K, d), unit length."""
        return self.image_sets(pixels).elements

    def embed_text(self, text: Tensor) -> Tensor:
        """(b, length) int64 -> (b, K, d), unit length."""
        return self.text_sets(text).elements

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """Loss terms on a batch of ``CaptionBatches``, see :mod:`xmr_lib.training`."""
        captions = batch["text"].shape[1]
        image = self.image_sets(batch["image"])  # b sets
        text = self.text_sets(batch["text"].flatten(0, 1))  # b * k sets
        instance = gather_rows(batch["instance"])  # (B,)
        images = gather_rows(image.elements)  # (B, K, d)
        texts = gather_rows(text.elements.unflatten(0, (-1, captions)))  # (B, k, K, d)
        similarity = set_similarity(set_cosines(images, texts.flatten(0, 1)), self.kind, self.alpha)  # (B, B * k)
        positive = same_instance(instance, instance.repeat_interleave(captions))  # (B, B * k)
        terms = {self.loss: self.ranking(similarity, positive, progress)}
        if self.mmd:  # the captions come in random order, so the first of each image is any of them
            terms["mmd"] = self.mmd * mmd_loss(images.flatten(0, 1), texts[:, 0].flatten(0, 1))
        if self.diversity:
            terms["diversity"] = self.diversity * (diversity_loss(image.slots) + diversity_loss(text.slots))
        return terms

    def ranking(self, similarity: Tensor, positive: Tensor, progress: float) -> Tensor:
        """The main loss of (B, B * k) similarities of sets, a scalar."""
        if self.loss == "contrastive":
            return symmetric_info_nce(self.temperature() * similarity, positive)
        return caption_triplets(similarity, positive, self.margin, hardest=progress >= self.mean_share)


def _sets(whole: Tensor, attention: SlotAttention, seen: Encoded) -> Sets:
    """``e_k = unit(LN(global) + slot_k)``; ``whole`` (b, d) is the global vector after its norm."""
    slots = attention(seen.tokens, seen.mask)  # (b, K, d)
    return Sets(F.normalize(whole[:, None] + slots, dim=-1), slots)
