"""The Wikipedia loader on files of the official format, and on the official files when they are there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from xmr_lib.data import load_dataset
from xmr_lib.data.features import stratified_cut
from xmr_lib.data.wikipedia import FILES, LISTS, OFFICIAL_COUNTS, load
from xmr_lib.errors import InvalidInput, MissingData, UnknownName

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "wikipedia"
needs_real = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not (REAL / FILES[0]).is_file(),
    reason="set XMR_DATA_DIR to a folder with wikipedia/raw_features.mat to test on the official files",
)

CLASSES = {"train": [0, 1, 1, 0, 1, 0, 1, 0, 1, 0], "test": [1, 0, 1, 1]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten training and four test sections of two classes; histogram entry 0 tells class and row apart."""
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    folder = tmp_path / "wikipedia"
    folder.mkdir()
    folder.joinpath("categories.list").write_text("art\nbiology\n", encoding="utf-8")
    matrices = {}
    for part, suffix in (("train", "tr"), ("test", "te")):
        first = (np.array(CLASSES[part]) * 100 + np.arange(len(CLASSES[part]))) / 1000
        for letter, size in (("I", 4), ("T", 3)):
            rest = np.tile((1 - first[:, None]) / (size - 1), (1, size - 1))
            matrices[f"{letter}_{suffix}"] = np.column_stack([first, rest])
        lines = [f"{part}{i}-2.1\timage{part}{i}\t{c + 1}\n" for i, c in enumerate(CLASSES[part])]
        folder.joinpath(LISTS[part]).write_text("".join(lines), encoding="utf-8")
    savemat(folder / "raw_features.mat", matrices)
    return folder


def rewrite(folder: Path, **changes: np.ndarray) -> None:
    from scipy.io import loadmat

    content = {key: value for key, value in loadmat(folder / "raw_features.mat").items() if key[0] != "_"}
    savemat(folder / "raw_features.mat", content | changes)


def test_rows_labels_and_names_stay_together(folder: Path) -> None:
    data = load(official=False)
    train, test = data.split("train"), data.split("test")
    assert (train.image.shape, train.text.shape) == ((10, 4), (10, 3))
    assert test.labels is not None
    assert test.labels.argmax(axis=1).tolist() == CLASSES["test"]
    assert (np.floor(test.image[:, 0] * 10 + 1e-9).astype(int)).tolist() == CLASSES["test"]
    assert data.class_names == ("art", "biology")
    assert data.metadata["text_id"][10] == "test0-2.1"
    assert data.metadata["image_id"][0] == "imagetrain0"
    assert (data.n_images, data.n_captions) == (14, 14)
    assert data.labels is not None
    assert data.labels.sum(axis=1).tolist() == [1] * 14
    assert (train.name, repr(data).count("validation")) == ("wikipedia/train", 1)


def test_splits_are_the_official_ones_and_a_seeded_cut(folder: Path) -> None:
    data = load(official=False)
    splits = {name: index.tolist() for name, index in data.splits.items()}
    assert splits["query"] == splits["test"] == list(range(10, 14))
    assert splits["database"] == splits["train"] == list(range(10))
    assert sorted(splits["fit"] + splits["validation"]) == splits["train"]
    assert np.bincount(np.array(CLASSES["train"])[splits["validation"]]).tolist() == [1, 1]
    assert load(official=False).splits["fit"].tolist() == splits["fit"]
    assert any(load(seed=seed, official=False).splits["fit"].tolist() != splits["fit"] for seed in range(1, 9))
    with pytest.raises(UnknownName, match="database, fit, query, test, train, validation"):
        data.split("val")


def test_own_files_must_be_announced(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="official=False"):
        load()


@pytest.mark.parametrize("name", FILES)
def test_every_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingData, match=rf"needs {name} in .*wikipedia_dataset\.zip.*XMR_DATA_DIR"):
        load(official=False)


@pytest.mark.parametrize("keep", [0, 100, 0.5, -8])
def test_a_damaged_matrix_file_is_explained(folder: Path, keep: float) -> None:
    path = folder / "raw_features.mat"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(InvalidInput, match=r"damaged|does not hold"):
        load(official=False)


def test_a_file_of_another_kind_is_explained(folder: Path) -> None:
    (folder / "raw_features.mat").write_bytes(b"not a MATLAB file at all" * 20)
    with pytest.raises(InvalidInput, match="cannot be read as a MATLAB 5 file"):
        load(official=False)


def test_features_must_be_histograms(folder: Path) -> None:
    rewrite(folder, T_te=np.ones((4, 3)))
    with pytest.raises(InvalidInput, match=r"T_te .*rows are histograms"):
        load(official=False)
    rewrite(folder, T_te=np.tile([1.5, -0.5, 0.0], (4, 1)))
    with pytest.raises(InvalidInput, match="no negative value"):
        load(official=False)
    rewrite(folder, T_te=np.tile([np.nan, 0.5, 0.5], (4, 1)))
    with pytest.raises(InvalidInput, match="histograms"):
        load(official=False)


def test_lists_and_matrices_must_have_the_same_length(folder: Path) -> None:
    rewrite(folder, I_tr=np.full((9, 4), 0.25))
    with pytest.raises(InvalidInput, match=r"9 rows in I_tr but trainset_txt_img_cat\.list has 10 lines"):
        load(official=False)


def test_both_parts_must_have_the_same_features(folder: Path) -> None:
    rewrite(folder, T_te=np.full((4, 2), 0.5))
    with pytest.raises(InvalidInput, match="differ in length"):
        load(official=False)


@pytest.mark.parametrize("line", ["a\tb", "a\tb\t3", "a\tb\t0", "a\tb\tart", "a b 1"])
def test_a_bad_line_is_shown(folder: Path, line: str) -> None:
    path = folder / LISTS["test"]
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"Line 5 of .*category from 1 to 2"):
        load(official=False)


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_the_validation_share_is_checked(folder: Path, share: float) -> None:
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        load(validation=share, official=False)


def test_stratified_cut_keeps_every_class_on_both_sides() -> None:
    classes = np.repeat([0, 1, 2, 3], [100, 10, 2, 1])
    first, second = stratified_cut(classes, 0.2, seed=3)
    assert sorted([*first, *second]) == list(range(113))
    assert np.bincount(classes[second], minlength=4).tolist() == [20, 2, 1, 0]


@needs_real
def test_official_files() -> None:
    data = load_dataset("wikipedia")
    assert data.features.image.shape == (2866, 128)
    assert data.features.text.shape == (2866, 10)
    for split, counts in OFFICIAL_COUNTS.items():
        labels = data.split(split).labels
        assert labels is not None
        assert tuple(labels.sum(axis=0)) == counts
    assert len(data.splits["fit"]) + len(data.splits["validation"]) == 2173
    assert len(data.splits["validation"]) == pytest.approx(0.2 * 2173, abs=5)
    assert len(set(data.metadata["image_id"])) == 2866
    assert data.class_names[:2] == ("art", "biology")


@needs_real
def test_official_lists_are_in_the_order_of_the_matrices() -> None:
    # The only proof the files give: neighbours in topic space share the class, .70 here and .11 after a shuffle.
    from sklearn.neighbors import KNeighborsClassifier

    data = load_dataset("wikipedia")
    train, test = data.split("train"), data.split("test")
    assert train.labels is not None
    assert test.labels is not None
    model = KNeighborsClassifier(15).fit(train.text, train.labels.argmax(axis=1))
    assert model.score(test.text, test.labels.argmax(axis=1)) == pytest.approx(0.70, abs=0.02)


@needs_real
def test_official_checksums_are_those_of_the_manifest() -> None:
    from hashlib import sha256

    from xmr_lib.data.manifest import read_manifest

    for file in read_manifest()["wikipedia"].files:
        content = (REAL / file.name).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (file.size, file.sha256), file.name
