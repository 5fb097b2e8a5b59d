"""CLIP4CMR: frozen pretrained features, one small head per side, and a bench for objectives.

Z. Zeng, W. Mao. "A Comprehensive Empirical Study of Vision-Language Pre-trained Model for Supervised Cross-Modal
Retrieval". arXiv 2201.02772, 2022.

Taxonomy: dual encoders with a common space, real-valued, supervised by class labels, frozen backbone, no fusion.

The backbone is whatever made the features; it is not in this file, so it cannot be trained. Each side has

    x = l2_normalise( dropout( W2 GELU( W1 feature ) ) )

and ``objective`` says what the heads learn (:mod:`xmr_lib.methods.real_valued.objectives`). The six of the study are
``contrastive``, ``invariance`` and ``triplet`` on pairs of samples, ``regression``, ``cross_entropy`` and ``prototype``
(prototype contrastive, PCL) on samples and classes; its code also has ``proxy_nca`` and ``proxy_anchor``.

Paper and released code. The prototypes are meant to be learned; the code makes them without a gradient, so they stay
where they were drawn (``prototypes="fixed"``). The code divides PCL by the batch size a second time
(``divide_twice=True``) and takes squared distances as the square of a root, whose gradient is NaN where two embeddings
meet (``rooted=True``). It stops by the score on the test pairs; here epochs are chosen on the validation pairs of
``fit``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork, NeuralDualEncoder
from xmr_lib.methods.real_valued import objectives as loss
from xmr_lib.nn import Standardise, squared_distances
from xmr_lib.training import Player

PAIR_WISE = ("contrastive", "invariance", "triplet")
CLASS_WISE = ("regression", "cross_entropy", "prototype", "proxy_nca", "proxy_anchor")
THE_SIX = PAIR_WISE + CLASS_WISE[:3]
PROTOTYPES = ("learned", "fixed")
WITH_PROTOTYPES = ("prototype", "proxy_nca", "proxy_anchor")


class UnitLength(nn.Module):
    """Rows divided by their Euclidean norm."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, d) -> (b, d), rows of length 1."""
        return F.normalize(x, dim=1)


class CLIP4CMRNetwork(FeatureNetwork):
    """Two heads on frozen features, one unit vector per class, and the chosen objective."""

    def __init__(self, d_image: int, d_text: int, n_classes: int, method: CLIP4CMR) -> None:
        super().__init__()
        self.method = method
        self.image_tower, self.text_tower = self._head(d_image), self._head(d_text)
        directions = F.normalize(torch.randn(n_classes, method.d_common), dim=1)
        fixed = method.objective in WITH_PROTOTYPES and method.prototypes == "fixed"
        self.class_vectors = nn.Parameter(directions, requires_grad=method.objective in CLASS_WISE and not fixed)

    def _head(self, d: int) -> nn.Sequential:
        m = self.method
        scaling = Standardise(d) if m.standardise else nn.Identity()
        layers = nn.Linear(d, m.hidden), nn.GELU(), nn.Linear(m.hidden, m.d_common), nn.Dropout(m.dropout)
        return nn.Sequential(scaling, *layers, UnitLength())

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features."""
        for tower, rows in ((self.image_tower, image), (self.text_tower, text)):
            if isinstance(tower[0], Standardise):  # type: ignore[index]
                tower[0].learn(rows)  # type: ignore[index]

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The chosen objective on the images and the kept texts of the batch."""
        name, classes = self.method.objective, batch["classes"]
        kept = self._kept_texts(len(classes), classes.device)  # (m,) rows of the batch
        u, v = self.image_tower(batch["image"]), self.text_tower(batch["text"][kept])  # (b, d), (m, d)
        if name in CLASS_WISE:
            return {name: self._class_wise(u, classes) + self._class_wise(v, classes[kept])}
        distances = loss.rooted_distances(u, v) if self.method.rooted else squared_distances(u, v)  # (b, m)
        same = classes[:, None] == classes[kept][None, :]  # (b, m)
        if name == "triplet":
            return {name: loss.triplet_loss(distances, same, kept, self.method.margin)}
        if name == "contrastive":
            return {name: loss.contrastive_loss(distances, same, self.method.margin)}
        return {name: loss.modality_invariant_loss(distances, same)}

    def _kept_texts(self, b: int, device: torch.device) -> Tensor:
        """Rows of the batch whose text is kept: all, or a draw of ``keep_text`` of them."""
        if self.method.keep_text >= 1:
            return torch.arange(b, device=device)
        count = max(1, round(self.method.keep_text * b))
        return torch.randperm(b, device=device)[:count].sort().values

    def _class_wise(self, x: Tensor, classes: Tensor) -> Tensor:
        name, vectors = self.method.objective, F.normalize(self.class_vectors, dim=1)  # (c, d)
        if name == "regression":
            return loss.regression_loss(x @ vectors.T, classes)
        if name == "cross_entropy":
            return F.cross_entropy(x @ vectors.T, classes)
        if name == "proxy_nca":
            return loss.proxy_nca(x, classes, vectors)
        if name == "proxy_anchor":
            return loss.proxy_anchor(x, classes, vectors)
        value = loss.prototype_contrastive(x, classes, vectors)
        return value / len(x) if self.method.divide_twice else value


class CLIP4CMR(NeuralDualEncoder):
    """One harness for the objectives of the CLIP4CMR study.

    Args:
        objective: One of :data:`PAIR_WISE` or :data:`CLASS_WISE`; :data:`THE_SIX` are those of the study.
        prototypes: ``"learned"`` (the intention) or ``"fixed"`` (released code); for ``prototype`` and the two proxy
            objectives.
        hidden: Units of the hidden layer. d_common: Dimensions of the common space. dropout: Rate before normalising.
        margin: Of ``contrastive`` and ``triplet``, in squared distance.
        keep_text: Part of the texts that the loss sees in each batch, 0..1, drawn anew for each batch. Below 1 the two
            sides are out of balance.
        divide_twice: PCL is divided by the batch size once more, as in the released code.
        rooted: The pair-wise objectives take squared distances as in the released code.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr, beta1: Adam. shuffle: False keeps the order of the data.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, prototypes, batches, dropout, kept texts.
    """

    def __init__(
        self,
        objective: str = "prototype",
        prototypes: str = "learned",
        hidden: int = 256,
        d_common: int = 1024,
        dropout: float = 0.1,
        margin: float = 0.2,
        keep_text: float = 1.0,
        divide_twice: bool = False,
        rooted: bool = False,
        standardise: bool = False,
        epochs: int = 500,
        batch_size: int = 300,
        lr: float = 1e-4,
        beta1: float = 0.5,
        shuffle: bool = True,
        patience: int | None = 10,
        seed: int = 0,
    ) -> None:
        self.objective = objective
        self.prototypes = prototypes
        self.hidden = hidden
        self.d_common = d_common
        self.dropout = dropout
        self.margin = margin
        self.keep_text = keep_text
        self.divide_twice = divide_twice
        self.rooted = rooted
        self.standardise = standardise
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.beta1 = beta1
        self.shuffle = shuffle
        self.patience = patience
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: small, for two cores; ``smoke``: the same for a few epochs."""
        if profile == "paper":
            return {}
        course = {"hidden": 64, "d_common": 128, "lr": 3e-3, "standardise": True, "patience": 8}
        return course | {"epochs": 3 if profile == "smoke" else 12}

    def build(self, d_image: int, d_text: int, n_classes: int) -> CLIP4CMRNetwork:
        """A network with fresh weights for features of these sizes."""
        check_choice(self.objective, PAIR_WISE + CLASS_WISE, "objective")
        check_choice(self.prototypes, PROTOTYPES, "kind of prototypes")
        if not 0 < self.keep_text <= 1:
            raise InvalidInput(
                f"keep_text is the part of the texts that is kept, above 0 and at most 1, but it is {self.keep_text!r}."
            )
        return CLIP4CMRNetwork(d_image, d_text, n_classes, self)

    def players(self, network: Any) -> dict[str, Player]:
        """One Adam for the heads and, where they are learned, the class vectors."""
        return {"all": Player([p for p in network.parameters() if p.requires_grad], self.lr, (self.beta1, 0.999))}
