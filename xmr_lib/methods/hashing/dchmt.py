"""DCHMT: differentiable cross-modal hashing via multimodal transformers.

J. Tu, X. Liu, Z. Lin, R. Hong, M. Wang. "Differentiable Cross-modal Hashing via Multimodal Transformers". ACM MM 2022,
pp. 453-461.

Taxonomy: deep hashing, supervised by multi-hot labels, relaxation without a quantisation loss, no unified codes.

Objective. Each bit k of an item has two probabilities p_k; u holds all 2K of them (:mod:`xmr_lib.nn.selecting`). With
the Euclidean distance d_ij = ||u_i - v_j||, S_ij = 1 where i and j share a label, and tau = sqrt(2 K vartheta):

    l(u, v) = mean_ij [ S_ij d_ij^2 ] + mean_ij [ (1 - S_ij) (tau - min(d_ij, tau))^2 ]
    J = l(u_image, u_text) + l(u_image, u_image) + l(u_text, u_text)

Two codes that differ in m bits are sqrt(2 m) apart, so vartheta is a share of the bits: what is irrelevant is pushed
away until vartheta K bits differ, and left alone from there.

Paper and released code. The paper fine-tunes both towers of CLIP ViT-B/32 and puts a linear layer, ReLU and the
selecting layer on top. Here the features are given and frozen: with features of CLIP this is the paper's head without
the fine-tuning; :class:`xmr_lib.methods.hashing.FromPixels` trains the towers with it, as the paper does. Released
code takes the root of 0 on the diagonal of the intra-modal terms, where its gradient is infinite; here a small number
under the root keeps it finite. It also keeps the best epoch by the score on the queries, for each direction another
one; ``fit`` chooses on validation pairs, or not at all.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.methods.hashing.base import check_bits
from xmr_lib.methods.hashing.heads import HashHeads, clip_style_adam
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.nn import squared_distances
from xmr_lib.nn.codes import label_similarity, sign_codes
from xmr_lib.nn.norms import mean_norm
from xmr_lib.nn.selecting import SelectingHash, both_values, certainty
from xmr_lib.training import Player

LAYERS = ("selecting", "tanh")
DISTANCES = ("l2", "l1", "cosine")
ROOT_EPS = 1e-6  # under the square root: its gradient at distance 0 is finite


def distance_loss(u: Tensor, v: Tensor, similar: Tensor, vartheta: float, distance: str = "l2") -> Tensor:
    """l(u, v): similar pairs together, others apart until vartheta of the bits differ.

    Both means run over all pairs, so the balance of the two terms depends on how many pairs are similar.

    Args:
        u: (b, 2K) probabilities, as of :func:`xmr_lib.nn.selecting.both_values`. v: (n, 2K).
        similar: (b, n), 1 where a label is shared, else 0.
        vartheta: Share of the bits in 0..1 that irrelevant items should differ in.
        distance: ``"l2"``: squared Euclidean distances, as above; ``"l1"``: the same without the squares; ``"cosine"``,
            a form of our own: 1 - cosine, without squares. For codes that is Hamming distance / K, so its tau is
            vartheta itself.

    Returns:
        A scalar, 0 or more.

    Raises:
        UnknownName: Another distance.

    >>> u = both_values(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
    >>> round(distance_loss(u, u, torch.ones(2, 2), 0.5).item(), 3)  # the codes are sqrt(4) apart: (0 + 4 + 4 + 0) / 4
    2.0
    """
    check_choice(distance, DISTANCES, "distance")
    if distance == "cosine":
        d, tau = 1 - F.normalize(u, dim=1) @ F.normalize(v, dim=1).T, vartheta
    else:
        d, tau = (squared_distances(u, v) + ROOT_EPS).sqrt(), math.sqrt(u.shape[1] * vartheta)  # (b, n)
    together, apart = d * similar, (tau - d).clamp_min(0) * (1 - similar)
    if distance == "l2":
        together, apart = together.square(), apart.square()
    return together.mean() + apart.mean()


class DCHMTNetwork(HashHeads):
    """Linear, ReLU and the hash layer per modality; outputs in -1..1."""

    def __init__(self, d_image: int, d_text: int, method: DCHMT) -> None:
        super().__init__(d_image, d_text, partial(self._head, method), method.standardise)
        self.method = method

    @staticmethod
    def _head(m: DCHMT, d: int) -> nn.Sequential:
        if m.layer == "selecting":
            return nn.Sequential(nn.Linear(d, m.embed), nn.ReLU(), SelectingHash(m.embed, m.bits))
        layers = nn.Linear(d, m.embed), nn.ReLU(), nn.Linear(m.embed, m.bits), nn.Dropout(m.dropout), nn.Tanh()
        return nn.Sequential(*layers)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """Three blocks of pairs; for the tanh layer also the quantisation."""
        m, labels = self.method, batch["labels"]
        f, g = self.image_tower(batch["image"]), self.text_tower(batch["text"])  # (b, K) each
        u, v, similar = both_values(f), both_values(g), label_similarity(labels, labels)
        terms = {
            "image-text": distance_loss(u, v, similar, m.vartheta, m.distance),
            "image-image": distance_loss(u, u, similar, m.vartheta, m.distance),
            "text-text": distance_loss(v, v, similar, m.vartheta, m.distance),
        }
        if m.layer == "tanh" and m.quantisation:
            terms["quantisation"] = m.quantisation * (mean_norm(sign_codes(f) - f) + mean_norm(sign_codes(g) - g))
        return terms


class DCHMT(NeuralHashing):
    """Differentiable cross-modal hashing: binary codes without a quantisation loss.

    Args:
        bits: Length K of the codes.
        vartheta: Share of the bits that irrelevant items should differ in, above 0, at most 1.
        distance: ``"l2"``, ``"l1"`` or ``"cosine"``, as of :func:`distance_loss`.
        layer: ``"selecting"``: a 2-way softmax per bit; ``"tanh"``: linear, dropout, tanh, and a quantisation loss.
        embed: Units between the features and the hash layer.
        quantisation: Weight of the quantisation loss. dropout: Rate. Both only of the tanh layer.
        standardise: Scale every feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr, weight_decay, warm_up: See :func:`xmr_lib.methods.hashing.heads.clip_style_adam`.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, batches, dropout.
    """

    def __init__(
        self,
        bits: int = 64,
        vartheta: float = 0.5,
        distance: str = "l2",
        layer: str = "selecting",
        embed: int = 128,
        quantisation: float = 0.25,
        dropout: float = 0.2,
        standardise: bool = False,
        epochs: int = 100,
        batch_size: int = 64,
        lr: float = 1e-3,
        weight_decay: float = 0.2,
        warm_up: float = 0.1,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.vartheta = vartheta
        self.distance = distance
        self.layer = layer
        self.embed = embed
        self.quantisation = quantisation
        self.dropout = dropout
        self.standardise = standardise
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.warm_up = warm_up
        self.patience = patience
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: rates chosen on validation pairs; ``smoke``: the same, few epochs."""
        if profile == "paper":
            return {}
        course = {"vartheta": 0.35, "standardise": True, "batch_size": 128, "lr": 5e-3}
        return course | {"epochs": 3 if profile == "smoke" else 40}

    def build(self, d_image: int, d_text: int, n_classes: int) -> DCHMTNetwork:
        """A network with fresh weights for features of these sizes."""
        check_bits(self.bits)
        check_choice(self.layer, LAYERS, "hash layer")
        check_choice(self.distance, DISTANCES, "distance")
        if not 0 < self.vartheta <= 1:
            raise InvalidInput(f"vartheta is a share of the bits, above 0 and at most 1, but it is {self.vartheta}.")
        return DCHMTNetwork(d_image, d_text, self)

    def players(self, network: Any) -> dict[str, Player]:
        """One Adam for both heads."""
        return {"all": clip_style_adam(network.parameters(), self.lr, self.weight_decay, self.warm_up)}

    def real_similarity(self, images: Any, texts: Any) -> NDArray[Any]:
        """Minus the Euclidean distance of the probabilities u, before they become bits: what binarising costs.

        Args:
            images: (n, d_i) features. texts: (m, d_t) features.

        Returns:
            (n, m) float64 in -sqrt(2K)..0.
        """
        u, v = (both_values(torch.from_numpy(h)) for h in (self.image_outputs(images), self.text_outputs(texts)))
        return np.asarray(-cdist(u.numpy(), v.numpy()))

    def certainty(self, images: Any, texts: Any) -> dict[str, float]:
        """Mean of max(p_k) of the bits of images and of texts: .5 undecided, 1 binary already.

        Args:
            images: (n, d_i) features. texts: (m, d_t) features.

        Returns:
            ``{"image": ..., "text": ...}``.
        """
        outputs = {"image": self.image_outputs(images), "text": self.text_outputs(texts)}
        return {name: float(certainty(torch.from_numpy(rows))) for name, rows in outputs.items()}

    def watch(self, validation: PairedFeatures) -> dict[str, float]:
        """The mean of max(p_k) of the validation pairs, after every epoch."""
        values = self.certainty(validation.image, validation.text)
        return {f"{name} certainty": value for name, value in values.items()}
