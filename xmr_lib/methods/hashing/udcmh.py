"""UDCMH: unsupervised deep cross-modal hashing with binary latent factors.

G. Wu, Z. Lin, J. Han, L. Liu, G. Ding, B. Zhang, J. Shen. "Unsupervised Deep Hashing via Binary Latent Factor Models
for Large-scale Cross-modal Retrieval". IJCAI 2018, pp. 2854-2860.

Taxonomy: dual encoders, binary, unsupervised, one code matrix for both modalities, no fusion.

Our reconstruction. The paper's text was not at hand and no code of the authors was found. From the abstract we know:
binary latent factors shared by both modalities and never relaxed, a graph that keeps the nearest *and the farthest*
neighbours, weights of the modalities, and turns of feature learning, binary latent learning and hash-function learning.
The form of the objective and all constants are ours:

    min over U_m, B, a:  sum_m a_m^delta [ ||F_m - B U_m||_F^2 + beta graph_m(B) ],   B in {-1, +1}^(n x bits)

with the graph cost of :mod:`xmr_lib.nn.binary_factors`. First U_m, a and B take turns (:func:`learn_codes`); F_m are
the features, centred and scaled to ||F_m||_F^2 = n. Then two networks learn B: min ||net_m(x) - B||^2. One round: the
features stay as they are, so there is no feature learning to take turns with.

No label is used in training: not for B, not for the networks, not to choose an epoch. But two choices of ours were made
with labels in sight, on generated rows (seeds 0 to 2): beta = 0.01, and that neighbours are looked up in features that
are not centred, with ties drawn. None was made on scenes or Wikipedia.

A limit. The graph asks the same of every bit, so it makes bits alike; only the reconstruction makes them differ. The
graph cost grows with the number of bits and the reconstruction does not, so with long codes the same beta weighs more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.base import Codes, binary_codes, check_bits
from xmr_lib.methods.hashing.heads import HashHeads
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.nn import binary_factors as factors
from xmr_lib.nn import feed_forward


@dataclass
class BinaryFactors:
    """What :func:`learn_codes` found.

    Attributes:
        codes: B, (n, bits) float64, -1 or +1.
        weights: a, (2,) image, text; above 0, sum 1.
        objective: J after each of the steps U, a, B, U, a, B, ...; it never rises.
    """

    codes: Matrix
    weights: Matrix
    objective: list[float] = field(default_factory=list)


def learn_codes(
    views: Sequence[Matrix],
    bits: int,
    *,
    near: int = 20,
    far: int = 20,
    beta: float = 0.01,
    delta: float = 2.0,
    sweeps: int = 10,
    seed: int = 0,
) -> BinaryFactors:
    """One binary code per item that explains all views: the steps U, a and B in turn.

    Args:
        views: Per modality (n, d_m) features. bits: K.
        near, far, beta: The graph and its weight. delta: Above 1; how even the modality weights are.
        sweeps: How often every bit of every item is visited; fewer when no bit changes any more.
        seed: Of the codes to start from.

    Raises:
        InvalidInput: ``beta`` below 0, ``delta`` not above 1, more neighbours than items, or a view without variation.
    """
    if beta < 0:
        raise InvalidInput(f"beta is the weight of the graph, 0 or more, but it is {beta:g}.")
    scaled = [factors.prepare_view(view) for view in views]
    graphs = [factors.neighbour_graph(np.asarray(view, dtype=np.float64), near, far, seed) for view in views]
    signed = [graph.signed() for graph in graphs]
    sets = factors.independent_sets(sum(abs(edges) for edges in signed))
    found = BinaryFactors(factors.first_bits(scaled, bits, seed), np.full(len(scaled), 1 / len(scaled)))
    for _ in range(check_positive(sweeps, "sweeps")):
        before = found.codes
        bases = [factors.reconstruction_basis(view, before) for view in scaled]
        costs = _costs(scaled, before, bases, graphs, beta)
        found.objective.append(float(found.weights**delta @ costs))  # after U
        found.weights = factors.view_weights(costs, delta)
        share = found.weights**delta  # a_m^delta
        found.objective.append(float(share @ costs))  # after a
        target = sum(s * view @ basis.T for s, view, basis in zip(share, scaled, bases, strict=True))
        gram = sum(s * basis @ basis.T for s, basis in zip(share, bases, strict=True))
        edges = sum(s * graph for s, graph in zip(share, signed, strict=True))
        found.codes = factors.sweep_bits(before, target, gram, edges, beta, sets)
        found.objective.append(float(share @ _costs(scaled, found.codes, bases, graphs, beta)))  # after B
        if np.array_equal(found.codes, before):
            break
    return found


def _costs(
    views: Sequence[Matrix], codes: Matrix, bases: Sequence[Matrix], graphs: Sequence[factors.Graph], beta: float
) -> Matrix:
    """(2,) c_m of every view."""
    each = zip(views, bases, graphs, strict=True)
    return np.array([factors.view_cost(view, codes, basis, graph, beta) for view, basis, graph in each])


def code_regression(outputs: Tensor, codes: Tensor) -> Tensor:
    """||net(x) - b||^2 per bit, mean over the rows. (b, bits), (b, bits) -> scalar, 0 or more.

    >>> code_regression(torch.tensor([[0.5, -1.0]]), torch.tensor([[1.0, -1.0]])).item()
    0.125
    """
    return (outputs - codes).square().mean()


class UDCMHNetwork(HashHeads):
    """Two networks of one hidden layer that learn the codes of the training pairs."""

    codes: Tensor

    def __init__(self, d_image: int, d_text: int, method: UDCMH) -> None:
        super().__init__(
            d_image, d_text, lambda d: feed_forward([d, method.hidden, method.bits]), standardise=method.standardise
        )

    def learn_from(self, codes: Codes) -> None:
        """Take the codes (n, bits) of the training pairs; they are not stored with the network."""
        self.register_buffer("codes", torch.from_numpy(codes.astype(np.float32)), persistent=False)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """How far the outputs of either side are from the codes."""
        codes = self.codes[batch["image_index"]]  # (b, bits)
        return {side: code_regression(getattr(self, f"{side}_tower")(batch[side]), codes) for side in ("image", "text")}


class UDCMH(NeuralHashing):
    """Unsupervised deep cross-modal hashing, as far as it is known (see the module).

    Args:
        bits: Length of the codes.
        near, far: Nearest and farthest neighbours of each pair in each modality; 0 leaves them out.
        beta: Weight of the graph.
        delta: Above 1; the larger, the more even the weights of the modalities.
        sweeps: How often B is gone over.
        hidden: Units of the hidden layer of each network.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        epochs, batch_size, lr: Adam, for the networks.
        seed: First codes, ties of neighbours, weights, batches.

    Attributes:
        unified_codes_: (n, bits) int8, B of the training pairs.
        weights_: (2,) a of image and text. objective_: J after every step; it never rises.
    """

    supervised = False
    patience = None
    weights_: Matrix
    objective_: Matrix

    def __init__(
        self,
        bits: int = 16,
        near: int = 20,
        far: int = 20,
        beta: float = 0.01,
        delta: float = 2.0,
        sweeps: int = 10,
        hidden: int = 256,
        standardise: bool = True,
        epochs: int = 20,
        batch_size: int = 64,
        lr: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.near = near
        self.far = far
        self.beta = beta
        self.delta = delta
        self.sweeps = sweeps
        self.hidden = hidden
        self.standardise = standardise
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper`` and ``course``: our constants; the paper's are not known to us.

        ``smoke``: fewer sweeps and epochs.
        """
        return {"sweeps": 3, "epochs": 2} if profile == "smoke" else {}

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None, **options: Any) -> Self:
        """Learn the codes of the pairs, then the networks. Labels, if there are any, are not looked at.

        Args:
            train: Pairs. validation: Ignored: to choose an epoch by its labels would be supervision.
            options: As of :func:`xmr_lib.training.train`.
        """
        return super().fit(train, None, **options)

    def sizes(self, train: PairedFeatures) -> dict[str, int]:
        """Columns of the features; there are no classes."""
        return super().sizes(train) | {"n_classes": 0}

    def build(self, d_image: int, d_text: int, n_classes: int) -> UDCMHNetwork:
        """Networks with fresh weights for features of these sizes."""
        check_bits(self.bits)
        return UDCMHNetwork(d_image, d_text, self)

    def _prepare(self, train: PairedFeatures) -> None:
        """The codes of the training pairs, before any network learns."""
        found = learn_codes(
            (train.image, train.text),
            self.bits,
            near=self.near,
            far=self.far,
            beta=self.beta,
            delta=self.delta,
            sweeps=self.sweeps,
            seed=self.seed,
        )
        self.unified_codes_ = binary_codes(found.codes)
        self.weights_, self.objective_ = found.weights, np.array(found.objective)
        network: Any = self.model_
        network.learn_from(self.unified_codes_)

    def _state(self) -> tuple[dict[str, Any], dict[str, Matrix]]:
        values, arrays = super()._state()
        return values, arrays | {key: getattr(self, key) for key in OWN}

    def _set_state(self, values: Mapping[str, Any], arrays: Mapping[str, Matrix]) -> None:
        for key in OWN:
            setattr(self, key, arrays[key])
        super()._set_state(values, {key: array for key, array in arrays.items() if key not in OWN})


OWN = ("unified_codes_", "weights_", "objective_")
"""Arrays that are stored beside the weights of the networks."""
