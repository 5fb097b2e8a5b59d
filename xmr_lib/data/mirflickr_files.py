"""Reading MIRFlickr-25K: the official folders, and the text copy that hashing code passes on."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.official_files import read_lines
from xmr_lib.errors import InvalidInput, MissingData

LABELS = (
    *("animals", "baby", "bird", "car", "clouds", "dog", "female", "flower", "food", "indoor", "lake", "male"),
    *("night", "people", "plant_life", "portrait", "river", "sea", "sky", "structures", "sunset", "transport"),
    *("tree", "water"),
)
"""The 24 labels, in the order of their names and of the label columns."""

PICTURES = ("mirflickr", ".")
ANNOTATIONS = ("annotations", "mirflickr25k_annotations_v080", "mirflickr", ".")
TAGS = "meta/tags"
COPY = ("txt_database.txt", "mir_label.txt", "common_tags.txt", "img_database.txt")
COMMON = 20
"""A tag is common if at least so many images carry it."""

REMEDY = (
    "Get mirflickr25k.zip and mirflickr25k_annotations_v080.zip from the MIRFLICKR page of LIACS (Leiden University), "
    "unpack them in {folder}, the second one in a folder annotations/ of it, or set XMR_DATA_DIR to the folder above."
)


@dataclass(frozen=True)
class Photos:
    """All photographs of the release, or of a copy of it.

    Attributes:
        ids: The numbers in the file names.
        tags: The tags of each, in the order of the file.
        labels: (n, 24) bool.
        common: The tags that at least 20 photographs carry: the most frequent first.
    """

    ids: list[int]
    tags: list[list[str]]
    labels: NDArray[np.bool_]
    common: list[str]


def picture_folder(folder: Path) -> Path:
    """Where the pictures and ``meta/`` are: the archive has a folder of its own.

    Raises:
        MissingData: Nowhere.
    """
    for name in PICTURES:
        if (folder / name / TAGS).is_dir():
            return folder / name
    raise MissingData(f"MIRFlickr-25K needs the folder {TAGS} in {folder}. {REMEDY.format(folder=folder)}")


def read_release(folder: Path) -> Photos:
    """The official folders: ``meta/tags/tags<ID>.txt`` with a tag per line, ``<label>.txt`` with an id per line.

    Raises:
        MissingData: A folder or a label is not here.
        InvalidInput: A label file holds something else than ids of photographs.
    """
    remedy = REMEDY.format(folder=folder)
    names = {path.name: path for path in (picture_folder(folder) / TAGS).iterdir()}
    numbered = {int(m[1]): path for name, path in names.items() if (m := re.fullmatch(r"tags(\d+)\.txt", name))}
    ids = sorted(numbered)
    tags = [[tag for tag in read_lines(numbered[number], remedy) if tag] for number in ids]
    row = {number: i for i, number in enumerate(ids)}
    labels = np.zeros((len(ids), len(LABELS)), dtype=bool)
    where = next((folder / name for name in ANNOTATIONS if (folder / name / f"{LABELS[0]}.txt").is_file()), None)
    if where is None:
        raise MissingData(f"MIRFlickr-25K needs the label files ({LABELS[0]}.txt, ...) in {folder}. {remedy}")
    for column, label in enumerate(LABELS):
        path = where / f"{label}.txt"
        for number, line in enumerate(read_lines(path, remedy), start=1):
            if not line:
                continue
            if not line.isdigit() or int(line) not in row:
                raise InvalidInput(
                    f"Line {number} of {path} must be the number of a photograph with a file in {TAGS}, but it is "
                    f"{line[:40]!r}. Unpack the official archives again."
                )
            labels[row[int(line)], column] = True
    return Photos(ids, tags, labels, common_tags(tags))


def common_tags(tags: list[list[str]], least: int = COMMON) -> list[str]:
    """The tags that at least ``least`` items carry, the most frequent first (ties: by name).

    Example:
        >>> common_tags([["sea", "blue"], ["blue", "blue"], ["cat"]], least=1)
        ['blue', 'cat', 'sea']
    """
    count = Counter(tag for one in tags for tag in set(one))
    return sorted((tag for tag in count if count[tag] >= least), key=lambda tag: (-count[tag], tag))


def has_copy(folder: Path) -> bool:
    """Whether the text copy is here, and the release is not."""
    return all((folder / name).is_file() for name in COPY) and not any((folder / p / TAGS).is_dir() for p in PICTURES)


def read_copy(folder: Path) -> Photos:
    """The text copy of the 20,015 photographs that comes with the code of Bi-CMR: lines of tags, rows of 0 and 1.

    Raises:
        InvalidInput: The files do not fit together.
    """
    remedy = "Get the four files again."
    text, table, common, pictures = (folder / name for name in COPY)
    tags = [line.split() for line in read_lines(text, remedy)]
    ids = [re.search(r"im(\d+)\.jpg$", line) for line in read_lines(pictures, remedy)]
    try:
        labels = np.loadtxt(table, ndmin=2)
    except ValueError:
        labels = np.empty((0, 0))
    if labels.shape != (len(tags), len(LABELS)) or not np.isin(labels, (0, 1)).all() or len(ids) != len(tags):
        raise InvalidInput(
            f"{COPY[0]} in {folder} has {len(tags)} lines; for each, {COPY[1]} must hold {len(LABELS)} zeros and ones "
            f"and {COPY[3]} a file, but they hold {labels.shape[0]} rows of {labels.shape[1]} and {len(ids)} files. "
            f"{remedy}"
        )
    if not all(ids):
        raise InvalidInput(f"Every line of {pictures} must end in im<number>.jpg. {remedy}")
    names = [line.rsplit(" ", 1)[0] for line in read_lines(common, remedy) if line]
    return Photos([int(m[1]) for m in ids if m], tags, labels > 0, names)
