"""Pictures of two colours with captions that name them, and towers small enough to learn them in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from xmr_lib.data.base import PairedDataset

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 230), "white": (250, 250, 250)}
BOTH = ("left {left} then right{right}", "a left {left} and right{right} picture")
TOWERS: dict[str, Any] = {
    "image": {"kind": "conv", "size": 16, "channels": [8], "layers": 1, "heads": 2},
    "text": {"kind": "bag", "width": 16, "hidden": 16},
    "dim": 16,
    "batch_size": 32,
    "captions": 2,
    "lr": 1e-2,
    "weight_decay": 0.01,
}


def two_halves(seed: int = 0, copies: int = 4, captions: tuple[str, str] = BOTH) -> PairedDataset:
    """Sixteen kinds of noisy pictures, ``copies`` of each: one colour on the left, one on the right.

    Args:
        seed: Of the noise. copies: How often every kind occurs; pictures of one kind are one instance.
        captions: What the two captions of a picture say, with ``{left}`` and ``{right}`` for its colours.
    """
    rng = np.random.default_rng(seed)
    kinds = [(left, right) for left in COLOURS for right in COLOURS] * copies
    images = []
    for left, right in kinds:
        array = np.zeros((16, 16, 3))
        array[:, :8], array[:, 8:] = COLOURS[left], COLOURS[right]
        noisy = np.clip(array + rng.normal(0, 20, array.shape), 0, 255).astype(np.uint8)
        images.append(Image.fromarray(noisy))
    told = [caption.format(left=left, right=right) for left, right in kinds for caption in captions]
    n = len(images)
    version = f"{seed}-{copies}-{captions}"
    return PairedDataset("halves", version, images, told, np.repeat(np.arange(n), 2), np.arange(n) % 16)
