"""Bi-CMR: bidirectional reinforcement guided hashing.

T. Li, X. Yang, B. Wang, C. Xi, H. Zheng, X. Zhou. "Bi-CMR: Bidirectional Reinforcement Guided Hashing for Effective
Cross-Modal Retrieval". AAAI 2022.

Taxonomy: dual encoders whose common space is binary, supervised by labels, no fusion.

Objective. The paper doubts the rule "two items with one label in common are similar": a beach with a dog is no answer
to a kitchen with a dog. Here S_ij = 1 where the *cosine* of two label rows reaches lam. A label net h_l learns codes of
the labels first in every epoch, then all nets learn together:

    S0 = [cos(L, L) >= lam]            warm-up: l(h_l, h_l; S0) + 0.5 cls(c_l)
    S  = [cos(L+, L+) >= lam]          L+ = [L, factor * bits of h_l]: the adjusted similarity
    J  = cor + cls + 0.01 (ssr + m2l + l2m)

cor is the likelihood of S under each code against the label codes; cls a softmax cross-entropy over the labels; ssr
asks the semantic block of each modality to stay close to its input; m2l and l2m are the two directions: codes of the
modalities refine the label codes (which alone move), and label codes guide the modalities (which alone move). The
formulas are in :mod:`xmr_lib.methods.hashing.bicmr_network`. At test the code is the sign of the image or text output.

Ours are the weight ``classes`` of cls and the switch ``centre``; their defaults are the paper's. A softmax over 80
classes costs more than twice what all pair terms cost, which hardly fall below that of outputs of 0, and pulls the
shared layers its way. And where few pairs are similar, one output for all images, against the mean of the label codes,
calls every pair dissimilar and has most pairs right: with ``centre`` the modalities see label codes minus their mean.

What we know of the paper. Its text was not at hand. Losses, nets and rates are those of the released code; that both
heads sit on the output of the semantic block, and which side of m2l and l2m is a constant, is our reading. In the
released code the adjustment does next to nothing (``factor`` 0.01 adds at most 0.0001 per bit to inner products of 1 to
4, so only exact ties of cosine and lam can flip), the rate is halved already after the first epoch, and the best epoch
is taken on the queries. The authors measure against relevance matrices made by hand, which we do not have:
:func:`xmr_lib.metrics.label_cosine_relevance` gives a strict relevance from labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_choice, check_positive
from xmr_lib.methods.hashing.base import check_bits
from xmr_lib.methods.hashing.bicmr_network import BiCMRNetwork
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.methods.hashing.passes import Passes, in_passes
from xmr_lib.training import Player

LOWEST_LR = 1e-6
PAIRS = ("sum", "mean")


class BiCMR(NeuralHashing):
    """Bi-CMR.

    Args:
        bits: Length of the codes.
        image_hidden, text_hidden, label_hidden: Hidden sizes; the last is that of the feature.
        inner: Width inside the semantic block.
        threshold: lam, the cosine of label rows from which on a pair is similar, in 0..1 (the released code: 0.4 for
            MIRFlickr, 0.7 for NUS-WIDE). None: similar = at least one label in common, whatever the codes.
        factor: On the code bits beside the labels in the adjusted similarity; sqrt(mean labels / bits) gives codes and
            labels the same say.
        ssr, m2l, l2m: Weights of the self refinement and of the two directions.
        eta: Share of the image in m2l.
        classes: Weight of cls in the pass of all nets (1 in the paper).
        centre: In cor, image and text see label codes minus their mean over the batch (no, in the paper).
        pairs: m2l and l2m are the ``"sum"`` over the batch for each item, as in the paper, or the ``"mean"``, which is
            smaller by the number of items in the batch and does not grow with it.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        warm_up: Passes of the label net alone over the data in every epoch, before the pass of all nets.
        epochs: Each with both kinds of passes.
        batch_size: Pairs per batch; m2l and l2m grow with it.
        lr, label_lr: Adam, of both modality nets and of the label net.
        halve_every: Epochs until all rates are halved, down to 1e-6; None: never.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, batches.
    """

    version: ClassVar[int] = 2

    def __init__(
        self,
        bits: int = 16,
        image_hidden: Sequence[int] = (8192,),
        text_hidden: Sequence[int] = (1024, 4096),
        label_hidden: Sequence[int] = (1024, 4096),
        inner: int = 1024,
        threshold: float | None = 0.4,
        factor: float = 0.01,
        ssr: float = 0.01,
        m2l: float = 0.01,
        l2m: float = 0.01,
        eta: float = 0.9,
        classes: float = 1.0,
        centre: bool = False,
        pairs: str = "sum",
        standardise: bool = False,
        warm_up: int = 1,
        epochs: int = 120,
        batch_size: int = 128,
        lr: float = 1e-4,
        label_lr: float = 1e-3,
        halve_every: int | None = 20,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.image_hidden = image_hidden
        self.text_hidden = text_hidden
        self.label_hidden = label_hidden
        self.inner = inner
        self.threshold = threshold
        self.factor = factor
        self.ssr = ssr
        self.m2l = m2l
        self.l2m = l2m
        self.eta = eta
        self.classes = classes
        self.centre = centre
        self.pairs = pairs
        self.standardise = standardise
        self.warm_up = warm_up
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.label_lr = label_lr
        self.halve_every = halve_every
        self.patience = patience
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: small and chosen on validation; ``smoke``: that for two epochs.

        ``course`` is one setting for all lengths, chosen by validation MAP on scenes (one seed). With
        ``pairs="sum"`` m2l and l2m, which only ever pull codes together, outweigh the mean of the pair losses: on
        generated rows most bits then were the same for most items.
        """
        if profile == "paper":
            return {}
        course = {"image_hidden": (256,), "text_hidden": (256,), "label_hidden": (256,), "inner": 256, "pairs": "mean"}
        course |= {"standardise": True, "threshold": 0.3, "classes": 0.01, "centre": True, "warm_up": 2, "epochs": 15}
        course |= {"batch_size": 64, "lr": 1e-3, "label_lr": 3e-3, "halve_every": None}
        return course | ({"epochs": 2} if profile == "smoke" else {})

    @property
    def name(self) -> str:
        """How tables and plots call this method."""
        return "Bi-CMR"

    def build(self, d_image: int, d_text: int, n_classes: int) -> BiCMRNetwork:
        """A network with fresh weights for features of these sizes."""
        check_bits(self.bits)
        check_choice(self.pairs, PAIRS, "way to add up pairs")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise InvalidInput(
                f"threshold is a cosine, above 0 and at most 1, but it is {self.threshold}; or pass None."
            )
        if self.factor < 0 or not 0 <= self.eta <= 1:
            raise InvalidInput(f"factor must be 0 or more and eta in 0..1, but they are {self.factor} and {self.eta}.")
        return BiCMRNetwork(d_image, d_text, n_classes, self)

    def batches(self, train: PairedFeatures) -> Any:
        """Every epoch goes over the pairs once per pass."""
        return Passes(super().batches(train), check_positive(self.warm_up, "warm_up") + 1)

    def turns(self) -> Any:
        """The label net in the first passes, all nets in the last."""
        return in_passes({"label": self.warm_up, "joint": 1})

    def players(self, network: Any) -> dict[str, Player]:
        """The label net has a rate of its own, in both passes."""
        label = list(network.label_net.parameters())
        towers = [*network.image_tower.parameters(), *network.text_tower.parameters()]
        joint = [{"params": towers, "lr": self.lr}, {"params": label, "lr": self.label_lr}]
        return {
            "label": Player(label, self.label_lr, (0.5, 0.999), schedule=self._schedule(self.label_lr)),
            "joint": Player(joint, self.lr, (0.5, 0.999), schedule=self._schedule(self.lr)),
        }

    def _schedule(self, lr: float) -> Any:
        """Halved every ``halve_every`` epochs, down to 1e-6."""

        def factor(progress: float) -> float:
            if self.halve_every is None:
                return 1.0
            halvings = int(progress * self.epochs + 1e-9) // self.halve_every
            return max(0.5**halvings, min(1.0, LOWEST_LR / lr))

        return factor
