"""Plain training loops in the manner of the released code of ACMR and DSCMR, written for ``training.py``.

None of it is their code. It follows what is known about them: both go through the pairs in their stored order; Adam
with beta1 .5 and learning rate 1e-4 (here as a PyTorch user writes it: ``torch.optim.Adam`` with its defaults, which on
a CPU updates one weight matrix after the other); a ``DataLoader`` without workers that collects a batch item by item.

ACMR's demo (TensorFlow 1): label head at its random weights, 100 * cross-entropy, one triplet hinge per batch on
summed squared distances, the negative of each item found in a loop over the batch (another class, most similar input
feature); then a second pass that trains the discriminator alone. It ranks by Euclidean distance.

DSCMR (PyTorch): three cosine matrices per batch from scratch, log(1 + exp(x)) written out, label similarities from
one-hot rows; MAP after every epoch by two Python loops over queries and ranks. It ranks by cosine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from xmr_lib.data.base import PairedFeatures


class Pairs(Dataset[tuple[Tensor, Tensor, int]]):
    """One pair at a time."""

    def __init__(self, data: PairedFeatures) -> None:
        self.image, self.text, self.classes = data.image, data.text, data.labels.argmax(axis=1)

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        return torch.from_numpy(self.image[index]), torch.from_numpy(self.text[index]), int(self.classes[index])


def train_as_released(network: Any, data: PairedFeatures, method: Any, epochs: int) -> Iterator[int]:
    """Train with the settings of ``method``; yields after every epoch."""
    loader = DataLoader(Pairs(data), batch_size=method.batch_size, shuffle=False)
    optimisers = [torch.optim.Adam(part, lr=method.lr, betas=(method.beta1, 0.999)) for part in network.players()]
    for epoch in range(epochs):
        for image, text, classes in loader:
            network.step(image, text, classes, optimisers)
        yield epoch


class ReleasedACMR(nn.Module):
    """ACMR as its triplet demo trains it, with the weights of ``network`` to begin with."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.image_tower, self.text_tower = copy.deepcopy(network.image_tower), copy.deepcopy(network.text_tower)
        self.label_head, self.discriminator = copy.deepcopy(network.label_head), copy.deepcopy(network.discriminator)

    def players(self) -> list[list[nn.Parameter]]:
        """The projectors; the discriminator. The label head is in no list."""
        return [[*self.image_tower.parameters(), *self.text_tower.parameters()], list(self.discriminator.parameters())]

    def step(self, image: Tensor, text: Tensor, classes: Tensor, optimisers: list[Any]) -> None:
        """One step of the projectors, then one of the discriminator on new embeddings."""
        optimisers[0].zero_grad()
        self.embedding_loss(image, text, classes).backward()
        optimisers[0].step()
        optimisers[1].zero_grad()
        self.modality_loss(image, text).backward()
        optimisers[1].step()

    def losses(self, image: Tensor, text: Tensor, classes: Tensor) -> list[Tensor]:
        """Both losses."""
        return [self.embedding_loss(image, text, classes), self.modality_loss(image, text)]

    def embedding_loss(self, image: Tensor, text: Tensor, classes: Tensor) -> Tensor:
        """100 * cross-entropy plus two hinges."""
        v, t = self.image_tower(image), self.text_tower(text)
        cross_entropy = nn.CrossEntropyLoss()
        label = cross_entropy(self.label_head(v), classes) + cross_entropy(self.label_head(t), classes)
        near = torch.sum((v - t) ** 2)
        far_texts, far_images = t[negatives(text, classes)], v[negatives(image, classes)]
        by_image = torch.relu(0.1 + 5 * near - torch.sum((v - far_texts) ** 2))
        by_text = torch.relu(0.1 + 5 * near - torch.sum((t - far_images) ** 2))
        return 100 * label + by_image + by_text

    def modality_loss(self, image: Tensor, text: Tensor) -> Tensor:
        """Cross-entropy of image or text; the projectors get no gradient."""
        with torch.no_grad():
            both = torch.cat([self.image_tower(image), self.text_tower(text)])
        truth = torch.cat([torch.zeros(len(image)), torch.ones(len(text))]).long()
        return nn.CrossEntropyLoss()(self.discriminator(both), truth)

    def embed(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of both sides."""
        with torch.no_grad():
            return self.image_tower(image), self.text_tower(text)

    def compare(self, image: Tensor, text: Tensor) -> Tensor:
        """Minus the Euclidean distance."""
        return -torch.cdist(image, text)


def negatives(raw: Tensor, classes: Tensor) -> list[int]:
    """For each item the one of another class with the most similar input feature, found in a loop."""
    unit = raw / raw.norm(dim=1, keepdim=True)
    similarity, labels = (unit @ unit.T).numpy(), classes.numpy()
    chosen = []
    for i in range(len(labels)):
        others = np.flatnonzero(labels != labels[i])
        chosen.append(int(others[np.argmax(similarity[i, others])]))
    return chosen


class ReleasedDSCMR(nn.Module):
    """DSCMR as released, with the weights of ``network`` to begin with; the last layer is shared."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        towers = copy.deepcopy(nn.ModuleList([network.image_tower, network.text_tower]))
        self.image_layer, self.text_layer = towers[0][1], towers[1][1]  # type: ignore[index]
        self.shared, self.label_head = towers[0][3], copy.deepcopy(network.label_head)  # type: ignore[index]

    def players(self) -> list[list[nn.Parameter]]:
        """One optimiser."""
        return [list(self.parameters())]

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Embeddings and label scores of both sides."""
        u, v = self.shared(torch.relu(self.image_layer(image))), self.shared(torch.relu(self.text_layer(text)))
        return u, v, self.label_head(u), self.label_head(v)

    def step(self, image: Tensor, text: Tensor, classes: Tensor, optimisers: list[Any]) -> None:
        """One step."""
        optimisers[0].zero_grad()
        sum(self.losses(image, text, classes)).backward()  # type: ignore[union-attr]
        optimisers[0].step()

    def losses(self, image: Tensor, text: Tensor, classes: Tensor) -> list[Tensor]:
        """J1 + 1e-3 J2 + 1e-1 J3."""
        u, v, label_u, label_v = self(image, text)
        y = torch.eye(label_u.shape[1])[classes]
        j1 = ((label_u - y) ** 2).sum(1).sqrt().mean() + ((label_v - y) ** 2).sum(1).sqrt().mean()
        j2 = likelihood(u, v, y) + likelihood(u, u, y) + likelihood(v, v, y)
        j3 = ((u - v) ** 2).sum(1).sqrt().mean()
        return [j1, 1e-3 * j2, 1e-1 * j3]

    def embed(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of both sides."""
        with torch.no_grad():
            return self(image, text)[:2]

    def compare(self, image: Tensor, text: Tensor) -> Tensor:
        """Cosine similarity."""
        return cosine(image, text)


def likelihood(a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """mean(log(1 + exp(G)) - S G) with G = cos / 2 and S from the one-hot rows."""
    g = cosine(a, b) / 2
    same = y @ y.T
    return (torch.log(1 + torch.exp(g)) - same * g).mean()


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """All cosines, the norms as an outer product."""
    return a @ b.T / (a.norm(dim=1, keepdim=True) @ b.norm(dim=1, keepdim=True).T)


def score_as_released(network: Any, data: PairedFeatures) -> float:
    """Category MAP, mean of both directions."""
    image, text = network.embed(torch.from_numpy(data.image), torch.from_numpy(data.text))
    similarity, classes = network.compare(image, text).numpy(), data.labels.argmax(axis=1)
    return (double_loop_map(similarity, classes) + double_loop_map(similarity.T, classes)) / 2


def double_loop_map(similarity: np.ndarray[Any, Any], classes: np.ndarray[Any, Any]) -> float:
    """MAP by two loops over queries and ranks."""
    order = np.argsort(-similarity, axis=1)
    total = 0.0
    for i in range(len(order)):
        hits, precisions = 0, 0.0
        for rank in range(order.shape[1]):
            if classes[i] == classes[order[i, rank]]:
                hits += 1
                precisions += hits / (rank + 1)
        total += precisions / hits if hits else 0.0
    return total / len(order)
