"""Pictures and sentences as bundles of vectors, made up in a moment, for the last part of exercise 07."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
THINGS, DIM, PATCHES, SHOWN = 40, 24, 25, 4


class TokenWorld(NamedTuple):
    """n pictures and one sentence for each; sentence i belongs to picture i.

    Attributes:
        patches: (n, 25, 24) four things on one to five patches each, and background.
        words: (n, 5, 24) begin, the names of two or three of the four things, end, padding.
        real: (n, 5) bool, False for padding.
    """

    patches: Array
    words: Array
    real: Array


def practice_tokens(n: int = 120, noise: float = 0.8, seed: int = 0) -> TokenWorld:
    """A world in which every thing has a vector, and its patches and its name are that vector plus noise.

    Nothing is learnt here: both sides share their space, as they would behind two trained towers.

    Args:
        n: Pictures. noise: Length of the noise, beside things of length 1. seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(THINGS + 3, DIM))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    things, (background, begin, end) = directions[:THINGS], directions[THINGS:]
    patches, words = np.tile(background, (n, PATCHES, 1)), np.zeros((n, SHOWN + 1, DIM))
    real = np.zeros((n, SHOWN + 1), dtype=bool)
    for i in range(n):
        shown, places = rng.choice(THINGS, SHOWN, replace=False), rng.permutation(PATCHES)
        owner = np.repeat(shown, rng.integers(1, 6, size=SHOWN))
        patches[i, places[: len(owner)]] = things[owner]
        told = rng.permutation(shown)[: rng.integers(2, 4)]
        words[i, : len(told) + 2] = [begin, *things[told], end]
        real[i, : len(told) + 2] = True
    patches = patches + noise * rng.normal(size=patches.shape) / np.sqrt(DIM)
    words = words + noise * rng.normal(size=words.shape) / np.sqrt(DIM) * real[:, :, None]
    return TokenWorld(patches, words, real)
