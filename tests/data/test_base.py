"""PairedDataset and PairedFeatures: pairing, subsets, errors, laziness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xmr_lib.data import LazyImages, PairedDataset, PairedFeatures
from xmr_lib.errors import InvalidInput, UnknownName


def features(n: int, caption_image: Any = None, m: int | None = None, **more: Any) -> PairedFeatures:
    """Features whose values are the row numbers, so that a row can be followed through subsets."""
    m = (n if caption_image is None else len(caption_image)) if m is None else m
    image, text = np.arange(n, dtype=float)[:, None], np.arange(m, dtype=float)[:, None]
    return PairedFeatures(image, text, caption_image, **more)


def dataset(**more: Any) -> tuple[PairedDataset, list[int]]:
    """Four images, six captions; the second value lists the pictures that were opened."""
    opened: list[int] = []

    def load(key: int) -> Image.Image:
        opened.append(key)
        return Image.new("RGB", (2, 2), (key, 0, 0))

    options: dict[str, Any] = {
        "name": "toy",
        "version": "1",
        "images": LazyImages(load, range(4)),
        "captions": list("abcdef"),
        "caption_image": [0, 0, 1, 2, 3, 3],
        "labels": np.eye(2, dtype=bool)[[0, 1, 0, 1]],
        "class_names": ("x", "y"),
        "splits": {"train": [0, 1], "test": [3]},
    } | more
    return PairedDataset(**options), opened


def test_one_caption_per_image_is_the_default() -> None:
    data = features(3)
    assert data.caption_image.tolist() == [0, 1, 2]
    assert data.instances.tolist() == [0, 1, 2]
    image, caption = data.pairs()
    assert image.tolist() == caption.tolist() == [0, 1, 2]


def test_pairs_with_several_captions_and_shared_instances() -> None:
    # Images 0 and 2 show the same thing; caption 0 was written for image 0, caption 1 for image 2, caption 2 for 1.
    data = features(3, [0, 2, 1], instances=[7, 5, 7])
    image, caption = data.pairs()
    assert list(zip(image.tolist(), caption.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 2), (2, 0), (2, 1)]
    assert data.captions_of(2).tolist() == [0, 1]
    assert data.caption_instances.tolist() == [7, 7, 5]


@st.composite
def pairings(draw: st.DrawFn) -> tuple[PairedFeatures, list[int]]:
    n = draw(st.integers(1, 8))
    captions = draw(st.lists(st.integers(0, n - 1), max_size=12))
    instances = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    keep = draw(st.lists(st.integers(0, n - 1), unique=True))
    return features(n, captions, instances=instances), keep


@given(pairings())
def test_pairs_agree_with_the_naive_loop(case: tuple[PairedFeatures, list[int]]) -> None:
    data, _ = case
    naive = [
        (i, j)
        for i in range(data.n_images)
        for j in range(data.n_captions)
        if data.instances[i] == data.instances[data.caption_image[j]]
    ]
    image, caption = data.pairs()
    assert sorted(zip(image.tolist(), caption.tolist(), strict=True)) == naive
    assert (np.diff(image) >= 0).all()


@given(pairings())
def test_a_subset_keeps_exactly_the_right_pairs_of_the_kept_images(case: tuple[PairedFeatures, list[int]]) -> None:
    data, keep = case
    part = data.subset(keep)
    old_image, old_caption = data.pairs()
    before = {(i, j) for i, j in zip(old_image.tolist(), old_caption.tolist(), strict=True) if i in keep}
    new_image, new_caption = part.pairs()
    # Feature values are the old row numbers.
    after = {(int(part.image[i, 0]), int(part.text[j, 0])) for i, j in zip(new_image, new_caption, strict=True)}
    assert after == before
    assert part.image[:, 0].astype(int).tolist() == keep


def test_a_caption_keeps_its_own_image_or_moves_to_one_of_the_same_instance() -> None:
    data = features(4, [0, 2], instances=[7, 5, 7, 6])
    assert data.subset([2, 0]).caption_image.tolist() == [1, 0]  # both own images are kept
    assert data.subset([0, 3]).caption_image.tolist() == [0, 0]  # image 2 is gone, image 0 shows the same
    assert data.subset([1, 3]).n_captions == 0


def test_pairs_in_one_order_stay_pairs_in_one_order() -> None:
    """One caption per image, as hashing needs it: row i of both matrices is one item, in the order asked for."""
    part = features(6).subset([4, 0, 5, 2])
    assert part.image[:, 0].tolist() == part.text[:, 0].tolist() == [4, 0, 5, 2]
    assert part.caption_image.tolist() == [0, 1, 2, 3]
    crossed = features(3, caption_image=[0, 2, 1]).subset([2, 0])  # another order: captions keep theirs
    assert crossed.text[:, 0].tolist() == [0, 1]
    assert crossed.caption_image.tolist() == [1, 0]


def test_subset_by_mask_equals_subset_by_index() -> None:
    data = features(4, [0, 0, 1, 3])
    mask, index = data.subset([True, False, False, True]), data.subset([0, 3])
    assert mask.text.tolist() == index.text.tolist()
    assert mask.caption_image.tolist() == index.caption_image.tolist() == [0, 0, 1]


def test_empty_subset() -> None:
    data = features(3, labels=np.eye(3)).subset([])
    assert data.n_images == data.n_captions == 0
    assert [len(side) for side in data.pairs()] == [0, 0]


def test_caption_labels_follow_the_images() -> None:
    data = features(2, [1, 0, 1], labels=[[1, 0], [0, 1]])
    assert data.caption_labels is not None
    assert data.caption_labels.tolist() == [[False, True], [True, False], [False, True]]
    assert features(2).caption_labels is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 3, "m": 4}, "without caption_image"),
        ({"n": 3, "caption_image": [0, 1], "m": 3}, "one image index for each of the 3 captions"),
        ({"n": 3, "caption_image": [0, 1, 3]}, r"images 0\.\.2"),
        ({"n": 3, "caption_image": [-1, 0, 1]}, r"images 0\.\.2"),
        ({"n": 3, "caption_image": [0.0, 0.5, 1.0]}, "whole numbers"),
        ({"n": 3, "instances": [0, 1]}, "one identifier per image"),
        ({"n": 3, "labels": [0, 1, 2]}, "multi-hot"),
        ({"n": 3, "labels": [[0], [1], [2]]}, "only 0 and 1"),
        ({"n": 2, "labels": [[0, 1], [1, 0]], "class_names": ("one",)}, "1 class names but 2 label columns"),
    ],
)
def test_wrong_pairing_is_explained(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        features(**arguments)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.array([1.0, 2.0]), "must be a matrix"),
        (np.array([[np.nan], [1.0]]), "1 of the 2 rows of the image features"),
        (np.array([[np.inf], [np.inf]]), "2 of the 2 rows"),
        (np.array([["a"], ["b"]]), "must be numbers"),
    ],
)
def test_wrong_features_are_explained(image: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        PairedFeatures(image, np.ones((2, 1)))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [([True, False], "mask"), ([0, 4], r"images 0\.\.3"), ([-1], r"images 0\.\.3"), ([0.5], "whole numbers")],
)
def test_wrong_subsets_are_explained(chosen: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        features(4).subset(chosen)
    with pytest.raises(InvalidInput, match=message):
        dataset()[0].subset(chosen)


def test_containers_compare_by_identity() -> None:
    data = features(2)
    assert data == data
    assert data != features(2)
    assert len({data, dataset()[0]}) == 2


def test_splits_take_their_captions_along() -> None:
    data, _ = dataset()
    train, test = data.split("train"), data.split("test")
    assert (train.name, list(train.captions), train.caption_image.tolist()) == ("toy/train", list("abc"), [0, 0, 1])
    assert (list(test.captions), test.caption_image.tolist()) == (["e", "f"], [0, 0])
    assert train.splits == {}
    assert test.labels is not None
    assert test.labels.tolist() == [[False, True]]


def test_unknown_split_lists_the_choices() -> None:
    with pytest.raises(UnknownName, match=r"no split of toy named 'val'.*test, train"):
        dataset()[0].split("val")


@pytest.mark.parametrize(
    ("index", "message"), [([4], "Split 'test'"), ([1, 1], "more than once"), ([-1], r"images 0\.\.3")]
)
def test_wrong_splits_are_explained(index: list[int], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        dataset(splits={"test": index})


def test_pictures_open_only_when_asked_for() -> None:
    data, opened = dataset()
    part = data.split("train").subset([1])
    assert len(part.images) == 1
    assert opened == []
    assert part.images[0].getpixel((0, 0)) == (1, 0, 0)
    assert opened == [1]
    assert [picture.getpixel((0, 0))[0] for picture in data.images[2:]] == [2, 3]
    assert data.images[-1].getpixel((0, 0)) == (3, 0, 0)
    with pytest.raises(IndexError):
        data.images[4]


def test_pictures_may_be_a_plain_list() -> None:
    pictures = [Image.new("RGB", (1, 1), (i, 0, 0)) for i in range(4)]
    part = dataset(images=pictures)[0].subset([3, 0])
    assert [picture.getpixel((0, 0))[0] for picture in part.images] == [3, 0]


def test_metadata_of_images_is_cut_and_metadata_of_the_data_set_is_not() -> None:
    per_image = {"word": ["p", "q", "r", "s"], "number": np.arange(4), "pair": ("p", "q", "r", "s")}
    per_data_set = {"parents": {"w": 1, "x": 2, "y": 3, "z": 4}, "seed": 4, "note": "four", "short": [1, 2]}
    part = dataset(metadata=per_image | per_data_set)[0].subset([2, 0])
    assert part.metadata["word"] == part.metadata["pair"] == ["r", "p"]
    assert part.metadata["number"].tolist() == [2, 0]
    assert {key: part.metadata[key] for key in per_data_set} == per_data_set


def test_repr_tells_the_sizes() -> None:
    assert repr(dataset()[0]) == "PairedDataset('toy': 4 images, 6 captions, 2 classes; splits: train 2, test 1)"
    assert repr(features(2, name="f")) == "PairedFeatures('f': 2 images x 1, 2 captions x 1, 0 classes)"


def test_the_version_of_a_subset_names_its_images() -> None:
    data, _ = dataset()
    assert data.subset([0, 1]).version == data.subset([0, 1]).version
    assert len({data.version, data.subset([0, 1]).version, data.subset([1, 0]).version, data.subset([0]).version}) == 4
