"""MIRFlickr-25K on small files of the official form, and on the real tags and labels when they are there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from helpers.official_files import PHOTOS, labels_of, tags_of, write_mirflickr
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.mirflickr_files import COPY, LABELS
from xmr_lib.data.tagged_labels import TaggedLabels
from xmr_lib.errors import InvalidInput, MissingData, UnknownName
from xmr_lib.evaluation.hashing import density

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "mirflickr25k"
needs_real = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not (REAL / COPY[0]).is_file(),
    reason="set XMR_DATA_DIR to a folder with mirflickr25k/txt_database.txt to test on real tags",
)

SIZES = (2, 6, 2)


def labelled() -> list[int]:
    return [i for i in range(1, PHOTOS + 1) if labels_of(i)]


def tagged() -> list[int]:
    return [i for i in labelled() if i % 2 == 1 or i % 3 == 0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    return write_mirflickr(tmp_path)


@pytest.fixture
def copy(folder: Path) -> Path:
    """The same as the text copy: the release is gone."""
    rows = tagged()
    (folder / "txt_database.txt").write_text("".join(" ".join(tags_of(i)) + " \n" for i in rows), encoding="utf-8")
    table = [" ".join(f"{label in labels_of(i):.1f}" for label in LABELS) for i in rows]
    (folder / "mir_label.txt").write_text(" \n".join(table), encoding="utf-8")
    (folder / "common_tags.txt").write_text("sea 30\nété 20", encoding="utf-8")
    (folder / "img_database.txt").write_text("".join(f"images/im{i}.jpg\n" for i in rows), encoding="utf-8")
    (folder / "mirflickr").rename(folder / "elsewhere")
    return folder


def test_photographs_with_a_common_tag_and_a_label(folder: Path) -> None:
    data = load_dataset("mirflickr25k", sizes=SIZES)
    assert isinstance(data, PairedDataset)
    ids = data.metadata["id"].tolist()
    assert ids == tagged()
    assert data.class_names == LABELS
    assert len(LABELS) == 24
    assert list(LABELS) == sorted(LABELS)
    assert data.labels is not None
    for row, number in enumerate(ids):
        assert {LABELS[c] for c in np.flatnonzero(data.labels[row])} == labels_of(number)
        assert data.captions[row] == " ".join(tags_of(number))
        assert data.images[row].size == (number, 7)
    column = data.metadata["tag_column"]
    assert column == {"sea": 0, "été": 1}  # "rare" is on 19 photographs only
    assert data.metadata["tags"][:, column["été"]].tolist() == [i % 3 == 0 for i in ids]


def test_all_labelled_photographs(folder: Path) -> None:
    data = load_dataset("mirflickr25k", items="labelled", sizes=SIZES)
    assert data.metadata["id"].tolist() == labelled() != tagged()


def test_roles_by_seed(folder: Path) -> None:
    data = load_dataset("mirflickr25k", sizes=SIZES)
    database = data.split("database")
    assert database.metadata["id"].tolist() == data.metadata["id"][data.splits["database"]].tolist()
    assert database.caption_image.tolist() == list(range(database.n_images))  # row i is one item
    assert database.captions == [data.captions[i] for i in data.splits["database"]]
    data, again, other = (load_dataset("mirflickr25k", sizes=(2, 6, 3), seed=seed) for seed in (0, 0, 1))
    assert {name: len(rows) for name, rows in data.splits.items()} == {
        "train": 6,
        "validation": 3,
        "query": 2,
        "database": len(tagged()) - 2,
    }
    assert data.splits["query"].tolist() == again.splits["query"].tolist()
    assert any(data.splits[name].tolist() != other.splits[name].tolist() for name in ("query", "train"))
    assert data.version == other.version  # the photographs are the same


def test_pictures_open_only_when_asked_for(folder: Path) -> None:
    (folder / f"mirflickr/im{tagged()[0]}.jpg").unlink()
    data = load_dataset("mirflickr25k", sizes=SIZES)
    assert data.images[1].size == (tagged()[1], 7)
    with pytest.raises(MissingData, match=r"im\d+\.jpg is not here\. Get mirflickr25k\.zip"):
        data.images[0]


def test_text_alone_needs_no_pictures(folder: Path) -> None:
    for path in folder.glob("mirflickr/*.jpg"):
        path.unlink()
    data = load_dataset("mirflickr25k", layout="text", sizes=SIZES)
    assert isinstance(data, TaggedLabels)
    assert data.tag_names == ("sea", "été")
    assert data.metadata["id"].tolist() == tagged()


def test_the_text_copy_gives_the_same_as_the_release(folder: Path, request: pytest.FixtureRequest) -> None:
    release = load_dataset("mirflickr25k", layout="text", sizes=SIZES)
    request.getfixturevalue("copy")
    copied = load_dataset("mirflickr25k", layout="text", sizes=SIZES)
    np.testing.assert_array_equal(copied.tags, release.tags)
    np.testing.assert_array_equal(copied.labels, release.labels)
    assert copied.tag_names == release.tag_names
    assert copied.metadata["id"].tolist() == release.metadata["id"].tolist()
    assert copied.splits["train"].tolist() == release.splits["train"].tolist()
    with pytest.raises(InvalidInput, match=r"text copy.*not possible"):
        load_dataset("mirflickr25k", layout="text", items="labelled", sizes=SIZES)
    with pytest.raises(MissingData, match=r"needs the folder meta/tags .* Get mirflickr25k\.zip"):
        load_dataset("mirflickr25k", sizes=SIZES)


@pytest.mark.parametrize("where", ["mirflickr25k_annotations_v080", "mirflickr", "."])
def test_annotations_may_lie_elsewhere(folder: Path, where: str) -> None:
    (folder / where).mkdir(exist_ok=True)
    for path in (folder / "annotations").iterdir():
        path.rename(folder / where / path.name)
    assert load_dataset("mirflickr25k", sizes=SIZES).metadata["id"].tolist() == tagged()


def test_missing_and_damaged_files_are_explained(folder: Path) -> None:
    (folder / "annotations/sky.txt").write_text(f"4\n{PHOTOS + 1}\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"Line 2 of .*sky\.txt must be the number of a photograph.*'61'"):
        load_dataset("mirflickr25k", sizes=SIZES)
    (folder / "annotations/sky.txt").write_text("four\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"Line 1 .*'four'"):
        load_dataset("mirflickr25k", sizes=SIZES)
    (folder / "annotations/sky.txt").unlink()
    with pytest.raises(MissingData, match=r"sky\.txt is not here"):
        load_dataset("mirflickr25k", sizes=SIZES)
    (folder / "annotations/animals.txt").unlink()
    with pytest.raises(MissingData, match=r"needs the label files \(animals\.txt"):
        load_dataset("mirflickr25k", sizes=SIZES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mir_label.txt", "1 0 1\n", "lines; for each, mir_label"),
        ("mir_label.txt", "a b\n", "0 rows of 0"),
        ("img_database.txt", "x\n", "and 1 files"),
        ("txt_database.txt", "sea\n", "has 1 lines"),
    ],
)
def test_a_damaged_copy_is_explained(copy: Path, name: str, content: str, message: str) -> None:
    (copy / name).write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput, match=message):
        load_dataset("mirflickr25k", layout="text", sizes=SIZES)


def test_wrong_options(folder: Path) -> None:
    with pytest.raises(UnknownName, match="pictures, text"):
        load_dataset("mirflickr25k", layout="features")
    with pytest.raises(UnknownName, match="common tags, labelled"):
        load_dataset("mirflickr25k", items="all")
    with pytest.raises(InvalidInput, match=r"photographs of MIRFlickr-25K, but 2000 queries and 10000 training"):
        load_dataset("mirflickr25k")


@needs_real
def test_real_tags_and_labels() -> None:
    data = load_dataset("mirflickr25k", layout="text")
    assert data.tags.shape == (20_015, 1_386)
    assert data.labels.shape == (20_015, 24)
    assert data.tags.any(axis=1).all()
    assert data.labels.any(axis=1).all()
    assert data.tags.sum(axis=1).mean() == pytest.approx(4.637, abs=0.001)
    assert data.labels.sum(axis=1).mean() == pytest.approx(3.779, abs=0.001)
    counts = dict(zip(data.class_names, data.labels.sum(axis=0).tolist(), strict=True))
    assert (counts["animals"], counts["baby"], counts["structures"], counts["water"]) == (2647, 179, 8463, 2885)
    assert {name: len(rows) for name, rows in data.splits.items()} == {
        "train": 10_000,
        "validation": 2_000,
        "query": 2_000,
        "database": 18_015,
    }
    assert data.tags[:, data.tag_names.index("explore")].sum() == 1_448


@needs_real
def test_real_label_density() -> None:
    data = load_dataset("mirflickr25k", layout="text")
    assert density(data.labels[:2000], data.labels[2000:]) == pytest.approx(0.5385, abs=1e-4)
    for seed in range(3):  # drawn queries: the first 2,000 photographs are no fair sample
        drawn = load_dataset("mirflickr25k", layout="text", seed=seed)
        assert density(drawn.split("query")[1][::4], drawn.split("database")[1]) == pytest.approx(0.555, abs=0.02)
