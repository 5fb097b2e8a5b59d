"""Encoders by name, and the features of a whole data set from the cache."""

from xmr_lib.encoders.cache import FeatureCache
from xmr_lib.encoders.features import encode_dataset, encode_split, load_image_encoder, load_text_encoder
from xmr_lib.encoders.splits import supervised_splits

__all__ = [
    "FeatureCache",
    "encode_dataset",
    "encode_split",
    "load_image_encoder",
    "load_text_encoder",
    "supervised_splits",
]
