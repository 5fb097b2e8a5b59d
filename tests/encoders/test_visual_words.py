"""Bag of visual words: patches cut as said, histograms as counted by hand, equal runs equal."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from xmr_lib.encoders import load_image_encoder
from xmr_lib.encoders.visual_words import BagOfVisualWords
from xmr_lib.errors import InvalidInput


def pictures(n: int = 6, seed: int = 0) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((40, 40)) for _ in range(n)]


@pytest.fixture(scope="module")
def encoder() -> BagOfVisualWords:
    return BagOfVisualWords(pictures(), words=5, patch=8, size=32)


def test_patches_equal_the_double_loop(encoder: BagOfVisualWords) -> None:
    picture = pictures()[0].resize((32, 32))  # no further scaling inside
    pixels = np.asarray(picture, np.float32) / 255
    by_hand = [
        pixels[row : row + 8, column : column + 8].transpose(2, 0, 1).ravel()
        for row in range(0, 32 - 8 + 1, 4)
        for column in range(0, 32 - 8 + 1, 4)
    ]
    patches = encoder.patches(picture)
    assert patches.shape == (49, 3 * 64)
    assert patches.dtype == np.float32
    np.testing.assert_allclose(patches, by_hand, atol=1e-7)


def test_histogram_equals_counting_nearest_centres(encoder: BagOfVisualWords) -> None:
    centres = encoder._clusters.cluster_centers_
    rows = encoder.encode(pictures(3, seed=1))
    for row, picture in zip(rows, pictures(3, seed=1), strict=True):
        counts = np.zeros(5)
        for patch in encoder.patches(picture):
            counts[((centres - patch) ** 2).sum(axis=1).argmin()] += 1
        np.testing.assert_allclose(row, counts / counts.sum(), atol=1e-6)


def test_rows_are_shares(encoder: BagOfVisualWords) -> None:
    rows = encoder.encode(pictures(9, seed=2))
    assert rows.shape == (9, encoder.dim) == (9, 5)
    assert rows.dtype == np.float32
    assert (rows >= 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-6)


def test_a_plain_picture_is_one_word(encoder: BagOfVisualWords) -> None:
    assert encoder.encode([Image.new("RGB", (50, 20), "red")]).max() == 1.0


def test_same_seed_same_vectors_other_seed_other_fingerprint() -> None:
    first, again, other = (BagOfVisualWords(pictures(), words=5, size=32, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.encode(pictures(2)), again.encode(pictures(2)))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_vocabulary_and_fingerprint_come_from_the_training_pictures() -> None:
    prints = {BagOfVisualWords(pictures(seed=seed), words=5, size=32).fingerprint for seed in (0, 1)}
    prints.add(BagOfVisualWords(pictures(), words=4, size=32).fingerprint)
    assert len(prints) == 3


def test_errors() -> None:
    with pytest.raises(InvalidInput, match=r"Pass fit_on=train\.images"):
        load_image_encoder("bovw")
    with pytest.raises(InvalidInput, match="fit_on holds none"):
        load_image_encoder("bovw", fit_on=[])
