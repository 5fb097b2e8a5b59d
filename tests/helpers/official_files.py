"""Small data sets in the official form of MIRFlickr-25K, NUS-WIDE, IAPR TC-12 and MS COCO, below XMR_DATA_DIR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xmr_lib.data.mirflickr_files import LABELS
from xmr_lib.data.nus_wide_hashing import CONCEPTS_21, COPY

# --- MIRFlickr-25K: photographs 1..60 ------------------------------------------------------------------------------

PHOTOS = 60


def tags_of(number: int) -> list[str]:
    """ "sea" on odd photographs (30), "été" on every third (20), "rare" on 19, one tag of its own on all."""
    carried = {"sea": number % 2 == 1, "été": number % 3 == 0, "rare": number > PHOTOS - 19, f"own{number}": True}
    return [tag for tag, here in carried.items() if here]


def labels_of(number: int) -> set[str]:
    """ "sky" on every fourth photograph, "dog" on every fifth."""
    return {name for name, step in {"sky": 4, "dog": 5}.items() if number % step == 0}


def write_mirflickr(data_dir: Path) -> Path:
    """Photograph i is i pixels wide."""
    folder = data_dir / "mirflickr25k"
    (folder / "mirflickr/meta/tags").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for i in range(1, PHOTOS + 1):
        text = "\r\n".join(tags_of(i)) + "\r\n"
        (folder / f"mirflickr/meta/tags/tags{i}.txt").write_bytes(text.encode("utf-8"))
        Image.new("RGB", (i, 7)).save(folder / f"mirflickr/im{i}.jpg")
    for label in LABELS:
        lines = "".join(f"{i}\n" for i in range(1, PHOTOS + 1) if label in labels_of(i))
        (folder / f"annotations/{label}.txt").write_text(lines, encoding="utf-8")
    (folder / "annotations/dog_r1.txt").write_text("1\n", encoding="utf-8")
    (folder / "annotations/README.txt").write_text("not a label", encoding="utf-8")
    return folder


# --- NUS-WIDE: images 0..119 ---------------------------------------------------------------------------------------

IMAGES = 120
TAGS = ("blue", "holiday", "water")


def shows(i: int) -> set[str]:
    """Image i shows "sky" if 2 divides i, "water" if 3 does, and "toy", which is none of the 21, always."""
    return {"toy"} | ({"sky"} if i % 2 == 0 else set()) | ({"water"} if i % 3 == 0 else set())


def carries(i: int) -> list[int]:
    """Tag "blue" unless 4 divides i, "water" if 3 does and 4 does not."""
    return [int(i % 4 > 0), 0, int(i % 3 == 0 and i % 4 > 0)]


def write_nus_wide(data_dir: Path) -> Path:
    """Without pictures; the colour histogram of image i is i everywhere."""
    folder = data_dir / "nus_wide"
    for name in ("ImageList", "Groundtruth/AllLabels", "NUS_WID_Tags", "Low_Level_Features", "Flickr/a"):
        (folder / name).mkdir(parents=True)
    names = "".join(f"a\\{i:04d}.jpg\n" for i in range(IMAGES))
    (folder / "ImageList/Imagelist.txt").write_text(names, encoding="utf-8")
    for concept in (*CONCEPTS_21, "toy"):
        lines = "".join(f"{int(concept in shows(i))}\n" for i in range(IMAGES))
        (folder / f"Groundtruth/AllLabels/Labels_{concept}.txt").write_text(lines, encoding="utf-8")
    rows = "".join("\t".join(map(str, carries(i))) + "\t\n" for i in range(IMAGES))
    (folder / "NUS_WID_Tags/AllTags1k.txt").write_text(rows, encoding="utf-8")
    (folder / "NUS_WID_Tags/TagList1k.txt").write_text("\n".join(TAGS) + "\n", encoding="utf-8")
    colours = "".join(" ".join([str(i)] * 64) + "\n" for i in range(IMAGES))
    (folder / "Low_Level_Features/Normalized_CH.dat").write_text(colours, encoding="utf-8")
    return folder


def write_nus_wide_10k5(data_dir: Path) -> Path:
    """Thirty images in the form of the copy, without pictures."""
    folder = data_dir / "nus_wide_10.5k"
    (folder / "images").mkdir(parents=True)
    texts = [["sky", "nikon"], ["2007"], ["sky", "water", "sky"]] * 10
    (folder / COPY[0]).write_text("".join(" ".join(tags) + "\n" for tags in texts), encoding="utf-8")
    labels = np.eye(21, dtype=int)[np.arange(30) % 21]
    (folder / COPY[1]).write_text("".join(" ".join(map(str, row)) + " \n" for row in labels), encoding="utf-8")
    (folder / COPY[2]).write_text("".join(f"images/{i}.jpg\n" for i in range(30)), encoding="utf-8")
    (folder / COPY[3]).write_text("water\nsky\n", encoding="utf-8")
    return folder


# --- IAPR TC-12: photographs 1..30 ---------------------------------------------------------------------------------

TRAVELS = 30
HEAD = "<DOC>\n<DOCNO>annotations/{place}.eng</DOCNO>\n<TITLE>R & D at Machu Picchu</TITLE>\n"


def place(i: int) -> str:
    return f"{i // 20:02d}/{i}"


def text_of(i: int) -> str:
    return f"a café & {'a lake' if i % 2 else 'two llamas < a hill'};\nthing{i}"


def write_iapr(data_dir: Path) -> Path:
    """Photograph i shows label 7 always, 200 if 3 divides it; 5 has no region, 6 no description."""
    folder = data_dir / "iapr_tc12"
    regions: dict[str, list[str]] = {"00": [], "01": []}
    for i in range(1, TRAVELS + 1):
        for top, suffix in (("images", "jpg"), ("annotations_complete_eng", "eng")):
            path = folder / top / f"{place(i)}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if suffix == "jpg":
                Image.new("RGB", (i, 4)).save(path)
            else:
                told = "" if i == 6 else f"<DESCRIPTION>{text_of(i)}</DESCRIPTION>\n"
                path.write_bytes((HEAD.format(place=place(i)) + told + "<NOTES></NOTES>\n</DOC>\n").encode("latin-1"))
        if i != 5:
            regions[place(i)[:2]] += [f"{i}\t1\t7", f"{i}\t2\t7"] + ([f"{i}\t3\t200"] if i % 3 == 0 else [])
    for part, lines in regions.items():
        (folder / "saiapr_tc-12" / part).mkdir(parents=True)
        (folder / "saiapr_tc-12" / part / "labels.txt").write_text("\n".join([*lines, "", "999 1 3"]), "utf-8")
    (folder / "wlist.txt").write_text("3\tair\n7\tsky-blue\n200\tpalm tree\n", encoding="utf-8")
    return folder


# --- MS COCO: images 10..21 ----------------------------------------------------------------------------------------

CATEGORIES = [
    {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 13, "name": "stop sign", "supercategory": "outdoor"},
]
BOXES = (
    {"id": 1, "image_id": 10, "category_id": 90, "bbox": [1, 2, 3, 4], "iscrowd": 0, "segmentation": [[1, 2]]},
    {"id": 2, "image_id": 10, "category_id": 1, "bbox": [0, 0, 8, 8], "iscrowd": 1, "segmentation": {}},
    {"id": 3, "image_id": 21, "category_id": 13, "bbox": [5, 5, 1, 1], "iscrowd": 0, "segmentation": []},
)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_coco(data_dir: Path, boxes: tuple[dict[str, Any], ...] = BOXES) -> Path:
    """Images 10..19 in train2017 and 20, 21 in val2017; image 11 is grey and has 6 captions, 12 has no file."""
    folder = data_dir / "coco"
    for part, numbers in (("train2017", range(10, 20)), ("val2017", range(20, 22))):
        (folder / part).mkdir(parents=True)
        images = [{"id": i, "file_name": f"{i:012d}.jpg", "license": 4, "width": 8, "height": 8} for i in numbers]
        captions = [
            {"id": 1000 - 10 * i + j, "image_id": i, "caption": f" caption {j}\nof {i}. "}
            for j in range(6)
            for i in reversed(numbers)
            if j < 5 or i == 11
        ]
        here = [box for box in boxes if box["image_id"] in numbers]
        write_json(folder / "annotations" / f"captions_{part}.json", {"images": images, "annotations": captions})
        write_json(folder / "annotations" / f"instances_{part}.json", {"annotations": here, "categories": CATEGORIES})
        for i in numbers:
            if i != 12:
                level = 10 * (i - 9)
                picture = Image.new("L", (8, 8), level) if i == 11 else Image.new("RGB", (8, 8), (level, 0, 0))
                picture.save(folder / part / f"{i:012d}.jpg")
    return folder
