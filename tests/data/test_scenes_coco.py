"""The COCO export: official layout, survives JSON, and tells the same as the data set."""

import json

import pytest

from xmr_lib.data.scenes import load, to_coco
from xmr_lib.errors import InvalidInput


@pytest.fixture(scope="module")
def data():
    return load(size=120, seed=2, styles=("noto", "twemoji"))


@pytest.fixture(scope="module")
def files(data):
    return tuple(json.loads(json.dumps(part)) for part in to_coco(data))


def test_official_keys(files):
    captions, instances = files
    assert set(captions) == {"info", "licenses", "images", "annotations"}
    assert set(instances) >= {"info", "licenses", "images", "annotations", "categories"}
    assert set(captions["annotations"][0]) == {"id", "image_id", "caption"}
    needed = {"id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd"}
    assert all(needed <= set(row) for row in instances["annotations"])
    assert {"id", "file_name", "width", "height", "license"} == set(captions["images"][0])
    assert captions["images"] == instances["images"]
    assert [row["id"] for row in instances["categories"]] == list(range(1, 81))
    for part in files:
        for key in ("images", "annotations"):
            ids = [row["id"] for row in part[key]]
            assert len(ids) == len(set(ids))
    licences = {row["id"] for row in captions["licenses"]}
    assert {row["license"] for row in captions["images"]} == licences


def test_round_trip(data, files):
    captions, instances = files
    texts, boxes, classes = {}, {}, {}
    for row in captions["annotations"]:
        texts.setdefault(row["image_id"], []).append(row["caption"])
    names = {row["id"]: row["name"] for row in instances["categories"]}
    for row in instances["annotations"]:
        boxes.setdefault(row["image_id"], []).append(tuple(row["bbox"]))
        classes.setdefault(row["image_id"], set()).add(names[row["category_id"]])
        assert row["area"] == row["bbox"][2] * row["bbox"][3]
    for i, scene in enumerate(data.metadata["scenes"]):
        assert texts[scene.index] == list(data.captions[5 * i : 5 * i + 5])
        assert boxes[scene.index] == [box for obj in scene.objects for box in obj.boxes]
        assert classes[scene.index] == {data.class_names[c] for c in data.labels[i].nonzero()[0]}
    triples = [(r["image_id"], r["subject"], r["relation"], r["object"]) for r in instances["relations"]]
    assert triples == [(scene.index, *relation) for scene in data.metadata["scenes"] for relation in scene.relations]
    assert {row["name"]: row["supercategory"] for row in instances["categories"]} == data.metadata["supercategories"]


def test_a_split_keeps_its_image_ids(data, files):
    test = data.split("test")
    captions, instances = to_coco(test)
    assert [row["id"] for row in captions["images"]] == data.splits["test"].tolist()
    everything = {row["id"]: row for row in files[0]["annotations"]}
    assert all(everything[row["id"]] == row for row in captions["annotations"])
    assert len(captions["annotations"]) == 5 * len(captions["images"])
    everything = {row["id"]: row for row in files[1]["annotations"]}
    assert all(everything[row["id"]] == json.loads(json.dumps(row)) for row in instances["annotations"])


def test_the_course_coco_reader_reads_it(data, tmp_path):
    """The reader for the real COCO files takes the export as it is."""
    from xmr_lib.data.coco_files import read_captions, read_instances

    (tmp_path / "annotations").mkdir()
    for name, part in zip(("captions", "instances"), to_coco(data), strict=True):
        path = tmp_path / "annotations" / f"{name}_scenes.json"
        path.write_text(json.dumps(part), encoding="utf-8")
    pictures = read_captions(tmp_path, "scenes")
    categories = read_instances(tmp_path, "scenes", pictures)
    assert categories[1] == ("dog", "mammal")
    assert len(pictures) == 120
    for i, scene in enumerate(data.metadata["scenes"]):
        assert pictures[i].captions == list(data.captions[5 * i : 5 * i + 5])
        assert [tuple(box) for box in pictures[i].boxes] == [box for obj in scene.objects for box in obj.boxes]


def test_other_data_sets_are_refused(data):
    from dataclasses import replace

    with pytest.raises(InvalidInput, match="to_coco needs the scenes"):
        to_coco(replace(data, metadata={}))
