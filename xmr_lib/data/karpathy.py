"""Karpathy's splits: the files ``dataset_coco.json``, ``dataset_flickr8k.json`` and ``dataset_flickr30k.json``.

Nearly every image-text paper since 2015 cuts COCO and Flickr as these files do. Remote-sensing sets come in the same
form.

Source: A. Karpathy and L. Fei-Fei, "Deep Visual-Semantic Alignments for Generating Image Descriptions", CVPR 2015.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from xmr_lib.data.official_files import one_line, plain_name, read_json
from xmr_lib.errors import InvalidInput

SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
"""His name of a split -> ours; "restval", the rest of COCO's validation images, is used for training."""


class KarpathyImage(NamedTuple):
    """What the file says about one image."""

    split: str
    captions: list[str]


def read_karpathy_file(path: Path, key: str) -> dict[Any, KarpathyImage]:
    """One of the files, in its order.

    Args:
        path: The file.
        key: The field that names an image: "cocoid" (a number) or "filename" (a plain file name).

    Returns:
        Image name -> split ("train", "validation", "test") and captions, white space made single spaces.

    Raises:
        InvalidInput: The file is damaged, of another format, or names an image twice.
    """
    content = read_json(path, ("images",), "Get it from caption_datasets.zip.")
    name = int if key == "cocoid" else plain_name
    try:
        found = {
            name(row[key]): KarpathyImage(SPLITS[row["split"]], [one_line(each["raw"]) for each in row["sentences"]])
            for row in content["images"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{path} is not in the format of Karpathy's files ({type(error).__name__}: {error}); use the file of that "
            "name from caption_datasets.zip."
        ) from error
    if len(found) < len(content["images"]):
        raise InvalidInput(f"{path} names an image more than once; get it from caption_datasets.zip again.")
    return found
