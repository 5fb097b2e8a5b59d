"""DCHUC: hash functions and unified codes of the database, learnt together.

R.-C. Tu, X.-L. Mao, B. Ma, Y. Hu, T. Yan, W. Wei, H. Huang. "Deep Cross-Modal Hashing With Hashing Functions and
Unified Hash Codes Jointly Learning". IEEE TKDE 34(2), 2022.

Taxonomy: hashing, supervised, asymmetric: hash functions for queries, and for each training pair one code of its own.

Objective. V (N x K) in {-1, +1} are the codes of the N training pairs. Each outer iteration draws m of them, Omega; U
and G (m x K) are the outputs (tanh) of the image and the text tower on Omega, W (K x C) predicts the labels L from
codes, and S_ij = 1 where items share a label, else -r, with r = similar / dissimilar pairs of the block, so that the
targets sum to 0:

    J = ||U V^T - K S||^2 + ||G V^T - K S||^2 + mu ||U G^T - K S_Omega||^2 + gamma ||V_Omega - (U + G)/2||^2
      + alpha ( ||U W - L_Omega||^2 + ||G W - L_Omega||^2 ) + beta ||V W - L||^2 + eta ||W||^2

An outer iteration (one epoch here): ``rounds`` times image pass and text pass over Omega, on J / (N b) with all else
constant; then V bit by bit (``dcc_step``), then W (``label_ridge``). Both of these only lower J.

Two databases. ``unified_codes_`` is V, which is made from the labels of the training pairs: as a database it is known
better than any hash function knows an item, and it has no code for a new one (protocol "unified"). The strict protocol
codes the database with the towers, like every other method here.

Paper and this code. The text of the paper was not at hand; constants and steps are as in the released code as we know
it, with these differences. Its V step has a slip of parentheses: text and label parts count twice, so that J can rise
(``slip=True``). It forgets U and G at every outer iteration, so that each first image pass meets a text side of zeros;
here an output is kept until the pair is drawn again. Its first V can hold zeros; here V starts as random signs. It
trains an AlexNet by plain SGD; here the towers work on features and learn by Adam.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.batches import PairBatches
from xmr_lib.errors import check_positive
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.alternating import AlternatingHashing, AlternatingNetwork
from xmr_lib.methods.hashing.base import binary_codes, check_bits, hashing_pairs
from xmr_lib.methods.hashing.dchuc_steps import balance_ratio, dcc_step, dchuc_objective, drawn_pairs, label_ridge
from xmr_lib.nn.codes import label_similarity, sign_codes
from xmr_lib.players import History, Player
from xmr_lib.processes import Batch


class DCHUCNetwork(AlternatingNetwork):
    """Two towers that end in tanh, and what is not learnt by gradient.

    Attributes:
        codes: (N, bits) int8, V: stored with the weights.
        label_map: (bits, c) W. omega: (m,) the pairs of this epoch. ratio: r of this epoch.
    """

    codes: Tensor
    label_map: Tensor
    omega: Tensor

    def __init__(self, d_image: int, d_text: int, n_classes: int, n_pairs: int, method: DCHUC) -> None:
        sizes = [d_image, *method.image_hidden, method.bits], [d_text, *method.text_hidden, method.bits]
        super().__init__(sizes, tanh=True, standardise=method.standardise, dropout=method.dropout)
        self.method, self.ratio, self.objective = method, 0.0, float("nan")
        self.register_buffer("codes", torch.ones(n_pairs, method.bits, dtype=torch.int8))
        self.register_buffer("label_map", torch.zeros(method.bits, n_classes), persistent=False)
        self.register_buffer("omega", torch.zeros(0, dtype=torch.int64), persistent=False)

    def remember(self, labels: Tensor, generator: torch.Generator) -> None:
        """Start with V from random signs, W fitted to it, and the pairs of the first epoch."""
        super().remember(labels, generator)
        self.codes.copy_(sign_codes(torch.randn(self.codes.shape, generator=generator)))
        self._draw(0)
        self.label_map.copy_(self._ridge())

    def forward(self, batch: Batch, player: str, progress: float) -> dict[str, Tensor]:
        """The terms of J / (N b) in which the rows of this tower stand."""
        m, bits = self.method, self.bits
        outputs, rows = self.renew(batch, player)  # (b, bits), (b,)
        other, codes = self.latest("text" if player == "image" else "image"), self.codes.to(outputs)
        target = bits * self._target(rows)  # (b, N)
        terms = {
            "codes": (outputs @ codes.T - target).square().sum(),
            "other modality": m.mu * (outputs @ other[self.omega].T - target[:, self.omega]).square().sum(),
            "quantisation": m.gamma * (codes[rows] - (outputs + other[rows]) / 2).square().sum(),
            "labels": m.alpha * (outputs @ self.label_map - self.labels[rows]).square().sum(),
        }
        return {name: term / target.numel() for name, term in terms.items()}

    def after_epoch(self, progress: float) -> None:
        """V bit by bit, W, J over N m; then the pairs of the next epoch."""
        m, omega, target = self.method, self.omega, self._target(self.omega)
        u, g, codes = self.image_latest[omega], self.text_latest[omega], self.codes.to(self.labels)
        for k in range(self.bits):
            codes[:, k] = dcc_step(
                k, codes, u, g, self.label_map, target, self.labels, omega, gamma=m.gamma, beta=m.beta, slip=m.slip
            )
        self.codes.copy_(codes)
        self.label_map.copy_(self._ridge())
        weights = {"gamma": m.gamma, "alpha": m.alpha, "mu": m.mu, "eta": m.eta, "beta": m.beta}
        objective = dchuc_objective(u, g, codes, self.label_map, target, self.labels, omega, **weights)
        self.objective = float(objective) / target.numel()
        self._draw(round(progress * m.epochs))

    def watch(self) -> dict[str, float]:
        """J after the last epoch, over N m; every epoch has other pairs in Omega."""
        return {"J / (N m)": self.objective}

    def _target(self, rows: Tensor) -> Tensor:
        similarity = label_similarity(self.labels[rows], self.labels)
        return torch.where(similarity > 0, similarity, -self.ratio)

    def _ridge(self) -> Tensor:
        m, u, g = self.method, self.image_latest[self.omega], self.text_latest[self.omega]
        codes = self.codes.to(u)
        return label_ridge(u, g, codes, self.labels, self.omega, alpha=m.alpha, beta=m.beta, eta=m.eta)

    def _draw(self, epoch: int) -> None:
        n = len(self.labels)
        self.omega = drawn_pairs(n, self.method.sample, self.method.seed, epoch).to(self.labels.device)
        self.ratio = balance_ratio(label_similarity(self.labels[self.omega], self.labels))


class DCHUC(AlternatingHashing):
    """Deep cross-modal hashing with hash functions and unified codes.

    ``unified_codes_`` are the codes of the training pairs; ``history_.watched["J / (N m)"]`` the objective by epoch.

    Args:
        bits: K.
        gamma, alpha, mu, eta, beta: Weights of J, see the head of this file.
        sample: m, the pairs drawn for each epoch; all, where there are fewer.
        rounds: Image pass and text pass so many times per epoch.
        slip: The V step of the released code.
        image_hidden, text_hidden: Hidden sizes of the towers. dropout: After the hidden layers of the text tower.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size: Outer iterations, pairs per step.
        lr, weight_decay: Of Adam; the rate is divided by 1.5 after one and after two thirds of the training.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, start of V, drawn pairs, batches.
    """

    def __init__(
        self,
        bits: int = 16,
        gamma: float = 200.0,
        alpha: float = 50.0,
        mu: float = 50.0,
        eta: float = 50.0,
        beta: float = 1.0,
        sample: int = 2000,
        rounds: int = 3,
        slip: bool = False,
        image_hidden: Sequence[int] = (4096,),
        text_hidden: Sequence[int] = (10_240,),
        dropout: float = 0.5,
        standardise: bool = False,
        epochs: int = 30,
        batch_size: int = 64,
        lr: float = 1e-3,
        weight_decay: float = 5e-4,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.gamma = gamma
        self.alpha = alpha
        self.mu = mu
        self.eta = eta
        self.beta = beta
        self.sample = sample
        self.rounds = rounds
        self.slip = slip
        self.image_hidden = image_hidden
        self.text_hidden = text_hidden
        self.dropout = dropout
        self.standardise = standardise
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.patience = patience
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: small towers, fewer pairs per epoch, and mu = 1.

        ``course`` is one setting for all lengths and data sets, chosen by validation MAP on scenes and on generated
        rows (one seed). With the paper's mu = 50 the term between the towers outweighs the one that ties them to V, and
        then V is hardly a better database than the codes of the towers.
        """
        if profile == "paper":
            return {}
        course = {"image_hidden": (256,), "text_hidden": (256,), "sample": 500, "mu": 1.0, "standardise": True}
        return course | {"epochs": 2 if profile == "smoke" else 15}

    def build(self, d_image: int, d_text: int, n_classes: int, n_pairs: int) -> DCHUCNetwork:  # type: ignore[override]
        """Towers with fresh weights for features of these sizes, and room for the codes of ``n_pairs`` pairs."""
        check_bits(self.bits)
        check_positive(self.sample, "sample")
        check_positive(self.rounds, "rounds")
        return DCHUCNetwork(d_image, d_text, n_classes, n_pairs, self)

    def sizes(self, train: PairedFeatures) -> dict[str, int]:
        """The number of pairs too: the network holds their codes."""
        return super().sizes(train) | {"n_pairs": train.n_images}

    def players(self, network: Any) -> dict[str, Player]:
        """One optimiser per tower, with the steps of the released schedule."""
        return {
            side: Player(
                player.parameters, self.lr, weight_decay=self.weight_decay, schedule=lambda p: 1.5 ** -int(3 * p)
            )
            for side, player in super().players(network).items()
        }

    def batches(self, train: PairedFeatures) -> Any:
        """Every epoch goes over its drawn pairs once per pass, each time in another order."""
        hashing_pairs(train, self.name)
        passes = 2 * self.rounds

        def epoch_batches(epoch: int) -> list[Batch]:
            omega = drawn_pairs(train.n_images, self.sample, self.seed, epoch)
            one_pass = PairBatches(train.subset(omega.numpy()), self.batch_size, self.seed)
            found = [batch for k in range(passes) for batch in one_pass(epoch * passes + k)]
            return [batch | {"image_index": omega[batch["image_index"]]} for batch in found]

        return epoch_batches

    def _train(self, network: Any, batches: Any, check: Any, **options: Any) -> History:
        history = super()._train(network, batches, check, **options)
        self.unified_codes_ = binary_codes(network.codes)
        return history

    def _set_state(self, values: Mapping[str, Any], arrays: Mapping[str, Matrix]) -> None:
        super()._set_state(values, arrays)
        network: Any = self.model_
        self.unified_codes_ = binary_codes(network.codes)
