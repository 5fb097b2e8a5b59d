"""SSAH: self-supervised adversarial hashing.

C. Li, C. Deng, N. Li, W. Liu, X. Gao, D. Tao. "Self-Supervised Adversarial Hashing Networks for Cross-Modal Retrieval".
CVPR 2018, pp. 4242-4251.

Taxonomy: dual encoders whose common space is binary, supervised by labels, adversarial, no fusion.

Objective. LabNet reads the labels of an item, ImgNet its image features, TxtNet its word counts. Each net * gives a
semantic feature f*, a code h* (tanh) and an estimate c* of the labels. LabNet learns first in every round ("self-
supervised": its input is its target) and is the anchor, Phi = f^l and H = h^l, a constant for the two others:

    J* = alpha  sum_ij [ sp(T1_ij) - S_ij T1_ij ]     T1 = f* Phi' / 2      features of pairs
       + gamma  sum_ij [ sp(T2_ij) - S_ij T2_ij ]     T2 = h* H' / 2        codes of pairs
       + beta   ||h* - B||^2                          B = sgn(H^l + H^v + H^t)
       + eta    ||c* - L||^2
       + delta  sum_i sp(-D*(f*_i))                   ImgNet and TxtNet only: D shall say "label"
    J_D = cross-entropy of D telling label features from image features, and another D label from text features

S_ij = 1 where i and j share a label; sp = softplus. A round of training is: LabNet, discriminators, ImgNet, TxtNet,
each for some passes over the data. At test the code is sgn(h^v) or sgn(h^t).

What we know of the paper. Its text was not at hand. Nets, order of training and rates are those of the released code;
the weights alpha = gamma = 1, beta = eta = 1e-4 are from memory, and delta = 1 is ours. Here every term is a *mean*
over its entries, so that no weight depends on the size of the batch; a quantisation weight of 1 is then much more than
in a sum over pairs, and hurts. Ours is also ``centre``: where few pairs are similar, an ImgNet whose outputs all lie
against the mean of H calls every pair dissimilar and has most pairs right; without that mean there is no such answer.
Left out: the response normalisation after the hidden layers, and the early end of a
block of passes. The pair terms see the pairs inside a batch.

The released code differs from the objective, and :data:`RELEASED` is the set of switches for it. Its discriminator is
fed from a buffer when ImgNet and TxtNet learn, so the adversarial term has no gradient to them; and as its optimiser
moves all weights it can reach, that step trains the discriminator *towards* being fooled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.base import Codes, binary_codes, check_bits
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.methods.hashing.passes import Passes, in_passes
from xmr_lib.methods.hashing.ssah_network import SSAHNetwork, discriminator_loss
from xmr_lib.nn import Standardise
from xmr_lib.nn.multi_scale_text import WINDOWS
from xmr_lib.training import Player

ADVERSARIES = ("live", "released", "off")
PAIRS = ("likelihood", "squared")
PLAYERS = ("label", "discriminator", "image", "text")

RELEASED: dict[str, Any] = {
    "adversary": "released",  # the adversarial term moves the discriminators, never the nets
    "pairs": "squared",  # no likelihood
    "shared_codes": False,  # every net is pulled to its own signs
}


class SSAH(NeuralHashing):
    """Self-supervised adversarial hashing.

    Args:
        bits: Length of the codes.
        semantic: Dimensions of the semantic features.
        image_hidden, text_hidden, label_hidden: Hidden sizes in front of the semantic feature.
        multi_scale: TxtNet begins with the multi-scale block. windows: Its windows, in words.
        alpha, beta, gamma, delta, eta: Weights of the feature pairs, the quantisation, the code pairs, the adversary
            and the labels.
        pairs: ``"likelihood"``, or ``"squared"`` as the released code.
        adversary: ``"live"``: the discriminator sees the features of the net that learns; ``"released"``: it sees
            copies, and is itself moved towards being fooled; ``"off"``: it learns, but nobody tries to fool it.
        shared_codes: Pull the outputs to B, or (False, as the released code) each net's to its own signs.
        centre: ImgNet and TxtNet see H minus its mean over the batch in the code pairs (no, in the paper).
        standardise: Scale every input feature, and every label for LabNet, to mean 0 and deviation 1 of the training
            pairs.
        passes: Over the data in one round, of LabNet, the discriminators, ImgNet and TxtNet (the released code: at most
            15, 2, 27 and 27).
        epochs: Rounds.
        batch_size: Pairs per batch.
        lr, discriminator_lr, image_lr, text_lr: Adam, in the first round; lr is that of LabNet.
        decay: Factor on all rates from round to round. The released 0.32 leaves next to nothing after five rounds.
        patience: Rounds without a better validation MAP before training stops; None: never.
        seed: Weights, batches.

    With validation pairs, ``history_.watched`` has the discriminators' loss and accuracy on them after every round.
    """

    version: ClassVar[int] = 2

    def __init__(
        self,
        bits: int = 16,
        semantic: int = 512,
        image_hidden: Sequence[int] = (),
        text_hidden: Sequence[int] = (4096,),
        label_hidden: Sequence[int] = (4096,),
        multi_scale: bool = True,
        windows: Sequence[int] = WINDOWS,
        alpha: float = 1.0,
        beta: float = 1e-4,
        gamma: float = 1.0,
        delta: float = 1.0,
        eta: float = 1e-4,
        pairs: str = "likelihood",
        adversary: str = "live",
        shared_codes: bool = True,
        centre: bool = False,
        standardise: bool = False,
        passes: Sequence[int] = (15, 2, 27, 27),
        epochs: int = 10,
        batch_size: int = 128,
        lr: float = 1e-2,
        discriminator_lr: float = 1e-3,
        image_lr: float = 10**-4.5,
        text_lr: float = 10**-3.5,
        decay: float = 10**-0.5,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.semantic = semantic
        self.image_hidden = image_hidden
        self.text_hidden = text_hidden
        self.label_hidden = label_hidden
        self.multi_scale = multi_scale
        self.windows = windows
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.delta = delta
        self.eta = eta
        self.pairs = pairs
        self.adversary = adversary
        self.shared_codes = shared_codes
        self.centre = centre
        self.standardise = standardise
        self.passes = passes
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.discriminator_lr = discriminator_lr
        self.image_lr = image_lr
        self.text_lr = text_lr
        self.decay = decay
        self.patience = patience
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: small and chosen on validation; ``smoke``: that for two rounds.

        ``course`` is one setting for all lengths, chosen by validation MAP on scenes (one seed), where two scenes
        seldom share a label. LabNet decides: with a layer more, labels as they are and a rate of 1e-2 its pair loss
        falls as far, but its codes of 64 bits fill some 17 directions (effective rank), not 40 or more, and the others
        cannot learn more of the labels than these codes hold.
        """
        if profile == "paper":
            return {}
        course: dict[str, Any] = {"semantic": 256, "text_hidden": (), "label_hidden": (), "multi_scale": False}
        course |= {"standardise": True, "centre": True, "passes": (5, 1, 3, 3), "epochs": 6, "decay": 1.0}
        course |= {"alpha": 0.0, "beta": 0.1, "delta": 0.01, "eta": 1.0}
        course |= {"lr": 1e-3, "discriminator_lr": 3e-4, "image_lr": 1e-3, "text_lr": 1e-3}
        return course | ({"epochs": 2} if profile == "smoke" else {})

    def build(self, d_image: int, d_text: int, n_classes: int) -> SSAHNetwork:
        """A network with fresh weights for features of these sizes."""
        check_bits(self.bits)
        check_choice(self.adversary, ADVERSARIES, "adversary")
        check_choice(self.pairs, PAIRS, "form of the pair loss")
        return SSAHNetwork(d_image, d_text, n_classes, self)

    def _prepare(self, train: PairedFeatures) -> None:
        """LabNet scales its input as the two others do."""
        network: Any = self.model_
        if train.labels is not None and isinstance(network.label_net.scaling, Standardise):
            network.label_net.scaling.learn(np.asarray(train.labels, dtype=np.float32))

    def batches(self, train: PairedFeatures) -> Any:
        """A round of training goes over the pairs once for every pass of every player."""
        if len(self.passes) != len(PLAYERS) or min(self.passes) < 1:
            raise InvalidInput(f"passes must be four numbers of 1 or more, {PLAYERS}, but it is {list(self.passes)}.")
        return Passes(super().batches(train), sum(self.passes))

    def turns(self) -> Any:
        """LabNet for its passes, then the discriminators, ImgNet, TxtNet."""
        return in_passes(dict(zip(PLAYERS, self.passes, strict=True)))

    def players(self, network: Any) -> dict[str, Player]:
        """Who moves what. In the released code the nets' steps move the discriminators too."""
        rates = dict(zip(PLAYERS, (self.lr, self.discriminator_lr, self.image_lr, self.text_lr), strict=True))
        owned = {
            "label": list(network.label_net.parameters()),
            "discriminator": list(network.discriminators.parameters()),
            "image": list(network.image_tower.parameters()),
            "text": list(network.text_tower.parameters()),
        }
        if self.adversary == "released":
            for side in ("image", "text"):
                owned[side] += list(network.discriminators[side].parameters())

        def schedule(progress: float) -> float:
            return float(self.decay ** int(progress * self.epochs + 1e-9))

        return {name: Player(weights, rates[name], schedule=schedule) for name, weights in owned.items()}

    def encode_labels(self, labels: Any) -> Codes:
        """LabNet's codes, (n, c) multi-hot labels -> (n, bits) int8: what the other nets are taught.

        No item of a test has them; they show how good the teacher is.

        Raises:
            InvalidInput: Not fitted, or another number of labels than in training.
        """
        self._check_fitted()
        rows = torch.from_numpy(np.asarray(labels, dtype=np.float32))
        if rows.ndim != 2 or rows.shape[1] != self.sizes_["n_classes"]:
            raise InvalidInput(
                f"The labels must have shape (rows, {self.sizes_['n_classes']}) as in training, but it is "
                f"{tuple(rows.shape)}."
            )
        network: Any = self.model_
        with torch.inference_mode():
            return binary_codes(network.label_net(rows.to(next(network.parameters()).device)).cpu().numpy())

    def discriminators_on(self, data: PairedFeatures) -> dict[str, float]:
        """Loss and accuracy of the discriminators, means of both; ln 2 and 0.5 where they cannot tell.

        Args:
            data: Pairs with labels.
        """
        network: Any = self.model_
        device = next(network.parameters()).device
        inputs: dict[str, Matrix | None] = {"image": data.image, "text": data.text, "label": data.labels}
        nets = {"image": network.image_tower, "text": network.text_tower, "label": network.label_net}
        losses, right = [], []
        with torch.inference_mode():
            feature = {
                side: net.semantics(torch.from_numpy(np.asarray(inputs[side], dtype=np.float32)).to(device)).feature
                for side, net in nets.items()
            }
            for side in ("image", "text"):
                label, modality = network.judge(side, feature["label"]), network.judge(side, feature[side])  # (n,)
                losses.append(float(discriminator_loss(label, modality)))
                right += [float((label > 0).float().mean()), float((modality <= 0).float().mean())]
        return {"discriminator loss": float(np.mean(losses)), "discriminator accuracy": float(np.mean(right))}

    def watch(self, validation: PairedFeatures) -> dict[str, float]:
        """How well the discriminators tell the validation features apart after every round."""
        return self.discriminators_on(validation)
