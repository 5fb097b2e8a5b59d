"""Batches of pictures and captions: right pairs, fair draws, repeatable epochs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.caption_batches import CaptionBatches
from xmr_lib.errors import InvalidInput


def dataset(counts: list[int], instances: list[int] | None = None) -> PairedDataset:
    of = np.repeat(np.arange(len(counts)), counts)
    images = [Image.new("RGB", (2, 2), (i, i, i)) for i in range(len(counts))]
    return PairedDataset("toy", "1", images, [f"caption {j}" for j in range(len(of))], of, instances)


def batches(counts: list[int], size: int, captions: int, **options: object) -> CaptionBatches:
    data = dataset(counts, options.pop("instances", None))  # type: ignore[arg-type]
    pixels = torch.arange(data.n_images, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    return CaptionBatches(data, pixels, torch.arange(data.n_captions)[:, None], size, captions, **options)  # type: ignore[arg-type]


def test_every_image_once_with_its_own_captions() -> None:
    made = batches([5] * 7, 3, 2)
    found = list(made(0))
    assert [len(batch["image"]) for batch in found] == [3, 2, 2]
    assert len(made) == 3
    assert sorted(torch.cat([batch["image_index"] for batch in found]).tolist()) == list(range(7))
    for batch in found:
        assert batch["image"].shape[1:] == (3, 2, 2)
        assert batch["text"].shape == (len(batch["image"]), 2, 1)
        assert (batch["image"][:, 0, 0, 0] == batch["image_index"]).all()
        assert (batch["text_index"] // 5 == batch["image_index"][:, None]).all()
        assert (batch["text"][..., 0] == batch["text_index"]).all()
        assert (batch["text_index"][:, 0] != batch["text_index"][:, 1]).all()  # without repetition


def test_captions_are_drawn_evenly() -> None:
    made = batches([5] * 4, 4, 2)
    drawn = torch.cat([batch["text_index"].flatten() for epoch in range(300) for batch in made(epoch)])
    counts = drawn.bincount(minlength=20)
    assert int(counts.sum()) == 300 * 4 * 2
    assert int(counts.min()) > 80
    assert int(counts.max()) < 160


def test_too_few_captions_come_again() -> None:
    rows = {}
    for batch in batches([1, 2, 4], 2, 3)(0):
        rows |= dict(zip(batch["image_index"].tolist(), batch["text_index"].tolist(), strict=True))
    assert rows[0] == [0, 0, 0]
    assert sorted(set(rows[1])) == [1, 2]
    assert len(set(rows[2])) == 3


def test_images_of_one_thing_share_captions_and_number() -> None:
    """Two drawings of one emoji, one name: the caption is right for both, and they carry the same number."""
    made = batches([1, 0, 1], 3, 1, instances=[4, 4, 9])
    (batch,) = made(0)
    by_image = dict(zip(batch["image_index"].tolist(), batch["instance"].tolist(), strict=True))
    assert by_image[0] == by_image[1] != by_image[2]
    captions = dict(zip(batch["image_index"].tolist(), batch["text_index"][:, 0].tolist(), strict=True))
    assert captions == {0: 0, 1: 0, 2: 1}


def test_epochs_repeat_and_differ() -> None:
    one, two = batches([3] * 9, 4, 1, seed=5), batches([3] * 9, 4, 1, seed=5)
    list(one(0))
    for a, b in zip(one(1), two(1), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)
    first, second = (next(iter(made(0)))["image_index"].tolist() for made in (one, batches([3] * 9, 4, 1, seed=6)))
    assert first != second
    assert first != next(iter(one(1)))["image_index"].tolist()


def test_errors() -> None:
    with pytest.raises(InvalidInput, match="1 of 2 images have no caption"):
        batches([1, 0], 2, 1)
    for size, captions in ((0, 1), (2, 0)):
        with pytest.raises(InvalidInput, match="at least 1"):
            batches([1, 1], size, captions)
