"""What ``methods/test_team.py`` runs in one process, and again in two: ``python two_teams.py FILE``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from xmr_lib.methods.dual_tower import TEAM
from xmr_lib.processes import accelerator_for, leave, own_share

SETTINGS: Any = {
    "image": {"kind": "conv", "size": 16, "channels": [6], "layers": 1, "heads": 2},
    "text": {"kind": "bag", "width": 6, "hidden": 8},
    "dim": 5,
    "width": 8,
    "heads": 2,
    "reading": 1,
    "blocks": 2,
    "align_dim": 6,
    "dropout": 0.0,
}


def main(file: Path) -> None:
    torch.manual_seed(0)
    network = TEAM(**SETTINGS).build(20, 6)
    image = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    text = torch.tensor([[[2, 7, 8, 9, 3, 0]], [[2, 11, 3, 0, 0, 0]]])  # of 5 and 3 tokens
    accelerator = accelerator_for("auto" if not torch.cuda.is_available() else "cpu")
    model = accelerator.prepare(network).train()
    share, weight = own_share({"image": image, "text": text, "instance": torch.tensor([4, 5])}, accelerator)
    terms = model(share, "all", 0.0)
    accelerator.backward(weight * (terms["contrastive"] + terms["alignment"]))
    if accelerator.is_main_process:
        found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        save_file({name: gradient.contiguous() for name, gradient in found.items()}, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    leave()
