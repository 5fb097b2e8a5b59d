"""Official hashing data sets as features in four roles: small files of the official form, real tags where they are."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from helpers.official_files import (
    BOXES,
    PHOTOS,
    TRAVELS,
    carries,
    labels_of,
    shows,
    tags_of,
    text_of,
    write_coco,
    write_iapr,
    write_mirflickr,
    write_nus_wide,
    write_nus_wide_10k5,
)
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.hashing_files import load_hashing_container
from xmr_lib.data.mirflickr_files import COPY
from xmr_lib.data.nus_wide_hashing import CONCEPTS_21
from xmr_lib.encoders import official_hashing as module
from xmr_lib.encoders.hashing_splits import HashingSplits, hashing_splits
from xmr_lib.errors import InvalidInput, MissingData, UnknownName
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing import SCMSeq

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "mirflickr25k"
needs_real = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not (REAL / COPY[0]).is_file(),
    reason="set XMR_DATA_DIR to a folder with mirflickr25k/txt_database.txt to test on real tags",
)

# Every data set: how to write it, options, queries, training, validation and other database rows.
ALL_COCO = (*BOXES, *({**BOXES[0], "image_id": i} for i in range(13, 20)))
SETS: dict[str, tuple[Callable[[Path], Any], dict[str, Any], tuple[int, int, int, int]]] = {
    "mirflickr25k": (write_mirflickr, {"sizes": (2, 6, 3)}, (2, 6, 3, 1)),
    "nus_wide": (write_nus_wide, {"image": "CH", "sizes": (6, 20, 6)}, (6, 20, 6, 48)),
    "iapr_tc12": (write_iapr, {"sizes": (3, 10, 4)}, (3, 10, 4, 11)),
    "coco": (lambda folder: write_coco(folder, ALL_COCO), {"sizes": (2, 4, 1)}, (2, 4, 1, 2)),
}


class Encoder:
    """In place of the network: an image's feature is its number; remembers what it was asked for."""

    def __init__(self) -> None:
        self.versions: list[str] = []

    def __call__(self, data: PairedDataset) -> np.ndarray:
        self.versions.append(data.version)
        return np.arange(data.n_images, dtype=np.float32)[:, None]


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    found = Encoder()
    monkeypatch.setattr(module, "encode_images", found)
    return found


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    return tmp_path


def numbers(part: PairedFeatures) -> list[int]:
    """The image numbers, which tell items apart."""
    return part.image[:, 0].astype(int).tolist()


def check_roles(splits: HashingSplits) -> None:
    train, query, database = (numbers(part) for part in (splits.train, splits.query, splits.database))
    assert database[: len(train)] == train
    assert not set(query) & set(database)
    assert len(set(database)) == len(database)
    assert numbers(splits.without_training()) == database[len(train) :]
    assert splits.validation is not None
    assert set(numbers(splits.validation)) <= set(numbers(splits.without_training()))
    for part in (splits.train, splits.validation, splits.query, splits.database):
        assert part.caption_image.tolist() == list(range(part.n_images))
        assert part.labels is not None


@pytest.mark.parametrize("name", SETS)
def test_roles(name: str, data_dir: Path) -> None:
    write, options, (query, train, validation, rest) = SETS[name]
    write(data_dir)
    splits, again, other = (hashing_splits(name, seed=seed, **options) for seed in (0, 0, 1))
    check_roles(splits)
    assert splits.name == name
    assert (splits.train.n_images, splits.query.n_images) == (train, query)
    assert splits.validation is not None
    assert (splits.validation.n_images, splits.database.n_images) == (validation, train + validation + rest)
    assert numbers(splits.train) == numbers(again.train)
    assert any(numbers(a) != numbers(b) for a, b in ((splits.train, other.train), (splits.query, other.query)))


@pytest.mark.parametrize("name", SETS)
def test_the_profile_does_not_matter_and_sizes_of_the_papers_are_the_default(name: str, data_dir: Path) -> None:
    write, options, _ = SETS[name]
    write(data_dir)
    smoke, paper = (hashing_splits(name, profile, **options) for profile in ("smoke", "paper"))
    assert numbers(smoke.database) == numbers(paper.database)
    with pytest.raises(InvalidInput, match=r"but \d+ queries and 10000 training rows were asked for"):
        hashing_splits(name, "smoke", **{key: value for key, value in options.items() if key != "sizes"})


def test_mirflickr_texts_are_its_tags(data_dir: Path) -> None:
    write_mirflickr(data_dir)
    database = hashing_splits("mirflickr25k", sizes=(2, 6, 3)).database
    ids = [i for i in range(1, PHOTOS + 1) if labels_of(i) and {"sea", "été"} & set(tags_of(i))]
    for number, text, labels in zip(numbers(database), database.text, database.labels, strict=True):
        assert text.tolist() == [tag in tags_of(ids[number]) for tag in ("sea", "été")]
        assert {database.class_names[c] for c in np.flatnonzero(labels)} == labels_of(ids[number])
    assert database.text.dtype == np.float32
    more = hashing_splits("mirflickr25k", items="labelled", sizes=(2, 6, 3)).database
    assert more.n_images > database.n_images


def test_nus_wide_features_and_pictures_have_the_same_texts(data_dir: Path) -> None:
    write_nus_wide(data_dir)
    features = hashing_splits("nus_wide", image="CH", sizes=(6, 20, 6))
    pictures = hashing_splits("nus_wide", layout="pictures", sizes=(6, 20, 6))
    relevant = [i for i in range(120) if i % 2 == 0 or i % 3 == 0]
    assert features.train.image.shape == (20, 64)
    assert numbers(features.train) == [relevant[row] for row in numbers(pictures.train)]  # colours are all i
    np.testing.assert_array_equal(features.train.text, pictures.train.text)
    assert pictures.train.text.tolist() == [carries(i) for i in numbers(features.train)]
    assert features.train.labels is not None
    for i, labels in zip(numbers(features.train), features.train.labels, strict=True):
        assert {CONCEPTS_21[c] for c in np.flatnonzero(labels)} == shows(i) - {"toy"}


def test_protocols_of_nus_wide(data_dir: Path) -> None:
    write_nus_wide(data_dir)
    write_nus_wide_10k5(data_dir)
    ten = hashing_splits("nus_wide", protocol="TC-10", image="CH", sizes=(6, 20, 6))
    assert ten.train.labels is not None
    assert ten.train.labels.shape == (20, 10)
    tagged = hashing_splits("nus_wide", protocol="TC-21 tagged", image="CH", sizes=(6, 20, 6))
    assert tagged.database.text.any(axis=1).all()
    copy = hashing_splits("nus_wide", protocol="10.5k", sizes=(2, 10, 3))
    check_roles(copy)
    assert copy.train.text.shape == (10, 2)


def test_iapr_counts_the_words_of_its_training_texts(data_dir: Path) -> None:
    write_iapr(data_dir)
    splits = hashing_splits("iapr_tc12", sizes=(3, 10, 4))
    ids = [i for i in range(1, TRAVELS + 1) if i not in (5, 6)]  # see write_iapr
    told = " ".join(text_of(ids[number]) for number in numbers(splits.train))
    assert splits.train.text.shape[1] == len(set(re.findall(r"\w+", told)))
    assert (splits.train.text > 0).any(axis=0).all()  # no word that only others have
    few = hashing_splits("iapr_tc12", words=3, sizes=(3, 10, 4))
    assert few.train.text.shape == (10, 3)


def test_coco_draws_captions_by_seed_and_encodes_pictures_once(data_dir: Path, encoder: Encoder) -> None:
    write_coco(data_dir, ALL_COCO)
    splits = [hashing_splits("coco", sizes=(2, 4, 1), seed=seed) for seed in range(6)]
    assert len(set(encoder.versions)) == 1
    assert len({part.train.text.shape[1] for part in splits}) > 1  # other sentences, other words
    assert splits[0].train.class_names == ("person", "stop sign", "toothbrush")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mirflickr25k", {"root": "x"}, r"no option of mirflickr25k \(.*XMR_DATA_DIR\) named 'root'.*items, sizes"),
        ("mirflickr25k", {"protocol": "TC-21"}, "items, sizes"),
        ("mirflickr25k", {"layout": "text"}, "items, sizes"),
        ("coco", {"labels": False}, "captions_per_image, limit, parts, sizes, words, year"),
        ("nus_wide", {"protocol": "10k"}, r"hashing protocol .*10\.5k, TC-10, TC-21, TC-21 tagged"),
        ("nus_wide", {"layout": "text"}, "with images named 'text'.*features, pictures"),
        ("nus_wide", {"protocol": "10.5k", "layout": "features"}, "with images named 'features'.*pictures"),
    ],
)
def test_options_that_a_data_set_does_not_know(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        hashing_splits(name, **options)


@pytest.mark.parametrize("name", SETS)
def test_missing_files_are_explained(name: str, data_dir: Path) -> None:
    with pytest.raises(MissingData, match=rf"{name}.*(Get|Put|put|Ask|ask|unpack)"):
        hashing_splits(name)


def test_a_container_of_features_takes_part(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image, text, label = np.arange(30.0)[:, None] + [0, 0.5], rng.random((30, 4)), np.eye(3)[[*range(3)] * 10]
    savemat(tmp_path / "a.mat", {"image": image, "text": text, "label": label})
    container = load_hashing_container(tmp_path / "a.mat")
    check_roles(HashingSplits.of(container.features(sizes=(5, 10, 5))))
    assert HashingSplits.of(container.features(sizes=(5, 10, 0))).validation is None
    parts = {}
    for end, rows in (("te", slice(0, 5)), ("tr", slice(5, 15)), ("db", slice(15, 30))):
        parts |= {f"I_{end}": image[rows], f"T_{end}": text[rows], f"L_{end}": label[rows]}
    savemat(tmp_path / "b.mat", parts)
    splits = HashingSplits.of(load_hashing_container(tmp_path / "b.mat").features())
    with pytest.raises(InvalidInput, match="does not begin with its 10 training pairs"):
        splits.without_training()  # they are not in the database
    del parts["I_tr"]
    savemat(tmp_path / "c.mat", parts)
    with pytest.raises(UnknownName, match=r"split of c\.mat named 'train'"):
        HashingSplits.of(load_hashing_container(tmp_path / "c.mat").features())


def test_a_linear_method_on_nus_wide(data_dir: Path) -> None:
    write_nus_wide(data_dir)
    splits = hashing_splits("nus_wide", image="CH", sizes=(20, 40, 0))
    assert splits.validation is None
    for protocol in ("strict", "new items"):
        report = evaluate_hashing(SCMSeq(4).fit(splits.train), splits, protocol=protocol)
        assert report.value("MAP", "t2i") > 0.7


@needs_real
def test_real_tags_need_their_pictures() -> None:
    """The copy of texts and labels has no photographs; the loader says where they come from."""
    with pytest.raises(MissingData, match=r"mirflickr25k\.zip"):
        hashing_splits("mirflickr25k")


@needs_real
def test_real_tags_and_labels_in_the_sizes_of_the_papers() -> None:
    """Half of the 1,386 tags stands in for the pictures: two views that somebody really wrote."""
    tagged = load_dataset("mirflickr25k", layout="text")
    first, second = (tagged.tags[:, half::2].astype(np.float32) for half in (0, 1))
    pairs = PairedFeatures(first, second, labels=tagged.labels, class_names=tagged.class_names, name="mirflickr25k")
    splits = HashingSplits.of(FeatureDataset("mirflickr25k", "tags", pairs, tagged.splits))
    sizes = [part.n_images for part in (splits.train, splits.query, splits.database, splits.without_training())]
    assert sizes == [10_000, 2_000, 18_015, 8_015]
    some = HashingSplits(splits.train, None, splits.query.subset(np.arange(300)), splits.database)
    report = evaluate_hashing(SCMSeq(16).fit(splits.train), some)
    for way in ("i2t", "t2i"):
        assert report.value("MAP", way) > report.chance[way]["MAP"] + 0.03
