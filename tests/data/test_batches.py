"""Batches: every image once, each with one of its own captions, the same for the same seed and epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.batches import PairBatches, one_caption_each
from xmr_lib.errors import InvalidInput


def pairs(n: int = 11, captions: int = 1, seed: int = 0) -> PairedFeatures:
    """Feature 0 of image i is i; feature 0 of caption j is j."""
    rng = np.random.default_rng(seed)
    image, text = rng.normal(size=(n, 3)), rng.normal(size=(n * captions, 2))
    image[:, 0], text[:, 0] = np.arange(n), np.arange(n * captions)
    return PairedFeatures(image, text, rng.permutation(np.repeat(np.arange(n), captions)) if captions > 1 else None)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 11, 64, 65])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 64])
def test_every_image_once_in_batches_of_nearly_equal_size(n: int, batch_size: int) -> None:
    batches = PairBatches(pairs(n), batch_size)
    sizes = [len(batch["image"]) for batch in batches(0)]
    assert len(sizes) == len(batches)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(n, batch_size, 2)
    assert max(sizes) <= batch_size + (batch_size == 2 and n % 2)
    seen = torch.cat([batch["image_index"] for batch in batches(0)])
    assert sorted(seen.tolist()) == list(range(n))


@pytest.mark.parametrize("captions", [1, 5])
def test_rows_are_pairs(captions: int) -> None:
    data = pairs(40, captions)
    classes = np.arange(40) % 7
    met = np.zeros((40, data.n_captions), dtype=int)
    for epoch in range(60):
        for batch in PairBatches(data, 16, seed=1, classes=classes)(epoch):
            image, text = batch["image_index"].numpy(), batch["text_index"].numpy()
            np.testing.assert_array_equal(batch["image"][:, 0], image)
            np.testing.assert_array_equal(batch["text"][:, 0], text)
            np.testing.assert_array_equal(data.caption_image[text], image)
            np.testing.assert_array_equal(batch["classes"], classes[image])
            met[image, text] += 1
    assert (met.sum(axis=1) == 60).all()
    own = met[
        data.caption_image, np.arange(data.n_captions)
    ]  # how often each caption was drawn: 60 / captions expected
    assert own.min() >= (60 if captions == 1 else 1)
    assert own.mean() == 60 / captions
    assert {batch["image"].dtype for batch in PairBatches(data, 16)(0)} == {torch.float32}


def test_labels_go_with_their_images() -> None:
    data, labels = pairs(23, 2), np.random.default_rng(0).random((23, 4)) < 0.5
    for batch in PairBatches(data, 5, labels=labels)(1):
        np.testing.assert_array_equal(batch["labels"], labels[batch["image_index"].numpy()])
        assert batch["labels"].dtype == torch.float32
        assert "classes" not in batch
    both = next(PairBatches(data, 5, labels=labels, classes=np.arange(23))(0))
    np.testing.assert_array_equal(both["classes"], both["image_index"])
    assert "labels" not in next(PairBatches(data, 5)(0))


def test_pictures_of_one_thing_share_its_captions() -> None:
    """Two drawings of one emoji and one name: both are trained with it."""
    data = PairedFeatures(np.eye(3), np.eye(2), caption_image=[0, 2], instances=[7, 7, 9])
    texts = {
        int(i): int(t) for b in PairBatches(data, 3)(0) for i, t in zip(b["image_index"], b["text_index"], strict=True)
    }
    assert texts == {0: 0, 1: 0, 2: 1}


def test_seed_and_epoch_decide_and_nothing_else() -> None:
    data = pairs(50, 3)

    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = list(PairBatches(data, 8, seed)(epoch))
        return [[*b["image_index"].tolist(), *b["text_index"].tolist()] for b in batches]

    np.random.seed(1)  # noqa: NPY002
    batches = PairBatches(data, 8, seed=3)
    list(batches(0))
    later = [[*b["image_index"].tolist(), *b["text_index"].tolist()] for b in batches(4)]
    assert later == order(3, 4)
    assert order(3, 4) != order(3, 5)
    assert order(3, 4) != order(4, 3)


def test_without_shuffling_the_order_is_that_of_the_data() -> None:
    batches = PairBatches(pairs(10, 2), 4, shuffle=False)
    for epoch in range(2):
        assert torch.cat([b["image_index"] for b in batches(epoch)]).tolist() == list(range(10))
    first, second = (torch.cat([b["text_index"] for b in batches(epoch)]) for epoch in range(2))
    assert not torch.equal(first, second)  # captions are drawn anew all the same


def test_refusals() -> None:
    with pytest.raises(InvalidInput, match="1 of 3 images have no caption"):
        PairBatches(PairedFeatures(np.eye(3), np.eye(2), caption_image=[0, 2]), 2)
    with pytest.raises(InvalidInput, match="batch_size must be a whole number"):
        PairBatches(pairs(), 0)
    with pytest.raises(InvalidInput, match="classes must hold 11 numbers"):
        PairBatches(pairs(), 4, classes=np.zeros(5, dtype=int))
    for labels in (np.zeros((10, 2)), np.zeros(11)):
        with pytest.raises(InvalidInput, match="labels must have 11 rows"):
            PairBatches(pairs(), 4, labels=labels)


def test_one_caption_each_by_hand() -> None:
    rng = np.random.default_rng(0)
    start, count, captions = np.array([0, 2, 3]), np.array([2, 1, 1]), np.array([4, 5, 9, 7])
    drawn = {tuple(one_caption_each(start, count, captions, rng)) for _ in range(50)}
    assert drawn == {(4, 9, 7), (5, 9, 7)}
