"""Mini-batches of pictures with several captions each, as bytes and token numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput, check_positive


class CaptionBatches:
    """Calling it with the number of an epoch gives the batches of that epoch.

    A batch of b images with k captions each holds ``image`` (b, 3, h, w) uint8, ``text`` (b, k, length) int64,
    ``instance`` (b,), what each image shows (images with the same number are never negatives for each other's
    captions), and ``image_index`` (b,), ``text_index`` (b, k), the rows in ``data``. The first dimension is that of
    the images, so that several processes can share a batch. The same seed and epoch give the same batches.

    Args:
        data: Training pairs.
        pixels: (n, 3, h, w) uint8. tokens: (m, length) int64.
        batch_size: Images per batch, at most; batches differ in size by one at most.
        captions: k, drawn anew each epoch: without repetition where an image has so many, else some come twice.
        seed: Order of the images and choice of the captions.

    Raises:
        InvalidInput: A number is not at least 1, or an image has no caption.
    """

    def __init__(
        self, data: PairedDataset, pixels: Tensor, tokens: Tensor, batch_size: int, captions: int, seed: int = 0
    ) -> None:
        self.n, self.batch_size = data.n_images, check_positive(batch_size, "batch_size")
        self.captions, self.seed = check_positive(captions, "captions"), seed
        self.pixels, self.tokens = pixels, tokens
        self.instances = torch.from_numpy(np.unique(np.asarray(data.instances), return_inverse=True)[1])
        image, self._right = data.pairs()
        self._start = np.searchsorted(image, np.arange(self.n))
        self._count = np.bincount(image, minlength=self.n)
        if (self._count == 0).any():
            raise InvalidInput(
                f"{(self._count == 0).sum()} of {self.n} images have no caption, so they are no pairs. Keep the others "
                "with subset()."
            )

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return max(1, min(-(-self.n // self.batch_size), self.n // min(self.batch_size, 2)))

    def __call__(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        """The batches of one epoch, counted from 0."""
        rng = np.random.default_rng([self.seed, epoch])
        for rows in np.array_split(rng.permutation(self.n), len(self)):
            image_index, text_index = torch.from_numpy(rows), torch.from_numpy(self._draw(rows, rng))
            yield {
                "image": self.pixels[image_index],
                "text": self.tokens[text_index],
                "instance": self.instances[image_index],
                "image_index": image_index,
                "text_index": text_index,
            }

    def _draw(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        """(b, k) captions: the first k of a random order of each image's captions, from the start again if too few."""
        most = max(int(self._count[rows].max()), self.captions)
        keys = rng.random((len(rows), most))
        keys[np.arange(most)[None, :] >= self._count[rows][:, None]] = 2  # places without a caption go last
        order = keys.argsort(1)  # (b, most)
        place = np.arange(self.captions)[None, :] % self._count[rows][:, None]  # (b, k)
        chosen: IntArray = self._right[self._start[rows][:, None] + np.take_along_axis(order, place, 1)]
        return chosen
