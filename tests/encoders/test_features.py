"""From a data set to features: rows stay in order, everything is computed once, nothing is mixed up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from xmr_lib.data import PairedDataset
from xmr_lib.encoders import FeatureCache, encode_dataset, encode_split
from xmr_lib.encoders.text import BagOfWords
from xmr_lib.errors import InvalidInput, UnknownName

N = 12
WORDS = ["apple", "bear", "cat", "dog", "egg", "fox", "goat", "hat", "ink", "jar", "key", "lamp"]


class Brightness:
    """A picture's grey value, and a record of what was asked."""

    name, dim, fingerprint = "brightness", 2, "brightness-v1"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.calls.append(len(images))
        return np.array([[np.asarray(image).mean(), 1] for image in images], np.float32)


class Length:
    """A sentence's length, and a record of what was asked."""

    name, dim, fingerprint = "length", 1, "length-v1"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(len(texts))
        return np.array([[len(text)] for text in texts], np.float32)


def dataset(version: str = "toy-1") -> PairedDataset:
    """12 grey pictures, picture i of brightness 10 i, with two captions each of length 1 + i."""
    return PairedDataset(
        name="toy",
        version=version,
        images=[Image.new("RGB", (8, 8), (10 * i,) * 3) for i in range(N)],
        captions=["x" * (1 + i) for i in range(N) for _ in range(2)],
        caption_image=np.repeat(np.arange(N), 2),
        instances=np.arange(N) // 2,
        labels=np.eye(3)[np.arange(N) % 3],
        class_names=("a", "b", "c"),
        splits={"train": [9, 8, 1, 0, 5, 4], "validation": [2, 3], "test": [6, 7, 10, 11]},
    )


@pytest.fixture
def cache(tmp_path) -> FeatureCache:
    return FeatureCache(tmp_path)


def test_rows_are_in_the_order_of_the_data_set(cache: FeatureCache) -> None:
    data = dataset()
    features = encode_dataset(data, Brightness(), Length(), cache)
    np.testing.assert_allclose(features.image[:, 0], 10 * np.arange(N))
    np.testing.assert_allclose(features.text[:, 0], np.repeat(1 + np.arange(N), 2))
    np.testing.assert_array_equal(features.caption_image, data.caption_image)
    np.testing.assert_array_equal(features.instances, data.instances)
    np.testing.assert_array_equal(features.labels, data.labels)
    assert (features.class_names, features.name) == (("a", "b", "c"), "toy")


def test_second_call_reads_the_cache(cache: FeatureCache) -> None:
    image, text = Brightness(), Length()
    first = encode_dataset(dataset(), image, text, cache)
    second = encode_dataset(dataset(), image, text, cache)
    assert (image.calls, text.calls) == ([N], [2 * N])
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.text, second.text)


def test_all_splits_share_one_entry(cache: FeatureCache) -> None:
    image, text = Brightness(), Length()
    for split in ("train", "validation", "test", "train+validation"):
        encode_split(dataset(), split, image=image, text=text, cache=cache)
    assert (image.calls, text.calls) == ([N], [2 * N])


def test_other_version_encoder_or_subset_is_another_entry(cache: FeatureCache) -> None:
    image, text = Brightness(), Length()
    encode_dataset(dataset(), image, text, cache)
    encode_dataset(dataset("toy-2"), image, text, cache)
    image.fingerprint = "brightness-v2"
    encode_dataset(dataset(), image, text, cache)
    assert (image.calls, text.calls) == ([N, N, N], [2 * N, 2 * N])
    shuffled = dataset().subset(np.arange(N)[::-1])  # as many rows, in another order
    features = encode_dataset(shuffled, image, text, cache)
    np.testing.assert_allclose(features.image[:, 0], 10 * np.arange(N)[::-1])
    assert len(image.calls) == 4


def test_a_subset_has_its_own_rows(cache: FeatureCache) -> None:
    image, text = Brightness(), Length()
    encode_dataset(dataset(), image, text, cache)
    part = encode_dataset(dataset().split("train"), image, text, cache)
    np.testing.assert_allclose(part.image[:, 0], [90, 80, 10, 0, 50, 40])
    again = encode_dataset(dataset(), image, text, cache)
    np.testing.assert_allclose(again.image[:, 0], 10 * np.arange(N))
    assert (image.calls, text.calls) == ([N, 6], [2 * N, 12])


@pytest.mark.parametrize("split", ["train", "test", "train+validation"])
def test_split_equals_encoding_the_split(cache: FeatureCache, split: str) -> None:
    cut = encode_split(dataset(), split, image=Brightness(), text=Length(), cache=cache)
    alone = encode_dataset(dataset().split(split), Brightness(), Length(), cache)
    for field in ("image", "text", "caption_image", "instances", "labels"):
        np.testing.assert_array_equal(getattr(cut, field), getattr(alone, field))
    assert cut.name == alone.name == f"toy/{split}"


def test_joined_splits_are_one_after_the_other(cache: FeatureCache) -> None:
    joined = encode_split(dataset(), "train+validation", image=Brightness(), text=Length(), cache=cache)
    np.testing.assert_allclose(joined.image[:, 0], [90, 80, 10, 0, 50, 40, 20, 30])


def worded() -> PairedDataset:
    return PairedDataset(
        name="words",
        version="words-1",
        images=[Image.new("RGB", (8, 8), (10 * i,) * 3) for i in range(N)],
        captions=WORDS,
        caption_image=np.arange(N),
        splits={"train": np.arange(6), "test": np.arange(6, N)},
    )


def test_bow_knows_only_training_words(cache: FeatureCache) -> None:
    features = encode_dataset(worded(), Brightness(), "bow", cache)
    np.testing.assert_array_equal(features.text, np.eye(N)[:, :6])  # the six test captions have unseen words only
    by_hand = BagOfWords(WORDS[:6]).encode(WORDS)
    np.testing.assert_array_equal(features.text, by_hand)


def test_fitted_encoders_follow_the_training_split(cache: FeatureCache) -> None:
    """Another split seed must not read the vocabulary of the first."""
    from dataclasses import replace

    other = replace(worded(), splits={"train": np.arange(8), "test": np.arange(8, N)})
    assert encode_dataset(worded(), Brightness(), "bow", cache).text.shape[1] == 6
    assert encode_dataset(other, Brightness(), "bow", cache).text.shape[1] == 8
    lda = encode_dataset(worded(), Brightness(), "lda", cache).text
    assert lda.shape == (N, 10)
    np.testing.assert_allclose(lda.sum(axis=1), 1, atol=1e-5)


def test_bovw_by_name_is_fitted_on_training_pictures(cache: FeatureCache) -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(N)]
    data = PairedDataset("noise", "noise-1", pictures, WORDS, np.arange(N), splits={"train": np.arange(6)})
    features = encode_dataset(data, "bovw", Length(), cache)
    assert features.image.shape == (N, 128)
    np.testing.assert_allclose(features.image.sum(axis=1), 1, atol=1e-5)


def test_names_load_the_installed_encoders(cache: FeatureCache) -> None:
    features = encode_split(worded(), "train", cache=cache)
    assert (features.image.shape, features.text.shape) == ((6, 1280), (6, 384))


def test_damaged_entry_is_computed_again(cache: FeatureCache) -> None:
    image = Brightness()
    encode_dataset(dataset(), image, Length(), cache)
    for path in cache.folder.glob("*brightness*.safetensors"):
        path.write_bytes(path.read_bytes()[:-4])
    with pytest.warns(UserWarning, match="damaged"):
        features = encode_dataset(dataset(), image, Length(), cache)
    np.testing.assert_allclose(features.image[:, 0], 10 * np.arange(N))
    assert image.calls == [N, N]


def test_features_that_are_not_numbers_are_refused(cache: FeatureCache) -> None:
    class Broken(Brightness):
        fingerprint = "broken"

        def encode(self, images: Sequence[Image.Image]) -> np.ndarray:
            return np.full((len(images), 2), np.nan, np.float32)

    with pytest.raises(InvalidInput, match=r"12 of the 12 rows of the image features hold NaN"):
        encode_dataset(dataset(), Broken(), Length(), cache)


def test_errors_name_the_choices(cache: FeatureCache) -> None:
    with pytest.raises(UnknownName, match=r"no split of toy named 'dev'.*test, train, validation"):
        encode_split(dataset(), "dev", image=Brightness(), text=Length(), cache=cache)
    with pytest.raises(UnknownName, match="no text encoder named 'bert'"):
        encode_dataset(dataset(), Brightness(), "bert", cache)
    with pytest.raises(UnknownName, match="no image encoder named 'resnet'"):
        encode_dataset(dataset(), "resnet", Length(), cache)
    without = dataset().subset(np.arange(4))
    with pytest.raises(UnknownName, match="no split of toy named 'train'"):
        encode_dataset(without, Brightness(), "bow", cache)
