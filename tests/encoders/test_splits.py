"""Training, validation and test pairs of the supervised lessons: disjoint, one class each, the test never cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from xmr_lib.data.base import PairedDataset, PairedFeatures, Splits
from xmr_lib.encoders import splits as module
from xmr_lib.encoders.splits import supervised_splits
from xmr_lib.errors import UnknownName

needs_wikipedia = pytest.mark.skipif(
    not (Path(os.environ.get("XMR_DATA_DIR", "nothing")) / "wikipedia" / "raw_features.mat").is_file(),
    reason="set XMR_DATA_DIR to a folder with wikipedia/raw_features.mat",
)


def numbered(data: PairedDataset) -> PairedFeatures:
    """Features that say which image and which caption a row is, in place of an encoder's."""
    image, text = np.arange(data.n_images)[:, None], np.arange(data.n_captions)[:, None]
    return PairedFeatures(
        image, text, data.caption_image, data.instances, data.labels, data.class_names, name=data.name
    )


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module._encoded_scenes.cache_clear()
    monkeypatch.setattr(module, "encode_dataset", numbered)
    yield
    module._encoded_scenes.cache_clear()


def items(part: PairedFeatures) -> set[int]:
    return set(part.image[:, 0].tolist())


def check(cut: Splits, classes: int) -> None:
    for part in cut:
        assert part.labels is not None
        assert part.labels.shape[1] == len(part.class_names) == classes
        assert (part.labels.sum(axis=1) == 1).all()
        assert part.labels.any(axis=0).all(), "every class in every part"


@pytest.mark.parametrize(("profile", "sizes"), [("smoke", (450, 150)), ("course", (2500, 500))])
def test_scenes_keep_their_test_and_cut_the_rest(numbers: None, profile: str, sizes: tuple[int, int]) -> None:
    first, second = (supervised_splits("scenes", seed, profile) for seed in (0, 1))
    check(first, classes=12)
    known, test = sizes
    assert items(first.test) == items(second.test) == set(range(known, known + test))
    for cut in (first, second):
        assert items(cut.train) | items(cut.validation) == set(range(known))
        assert not items(cut.train) & items(cut.validation)
        assert len(items(cut.validation)) == pytest.approx(0.2 * known, abs=6)
    assert items(first.train) != items(second.train)
    assert items(supervised_splits("scenes", 0, profile).train) == items(first.train)
    for part in first:  # the five captions of an image follow it
        assert part.n_captions == 5 * part.n_images
        assert (part.text[:, 0] // 5 == part.image[part.caption_image, 0]).all()


def test_the_profile_of_the_shell_is_the_default(numbers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMR_PROFILE", "smoke")
    assert supervised_splits("scenes").test.n_images == 150


def test_emoji_are_cut_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "encode_dataset", numbered)
    first, second = supervised_splits("emoji", 0), supervised_splits("emoji", 1)
    check(first, classes=8)
    assert sum(len(items(part)) for part in first) == len(set.union(*map(items, first))) == 2660
    assert items(first.test) != items(second.test)


@needs_wikipedia
def test_wikipedia_trains_on_fit() -> None:
    cut = supervised_splits("wikipedia", 0)
    check(cut, classes=10)
    assert [part.n_images for part in cut] == [1738, 435, 693]
    assert (supervised_splits("wikipedia", 1).test.image == cut.test.image).all()


def test_an_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UnknownName, match="emoji, scenes, wikipedia"):
        supervised_splits("coco")
