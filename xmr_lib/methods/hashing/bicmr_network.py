"""The parts of Bi-CMR: its losses, its two modality nets and its label net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork
from xmr_lib.nn import Standardise, feed_forward
from xmr_lib.nn.codes import pair_likelihood
from xmr_lib.nn.graded_relevance import threshold_similarity, with_code_bits
from xmr_lib.processes import gather_rows

if TYPE_CHECKING:
    from xmr_lib.methods.hashing.bicmr import BiCMR


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of every row of ``a`` (b, d) with every row of ``b`` (n, d): (b, n), in -1..1."""
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def modalities_to_labels(label: Tensor, image: Tensor, text: Tensor, eta: float = 0.9) -> Tensor:
    """m2l: label codes become alike where the codes of the modalities are.

    exp(-cos(label)_ij) * (eta exp(cos(image)_ij) + (1 - eta) exp(cos(text)_ij)) for every pair: one that looks alike in
    the modalities costs much while its label codes differ. No pair is ever pushed apart: equal codes for everything
    cost least, and only the other terms stand against that.

    Args:
        label, image, text: (b, bits) outputs. eta: Share of the image in 0..1.

    Returns:
        (b, b). The paper's term is the mean over i of the sum over j, which grows with the batch.

    >>> one = torch.tensor([[1.0, 0.0]])
    >>> modalities_to_labels(one, one, one).item()
    1.0
    """
    wanted = eta * cosines(image, image).exp() + (1 - eta) * cosines(text, text).exp()  # (b, b)
    return (-cosines(label, label)).exp() * wanted


def labels_to_modalities(label: Tensor, image: Tensor, text: Tensor) -> Tensor:
    """l2m: the codes of the modalities become alike where label codes are, inside each modality and across.

    exp(cos(label)_ij) * (exp(-cos(image)_ij) + exp(-cos(text)_ij) + exp(-cos(image_i, text_j))) for every pair; equal
    codes for everything cost least here too.

    Args:
        label, image, text: (b, bits) outputs.

    Returns:
        (b, b). The paper's term is the mean over i of the sum over j.

    >>> one = torch.tensor([[1.0, 0.0]])
    >>> round(labels_to_modalities(one, one, one).item(), 4)
    3.0
    """
    pairs = (image, image), (text, text), (image, text)
    far = sum(((-cosines(a, b)).exp() for a, b in pairs), label.new_zeros(()))  # (b, b)
    return cosines(label, label).exp() * far


def self_refinement(feature: Tensor, refined: Tensor) -> Tensor:
    """ssr: KL(softmax(feature) || softmax(refined)), averaged over all b * d entries, as the released code does.

    A mean over rows would be d times as large: with 8,192 columns and a weight of 0.01 this term is next to nothing.

    Args:
        feature, refined: (b, d).

    >>> self_refinement(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0]])).item()
    0.0
    """
    p, q = feature.log_softmax(dim=1), refined.log_softmax(dim=1)
    return (p.exp() * (p - q)).mean()


def correlation_loss(label: Tensor, image: Tensor, text: Tensor, similarity: Tensor, centre: bool = False) -> Tensor:
    """cor: likelihood of the similarities under the codes of both modalities and of the labels, each against labels.

    2 l(image, label*) + 2 l(text, label*) + l(label*, label); l is the mean of :func:`pair_likelihood`, * a constant.
    The released code adds l(image, label*) and l(label*, image), which are equal, since S is symmetric: hence the 2.

    Where few pairs are similar, an image earns most by one answer to all of them: an output against the mean of
    label* makes every Theta negative. With ``centre`` image and text see label* minus its mean over the batch, and
    that answer earns nothing.

    Args:
        label, image, text: (b, bits). similarity: (b, b) of 0 and 1, symmetric. centre: Ours; the paper has none.

    >>> zero = torch.zeros(1, 2)
    >>> round(correlation_loss(zero, zero, zero, torch.ones(1, 1)).item(), 4)  # 5 ln 2
    3.4657
    """
    constant = label.detach()
    seen = constant - constant.mean(dim=0) if centre else constant  # (b, bits)
    sides = sum((pair_likelihood(side, seen, similarity).mean() for side in (image, text)), label.new_zeros(()))
    return 2 * sides + pair_likelihood(constant, label, similarity).mean()


def multi_label_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """cls: - sum_c L_c log softmax(logits)_c, mean over rows. (b, c), (b, c) -> scalar.

    A softmax has one mass of 1 for all classes: with l labels the loss is l ln l at best, not 0.

    >>> round(multi_label_softmax(torch.zeros(1, 4), torch.tensor([[1.0, 1.0, 0.0, 0.0]])).item(), 4)  # 2 ln 4
    2.7726
    """
    return -(labels * logits.log_softmax(dim=1)).sum(dim=1).mean()


def adjusted_similarity(labels: Tensor, code: Tensor, factor: float, threshold: float | None) -> Tensor:
    """S of the joint pass: [cos(L+, L+) >= threshold], L+ = [L, factor * bits of the label code].

    Without a threshold the rule is "at least one *label* in common", and the code has no say: a bit is no label, and
    hardly two codes have no bit in common.

    Args:
        labels: (b, c) multi-hot. code: (b, bits) outputs of the label net, a constant. factor: 0 or more.
        threshold: In 0..1, or None.

    Returns:
        (b, b) of 0 and 1.

    >>> adjusted_similarity(torch.eye(2), torch.ones(2, 4), 0.01, None).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    rows = labels if threshold is None else with_code_bits(labels, code, factor)  # (b, c) or (b, c + bits)
    return threshold_similarity(rows, rows, threshold)


class Hashed(NamedTuple):
    """What a net says about its rows."""

    feature: Tensor  # (b, d), 0 or more
    refined: Tensor  # (b, d) after the semantic block; the feature itself in the label net
    code: Tensor  # (b, bits), in -1..1
    logits: Tensor  # (b, c)


class HashingNet(nn.Module):
    """Layers to a feature f, a block to g ("semantic", two linear layers without activation), and two heads on g.

    Calling it gives the code alone, (b, d) -> (b, bits); :meth:`hashed` gives all.

    Args:
        d: Input columns. sizes: Hidden sizes; the last is that of the feature. inner: Width inside the block; None: no
            block (the label net). bits, n_classes: Sizes of the heads. standardise: Scale the input.
    """

    def __init__(
        self, d: int, sizes: Sequence[int], inner: int | None, bits: int, n_classes: int, standardise: bool
    ) -> None:
        super().__init__()
        self.scaling = Standardise(d) if standardise else nn.Identity()
        self.layers = feed_forward([d, *sizes], nn.ReLU, activate_last=True)
        self.block = feed_forward([sizes[-1], inner, sizes[-1]], nn.Identity) if inner else nn.Identity()
        self.code_head = nn.Linear(sizes[-1], bits)
        self.label_head = nn.Linear(sizes[-1], n_classes)

    def hashed(self, x: Tensor) -> Hashed:
        """(b, d) -> features, code and class logits of every row."""
        feature = self.layers(self.scaling(x))  # (b, d_feature)
        refined = self.block(feature)
        return Hashed(feature, refined, torch.tanh(self.code_head(refined)), self.label_head(refined))

    def forward(self, x: Tensor) -> Tensor:
        """(b, d) -> (b, bits), in -1..1."""
        return self.hashed(x).code


class BiCMRNetwork(FeatureNetwork):
    """Image net, text net and label net. The players: ``label`` warms the label net up, ``joint`` moves all three."""

    def __init__(self, d_image: int, d_text: int, n_classes: int, method: BiCMR) -> None:
        super().__init__()
        self.method = m = method
        self.image_tower = HashingNet(d_image, m.image_hidden, m.inner, m.bits, n_classes, m.standardise)
        self.text_tower = HashingNet(d_text, m.text_hidden, m.inner, m.bits, n_classes, m.standardise)
        self.label_net = HashingNet(n_classes, m.label_hidden, None, m.bits, n_classes, False)

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features, where the nets begin with them."""
        for net, rows in ((self.image_tower, image), (self.text_tower, text)):
            if isinstance(net.scaling, Standardise):
                net.scaling.learn(rows)

    def _hashed(self, batch: dict[str, Tensor], side: str) -> Hashed:
        """What the net of ``side`` ("image", "text", "labels") says; rows of all processes."""
        net = {"image": self.image_tower, "text": self.text_tower, "labels": self.label_net}[side]
        return Hashed(*(gather_rows(part) for part in net.hashed(batch[side])))  # type: ignore[operator]

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The terms of a player, each with its weight; a term of weight 0 is left out."""
        m, labels, label = self.method, gather_rows(batch["labels"]), self._hashed(batch, "labels")
        if player == "label":
            similarity = threshold_similarity(labels, labels, m.threshold)  # (b, b)
            return {
                "pairs": pair_likelihood(label.code, label.code, similarity).mean(),
                "classes": 0.5 * multi_label_softmax(label.logits, labels),
            }
        image, text = self._hashed(batch, "image"), self._hashed(batch, "text")
        similarity = adjusted_similarity(labels, label.code.detach(), m.factor, m.threshold)  # (b, b)
        terms = {"correlation": correlation_loss(label.code, image.code, text.code, similarity, m.centre)}
        if m.classes:
            of_each = multi_label_softmax(image.logits, labels) + multi_label_softmax(text.logits, labels)
            terms["classes"] = m.classes * of_each
        if m.ssr:
            refinements = (self_refinement(side.feature, side.refined) for side in (image, text))
            terms["self refinement"] = m.ssr * sum(refinements, labels.new_zeros(()))
        if m.m2l:
            guides = image.code.detach(), text.code.detach()
            terms["modalities to labels"] = m.m2l * self._over_pairs(modalities_to_labels(label.code, *guides, m.eta))
        if m.l2m:
            pairs = labels_to_modalities(label.code.detach(), image.code, text.code)
            terms["labels to modalities"] = m.l2m * self._over_pairs(pairs)
        return terms

    def _over_pairs(self, pairs: Tensor) -> Tensor:
        """(b, b) -> the mean over i of the sum, or of the mean, over j."""
        return pairs.sum(dim=1).mean() if self.method.pairs == "sum" else pairs.mean()
