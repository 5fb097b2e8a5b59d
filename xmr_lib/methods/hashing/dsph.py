"""DSPH: deep semantic-aware proxy hashing.

Y. Huo, Q. Qin, J. Dai, L. Wang, W. Zhang, L. Huang, C. Wang. "Deep Semantic-Aware Proxy Hashing for Multi-Label
Cross-Modal Retrieval". IEEE TCSVT 34(1), 2024, pp. 576-589.

Taxonomy: deep hashing, supervised by multi-hot labels, proxies instead of pairs, no quantisation loss.

Objective. Every class c has a learnt proxy p_c in R^K, the same for both modalities. With v_i, t_i the outputs of an
image and its text, c_ic their cosine with a proxy, and zeta the margin of :func:`xmr_lib.nn.proxies.proxy_margin`:

    proxy(h) = sum_{L_ic = 1} (1 - c_ic) / #pos + sum_{L_ic = 0} max(0, c_ic - zeta) / #neg
    J = proxy(v) + proxy(t) + alpha * irrelevant(v, t)

where ``irrelevant`` keeps items of several labels apart that share none. A step costs b x C cosines instead of b x n
pairs, and no outputs of the whole training set are kept (DCMH keeps two such buffers).

Paper and released code. The paper fine-tunes both towers of CLIP ViT-B/32. Here the features are given and frozen;
:class:`xmr_lib.methods.hashing.FromPixels` trains the towers with the heads and proxies, as the paper does. The
released code trains the proxies with SGD (rate .02, momentum .9, weight decay 5e-4) and a constant rate; here they are
a group of the one Adam, with a rate of their own (``proxy_lr``, our choice). It reads the margin from a spreadsheet,
here a table of constants, and keeps the best epoch by the score on the queries, which ``fit`` does not.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix, cosine_similarity
from xmr_lib.methods.hashing.base import check_bits
from xmr_lib.methods.hashing.heads import HashHeads, clip_style_adam
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.nn.layers import feed_forward
from xmr_lib.nn.proxies import irrelevant_pair_loss, proxy_loss, proxy_margin
from xmr_lib.training import Player


class DSPHNetwork(HashHeads):
    """A head per modality (linear, dropout, tanh) and one proxy per class."""

    def __init__(self, d_image: int, d_text: int, n_classes: int, margin: float, method: DSPH) -> None:
        super().__init__(d_image, d_text, partial(self._head, method), method.standardise)
        self.method, self.margin = method, margin
        self.proxies = nn.Parameter(torch.randn(n_classes, method.bits))

    @staticmethod
    def _head(m: DSPH, d: int) -> nn.Sequential:
        sizes = [d, m.hidden, m.bits] if m.hidden else [d, m.bits]
        return nn.Sequential(feed_forward(sizes), nn.Dropout(m.dropout), nn.Tanh())

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The proxy losses of both sides, and the irrelevant pairs where the batch has some."""
        labels, alpha = batch["labels"], self.method.alpha
        v, t = self.image_tower(batch["image"]), self.text_tower(batch["text"])  # (b, K) each
        terms = {
            "image proxies": proxy_loss(v, self.proxies, labels, self.margin),
            "text proxies": proxy_loss(t, self.proxies, labels, self.margin),
        }
        if alpha:
            terms["irrelevant pairs"] = alpha * irrelevant_pair_loss(v, t, labels, self.margin)
        return terms


class DSPH(NeuralHashing):
    """Deep semantic-aware proxy hashing.

    Args:
        bits: Length K of the codes.
        margin: zeta, in -1..1. None: :func:`xmr_lib.nn.proxies.proxy_margin` of the bits and classes.
        alpha: Weight of the irrelevant pairs; 0 leaves them out.
        hidden: Units between the features and the outputs; 0: one linear layer, as on top of CLIP.
        dropout: Rate, in front of the tanh.
        proxy_lr: Highest learning rate of the proxies.
        proxy_weight_decay: Decoupled, of the proxies. The loss sees their directions only.
        standardise: Scale every feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr, weight_decay, warm_up: See :func:`xmr_lib.methods.hashing.heads.clip_style_adam`.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, proxies, batches, dropout.
    """

    def __init__(
        self,
        bits: int = 64,
        margin: float | None = None,
        alpha: float = 0.8,
        hidden: int = 0,
        dropout: float = 0.2,
        proxy_lr: float = 0.02,
        proxy_weight_decay: float = 5e-4,
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
        self.margin = margin
        self.alpha = alpha
        self.hidden = hidden
        self.dropout = dropout
        self.proxy_lr = proxy_lr
        self.proxy_weight_decay = proxy_weight_decay
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
        course = {"hidden": 512, "proxy_lr": 0.1, "standardise": True, "batch_size": 128, "lr": 5e-3}
        return course | {"epochs": 3 if profile == "smoke" else 10}

    def build(self, d_image: int, d_text: int, n_classes: int) -> DSPHNetwork:
        """A network with fresh weights for features of these sizes, and as many proxies as there are classes."""
        check_bits(self.bits)
        margin = proxy_margin(self.bits, n_classes) if self.margin is None else self.margin
        if not -1 <= margin <= 1:
            raise InvalidInput(f"margin is a cosine in -1..1, but it is {margin}. None takes it from coding theory.")
        return DSPHNetwork(d_image, d_text, n_classes, margin, self)

    def players(self, network: Any) -> dict[str, Player]:
        """One Adam for heads and proxies; the proxies have a rate of their own."""
        heads = [*network.image_tower.parameters(), *network.text_tower.parameters()]
        proxies = {"params": [network.proxies], "lr": self.proxy_lr, "weight_decay": self.proxy_weight_decay}
        return {"all": clip_style_adam([{"params": heads}, proxies], self.lr, self.weight_decay, self.warm_up)}

    @property
    def proxies(self) -> Matrix:
        """(c, bits) float32, the learnt proxy of every class; only their directions matter."""
        self._check_fitted()
        proxies: Matrix = self.model_.proxies.detach().numpy()  # type: ignore[operator]
        return proxies

    def proxy_cosines(self, images: Any, texts: Any, labels: Any) -> dict[str, float]:
        """Mean cosine of items with the proxies of their own classes and of all others, over both modalities.

        Args:
            images: (n, d_i) features. texts: (n, d_t) features. labels: (n, c) multi-hot.

        Returns:
            ``{"positive cosine": ..., "negative cosine": ...}``, in -1..1.
        """
        outputs = self.image_outputs(images), self.text_outputs(texts)
        cosines = np.stack([cosine_similarity(rows, self.proxies) for rows in outputs])  # (2, n, c)
        own = np.broadcast_to(np.asarray(labels) > 0, cosines.shape)
        return {"positive cosine": float(cosines[own].mean()), "negative cosine": float(cosines[~own].mean())}

    def watch(self, validation: PairedFeatures) -> dict[str, float]:
        """:meth:`proxy_cosines` of the validation pairs, after every epoch."""
        return self.proxy_cosines(validation.image, validation.text, validation.labels)
