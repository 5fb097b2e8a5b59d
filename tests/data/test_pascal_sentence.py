"""The Pascal Sentence loader on files of the released format, and on the released files when they are there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.pascal_sentence import FILES, load
from xmr_lib.errors import InvalidInput, MissingData, UnknownName

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "pascal_sentence"
needs_real = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not (REAL / "test_img.mat").is_file(),
    reason="set XMR_DATA_DIR to a folder with pascal_sentence/test_img.mat to test on the released files",
)

CLASSES = {"train": [2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1, 1], "test": [1, 0, 2]}
JPEG = {"cat": "ab", "dog": "cdefghijkl"}  # class -> one picture per letter


def write(folder: Path, name: str, array: np.ndarray) -> None:
    savemat(folder / f"{name}.mat", {name: array})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve training and three test pairs of three classes; column 0 tells the class, column 1 the row."""
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    folder = tmp_path / "pascal_sentence"
    folder.mkdir()
    for part, classes in CLASSES.items():
        for side, width in (("img", 6), ("txt", 4)):
            matrix = np.zeros((len(classes), width), dtype=np.float32)
            matrix[:, 0], matrix[:, 1] = classes, np.arange(len(classes)) + (100 if part == "test" else 0)
            write(folder, f"{part}_{side}", matrix)
        write(folder, f"{part}_img_lab", np.array(classes, dtype=np.int64)[:, None])
    return folder


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    folder = tmp_path / "pascal_sentence"
    for name, letters in JPEG.items():
        (folder / "images" / name).mkdir(parents=True)
        (folder / "sentences" / name).mkdir(parents=True)
        for number, letter in enumerate(letters):
            Image.new("L", (4 + number, 4)).save(folder / "images" / name / f"{letter}.jpg")
            lines = [f"A {name} {letter}, sentence {k}.\n" for k in range(5)]
            (folder / "sentences" / name / f"{letter}.txt").write_text("".join(lines) + "\n", encoding="utf-8")
    return folder


def test_rows_labels_and_splits_stay_together(folder: Path) -> None:
    data = load(official=False, validation=0.25)
    assert isinstance(data, FeatureDataset)
    assert (data.features.image.shape, data.features.text.shape) == ((15, 6), (15, 4))
    assert data.features.image.dtype == np.float32
    for split in data.splits:
        part = data.split(split)
        assert part.labels is not None
        assert part.labels.argmax(axis=1).tolist() == part.image[:, 0].tolist() == part.text[:, 0].tolist()
        assert (part.image[:, 1] == part.text[:, 1]).all()
    assert data.split("test").image[:, 1].tolist() == [100, 101, 102]
    assert sorted([*data.splits["fit"], *data.splits["validation"]]) == data.splits["train"].tolist()
    labels = data.split("validation").labels
    assert labels is not None
    assert labels.sum(axis=0).tolist() == [1, 1, 1]


def test_the_seed_cuts_the_training_rows(folder: Path) -> None:
    cuts = [load(official=False, seed=seed).splits["validation"].tolist() for seed in (0, 0, 1, 2, 3)]
    assert cuts[0] == cuts[1]
    assert len({tuple(cut) for cut in cuts}) > 1


def test_one_part_can_be_read_alone(folder: Path) -> None:
    (folder / "train_img.mat").unlink()
    with pytest.raises(MissingData, match=r'needs train_img\.mat in .*parts=\("test",\).*penghu-cs/DSCMR'):
        load(official=False)
    data = load(parts=("test",), official=False)
    assert list(data.splits) == ["test"]
    assert data.n_images == 3
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(MissingData, match=r"needs test_img\.mat") as caught:
        load(parts=("test",))
    assert "reads them alone" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_damaged_file_is_explained(folder: Path, keep: float) -> None:
    path = folder / "test_txt.mat"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(InvalidInput, match=r"test_txt\.mat (cannot be read|does not hold)"):
        load(official=False)


def test_files_of_different_releases_are_explained(folder: Path) -> None:
    write(folder, "test_txt", np.zeros((4, 4)))
    with pytest.raises(InvalidInput, match=r"test_img\.mat has 3, test_txt\.mat has 4"):
        load(official=False)
    write(folder, "test_txt", np.zeros((3, 5)))
    with pytest.raises(InvalidInput, match=r"text features differ in length \(\[4, 5\]\)"):
        load(official=False)
    write(folder, "test_txt", np.full((3, 4), np.nan))
    with pytest.raises(InvalidInput, match="text features hold NaN"):
        load(official=False)


@pytest.mark.parametrize("labels", [np.eye(3, dtype=np.int64), np.array([[0.5], [1], [2]]), np.array([[-1], [0], [1]])])
def test_labels_must_be_class_numbers(folder: Path, labels: np.ndarray) -> None:
    write(folder, "test_img_lab", labels)
    with pytest.raises(InvalidInput, match="one class number from 0 for each row"):
        load(official=False)


def test_the_counts_of_the_release_are_checked(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"\[4, 4, 4.* of each of 20 classes.*official=False"):
        load()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"parts": ()}, InvalidInput, "at least one part"),
        ({"parts": ("dev",)}, UnknownName, "test, train"),
        ({"layout": "html"}, UnknownName, "features, pictures"),
        ({"validation": 0}, InvalidInput, "between 0 and 1"),
    ],
)
def test_wrong_options(folder: Path, options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load(official=False, **options)


def test_pictures_and_sentences_stay_together(pictures: Path) -> None:
    data = load_dataset("pascal_sentence", layout="pictures")
    assert isinstance(data, PairedDataset)
    assert (data.n_images, data.n_captions, data.class_names) == (12, 60, ("cat", "dog"))
    assert data.labels is not None
    for i, file in enumerate(data.metadata["file"]):
        name, letter = file.removesuffix(".jpg").split("/")
        assert data.class_names[int(data.labels[i].argmax())] == name
        assert [data.captions[j] for j in data.captions_of(i)] == [
            f"A {name} {letter}, sentence {k}." for k in range(5)
        ]
        assert data.images[i].size == (4 + JPEG[name].index(letter), 4)
        assert data.images[i].mode == "RGB"
    parts = [data.splits[name] for name in ("train", "validation", "test")]
    assert sorted(np.concatenate(parts)) == list(range(12))
    assert [int(data.labels[part, 1].sum()) for part in parts] == [8, 1, 1]


def test_incomplete_picture_folders_are_explained(pictures: Path) -> None:
    path = pictures / "sentences" / "dog" / "d.txt"
    path.write_text("One.\nTwo.\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"d\.txt must hold 5 sentences.* holds 2"):
        load("pictures")
    assert load("pictures", official=False).n_captions == 57
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="holds 0"):
        load("pictures", official=False)
    path.unlink()
    with pytest.raises(MissingData, match=r"d\.txt is not here"):
        load("pictures")
    (pictures / "images").rename(pictures / "photos")
    with pytest.raises(MissingData, match="UIUC Pascal Sentence"):
        load("pictures")


def test_a_damaged_picture_is_explained_when_it_is_opened(pictures: Path) -> None:
    (pictures / "images" / "cat" / "a.jpg").write_bytes(b"\xff\xd8 no picture")
    data = load("pictures")
    assert isinstance(data, PairedDataset)
    with pytest.raises(InvalidInput, match=r"a\.jpg is not a readable picture"):
        data.images[0]


@needs_real
def test_released_test_files() -> None:
    data = load_dataset("pascal_sentence", parts=("test",))
    assert isinstance(data, FeatureDataset)
    assert data.features.image.shape == (100, 4096)
    assert data.features.text.shape == (100, 300)
    assert data.labels is not None
    assert data.labels.sum(axis=0).tolist() == [5] * 20
    assert (data.features.image >= 0).all()  # after a ReLU


@needs_real
def test_rows_of_the_released_test_files_belong_together() -> None:
    # Neighbours within each side share the class far more often than 4 of 99: image and label rows, and text and label
    # rows, are in the same order.
    data = load("features", parts=("test",))
    assert isinstance(data, FeatureDataset)
    assert data.labels is not None
    classes = data.labels.argmax(axis=1)
    for side in ("image", "text"):
        x = getattr(data.features, side)
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        similarity = x @ x.T
        np.fill_diagonal(similarity, -np.inf)
        assert (classes[similarity.argmax(axis=1)] == classes).mean() > 0.3, side


@needs_real
def test_released_training_texts_and_labels() -> None:
    labels = loadmat(REAL / "train_img_lab.mat")["train_img_lab"]
    assert labels.dtype == np.int64
    assert np.bincount(labels[:, 0]).tolist() == [40] * 20
    assert loadmat(REAL / "train_txt.mat")["train_txt"].shape == (800, 300)
    if not (REAL / "train_img.mat").is_file():
        with pytest.raises(MissingData, match=r'train_img\.mat .*parts=\("test",\)'):
            load_dataset("pascal_sentence")


@needs_real
def test_released_checksums_are_those_of_the_manifest() -> None:
    from hashlib import sha256

    from xmr_lib.data.manifest import read_manifest

    for file in read_manifest()["pascal_sentence"].files:
        if (REAL / file.name).is_file():
            content = (REAL / file.name).read_bytes()
            assert (len(content), sha256(content).hexdigest()) == (file.size, file.sha256), file.name
