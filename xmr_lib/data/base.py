"""The two containers every room speaks: :class:`PairedDataset` (pictures and sentences) and
:class:`PairedFeatures` (the same pairs as matrices).

Symbols: ``n`` images, ``m`` captions, ``c`` classes, ``d_i`` and ``d_t`` feature sizes.

Two index vectors carry the pairing, so that several captions per image (COCO: five) and several
pictures of one thing (emoji: one per drawing style) are normal cases:

``caption_image``  (m,) the image each caption was written for.
``instances``      (n,) an identifier of what each image shows. Images with the same identifier are
                   interchangeable: a caption is right for all of them. Default: every image its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.data.pairing import IntArray, check_pairing, check_splits, cut_metadata, selection, subset_pairing
from xmr_lib.errors import InvalidInput, check_choice


class LazyImages(Sequence[Image.Image]):
    """A sequence of RGB pictures that are opened or drawn only when one is asked for.

    Args:
        load: ``load(key) -> PIL.Image.Image`` in mode RGB.
        keys: One key (a path, a number, ...) per image.
    """

    def __init__(self, load: Callable[[Any], Image.Image], keys: Sequence[Any]) -> None:
        self.load = load
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return LazyImages(self.load, self.keys[index])
        return self.load(self.keys[int(index)])

    def take(self, indices: IntArray) -> LazyImages:
        """The pictures at ``indices``, still lazy."""
        return LazyImages(self.load, [self.keys[int(i)] for i in indices])


class _Paired:
    """What the two containers share: sizes, the caption map, relevance between pairs."""

    caption_image: IntArray
    instances: IntArray
    labels: NDArray[np.bool_] | None

    @property
    def n_images(self) -> int:
        """Number of images, ``n``."""
        return len(self.instances)

    @property
    def n_captions(self) -> int:
        """Number of captions, ``m``."""
        return len(self.caption_image)

    @property
    def caption_instances(self) -> IntArray:
        """(m,) the instance each caption describes."""
        return self.instances[self.caption_image]

    @property
    def caption_labels(self) -> NDArray[np.bool_] | None:
        """(m, c) multi-hot labels of the captions: those of their images. None without labels."""
        return None if self.labels is None else self.labels[self.caption_image]

    def captions_of(self, image: int) -> IntArray:
        """Indices of all captions that are right for one image."""
        return np.flatnonzero(self.caption_instances == self.instances[image])

    def pairs(self) -> tuple[IntArray, IntArray]:
        """All right (image, caption) pairs as two index vectors of equal length, sorted by image.

        With one caption per image this is ``(arange(n), arange(n))``; an emoji drawn in two styles with one name
        gives two pairs.
        """
        order = np.argsort(self.caption_instances, kind="stable")
        sorted_instances = self.caption_instances[order]
        start = np.searchsorted(sorted_instances, self.instances, side="left")
        stop = np.searchsorted(sorted_instances, self.instances, side="right")
        image = np.repeat(np.arange(self.n_images), stop - start)
        caption = [order[a:b] for a, b in zip(start, stop, strict=True)]
        return image, np.concatenate(caption) if caption else np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class PairedFeatures(_Paired):
    """Pairs as matrices: what feature-level methods train on.

    Attributes:
        image: (n, d_i) float image features.
        text: (m, d_t) float caption features.
        caption_image: (m,) image index of each caption. Default: caption j describes image j.
        instances: (n,) what each image shows. Default: every image its own.
        labels: (n, c) multi-hot bool, or None.
        class_names: c names, or empty.
        name: For tables and plots ("emoji/test").

    Raises:
        InvalidInput: Sizes do not fit together, or a feature is not finite.
    """

    image: NDArray[Any]
    text: NDArray[Any]
    caption_image: Any = None
    instances: Any = None
    labels: Any = None
    class_names: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        for side in ("image", "text"):
            matrix = np.asarray(getattr(self, side))
            if matrix.ndim != 2:
                raise InvalidInput(
                    f"The {side} features must be a matrix (rows, dimensions), but their shape is {matrix.shape}."
                )
            if matrix.dtype.kind not in "fiub":
                raise InvalidInput(f"The {side} features must be numbers, but their type is {matrix.dtype}.")
            if not np.isfinite(matrix).all():
                bad = int((~np.isfinite(matrix)).any(axis=1).sum())
                raise InvalidInput(
                    f"{bad} of the {len(matrix)} rows of the {side} features hold NaN or infinity. "
                    "Look for a division by a zero norm, or drop those rows with subset()."
                )
            object.__setattr__(self, side, matrix)
        n, m = len(self.image), len(self.text)
        if self.caption_image is None and n != m:
            raise InvalidInput(
                f"There are {n} images but {m} captions: without caption_image they must pair one to one. "
                "Pass caption_image, the image index of each caption."
            )
        index = np.arange(m) if self.caption_image is None else self.caption_image
        captions, things, labels = check_pairing(n, m, index, self.instances, self.labels, self.class_names)
        object.__setattr__(self, "caption_image", captions)
        object.__setattr__(self, "instances", things)
        object.__setattr__(self, "labels", labels)

    @cached_property
    def version(self) -> str:
        """Changes whenever a feature, the pairing or a label changes; part of the key of a stored fit."""
        digest = hashlib.sha256()
        for array in (self.image, self.text, self.caption_image, self.instances, self.labels):
            if array is not None:
                digest.update(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
        return f"features[{digest.hexdigest()[:12]}]"

    def subset(self, images: Any, name: str | None = None) -> PairedFeatures:
        """The given images (indices or a bool mask) with their captions."""
        keep = selection(images, self.n_images)
        captions, caption_image, instances = subset_pairing(keep, self.caption_image, self.instances)
        return replace(
            self,
            image=self.image[keep],
            text=self.text[captions],
            caption_image=caption_image,
            instances=instances,
            labels=None if self.labels is None else self.labels[keep],
            name=self.name if name is None else name,
        )

    def __repr__(self) -> str:
        classes = 0 if self.labels is None else self.labels.shape[1]
        return (
            f"PairedFeatures({self.name!r}: {self.n_images} images x {self.image.shape[1]}, "
            f"{self.n_captions} captions x {self.text.shape[1]}, {classes} classes)"
        )


class Splits(NamedTuple):
    """What one run needs: pairs to train on, pairs to choose with, pairs to measure once.

    All three are :class:`PairedFeatures`, or all three :class:`PairedDataset`.
    """

    train: Any
    validation: Any
    test: Any


@dataclass(frozen=True, eq=False)
class PairedDataset(_Paired):
    """Pictures and the sentences that describe them, with labels and named splits.

    Attributes:
        name: As in :func:`xmr_lib.data.load_dataset`.
        version: Changes whenever the pictures, the captions or their order change; part of every cache key.
        images: n pictures, loaded lazily (``dataset.images[i]`` is an RGB ``PIL.Image.Image``).
        captions: m sentences.
        caption_image, instances, labels, class_names: As in :class:`PairedFeatures`.
        splits: Name -> image indices ("train", "validation", "test", or "train", "query", "database").
            Captions go with their images.
        metadata: Anything particular to the data set (boxes, relation triples, emoji characters, ...);
            lists, tuples and arrays of length n hold one entry per image and are cut by :meth:`subset`.
            Facts about classes or the whole data set go in a dict, which is never cut (80 images may meet 80 classes).
    """

    name: str
    version: str
    images: Sequence[Image.Image]
    captions: Sequence[str]
    caption_image: Any
    instances: Any = None
    labels: Any = None
    class_names: tuple[str, ...] = ()
    splits: Mapping[str, IntArray] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.images)
        captions, things, labels = check_pairing(
            n, len(self.captions), self.caption_image, self.instances, self.labels, self.class_names
        )
        object.__setattr__(self, "caption_image", captions)
        object.__setattr__(self, "instances", things)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "splits", check_splits(self.splits, n))

    def split_indices(self, name: str) -> IntArray:
        """Image indices of one named split, or of several joined by ``+`` ("train+validation").

        Raises:
            UnknownName: This data set has no such split; the message lists its splits.
        """
        parts = [check_choice(part, self.splits, f"split of {self.name}") for part in name.split("+")]
        return np.concatenate([self.splits[part] for part in parts])

    def split(self, name: str) -> PairedDataset:
        """The pairs of one named split, or of several joined by ``+`` ("train+validation").

        Raises:
            UnknownName: This data set has no such split; the message lists its splits.
        """
        return self.subset(self.split_indices(name), f"{self.name}/{name}")

    def subset(self, images: Any, name: str | None = None) -> PairedDataset:
        """The given images (indices or a bool mask) with their captions; splits are dropped."""
        keep = selection(images, self.n_images)
        captions, caption_image, instances = subset_pairing(keep, self.caption_image, self.instances)
        pictures = self.images.take(keep) if hasattr(self.images, "take") else [self.images[i] for i in keep]
        return replace(
            self,
            name=self.name if name is None else name,
            version=f"{self.version}[{hashlib.sha256(keep.tobytes()).hexdigest()[:12]}]",
            images=pictures,
            captions=[self.captions[i] for i in captions],
            caption_image=caption_image,
            instances=instances,
            labels=None if self.labels is None else self.labels[keep],
            splits={},
            metadata={key: cut_metadata(value, keep, self.n_images) for key, value in self.metadata.items()},
        )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{key} {len(index)}" for key, index in self.splits.items())
        classes = 0 if self.labels is None else self.labels.shape[1]
        return (
            f"PairedDataset({self.name!r}: {self.n_images} images, {self.n_captions} captions, "
            f"{classes} classes; splits: {sizes or 'none'})"
        )
