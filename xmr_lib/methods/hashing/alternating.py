"""What DCMH and DCHUC share: two towers that learn in turns, each against the latest outputs of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.methods.hashing.passes import Passes
from xmr_lib.methods.neural import FeatureNetwork
from xmr_lib.nn import Standardise, feed_forward
from xmr_lib.players import History, Player
from xmr_lib.processes import Batch, gather_rows
from xmr_lib.training import Turns

SIDES = ("image", "text")


class AlternatingNetwork(FeatureNetwork):
    """Towers with a memory: the outputs that every training pair had when it was last in a batch.

    A loss over all n x n pairs of items then costs one forward pass of b rows: they carry the gradient, and the n rows
    of the other modality are constants. The memory is never stored.

    Args:
        sizes: Per side: ``[d, hidden ..., bits]``.
        tanh: End the towers in tanh. standardise: Begin them with it. dropout: After the hidden layers of the text
            tower.

    Attributes:
        image_latest, text_latest: (n, bits) latest outputs, F and G (or U and G) of the papers.
        labels: (n, c) multi-hot labels of the training pairs.
    """

    image_latest: Tensor
    text_latest: Tensor
    labels: Tensor

    def __init__(
        self, sizes: tuple[Sequence[int], Sequence[int]], *, tanh: bool, standardise: bool, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.bits = sizes[0][-1]
        self.image_tower, self.text_tower = (
            nn.Sequential(
                Standardise(layers[0]) if standardise else nn.Identity(),
                *feed_forward(layers, dropout=rate),
                nn.Tanh() if tanh else nn.Identity(),
            )
            for layers, rate in zip(sizes, (0.0, dropout), strict=True)
        )

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features, where the towers begin with them."""
        for tower, rows in ((self.image_tower, image), (self.text_tower, text)):
            if isinstance(tower[0], Standardise):  # type: ignore[index]
                tower[0].learn(rows)  # type: ignore[index]

    def remember(self, labels: Tensor, generator: torch.Generator) -> None:
        """Start the memory of n training pairs: outputs of 0, and their labels (n, c)."""
        self.register_buffer("labels", labels, persistent=False)
        for side in SIDES:
            self.register_buffer(f"{side}_latest", labels.new_zeros(len(labels), self.bits), persistent=False)

    def latest(self, side: str) -> Tensor:
        """(n, bits) what the tower of ``side`` ("image" or "text") last put out for every training pair."""
        memory: Tensor = self.image_latest if side == "image" else self.text_latest
        return memory

    def renew(self, batch: Batch, side: str) -> tuple[Tensor, Tensor]:
        """Forward the rows of a batch and write them into the memory.

        Returns:
            Outputs with gradient (b, bits) and their rows in the memory (b,), of all processes where there are several.
        """
        tower = self.image_tower if side == "image" else self.text_tower
        outputs, rows = gather_rows(tower(batch[side])), gather_rows(batch["image_index"])
        self.latest(side)[rows] = outputs.detach().float()  # in bf16 too the memory stays float32
        return outputs, rows


class AlternatingHashing(NeuralHashing):
    """Base of methods whose epoch is an image pass, a text pass (``rounds`` times), then codes in closed form."""

    rounds: int = 1

    def turns(self) -> Turns:
        """The image tower for one pass over the pairs, the text tower for the next."""
        passes = 2 * self.rounds
        return lambda share: (SIDES[int(share * passes + 1e-9) % 2],)

    def players(self, network: Any) -> dict[str, Player]:
        """Each tower has an optimiser of its own."""
        return {side: Player(getattr(network, f"{side}_tower").parameters(), self.lr) for side in SIDES}

    def batches(self, train: PairedFeatures) -> Any:
        """Every epoch goes over all pairs once per pass, each time in another order."""
        return Passes(super().batches(train), 2 * self.rounds)

    def _prepare(self, train: PairedFeatures) -> None:
        labels = torch.from_numpy(np.asarray(train.labels, dtype=np.float32))
        network: Any = self.model_
        network.remember(labels, torch.Generator().manual_seed(self.seed))

    def _train(self, network: FeatureNetwork, batches: Any, check: Any, **options: Any) -> History:
        if options.get("checkpoint") is not None:
            raise InvalidInput(f"{self.name} cannot go on from a checkpoint, which lacks its memory. Leave it out.")
        return super()._train(network, batches, check, **options)
