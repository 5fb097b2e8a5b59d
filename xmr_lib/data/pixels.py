"""Pictures as one tensor of bytes, (n, 3, size, size): what an image tower reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from xmr_lib import config
from xmr_lib.data.base import LazyImages, PairedDataset, Splits
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput, check_choice, check_positive
from xmr_lib.progress import progress

Resize = int | Sequence[int] | None
RESAMPLE = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class PixelImages(Sequence[Image.Image]):
    """Pictures of one size that are drawn or read once and then stay in memory as bytes.

    Args:
        source: The pictures; read when the first pixel is asked for. Copies in other processes read them anew.
        size: Height and width in pixels.
        resize, resample: See :func:`square`.
    """

    def __init__(
        self, source: Sequence[Image.Image], size: int, resize: Resize = None, resample: str = "bicubic"
    ) -> None:
        self.source, self.size, self.resize, self.resample = source, check_positive(size, "size"), resize, resample
        self._pixels: Tensor | None = None

    @property
    def pixels(self) -> Tensor:
        """(n, 3, size, size) uint8."""
        if self._pixels is None:
            self._pixels = torch.empty(len(self.source), 3, self.size, self.size, dtype=torch.uint8)
            for i in progress(range(len(self.source)), desc="reading pictures", unit="picture"):
                self._pixels[i] = square(self.source[i], self.size, self.resize, self.resample)
        return self._pixels

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return Image.fromarray(self.pixels[int(index)].permute(1, 2, 0).numpy())

    def take(self, indices: IntArray) -> PixelImages:
        """The pictures at ``indices``; pixels that were read already are copied."""
        lazy = self.source
        if not isinstance(lazy, LazyImages):
            lazy = LazyImages(lazy.__getitem__, range(len(self)))
        taken = PixelImages(lazy.take(indices), self.size, self.resize, self.resample)
        if self._pixels is not None:
            taken._pixels = self._pixels[torch.from_numpy(np.ascontiguousarray(indices, dtype=np.int64))]
        return taken

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pixels": None}  # a worker process draws them faster than it could receive them


def square(image: Image.Image, size: int, resize: Resize = None, resample: str = "bicubic") -> Tensor:
    """A picture, scaled, and of the result the middle.

    Args:
        image: Any mode and size.
        size: Height and width of what is kept.
        resize: Before that, the shorter side is scaled to so many pixels (default: ``size``); or, given a pair, height
            and width to these, whatever the picture's proportions.
        resample: ``"bicubic"`` or ``"bilinear"``.

    Returns:
        (3, size, size) uint8.

    Raises:
        InvalidInput: Not a picture, or ``resize`` leaves fewer than ``size`` pixels. UnknownName: Another ``resample``.
    """
    if not isinstance(image, Image.Image):
        raise InvalidInput(
            f"The images must be PIL pictures, for example dataset.images or [picture], but one is {image!r:.60}."
        )
    image, shorter = image.convert("RGB"), min(image.size)
    if resize is None or isinstance(resize, int):
        width, height = ((resize or size) * side // shorter for side in image.size)
    else:
        height, width = resize
    if min(width, height) < size:
        raise InvalidInput(f"Pictures scaled to {width} x {height} have no {size} x {size} pixels. Raise resize.")
    if image.size != (width, height):
        image = image.resize((width, height), RESAMPLE[check_choice(resample, RESAMPLE, "resampling")])
    left, top = (width - size) // 2, (height - size) // 2
    array: NDArray[np.uint8] = np.array(image.crop((left, top, left + size, top + size)))
    return torch.from_numpy(array).permute(2, 0, 1)


def pixel_tensor(images: Any, size: int, resize: Resize = None, resample: str = "bicubic") -> Tensor:
    """Any pictures -> (n, 3, size, size) uint8.

    Args:
        images: A sequence of ``PIL.Image.Image``, :class:`PixelImages`, or such a tensor itself.
        size: Height and width that the tower wants.
        resize, resample: How it wants pictures scaled, see :func:`square`. A tensor is taken as it is.

    Raises:
        InvalidInput: Neither pictures nor a uint8 tensor of that size.
    """
    if isinstance(images, PixelImages):
        if (images.size, images.resize, images.resample) == (size, resize, resample):
            return images.pixels
        images = images.source
    if isinstance(images, Tensor):
        if images.dtype != torch.uint8 or images.shape[1:] != (3, size, size):
            raise InvalidInput(
                f"Pixels must be uint8 of shape (n, 3, {size}, {size}), not {images.dtype} of {tuple(images.shape)}."
            )
        return images
    if isinstance(images, Image.Image):
        raise InvalidInput("The images must be a list of PIL pictures. For a single one write [picture].")
    return PixelImages(images, size, resize, resample).pixels


def with_pixels(data: PairedDataset, size: int) -> PairedDataset:
    """The same data set, its pictures kept in memory at one size after the first use."""
    return replace(data, images=PixelImages(data.images, size))


@lru_cache(maxsize=2)
def scenes_in_memory(profile: str | None = None, seed: int = 0, size: int = 96) -> PairedDataset:
    """The data set ``scenes`` with pixels in memory; the same object for the same arguments."""
    from xmr_lib.data.registry import load_dataset

    return with_pixels(load_dataset("scenes", profile=profile, seed=seed, image_size=size), size)


def scene_splits(profile: str | None = None, size: int = 96) -> Splits:
    """Training, validation and test scenes with pixels in memory; the same objects for the same arguments."""
    return _scene_splits(config.profile(profile), size)


@lru_cache(maxsize=2)
def _scene_splits(profile: str, size: int) -> Splits:
    data = scenes_in_memory(profile, size=size)
    return Splits(*(data.split(name) for name in ("train", "validation", "test")))
