"""Small building blocks that more than one method uses: layers and losses, one idea per file."""

from xmr_lib.nn.gradient_reversal import reversal_strength, reverse_gradient
from xmr_lib.nn.graph import LocalGraphs, graph_convolution, nearest_rows, normalised_adjacency
from xmr_lib.nn.layers import Standardise, feed_forward
from xmr_lib.nn.triplets import all_negative_triplets, hardest_negative_triplets, pull_and_push, squared_distances

__all__ = [
    "LocalGraphs",
    "Standardise",
    "all_negative_triplets",
    "feed_forward",
    "graph_convolution",
    "hardest_negative_triplets",
    "nearest_rows",
    "normalised_adjacency",
    "pull_and_push",
    "reversal_strength",
    "reverse_gradient",
    "squared_distances",
]
