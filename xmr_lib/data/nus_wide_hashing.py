"""NUS-WIDE as hashing papers use it: 21 or 10 concepts, several per image, from the official files; and 10,500 of them.

    "TC-21"         images with one of the 21 most frequent concepts (195,834)
    "TC-21 tagged"  and with one of the 1,000 tags (190,421)
    "TC-10"         images with one of the ten most frequent concepts (186,577, recalled)
    "10.5k"         the 10,500 images of Bi-CMR with 21 concepts, as that code ships them: texts and labels

The first three need the files of :mod:`xmr_lib.data.nus_wide`, the last one ``XMR_DATA_DIR/nus_wide_10.5k`` with
``txt_10500.txt``, ``label_10500.txt``, ``img_10500.txt`` and ``TagList1k.txt``.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.config import data_dir
from xmr_lib.data.base import LazyImages, PairedDataset, PairedFeatures
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.hashing_cuts import Sizes, hashing_cut
from xmr_lib.data.nus_wide_files import (
    IMAGE_LIST,
    REMEDY,
    TAGS,
    concept_column,
    image_names,
    low_level_rows,
    matrix_rows,
    non_empty_rows,
    tag_names,
    tag_rows,
)
from xmr_lib.data.official_files import read_lines, read_picture
from xmr_lib.data.pairing import IntArray
from xmr_lib.data.tagged_labels import TaggedLabels, tag_matrix
from xmr_lib.errors import InvalidInput, MissingData, check_choice

CONCEPTS_21 = (
    *("animal", "beach", "buildings", "clouds", "flowers", "grass", "lake", "mountain", "ocean", "person", "plants"),
    *("reflection", "road", "rocks", "sky", "snow", "sunset", "tree", "vehicle", "water", "window"),
)
"""The 21 most frequent concepts, by name."""

SIZES = {
    "TC-21": (2_100, 10_000, 2_100),
    "TC-21 tagged": (2_100, 10_500, 2_100),
    "TC-10": (2_000, 5_000, 2_000),
    "10.5k": (2_000, 4_000, 2_000),
}
"""Protocol -> queries, training rows, validation rows (the papers have no validation rows)."""

COPY_CONCEPTS = (
    *("sky", "clouds", "person", "water", "animal", "grass", "buildings", "window", "plants", "lake", "ocean", "road"),
    *("flowers", "sunset", "reflection", "rocks", "vehicle", "snow", "tree", "beach", "mountain"),
)
"""The label columns of the 10,500 images. No file names them: the tags that go with each column tell them."""

COPY = ("txt_10500.txt", "label_10500.txt", "img_10500.txt", "TagList1k.txt")


@dataclass(frozen=True)
class Part:
    """The images of one protocol: everything but what their pictures or features look like."""

    protocol: str
    bags: NDArray[Any]  # (n, t) which tags
    tags: list[str]
    captions: list[str]
    labels: NDArray[np.bool_]  # (n, c)
    concepts: tuple[str, ...]
    files: list[str]
    splits: dict[str, IntArray]
    metadata: dict[str, Any]

    @property
    def version(self) -> str:
        """Changes with the images, their texts or their labels."""
        content = repr((self.files, self.captions)).encode() + self.labels.tobytes()
        return f"nus-wide-{self.protocol}-{zlib.crc32(content):08x}"

    def tagged(self) -> TaggedLabels:
        """Tags and labels only."""
        return TaggedLabels(
            self.bags > 0, self.labels, tuple(self.tags), self.concepts, "nus_wide", self.splits, self.metadata
        )

    def pictures(self, folder: Path, remedy: str) -> PairedDataset:
        """The photographs in ``folder``, each with its tags as one caption; metadata holds the 1,000 tags too."""
        tags = {"tags": self.bags > 0, "tag_column": {tag: column for column, tag in enumerate(self.tags)}}
        return PairedDataset(
            name="nus_wide",
            version=self.version,
            images=LazyImages(partial(read_picture, where=remedy), [folder / file for file in self.files]),
            captions=self.captions,
            caption_image=np.arange(len(self.files)),
            labels=self.labels,
            class_names=self.concepts,
            splits=self.splits,
            metadata={**self.metadata, **tags, "file": self.files},
        )

    def features(self, image: NDArray[np.float32], kind: str) -> FeatureDataset:
        """Low-level image features of one kind, and tag vectors."""
        text = np.asarray(self.bags, dtype=np.float32)
        pairs = PairedFeatures(image, text, labels=self.labels, class_names=self.concepts, name="nus_wide")
        return FeatureDataset(
            "nus_wide", f"{self.version}-{kind}", pairs, self.splits, {**self.metadata, "file": self.files}
        )


def load_official(
    folder: Path, protocol: str, layout: str, concepts: tuple[str, ...], image: str, sizes: Sizes, seed: int
) -> FeatureDataset | PairedDataset | TaggedLabels:
    """One of the first three protocols; see :func:`xmr_lib.data.nus_wide.load`.

    Args:
        folder: The checked data folder. concepts: The label columns. The others: as in ``load``.
    """
    names = image_names(folder / IMAGE_LIST)
    labels = np.stack([concept_column(folder, concept, len(names)) for concept in concepts], axis=1)
    usable = labels.any(axis=1)
    if protocol == "TC-21 tagged":
        usable &= non_empty_rows(folder / TAGS, len(names))
    rows = np.flatnonzero(usable)
    splits = hashing_cut(len(rows), sizes, seed, f"images of NUS-WIDE {protocol}")
    tags = tag_names(folder)
    bags = tag_rows(folder, rows, len(tags))
    captions = [" ".join(tags[t] for t in np.flatnonzero(row)) for row in bags]
    files = [names[row] for row in rows]
    part = Part(protocol, bags, tags, captions, labels[rows], concepts, files, splits, {"row": rows})
    if layout == "text":
        return part.tagged()
    if layout == "pictures":
        return part.pictures(folder / "Flickr", REMEDY)
    return part.features(low_level_rows(folder, image, rows, names), image)


def load_10k5(layout: str, sizes: Sizes, seed: int) -> PairedDataset | TaggedLabels:
    """The 10,500 images of Bi-CMR: lines of tags, rows of 21 zeros and ones, the 1,000 tag names.

    Returns:
        As the other protocols; a caption is the whole line of tags, also those outside of the 1,000.

    Raises:
        MissingData: A file is not there.
        InvalidInput: The files do not fit together.
        UnknownName: ``layout`` is "features": there are none.
    """
    check_choice(layout, ("pictures", "text"), "layout of NUS-WIDE-10.5K")
    folder = data_dir() / "nus_wide_10.5k"
    remedy = (
        f"Get {', '.join(COPY)} from the folder data of the repository lty4869/Bi-CMR and put them in "
        "XMR_DATA_DIR/nus_wide_10.5k/."
    )
    if missing := [name for name in COPY if not (folder / name).is_file()]:
        raise MissingData(f"NUS-WIDE-10.5K needs {', '.join(missing)} in {folder}. {remedy}")
    texts, files, tags = (read_lines(folder / name, remedy) for name in (COPY[0], COPY[2], COPY[3]))
    if len(texts) != len(files):
        raise InvalidInput(f"{COPY[0]} has {len(texts)} lines, but {COPY[2]} has {len(files)}. {remedy}")
    labels = matrix_rows(folder / COPY[1], np.arange(len(texts)), len(COPY_CONCEPTS))
    if not np.isin(labels, (0, 1)).all():
        raise InvalidInput(f"{folder / COPY[1]} must hold zeros and ones only. {remedy}")
    tags = [tag for tag in tags if tag]
    bags = tag_matrix([line.split() for line in texts], tags)
    splits = hashing_cut(len(texts), sizes, seed, "images of NUS-WIDE-10.5K")
    part = Part("10.5k", bags, tags, texts, labels > 0, COPY_CONCEPTS, files, splits, {})
    return part.tagged() if layout == "text" else part.pictures(folder, remedy)
