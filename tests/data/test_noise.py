"""Wrong captions on purpose: exactly so many, none lost, none that is right by chance."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.noise import mismatch_captions
from xmr_lib.errors import InvalidInput


def dataset(captions: list[str], caption_image: list[int], instances: list[int] | None = None) -> PairedDataset:
    n = max(caption_image) + 1
    return PairedDataset("toy", "v1", [Image.new("RGB", (2, 2))] * n, captions, np.array(caption_image), instances)


def right_words(data: PairedDataset, image: int) -> set[str]:
    return {data.captions[i] for i in data.captions_of(image)}


@pytest.mark.parametrize("share", [0.2, 0.4, 1.0])
def test_exactly_the_share_is_wrong(share: float) -> None:
    data = load_dataset("scenes", profile="smoke").split("train")
    noisy, wrong = mismatch_captions(data, share, seed=3)
    assert wrong.sum() == round(share * data.n_captions)
    assert Counter(noisy.captions) == Counter(data.captions), "no caption is lost or doubled"
    words = [right_words(data, image) for image in range(data.n_images)]
    for i in range(data.n_captions):
        assert (noisy.captions[i] not in words[data.caption_image[i]]) == wrong[i]
        assert wrong[i] or noisy.captions[i] == data.captions[i]
    assert noisy.version != data.version
    assert noisy.images is data.images
    np.testing.assert_array_equal(noisy.caption_image, data.caption_image)


def test_seed_decides() -> None:
    data = load_dataset("scenes", profile="smoke").split("train")
    first, again, other = (mismatch_captions(data, 0.3, seed) for seed in (0, 0, 1))
    assert first[0].captions == again[0].captions
    assert (first[1] == again[1]).all()
    assert first[0].version == again[0].version
    assert first[0].captions != other[0].captions
    assert first[0].version != other[0].version
    assert mismatch_captions(data, 0.2, 0)[0].version != first[0].version


def test_wrong_captions_of_an_image_come_from_many_images() -> None:
    """Were they all from one, the image would have learnt another's place, consistently."""
    data = load_dataset("scenes", profile="smoke").split("train")
    noisy, _ = mismatch_captions(data, 1.0)
    origin = dict(zip(data.captions, data.caption_image, strict=True))
    sources = [len({origin[noisy.captions[i]] for i in data.captions_of(image)}) for image in range(data.n_images)]
    assert np.mean(sources) > 0.9 * data.n_captions / data.n_images


def test_nothing_to_do() -> None:
    data = dataset(["a", "b"], [0, 1])
    same, wrong = mismatch_captions(data, 0.0)
    assert same is data
    assert wrong.tolist() == [False, False]


def test_the_only_swap_is_found() -> None:
    noisy, wrong = mismatch_captions(dataset(["a", "b", "c", "d"], [0, 0, 1, 1]), 1.0)
    assert wrong.all()
    assert set(noisy.captions[:2]) == {"c", "d"}


def test_same_thing_or_same_words_is_no_mistake() -> None:
    two_styles = dataset(["cat", "kitten", "dog", "hound"], [0, 1, 2, 3], [7, 7, 8, 8])
    noisy, _ = mismatch_captions(two_styles, 1.0)
    assert set(noisy.captions[:2]) == {"dog", "hound"}
    with pytest.raises(InvalidInput, match="no way"):
        mismatch_captions(dataset(["a cat", "a cat"], [0, 1]), 1.0)


@pytest.mark.parametrize(
    ("share", "message"), [(-0.1, "within 0..1"), (1.5, "within 0..1"), (float("nan"), "within 0..1"), (0.5, "no way")]
)
def test_wrong_shares(share: float, message: str) -> None:
    """Of two captions a half is one, and one cannot be swapped."""
    with pytest.raises(InvalidInput, match=message):
        mismatch_captions(dataset(["a", "b"], [0, 1]), share)
