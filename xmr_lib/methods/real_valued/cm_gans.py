"""CM-GANs: cross-modal generative adversarial networks.

Y. Peng, J. Qi. "CM-GANs: Cross-modal Generative Adversarial Networks for Common Representation Learning". ACM
Transactions on Multimedia Computing, Communications, and Applications 15(1):22, 2019.

Taxonomy: dual encoders whose last layer is shared, real-valued, supervised by class labels, adversarial, no fusion.

Two generators. Each is an auto-encoder of one modality: the common representation s and the reconstruction r,

    s_I = E_I(i),  r_I = Dec_I(s_I)        s_T = E_T(t),  r_T = Dec_T(s_T)        the last layer of E_I and E_T is one

and a classifier C on s. Two kinds of discriminators answer with a logit, larger = real:

    D_I   intra-modal: real i, fake r_I                             (D_T the same with t and r_T)
    D_CI  inter-modal: real (s_I, i); fake (s_T, i), weight 1/2; wrong pair (E_I(i'), i), weight 1/2, where i' has
          another class                                             (D_CT the same with t)

    L(D_I)  = BCE(D_I(i), 1) + BCE(D_I(r_I), 0)
    L(D_CI) = BCE(D_CI(s_I, i), 1) + 1/2 BCE(D_CI(s_T, i), 0) + 1/2 BCE(D_CI(E_I(i'), i), 0)
    L(G_I)  = BCE(D_CT(s_I, t), 1) + BCE(D_I(r_I), 1) + NLL(C_I(s_I), class)
    L(G_T)  = BCE(D_CI(s_T, i), 1) + BCE(D_T(r_T), 1) + NLL(C_T(s_T), class)

One batch: a step of D_T, D_I, D_CT, D_CI, then five rounds of (G_I, G_T).

Paper and released code. The defaults are the sizes and the schedule of the released code; the paper describes
convolutional auto-encoders on pixels and words, which features replace here. ``wrong_pair="released"`` takes i' on both
sides, as the code does: (E_I(i'), i') is then called fake although it looks like a real pair. The code also z-scores
the query side with the test set's own mean; that is not reproduced. Not in either: ``reconstruction``, a small squared
error between r and its input, and the options of the course preset: layer norm, one player for all discriminators
(they share no weights, so this changes nothing) and one for both generators (the shared layer then takes one step with
the sum of both gradients, instead of one step with each).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import check_choice, check_positive
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork, NeuralDualEncoder
from xmr_lib.nn import Standardise
from xmr_lib.training import Player

WRONG_PAIRS = ("paper", "released")
NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
GENERATORS, DISCRIMINATORS = ("G_I", "G_T"), ("D_T", "D_I", "D_CT", "D_CI")


def binary_cross_entropy(logits: Tensor, real: bool) -> Tensor:
    """Mean of ``-log sigmoid(z)`` (real) or ``-log(1 - sigmoid(z))`` (fake), finite for logits of any size.

    >>> round(binary_cross_entropy(torch.tensor([0.0, -1000.0]), real=True).item(), 3)
    500.347
    """
    return F.softplus(-logits if real else logits).mean()


def intra_modal_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What D_I and D_T minimise: tell features from reconstructions. Logits of any shape."""
    return binary_cross_entropy(real, True) + binary_cross_entropy(fake, False)


def inter_modal_loss(real: Tensor, fake: Tensor, wrong: Tensor) -> Tensor:
    """What D_CI and D_CT minimise: own representation against the other modality's and against a wrong one's.

    Args:
        real: Logits of (s_I, i). fake: Logits of (s_T, i). wrong: Logits of the wrong pairs.
            Each (b,) or (b, 1); ``wrong`` may be empty and then counts as 0.
    """
    loss = binary_cross_entropy(real, True) + 0.5 * binary_cross_entropy(fake, False)
    return loss + 0.5 * binary_cross_entropy(wrong, False) if len(wrong) else loss


def other_class_partners(classes: Tensor) -> tuple[Tensor, Tensor]:
    """For every item one item of another class, drawn at random from the batch.

    Args:
        classes: (b,) class numbers.

    Returns:
        ``items`` and ``partners``, two equally long index vectors; items without an item of another class are left out.
    """
    chance = torch.rand(len(classes), len(classes), device=classes.device)
    chance = chance.masked_fill(classes[:, None] == classes[None, :], -1)  # (b, b)
    best, partners = chance.max(dim=1)
    items = (best >= 0).nonzero()[:, 0]
    return items, partners[items]


def wrong_pairs(
    common: Tensor, raw: Tensor, items: Tensor, partners: Tensor, form: str = "paper"
) -> tuple[Tensor, Tensor]:
    """What D_CI is shown as a wrong pair: (E_I(i'), i), or (E_I(i'), i') in the form of the released code.

    Args:
        common: (b, d) representations. raw: (b, d_i) features of the same items.
        items, partners: As from :func:`other_class_partners`: i and its i'.
        form: ``"paper"`` or ``"released"``.
    """
    return common[partners], raw[items if form == "paper" else partners]


class Discriminator(nn.Module):
    """Inter-modal D: (representation, raw features) -> logit."""

    def __init__(self, d_common: int, d_raw: int, method: CMGANs) -> None:
        super().__init__()
        self.layers = nn.Sequential(*block(d_common + d_raw, method.d_width, method.norm), nn.Linear(method.d_width, 1))

    def forward(self, common: Tensor, raw: Tensor) -> Tensor:
        """(b, d_common), (b, d_raw) -> (b,)."""
        logits: Tensor = self.layers(torch.cat([common, raw], dim=1))[:, 0]
        return logits


def block(d_in: int, d_out: int, norm: str) -> nn.Sequential:
    """Linear layer, normalisation, leaky ReLU."""
    return nn.Sequential(nn.Linear(d_in, d_out), NORMS[norm](d_out), nn.LeakyReLU(0.2))


class CMGANsNetwork(FeatureNetwork):
    """Two generators with one shared layer, four discriminators, two classifiers."""

    image_tower: nn.Sequential
    text_tower: nn.Sequential

    def __init__(self, d_image: int, d_text: int, n_classes: int, method: CMGANs) -> None:
        super().__init__()
        self.method = method
        width, norm = method.width, method.norm
        shared = block(width, width, norm)
        scaling = [Standardise(d) if method.standardise else nn.Identity() for d in (d_image, d_text)]
        self.image_tower = nn.Sequential(scaling[0], block(d_image, width, norm), shared)  # E_I
        self.text_tower = nn.Sequential(scaling[1], block(d_text, width, norm), shared)  # E_T
        self.decode_image = nn.Sequential(block(width, width, norm), nn.Linear(width, d_image))
        self.decode_text = nn.Sequential(block(width, width, norm), nn.Linear(width, d_text))
        self.classify_image, self.classify_text = nn.Linear(width, n_classes), nn.Linear(width, n_classes)
        self.d_i, self.d_t = nn.Linear(d_image, 1), nn.Linear(d_text, 1)
        self.d_ci, self.d_ct = Discriminator(width, d_image, method), Discriminator(width, d_text, method)

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features."""
        for tower, rows in ((self.image_tower, image), (self.text_tower, text)):
            if isinstance(tower[0], Standardise):
                tower[0].learn(rows)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The loss terms of one player; ``"D"`` and ``"G"`` stand for all discriminators and both generators."""
        i, t = self.image_tower[0](batch["image"]), self.text_tower[0](batch["text"])  # scaled, (b, d_i) and (b, d_t)
        if player.startswith("D"):
            return self._discriminators(i, t, batch["classes"], DISCRIMINATORS if player == "D" else (player,))
        return self._generators(i, t, batch["classes"], GENERATORS if player == "G" else (player,))

    def _discriminators(self, i: Tensor, t: Tensor, classes: Tensor, who: Sequence[str]) -> dict[str, Tensor]:
        with torch.no_grad():  # the generators wait
            s_i, s_t = self.image_tower[1:](i), self.text_tower[1:](t)
        items, partners = other_class_partners(classes)
        form = self.method.wrong_pair
        terms = {}
        if "D_T" in who:
            terms["D_T"] = intra_modal_loss(self.d_t(t), self.d_t(self.decode_text(s_t).detach()))
        if "D_I" in who:
            terms["D_I"] = intra_modal_loss(self.d_i(i), self.d_i(self.decode_image(s_i).detach()))
        if "D_CT" in who:
            wrong = self.d_ct(*wrong_pairs(s_t, t, items, partners, form))
            terms["D_CT"] = inter_modal_loss(self.d_ct(s_t, t), self.d_ct(s_i, t), wrong)
        if "D_CI" in who:
            wrong = self.d_ci(*wrong_pairs(s_i, i, items, partners, form))
            terms["D_CI"] = inter_modal_loss(self.d_ci(s_i, i), self.d_ci(s_t, i), wrong)
        return terms

    def _generators(self, i: Tensor, t: Tensor, classes: Tensor, who: Sequence[str]) -> dict[str, Tensor]:
        m, terms = self.method, {}
        sides = {
            "G_I": (self.image_tower, i, self.decode_image, self.d_i, self.classify_image, self.d_ct, t),
            "G_T": (self.text_tower, t, self.decode_text, self.d_t, self.classify_text, self.d_ci, i),
        }
        for name in who:
            tower, x, decode, intra, classify, inter, other = sides[name]
            s = tower[1:](x)  # (b, width)
            r = decode(s)  # (b, d)
            if m.inter_weight:
                terms[f"{name} inter"] = m.inter_weight * binary_cross_entropy(inter(s, other), True)
            if m.intra_weight:
                terms[f"{name} intra"] = m.intra_weight * binary_cross_entropy(intra(r), True)
            if m.label_weight:
                terms[f"{name} label"] = m.label_weight * F.cross_entropy(classify(s), classes)
            if m.reconstruction:
                terms[f"{name} copy"] = m.reconstruction * F.mse_loss(r, x)
        return terms


class CMGANs(NeuralDualEncoder):
    """Cross-modal generative adversarial networks on features.

    Args:
        width: Units of the encoder, of the common representation and of the decoder.
        d_width: Units of the inter-modal discriminators.
        norm: ``"batch"`` or ``"layer"``.
        rounds: Steps of the generators for each step of the discriminators.
        wrong_pair: ``"paper"`` or ``"released"``, see :func:`wrong_pairs`.
        fused: One player for the four discriminators and one for the two generators; False: six players.
        inter_weight, intra_weight, label_weight: Weights of the terms of the generators (1 in the paper); 0 for
            an ablation.
        reconstruction: Weight of the squared error of r (0 in the released code).
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr, beta1: Adam. halve_every: Epochs after which the learning rate is halved.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, batches, wrong pairs.

    With validation pairs, ``history_.watched`` has the accuracy of every discriminator on them after every epoch.
    """

    def __init__(
        self,
        width: int = 1024,
        d_width: int = 512,
        norm: str = "batch",
        rounds: int = 5,
        wrong_pair: str = "paper",
        fused: bool = False,
        inter_weight: float = 1.0,
        intra_weight: float = 1.0,
        label_weight: float = 1.0,
        reconstruction: float = 0.0,
        standardise: bool = False,
        epochs: int = 2000,
        batch_size: int = 64,
        lr: float = 1e-3,
        beta1: float = 0.5,
        halve_every: int = 100,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.width = width
        self.d_width = d_width
        self.norm = norm
        self.rounds = rounds
        self.wrong_pair = wrong_pair
        self.fused = fused
        self.inter_weight = inter_weight
        self.intra_weight = intra_weight
        self.label_weight = label_weight
        self.reconstruction = reconstruction
        self.standardise = standardise
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.beta1 = beta1
        self.halve_every = halve_every
        self.patience = patience
        self.seed = seed

    @property
    def name(self) -> str:
        """As the paper writes it."""
        return "CM-GANs"

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: for two cores; ``smoke``: that for a few epochs.

        ``course`` is one setting for all data sets, chosen by validation MAP on Wikipedia and emoji. The weights of
        the terms are those of the paper, other weights did not help by more than the deviation over seeds.
        """
        if profile == "paper":
            return {}
        course = {"width": 64, "d_width": 64, "norm": "layer", "rounds": 2, "fused": True, "reconstruction": 0.1}
        course |= {"standardise": True, "batch_size": 256, "lr": 3e-3}
        return course | ({"epochs": 3, "patience": None} if profile == "smoke" else {"epochs": 8, "patience": 3})

    def build(self, d_image: int, d_text: int, n_classes: int) -> CMGANsNetwork:
        """A network with fresh weights for features of these sizes."""
        check_choice(self.wrong_pair, WRONG_PAIRS, "form of the wrong pair")
        check_choice(self.norm, NORMS, "normalisation")
        check_positive(self.rounds, "rounds")
        return CMGANsNetwork(d_image, d_text, n_classes, self)

    def players(self, network: Any) -> dict[str, Player]:
        """Who owns what; the shared layer belongs to both generators."""
        n = network
        parts: dict[str, list[nn.Module]] = {
            "D_T": [n.d_t],
            "D_I": [n.d_i],
            "D_CT": [n.d_ct],
            "D_CI": [n.d_ci],
            "G_I": [n.image_tower, n.decode_image, n.classify_image],
            "G_T": [n.text_tower, n.decode_text, n.classify_text],
        }
        if self.fused:
            parts = {who: [m for name, ms in parts.items() if name[0] == who for m in ms] for who in ("D", "G")}
        return {
            name: Player(list(nn.ModuleList(modules).parameters()), self.lr, (self.beta1, 0.999), schedule=self._rate)
            for name, modules in parts.items()
        }

    def _rate(self, progress: float) -> float:
        """Factor on the learning rate: halved every ``halve_every`` epochs."""
        return float(0.5 ** (int(progress * self.epochs) // self.halve_every))

    def discriminator_accuracy(self, data: PairedFeatures) -> dict[str, float]:
        """How often each discriminator tells real from fake, mean of both kinds, 0..1; 0.5 is guessing.

        Fake are reconstructions (D_I, D_T), or the representation of the other modality (D_CI, D_CT).

        Args:
            data: Pairs; every caption with its image.
        """
        n: Any = self.model_
        image, caption = data.pairs()
        i, t = (torch.as_tensor(x, dtype=torch.float32) for x in (data.image[image], data.text[caption]))
        with torch.no_grad():
            i, t = (tower[0](x.to(n.d_i.weight.device)) for tower, x in ((n.image_tower, i), (n.text_tower, t)))
            s_i, s_t = n.image_tower[1:](i), n.text_tower[1:](t)
            answers = {
                "D_I": (n.d_i(i), n.d_i(n.decode_image(s_i))),
                "D_T": (n.d_t(t), n.d_t(n.decode_text(s_t))),
                "D_CI": (n.d_ci(s_i, i), n.d_ci(s_t, i)),
                "D_CT": (n.d_ct(s_t, t), n.d_ct(s_i, t)),
            }
        return {
            name: float((real > 0).float().mean() + (fake < 0).float().mean()) / 2
            for name, (real, fake) in answers.items()
        }

    def watch(self, validation: PairedFeatures) -> dict[str, float]:
        """The accuracy of the discriminators on the validation pairs after every epoch."""
        return self.discriminator_accuracy(validation)

    def turns(self) -> Sequence[str]:
        """One step of every discriminator, then ``rounds`` rounds of the generators."""
        if self.fused:
            return ("D", *("G",) * self.rounds)
        return (*DISCRIMINATORS, *GENERATORS * self.rounds)
