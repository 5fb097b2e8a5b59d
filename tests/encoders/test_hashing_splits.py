"""The roles of hashing: disjoint, training rows first in the database, the same for the same seed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.encoders import hashing_splits as module
from xmr_lib.encoders.hashing_splits import SCENES, HashingSplits, hashing_splits
from xmr_lib.errors import InvalidInput, UnknownName

needs_wikipedia = pytest.mark.skipif(
    not (Path(os.environ.get("XMR_DATA_DIR", "nothing")) / "wikipedia" / "raw_features.mat").is_file(),
    reason="set XMR_DATA_DIR to a folder with wikipedia/raw_features.mat",
)


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image's feature is its number, in place of an encoder's."""
    monkeypatch.setattr(module, "encode_images", lambda data: np.arange(data.n_images, dtype=np.float32)[:, None])


def rows(part: PairedFeatures) -> list[bytes]:
    return [a.tobytes() + b.tobytes() for a, b in zip(part.image, part.text, strict=True)]


def check_roles(splits: HashingSplits) -> None:
    train, query, database = (rows(part) for part in (splits.train, splits.query, splits.database))
    assert database[: len(train)] == train
    assert not set(query) & set(database)
    assert splits.train.labels is not None
    assert splits.database.labels is not None
    np.testing.assert_array_equal(splits.database.labels[: len(train)], splits.train.labels)
    assert rows(splits.without_training()) == database[len(train) :]
    if splits.validation is not None:
        assert not set(rows(splits.validation)) & {*train, *query}
    for part in (splits.train, splits.query, splits.database):
        assert part.n_images == part.n_captions
        assert part.caption_image.tolist() == list(range(part.n_images))


def test_generated() -> None:
    splits = hashing_splits("generated")
    check_roles(splits)
    assert [part.n_images for part in (splits.train, splits.query, splits.database)] == [1000, 400, 2000]
    assert splits.validation is not None
    assert splits.name == "generated"
    assert splits.without_training().name == "generated/database without training items"


def test_scenes_in_smoke(numbers: None) -> None:
    splits = hashing_splits("scenes", "smoke")
    check_roles(splits)
    n_train, n_validation, n_query, n_rest = SCENES["smoke"]
    assert splits.validation is not None
    assert splits.train.image[:, 0].tolist() == list(range(n_train))
    assert splits.validation.image[:, 0].tolist() == list(range(n_train, n_train + n_validation))
    assert (splits.query.n_images, splits.database.n_images) == (n_query, n_train + n_rest)
    assert not {*splits.validation.image[:, 0].tolist()} & {*splits.database.image[:, 0].tolist()}
    assert splits.train.text.sum(axis=1).min() >= 1  # word counts


def test_every_scene_meets_a_caption_of_its_own_drawn_by_seed(numbers: None) -> None:
    texts = [hashing_splits("scenes", "smoke", seed=seed).train.text for seed in (0, 0, 1)]
    np.testing.assert_array_equal(texts[0], texts[1])
    assert texts[0].shape != texts[2].shape or not np.array_equal(texts[0], texts[2])


def test_the_scenes_are_those_with_pictures(numbers: None) -> None:
    data = module.hashing_scenes("smoke")
    assert isinstance(data, PairedDataset)
    assert data.n_images == sum(SCENES["smoke"])
    n_train, n_validation, n_query, _ = SCENES["smoke"]
    query = hashing_splits("scenes", "smoke").query
    assert data.labels is not None
    np.testing.assert_array_equal(query.labels, data.labels[n_train + n_validation :][:n_query])


@needs_wikipedia
def test_wikipedia() -> None:
    splits = hashing_splits("wikipedia")
    check_roles(splits)
    assert splits.validation is None
    assert (splits.train.image.shape, splits.train.text.shape) == ((2173, 500), (2173, 500))
    assert (splits.query.n_images, splits.without_training().n_images) == (693, 0)
    held = hashing_splits("wikipedia", held_out=True)
    assert held.validation is not None
    check_roles(held)
    assert held.train.n_images + held.validation.n_images == held.database.n_images == 2173
    assert rows(held.without_training()) == rows(held.validation)
    assert not set(rows(held.train)) & set(rows(held.query))
    assert sorted(rows(held.database)) == sorted(rows(splits.database))


@pytest.mark.parametrize("name", ["generated", pytest.param("wikipedia", marks=needs_wikipedia)])
def test_the_same_seed_gives_the_same_rows(name: str) -> None:
    first, again, other = (hashing_splits(name, seed=seed) for seed in (0, 0, 1))
    for part in ("train", "query", "database"):
        versions = [getattr(splits, part).version for splits in (first, again, other)]
        assert versions[0] == versions[1] != versions[2]


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match="coco, generated, iapr_tc12, mirflickr25k, nus_wide, scenes, wikipedia"):
        hashing_splits("flickr30k")
    with pytest.raises(UnknownName, match="generated has no option sizes; only official data sets have options"):
        hashing_splits("generated", sizes=(2, 4, 2))


def test_where_validation_lies() -> None:
    splits = hashing_splits("generated")
    assert splits.validation is not None
    assert set(rows(splits.validation)) <= set(rows(splits.without_training()))  # the scenes: outside, see above


def test_without_training_needs_the_training_pairs_first() -> None:
    data = pairs()
    known, new = data.subset([2, 0], "toy/train"), data.subset([1], "toy/database")
    whole = data.subset([2, 0, 1], "toy/database")
    splits = HashingSplits(known, None, data.subset([1], "toy/query"), whole)
    np.testing.assert_array_equal(splits.without_training().image, new.image)
    for other in (data, new, whole.subset([2, 1, 0])):
        with pytest.raises(InvalidInput, match="database of toy does not begin with its 2 training pairs"):
            replace(splits, database=other).without_training()


def pairs() -> PairedFeatures:
    return PairedFeatures(np.eye(3), np.eye(3), labels=np.eye(3, dtype=bool), name="toy")


@pytest.mark.parametrize(
    "change",
    [
        {"image": 2 * np.eye(3)},
        {"text": np.eye(3)[::-1]},
        {"image": np.eye(3, dtype=np.float32)},
        {"labels": np.eye(3, dtype=bool)[::-1]},
        {"labels": None},
        {"caption_image": [0, 2, 1]},
        {"instances": [5, 6, 7]},
    ],
)
def test_the_version_follows_the_content(change: dict) -> None:
    assert replace(pairs(), **change).version != pairs().version


def test_the_version_does_not_follow_the_name() -> None:
    assert replace(pairs(), name="other").version == pairs().version == replace(pairs()).version
    assert pairs().subset([0, 1]).version != pairs().version
    assert pairs().subset([0, 1, 2]).version == pairs().version
