"""What ``test_towers_in_processes.py`` runs in one process, and again in two: ``python two_towers.py FOLDER``.

Every run leaves ``<run>-<rank of the process>.safetensors`` in the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import xmr_lib.methods.towers as towers
from xmr_lib.data.base import PairedDataset
from xmr_lib.methods.dual_tower import ALIGN, CLIP
from xmr_lib.processes import accelerator_for, leave, own_share, seeded

RANK, WORLD = os.environ.get("RANK", "0"), int(os.environ.get("WORLD_SIZE", "1"))
CONV = {"kind": "conv", "size": 32, "channels": [6, 8], "layers": 1, "heads": 2, "ratio": 2}
BERT = {"kind": "bert", "width": 8, "layers": 1, "heads": 2, "dropout": 0.0, "std": 0.3}
TRAINING = {"epochs": 3, "batch_size": 7, "captions": 3, "lr": 1e-3, "weight_decay": 0.1}
CLIP_SETTINGS: Any = {"image": CONV, "text": {"kind": "bag", "width": 6, "hidden": 8}, "dim": 5, **TRAINING}
ALIGN_SETTINGS: Any = {"image": CONV, "text": BERT, "temperature": 0.2, **TRAINING}


def dataset() -> PairedDataset:
    """20 pictures, two of them of the same thing, with 3 captions each."""
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(20)]
    captions = [" ".join(rng.choice([*"abcdefghij"], rng.integers(1, 6))) for _ in range(60)]
    return PairedDataset("toy", "1", images, captions, np.repeat(np.arange(20), 3), [*range(19), 0])


def gradients(method: Any, rows: int) -> dict[str, Tensor]:
    """Of one batch: gradients of all weights, and the running statistics afterwards."""
    data = dataset()
    method.tokenizer_ = method.learn_tokenizer(data.captions)
    network = method._fresh_network()
    batches = method.clone(batch_size=rows).batches(
        data, method.pixels(data.images), method.tokenizer_.encode(data.captions)
    )
    batch = next(iter(batches(0)))
    assert len(batch["image"]) == rows
    batch["instance"][-1] = batch["instance"][0]  # the same thing in two pictures, seen by two processes or by one
    accelerator = accelerator_for("auto" if not torch.cuda.is_available() else "cpu")
    assert accelerator.num_processes == WORLD
    model = accelerator.prepare(network).train()
    share, weight = own_share(batch, accelerator)
    (loss,) = model(share, "all", 0.0).values()
    accelerator.backward(weight * loss)
    found = {name: weight.grad for name, weight in network.named_parameters()}
    return found | {name: value for name, value in network.named_buffers() if "running" in name}


def main(folder: Path) -> None:
    for kind, method in (("clip", CLIP(**CLIP_SETTINGS)), ("align", ALIGN(**ALIGN_SETTINGS))):
        for rows in (10, 5):
            save_file(gradients(method, rows), folder / f"{kind}-{rows}-{RANK}.safetensors")
    gather, towers.gather_rows = towers.gather_rows, lambda x: x
    save_file(gradients(CLIP(**CLIP_SETTINGS), 10), folder / f"alone-10-{RANK}.safetensors")
    towers.gather_rows = gather
    data = dataset()
    with seeded(0):
        trained = CLIP(**CLIP_SETTINGS).fit(data, device="cpu")
    save_file(trained.model_.state_dict(), folder / f"trained-{RANK}.safetensors")
    similarity = torch.from_numpy(trained.similarity(data.images, data.captions))
    save_file({"similarity": similarity}, folder / f"similarity-{RANK}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    leave()
