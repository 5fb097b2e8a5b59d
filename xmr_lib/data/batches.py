"""Mini-batches of pairs: every image once per epoch, each with one of its right captions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput, check_positive


class PairBatches:
    """Calling it with the number of an epoch gives the batches of that epoch.

    Row i of a batch is a pair: ``image`` (b, d_i) and ``text`` (b, d_t) float32, ``classes`` (b,) or ``labels`` (b, c)
    when given, and ``image_index``, ``text_index`` (b,), the rows in ``data``. An image with five captions meets one of
    them, drawn anew each epoch. The batches differ in size by one at most, so no batch is a small remainder and no
    image is dropped. The same seed and epoch give the same batches, whatever happened before.

    Args:
        data: Training pairs.
        batch_size: Images per batch, at most. Only with 1 is there a batch of one image, in which nothing can be
            compared (so 2, with an odd number of images, gives one batch of 3).
        seed: Order of the images and choice of the captions.
        classes: (n,) class number of each image, or None.
        shuffle: False keeps the order of the data in every epoch, as some released code does.
        labels: (n, c) multi-hot labels of each image, or None; float32 in the batches.

    Raises:
        InvalidInput: The batch size is not a whole number of at least 1, an image has no caption, or ``classes`` or
            ``labels`` have another length than there are images.
    """

    def __init__(
        self,
        data: PairedFeatures,
        batch_size: int,
        seed: int = 0,
        classes: IntArray | None = None,
        shuffle: bool = True,
        labels: NDArray[Any] | None = None,
    ) -> None:
        self.n, self.batch_size = data.n_images, check_positive(batch_size, "batch_size")
        self.seed, self.shuffle = seed, shuffle
        self.image = torch.from_numpy(np.asarray(data.image, dtype=np.float32))
        self.text = torch.from_numpy(np.asarray(data.text, dtype=np.float32))
        self.classes = None if classes is None else torch.from_numpy(np.asarray(classes, dtype=np.int64))
        if self.classes is not None and self.classes.shape != (self.n,):
            raise InvalidInput(f"classes must hold {self.n} numbers, one per image, not {tuple(self.classes.shape)}.")
        self.labels = None if labels is None else torch.from_numpy(np.asarray(labels, dtype=np.float32))
        if self.labels is not None and (self.labels.ndim != 2 or len(self.labels) != self.n):
            raise InvalidInput(f"labels must have {self.n} rows, one per image, not {tuple(self.labels.shape)}.")
        image, self._captions = data.pairs()
        self._start = np.searchsorted(image, np.arange(self.n))
        self._count = np.bincount(image, minlength=self.n)
        if (self._count == 0).any():
            raise InvalidInput(
                f"{(self._count == 0).sum()} of {self.n} images have no caption, so they are no pairs. Keep the others "
                "with subset()."
            )

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        fewest_rows = min(self.batch_size, 2)
        return max(1, min(-(-self.n // self.batch_size), self.n // fewest_rows))

    def __call__(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        """The batches of one epoch, counted from 0."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(self.n) if self.shuffle else np.arange(self.n)
        captions = one_caption_each(self._start, self._count, self._captions, rng)
        for rows in np.array_split(order, len(self)):
            image_index, text_index = torch.from_numpy(rows), torch.from_numpy(captions[rows])
            batch = {"image": self.image[image_index], "text": self.text[text_index]}
            if self.classes is not None:
                batch["classes"] = self.classes[image_index]
            if self.labels is not None:
                batch["labels"] = self.labels[image_index]
            yield batch | {"image_index": image_index, "text_index": text_index}


def one_caption_each(start: IntArray, count: IntArray, captions: IntArray, rng: np.random.Generator) -> IntArray:
    """(n,) one right caption per image: image i owns ``captions[start[i] : start[i] + count[i]]``."""
    chosen: IntArray = captions[start + rng.integers(0, count)]
    return chosen
