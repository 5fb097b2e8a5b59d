"""The three data sets of the supervised lessons, as training, validation and test features of one seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from xmr_lib.config import profile as active_profile
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedFeatures, Splits
from xmr_lib.data.features import stratified_cut
from xmr_lib.encoders.features import encode_dataset
from xmr_lib.errors import check_choice


def supervised_splits(name: str, seed: int = 0, profile: str | None = None) -> Splits:
    """Training, validation and test pairs with one class per image.

    ``wikipedia``  features of 2010 (128, 10), 10 classes; the published test pairs, a seed cuts the training pairs.
    ``emoji``      EfficientNet-Lite0 and MiniLM (1280, 384), 8 classes; a seed cuts the emoji.
    ``scenes``     the same encoders on scenes that show one kind of thing (``protocol="single_label"``), 12 classes,
                   five captions each; fixed test scenes, a seed cuts the others.

    Args:
        name: One of the three.
        seed: Which cut.
        profile: Number of scenes: smoke 600, course 3,000, paper 12,000. Default: the active profile.

    Raises:
        UnknownName: Another name.
        MissingData: The files of Wikipedia are not here.
    """
    loaders: dict[str, Callable[[int], Splits]] = {
        "wikipedia": _wikipedia,
        "emoji": _emoji,
        "scenes": lambda seed: _scenes(seed, active_profile(profile)),
    }
    return loaders[check_choice(name, loaders, "data set with one class per image")](seed)


def _wikipedia(seed: int) -> Splits:
    data = load_dataset("wikipedia", seed=seed)
    return Splits(data.split("fit"), data.split("validation"), data.split("test"))


def _emoji(seed: int) -> Splits:
    data = load_dataset("emoji", seed=seed)
    features = encode_dataset(data)
    return Splits(*(features.subset(data.splits[p], f"emoji/{p}") for p in ("train", "validation", "test")))


def _scenes(seed: int, profile: str) -> Splits:
    features, known, test = _encoded_scenes(profile)
    train, validation = stratified_cut(features.labels[known].argmax(axis=1), 0.2, seed)
    return Splits(
        features.subset(known[train], "scenes/train"),
        features.subset(known[validation], "scenes/validation"),
        features.subset(test, "scenes/test"),
    )


@lru_cache(maxsize=2)
def _encoded_scenes(profile: str) -> tuple[PairedFeatures, np.ndarray, np.ndarray]:
    """All features, the rows that are not for the test, the rows that are."""
    data = load_dataset("scenes", protocol="single_label", profile=profile)
    return encode_dataset(data), data.split_indices("train+validation"), data.splits["test"]
