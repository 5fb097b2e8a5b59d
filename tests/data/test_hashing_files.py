"""Containers of hashing papers: every known layout in both MATLAB formats gives the same rows."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from xmr_lib.data.hashing_files import HashingContainer, load_hashing_container
from xmr_lib.errors import InvalidInput, MissingData

N = 12
RNG = np.random.default_rng(0)
LABELS = RNG.random((N, 4)) < 0.4
TAGS = (RNG.random((N, 7)) < 0.3).astype(np.float64)
IMAGE = RNG.normal(size=(N, 5))
PIXELS = RNG.integers(0, 256, (8, 6, 3, N), dtype=np.uint8)  # MATLAB: height, width, colour, item
FILES = [f"im{i}.jpg" for i in range(1, N + 1)]
SENTENCES = [f"caption {i}" for i in range(N)]
SENTENCES[3] = ""


@pytest.fixture(params=["5", "7.3"])
def save(request: pytest.FixtureRequest, write_v73: Callable) -> Callable[[Path, dict[str, Any]], None]:
    """Save as MATLAB 5 or as MATLAB 7.3."""

    def five(path: Path, arrays: dict[str, Any]) -> None:
        savemat(path, {k: np.array(v, dtype=object)[:, None] if isinstance(v, list) else v for k, v in arrays.items()})

    return five if request.param == "5" else write_v73


def check(data: HashingContainer, layout: str) -> None:
    assert (data.layout, len(data)) == (layout, N)
    np.testing.assert_array_equal(data.labels, LABELS)


def test_dcmh_pictures_are_read_one_by_one(tmp_path: Path, save: Callable) -> None:
    save(tmp_path / "FLICKR-25K.mat", {"images": PIXELS, "YAll": TAGS, "LAll": LABELS.astype(np.float64)})
    data = load_hashing_container(tmp_path / "FLICKR-25K.mat")
    check(data, "DCMH")
    np.testing.assert_array_equal(data.text, TAGS)
    assert data.pictures is not None
    assert data.image is None
    for i in (0, 11):
        assert data.pictures[i].size == (6, 8)
        np.testing.assert_array_equal(np.asarray(data.pictures[i]), PIXELS[..., i])
    with pytest.raises(InvalidInput, match="holds pictures instead of features"):
        data.features()


def test_dcmh_with_tags_turned_or_written_by_h5py(tmp_path: Path, write_v73: Callable) -> None:
    """The published file has tags and labels item by item in h5py's view, so (t, n) in MATLAB's."""
    write_v73(tmp_path / "a.mat", {"images": PIXELS, "YAll": TAGS.T, "LAll": LABELS.T})
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file["images"], file["YAll"], file["LAll"] = PIXELS.T, TAGS, LABELS.astype(np.uint8)
    for name in ("a.mat", "b.mat"):
        data = load_hashing_container(tmp_path / name)
        check(data, "DCMH")
        np.testing.assert_array_equal(data.text, TAGS)
        assert data.pictures is not None
        np.testing.assert_array_equal(np.asarray(data.pictures[5]), PIXELS[..., 5])


def test_djsrh_keeps_one_array_per_file_in_either_format(tmp_path: Path, save: Callable, write_v73: Callable) -> None:
    write_v73(tmp_path / "mirflickr25k-iall.mat", {"IAll": PIXELS})
    save(tmp_path / "mirflickr25k-yall.mat", {"YAll": TAGS})
    save(tmp_path / "mirflickr25k-lall.mat", {"LAll": LABELS.astype(np.uint8)})
    data = load_hashing_container(tmp_path)
    check(data, "DCMH")
    assert data.pictures is not None
    np.testing.assert_array_equal(np.asarray(data.pictures[2]), PIXELS[..., 2])
    save(tmp_path / "nus-wide-tc21-lall.mat", {"LAll": LABELS})
    with pytest.raises(InvalidInput, match=r"Both mirflickr25k-lall\.mat and nus-wide-tc21-lall\.mat hold LAll"):
        load_hashing_container(tmp_path)


@pytest.mark.parametrize("keys", [("FAll", "YAll", "LAll"), ("imgs", "tags", "labels")])
def test_torchcmh_names_the_pictures(tmp_path: Path, save: Callable, keys: tuple[str, ...]) -> None:
    files = ("imgList.mat", "tagList.mat", "labelList.mat")
    for file, key, value in zip(files, keys, (FILES, csc_matrix(TAGS), LABELS.astype(np.float64)), strict=True):
        save(tmp_path / file, {key: value})
    data = load_hashing_container(tmp_path)
    check(data, "torchcmh")
    assert data.files == FILES
    np.testing.assert_array_equal(data.text, TAGS)
    with pytest.raises(InvalidInput, match="names of pictures"):
        data.features()


@pytest.mark.parametrize("key", ["category", "label"])
def test_dchmt_holds_names_and_sentences(tmp_path: Path, save: Callable, key: str) -> None:
    save(tmp_path / "index.mat", {"index": np.array(FILES)})  # rows of characters, padded
    save(tmp_path / "caption.mat", {"caption": SENTENCES})
    save(tmp_path / "label.mat", {key: LABELS.astype(np.int64)})
    data = load_hashing_container(tmp_path)
    check(data, "DCHMT")
    assert data.files == FILES
    assert data.captions == SENTENCES


def test_dadh_features_get_roles_by_seed(tmp_path: Path, save: Callable) -> None:
    save(tmp_path / "NUS-WIDE-TC21.mat", {"image": IMAGE, "text": TAGS, "label": LABELS})
    data = load_hashing_container(tmp_path / "NUS-WIDE-TC21.mat")
    check(data, "DADH")
    features = data.features(sizes=(2, 6, 2), seed=3)
    np.testing.assert_array_equal(features.features.image, IMAGE)
    assert {name: len(rows) for name, rows in features.splits.items()} == {
        "train": 6,
        "validation": 2,
        "query": 2,
        "database": 10,
    }
    assert features.split("train").text.shape == (6, 7)
    with pytest.raises(InvalidInput, match="does not tell which rows are queries"):
        data.features()


def bmc(train: slice = slice(2, 8)) -> dict[str, Any]:
    rows = {"te": slice(0, 2), "tr": train, "db": slice(2, N)}
    arrays = {"I": IMAGE, "T": TAGS, "L": LABELS.astype(np.float64)}
    return {f"{letter}_{end}": array[cut] for letter, array in arrays.items() for end, cut in rows.items()}


def test_bmc_training_rows_are_found_in_the_database(tmp_path: Path, save: Callable) -> None:
    save(tmp_path / "mir_cnn.mat", bmc(slice(7, 3, -1)))
    data = load_hashing_container(tmp_path / "mir_cnn.mat")
    check(data, "BMC")
    assert data.roles["query"].tolist() == [0, 1]
    assert data.roles["train"].tolist() == [7, 6, 5, 4]
    assert data.roles["database"].tolist() == [7, 6, 5, 4, 2, 3, 8, 9, 10, 11]
    split = data.features().split("train")
    np.testing.assert_array_equal(split.image, IMAGE[[7, 6, 5, 4]])


def test_bmc_training_rows_from_elsewhere_stay_apart(tmp_path: Path, save: Callable) -> None:
    arrays = bmc()
    arrays["I_tr"] = arrays["I_tr"] + 1
    save(tmp_path / "mir_cnn.mat", arrays)
    data = load_hashing_container(tmp_path / "mir_cnn.mat")
    assert len(data) == N + 6
    assert data.roles["train"].tolist() == [12, 13, 14, 15, 16, 17]
    assert data.roles["database"].tolist() == list(range(2, 12))


def test_hmah_keeps_one_role_per_file(tmp_path: Path, save: Callable) -> None:
    arrays = bmc()
    for file, end in {"coco_train": "tr", "coco_query": "te", "coco_retrieval": "db"}.items():
        save(tmp_path / f"{file}.mat", {key: value for key, value in arrays.items() if key.endswith(end)})
    data = load_hashing_container(tmp_path)
    check(data, "BMC")
    assert data.roles["train"].tolist() == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("vgg", [True, False])
def test_dlfh_has_no_training_rows_and_perhaps_vgg_features(tmp_path: Path, save: Callable, vgg: bool) -> None:
    arrays = {"YTest": TAGS[:3], "testL": LABELS[:3], "YDatabase": TAGS[3:], "databaseL": LABELS[3:]}
    arrays |= {"XTest": IMAGE[:3], "XDatabase": IMAGE[3:]}
    if vgg:
        arrays |= {"VTest": -IMAGE[:3], "VDatabase": -IMAGE[3:]}
    save(tmp_path / "flickr-25k.mat", arrays)
    data = load_hashing_container(tmp_path / "flickr-25k.mat")
    check(data, "DLFH")
    np.testing.assert_array_equal(data.image, -IMAGE if vgg else IMAGE)
    assert set(data.roles) == {"query", "database"}
    splits = data.features(sizes=(2, 4, 2)).splits
    assert len(splits["train"]) == 4


def test_class_numbers_become_columns(tmp_path: Path, save: Callable) -> None:
    numbers = np.array([[1], [3], [2], [3], [1]] + [[1]] * 7, dtype=np.int64)
    save(tmp_path / "a.mat", {"image": IMAGE, "text": TAGS, "label": numbers})
    labels = load_hashing_container(tmp_path / "a.mat").labels
    assert labels[:3].astype(int).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": IMAGE}, "holds a, which is no known layout .*DCMH, torchcmh"),
        ({"image": IMAGE, "text": TAGS}, "no known layout"),
        ({"image": IMAGE[:5], "text": TAGS, "label": LABELS}, r"no number of rows in common \(image 5x5, text 12x7"),
        ({"image": IMAGE, "text": TAGS, "label": IMAGE}, "label in .* zeros and ones"),
        ({**bmc(), "T_db": np.zeros((10, 3))}, "database rows have other columns"),
    ],
)
def test_foreign_files_are_explained(tmp_path: Path, save: Callable, arrays: dict[str, Any], message: str) -> None:
    save(tmp_path / "a.mat", arrays)
    with pytest.raises(InvalidInput, match=message):
        load_hashing_container(tmp_path / "a.mat")


def test_damaged_files_are_explained(tmp_path: Path, save: Callable) -> None:
    path = tmp_path / "a.mat"
    save(path, {"image": IMAGE, "text": TAGS, "label": LABELS})
    content = path.read_bytes()
    for keep in (0.3, 0.6, 0.9):
        path.write_bytes(content[: int(keep * len(content))])
        with pytest.raises(InvalidInput, match=r"cannot be read|no known layout"):
            load_hashing_container(path)


class Trap:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("unpickled"),)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mat").write_bytes(pickle.dumps(Trap()))
    np.save("b.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    Path("b.npy").rename("b.mat")
    for name in ("a.mat", "b.mat"):
        with pytest.raises(InvalidInput, match=r"cannot be read|no known layout"):
            load_hashing_container(name)
    assert not Path("unpickled").exists()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"There is no .*absent\.mat"):
        load_hashing_container(tmp_path / "absent.mat")
    with pytest.raises(MissingData, match=r"There is no .*\*\.mat"):
        load_hashing_container(tmp_path)
