"""Small building blocks that more than one method uses: layers and losses, one idea per file."""

from xmr_lib.nn.gradient_reversal import reversal_strength, reverse_gradient
from xmr_lib.nn.layers import Standardise, feed_forward
from xmr_lib.nn.triplets import hardest_negative_triplets, squared_distances

__all__ = [
    "Standardise",
    "feed_forward",
    "hardest_negative_triplets",
    "reversal_strength",
    "reverse_gradient",
    "squared_distances",
]
