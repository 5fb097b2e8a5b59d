"""DivE: every picture and every sentence is a set of K vectors, so that each caption may agree with another part.

D. Kim, N. Kim, S. Kwak. "Improving Cross-Modal Retrieval with Set of Diverse Embeddings". CVPR 2023.

Taxonomy: dual tower; K real-valued vectors per item; no fusion but a similarity of sets.

A picture is more than one caption says, and one vector has to lie near all of them. DivE lets K slots compete for the
patches (or words) and adds each to the vector of the whole:

    e_k = unit( LN(global) + slot_k ),  k = 1..K        s(image, text) = smooth Chamfer of the two sets

    L = hinge(s; margin .2) + .01 MMD(image elements, text elements) + .01 diversity(slots)

What differs here. The towers are those of CLIP, not a region detector and a GRU; no words or regions are dropped. The
discrepancy takes the elements of one caption per image, a tenth of the work of all five. The hinge begins with the mean
over all negatives (``mean_share``): with the hardest from the first step, untrained towers make all similarities equal,
and the loss stays at twice the margin. ``loss="contrastive"`` puts the similarity of sets into InfoNCE instead. With
``n_slots=1`` there is no competition, the one slot reads the mean of the values, and every similarity of sets is the
cosine: a model of one vector with the same towers and the same loss.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xmr_lib.data.base import PairedDataset
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.dual_tower.clip import TEXT_BASE, VIT_B_32
from xmr_lib.methods.dual_tower.dive_network import SetTowers
from xmr_lib.methods.towers import (
    COURSE_IMAGE,
    COURSE_TEXT,
    COURSE_TRAINING,
    SMOKE_IMAGE,
    SMOKE_TEXT,
    SMOKE_TRAINING,
    Settings,
    TowerMethod,
    warm_up_then_cosine,
)
from xmr_lib.nn.set_losses import circular_variance
from xmr_lib.nn.set_similarity import chunked_set_similarity
from xmr_lib.nn.slots import SlotAttention
from xmr_lib.nn.towers import Encoded
from xmr_lib.players import Player


class DivE(TowerMethod):
    """Sets of diverse embeddings. The defaults are those of the paper's code, on CLIP's towers; ``mean_share`` is ours.

    Args:
        image, text: Settings of the towers, see :mod:`xmr_lib.nn.towers`.
        dim: d, of every element.
        n_slots: K. 1 is the baseline of one vector.
        iterations: How often the slots look at the tokens.
        heads, head_width, ratio: Of the slot attention, see :class:`xmr_lib.nn.slots.SlotAttention`.
        similarity_kind: ``"smooth_chamfer"``, ``"chamfer"``, ``"mil"`` or ``"average"``.
        alpha: Sharpness of smooth Chamfer.
        loss: ``"triplet"``: hinge with the hardest negative of the batch; ``"contrastive"``: symmetric InfoNCE.
        margin: Of the hinge.
        mean_share: Share of the training in which the hinge takes the mean over all negatives, before it takes the
            hardest.
        temperature: tau at the start, for ``loss="contrastive"``.
        mmd, diversity: Weights of these terms; 0 leaves one out.
        tower_rate, slot_rate: Factors on the learning rate of the towers, and of slots and projections.
        epochs: Passes over the training images.
        batch_size: Images per step.
        captions: Captions per image and step; all of them are right.
        lr, weight_decay: Of AdamW.
        warm_up: Share of the training in which the learning rate rises.
        seed: First weights, order of the images, choice of the captions.
    """

    clip_gradient = 1.0

    def __init__(
        self,
        image: Settings = VIT_B_32,
        text: Settings = TEXT_BASE,
        dim: int = 1024,
        n_slots: int = 4,
        iterations: int = 4,
        heads: int = 4,
        head_width: int = 512,
        ratio: float = 4,
        similarity_kind: str = "smooth_chamfer",
        alpha: float = 16.0,
        loss: str = "triplet",
        margin: float = 0.2,
        mean_share: float = 0.1,
        temperature: float = 0.07,
        mmd: float = 0.01,
        diversity: float = 0.01,
        tower_rate: float = 1.0,
        slot_rate: float = 0.1,
        epochs: int = 80,
        batch_size: int = 200,
        captions: int = 5,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        warm_up: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.image, self.text, self.dim = image, text, dim
        self.n_slots, self.iterations, self.heads = n_slots, iterations, heads
        self.head_width, self.ratio = head_width, ratio
        self.similarity_kind, self.alpha = similarity_kind, alpha
        self.loss, self.margin, self.mean_share, self.temperature = loss, margin, mean_share, temperature
        self.mmd, self.diversity = mmd, diversity
        self.tower_rate, self.slot_rate = tower_rate, slot_rate
        self.epochs, self.batch_size, self.captions = epochs, batch_size, captions
        self.lr, self.weight_decay, self.warm_up = lr, weight_decay, warm_up
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``course``: one epoch on ``scenes`` from the towers of a trained CLIP, ``fit(train, start=clip)``.

        ``smoke``: one epoch of small towers from scratch.
        """
        if profile == "course":
            slots = {"iterations": 2, "heads": 4, "head_width": 16, "ratio": 1, "tower_rate": 0.15, "slot_rate": 1.0}
            return {"image": COURSE_IMAGE, "text": COURSE_TEXT, "dim": 64, "epochs": 1, **slots, **COURSE_TRAINING}
        if profile == "smoke":
            slots = {"iterations": 2, "heads": 2, "head_width": 16, "ratio": 1, "slot_rate": 1.0}
            return {"image": SMOKE_IMAGE, "text": SMOKE_TEXT, "dim": 32, **slots, **SMOKE_TRAINING}
        return {}

    def build(self, vocabulary: int, length: int) -> SetTowers:
        """See :class:`xmr_lib.methods.towers.TowerMethod`."""
        towers = {
            "image": self.image,
            "text": self.text,
            "vocabulary": vocabulary,
            "length": length,
            "dim": self.dim,
            "temperature": self.temperature,
        }
        slots = {
            "slots": self.n_slots,
            "iterations": self.iterations,
            "heads": self.heads,
            "head_width": self.head_width,
            "ratio": self.ratio,
        }
        return SetTowers(
            towers,
            slots,
            kind=self.similarity_kind,
            alpha=self.alpha,
            loss=self.loss,
            margin=self.margin,
            mean_share=self.mean_share,
            mmd=self.mmd,
            diversity=self.diversity,
        )

    def players(self, network: SetTowers) -> dict[str, Player]:
        """One AdamW; towers and slots have their own learning rates."""
        rates = {True: self.tower_rate, False: self.slot_rate}
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for name, weight in network.named_parameters():
            key = name.startswith(("image_tower.", "text_tower.")), weight.ndim > 1
            groups.setdefault(key, []).append(weight)
        entries = [
            {"params": weights, "lr": self.lr * rates[tower], "weight_decay": self.weight_decay * matrix}
            for (tower, matrix), weights in groups.items()
        ]
        schedule = partial(warm_up_then_cosine, warm_up=self.warm_up)
        return {"all": Player(entries, self.lr, self.betas, clip=self.clip_gradient, schedule=schedule)}

    def watch(self, validation: PairedDataset) -> dict[str, float]:
        """Mean circular variance of the sets: 0 where all K vectors are the same."""
        sets = {"image": self.encode_image(validation.images), "text": self.encode_text(validation.captions)}
        return {
            f"circular variance {side}": float(circular_variance(torch.from_numpy(x)).mean())
            for side, x in sets.items()
        }

    def encode_image(self, images: Any) -> Matrix:
        """n pictures (PIL, or uint8 pixels (n, 3, size, size)) -> (n, K, d) float32, K unit vectors each."""
        return super().encode_image(images)

    def encode_text(self, texts: Any) -> Matrix:
        """m sentences -> (m, K, d) float32, K unit vectors each."""
        return super().encode_text(texts)

    def similarity(self, images: Any, texts: Any) -> Matrix:
        """(n, m) similarities of sets, in -1..1 + log(K) / alpha."""
        a, b = torch.from_numpy(self.encode_image(images)), torch.from_numpy(self.encode_text(texts))
        return chunked_set_similarity(a, b, self.similarity_kind, self.alpha).numpy()

    def slot_maps(self, images: Any) -> Matrix:
        """(n, K, grid, grid) where every slot looks in n pictures; each map sums to 1."""
        seen = self.image_tokens(images)
        weights = self._looked(self.model_.image_slots, seen)  # (n, K, grid * grid)
        grid = self.model_.image_tower.grid
        return weights.reshape(*weights.shape[:2], grid, grid)

    def slot_words(self, texts: Any) -> list[tuple[list[str], Matrix]]:
        """For each of m sentences its t tokens, and (K, t) how much every slot reads of each; rows sum to 1."""
        self._check_fitted()
        numbers = self.tokenizer_.encode(texts).numpy()
        weights = self._looked(self.model_.text_slots, self.text_tokens(texts))  # (m, K, longest)
        tokens = [self.tokenizer_.tokens(row) for row in numbers]
        return [(words, rows[:, : len(words)]) for words, rows in zip(tokens, weights, strict=True)]

    def _looked(self, attention: SlotAttention, seen: Encoded) -> Matrix:
        with torch.inference_mode():
            weights: np.ndarray = attention.look(seen.tokens, seen.mask).weights.numpy()
        return weights
