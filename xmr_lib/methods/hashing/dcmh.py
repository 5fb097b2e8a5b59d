"""DCMH: deep cross-modal hashing.

Q.-Y. Jiang, W.-J. Li. "Deep Cross-Modal Hashing". CVPR 2017, pp. 3270-3278.

Taxonomy: hashing, supervised by pairwise similarity (at least one shared label), one hash function per modality.

Objective. F and G (n x K) are the real outputs of both towers for the n training pairs, B (n x K) in {-1, +1} their
common codes, S_ij = 1 where pairs i and j share a label, Theta = F G^T / 2:

    J = sum_ij [ log(1 + exp Theta_ij) - S_ij Theta_ij ]        likelihood of the similarities
      + gamma ( ||B - F||^2 + ||B - G||^2 )                     quantisation: outputs near their codes
      + eta ( ||F^T 1||^2 + ||G^T 1||^2 )                       balance: every bit is +1 as often as -1

An outer iteration (one epoch here): the image tower sees all pairs in batches, then the text tower, then
B = sgn(F + G). Only the rows of the batch carry a gradient; all other rows are kept from when they were last seen.

Sums and means. J holds n^2 pair terms, n K of quantisation and K of balance, and the released code divides all of it by
b n, with gamma = eta = 1 (``form="sum"``). A term rewritten as a mean needs another weight: what gamma is in the sum
form is gamma K / n in ``form="mean"``.

Paper and this code. The paper trains a CNN-F and a text layer of 8,192 units by plain SGD for 500 iterations; here the
towers work on features and learn by Adam. Adam follows the sign of a gradient more than its size, and then eta = 1,
whose gradient is as large as that of all pairs together, keeps the codes at chance: ``course`` takes eta = 0.001. The
released code draws every batch anew from all pairs; here a pass meets every pair once. The start, F and G from N(0, 1),
and the image tower first, are the released TensorFlow code's; the MATLAB code starts at 0 with the text tower, and its
first B is sgn(0) = 0.

A trap, and a switch of ours. Where few pairs are similar, a constant c for all images and -c for all texts makes every
Theta_ij negative, which is right nearly everywhere: the modalities become mirror images. With ``centre=True`` a tower
learns against the outputs of the other minus their mean over the training pairs, so that a constant earns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from xmr_lib.errors import check_choice
from xmr_lib.methods.hashing.alternating import SIDES, AlternatingHashing, AlternatingNetwork
from xmr_lib.methods.hashing.base import check_bits
from xmr_lib.nn.codes import label_similarity, pair_likelihood, sign_codes
from xmr_lib.processes import Batch

FORMS = ("sum", "mean")


def dcmh_objective(f: Tensor, g: Tensor, similarity: Tensor, codes: Tensor, gamma: float, eta: float) -> Tensor:
    """J in the sum form, over all pairs of items.

    Args:
        f: (n, bits) image outputs. g: (n, bits) text outputs. similarity: (n, n) in {0, 1}.
        codes: (n, bits) in {-1, +1}. gamma, eta: Weights of quantisation and balance.

    Source: CVPR 2017, equation 1.

    >>> f, g, codes = torch.tensor([[1.0]]), torch.tensor([[2.0]]), torch.tensor([[1.0]])
    >>> round(dcmh_objective(f, g, torch.ones(1, 1), codes, gamma=1.0, eta=0.1).item(), 4)  # .3133 + 1 + .5
    1.8133
    """
    pairs = pair_likelihood(f, g, similarity).sum()
    return pairs + code_terms(f, codes, gamma, eta) + code_terms(g, codes, gamma, eta)


def code_terms(outputs: Tensor, codes: Tensor, gamma: float, eta: float) -> Tensor:
    """What one modality adds to J beside the pairs: gamma ||B - F||^2 + eta ||F^T 1||^2. (n, bits) twice -> scalar."""
    return gamma * (codes - outputs).square().sum() + eta * outputs.sum(0).square().sum()


def dcmh_terms(
    outputs: Tensor,
    other: Tensor,
    similarity: Tensor,
    codes: Tensor,
    rest: Tensor,
    gamma: float = 1.0,
    eta: float = 1.0,
    form: str = "sum",
) -> dict[str, Tensor]:
    """The part of J that one batch of one modality changes; the same function serves both towers.

    In the sum form it is J / (b n), so that its gradient, times b n, is that of the paper:

        dJ/dF_i = 1/2 sum_j (sigmoid(Theta_ij) - S_ij) G_j + 2 gamma (F_i - B_i) + 2 eta sum_j F_j

    Args:
        outputs: (b, bits) F of the batch, with gradient. other: (n, bits) G of all pairs, a constant.
        similarity: (b, n) in {0, 1}. codes: (b, bits) B of the batch.
        rest: (bits,) sum of F over the pairs outside the batch, a constant.
        gamma, eta: Weights of quantisation and balance. form: ``"sum"`` (all terms over b n) or ``"mean"`` (each over
            the number of its own entries; the balance is the mean over bits of the squared mean output).

    Returns:
        Three scalars to be added, weights included.
    """
    b, n = similarity.shape
    quantisation = (codes - outputs).square()  # (b, bits)
    balance = (rest + outputs.sum(0)).square()  # (bits,)
    pairs = pair_likelihood(outputs, other, similarity).mean()
    if form == "mean":
        return {"pairs": pairs, "quantisation": gamma * quantisation.mean(), "balance": eta * balance.mean() / n**2}
    return {
        "pairs": pairs,
        "quantisation": gamma * quantisation.sum() / (b * n),
        "balance": eta * balance.sum() / (b * n),
    }


class DCMHNetwork(AlternatingNetwork):
    """Two towers without a last activation, their latest outputs, and the codes B.

    Attributes:
        codes: (n, bits) B, in {-1, +1}.
    """

    codes: Tensor

    def __init__(self, d_image: int, d_text: int, method: DCMH) -> None:
        sizes = [d_image, *method.image_hidden, method.bits], [d_text, *method.text_hidden, method.bits]
        super().__init__(sizes, tanh=False, standardise=method.standardise)
        self.method = method
        self.pair_sum, self.objective = torch.zeros(()), float("nan")

    def remember(self, labels: Tensor, generator: torch.Generator) -> None:
        """Start with F and G from N(0, 1), and B = sgn(F + G)."""
        super().remember(labels, generator)
        for side in SIDES:
            self.latest(side).normal_(generator=generator)
        self.register_buffer("codes", sign_codes(self.image_latest + self.text_latest), persistent=False)

    def forward(self, batch: Batch, player: str, progress: float) -> dict[str, Tensor]:
        """The terms of J / (b n) in which the rows of this tower stand."""
        m = self.method
        outputs, rows = self.renew(batch, player)
        own, other = self.latest(player), self.latest("text" if player == "image" else "image")
        if m.centre:
            other = other - other.mean(dim=0)  # (n, bits)
        similarity = label_similarity(self.labels[rows], self.labels)  # (b, n)
        rest = own.sum(0) - own[rows].sum(0)  # (bits,)
        terms = dcmh_terms(outputs, other, similarity, self.codes[rows], rest, m.gamma, m.eta, m.form)
        if player == "text":  # F stands still, each row of G is met once: over the pass this adds up to J's pair terms
            self.pair_sum = self.pair_sum + terms["pairs"].detach() * similarity.numel()
        return terms

    def after_epoch(self, progress: float) -> None:
        """B = sgn(F + G), the minimiser of J in B; and J, over n^2."""
        f, g, m = self.image_latest, self.text_latest, self.method
        self.codes.copy_(sign_codes(f + g))
        others = code_terms(f, self.codes, m.gamma, m.eta) + code_terms(g, self.codes, m.gamma, m.eta)
        self.objective, self.pair_sum = float(self.pair_sum + others) / len(f) ** 2, torch.zeros(())

    def watch(self) -> dict[str, float]:
        """J of the memory after the last epoch, in the sum form, over n^2."""
        return {"J / n^2": self.objective}


class DCMH(AlternatingHashing):
    """Deep cross-modal hashing. The code is the sign of the output of the tower of the item's own modality.

    ``history_.watched["J / n^2"]`` has the objective after every epoch; with ``centre`` its Theta is the centred one.

    Args:
        bits: K.
        gamma, eta: Weights of quantisation and balance.
        form: ``"sum"``, as the released code, or ``"mean"``; see the head of this file.
        centre: Ours, the paper has none: learn against centred outputs; see the head of this file.
        image_hidden, text_hidden: Hidden sizes of the towers.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr: Outer iterations, pairs per step, rate of Adam.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, start of F and G, batches.
    """

    def __init__(
        self,
        bits: int = 16,
        gamma: float = 1.0,
        eta: float = 1.0,
        form: str = "sum",
        centre: bool = False,
        image_hidden: Sequence[int] = (4096,),
        text_hidden: Sequence[int] = (8192,),
        standardise: bool = False,
        epochs: int = 500,
        batch_size: int = 128,
        lr: float = 1e-3,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.gamma = gamma
        self.eta = eta
        self.form = form
        self.centre = centre
        self.image_hidden = image_hidden
        self.text_hidden = text_hidden
        self.standardise = standardise
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.patience = patience
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: small towers, an eta that Adam can live with, and centred outputs.

        ``course`` is one setting for all lengths and data sets, chosen by validation MAP on scenes (one seed). With
        16 bits more epochs fit the training pairs better and the validation pairs worse.
        """
        if profile == "paper":
            return {}
        course = {"eta": 1e-3, "centre": True, "image_hidden": (256,), "text_hidden": (256,), "standardise": True}
        return course | {"batch_size": 64, "lr": 2e-3, "epochs": 2 if profile == "smoke" else 12}

    def build(self, d_image: int, d_text: int, n_classes: int) -> DCMHNetwork:
        """Towers with fresh weights for features of these sizes."""
        check_bits(self.bits)
        check_choice(self.form, FORMS, "form of the loss")
        return DCMHNetwork(d_image, d_text, self)
