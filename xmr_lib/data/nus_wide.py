"""NUS-WIDE: Flickr images with their tags; ten classes, one per image (NUS-WIDE-10k), or the cuts of hashing papers.

The official release labels 269,648 images with any of 81 concepts. Real-valued methods compare on a small cut of it:
images that carry exactly one of ten concepts, 1,000 of each. Hashing papers keep nearly 200,000 images with several
concepts each: :mod:`xmr_lib.data.nus_wide_hashing`. Expected below ``XMR_DATA_DIR/nus_wide``::

    ImageList/Imagelist.txt                 one path per line, "actor\\0001_2124494179.jpg"
    Groundtruth/AllLabels/Labels_<concept>.txt    0 or 1 per line, in the order of the image list
    NUS_WID_Tags/AllTags1k.txt  TagList1k.txt     zeros and ones, 1,000 per line; the names of the columns
    Low_Level_Features/BoW_Train_int.dat ...      500 counts of SIFT words per line (layout "features")
    Flickr/actor/0001_2124494179.jpg ...          the photographs (layout "pictures"; by request from the authors)

Source: T.-S. Chua, J. Tang, R. Hong, H. Li, Z. Luo, Y. Zheng. "NUS-WIDE: A Real-World Web Image Database from National
University of Singapore". CIVR 2009.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.config import data_dir
from xmr_lib.data.base import LazyImages, PairedDataset, PairedFeatures
from xmr_lib.data.features import FeatureDataset, stratified_cut
from xmr_lib.data.hashing_cuts import Sizes
from xmr_lib.data.nus_wide_files import (
    IMAGE_LIST,
    REMEDY,
    TAG_NAMES,
    TAGS,
    concept_column,
    concept_names,
    image_names,
    low_level_rows,
    non_empty_rows,
    tag_names,
    tag_rows,
)
from xmr_lib.data.nus_wide_hashing import CONCEPTS_21, SIZES, load_10k5, load_official
from xmr_lib.data.official_files import read_picture
from xmr_lib.data.pairing import IntArray
from xmr_lib.data.tagged_labels import TaggedLabels
from xmr_lib.errors import InvalidInput, MissingData, check_choice, check_positive

TEN_CONCEPTS = ("animal", "clouds", "flowers", "food", "grass", "person", "sky", "toy", "water", "window")
"""The ten classes of NUS-WIDE-10k as other people's code lists them; the papers' own lists of images are not public."""

N_CONCEPTS = 10
PICTURES = "Flickr"


def load(
    layout: str = "features",
    concepts: Sequence[str] | None = TEN_CONCEPTS,
    per_class: int = 1_000,
    image: str = "BoW_int",
    seed: int = 0,
    protocol: str = "10k",
    sizes: Sizes | None = None,
) -> FeatureDataset | PairedDataset | TaggedLabels:
    """Read the official files below ``XMR_DATA_DIR/nus_wide``.

    Protocol "10k" keeps images with exactly one of ``concepts`` and at least one of the 1,000 tags; of each class
    ``per_class`` are drawn with ``seed``. The protocols of hashing keep all images with one concept or more. The lists
    of images behind published numbers are not public: such numbers compare roughly.

    Args:
        layout: "features": low-level image features and tag vectors. "pictures": photographs, and the tags of each as
            one caption. "text", not for "10k": tags and labels only.
        concepts: The classes. None: the ten most frequent concepts, by counting; in the full release too few images
            carry exactly one of those for 1,000 per class (reported), so pass a smaller ``per_class``.
        per_class: Images per class.
        image: For "features": a key of ``nus_wide_files.LOW_LEVEL``, "BoW_int" (500 SIFT words), "CH", "CORR", ...
        seed: Seed of the drawing and of the cut.
        protocol: "10k", or for hashing "TC-21", "TC-21 tagged", "TC-10" or "10.5k", which know their concepts and draw
            no classes: ``concepts`` and ``per_class`` are not used. "10.5k" reads ``XMR_DATA_DIR/nus_wide_10.5k``.
        sizes: For hashing: queries, training rows, validation rows. Default: those of the papers.

    Returns:
        "10k", in the order of the image list: labels (n, c) one-hot; image (n, 500) and text (n, 1000) float32, or
        pictures and captions. Splits: "train", "validation", "test", 80 / 10 / 10 % of every class: 8,000 / 1,000 /
        1,000. Hashing: the same with labels (n, 21) or (n, 10) multi-hot, or :class:`TaggedLabels`; splits "train" and
        "validation", both inside "database", and "query", outside of it.
        Metadata: "file" (paths) and "row" (lines of the image list, from 0). Pictures for hashing also have "tags"
        (n, 1000) bool and the dict "tag_column" from the tags to columns.

    Raises:
        MissingData: A file is not there; the message tells where it comes from and where it goes.
        InvalidInput: A file is damaged, or there are fewer images than ``per_class`` or ``sizes`` ask for.
        UnknownName: No such layout, protocol, concept or feature.
    """
    check_choice(protocol, ("10k", *SIZES), "protocol of NUS-WIDE")
    if protocol != "10k":
        return _hashing(protocol, layout, image, sizes or SIZES[protocol], seed)
    check_choice(layout, ("features", "pictures"), "layout of NUS-WIDE")
    check_positive(per_class, "per_class")
    folder = _folder()
    names = image_names(folder / IMAGE_LIST)
    chosen = most_frequent(folder, len(names)) if concepts is None else tuple(concepts)
    if not 2 <= len(set(chosen)) == len(chosen):
        raise InvalidInput(f"concepts must name two or more different concepts, but it is {chosen}.")
    rows, classes = _draw(folder, len(names), chosen, per_class, seed)
    tags = tag_names(folder)
    text = tag_rows(folder, rows, len(tags))
    files = [names[row] for row in rows]
    train, held = stratified_cut(classes, 0.2, seed)
    first, second = stratified_cut(classes[held], 0.5, seed)
    version = f"nus-wide-{layout}-{image}-{zlib.crc32(repr((files, classes.tolist())).encode()):08x}"
    common: dict[str, Any] = {"labels": np.eye(len(chosen), dtype=bool)[classes], "class_names": chosen}
    splits = {"train": train, "validation": held[first], "test": held[second]}
    metadata = {"file": files, "row": rows}
    if layout == "features":
        low_level = low_level_rows(folder, image, rows, names)
        features = PairedFeatures(low_level, text, name="nus_wide", **common)
        return FeatureDataset("nus_wide", version, features, splits, metadata)
    return PairedDataset(
        name="nus_wide",
        version=version,
        images=LazyImages(partial(read_picture, where=REMEDY), [folder / PICTURES / file for file in files]),
        captions=[" ".join(tags[t] for t in np.flatnonzero(row)) for row in text],
        caption_image=np.arange(len(rows)),
        splits=splits,
        metadata=metadata,
        **common,
    )


def _hashing(
    protocol: str, layout: str, image: str, sizes: Sizes, seed: int
) -> FeatureDataset | PairedDataset | TaggedLabels:
    if protocol == "10.5k":
        return load_10k5(layout, sizes, seed)
    check_choice(layout, ("features", "pictures", "text"), "layout of NUS-WIDE")
    folder = _folder()
    n = len(image_names(folder / IMAGE_LIST))
    concepts = most_frequent(folder, n) if protocol == "TC-10" else CONCEPTS_21
    return load_official(folder, protocol, layout, concepts, image, sizes, seed)


def most_frequent(folder: Path, n: int, count: int = N_CONCEPTS) -> tuple[str, ...]:
    """The concepts that most images show, in the order of their names (ties: the earlier name).

    Args:
        folder: The data folder.
        n: Number of images.
        count: How many concepts.
    """
    counts = {concept: int(concept_column(folder, concept, n).sum()) for concept in concept_names(folder)}
    return tuple(sorted(sorted(counts, key=lambda concept: (-counts[concept], concept))[:count]))


def _folder() -> Path:
    """The data folder, after a check that the lists, labels and tags are in it."""
    folder = data_dir() / "nus_wide"
    if missing := [name for name in (IMAGE_LIST, TAGS, TAG_NAMES) if not (folder / name).is_file()]:
        raise MissingData(f"NUS-WIDE needs {', '.join(missing)} in {folder}. {REMEDY}")
    return folder


def _draw(
    folder: Path, n: int, concepts: Sequence[str], per_class: int, seed: int
) -> tuple[IntArray, NDArray[np.int64]]:
    """Row numbers, ascending, and class numbers of ``per_class`` images with exactly one of the concepts each."""
    labels = np.stack([concept_column(folder, concept, n) for concept in concepts], axis=1)  # (n, c)
    usable = (labels.sum(axis=1) == 1) & non_empty_rows(folder / TAGS, n)
    rng = np.random.default_rng(seed)
    drawn = []
    for concept, column in zip(concepts, labels.T, strict=True):
        candidates = np.flatnonzero(usable & column)
        if len(candidates) < per_class:
            raise InvalidInput(
                f"Only {len(candidates)} images carry {concept!r} and no other of {', '.join(concepts)}, with at least "
                f"one tag, but per_class is {per_class}. Pass a smaller per_class or other concepts."
            )
        drawn.append(rng.permutation(candidates)[:per_class])
    rows = np.sort(np.concatenate(drawn))
    return rows, labels[rows].argmax(axis=1)
