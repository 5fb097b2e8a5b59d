"""The COCO loader on files of the official format, and on real COCO files when they are there."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.official_files import write_coco, write_json
from xmr_lib.data import load_dataset
from xmr_lib.data.coco import HASHING_SIZES, caption_ids, load, load_captions
from xmr_lib.errors import InvalidInput, MissingData, UnknownName

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "coco"


def needs_real(part: str) -> pytest.MarkDecorator:
    absent = not os.environ.get("XMR_DATA_DIR") or not (REAL / "annotations" / f"captions_{part}.json").is_file()
    return pytest.mark.skipif(absent, reason=f"set XMR_DATA_DIR to a folder with coco/annotations/captions_{part}.json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    return write_coco(tmp_path)


def write_karpathy(folder: Path, sentence: str = "karpathy {j} of {i}") -> None:
    splits = dict(zip(range(10, 22), ["train", "restval", "train", "val", "test"] + ["train"] * 7, strict=True))
    images = [
        {
            "cocoid": i,
            "split": split,
            "filepath": "train2014",
            "filename": f"COCO_train2014_{i:012d}.jpg",
            "sentences": [{"raw": sentence.format(i=i, j=j), "tokens": []} for j in range(6)],
        }
        for i, split in splits.items()
    ]
    write_json(folder / "dataset_coco.json", {"dataset": "coco", "images": images})


def test_captions_and_pictures_stay_together(folder: Path) -> None:
    data = load()
    assert data.metadata["image_id"].tolist() == [10, 11, *range(13, 22)]  # image 12 has no file
    assert data.n_captions == 5 * data.n_images
    for caption, image in zip(data.captions, data.caption_image, strict=True):
        assert caption.endswith(f"of {data.metadata['image_id'][image]}.")
    assert list(data.captions[:5]) == [f"caption {j} of 10." for j in range(5)]  # clean white space, order of the file
    for row, number in enumerate(data.metadata["image_id"]):
        assert data.images[row].mode == "RGB"
        assert data.images[row].getpixel((4, 4))[0] == pytest.approx(10 * (number - 9), abs=3)


def test_columns_are_categories_by_id(folder: Path) -> None:
    data = load()
    assert data.class_names == ("person", "stop sign", "toothbrush")
    assert data.labels is not None
    assert data.labels[0].tolist() == [True, False, True]
    assert data.labels[-1].tolist() == [False, True, False]
    assert not data.labels[1:-1].any()
    assert data.metadata["supercategory"] == {"person": "person", "stop sign": "outdoor", "toothbrush": "indoor"}


def test_boxes(folder: Path) -> None:
    metadata = load().metadata
    assert metadata["boxes"][0].tolist() == [[1, 2, 3, 4], [0, 0, 8, 8]]
    assert metadata["box_class"][0].tolist() == [2, 0]
    assert metadata["box_crowd"][0].tolist() == [False, True]
    assert metadata["boxes"][1].shape == (0, 4)
    assert metadata["license"].tolist() == [4] * 11


def test_facts_about_classes_survive_a_subset_of_equal_size(folder: Path) -> None:
    data = load(limit=3)
    assert len(data.class_names) == data.n_images == 3
    part = data.subset([0])
    assert len(part.metadata["supercategory"]) == 3
    assert len(part.metadata["boxes"]) == 1


def test_number_of_captions(folder: Path) -> None:
    assert load(captions_per_image=1).n_captions == 11
    assert load(captions_per_image=9).n_captions == 56  # one image has six
    assert load(captions_per_image=2).captions[:2] == ["caption 0 of 10.", "caption 1 of 10."]


def test_without_karpathy_images_are_cut_by_seed(folder: Path) -> None:
    data = load()
    assert sorted(np.concatenate(list(data.splits.values()))) == list(range(11))
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [9, 1, 1]
    same, other = load(), [load(seed=seed) for seed in range(1, 6)]
    assert same.splits["test"].tolist() == data.splits["test"].tolist()
    assert any(d.splits["test"].tolist() != data.splits["test"].tolist() for d in other)


def test_karpathy_file_gives_splits_and_captions(folder: Path) -> None:
    write_karpathy(folder)
    data = load()
    ids = {name: data.metadata["image_id"][rows].tolist() for name, rows in data.splits.items()}
    assert ids["validation"] == [13]
    assert ids["test"] == [14]
    assert 11 in ids["train"]  # restval
    assert len(ids["train"]) == 9
    assert list(data.split("test").captions) == [f"karpathy {j} of 14" for j in range(5)]
    (folder / "dataset_coco.json").rename(folder / "annotations" / "dataset_coco.json")
    assert list(load().split("test").captions) == list(data.split("test").captions)


def test_karpathy_test_images_keep_the_order_of_his_file(folder: Path) -> None:
    """The folds of COCO 1K are blocks of that order."""
    write_karpathy(folder)
    path = folder / "dataset_coco.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for entry in content["images"]:
        entry["split"] = "test"
    content["images"].reverse()
    write_json(path, content)
    test = load().split("test")
    assert test.metadata["image_id"].tolist() == [*range(21, 12, -1), 11, 10]
    numbers = caption_ids(test)  # captions keep the order of the files, ids follow them
    for number, image in zip(numbers, test.metadata["image_id"][test.caption_image], strict=True):
        assert number == -1  # his made-up sentences are no COCO captions
        assert image in range(10, 22)


def test_caption_ids_are_those_of_the_file(folder: Path) -> None:
    data = load()
    for part in (data, data.subset([5, 2])):  # image 5 comes first, but captions keep their order
        for number, caption in zip(caption_ids(part), part.captions, strict=True):
            assert number == 1000 - 10 * int(caption.split()[-1].rstrip(".")) + int(caption.split()[1])


def test_caption_ids_survive_karpathy_order(folder: Path) -> None:
    write_karpathy(folder, sentence="caption {j} of {i}.")
    for entry in (content := json.loads((folder / "dataset_coco.json").read_text(encoding="utf-8")))["images"]:
        entry["sentences"].reverse()
    write_json(folder / "dataset_coco.json", content)
    data = load()
    for number, caption in zip(caption_ids(data), data.captions, strict=True):
        j, i = int(caption.split()[1]), int(caption.split()[-1].rstrip("."))
        assert number == (-1 if j == 5 and i != 11 else 1000 - 10 * i + j)  # only image 11 has a sixth caption


def test_karpathy_splits_without_images_are_left_out(folder: Path) -> None:
    write_karpathy(folder)
    with pytest.raises(UnknownName, match="The choices are: train"):
        load(parts=("val",)).split("test")


def test_limit_is_seeded_and_keeps_the_order(folder: Path) -> None:
    drawn = [load(limit=4, seed=seed) for seed in range(5)]
    for data in drawn:
        assert data.n_images == 4
        assert (np.diff(data.metadata["image_id"]) > 0).all()
    assert len({tuple(data.metadata["image_id"]) for data in drawn}) > 1
    assert load(limit=4, seed=2).metadata["image_id"].tolist() == drawn[2].metadata["image_id"].tolist()
    assert load(limit=99).n_images == 11


def test_version_names_the_content(folder: Path) -> None:
    versions = {load().version, load(captions_per_image=1).version, load(limit=4).version, load(parts=("val",)).version}
    assert len(versions) == 4
    assert load().version == load(seed=5).version  # the same rows, only cut differently


def test_a_part_without_pictures_is_left_out(folder: Path) -> None:
    for path in (folder / "val2017").iterdir():
        path.unlink()
    (folder / "val2017").rmdir()
    assert load().metadata["image_id"].max() == 19
    with pytest.raises(MissingData, match=r"no COCO captions with their picture folder for val2017.*cocodataset\.org"):
        load(parts=("val",))


def test_missing_pictures_can_be_kept_for_text(folder: Path) -> None:
    data = load(missing="keep")
    row = data.metadata["image_id"].tolist().index(12)
    assert data.n_images == 12
    assert data.captions[data.captions_of(row)[0]] == "caption 0 of 12."
    with pytest.raises(MissingData, match=r"000000000012\.jpg is not here"):
        data.images[row]
    assert data.images[0].size == (8, 8)


def test_captions_alone(folder: Path) -> None:
    (folder / "annotations" / "instances_val2017.json").unlink()
    data = load_captions()
    assert (data.n_images, data.n_captions, data.labels, data.class_names) == (2, 10, None, ())
    assert "boxes" not in data.metadata
    with pytest.raises(MissingData, match=r"instances_val2017\.json.*labels=False"):
        load()


@pytest.mark.parametrize("kind", ["captions", "instances"])
def test_damaged_json_is_explained(folder: Path, kind: str) -> None:
    path = folder / "annotations" / f"{kind}_train2017.json"
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    with pytest.raises(InvalidInput, match=rf"{kind}_train2017\.json is not complete JSON"):
        load()


@pytest.mark.parametrize("content", [[], {"images": []}, {"images": [{"id": 1}], "annotations": []}])
def test_another_format_is_explained(folder: Path, content: Any) -> None:
    write_json(folder / "annotations" / "captions_val2017.json", content)
    with pytest.raises(InvalidInput, match=r"captions_val2017\.json (does not hold|is not in the COCO format)"):
        load()


def test_a_path_as_file_name_is_refused(folder: Path) -> None:
    images = [{"id": 1, "file_name": "../secret.jpg"}]
    write_json(folder / "annotations" / "captions_val2017.json", {"images": images, "annotations": []})
    with pytest.raises(InvalidInput, match="not a plain file name"):
        load()


def test_a_damaged_picture_is_named(folder: Path) -> None:
    path = folder / "train2017" / f"{10:012d}.jpg"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InvalidInput, match=r"000000000010\.jpg is not a readable picture"):
        load().images[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"year": "2015"}, "2014, 2017"),
        ({"parts": ("test",)}, "train, val"),
        ({"missing": "ignore"}, "drop, keep"),
        ({"captions_per_image": 0}, "at least 1"),
        ({"limit": 0}, "at least 1"),
    ],
)
def test_wrong_options_are_explained(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(**options)


def test_pictures_can_travel_to_another_process(folder: Path) -> None:
    pictures = pickle.loads(pickle.dumps(load().images))  # what a PyTorch DataLoader does with its workers
    assert pictures[0].size == (8, 8)


def test_hashing_keeps_labelled_images_with_one_caption_each(folder: Path) -> None:
    everything = load()
    texts = dict(zip(caption_ids(everything).tolist(), everything.captions, strict=True))
    places = set()
    for seed in range(12):
        data = load(protocol="hashing", sizes=(1, 1, 5), seed=seed)
        assert data.metadata["image_id"].tolist() == [10, 21]  # the others show none of the classes
        assert data.labels is not None
        assert data.labels.any(axis=1).all()
        assert data.captions == [texts[number] for number in caption_ids(data).tolist()]
        assert [caption.split()[-1] for caption in data.captions] == ["10.", "21."]
        places |= set(data.metadata["caption_place"].tolist())
        assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 1, "query": 1, "database": 1}
    assert places == {0, 1, 2, 3, 4}


def test_hashing_refusals(folder: Path) -> None:
    assert HASHING_SIZES[:2] == (5_000, 10_000)
    with pytest.raises(InvalidInput, match="There are 2 images with a label, but 5000 queries"):
        load(protocol="hashing")
    with pytest.raises(InvalidInput, match="read without them"):
        load(protocol="hashing", labels=False)
    with pytest.raises(UnknownName, match="captions, hashing"):
        load(protocol="hash")


@needs_real("train2017")
def test_real_photographs() -> None:
    data = load_dataset("coco", parts=("train",))
    assert data.n_images >= 80
    assert data.n_captions == 5 * data.n_images
    assert len(data.class_names) == 80
    assert (data.class_names[0], data.class_names[-1]) == ("person", "toothbrush")
    assert len(set(data.metadata["supercategory"].values())) == 12
    assert data.labels is not None
    assert data.labels.any(axis=1).mean() > 0.98  # about one image in a hundred has none of the 80 objects
    picture, boxes = data.images[0], data.metadata["boxes"][0]
    assert picture.mode == "RGB"
    assert (boxes[:, 0] + boxes[:, 2] <= picture.width + 1).all()
    assert (boxes[:, 1] + boxes[:, 3] <= picture.height + 1).all()
    row = data.metadata["image_id"].tolist().index(493652)
    assert data.captions[data.captions_of(row)[0]] == "Living room decorated for Christmas with gifts galore"


@needs_real("val2017")
def test_real_captions_without_pictures() -> None:
    data = load_captions("val")
    assert (data.n_images, data.n_captions) == (5000, 25000)
    assert load_captions("val", captions_per_image=9).n_captions == 25014
    assert len(set(caption_ids(data).tolist())) == 25000


@needs_real("train2017")
def test_hashing_on_real_files() -> None:
    data = load(protocol="hashing", parts=("train",), sizes=(10, 40, 10))
    assert (data.n_images, data.n_captions) == (80, 80)
    assert len(data.split("query").captions) == 10
    assert (caption_ids(data) > 0).all()
