"""ACMR: adversarial cross-modal retrieval.

B. Wang, Y. Yang, X. Xu, A. Hanjalic, H. T. Shen. "Adversarial Cross-Modal Retrieval". ACM Multimedia 2017.

Taxonomy: dual encoders with a common space, real-valued, supervised by class labels, adversarial, no fusion.

Objective. Projectors give v_i (image) and t_i (text); P is one linear label head for both sides, D tells images from
texts; l2 is the Euclidean distance, t_k- the hardest text of another class in the batch:

    L_imd = -1/n sum_i y_i' [ log softmax P(v_i) + log softmax P(t_i) ]                        label prediction
    L_imi = 1/n sum_i max(0, mu + l2(v_i, t_i) - l2(v_i, t_k-)) + the same with a text anchor   triplets
    L_emb = alpha L_imi + beta L_imd + gamma (sum of the Frobenius norms of the projector weights)
    L_adv = -1/n sum_i [ log D(v_i) + log(1 - D(t_i)) ]                                         modality

Projectors and P minimise L_emb - L_adv, D minimises L_adv. One backward pass does both: the gradient of L_adv is
reversed between D and the projectors, with a strength l(p) = 2 / (1 + exp(-10 p)) - 1 that grows with the progress p.

What differs from the paper: its triplet term also pulls pairs together without a margin; its exact form and the weights
could not be checked, so the form above, with margin and weights of our choice, stands in. Three switches reproduce the
released demo, which is known to do something else: ``adversary="inert"`` (the discriminator learns, but its gradient
never reaches the projectors), ``train_label_head=False`` (the label head keeps its random weights) and
``triplets="batch"`` (one hinge on sums over the batch instead of one per anchor).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.errors import check_choice
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork, NeuralDualEncoder
from xmr_lib.nn import Standardise, feed_forward, hardest_negative_triplets, reversal_strength, reverse_gradient
from xmr_lib.nn.triplets import squared_distances
from xmr_lib.training import Player

ADVERSARIES = ("reversed", "inert", "none")
TRIPLETS = ("hardest", "batch")


def projector(d: int, hidden: Sequence[int], d_common: int, standardise: bool) -> nn.Sequential:
    """One projector: (input scaling and) linear layers with tanh after every one. (b, d) -> (b, d_common)."""
    layers = feed_forward([d, *hidden, d_common], nn.Tanh, activate_last=True)
    return nn.Sequential(Standardise(d) if standardise else nn.Identity(), *layers)


def modality_loss(image_logits: Tensor, text_logits: Tensor) -> Tensor:
    """L_adv: cross-entropy of "is it an image (class 0) or a text (class 1)?", mean over both sides.

    Args:
        image_logits: (b, 2). text_logits: (b, 2).
    """
    image, text = image_logits.new_zeros(len(image_logits)).long(), text_logits.new_ones(len(text_logits)).long()
    return F.cross_entropy(torch.cat([image_logits, text_logits]), torch.cat([image, text]))


def label_loss(image_logits: Tensor, text_logits: Tensor, classes: Tensor) -> Tensor:
    """L_imd: cross-entropy of the class, image side plus text side. Logits (b, c), classes (b,)."""
    return F.cross_entropy(image_logits, classes) + F.cross_entropy(text_logits, classes)


def invariance_loss(image: Tensor, text: Tensor, classes: Tensor, margin: float) -> Tensor:
    """L_imi: triplets with an image anchor plus triplets with a text anchor; Euclidean distances.

    Args:
        image: (b, d) embeddings; image i and text i are partners. text: (b, d). classes: (b,). margin: mu.
    """
    distances = (squared_distances(image, text) + 1e-12).sqrt()  # (b, b); the gradient of sqrt is infinite at 0
    by_image = hardest_negative_triplets(distances, classes, margin)
    return by_image + hardest_negative_triplets(distances.T, classes, margin)


def batch_hinge(
    image: Tensor, text: Tensor, classes: Tensor, raw_image: Tensor, raw_text: Tensor, margin: float = 0.1
) -> Tensor:
    """The triplet term of the released demo: one hinge per batch, on distances summed over the batch.

    ``max(0, margin + 5 sum_i |v_i - t_i|^2 - sum_i |v_i - t_k(i)|^2)`` and the same from the text side; k(i) is the
    item of another class whose *input* feature is most similar.
    """
    total = image.new_zeros(())
    for anchor, other, raw in ((image, text, raw_text), (text, image, raw_image)):
        alike = F.normalize(raw, dim=1) @ F.normalize(raw, dim=1).T  # (b, b)
        same = classes[:, None] == classes[None, :]
        k = alike.masked_fill(same, -torch.inf).argmax(1)  # (b,)
        has_negative = (~same).any(1)
        positive = (anchor - other).square().sum()
        negative = (anchor - other[k])[has_negative].square().sum()
        total = total + (margin + 5 * positive - negative).clamp_min(0)
    return total


class ACMRNetwork(FeatureNetwork):
    """Two projectors, a label head, a modality discriminator, and the losses between them."""

    def __init__(self, d_image: int, d_text: int, n_classes: int, method: ACMR) -> None:
        super().__init__()
        self.method = method
        d = method.d_common
        self.image_tower = projector(d_image, method.image_hidden, d, method.standardise)
        self.text_tower = projector(d_text, method.text_hidden, d, method.standardise)
        self.label_head = nn.Linear(d, n_classes)
        self.discriminator = feed_forward([d, d // 2, max(d // 4, 2), 2], nn.ReLU)
        self.label_head.requires_grad_(method.train_label_head)

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features."""
        for tower, rows in ((self.image_tower, image), (self.text_tower, text)):
            if isinstance(tower[0], Standardise):  # type: ignore[index]
                tower[0].learn(rows)  # type: ignore[index]

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The terms L_imd, L_imi, the weight penalty and L_adv, each with its weight."""
        m, classes = self.method, batch["classes"]
        image, text = self.image_tower(batch["image"]), self.text_tower(batch["text"])  # (b, d) each
        terms = {"label": m.beta * label_loss(self.label_head(image), self.label_head(text), classes)}
        if m.triplets == "hardest":
            terms["triplet"] = m.alpha * invariance_loss(image, text, classes, m.margin)
        else:
            terms["triplet"] = m.alpha * batch_hinge(image, text, classes, batch["image"], batch["text"], m.margin)
        if m.gamma:
            terms["weights"] = m.gamma * self._weight_norms()
        if m.adversary != "none":
            strength = reversal_strength(progress) if m.adversary == "reversed" else 0.0
            seen_image, seen_text = reverse_gradient(image, strength), reverse_gradient(text, strength)
            terms["modality"] = modality_loss(self.discriminator(seen_image), self.discriminator(seen_text))
        return terms

    def _weight_norms(self) -> Tensor:
        """Sum of the Frobenius norms of the projector weights."""
        towers = (self.image_tower, self.text_tower)
        return sum((p.norm() for tower in towers for p in tower.parameters() if p.ndim == 2), torch.zeros(()))


class ACMR(NeuralDualEncoder):
    """Adversarial cross-modal retrieval.

    Args:
        d_common: Dimensions of the common space.
        image_hidden, text_hidden: Hidden sizes of the projectors.
        alpha, beta, gamma: Weights of the triplets, the label prediction and the weight norms.
        margin: mu of the triplets, in Euclidean distance.
        adversary: ``"reversed"``, ``"inert"`` (as the released demo) or ``"none"``.
        train_label_head: False leaves the label head at its random weights, as the released demo does.
        triplets: ``"hardest"`` or ``"batch"`` (as the released demo).
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr, beta1: Adam. shuffle: False keeps the order of the data, as the released demo does.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, batches.

    The similarity is the cosine; the paper ranks by Euclidean distance (``similarity`` of the base class).
    """

    def __init__(
        self,
        d_common: int = 40,
        image_hidden: Sequence[int] = (512, 100),
        text_hidden: Sequence[int] = (40, 100),
        alpha: float = 1.0,
        beta: float = 1.0,
        gamma: float = 0.0,
        margin: float = 0.3,
        adversary: str = "reversed",
        train_label_head: bool = True,
        triplets: str = "hardest",
        standardise: bool = False,
        epochs: int = 200,
        batch_size: int = 64,
        lr: float = 1e-4,
        beta1: float = 0.5,
        shuffle: bool = True,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.d_common = d_common
        self.image_hidden = image_hidden
        self.text_hidden = text_hidden
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.margin = margin
        self.adversary = adversary
        self.train_label_head = train_label_head
        self.triplets = triplets
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
        course = {"image_hidden": (256, 100), "text_hidden": (128, 100), "standardise": True, "lr": 1e-3}
        return course | {"epochs": 3 if profile == "smoke" else 30, "patience": None}

    def build(self, d_image: int, d_text: int, n_classes: int) -> ACMRNetwork:
        """A network with fresh weights for features of these sizes."""
        check_choice(self.adversary, ADVERSARIES, "adversary")
        check_choice(self.triplets, TRIPLETS, "form of the triplets")
        return ACMRNetwork(d_image, d_text, n_classes, self)

    def players(self, network: Any) -> dict[str, Player]:
        """One optimiser for all: the reversed gradient makes it a game."""
        return {"all": Player([p for p in network.parameters() if p.requires_grad], self.lr, (self.beta1, 0.999))}
