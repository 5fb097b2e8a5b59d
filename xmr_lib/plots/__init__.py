"""The figures of the course. Every function checks its input and returns a :class:`matplotlib.figure.Figure`.

The figures stay readable at 80 dpi and for colour-blind readers (Okabe-Ito colours), and nothing is told by colour
alone: right and wrong results also differ by a tick or cross and by the border, lines also differ by dash and marker.
"""

from xmr_lib.plots.attention import attention_maps, weight_matrices
from xmr_lib.plots.charts import bars, curve, pr_curve
from xmr_lib.plots.field_map import field_map
from xmr_lib.plots.grids import picture_grid, retrieval_grid, show_retrieval
from xmr_lib.plots.hashing import (
    bit_sides,
    bits_curve,
    bits_panels,
    class_cosines,
    code_grid,
    output_histogram,
    proxy_histogram,
)
from xmr_lib.plots.maps import embedding_map, similarity_heatmap
from xmr_lib.plots.snapshots import answers_over_time, similarity_snapshots
from xmr_lib.plots.style import COLOURS, use_style

__all__ = [
    "COLOURS",
    "answers_over_time",
    "attention_maps",
    "bars",
    "bit_sides",
    "bits_curve",
    "bits_panels",
    "class_cosines",
    "code_grid",
    "curve",
    "embedding_map",
    "field_map",
    "output_histogram",
    "picture_grid",
    "pr_curve",
    "proxy_histogram",
    "retrieval_grid",
    "show_retrieval",
    "similarity_heatmap",
    "similarity_snapshots",
    "use_style",
    "weight_matrices",
]
