"""MS COCO: photographs with five captions each and 80 object classes, from the official files.

Expected below ``XMR_DATA_DIR/coco`` (whatever is missing narrows the data set, see :func:`load`)::

    annotations/captions_train2017.json   annotations/instances_train2017.json   train2017/*.jpg
    annotations/captions_val2017.json     annotations/instances_val2017.json     val2017/*.jpg
    dataset_coco.json                     Karpathy's split, optional

Sources: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; X. Chen et al., "Microsoft COCO
Captions", 2015; split: A. Karpathy and L. Fei-Fei, "Deep Visual-Semantic Alignments", CVPR 2015.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xmr_lib.config import data_dir
from xmr_lib.data.base import IntArray, LazyImages, PairedDataset
from xmr_lib.data.coco_files import (
    WHERE,
    Picture,
    open_picture,
    read_captions,
    read_instances,
    read_karpathy,
    take_captions,
)
from xmr_lib.data.cuts import draw_rows, named_cut, random_cut
from xmr_lib.data.hashing_cuts import Sizes, hashing_items
from xmr_lib.errors import MissingData, check_choice, check_positive
from xmr_lib.progress import progress

HASHING_SIZES = (5_000, 10_000, 5_000)
"""Queries, training rows, validation rows (the papers have no validation rows) of the 122,218 labelled images."""


def load(
    year: str = "2017",
    parts: Sequence[str] = ("train", "val"),
    captions_per_image: int = 5,
    limit: int | None = None,
    seed: int = 0,
    missing: str = "drop",
    labels: bool = True,
    protocol: str = "captions",
    sizes: Sizes = HASHING_SIZES,
) -> PairedDataset:
    """Read the official files below ``XMR_DATA_DIR/coco``.

    With Karpathy's file the splits are his (train = his train + restval), in the order of his file (the folds of "COCO
    1K" are blocks of that order), and so are the captions. Without it the
    images present are cut 80 / 10 / 10 with ``seed``; such numbers compare with no paper.

    Args:
        year: "2017" or "2014": the same photographs, cut differently.
        parts: Which of "train" and "val" to read. A part without a captions file or, with ``missing="drop"``,
            without a picture folder is left out; at least one must be there.
        captions_per_image: Use the first captions of each image (a few images have 6 or 7).
        limit: Keep at most so many images, drawn with ``seed``, in the order of the files.
        seed: Seed of ``limit`` and of the cut without Karpathy's file.
        missing: "drop" leaves out images whose file is not on this disk; "keep" keeps them for work on text alone,
            and opening such a picture raises :class:`MissingData`.
        labels: Read the instances files too. They are large (448 MB for train); without them there are no labels and
            no boxes.
        protocol: "captions", or "hashing": only images with one of the 80 labels, each with one caption, drawn with
            ``seed``; splits "train" and "validation", both inside "database", and "query", outside of it, drawn with
            ``seed`` too. Metadata then holds "caption_place" (n,): which of its captions an image kept.
        sizes: For "hashing": queries, training rows, validation rows. Default: those of the papers.

    Returns:
        Images by part and order of the file, labels (n, 80) multi-hot with columns by category id. Metadata per
        image: "image_id", "file", "license" (the number in the file), "picture_size" (width, height as in the file),
        "caption_id" (the annotation ids of its captions, see :func:`caption_ids`), and with labels "boxes" (k, 4)
        float32 as x, y, width, height in pixels, "box_class" (k,) column numbers, "box_crowd" (k,) bool. Metadata of
        the data set: "supercategory", a dict from class name to super-category. White space in captions (some hold line
        breaks) is made single spaces.

    Raises:
        MissingData: Nothing usable is there; the message tells where it comes from and where it goes.
        InvalidInput: A file is damaged.
    """
    check_choice(year, ("2014", "2017"), "COCO year")
    check_choice(missing, ("drop", "keep"), "way to treat missing pictures")
    check_choice(protocol, ("captions", "hashing"), "protocol of COCO")
    check_positive(captions_per_image, "captions_per_image")
    names = [f"{check_choice(part, ('train', 'val'), 'COCO part')}{year}" for part in parts]
    folder = data_dir() / "coco"
    used = [name for name in names if _present(folder, name, missing)]
    if not used:
        what = "captions files" if missing == "keep" else "captions with their picture folder"
        raise MissingData(f"There are no COCO {what} for {', '.join(names)} in {folder}. {WHERE.format(folder=folder)}")

    pictures: list[Picture] = []
    categories: dict[int, tuple[str, str]] = {}
    for name in progress(used, desc="reading COCO annotations", unit="file"):
        found = read_captions(folder, name)
        if labels:
            categories |= read_instances(folder, name, found)
        on_disk = set(os.listdir(folder / name)) if missing == "drop" else set()
        pictures += [p for p in found.values() if p.captions and (missing == "keep" or p.file_name in on_disk)]

    karpathy = read_karpathy(folder)
    if karpathy is not None:
        for picture in pictures:
            if picture.image_id in karpathy:
                take_captions(picture, karpathy[picture.image_id].captions)
    pictures = [pictures[i] for i in draw_rows(len(pictures), limit, seed)]
    if karpathy is None:
        splits = random_cut(len(pictures), seed)
    else:
        splits = named_cut({number: image.split for number, image in karpathy.items()}, [p.image_id for p in pictures])
    data = _build(folder, pictures, categories, splits, captions_per_image, f"{year}-{'+'.join(used)}")
    return _hashing(data, sizes, seed) if protocol == "hashing" else data


def load_captions(part: str = "val", year: str = "2017", captions_per_image: int = 5) -> PairedDataset:
    """The captions of one part for work on text alone: needs the captions file, no pictures, no instances.

    Args:
        part: "train" or "val".
        year: "2017" or "2014".
        captions_per_image: Use the first captions of each image.

    Returns:
        As :func:`load` with ``missing="keep", labels=False``: opening a picture that is not on this disk raises
        :class:`MissingData`.
    """
    return load(year, (part,), captions_per_image, missing="keep", labels=False)


def caption_ids(data: PairedDataset) -> IntArray:
    """(m,) the official annotation id of every caption of a COCO data set or of a part of it; -1 where unknown."""
    ids = np.empty(data.n_captions, dtype=np.int64)
    ids[np.argsort(data.caption_image, kind="stable")] = [i for image in data.metadata["caption_id"] for i in image]
    return ids


def _hashing(data: PairedDataset, sizes: Sizes, seed: int) -> PairedDataset:
    """Labelled images with one caption each; ``caption_id`` keeps the id of that caption."""
    items = hashing_items(data, sizes, seed)
    kept = zip(items.metadata["caption_id"], items.metadata["caption_place"].tolist(), strict=True)
    return replace(items, metadata={**items.metadata, "caption_id": [(ids[place],) for ids, place in kept]})


def _present(folder: Path, name: str, missing: str) -> bool:
    captions = folder / "annotations" / f"captions_{name}.json"
    return captions.is_file() and (missing == "keep" or (folder / name).is_dir())


def _build(
    folder: Path,
    pictures: list[Picture],
    categories: dict[int, tuple[str, str]],
    splits: dict[str, IntArray],
    captions_per_image: int,
    version: str,
) -> PairedDataset:
    """The records as a data set; category ids have gaps (1..90 for 80 classes), columns have none."""
    column = {category: position for position, category in enumerate(sorted(categories))}
    files = [f"{picture.folder}/{picture.file_name}" for picture in pictures]
    captions = [caption for picture in pictures for caption in picture.captions[:captions_per_image]]
    counts = [min(len(picture.captions), captions_per_image) for picture in pictures]
    metadata: dict[str, Any] = {
        "image_id": np.array([picture.image_id for picture in pictures], dtype=np.int64),
        "file": files,
        "license": np.array([picture.licence for picture in pictures], dtype=np.int64),
        "picture_size": np.array([picture.size for picture in pictures], dtype=np.int64).reshape(-1, 2),
        "caption_id": [tuple(picture.caption_ids[:captions_per_image]) for picture in pictures],
    }
    labels = None
    if categories:
        classes = [np.array([column[c] for c in picture.box_classes], dtype=np.int64) for picture in pictures]
        labels = np.zeros((len(pictures), len(column)), dtype=bool)
        for row, columns in enumerate(classes):
            labels[row, columns] = True
        metadata |= {
            "boxes": [np.array(picture.boxes, dtype=np.float32).reshape(-1, 4) for picture in pictures],
            "box_class": classes,
            "box_crowd": [np.array(picture.crowd, dtype=bool) for picture in pictures],
            "supercategory": dict(categories[category] for category in sorted(categories)),
        }
    return PairedDataset(
        name="coco",
        version=f"{version}-{zlib.crc32(json.dumps([files, captions]).encode()):08x}",
        images=LazyImages(partial(open_picture, folder), files),
        captions=captions,
        caption_image=np.repeat(np.arange(len(pictures)), counts),
        labels=labels,
        class_names=tuple(categories[category][0] for category in sorted(categories)),
        splits=splits,
        metadata=metadata,
    )
