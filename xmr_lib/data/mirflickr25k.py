"""MIRFlickr-25K: 25,000 Flickr photographs with the tags of their owners and 24 labels.

Expected below ``XMR_DATA_DIR/mirflickr25k``::

    mirflickr/im1.jpg ...                  the photographs
    mirflickr/meta/tags/tags1.txt ...      one tag per line
    annotations/animals.txt ...            numbers of the photographs with a label, one per line

Source: M. J. Huiskes, M. S. Lew. "The MIR Flickr Retrieval Evaluation". ACM MIR 2008.
"""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xmr_lib.config import data_dir
from xmr_lib.data.base import LazyImages, PairedDataset
from xmr_lib.data.hashing_cuts import Sizes, hashing_cut
from xmr_lib.data.mirflickr_files import LABELS, REMEDY, has_copy, picture_folder, read_copy, read_release
from xmr_lib.data.official_files import read_picture
from xmr_lib.data.tagged_labels import TaggedLabels, tag_matrix
from xmr_lib.errors import InvalidInput, check_choice

SIZES = (2_000, 10_000, 2_000)
"""Queries, training rows, validation rows (the papers have no validation rows)."""


def load(
    layout: str = "pictures", items: str = "common tags", sizes: Sizes = SIZES, seed: int = 0
) -> PairedDataset | TaggedLabels:
    """Read the official files below ``XMR_DATA_DIR/mirflickr25k``.

    Args:
        layout: "pictures": photographs, and all tags of each as one caption. "text": tags and labels only; reads also
            the text copy that comes with the code of Bi-CMR.
        items: "common tags": with one of the tags that at least 20 photographs carry and one of the labels; reported
            as 20,015 photographs and 1,386 tags. "labelled": with one of the labels; reported as 24,581.
        sizes: Queries, training rows, validation rows.
        seed: Of the roles; the papers drew their own and published none.

    Returns:
        In the order of the numbers: labels (n, 24) multi-hot; splits "train" and "validation", both inside "database",
        and "query", outside of it. "pictures": a :class:`PairedDataset` with metadata "id", "tags" (n, t) bool and the
        dict "tag_column" from the common tags to columns. "text": :class:`TaggedLabels` with metadata "id".

    Raises:
        MissingData: A file is not there; the message tells where it comes from and where it goes.
        InvalidInput: A file is damaged, or there are fewer photographs than ``sizes`` asks for.
    """
    check_choice(layout, ("pictures", "text"), "layout of MIRFlickr-25K")
    check_choice(items, ("common tags", "labelled"), "choice of MIRFlickr-25K items")
    folder = data_dir() / "mirflickr25k"
    copy = layout == "text" and has_copy(folder)
    if copy and items == "labelled":
        raise InvalidInput(
            f"{folder} holds the text copy, from which photographs without common tags were removed, so "
            'items="labelled" is not possible. Use items="common tags", or get the official archives.'
        )
    photos = read_copy(folder) if copy else read_release(folder)
    tags = tag_matrix(photos.tags, photos.common)
    keep = photos.labels.any(axis=1) & (tags.any(axis=1) | (items == "labelled"))
    rows = np.flatnonzero(keep)
    splits = hashing_cut(len(rows), sizes, seed, "photographs of MIRFlickr-25K")
    ids = np.array(photos.ids)[rows]
    if layout == "text":
        return TaggedLabels(
            tags[rows], photos.labels[rows], tuple(photos.common), LABELS, "mirflickr25k", splits, {"id": ids}
        )
    captions = [" ".join(photos.tags[row]) for row in rows]
    content = repr((ids.tolist(), captions, photos.labels[rows].tobytes()))
    return PairedDataset(
        name="mirflickr25k",
        version=f"mirflickr25k-{zlib.crc32(content.encode()):08x}",
        images=LazyImages(partial(_picture, folder), [f"im{number}.jpg" for number in ids]),
        captions=captions,
        caption_image=np.arange(len(rows)),
        labels=photos.labels[rows],
        class_names=LABELS,
        splits=splits,
        metadata={
            "id": ids,
            "tags": tags[rows],
            "tag_column": {tag: column for column, tag in enumerate(photos.common)},
        },
    )


def _picture(folder: Path, name: str) -> Any:
    return read_picture(picture_folder(folder) / name, REMEDY.format(folder=folder))
