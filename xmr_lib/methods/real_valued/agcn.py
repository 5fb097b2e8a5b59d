"""AGCN: adversarial graph convolutional network.

X. Dong, L. Liu, L. Zhu, L. Nie, H. Zhang. "Adversarial Graph Convolutional Network for Cross-Modal Retrieval". IEEE
Transactions on Circuits and Systems for Video Technology 32(3):1634-1645, 2022.

Taxonomy: dual encoders with a common space, real-valued, supervised by class labels, adversarial, no fusion.

Idea of the paper: one sample may express its topic incompletely, so rebuild it from its neighbours. A local graph
around every item of a modality joins it with its k nearest training items (cosine of the raw features):

    A_ij = exp(cos(x_i, x_j) / tau) on the edges;   A_hat = D^-1/2 (A + I) D^-1/2
    H = ReLU(A_hat X W1);   h_i = ReLU(row_i(A_hat H) W2);   f_i = tanh(W3 [ReLU(V x_i) ; h_i])

W1, W2 and V belong to one modality, W3 to both. P is a linear label head for both sides, D tells images from texts:

    L = L_cls + a L_inv + b L_tri + g L_adv
    L_cls  cross-entropy of the class, P(f) for both sides       L_inv  1/n sum_i |f_i^image - f_i^text|
    L_tri  triplets with texts and images of another class       L_adv  cross-entropy of the modality, D(f)

The gradient of L_adv is reversed between D and the generator, with a strength that grows from 0 to 1.

What differs from the paper: only its abstract could be read, and no code is public. The abstract fixes the local graph
per instance, a generator of graph convolutions and fully connected layers, a discriminator and the minimax game;
formulas, sizes and weights here are our reading. ``V`` is ours: x_i has another size in each modality, so it cannot
meet the shared W3 directly.

Inductive: an item that was not trained on has edges to training items of its own modality only. No label and no
partner enters a graph, test items do not see one another, and training rows stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork, NeuralDualEncoder
from xmr_lib.methods.real_valued.acmr import invariance_loss, label_loss, modality_loss
from xmr_lib.methods.real_valued.dscmr import invariance
from xmr_lib.nn import Standardise, feed_forward, reversal_strength, reverse_gradient
from xmr_lib.nn.graph import LocalGraphs, accept_stored_sizes
from xmr_lib.training import Player


class GraphFeatureGenerator(nn.Module):
    """Features of one modality -> the common space, by way of the neighbours.

    A_hat X of the training rows never changes, so it is computed once (``smooth``), and a batch only needs H at its own
    items and their neighbours: exact, and little dearer than a plain network.

    Args:
        d: Size of the features. output: The layer W3, (2 width) -> d_common, which both modalities share.
    """

    smooth: Tensor

    def __init__(self, d: int, output: nn.Module, method: AGCN) -> None:
        super().__init__()
        self.graph = LocalGraphs(method.k, method.tau, method.neighbours, method.seed)
        self.scaling = Standardise(d) if method.standardise else nn.Identity()
        self.first, self.second = nn.Linear(d, method.width), nn.Linear(method.width, method.width)
        self.own = nn.Linear(d, method.width)
        self.dropout = nn.Dropout(method.dropout)
        self.output = output
        self.register_buffer("smooth", torch.empty(0))

    def learn(self, rows: Matrix) -> None:
        """Take the training rows (n, d) as the gallery."""
        if isinstance(self.scaling, Standardise):
            self.scaling.learn(rows)
        gallery = torch.as_tensor(rows, dtype=torch.float32)
        self.graph.learn(gallery)
        x, everyone = self.scaling(gallery), torch.arange(len(gallery))
        self.smooth = torch.cat([self.graph.training_edges(e).mix(x[e], x) for e in everyone.split(256)])

    def forward(self, x: Tensor, items: Tensor | None = None) -> Tensor:
        """(b, d) -> (b, d_common).

        Args:
            x: Raw features.
            items: (b,) numbers of the training rows that ``x`` holds. None: new items, which look up their neighbours.
        """
        scaled = self.scaling(x)
        edges = self.graph.look_up(x) if items is None else self.graph.training_edges(items)
        nodes, place = edges.index.unique(return_inverse=True)  # each neighbour is computed once
        edges = replace(edges, index=place)
        own = edges.mix(scaled, self.scaling(self.graph.rows[nodes])) if items is None else self.smooth[items]
        hidden = self._hidden(torch.cat([own, self.smooth[nodes]]))  # H: first the items, then their neighbours
        mixed = edges.mix(hidden[: len(x)], hidden[len(x) :])  # (b, width) row_i(A_hat H)
        rebuilt = torch.relu(self.second(mixed))  # h_i
        itself = torch.relu(self.own(self.dropout(scaled)))
        return torch.tanh(self.output(self.dropout(torch.cat([itself, rebuilt], dim=1))))

    def _hidden(self, mixed: Tensor) -> Tensor:
        """H = ReLU(A_hat X W1) from rows of A_hat X."""
        return torch.relu(self.first(self.dropout(mixed)))

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *args: Any) -> None:
        accept_stored_sizes(self, state, prefix, ("smooth",))
        super()._load_from_state_dict(state, prefix, *args)


class AGCNNetwork(FeatureNetwork):
    """Two graph feature generators that end in one layer, a label head, and the graph feature discriminator."""

    image_tower: GraphFeatureGenerator
    text_tower: GraphFeatureGenerator

    def __init__(self, d_image: int, d_text: int, n_classes: int, method: AGCN) -> None:
        super().__init__()
        self.method = method
        d = method.d_common
        output = nn.Linear(2 * method.width, d)
        self.image_tower = GraphFeatureGenerator(d_image, output, method)
        self.text_tower = GraphFeatureGenerator(d_text, output, method)
        self.label_head = nn.Linear(d, n_classes)
        self.discriminator = feed_forward([d, max(d // 2, 2), 2], nn.ReLU)

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features, and the graph between them."""
        self.image_tower.learn(image)
        self.text_tower.learn(text)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """L_cls, a L_inv, b L_tri and g L_adv."""
        m, classes = self.method, batch["classes"]
        image = self.image_tower(batch["image"], batch["image_index"])  # (b, d)
        text = self.text_tower(batch["text"], batch["text_index"])
        terms = {"label": label_loss(self.label_head(image), self.label_head(text), classes)}
        if m.a:
            terms["invariance"] = m.a * invariance(image, text)
        if m.b:
            terms["triplet"] = m.b * invariance_loss(image, text, classes, m.margin, m.triplets)
        if m.g:
            strength = reversal_strength(progress)
            seen_image, seen_text = reverse_gradient(image, strength), reverse_gradient(text, strength)
            terms["modality"] = m.g * modality_loss(self.discriminator(seen_image), self.discriminator(seen_text))
        return terms


class AGCN(NeuralDualEncoder):
    """Adversarial graph convolutional network, with inductive neighbours.

    ``encode_image`` and ``encode_text`` treat every row as new: a training row that is encoded again finds itself as
    its nearest neighbour.

    Args:
        k: Neighbours of each item; 0 makes the generator a plain network.
        tau: Temperature of the edge weights.
        neighbours: ``"true"``, or ``"random"`` for the control experiment.
        width: Hidden units. d_common: Dimensions of the common space.
        a, b, g: Weights of invariance, triplets and adversarial term.
        margin: Of the triplets, in Euclidean distance. triplets: Their form, as in ACMR's ``invariance_loss``.
        dropout: Rate on the inputs of every linear layer but the graph's second.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs (not for the neighbours).
        epochs, batch_size, lr, beta1: Adam.
        patience: Epochs without a better validation MAP before training stops; None: never.
        seed: Weights, batches, random neighbours.
    """

    def __init__(
        self,
        k: int = 10,
        tau: float = 1.0,
        neighbours: str = "true",
        width: int = 128,
        d_common: int = 40,
        a: float = 0.1,
        b: float = 1.0,
        g: float = 1.0,
        margin: float = 1.0,
        triplets: str = "all",
        dropout: float = 0.0,
        standardise: bool = False,
        epochs: int = 60,
        batch_size: int = 64,
        lr: float = 1e-3,
        beta1: float = 0.9,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.k = k
        self.tau = tau
        self.neighbours = neighbours
        self.width = width
        self.d_common = d_common
        self.a = a
        self.b = b
        self.g = g
        self.margin = margin
        self.triplets = triplets
        self.dropout = dropout
        self.standardise = standardise
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.beta1 = beta1
        self.patience = patience
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: for two cores; ``smoke``: that for a few epochs.

        ``course`` is one setting for all data sets, chosen by validation MAP on Wikipedia and emoji.
        """
        if profile == "paper":
            return {}
        course = {"k": 5, "dropout": 0.3, "standardise": True, "batch_size": 256, "lr": 6e-3}
        return course | ({"epochs": 3, "patience": None} if profile == "smoke" else {"epochs": 8, "patience": 3})

    def build(self, d_image: int, d_text: int, n_classes: int) -> AGCNNetwork:
        """A network with fresh weights for features of these sizes."""
        return AGCNNetwork(d_image, d_text, n_classes, self)

    def players(self, network: Any) -> dict[str, Player]:
        """One optimiser for all: the reversed gradient makes it a game."""
        return {"all": Player(list(network.parameters()), self.lr, (self.beta1, 0.999))}
