"""The parts of SSAH: its losses, its three nets, its two discriminators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork
from xmr_lib.nn import Standardise, feed_forward
from xmr_lib.nn.codes import label_similarity, pair_likelihood, sign_codes
from xmr_lib.nn.multi_scale_text import MultiScaleText
from xmr_lib.processes import gather_rows

if TYPE_CHECKING:
    from xmr_lib.methods.hashing.ssah import SSAH


def pair_loss(f: Tensor, g: Tensor, similarity: Tensor, form: str = "likelihood") -> Tensor:
    """How badly the inner products Theta = f g^T / 2 tell similar pairs from dissimilar ones, mean over all pairs.

    ``"likelihood"``  softplus(Theta) - S Theta, as the paper writes it.
    ``"squared"``     (0.999 S Theta - softplus(Theta))^2 / 2, as the released code computes it. No likelihood, but
                      small too where similar pairs have a large Theta and the others a very negative one.

    Args:
        f: (b, d). g: (n, d). similarity: (b, n) of 0 and 1.

    >>> zero = torch.zeros(1, 2)
    >>> round(pair_loss(zero, zero, torch.ones(1, 1)).item(), 4)
    0.6931
    >>> round(pair_loss(zero, zero, torch.ones(1, 1), "squared").item(), 4)
    0.2402
    """
    if form == "likelihood":
        return pair_likelihood(f, g, similarity).mean()
    theta = f @ g.T / 2  # (b, n)
    return (0.999 * similarity * theta - F.softplus(theta)).square().mean() / 2


def discriminator_loss(label_logits: Tensor, modality_logits: Tensor) -> Tensor:
    """Cross-entropy of "is this a label feature (1) or a feature of the modality (0)?", mean of both kinds.

    Args:
        label_logits: (b,) what D says about label features. modality_logits: (b,) about image or text features.

    Returns:
        A scalar; ln 2 when D cannot tell, 0 when it is always sure and right.

    >>> round(discriminator_loss(torch.zeros(3), torch.zeros(3)).item(), 4)
    0.6931
    """
    return (F.softplus(-label_logits).mean() + F.softplus(modality_logits).mean()) / 2


def fooling_loss(modality_logits: Tensor) -> Tensor:
    """What ImgNet and TxtNet minimise: the cross-entropy of D saying "label" about their features. (b,) -> scalar.

    >>> round(fooling_loss(torch.zeros(3)).item(), 4)
    0.6931
    """
    return F.softplus(-modality_logits).mean()


class Semantics(NamedTuple):
    """What each of the three nets says about its rows."""

    feature: Tensor  # (b, d_semantic), 0 or more
    code: Tensor  # (b, bits), in -1..1
    labels: Tensor  # (b, c), in 0..1


class SemanticNet(nn.Module):
    """One of the three nets: layers to a semantic feature, and from there a code and an estimate of the labels.

    Calling it gives the code alone, (b, d) -> (b, bits); :meth:`semantics` gives all three.

    Args:
        d: Input columns. sizes: Hidden sizes; the last is that of the feature. bits, n_classes: Sizes of the heads.
        standardise: Scale the input. windows: Those of the multi-scale text block, or none.
    """

    def __init__(
        self, d: int, sizes: Sequence[int], bits: int, n_classes: int, standardise: bool, windows: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.scaling = Standardise(d) if standardise else nn.Identity()
        self.scales = MultiScaleText(windows) if windows else nn.Identity()
        width = d * (1 + len(windows))  # the block gives the row and one more per window
        self.layers = feed_forward([width, *sizes], nn.ReLU, activate_last=True)
        self.code_head = nn.Linear(sizes[-1], bits)
        self.label_head = nn.Linear(sizes[-1], n_classes)

    def semantics(self, x: Tensor) -> Semantics:
        """(b, d) -> feature, code and label estimate of every row."""
        feature = self.layers(self.scales(self.scaling(x)))  # (b, d_semantic)
        return Semantics(feature, torch.tanh(self.code_head(feature)), torch.sigmoid(self.label_head(feature)))

    def forward(self, x: Tensor) -> Tensor:
        """(b, d) -> (b, bits), in -1..1."""
        return self.semantics(x).code


class SSAHNetwork(FeatureNetwork):
    """LabNet, ImgNet, TxtNet and the two discriminators, and what each of them minimises.

    The players: ``label`` moves LabNet, ``discriminator`` both discriminators, ``image`` ImgNet, ``text`` TxtNet.
    """

    def __init__(self, d_image: int, d_text: int, n_classes: int, method: SSAH) -> None:
        super().__init__()
        self.method = m = method
        windows = m.windows if m.multi_scale else ()
        self.image_tower = SemanticNet(d_image, [*m.image_hidden, m.semantic], m.bits, n_classes, m.standardise)
        self.text_tower = SemanticNet(d_text, [*m.text_hidden, m.semantic], m.bits, n_classes, m.standardise, windows)
        self.label_net = SemanticNet(n_classes, [*m.label_hidden, m.semantic], m.bits, n_classes, m.standardise)
        sizes = [m.semantic, m.semantic, max(m.semantic // 2, 1), 1]
        self.discriminators = nn.ModuleDict({side: feed_forward(sizes) for side in ("image", "text")})

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features, where the nets begin with them."""
        for net, rows in ((self.image_tower, image), (self.text_tower, text)):
            if isinstance(net.scaling, Standardise):
                net.scaling.learn(rows)

    def semantics(self, batch: dict[str, Tensor], side: str) -> Semantics:
        """What the net of ``side`` ("label", "image", "text") says about a batch; rows of all processes."""
        net = {"label": self.label_net, "image": self.image_tower, "text": self.text_tower}[side]
        rows = batch["labels" if side == "label" else side]
        return Semantics(*(gather_rows(part) for part in net.semantics(rows)))  # type: ignore[operator]

    def judge(self, side: str, features: Tensor) -> Tensor:
        """(b, d_semantic) features -> (b,) logits of the discriminator of ``side``: above 0 means "a label feature"."""
        logits: Tensor = self.discriminators[side](features)[:, 0]
        return logits

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The terms of a player, each with its weight; a term of weight 0 is left out."""
        if player == "discriminator":
            return self.discriminator_terms(batch)
        m, labels = self.method, gather_rows(batch["labels"])
        own = self.semantics(batch, player)
        anchor = own if player == "label" else self.constant(batch, "label")
        similarity = label_similarity(labels, labels)  # (b, b)
        seen = anchor.code - anchor.code.mean(dim=0) if m.centre and player != "label" else anchor.code  # (b, bits)
        terms = {"code pairs": m.gamma * pair_loss(own.code, seen, similarity, m.pairs)}
        if m.alpha:
            terms["feature pairs"] = m.alpha * pair_loss(own.feature, anchor.feature, similarity, m.pairs)
        if m.beta:
            terms["quantisation"] = m.beta * F.mse_loss(own.code, self.target(batch, player, own))
        if m.eta:
            terms["labels"] = m.eta * F.mse_loss(own.labels, labels)
        if player != "label" and m.adversary != "off":
            seen = own.feature if m.adversary == "live" else own.feature.detach()
            terms["fooling"] = m.delta * fooling_loss(self.judge(player, seen))
        return terms

    def constant(self, batch: dict[str, Tensor], side: str) -> Semantics:
        """As :meth:`semantics`, without a gradient."""
        with torch.no_grad():
            return self.semantics(batch, side)

    def target(self, batch: dict[str, Tensor], player: str, own: Semantics) -> Tensor:
        """(b, bits) the codes that the outputs of a net are pulled to: B = sgn(H^l + H^v + H^t), or its own signs."""
        if not self.method.shared_codes:
            return sign_codes(own.code.detach())
        others = (self.constant(batch, side).code for side in ("label", "image", "text") if side != player)
        return sign_codes(sum(others, own.code.detach()))

    def discriminator_terms(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Both discriminators, on features that are constants to them."""
        label = self.constant(batch, "label").feature
        losses = [
            discriminator_loss(self.judge(side, label), self.judge(side, self.constant(batch, side).feature))
            for side in ("image", "text")
        ]
        return {"modality": (losses[0] + losses[1]) / 2}
