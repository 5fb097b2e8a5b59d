"""DSCMR: deep supervised cross-modal retrieval.

L. Zhen, P. Hu, X. Wang, D. Peng. "Deep Supervised Cross-Modal Retrieval". CVPR 2019, pp. 10394-10403.

Taxonomy: dual encoders whose last layer is shared, real-valued, supervised by class labels, no fusion.

Objective. The towers give u_i (image) and v_i (text), P is one linear label head for both sides, y_i the one-hot label,
S_ij = 1 where i and j have the same class, and G_ij(a, b) = cos(a_i, b_j) / 2:

    J1 = 1/n sum_i ||P u_i - y_i||_2 + 1/n sum_i ||P v_i - y_i||_2            label regression, without a softmax
    l(a, b) = mean_ij [ log(1 + exp G_ij(a, b)) - S_ij G_ij(a, b) ]
    J2 = l(u, u) + l(u, v) + l(v, v)                                          discrimination in the common space
    J3 = 1/n sum_i ||u_i - v_i||_2                                            invariance to the modality
    J  = J1 + alpha J2 + beta J3

Paper and released code. J1 and J3 are written here as the code computes them, a mean of norms; the paper divides one
Frobenius norm over the batch by n (``norms="batch"``). The code never shuffles (``shuffle=False``), and it keeps the
best epoch by the score on the test pairs: here epochs are chosen on the validation pairs of ``fit``, and lesson 04
shows what the other choice does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork, NeuralDualEncoder
from xmr_lib.nn import Standardise
from xmr_lib.nn.norms import NORMS, mean_norm
from xmr_lib.training import Player


def label_regression(image_scores: Tensor, text_scores: Tensor, onehot: Tensor, norms: str = "sample") -> Tensor:
    """J1: distance of the label scores from the one-hot labels, image side plus text side; no softmax.

    Args:
        image_scores: (b, c), P u. text_scores: (b, c), P v. onehot: (b, c). norms: As in :func:`mean_norm`.

    >>> label_regression(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.4, 0.8]]), torch.tensor([[1.0, 0.0]])).item()
    1.0
    """
    return mean_norm(image_scores - onehot, norms) + mean_norm(text_scores - onehot, norms)


def discrimination(image: Tensor, text: Tensor, classes: Tensor) -> Tensor:
    """J2: negative log-likelihood of "same class?" for all pairs (image, image), (image, text), (text, text).

    Args:
        image: (b, d) embeddings. text: (b, d). classes: (b,).

    Returns:
        A scalar, 0 or more; ``3 log 2`` where all embeddings of the batch are orthogonal to each other.
    """
    u, v = F.normalize(image, dim=1), F.normalize(text, dim=1)
    same = (classes[:, None] == classes[None, :]).to(u.dtype)  # (b, b)
    total = torch.zeros((), dtype=u.dtype, device=u.device)
    for a, b in ((u, u), (u, v), (v, v)):
        g = a @ b.T / 2  # (b, b)
        total = total + (F.softplus(g) - same * g).mean()
    return total


def invariance(image: Tensor, text: Tensor, norms: str = "sample") -> Tensor:
    """J3: distance of the two partners. Embeddings (b, d) each; norms: As in :func:`mean_norm`.

    >>> invariance(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.0]])).item()
    5.0
    """
    return mean_norm(image - text, norms)


class DSCMRNetwork(FeatureNetwork):
    """Two towers that end in one and the same layer, and the label head on top of it."""

    def __init__(self, d_image: int, d_text: int, n_classes: int, method: DSCMR) -> None:
        super().__init__()
        self.method = method
        last = nn.Linear(method.hidden, method.d_common)
        other = last if method.share else nn.Linear(method.hidden, method.d_common)
        self.image_tower = self._tower(d_image, last)
        self.text_tower = self._tower(d_text, other)
        self.label_head = nn.Linear(method.d_common, n_classes)

    def _tower(self, d: int, last: nn.Linear) -> nn.Sequential:
        scaling = Standardise(d) if self.method.standardise else nn.Identity()
        return nn.Sequential(scaling, nn.Linear(d, self.method.hidden), nn.ReLU(), last)

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features."""
        for tower, rows in ((self.image_tower, image), (self.text_tower, text)):
            if isinstance(tower[0], Standardise):  # type: ignore[index]
                tower[0].learn(rows)  # type: ignore[index]

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The terms J1, alpha J2 and beta J3; a term of weight 0 is left out."""
        m, classes = self.method, batch["classes"]
        u, v = self.image_tower(batch["image"]), self.text_tower(batch["text"])  # (b, d) each
        terms = {}
        if m.label_weight:
            onehot = F.one_hot(classes, self.label_head.out_features).to(u.dtype)
            scores = self.label_head(u), self.label_head(v)
            terms["J1 labels"] = m.label_weight * label_regression(*scores, onehot, m.norms)
        if m.alpha:
            terms["J2 discrimination"] = m.alpha * discrimination(u, v, classes)
        if m.beta:
            terms["J3 invariance"] = m.beta * invariance(u, v, m.norms)
        return terms


class DSCMR(NeuralDualEncoder):
    """Deep supervised cross-modal retrieval.

    Args:
        hidden: Units of the first layer of each tower.
        d_common: Dimensions of the common space.
        alpha: Weight of J2. beta: Weight of J3. label_weight: Weight of J1 (1 in the paper; 0 for the ablation).
        share: The last layer of both towers is one object; False gives each tower its own.
        norms: ``"sample"`` (released code) or ``"batch"`` (paper), as in :func:`mean_norm`.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr, beta1: Adam.
        shuffle: False keeps the order of the data, as the released code does.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, batches.
    """

    def __init__(
        self,
        hidden: int = 2048,
        d_common: int = 1024,
        alpha: float = 1e-3,
        beta: float = 1e-1,
        label_weight: float = 1.0,
        share: bool = True,
        norms: str = "sample",
        standardise: bool = False,
        epochs: int = 500,
        batch_size: int = 100,
        lr: float = 1e-4,
        beta1: float = 0.5,
        shuffle: bool = True,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.d_common = d_common
        self.alpha = alpha
        self.beta = beta
        self.label_weight = label_weight
        self.share = share
        self.norms = norms
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
        """``paper``: the defaults. ``course``: small, alpha by validation; ``smoke``: the same for a few epochs."""
        if profile == "paper":
            return {}
        course = {"hidden": 512, "d_common": 128, "alpha": 1.0, "lr": 2e-3, "patience": 8}
        return course | {"epochs": 2 if profile == "smoke" else 20}

    def build(self, d_image: int, d_text: int, n_classes: int) -> DSCMRNetwork:
        """A network with fresh weights for features of these sizes."""
        check_choice(self.norms, NORMS, "form of the norms")
        if not (self.label_weight or self.alpha or self.beta):
            raise InvalidInput("All three terms have weight 0, so there is nothing to learn. Set alpha=1, for example.")
        return DSCMRNetwork(d_image, d_text, n_classes, self)

    def players(self, network: Any) -> dict[str, Player]:
        """One Adam for everything."""
        return {"all": Player(list(network.parameters()), self.lr, (self.beta1, 0.999))}
