"""The NUS-WIDE loader on small files of the official format, and its readers on real tags and labels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.nus_wide import TEN_CONCEPTS, load, most_frequent
from xmr_lib.data.nus_wide_files import matrix_rows, non_empty_rows
from xmr_lib.data.official_files import read_lines
from xmr_lib.errors import InvalidInput, MissingData, UnknownName

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "nus_wide_10.5k"
needs_real = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not (REAL / "label_10500.txt").is_file(),
    reason="set XMR_DATA_DIR to a folder with nus_wide_10.5k/label_10500.txt to test on real tags",
)

N = 210
CONCEPTS = ("cat", "lake", "sky")
# Image i shows sky if 2 divides i, lake if 3 does, cat if 5 does. Exactly one of them: 56, 28 and 14 images.
SHOWS = {"sky": 2, "lake": 3, "cat": 5}
TAGS = ("blue", "cute", "holiday", "water")


def rows_of(concept: str) -> list[int]:
    others = [step for name, step in SHOWS.items() if name != concept]
    return [i for i in range(N) if i % SHOWS[concept] == 0 and all(i % step for step in others)]


def table(values: np.ndarray, separator: str = " ") -> str:
    return "".join(separator.join(map(str, row)) + separator + "\n" for row in values.tolist())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """210 images; tag 0 of image i is on unless 7 divides i; low-level column 0 holds the row number."""
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    folder = tmp_path / "nus_wide"
    for name in ("ImageList", "Groundtruth/AllLabels", "NUS_WID_Tags", "Low_Level_Features", "Flickr/a"):
        (folder / name).mkdir(parents=True)
    names = [f"a\\{i:04d}_7{i}.jpg" for i in range(N)]
    (folder / "ImageList/Imagelist.txt").write_text("\r\n".join(names) + "\r\n", encoding="utf-8")
    for concept, step in SHOWS.items():
        lines = "".join(f"{int(i % step == 0)}\n" for i in range(N))
        (folder / f"Groundtruth/AllLabels/Labels_{concept}.txt").write_text(lines, encoding="utf-8")
    tags = np.zeros((N, len(TAGS)), dtype=int)
    tags[:, 0] = np.arange(N) % 7 > 0
    tags[:, 3] = (np.arange(N) % 4 == 1) & (tags[:, 0] == 1)
    (folder / "NUS_WID_Tags/AllTags1k.txt").write_text(table(tags, "\t"), encoding="utf-8")
    (folder / "NUS_WID_Tags/TagList1k.txt").write_text("\n".join(TAGS) + "\n", encoding="utf-8")
    words = np.zeros((N, 500), dtype=int)
    words[:, 0] = np.arange(N)
    train = [i for i in range(N) if i % 5 < 3]
    for part, rows in (("Train", train), ("Test", sorted(set(range(N)) - set(train), reverse=True))):
        lines = "".join(names[i] + "\n" for i in rows)
        (folder / f"ImageList/{part}Imagelist.txt").write_text(lines, encoding="utf-8")
        (folder / f"Low_Level_Features/BoW_{part}_int.dat").write_text(table(words[rows]), encoding="utf-8")
    return folder


def small(**options: object) -> FeatureDataset:
    data = load(**{"concepts": CONCEPTS, "per_class": 10, **options})  # type: ignore[arg-type]
    assert isinstance(data, FeatureDataset)
    return data


def test_images_have_exactly_one_of_the_concepts_and_a_tag(folder: Path) -> None:
    data = small()
    assert data.class_names == CONCEPTS
    assert data.labels is not None
    assert data.labels.sum(axis=0).tolist() == [10, 10, 10]
    for row, label in zip(data.metadata["row"].tolist(), data.labels.argmax(axis=1), strict=True):
        assert row in rows_of(CONCEPTS[label])
        assert row % 7 > 0
    assert (np.diff(data.metadata["row"]) > 0).all()


def test_features_files_and_rows_belong_together(folder: Path) -> None:
    data = small()
    rows = data.metadata["row"]
    assert data.features.image.shape == (30, 500)
    assert data.features.image[:, 0].tolist() == rows.tolist()  # found through the two lists, one of them reversed
    assert data.features.text.shape == (30, 4)
    assert (data.features.text[:, 3] == (rows % 4 == 1)).all()
    assert data.metadata["file"] == [f"a/{i:04d}_7{i}.jpg" for i in rows]


def test_a_file_over_all_images_is_used_where_it_is(folder: Path) -> None:
    with pytest.raises(MissingData, match=r"Train_Normalized_CH\.dat is not here"):
        small(image="CH")
    colours = np.arange(N * 64).reshape(N, 64) / 7
    (folder / "Low_Level_Features/Normalized_CH.dat").write_text(table(colours), encoding="utf-8")
    data = small(image="CH")
    np.testing.assert_allclose(data.features.image, colours[data.metadata["row"]], rtol=1e-6)


def test_splits_are_stratified_and_follow_the_seed(folder: Path) -> None:
    data = small()
    assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 24, "validation": 3, "test": 3}
    for name, per_class in (("train", 8), ("validation", 1), ("test", 1)):
        labels = data.split(name).labels
        assert labels is not None
        assert labels.sum(axis=0).tolist() == [per_class] * 3
    assert sorted(np.concatenate(list(data.splits.values()))) == list(range(30))
    again, other = small(), small(seed=1)
    assert again.version == data.version != other.version
    assert again.splits["test"].tolist() == data.splits["test"].tolist()
    assert other.metadata["file"] != data.metadata["file"]


def test_the_most_frequent_concepts_are_counted(folder: Path) -> None:
    assert most_frequent(folder, N, count=2) == ("lake", "sky")
    assert small(concepts=None).class_names == CONCEPTS  # all there are
    assert len(set(TEN_CONCEPTS)) == 10


def test_pictures_come_with_their_tags(folder: Path) -> None:
    data = load_dataset("nus_wide", layout="pictures", concepts=CONCEPTS, per_class=10)
    assert isinstance(data, PairedDataset)
    row = int(data.metadata["row"][0])
    Image.new("RGB", (9, 5)).save(folder / "Flickr" / data.metadata["file"][0])
    assert data.images[0].size == (9, 5)
    assert data.captions[0] == ("blue water" if row % 4 == 1 else "blue")
    with pytest.raises(MissingData, match=r"The picture .*Flickr.* is not here"):
        data.images[1]


def test_too_few_images_are_explained(folder: Path) -> None:
    few = len([i for i in rows_of("cat") if i % 7])
    with pytest.raises(InvalidInput, match=rf"Only {few} images carry 'cat' and no other.*smaller per_class"):
        small(per_class=few + 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"concepts": ("cat", "dog")}, UnknownName, "cat, lake, sky"),
        ({"concepts": ("cat",)}, InvalidInput, "two or more"),
        ({"concepts": ("cat", "cat")}, InvalidInput, "different"),
        ({"per_class": 0}, InvalidInput, "at least 1"),
        ({"image": "SIFT"}, UnknownName, "BoW_int"),
        ({"layout": "tags"}, UnknownName, "features, pictures"),
    ],
)
def test_wrong_options(folder: Path, options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load(**{"concepts": CONCEPTS, "per_class": 10, **options})


@pytest.mark.parametrize(
    "name", ["ImageList/Imagelist.txt", "NUS_WID_Tags/AllTags1k.txt", "NUS_WID_Tags/TagList1k.txt"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingData, match=rf"needs {name} in .*Lab for Media Search"):
        small()


def test_missing_labels_and_lists_are_named(folder: Path) -> None:
    (folder / "ImageList/TestImagelist.txt").unlink()
    with pytest.raises(MissingData, match=r"TestImagelist\.txt is not here"):
        small()
    for path in (folder / "Groundtruth/AllLabels").iterdir():
        path.unlink()
    with pytest.raises(MissingData, match="no Labels_<concept>"):
        small()


def change(path: Path, line: int, text: str | None) -> None:
    """Replace one line, or cut the file before it."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:line] if text is None else [*lines[:line], text, *lines[line + 1 :]]), "utf-8")


@pytest.mark.parametrize(
    ("name", "line", "text", "message"),
    [
        ("Groundtruth/AllLabels/Labels_sky.txt", 50, None, r"each of the 210 lines .* but it holds 50 values"),
        ("Groundtruth/AllLabels/Labels_sky.txt", 50, "2\n", "not all 0 or 1"),
        ("NUS_WID_Tags/AllTags1k.txt", 110, None, "one line for each of the 210 images, but it has 110"),
        ("NUS_WID_Tags/TagList1k.txt", 3, None, "must hold 3 numbers"),
        ("Low_Level_Features/BoW_Train_int.dat", 20, None, "ends before line"),
        ("ImageList/TrainImagelist.txt", 20, None, "do not hold all images"),
    ],
)
def test_damaged_files_are_explained(folder: Path, name: str, line: int, text: str | None, message: str) -> None:
    change(folder / name, line, text)
    with pytest.raises(InvalidInput, match=message):
        small()


@pytest.mark.parametrize("text", ["1 2\n", "a b c d\n", "0 nan 0 0\n", "\n", "1 2 3 4 5\n"])
def test_a_bad_line_is_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.dat"
    path.write_text(f"1 2 3 4\n{text}5 6 7 8\n", encoding="utf-8")
    assert matrix_rows(path, np.array([2, 0]), 4).tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    with pytest.raises(InvalidInput, match=r"Line 2 of .* must hold 4 numbers"):
        matrix_rows(path, np.array([0, 1]), 4)


@needs_real
def test_readers_on_real_labels_and_tags() -> None:
    # The copy of Bi-CMR: labels as a table of 0 and 1 like AllTags1k.txt, tags as words.
    labels = matrix_rows(REAL / "label_10500.txt", np.arange(10_500), 21)
    assert set(np.unique(labels)) == {0, 1}
    assert non_empty_rows(REAL / "label_10500.txt", 10_500).tolist() == labels.any(axis=1).tolist()
    assert labels.sum(axis=1).mean() == pytest.approx(2.0, abs=1.0)
    vocabulary = {name for name in read_lines(REAL / "TagList1k.txt", "") if name}
    assert len(vocabulary) == 1000
    tagged = [bool(vocabulary & set(line.split())) for line in read_lines(REAL / "txt_10500.txt", "")]
    assert (len(tagged), tagged.count(False)) == (10_500, 388)
