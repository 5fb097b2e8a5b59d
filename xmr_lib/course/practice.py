"""Pairs with one class each that are there in seconds, for the last part of an exercise: real, small, scaled."""

from __future__ import annotations

import numpy as np

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import MissingData


def practice_pairs(n_words: int = 300) -> tuple[PairedFeatures, PairedFeatures]:
    """Training pairs and unseen pairs with one class per pair; row i of the texts belongs to row i of the images.

    The Wikipedia features of 2010 (128 and 10 numbers, 10 classes) where their files are; else pictures of emoji with
    8 x 8 pixels and the words of their English names (192 and ``n_words`` numbers, 8 classes).

    Args:
        n_words: The most frequent words of the training names, for the emoji.

    Returns:
        Both as float64, every feature scaled to mean 0 and deviation 1 over the training pairs.
    """
    try:
        wikipedia = load_dataset("wikipedia")
        seen, unseen = wikipedia.split("train"), wikipedia.split("test")
    except MissingData:
        seen, unseen = _emoji_pairs(n_words)
    image, text = _scaled(seen.image, unseen.image), _scaled(seen.text, unseen.text)
    return tuple(  # type: ignore[return-value]
        PairedFeatures(i, t, None, None, part.labels, part.class_names, part.name)
        for i, t, part in zip(image, text, (seen, unseen), strict=True)
    )


def _emoji_pairs(n_words: int) -> tuple[PairedFeatures, PairedFeatures]:
    """Thumbnails and bags of the frequent words of the training names."""
    emoji = load_dataset("emoji", styles=("noto",), languages=("en",))
    words, counts = np.unique(" ".join(emoji.split("train").captions).lower().split(), return_counts=True)
    words = words[np.argsort(-counts, kind="stable")[:n_words]]
    made = []
    for name in ("train", "test"):
        part = emoji.split(name)
        pixels = np.array([np.asarray(image.resize((8, 8)), dtype=float).ravel() for image in part.images])
        bags = np.array([np.isin(words, caption.lower().split()) for caption in part.captions], dtype=float)
        made.append(
            PairedFeatures(
                pixels, bags[np.argsort(part.caption_image)], None, None, part.labels, part.class_names, f"emoji/{name}"
            )
        )
    return made[0], made[1]


def _scaled(seen: np.ndarray, unseen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with the mean and the deviation of the first; features that never vary become 0."""
    mean, deviation = seen.mean(axis=0), seen.std(axis=0)
    scale = np.where(deviation > 1e-9, 1 / np.where(deviation > 1e-9, deviation, 1.0), 0.0)
    return (seen - mean) * scale, (unseen - mean) * scale
