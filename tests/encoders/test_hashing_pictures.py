"""Scenes for hashing as pictures: the rows, labels and captions of the same scenes as features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.official_files import write_mirflickr
from xmr_lib.data import load_dataset
from xmr_lib.encoders.hashing_pictures import HashingPictures, hashing_pictures, with_one_caption
from xmr_lib.encoders.hashing_splits import hashing_scenes, hashing_splits
from xmr_lib.encoders.text import BagOfWords
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing import DCHMT, FromPixels

ROLES = ("train", "validation", "query", "database")


def test_the_same_rows_as_features() -> None:
    pictures, features = hashing_pictures("smoke", seed=1), hashing_splits("scenes", "smoke", seed=1)
    words = BagOfWords(list(pictures.train.captions))
    for role in ROLES:
        ours, theirs = getattr(pictures, role), getattr(features, role)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_array_equal(ours.caption_image, np.arange(theirs.n_images))
        np.testing.assert_array_equal(words.encode(ours.captions), theirs.text)
        assert (ours.name, ours.class_names) == (theirs.name, theirs.class_names)
    assert pictures.name == "scenes"
    assert pictures.without_training().n_images == features.without_training().n_images


def test_the_pictures_belong_to_the_rows() -> None:
    pictures, scenes = hashing_pictures("smoke"), hashing_scenes("smoke")
    start = pictures.train.n_images + pictures.validation.n_images
    np.testing.assert_array_equal(np.array(pictures.query.images[3]), np.array(scenes.images[start + 3]))
    assert hashing_pictures("smoke", size=64).query.images[3].size == (64, 64)


def test_photographs_of_an_official_data_set_train_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MIRFlickr-25K in its official files, in the four roles, under the towers of a hashing system."""
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    write_mirflickr(tmp_path)
    photos = HashingPictures.of(load_dataset("mirflickr25k", sizes=(2, 6, 3)))
    method = FromPixels(DCHMT(**DCHMT.preset("smoke")), **FromPixels.preset("smoke")).clone(epochs=1, batch_size=6)
    report = evaluate_hashing(method.fit(photos.train, photos.validation, device="cpu"), photos)
    assert (photos.name, report.counts["queries"]) == ("mirflickr25k", 2)
    assert 0 < report.value("MAP") <= 1


def test_one_caption_each() -> None:
    scenes = load_dataset("scenes", size=40)
    one, again, other = (with_one_caption(scenes, seed) for seed in (0, 0, 1))
    assert one.n_captions == one.n_images == 40
    assert all(text in [scenes.captions[j] for j in scenes.captions_of(i)] for i, text in enumerate(one.captions))
    assert one.captions == again.captions != other.captions
    assert len({scenes.version, one.version, other.version}) == 3
    with pytest.raises(InvalidInput, match="1330 of 2660 images of emoji have no caption of their own"):
        with_one_caption(load_dataset("emoji"))
