"""Wrong captions on purpose: training pairs as the web gives them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput

ROUNDS = 50


def mismatch_captions(dataset: PairedDataset, share: float, seed: int = 0) -> tuple[PairedDataset, NDArray[np.bool_]]:
    """Swap captions between images until exactly a share of them is wrong.

    No caption is lost or doubled: those that are drawn change places with each other, at random, such that none comes
    to an image that has one in the same words (or that shows the same thing).

    Args:
        dataset: Training pairs. (With several splits captions would wander between them: take ``data.split("train")``.)
        share: 0..1, of all captions; rounded to whole captions.
        seed: Which captions, and where they go.

    Returns:
        The data set with another ``version``, and (m,) bool, which captions are wrong. A share of 0 gives the data set
        itself.

    Raises:
        InvalidInput: A share outside 0..1, a single caption to swap, or no way to swap (one image, equal captions).
    """
    if not 0 <= share <= 1:
        raise InvalidInput(f"The share of wrong captions must be within 0..1, but it is {share}. Use for example 0.2.")
    count = round(share * dataset.n_captions)
    wrong = np.zeros(dataset.n_captions, dtype=bool)
    if count == 0:
        return dataset, wrong
    rng = np.random.default_rng(seed)
    chosen, source = _swaps(dataset, count, rng)
    captions = list(dataset.captions)
    for target, origin in zip(chosen, source, strict=True):
        captions[target] = dataset.captions[origin]
    wrong[chosen] = True
    version = f"{dataset.version}+{count} mismatched, seed {seed}"
    return replace(dataset, captions=captions, version=version), wrong


def _swaps(dataset: PairedDataset, count: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Which captions change, and which caption each of them becomes."""
    instance = np.asarray(dataset.caption_instances)
    own: dict[int, set[str]] = defaultdict(set)  # what is written about each instance
    for number, text in zip(instance.tolist(), dataset.captions, strict=True):
        own[number].add(text)

    def fits(target: int, origin: int) -> bool:
        return instance[target] != instance[origin] and dataset.captions[origin] not in own[int(instance[target])]

    for _ in range(ROUNDS):
        chosen = rng.choice(len(instance), count, replace=False)
        source = rng.permutation(chosen)
        for _ in range(ROUNDS):
            bad = [i for i in range(count) if not fits(chosen[i], source[i])]
            if not bad:
                return chosen, source
            mixed = np.union1d(bad, rng.choice(count, min(count, len(bad) + 1), replace=False))
            source[mixed] = source[rng.permutation(mixed)]
    raise InvalidInput(
        f"There is no way to make {count} of {len(instance)} captions wrong by swapping them. Take another share, or "
        "more images with different captions."
    )
