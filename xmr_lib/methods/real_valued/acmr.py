"""ACMR: adversarial cross-modal retrieval.

B. Wang, Y. Yang, X. Xu, A. Hanjalic, H. T. Shen. "Adversarial Cross-Modal Retrieval". ACM Multimedia 2017.

Taxonomy: dual encoders with a common space, real-valued, supervised by class labels, adversarial, no fusion.

Objective. Projectors give v_i (image) and t_i (text); P is one linear label head for both sides, D tells images from
texts; l2 is the Euclidean distance:

    L_imd = -1/n sum_i y_i' [ log softmax P(v_i) + log softmax P(t_i) ]                        label prediction
    L_imi = sum_i l2(v_i, t_j+) + lam max(0, mu - l2(v_i, t_k-)) + the same with text anchors  triplets
    L_emb = alpha L_imi + beta L_imd + gamma (sum of the Frobenius norms of the projector weights)
    L_adv = -1/n sum_i [ log D(v_i) + log(1 - D(t_i)) ]                                        modality

Projectors and P minimise L_emb - L_adv, D minimises L_adv. One backward pass does both: the gradient of L_adv is
reversed between D and the projectors, with a strength l(p) = 2 / (1 + exp(-10 p)) - 1 that grows with the progress p.

What we know of the paper. Its text was not at hand; L_imi is written down from memory. The index j says that the
positive is an item of the same class, not only the partner, so here ``triplets="paper"`` takes the mean over all items
of the same class and the mean over all items of another class in the batch. lam, mu, alpha, beta and gamma are chosen
by us (from memory, the paper searched alpha and beta on a grid from 0.01 to 100). Layer sizes (for Wikipedia), batch
size, Adam, the schedule l(p) and the Euclidean ranking are those of the released demo.

Two other forms of L_imi: ``"all"`` and ``"hardest"``, hinges on d(anchor, partner) - d(anchor, other class), over all
items of another class in the batch or the nearest one. The released demo is known to do something else than the paper;
:data:`RELEASED` is the set of switches that reproduces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import check_choice
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork, NeuralDualEncoder
from xmr_lib.nn import (
    Standardise,
    all_negative_triplets,
    feed_forward,
    hardest_negative_triplets,
    pull_and_push,
    reversal_strength,
    reverse_gradient,
    squared_distances,
)
from xmr_lib.training import Player

ADVERSARIES = ("reversed", "inert", "none")
TRIPLETS = ("paper", "all", "hardest", "batch")
DISCRIMINATORS = ("relu", "linear")
RANKINGS = ("euclidean", "cosine")

RELEASED: dict[str, Any] = {
    "adversary": "inert",  # the discriminator learns, but its gradient never reaches the projectors
    "train_label_head": False,  # the label head is in no optimiser and keeps its random weights
    "triplets": "batch",  # one hinge per batch, on sums of squared distances
    "alpha": 1.0,
    "beta": 100.0,
    "margin": 0.1,
    "discriminator": "linear",  # three linear layers with nothing between them
    "shuffle": False,  # every epoch sees the same batches
    "ranking": "euclidean",
}


def projector(d: int, hidden: Sequence[int], d_common: int, standardise: bool) -> nn.Sequential:
    """One projector: (input scaling and) linear layers with tanh after every one. (b, d) -> (b, d_common)."""
    layers = feed_forward([d, *hidden, d_common], nn.Tanh, activate_last=True)
    return nn.Sequential(Standardise(d) if standardise else nn.Identity(), *layers)


def modality_loss(image_logits: Tensor, text_logits: Tensor) -> Tensor:
    """L_adv: cross-entropy of "is it an image (class 0) or a text (class 1)?", mean over both sides.

    Args:
        image_logits: (b, 2). text_logits: (b, 2).

    Returns:
        A scalar, 0 or more; ln 2 when the discriminator cannot tell.

    >>> round(float(modality_loss(torch.zeros(3, 2), torch.zeros(3, 2))), 4)
    0.6931
    """
    image, text = image_logits.new_zeros(len(image_logits)).long(), text_logits.new_ones(len(text_logits)).long()
    return F.cross_entropy(torch.cat([image_logits, text_logits]), torch.cat([image, text]))


def label_loss(image_logits: Tensor, text_logits: Tensor, classes: Tensor) -> Tensor:
    """L_imd: cross-entropy of the class, image side plus text side.

    Args:
        image_logits: (b, c). text_logits: (b, c). classes: (b,) class numbers.

    >>> round(float(label_loss(torch.zeros(3, 2), torch.zeros(3, 2), torch.tensor([0, 1, 1]))), 4)
    1.3863
    """
    return F.cross_entropy(image_logits, classes) + F.cross_entropy(text_logits, classes)


def invariance_loss(
    image: Tensor, text: Tensor, classes: Tensor, margin: float, form: str = "paper", lam: float = 1.0
) -> Tensor:
    """L_imi: triplets with an image anchor plus triplets with a text anchor; Euclidean distances.

    Args:
        image: (b, d) embeddings; image i and text i are partners. text: (b, d). classes: (b,).
        margin: mu. form: ``"paper"``, ``"all"`` or ``"hardest"``. lam: Weight of the negatives in the paper's form.
    """
    distances = (squared_distances(image, text) + 1e-12).sqrt()  # (b, b); the gradient of sqrt is infinite at 0
    total = image.new_zeros(())
    for table in (distances, distances.T):  # row: anchor, column: items of the other side
        if form == "paper":
            total = total + pull_and_push(table, classes, margin, lam)
        elif form == "all":
            total = total + all_negative_triplets(table, classes, margin)
        else:
            total = total + hardest_negative_triplets(table, classes, margin)
    return total


def batch_hinge(
    image: Tensor, text: Tensor, classes: Tensor, raw_image: Tensor, raw_text: Tensor, margin: float = 0.1
) -> Tensor:
    """The triplet term of the released demo: one hinge per batch, on distances summed over the batch.

    ``max(0, margin + 5 sum_i |v_i - t_i|^2 - sum_i |v_i - t_k(i)|^2)`` and the same from the text side; k(i) is the
    item of another class whose *input* feature is most similar (cosine).

    Args:
        image: (b, d) embeddings. text: (b, d). classes: (b,). raw_image: (b, d_i) inputs. raw_text: (b, d_t).
        margin: 0.1 in the demo.
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
        between = nn.ReLU if method.discriminator == "relu" else nn.Identity
        self.discriminator = feed_forward([d, max(d // 2, 2), max(d // 4, 2), 2], between)
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
        if m.triplets == "batch":
            triplets = batch_hinge(image, text, classes, batch["image"], batch["text"], m.margin)
        else:
            triplets = invariance_loss(image, text, classes, m.margin, m.triplets, m.lam)
        terms["triplet"] = m.alpha * triplets
        if m.gamma:
            terms["weights"] = m.gamma * self._weight_norms(image)
        if m.adversary != "none":
            strength = m.strength * reversal_strength(progress) if m.adversary == "reversed" else 0.0
            seen_image, seen_text = reverse_gradient(image, strength), reverse_gradient(text, strength)
            terms["modality"] = modality_loss(self.discriminator(seen_image), self.discriminator(seen_text))
        return terms

    def _weight_norms(self, like: Tensor) -> Tensor:
        """Sum of the Frobenius norms of the projector weights."""
        towers = (self.image_tower, self.text_tower)
        return sum((p.norm() for tower in towers for p in tower.parameters() if p.ndim == 2), like.new_zeros(()))


class ACMR(NeuralDualEncoder):
    """Adversarial cross-modal retrieval.

    Args:
        d_common: Dimensions of the common space.
        image_hidden, text_hidden: Hidden sizes of the projectors.
        alpha, beta, gamma: Weights of the triplets, the label prediction and the weight norms.
        margin, lam: mu and lambda of the triplets; distances are Euclidean.
        triplets: ``"paper"``, ``"all"``, ``"hardest"`` or ``"batch"`` (as the released demo).
        adversary: ``"reversed"``, ``"inert"`` (as the released demo) or ``"none"``.
        strength: Factor on the reversed gradient, the weight of L_adv against L_emb.
        discriminator: ``"relu"`` between its layers, or ``"linear"``: nothing (as the released demo).
        train_label_head: False leaves the label head at its random weights, as the released demo does.
        ranking: ``"euclidean"``, as the released demo, or ``"cosine"``.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr, beta1: Adam.
        shuffle: False keeps the order of the data, as the released demo does.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, batches.

    With validation pairs, ``history_.watched["discriminator accuracy"]`` has the accuracy on them after every epoch.
    """

    def __init__(
        self,
        d_common: int = 40,
        image_hidden: Sequence[int] = (512, 100),
        text_hidden: Sequence[int] = (40, 100),
        alpha: float = 1.0,
        beta: float = 1.0,
        gamma: float = 0.0,
        margin: float = 1.0,
        lam: float = 1.0,
        triplets: str = "paper",
        adversary: str = "reversed",
        strength: float = 1.0,
        discriminator: str = "relu",
        train_label_head: bool = True,
        ranking: str = "euclidean",
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
        self.lam = lam
        self.triplets = triplets
        self.adversary = adversary
        self.strength = strength
        self.discriminator = discriminator
        self.train_label_head = train_label_head
        self.ranking = ranking
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
        """``paper``: the defaults. ``course``: small and chosen on validation; ``smoke``: that for a few epochs.

        ``course`` is one setting for all data sets, chosen by validation MAP on Wikipedia and emoji, seeds 0 to 2. Many
        settings are as good within one deviation; of those it takes a fast one whose discriminator ends near guessing.
        """
        if profile == "paper":
            return {}
        course = {"image_hidden": (128, 100), "text_hidden": (128, 100), "standardise": True, "ranking": "cosine"}
        course |= {"alpha": 0.3, "margin": 4.0, "lam": 3.0, "strength": 2.0, "batch_size": 128, "lr": 3e-3}
        return course | ({"epochs": 1, "patience": None} if profile == "smoke" else {"epochs": 12, "patience": 3})

    def build(self, d_image: int, d_text: int, n_classes: int) -> ACMRNetwork:
        """A network with fresh weights for features of these sizes."""
        check_choice(self.adversary, ADVERSARIES, "adversary")
        check_choice(self.triplets, TRIPLETS, "form of the triplets")
        check_choice(self.discriminator, DISCRIMINATORS, "discriminator")
        check_choice(self.ranking, RANKINGS, "ranking")
        return ACMRNetwork(d_image, d_text, n_classes, self)

    def players(self, network: Any) -> dict[str, Player]:
        """One optimiser for all: the reversed gradient makes it a game."""
        return {"all": Player([p for p in network.parameters() if p.requires_grad], self.lr, (self.beta1, 0.999))}

    def similarity(self, images: Any, texts: Any) -> Matrix:
        """(n, m) minus the Euclidean distance, or the cosine, of the embeddings; see ``ranking``."""
        if self.ranking == "cosine":
            return super().similarity(images, texts)
        image, text = torch.from_numpy(self.encode_image(images)), torch.from_numpy(self.encode_text(texts))
        scores: Matrix = -squared_distances(image, text).sqrt().numpy()
        return scores

    def discriminator_accuracy(self, images: Any, texts: Any) -> float:
        """How often D tells the two sides apart, mean of both sides, 0..1; 0.5 is guessing.

        With ``adversary="none"`` nobody trains D and the number means nothing.

        Args:
            images: (n, d_i) image features. texts: (m, d_t) text features.
        """
        discriminator: Any = self.model_.discriminator
        device = next(self.model_.parameters()).device
        with torch.inference_mode():
            image = discriminator(torch.from_numpy(self.encode_image(images)).to(device)).argmax(1)  # (n,), 0: an image
            text = discriminator(torch.from_numpy(self.encode_text(texts)).to(device)).argmax(1)  # (m,)
        return float((image == 0).float().mean() + (text == 1).float().mean()) / 2

    def watch(self, validation: PairedFeatures) -> dict[str, float]:
        """How well D tells the validation pictures from the validation texts after every epoch."""
        if self.adversary == "none":
            return {}
        return {"discriminator accuracy": self.discriminator_accuracy(validation.image, validation.text)}
