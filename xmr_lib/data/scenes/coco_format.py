"""The official COCO annotation layout for generated scenes, so that any COCO reader can use them.

Format: https://cocodataset.org/#format-data (captions and object detection). Two keys are ours, and readers ignore
them: ``attributes`` of an annotation, and ``relations`` of the instances file.
"""

from __future__ import annotations

from typing import Any

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.scenes.catalogue import CATEGORIES
from xmr_lib.data.scenes.layout import Scene
from xmr_lib.errors import InvalidInput

LICENSES = [
    {"id": 1, "name": "Apache License 2.0 (Noto Emoji)", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    {"id": 2, "name": "CC BY 4.0 (Twemoji)", "url": "https://creativecommons.org/licenses/by/4.0/"},
]
LICENSE_OF_STYLE = {"noto": 1, "twemoji": 2}
CATEGORY_IDS = {name: i for i, name in enumerate(CATEGORIES, start=1)}


def _image(scene: Scene) -> dict[str, Any]:
    return {
        "id": scene.index,
        "file_name": f"{scene.index:012d}.png",
        "width": scene.image_size,
        "height": scene.image_size,
        "license": LICENSE_OF_STYLE[scene.style],
    }


def _instances(scene: Scene) -> list[dict[str, Any]]:
    """One annotation per drawn copy; ids are ``100 * image id + 1, 2, ...``."""
    annotations: list[dict[str, Any]] = []
    for group, obj in enumerate(scene.objects):
        for x, y, width, height in obj.boxes:
            corners = [x, y, x + width, y, x + width, y + height, x, y + height]
            annotations.append(
                {
                    "id": 100 * scene.index + len(annotations) + 1,
                    "image_id": scene.index,
                    "category_id": CATEGORY_IDS[obj.category],
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "segmentation": [corners],  # the box itself: we do not trace outlines
                    "iscrowd": 0,
                    "attributes": {"group": group, "size": obj.size, "colour": obj.colour, "count": obj.count},
                }
            )
    return annotations


def to_coco(dataset: PairedDataset) -> tuple[dict[str, Any], dict[str, Any]]:
    """The annotations of a ``scenes`` data set, or of one of its splits, in the two official layouts.

    Args:
        dataset: ``load_dataset("scenes")``, a split or a subset of it.

    Returns:
        ``(captions, instances)``: what ``captions_*.json`` and ``instances_*.json`` hold; ready for ``json.dump``.
        Image ids are the scenes' numbers, the same in every split.

    Raises:
        InvalidInput: The data set holds no scenes.
    """
    scenes: list[Scene] = dataset.metadata.get("scenes", [])
    if not scenes:
        raise InvalidInput(
            f"to_coco needs the scenes of the data set, but {dataset.name!r} has none. "
            'Pass load_dataset("scenes") or one of its splits.'
        )
    common = {
        "info": {"description": f"Generated emoji scenes: {dataset.name}", "version": dataset.version},
        "licenses": LICENSES,
        "images": [_image(scene) for scene in scenes],
    }
    told: dict[int, int] = {}
    captions = []
    for text, image in zip(dataset.captions, dataset.caption_image.tolist(), strict=True):
        index = scenes[image].index
        told[index] = told.get(index, 0) + 1
        captions.append({"id": 100 * index + told[index], "image_id": index, "caption": text})
    instances = {
        **common,
        "annotations": [annotation for scene in scenes for annotation in _instances(scene)],
        "categories": [
            {"id": CATEGORY_IDS[c.name], "name": c.name, "supercategory": c.supercategory} for c in CATEGORIES.values()
        ],
        "relations": [
            {"image_id": scene.index, "subject": r.subject, "relation": r.name, "object": r.object}
            for scene in scenes
            for r in scene.relations
        ],
    }
    return {**common, "annotations": captions}, instances
