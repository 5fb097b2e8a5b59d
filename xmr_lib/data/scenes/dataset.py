"""Loading the generated data set ``scenes``: layouts and captions at once, pictures when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import count, islice
from random import Random

import numpy as np
from numpy.typing import NDArray

from xmr_lib import config
from xmr_lib.data.base import LazyImages, PairedDataset
from xmr_lib.data.scenes.catalogue import CATEGORIES
from xmr_lib.data.scenes.drawing import draw
from xmr_lib.data.scenes.grammar import CAPTION_KINDS, captions
from xmr_lib.data.scenes.layout import Scene, sample_scene, supercategories_of
from xmr_lib.data.sprites import STYLE_FOLDERS
from xmr_lib.errors import InvalidInput, check_choice, check_positive
from xmr_lib.progress import progress

GENERATOR_VERSION = 1
"""Raise it whenever the same seed gives other layouts, captions or pictures than before."""

PROTOCOL_SIZES = {
    "multi_label": {"smoke": 600, "course": 12_000, "paper": 60_000},
    "single_label": {"smoke": 600, "course": 3_000, "paper": 12_000},
}
"""Protocol -> profile -> number of scenes."""

HELD_OUT = {"multi_label": 12, "single_label": 6}
"""Protocol -> one in how many scenes is for validation; as many are for the test."""


def make_splits(n: int, one_in: int = 12) -> dict[str, NDArray[np.int64]]:
    """Named parts of ``n`` scenes. Scenes are independent draws, so consecutive blocks are random splits.

    ``train``, ``validation``, ``test``: one in ``one_in`` images for validation and as many for the test; small sets
    give more (up to two images per class, at most a quarter).
    ``query``, ``database``: for hashing. The queries are the test images, the database is all the rest; ``train`` lies
    inside the database, as in the hashing papers.

    Example:
        >>> {name: len(index) for name, index in make_splits(12_000).items()}
        {'train': 10000, 'validation': 1000, 'test': 1000, 'query': 1000, 'database': 11000}
    """
    held = max(n // one_in, min(2 * len(CATEGORIES), n // 4))
    train, validation, test = np.split(np.arange(n), [n - 2 * held, n - held])
    return {
        "train": train,
        "validation": validation,
        "test": test,
        "query": test,
        "database": np.concatenate([train, validation]),
    }


def _labels(scenes: Sequence[Scene], names: Sequence[str], supercategories: bool = False) -> NDArray[np.bool_]:
    """Multi-hot (n, names): which classes, or supercategories, each scene shows."""
    column = {name: c for c, name in enumerate(names)}
    labels = np.zeros((len(scenes), len(names)), dtype=bool)
    for i, scene in enumerate(scenes):
        for obj in scene.objects:
            labels[i, column[CATEGORIES[obj.category].supercategory if supercategories else obj.category]] = True
    return labels


def _indices(n: int, seed: int, protocol: str) -> Iterable[int]:
    """Numbers of the first ``n`` scenes of the sequence that fit the protocol."""
    if protocol == "multi_label":
        return range(n)
    return islice((index for index in count() if len(supercategories_of(index, seed)) == 1), n)


def load(
    size: int | None = None,
    seed: int = 0,
    image_size: int = 96,
    profile: str | None = None,
    styles: Sequence[str] = ("noto",),
    protocol: str = "multi_label",
) -> PairedDataset:
    """Generate scenes: one to four kinds of emoji objects on a background, with five captions each.

    The first 600 of 12,000 scenes are the same as a set of 600. Another ``styles`` or ``image_size`` changes the
    drawing, not the layout or the captions: train on Noto, test the same scenes drawn as Twemoji.

    Args:
        size: Number of images, at least 8. Default: by protocol and profile, see ``PROTOCOL_SIZES``.
        seed: Another seed, other scenes.
        image_size: Width and height in pixels, 48 to 512.
        profile: "smoke", "course" or "paper"; default as set by ``XMR_PROFILE``.
        styles: Drawing styles, "noto" and "twemoji"; each scene gets one of them at random.
        protocol: "multi_label": every scene, labelled with the classes it shows. "single_label": only the scenes
            whose things all belong to one supercategory, about one in eight, labelled with it; NUS-WIDE-10k is cut
            from NUS-WIDE by the same rule (images with exactly one of ten labels).

    Returns:
        A :class:`PairedDataset` with n images, 5 n captions (kinds: ``CAPTION_KINDS``, in that order), labels
        (n, 80) multi-hot or (n, 12) one-hot, by protocol, the splits of :func:`make_splits`, and in ``metadata``:
        ``scenes`` (n :class:`Scene`: objects with COCO boxes, background, relation triples),
        ``supercategories`` (class name -> supercategory), ``supercategory_labels`` (n, 12) bool,
        ``supercategory_names`` (column -> name), ``seed``.

    Raises:
        InvalidInput: A size is out of range, or ``styles`` is empty.
        UnknownName: Unknown profile, style or protocol.
        MissingData: The package with the emoji pictures is not installed.
    """
    sizes = PROTOCOL_SIZES[check_choice(protocol, PROTOCOL_SIZES, "protocol of the scenes")]
    n = sizes[config.profile(profile)] if size is None else check_positive(size, "size")
    if n < 8:
        raise InvalidInput(f"size must be at least 8, so that every split holds an image, but it is {n}.")
    if not 48 <= check_positive(image_size, "image_size") <= 512:
        raise InvalidInput(f"image_size must be from 48 to 512 pixels, but it is {image_size}. The course uses 96.")
    if isinstance(styles, str) or not styles:
        raise InvalidInput(f'styles must be a non-empty list of style names, but it is {styles!r}. Use ("noto",).')
    for style in styles:
        check_choice(style, STYLE_FOLDERS, "emoji drawing style")

    scenes: list[Scene] = []
    texts: list[str] = []
    for index in progress(_indices(n, seed, protocol), desc="laying out scenes", unit="scene", total=n):
        scenes.append(sample_scene(index, seed, image_size, tuple(styles)))
        texts.extend(captions(scenes[-1], Random(f"scenes/{seed}/{index}/captions")))

    supercategories = {category.name: category.supercategory for category in CATEGORIES.values()}
    supercategory_names = tuple(dict.fromkeys(supercategories.values()))
    supercategory_labels = _labels(scenes, supercategory_names, supercategories=True)
    single = protocol == "single_label"
    settings = repr((GENERATOR_VERSION, int(seed), n, int(image_size), tuple(styles), *([protocol] if single else [])))
    return PairedDataset(
        name="scenes",
        version=f"scenes-{GENERATOR_VERSION}-{sha256(settings.encode()).hexdigest()[:12]}",
        images=LazyImages(draw, scenes),
        captions=texts,
        caption_image=np.repeat(np.arange(n), len(CAPTION_KINDS)),
        labels=supercategory_labels if single else _labels(scenes, tuple(CATEGORIES)),
        class_names=supercategory_names if single else tuple(CATEGORIES),
        splits=make_splits(n, HELD_OUT[protocol]),
        metadata={
            "scenes": scenes,
            "supercategories": supercategories,
            "supercategory_labels": supercategory_labels,
            "supercategory_names": dict(enumerate(supercategory_names)),
            "seed": seed,
        },
    )
