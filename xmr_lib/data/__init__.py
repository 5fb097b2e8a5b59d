"""Data sets of picture-sentence pairs; start with :func:`load_dataset`."""

from xmr_lib.data.base import LazyImages, PairedDataset, PairedFeatures, Splits
from xmr_lib.data.registry import dataset_names, load_dataset

__all__ = ["LazyImages", "PairedDataset", "PairedFeatures", "Splits", "dataset_names", "load_dataset"]
