"""The scenes of ``hashing_splits("scenes")`` as pictures and sentences: for hashing methods that read those."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xmr_lib.config import profile as active_profile
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.hashing_cuts import one_caption
from xmr_lib.data.pixels import with_pixels
from xmr_lib.encoders.hashing_splits import SCENES, HashingSplits
from xmr_lib.errors import InvalidInput


@dataclass(frozen=True)
class HashingPictures(HashingSplits):
    """:class:`HashingSplits` of pictures with one caption each; what measures the one measures the other."""

    train: PairedDataset  # type: ignore[assignment]
    validation: PairedDataset  # type: ignore[assignment]
    query: PairedDataset  # type: ignore[assignment]
    database: PairedDataset  # type: ignore[assignment]


def hashing_pictures(profile: str | None = None, *, seed: int = 0, size: int = 96) -> HashingPictures:
    """Scenes in the four roles: the same rows and the same drawn captions as ``hashing_splits("scenes")``.

    Args:
        profile: Number of scenes. Default: the active profile.
        seed: Of the drawn captions.
        size: Height and width of the pictures in pixels.
    """
    sizes = SCENES[active_profile(profile)]
    scenes = load_dataset("scenes", size=sum(sizes), image_size=size)
    data = with_one_caption(with_pixels(scenes, size), seed)
    train, validation, query, rest = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    return HashingPictures(
        data.subset(train, "scenes/train"),
        data.subset(validation, "scenes/validation"),
        data.subset(query, "scenes/query"),
        data.subset(np.concatenate([train, rest]), "scenes/database"),
    )


def with_one_caption(data: PairedDataset, seed: int = 0) -> PairedDataset:
    """Every image with one of its captions, drawn with ``seed``; caption i belongs to image i.

    Raises:
        InvalidInput: An image has no caption of its own.
    """
    if bare := data.n_images - len(np.unique(data.caption_image)):
        raise InvalidInput(
            f"{bare} of {data.n_images} images of {data.name} have no caption of their own. Leave them out with "
            "subset(), or take another data set."
        )
    return replace(
        data,
        version=f"{data.version}-one-caption-{seed}",
        captions=[data.captions[j] for j in one_caption(data, seed)],
        caption_image=np.arange(data.n_images),
    )
