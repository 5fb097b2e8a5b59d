"""What ``test_processes.py`` runs in one process, and again in two: ``python two_processes.py FOLDER``.

Every run leaves ``<run>-<rank of the process>.safetensors`` and its history as JSON in the folder.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import xmr_lib.training as training
from xmr_lib.processes import leave
from xmr_lib.training import Player, train

X = torch.randn(44, 6, generator=torch.Generator().manual_seed(0))


class Game(nn.Module):
    """Means over rows and a weight penalty, for one player or two; a batch norm and an unused layer on demand."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5) if norm else nn.Tanh())
        self.critic = nn.Linear(5, 1)
        self.unused = nn.Linear(2, 2)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        score = self.critic(self.encoder(batch["x"]))
        if player == "critic":
            return {"far": (score - 1).square().mean()}
        return {"near": (score - batch["x"][:, :1]).square().mean(), "size": 0.1 * self.encoder[0].weight.norm()}


def batches(size: int) -> Iterator[dict[str, Tensor]]:
    return ({"x": rows} for rows in X.split(size))


def play(folder: Path, run: str, players: tuple[str, ...], size: int, norm: bool = False) -> None:
    torch.manual_seed(0)
    network = Game(norm)
    parts = {"encoder": network.encoder, "critic": network.critic, "all": network}
    history = train(
        network,
        lambda epoch: batches(size),
        {name: Player(parts[name].parameters(), 1e-2, clip=1.0) for name in players},
        epochs=4,
        turns=(*players, players[0]),
        validate=lambda: -float(network({"x": X}, "all", 0.0)["near"]),
        patience=2,
        seed=3,
        device="cpu",
        checkpoint=folder / f"{run}.checkpoint",
    )
    rank = os.environ.get("RANK", "0")
    save_file(network.state_dict(), folder / f"{run}-{rank}.safetensors")
    (folder / f"{run}-{rank}.json").write_text(json.dumps({**asdict(history), "seconds": 0}))


def main(folder: Path) -> None:
    rank = os.environ.get("RANK", "0")
    writes = []
    write = training.write_checkpoint
    training.write_checkpoint = lambda path, *rest: (writes.append(path.name), write(path, *rest))
    play(folder, "single", ("all",), 11)  # 11 rows: 6 and 5
    play(folder, "game", ("encoder", "critic"), 22)
    play(folder, "norm", ("all",), 22, norm=True)
    play(folder, "game", ("encoder", "critic"), 22)  # nothing left to train: read back in every process
    (folder / f"writes-{rank}.json").write_text(json.dumps(writes))
    try:
        train(Game(), lambda epoch: batches(1), {"all": Player(Game().parameters(), 1e-2)}, epochs=1, device="cpu")
    except training.InvalidInput as error:
        (folder / f"refused-{rank}.txt").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    leave()
