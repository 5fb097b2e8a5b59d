"""Reading the official NUS-WIDE text files line by line: the tags alone are about half a gigabyte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.official_files import read_lines
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput, MissingData, check_choice

IMAGE_LIST = "ImageList/Imagelist.txt"
TAGS = "NUS_WID_Tags/AllTags1k.txt"
TAG_NAMES = "NUS_WID_Tags/TagList1k.txt"
LABELS = "Groundtruth/AllLabels"

LOW_LEVEL = {
    "BoW_int": (500, "BoW_int.dat", "BoW_Train_int.dat", "BoW_Test_int.dat"),
    **{
        name: (width, f"Normalized_{name}.dat", f"Train_Normalized_{name}.dat", f"Test_Normalized_{name}.dat")
        for name, width in {"CH": 64, "CORR": 144, "EDH": 73, "WT": 128, "CM55": 225}.items()
    },
}
"""Low-level feature -> its width, its file over all images, and the two files of the same cut into two parts."""

REMEDY = (
    "Get the archives Groundtruth, ImageList, NUS_WID_Tags and NUS_WID_Low_Level_Features from the NUS-WIDE page of "
    "the Lab for Media Search (National University of Singapore) and unpack them in XMR_DATA_DIR/nus_wide/."
)


def image_names(path: Path) -> list[str]:
    """Lines of an image list as paths with forward slashes ("actor/0001_2124494179.jpg")."""
    return [line.replace("\\", "/") for line in read_lines(path, REMEDY) if line]


def concept_names(folder: Path) -> list[str]:
    """The concepts that have a file ``Groundtruth/AllLabels/Labels_<concept>.txt``, sorted."""
    names = sorted(path.stem.removeprefix("Labels_") for path in (folder / LABELS).glob("Labels_*.txt"))
    if not names:
        raise MissingData(f"There is no Labels_<concept>.txt in {folder / LABELS}. {REMEDY}")
    return names


def concept_column(folder: Path, concept: str, n: int) -> NDArray[np.bool_]:
    """(n,) which images show a concept: one 0 or 1 per line."""
    check_choice(concept, concept_names(folder), "NUS-WIDE concept")
    path = folder / LABELS / f"Labels_{concept}.txt"
    column = np.array(path.read_bytes().split())
    if len(column) != n or not np.isin(column, (b"0", b"1")).all():
        raise InvalidInput(
            f"{path} must hold one 0 or 1 for each of the {n} lines of {IMAGE_LIST}, but it holds {len(column)} values"
            f"{'' if len(column) != n else ', not all 0 or 1'}. Unpack Groundtruth again."
        )
    found: NDArray[np.bool_] = column == b"1"
    return found


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        with path.open("rb") as stream:
            yield iter(stream)
    except FileNotFoundError:
        raise MissingData(f"{path} is not here. {REMEDY}") from None


def non_empty_rows(path: Path, n: int) -> NDArray[np.bool_]:
    """(n,) which lines of a file of zeros and ones hold a one.

    Raises:
        InvalidInput: The file has not ``n`` lines.
    """
    with _lines(path) as lines:
        found = np.array([b"1" in line for line in lines if line.strip()], dtype=bool)
    if len(found) != n:
        raise InvalidInput(
            f"{path} must have one line for each of the {n} images, but it has {len(found)}. Unpack its archive again."
        )
    return found


def matrix_rows(path: Path, rows: IntArray, width: int) -> NDArray[np.float32]:
    """(rows, width) the given lines (counted from 0, in any order) of a file of numbers, separated by white space.

    Raises:
        MissingData: The file is not here.
        InvalidInput: A line is not ``width`` finite numbers, or the file is too short.
    """
    place = {int(row): i for i, row in enumerate(rows)}
    out = np.full((len(rows), width), np.nan, dtype=np.float32)
    with _lines(path) as lines:
        for number, line in enumerate(lines):
            if number in place:
                out[place[number]] = _numbers(path, number, line, width)
    if np.isnan(out).any():
        raise InvalidInput(
            f"{path} ends before line {max(place) + 1}, so it does not cover all images. Unpack its archive again."
        )
    return out


def _numbers(path: Path, number: int, line: bytes, width: int) -> NDArray[np.float32]:
    try:
        values = np.array(line.split(), dtype=np.float32)
    except ValueError:
        values = np.empty(0, dtype=np.float32)
    if len(values) != width or not np.isfinite(values).all():
        raise InvalidInput(
            f"Line {number + 1} of {path} must hold {width} numbers, but it reads {line[:60]!r}. "
            "Unpack its archive again."
        )
    return values


def low_level_rows(folder: Path, feature: str, rows: IntArray, names: list[str]) -> NDArray[np.float32]:
    """(rows, width) one low-level feature of the images with the given row numbers in the image list.

    Reads the file over all images where it is, else the two parts, whose lines follow ``TrainImagelist.txt`` and
    ``TestImagelist.txt``.
    """
    width, whole, *parts = LOW_LEVEL[check_choice(feature, LOW_LEVEL, "low-level feature of NUS-WIDE")]
    if (folder / "Low_Level_Features" / whole).is_file():
        return matrix_rows(folder / "Low_Level_Features" / whole, rows, width)
    out = np.full((len(rows), width), np.nan, dtype=np.float32)
    for part, file in zip(("Train", "Test"), parts, strict=True):
        line_of = {name: i for i, name in enumerate(image_names(folder / "ImageList" / f"{part}Imagelist.txt"))}
        here = [(i, line_of[names[row]]) for i, row in enumerate(rows.tolist()) if names[row] in line_of]
        if here:
            targets, lines = np.array(here).T
            out[targets] = matrix_rows(folder / "Low_Level_Features" / file, lines, width)
    if np.isnan(out).any():
        raise InvalidInput(
            f"TrainImagelist.txt and TestImagelist.txt do not hold all images of {IMAGE_LIST}. Unpack ImageList again."
        )
    return out


def tag_names(folder: Path) -> list[str]:
    """The names of the columns of the tag file, one per line."""
    return [line for line in read_lines(folder / TAG_NAMES, REMEDY) if line]


def tag_rows(folder: Path, rows: IntArray, width: int) -> NDArray[Any]:
    """(rows, width) float32 zeros and ones: which of the tags the given images carry."""
    return matrix_rows(folder / TAGS, rows, width)
