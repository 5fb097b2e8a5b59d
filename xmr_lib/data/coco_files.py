"""Reading the official COCO files: annotations as plain records, pictures on demand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from xmr_lib.data.official_files import read_picture
from xmr_lib.errors import InvalidInput, MissingData

KARPATHY = "dataset_coco.json"

WHERE = (
    "Get the annotations (annotations_trainval2017.zip or annotations_trainval2014.zip) and the pictures "
    "(train2017.zip, val2017.zip, ...) from the download page of cocodataset.org and unpack them in {folder}, so that "
    "it holds annotations/ and the picture folders, or set XMR_DATA_DIR to the folder that holds coco/."
)


@dataclass
class Picture:
    """What the official files say about one image.

    Boxes are (x, y, width, height) in pixels; ``box_classes`` are category ids as in the file.
    """

    image_id: int
    folder: str
    file_name: str
    licence: int
    captions: list[str] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    box_classes: list[int] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)


def read_captions(folder: Path, part: str) -> dict[int, Picture]:
    """Images of ``annotations/captions_<part>.json`` by image id, captions in the order of the file.

    Raises:
        MissingData: The file is not there.
        InvalidInput: The file is damaged or not a COCO captions file.
    """
    path = folder / "annotations" / f"captions_{part}.json"
    content = _read_json(path, folder, ("images", "annotations"))
    try:
        pictures = {
            int(row["id"]): Picture(int(row["id"]), part, _bare(row["file_name"]), int(row.get("license", 0)))
            for row in content["images"]
        }
        for row in content["annotations"]:
            pictures[int(row["image_id"])].captions.append(" ".join(str(row["caption"]).split()))
    except (KeyError, TypeError, ValueError) as error:
        raise _not_coco(path, error) from error
    return pictures


def read_instances(folder: Path, part: str, pictures: dict[int, Picture]) -> dict[int, tuple[str, str]]:
    """Add the boxes of ``annotations/instances_<part>.json`` to ``pictures``.

    Returns:
        Category id -> (name, super-category).

    Raises:
        MissingData: The file is not there.
        InvalidInput: The file is damaged or not a COCO instances file.
    """
    path = folder / "annotations" / f"instances_{part}.json"
    try:
        content = _read_json(path, folder, ("annotations", "categories"))
    except MissingData as error:
        raise MissingData(f"{error} To work without labels and boxes pass labels=False.") from None
    try:
        categories = {
            int(row["id"]): (str(row["name"]), str(row.get("supercategory", ""))) for row in content["categories"]
        }
        for row in content["annotations"]:
            picture = pictures.get(int(row["image_id"]))
            if picture is not None and int(row["category_id"]) in categories:
                picture.boxes.append([float(value) for value in row["bbox"]])
                picture.box_classes.append(int(row["category_id"]))
                picture.crowd.append(bool(row.get("iscrowd", 0)))
    except (KeyError, TypeError, ValueError) as error:
        raise _not_coco(path, error) from error
    return categories


def read_karpathy(folder: Path) -> dict[int, tuple[str, list[str]]] | None:
    """Image id -> (split, captions) of ``dataset_coco.json``, or None when the file is not there.

    The split "restval" counts as training: 82,783 + 30,504 = 113,287 images. The file speaks of the 2014 folders, but
    image ids are the same in 2014 and 2017, so it serves both.
    """
    places = (folder / KARPATHY, folder / "annotations" / KARPATHY)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    content = _read_json(path, folder, ("images",))
    names = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
    try:
        return {
            int(row["cocoid"]): (
                names[row["split"]],
                [" ".join(str(sentence["raw"]).split()) for sentence in row["sentences"]],
            )
            for row in content["images"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise _not_coco(path, error) from error


def open_picture(folder: Path, name: str) -> Image.Image:
    """One picture as RGB; some COCO files are grey.

    Raises:
        MissingData: The picture is not on this disk.
        InvalidInput: The file is not a readable picture.
    """
    return read_picture(Path(folder) / name, WHERE.format(folder=folder))


def _read_json(path: Path, folder: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """One JSON file as a dict that has ``keys``. Outlines are dropped while reading: they are most of the memory."""
    try:
        with path.open(encoding="utf-8") as stream:
            content = json.load(stream, object_hook=_without_outlines)
    except FileNotFoundError:
        raise MissingData(f"COCO needs {path}, which is not here. {WHERE.format(folder=folder)}") from None
    except ValueError as error:
        raise InvalidInput(f"{path} is not complete JSON; it is damaged. Unpack it from its archive again.") from error
    absent = [key for key in keys if not isinstance(content, dict) or key not in content]
    if absent:
        raise InvalidInput(f"{path} does not hold {', '.join(absent)}; use the official COCO file of that name.")
    return dict(content)


def _without_outlines(entry: dict[str, Any]) -> dict[str, Any]:
    entry.pop("segmentation", None)
    return entry


def _bare(file_name: str) -> str:
    """A file name that is only a name; a path in it could lead out of the picture folder."""
    if Path(file_name).name != file_name or "\\" in file_name:
        raise ValueError(f"{file_name!r} is not a plain file name")
    return file_name


def _not_coco(path: Path, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"{path} is not in the COCO format ({type(error).__name__}: {error}); use the official file of that name."
    )
