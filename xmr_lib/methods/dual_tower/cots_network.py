"""The network of COTS: two towers, the predictors of masked tokens, and what only training needs.

H. Lu et al. "COTS". CVPR 2022; the formulas stand in :mod:`xmr_lib.methods.dual_tower.cots`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.methods.towers import TwoTowers
from xmr_lib.nn.masked_modelling import (
    TokenPredictor,
    VisualCodes,
    mask_image,
    mask_text,
    masked_loss,
    running_statistics,
)
from xmr_lib.nn.momentum import MomentumCopy, PairedQueue, key_logits, symmetric_kl
from xmr_lib.nn.noise_filter import DropRecord, MomentumFilter
from xmr_lib.processes import gather_rows


class Partner(nn.Module):
    """What only training needs: the momentum copies of both towers, the queues, the filter and its record."""

    def __init__(self, towers: TwoTowers, slots: int, dim: int, gamma: float | None, captions: int) -> None:
        super().__init__()
        self.momentum = MomentumCopy(towers)
        self.queue = PairedQueue(slots, dim)
        self.filter = None if gamma is None else MomentumFilter(gamma)
        self.record = DropRecord(captions)

    @torch.no_grad()
    def keys(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 3, h, w) and (b, k, length) -> (b, d) and (b, k, d), unit length, without gradient."""
        towers: Any = self.momentum.network
        return towers.embed_image(image), towers.embed_text(text.flatten(0, 1)).unflatten(0, text.shape[:2])

    def judge(self, pairs: Pairs, drop: bool) -> Tensor:
        """(p,) bool: which pairs to learn from; all of them without a filter or before ``drop``."""
        everything = torch.ones_like(pairs.instance, dtype=torch.bool)
        if self.filter is None:
            return everything
        similarity = (pairs.image_key * pairs.text_key).sum(1)  # (p,)
        self.filter.observe(similarity)
        if not drop:
            return everything
        keep = self.filter.keep(similarity)
        self.record.add(pairs.caption, keep)
        return keep


class Pairs(NamedTuple):
    """The p image-caption pairs of the batch of all processes: vectors (p, d), numbers (p,)."""

    image: Tensor
    text: Tensor
    image_key: Tensor
    text_key: Tensor
    instance: Tensor
    caption: Tensor


class COTSNetwork(TwoTowers):
    """Two towers, the predictors of masked tokens, and in training a :class:`Partner`.

    Args:
        settings: The hyper-parameters of :class:`xmr_lib.methods.dual_tower.cots.COTS`, by name.
        vocabulary, length: Of the tokenizer.
    """

    def __init__(self, settings: Mapping[str, Any], vocabulary: int, length: int) -> None:
        dim, hidden, codes = settings["dim"], settings["hidden"], settings["codes"]
        form = (settings["image"], settings["text"], vocabulary, length, dim, settings["temperature"])
        super().__init__(*form)
        self.settings, self.form = settings, form
        self.temperature.log_scale.requires_grad_(False)
        self.codes = VisualCodes(codes, settings["image"]["size"], self.image_tower.grid)
        self.words = TokenPredictor(self.text_tower.width, dim, hidden, vocabulary)
        self.patches = TokenPredictor(self.image_tower.width, dim, hidden, codes)
        self.partner: Partner | None = None

    def find_partner(self, captions: int) -> None:
        """Make what training needs, the momentum copies equal to the towers as they are now.

        Args:
            captions: m, of the training set.
        """
        own = self.settings
        self.partner = Partner(TwoTowers(*self.form), own["queue"], own["dim"], own["gamma"], captions)
        self.partner.momentum.copy_from(self)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """Loss terms on a batch of ``CaptionBatches``, see :mod:`xmr_lib.training`."""
        own, partner = self.settings, self.partner
        assert partner is not None
        partner.momentum.update(self, own["momentum"])  # the optimiser has just made its step
        image = self.embed_image(batch["image"])  # (b, d)
        text = self.embed_text(batch["text"].flatten(0, 1)).unflatten(0, batch["text"].shape[:2])  # (b, k, d)
        pairs = self.gathered_pairs(image, text, batch)
        keep = partner.judge(pairs, drop=progress >= own["filter_after"])  # (p,)
        i2t, t2i = self.answers(pairs)  # (p, 1 + slots) each
        terms = {"instance": (mean_of(-i2t.log_softmax(1)[:, 0], keep) + mean_of(-t2i.log_softmax(1)[:, 0], keep)) / 2}
        if own["w1"]:
            word, patch = self.word_losses(image, batch["text"]), self.patch_losses(batch["image"], text[:, 0])
            asked = gather_rows((torch.arange(len(image), device=image.device) < len(patch)).int()).bool()  # (b,)
            first = keep.unflatten(0, (-1, text.shape[1]))[:, 0]  # (b,) whether the first caption of an image is kept
            terms["words"] = own["w1"] * mean_of(gather_rows(word).flatten(), keep)
            patch = F.pad(patch, (0, len(image) - len(patch)))  # (b,)
            terms["patches"] = own["w1"] * mean_of(gather_rows(patch), first & asked)
        if own["w2"]:
            terms["task"] = own["w2"] * mean_of(symmetric_kl(i2t, t2i), keep)
        partner.queue.enqueue(pairs.image_key[keep], pairs.text_key[keep], pairs.instance[keep])
        return terms

    def gathered_pairs(self, image: Tensor, text: Tensor, batch: dict[str, Tensor]) -> Pairs:
        """The pairs of all processes; an image stands there once per caption."""
        assert self.partner is not None
        k = text.shape[1]
        image_key, text_key = self.partner.keys(batch["image"], batch["text"])
        rows = [image, image_key, batch["instance"]]
        image, image_key, instance = (gather_rows(x).repeat_interleave(k, 0) for x in rows)
        text, text_key, caption = (gather_rows(x).flatten(0, 1) for x in (text, text_key, batch["text_index"]))
        return Pairs(image, text, image_key, text_key, instance, caption)

    def answers(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Logits of image queries against text keys, and of text queries against image keys: (p, 1 + slots) each."""
        assert self.partner is not None
        queue, scale = self.partner.queue, self.temperature()
        negatives = queue.negatives(pairs.instance)  # (p, slots), the same for both directions
        i2t = key_logits(pairs.image, pairs.text_key, queue.text, negatives, scale)
        return i2t, key_logits(pairs.text, pairs.image_key, queue.image, negatives, scale)

    def word_losses(self, image: Tensor, text: Tensor) -> Tensor:
        """L_MLM of every caption, (b, k), from the features (b, d) of whole images and texts (b, k, length)."""
        flat = text.flatten(0, 1)  # (b * k, length)
        masked, places = mask_text(flat, self.settings["text_share"])
        scores = self.word_scores(image.repeat_interleave(text.shape[1], 0), masked, places)
        return masked_loss(scores, flat[places], places).unflatten(0, text.shape[:2])

    def word_scores(self, image: Tensor, masked: Tensor, places: Tensor) -> Tensor:
        """(b, d) image features, (b, length) masked texts and where they are masked -> (p, vocabulary)."""
        seen = self.text_tower(masked)  # tokens (b, t, w): columns of padding only may be gone
        return self.words(seen.tokens, seen.pooled, image, places[:, : seen.tokens.shape[1]])

    def patch_losses(self, pixels: Tensor, text: Tensor) -> Tensor:
        """L_MIM of the first images, (r,), from pixels (b, 3, h, w) and the features (b, d) of a whole caption each."""
        rows = math.ceil(self.settings["image_rows"] * len(pixels))
        pixels, text = pixels[:rows], text[:rows]
        painted, places = mask_image(pixels, self.codes.grid, self.codes.colour, self.settings["image_share"])
        return masked_loss(self.patch_scores(painted, text, places), self.codes(pixels, places), places)

    def patch_scores(self, painted: Tensor, text: Tensor, places: Tensor) -> Tensor:
        """(b, 3, h, w) painted images, (b, d) text features, (b, g * g) painted cells -> (p, codes)."""
        with running_statistics(self.image_tower):
            seen = self.image_tower(painted)
        return self.patches(seen.tokens, seen.pooled, text, places)


class Guesses(NamedTuple):
    """What was hidden from the network, and what it guessed.

    Attributes:
        masked: The masked inputs: texts (n, length), or pictures (n, 3, h, w).
        places: (n, t) bool, p places in all.
        truth, guess: (p,) words or visual tokens, input by input.
    """

    masked: Tensor
    places: Tensor
    truth: Tensor
    guess: Tensor

    @property
    def accuracy(self) -> float:
        """Share of the guesses that are right, 0..1."""
        return float((self.guess == self.truth).float().mean())


def mean_of(losses: Tensor, keep: Tensor) -> Tensor:
    """Mean of the losses (p,) whose pair is kept (p,) bool: a scalar, 0 if none is."""
    return (losses * keep).sum() / keep.sum().clamp(min=1)
