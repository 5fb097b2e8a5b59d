"""The data sets by name. Each loader is imported only when its data set is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, overload

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.tagged_labels import TaggedLabels
from xmr_lib.errors import check_choice


@dataclass(frozen=True)
class Entry:
    """One row of the registry: where the loader is and what a learner should know before loading."""

    module: str
    summary: str
    offline: bool  # True: complete after installation. False: reads official files below XMR_DATA_DIR.
    loader: str = "load"  # the function of the module


REGISTRY: dict[str, Entry] = {
    "emoji": Entry("xmr_lib.data.emoji", "1,330 emoji in two drawing styles with their names, 8 categories", True),
    "scenes": Entry("xmr_lib.data.scenes", "generated scenes of emoji with five captions, boxes and relations", True),
    "generated": Entry("xmr_lib.data.generated", "two views made from labels, 12 classes, several per row", True),
    "wikipedia": Entry("xmr_lib.data.wikipedia", "2,866 article sections, 2010 features (SIFT-128, LDA-10)", False),
    "pascal_sentence": Entry(
        "xmr_lib.data.pascal_sentence", "1,000 photographs with five sentences, 20 classes; or their features", False
    ),
    "nus_wide": Entry("xmr_lib.data.nus_wide", "10,000 photographs with tags, 10 classes, one each; features", False),
    "mirflickr25k": Entry("xmr_lib.data.mirflickr25k", "20,015 photographs with tags, 24 labels, several each", False),
    "iapr_tc12": Entry("xmr_lib.data.iapr_tc12", "20,000 travel photographs with descriptions, 255 labels", False),
    "coco": Entry("xmr_lib.data.coco", "photographs with five captions and 80 object classes", False),
    "flickr8k": Entry("xmr_lib.data.flickr", "8,091 photographs with five captions", False, "load_flickr8k"),
    "flickr30k": Entry("xmr_lib.data.flickr", "31,783 photographs with five captions", False, "load_flickr30k"),
}


def dataset_names() -> list[str]:
    """The names :func:`load_dataset` knows."""
    return sorted(REGISTRY)


@overload
def load_dataset(
    name: Literal["mirflickr25k", "iapr_tc12", "nus_wide"], *, layout: Literal["text"], **options: Any
) -> TaggedLabels: ...
@overload
def load_dataset(
    name: Literal["emoji", "scenes", "coco", "flickr8k", "flickr30k", "mirflickr25k", "iapr_tc12"], **options: Any
) -> PairedDataset: ...
@overload
def load_dataset(name: Literal["wikipedia", "generated"], **options: Any) -> FeatureDataset: ...
@overload
def load_dataset(name: str, **options: Any) -> PairedDataset | FeatureDataset: ...


def load_dataset(name: str, **options: Any) -> PairedDataset | FeatureDataset | TaggedLabels:
    """Load one data set.

    Args:
        name: One of :func:`dataset_names`.
        options: Passed to the loader (see ``load`` in ``xmr_lib/data/<name>.py``, for ``flickr8k`` and ``flickr30k``
            in ``flickr.py``), for example ``seed=1``.

    Returns:
        A :class:`PairedDataset`; ``wikipedia``, ``generated``, and ``pascal_sentence`` and ``nus_wide`` without
        ``layout="pictures"``, have no pictures and return a :class:`FeatureDataset`. Both have named ``splits`` and
        ``split("train")``. ``layout="text"`` of ``mirflickr25k``, ``iapr_tc12`` and ``nus_wide`` returns
        :class:`TaggedLabels`: tags and labels without pictures.

    Raises:
        UnknownName: No such data set; the message lists the choices.
        MissingData: The official files are not below ``XMR_DATA_DIR``; the message tells how to get them.
    """
    entry = REGISTRY[check_choice(name, REGISTRY, "data set")]
    return getattr(import_module(entry.module), entry.loader)(**options)
