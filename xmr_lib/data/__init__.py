"""Data sets of picture-sentence pairs; start with :func:`load_dataset`."""

from xmr_lib.data.base import LazyImages, PairedDataset, PairedFeatures
from xmr_lib.data.registry import dataset_names, load_dataset

__all__ = ["LazyImages", "PairedDataset", "PairedFeatures", "dataset_names", "load_dataset"]
