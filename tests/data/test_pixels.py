"""Pictures as bytes: geometry, laziness, subsets, copies in other processes, wrong input."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from xmr_lib.data import load_dataset
from xmr_lib.data.pixels import PixelImages, pixel_tensor, scene_splits, scenes_in_memory, square, with_pixels
from xmr_lib.errors import InvalidInput, UnknownName


def picture(width: int, height: int, colour: tuple[int, int, int] = (10, 20, 30)) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def test_square_keeps_the_middle() -> None:
    wide = picture(40, 10)
    wide.paste((255, 0, 0), (15, 0, 25, 10))  # a red square in the middle
    assert square(wide, 10).shape == (3, 10, 10)
    assert (square(wide, 10)[0] == 255).all()
    assert square(picture(7, 13), 20).shape == (3, 20, 20)  # enlarged
    assert square(picture(5, 5), 5)[:, 0, 0].tolist() == [10, 20, 30]
    assert square(Image.new("L", (4, 4), 9), 4).unique().tolist() == [9]
    assert square(picture(333, 1000), 96).shape == (3, 96, 96)


def test_pictures_are_read_once() -> None:
    read: list[int] = []

    class Source(list):  # type: ignore[type-arg]
        def __getitem__(self, index: int) -> Image.Image:
            read.append(index)
            return picture(6, 6, (index, 0, 0))

    images = PixelImages(Source(range(4)), 6)
    assert not read
    assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert np.asarray(images[2])[0, 0].tolist() == [2, 0, 0]
    assert [np.asarray(image)[0, 0, 0] for image in images[1:3]] == [1, 2]
    assert images.take(np.array([3, 1])).pixels[:, 0, 0, 0].tolist() == [3, 1]
    assert read == [0, 1, 2, 3]


def test_scenes_in_memory() -> None:
    data = scenes_in_memory("smoke")
    assert data is scenes_in_memory("smoke")
    plain = load_dataset("scenes", profile="smoke")
    assert data.version == plain.version
    np.testing.assert_array_equal(np.asarray(data.images[5]), np.asarray(plain.images[5]))
    train, validation, test = scene_splits("smoke")
    assert (train.n_images, validation.n_images, test.n_images) == tuple(
        len(plain.splits[name]) for name in ("train", "validation", "test")
    )
    assert torch.equal(test.images.pixels[0], square(plain.images[int(plain.splits["test"][0])], 96))
    copy = pickle.loads(pickle.dumps(with_pixels(plain.subset(range(3)), 96).images))  # our own bytes
    assert copy._pixels is None
    assert torch.equal(copy.pixels[1], square(plain.images[1], 96))


def test_pixel_tensor() -> None:
    pixels = pixel_tensor([picture(4, 4), picture(8, 8)], 4)
    assert pixels.shape == (2, 3, 4, 4)
    assert pixels.dtype == torch.uint8
    assert pixel_tensor(pixels, 4) is pixels
    assert pixel_tensor(PixelImages([picture(8, 8)], 8), 4).shape == (1, 3, 4, 4)
    for wrong in (pixels.float(), pixels[0]):
        with pytest.raises(InvalidInput, match=r"uint8 of shape \(n, 3, 4, 4\)"):
            pixel_tensor(wrong, 4)
    for wrong, message in ((picture(4, 4), r"write \[picture\]"), (["a.png"], "must be PIL pictures.* 'a.png'")):
        with pytest.raises(InvalidInput, match=message):
            pixel_tensor(wrong, 4)


def test_a_checkpoint_scales_its_own_way() -> None:
    """``resize``: the shorter side to 8, or both sides, before the middle 4 x 4 pixels are kept."""
    wide = picture(16, 8)
    wide.paste((255, 0, 0), (6, 2, 10, 6))
    assert (square(wide, 4, resize=8)[0] == 255).all()
    squashed = square(wide, 4, resize=[8, 8], resample="bilinear")
    assert squashed[0, 1:3, 1:3].min() > 200
    assert squashed[0, :, 0].max() < 200
    with pytest.raises(InvalidInput, match="no 9 x 9 pixels"):
        square(wide, 9, resize=[8, 20])
    with pytest.raises(UnknownName, match="resampling"):
        square(wide, 4, resample="nearest")
    palette = wide.convert("P")
    torch.testing.assert_close(square(palette, 8), square(palette.convert("RGB"), 8))


def test_pictures_in_memory_at_another_scale_are_read_again() -> None:
    images = PixelImages([picture(64, 64)] * 2, 4)
    images.source[0].paste((255, 0, 0), (0, 0, 64, 32))
    assert images.pixels.shape == (2, 3, 4, 4)
    torch.testing.assert_close(pixel_tensor(images, 64), pixel_tensor(list(images.source), 64))
    assert pixel_tensor(images, 4, resize=8) is not images.pixels
