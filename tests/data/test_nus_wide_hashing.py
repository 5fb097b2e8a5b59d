"""NUS-WIDE as hashing papers cut it, on small files of the official form and on the 10,500 real texts and labels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.official_files import IMAGES, carries, shows, write_nus_wide, write_nus_wide_10k5
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.nus_wide_hashing import CONCEPTS_21, COPY, COPY_CONCEPTS, SIZES
from xmr_lib.data.tagged_labels import TaggedLabels
from xmr_lib.errors import InvalidInput, MissingData, UnknownName
from xmr_lib.evaluation.hashing import density

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "nus_wide_10.5k"
needs_real = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not (REAL / "label_10500.txt").is_file(),
    reason="set XMR_DATA_DIR to a folder with nus_wide_10.5k/label_10500.txt to test on real tags",
)

SMALL = (6, 20, 6)
RELEVANT = [i for i in range(IMAGES) if i % 2 == 0 or i % 3 == 0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    return write_nus_wide(tmp_path)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    return write_nus_wide_10k5(tmp_path)


def test_images_have_one_of_the_21_concepts_or_more(folder: Path) -> None:
    data = load_dataset("nus_wide", protocol="TC-21", image="CH", sizes=SMALL)
    assert isinstance(data, FeatureDataset)
    assert data.class_names == CONCEPTS_21
    assert data.metadata["row"].tolist() == RELEVANT
    assert data.features.image[:, 0].tolist() == RELEVANT
    assert data.features.text.tolist() == [carries(i) for i in RELEVANT]
    assert data.labels is not None
    for row, i in enumerate(RELEVANT):
        assert {CONCEPTS_21[c] for c in np.flatnonzero(data.labels[row])} == shows(i) - {"toy"}
    assert {name: len(rows) for name, rows in data.splits.items()} == {
        "train": 20,
        "validation": 6,
        "query": 6,
        "database": len(RELEVANT) - 6,
    }


def test_tagged_drops_images_without_a_tag(folder: Path) -> None:
    data = load_dataset("nus_wide", protocol="TC-21 tagged", layout="text", sizes=SMALL)
    assert isinstance(data, TaggedLabels)
    assert data.metadata["row"].tolist() == [i for i in RELEVANT if i % 4]
    assert data.tags.any(axis=1).all()
    all_of_them = load_dataset("nus_wide", protocol="TC-21", layout="text", sizes=SMALL)
    assert len(all_of_them) == len(RELEVANT)
    assert not all_of_them.tags.any(axis=1).all()


def test_ten_concepts_are_counted(folder: Path) -> None:
    data = load_dataset("nus_wide", protocol="TC-10", layout="text", sizes=SMALL)
    assert len(data.class_names) == 10
    assert {"sky", "water", "toy"} <= set(data.class_names)
    assert len(data) == IMAGES  # "toy" is frequent here


def test_pictures_with_their_tags(folder: Path) -> None:
    data = load_dataset("nus_wide", protocol="TC-21", layout="pictures", sizes=SMALL)
    assert isinstance(data, PairedDataset)
    Image.new("RGB", (9, 5)).save(folder / "Flickr/a/0003.jpg")
    row = RELEVANT.index(3)
    assert data.captions[row] == "blue water"
    assert data.captions[RELEVANT.index(4)] == ""  # no tag
    assert data.metadata["tags"].astype(int).tolist() == [carries(i) for i in RELEVANT]
    assert data.metadata["tag_column"] == {"blue": 0, "holiday": 1, "water": 2}
    assert data.images[row].size == (9, 5)
    assert len(data.split("train").captions) == 20


def test_versions_follow_protocol_and_feature(folder: Path) -> None:
    versions = [
        load_dataset("nus_wide", protocol=protocol, image="CH", sizes=SMALL, seed=seed).version
        for protocol, seed in (("TC-21", 0), ("TC-21", 1), ("TC-21 tagged", 0))
    ]
    assert versions[0] == versions[1] != versions[2]


def test_paper_sizes_and_unknown_protocols(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"images of NUS-WIDE TC-21, but 2100 queries and 10000 training rows"):
        load_dataset("nus_wide", protocol="TC-21", layout="text")
    with pytest.raises(UnknownName, match=r"10\.5k, 10k, TC-10, TC-21, TC-21 tagged"):
        load_dataset("nus_wide", protocol="TC-81")
    with pytest.raises(UnknownName, match="features, pictures, text"):
        load_dataset("nus_wide", protocol="TC-21", layout="tags", sizes=SMALL)
    assert set(SIZES) == {"TC-21", "TC-21 tagged", "TC-10", "10.5k"}


def test_the_copy(copy: Path) -> None:
    data = load_dataset("nus_wide", protocol="10.5k", layout="text", sizes=(2, 10, 3))
    assert isinstance(data, TaggedLabels)
    assert data.tags[:3].tolist() == [[False, True], [False, False], [True, True]]
    assert data.labels[4].tolist() == [c == 4 for c in range(21)]
    pictures = load_dataset("nus_wide", protocol="10.5k", layout="pictures", sizes=(2, 10, 3))
    assert pictures.captions[0] == "sky nikon"
    Image.new("RGB", (3, 2)).save(copy / "images/7.jpg")
    assert pictures.images[7].size == (3, 2)
    with pytest.raises(UnknownName, match="pictures, text"):
        load_dataset("nus_wide", protocol="10.5k")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (COPY[0], "sky\n", "has 1 lines, but img_10500.txt has 30"),
        (COPY[1], "1 0\n", "must hold 21 numbers"),
        (COPY[1], ("2 " * 21 + "\n") * 30, "zeros and ones only"),
    ],
)
def test_a_damaged_copy_is_explained(copy: Path, name: str, content: str, message: str) -> None:
    (copy / name).write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput, match=message):
        load_dataset("nus_wide", protocol="10.5k", layout="text", sizes=(2, 10, 3))


def test_a_missing_copy_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    with pytest.raises(MissingData, match=r"needs txt_10500\.txt, .*Bi-CMR .* XMR_DATA_DIR"):
        load_dataset("nus_wide", protocol="10.5k", layout="text")


@needs_real
def test_real_texts_and_labels() -> None:
    data = load_dataset("nus_wide", protocol="10.5k", layout="text")
    assert data.tags.shape == (10_500, 1_000)
    assert int((~data.tags.any(axis=1)).sum()) == 388
    assert data.labels.sum(axis=1).mean() == pytest.approx(1.8656, abs=1e-4)
    assert density(data.labels[:2000], data.labels[2000:]) == pytest.approx(0.2746, abs=1e-4)
    assert {name: len(rows) for name, rows in data.splits.items()} == {
        "train": 4_000,
        "validation": 2_000,
        "query": 2_000,
        "database": 8_500,
    }


@needs_real
def test_real_tags_tell_the_names_of_the_label_columns() -> None:
    """A concept's name, as a tag, goes with its column better than with any other; only "sky" goes with clouds too."""
    data = load_dataset("nus_wide", protocol="10.5k", layout="text")
    sizes = data.labels.sum(axis=0)
    found = []
    for concept in COPY_CONCEPTS:
        if concept in data.tag_names:
            tag = data.tags[:, data.tag_names.index(concept)]
            both = data.labels.T.astype(int) @ tag.astype(int)
            found.append(COPY_CONCEPTS[int((both / (tag.sum() + sizes - both)).argmax())] == concept)
    assert (len(found), sum(found), found[0]) == (21, 20, False)
