"""Reading the official COCO files: annotations as plain records, pictures on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from xmr_lib.data.karpathy import KarpathyImage, read_karpathy_file
from xmr_lib.data.official_files import one_line, plain_name, read_json, read_picture
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

    Boxes are (x, y, width, height) in pixels; ``box_classes`` are category ids as in the file; ``caption_ids`` are the
    annotation ids of the captions; ``size`` is width and height in pixels, zeros where the file does not tell.
    """

    image_id: int
    folder: str
    file_name: str
    licence: int
    size: tuple[int, int] = (0, 0)
    captions: list[str] = field(default_factory=list)
    caption_ids: list[int] = field(default_factory=list)
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
            int(row["id"]): Picture(
                int(row["id"]),
                part,
                plain_name(row["file_name"]),
                int(row.get("license", 0)),
                (int(row.get("width", 0)), int(row.get("height", 0))),
            )
            for row in content["images"]
        }
        for row in content["annotations"]:
            pictures[int(row["image_id"])].captions.append(one_line(row["caption"]))
            pictures[int(row["image_id"])].caption_ids.append(int(row["id"]))
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


def read_karpathy(folder: Path) -> dict[int, KarpathyImage] | None:
    """Image id -> split and captions of ``dataset_coco.json``, or None when the file is not there.

    The file speaks of the 2014 folders, but image ids are the same in 2014 and 2017, so it serves both.
    """
    places = (folder / KARPATHY, folder / "annotations" / KARPATHY)
    path = next((place for place in places if place.is_file()), None)
    return None if path is None else read_karpathy_file(path, "cocoid")


def take_captions(picture: Picture, captions: list[str]) -> None:
    """Give a picture Karpathy's captions. They are the official ones in his order; any other gets id -1."""
    ids: dict[str, list[int]] = {}
    for caption, number in zip(picture.captions, picture.caption_ids, strict=True):
        ids.setdefault(caption, []).append(number)
    picture.captions = captions
    picture.caption_ids = [ids[caption].pop(0) if ids.get(caption) else -1 for caption in captions]


def open_picture(folder: Path, name: str) -> Image.Image:
    """One picture as RGB; some COCO files are grey.

    Raises:
        MissingData: The picture is not on this disk.
        InvalidInput: The file is not a readable picture.
    """
    return read_picture(Path(folder) / name, WHERE.format(folder=folder))


def _read_json(path: Path, folder: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """One JSON file as a dict that has ``keys``. Outlines are dropped while reading: they are most of the memory."""
    return read_json(path, keys, f"COCO needs it. {WHERE.format(folder=folder)}", _without_outlines)


def _without_outlines(entry: dict[str, Any]) -> dict[str, Any]:
    entry.pop("segmentation", None)
    return entry


def _not_coco(path: Path, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"{path} is not in the COCO format ({type(error).__name__}: {error}); use the official file of that name."
    )
