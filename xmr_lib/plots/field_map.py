"""The map of the field with the course's lessons on it.

The three families follow the survey of Li, Kong, Yang, Wang and Xu, "Bridging Modalities: A Survey of Cross-Modal
Image-Text Retrieval", Chinese Journal of Information Fusion 1(1), 2024: real-valued representations (with one or two
towers), binary representations, and multimodal large language models. The drawing and the grouping by lesson are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from xmr_lib.errors import check_choice
from xmr_lib.plots.style import COLOURS, new_figure, styled


@dataclass(frozen=True)
class Branch:
    """One leaf of the map: a group of systems and the lessons that teach them."""

    family: str
    name: str
    lessons: tuple[str, ...]
    systems: str


REAL, BINARY, MLLM = "real-valued vectors", "binary codes (hashing)", "multimodal LLMs"
COLOUR = {REAL: COLOURS[0], BINARY: COLOURS[4], MLLM: COLOURS[2]}

BRANCHES = (
    Branch(REAL, "subspace", ("02",), "CCA · CM · SM · SCM"),
    Branch(REAL, "deep, on features", ("03", "04", "05"), "ACMR · DSCMR · CLIP4CMR · CM-GANs · AGCN"),
    Branch(REAL, "dual tower", ("06", "07"), "CLIP · ALIGN · DivE · COTS · TEAM · AGREE"),
    Branch(REAL, "single tower", ("08",), "VisualBERT · Unicoder-VL · ViLBERT · ViLT · IEFT"),
    Branch(BINARY, "shallow and first deep", ("09",), "CVH · CMFH · SCM-seq · DCMH · DCHUC"),
    Branch(BINARY, "adversarial, few or no labels", ("10",), "SSAH · UDCMH · HMAH · Bi-CMR"),
    Branch(BINARY, "transformers", ("11",), "DCHMT · DSPH"),
    Branch(MLLM, "bridge to a frozen LLM", ("13",), "BLIP-2 · InternLM-XComposer"),
    Branch(MLLM, "dialogue, composed queries", ("14",), "query rewriting · ChatIR · CIReVL"),
    Branch(MLLM, "generative retrieval", ("15",), "GRACE"),
)
ALL_FAMILIES = {"00": "first retriever", "01": "data and metrics", "12": "search at scale", "16": "capstone"}

# Left edge and width of the three columns, in units of the figure's width.
ROOT, FAMILY, LEAF = (0.005, 0.11), (0.145, 0.165), (0.34, 0.655)


def _box(axes: Axes, left: float, y: float, width: float, height: float, colour: str, *, strong: bool = False) -> None:
    """A rounded box centred at height ``y``; ``strong`` marks the lesson the learner is in."""
    axes.add_patch(
        FancyBboxPatch(
            *((left, y - height / 2), width, height),
            boxstyle="round,pad=0,rounding_size=0.008",
            facecolor="#FFF3C4" if strong else "white",
            edgecolor=colour,
            linewidth=3 if strong else 1.3,
        )
    )


def _link(axes: Axes, start: tuple[float, float], stop: tuple[float, float], colour: str) -> None:
    """An elbow from the right edge of one box to the left edge of the next."""
    middle = (start[0] + stop[0]) / 2
    axes.plot(
        [start[0], middle, middle, stop[0]], [start[1], start[1], stop[1], stop[1]], color=colour, lw=1.3, zorder=0
    )


@styled
def field_map(lesson: str | None = None) -> Figure:
    """The families of image-text retrieval from left to right, with the lessons that teach them.

    Args:
        lesson: Two digits, as in ``"02"``: the box of this lesson is filled and gets a thick border.

    Raises:
        UnknownName: The course has no such lesson.
    """
    known = [number for branch in BRANCHES for number in branch.lessons] + list(ALL_FAMILIES)
    if lesson is not None:
        check_choice(lesson, known, "lesson")
    figure = new_figure(10.4, 5.6)
    figure.set_layout_engine("none")  # the axes fill the figure
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    step = 0.085
    heights = [0.955 - step * (index + 0.3 * list(COLOUR).index(b.family)) for index, b in enumerate(BRANCHES)]
    centre = (heights[0] + heights[-1]) / 2
    _box(axes, ROOT[0], centre, ROOT[1], 0.16, "black")
    axes.text(ROOT[0] + ROOT[1] / 2, centre, "image-text\nretrieval", ha="center", va="center", fontweight="bold")
    for family, colour in COLOUR.items():
        rows = [y for y, branch in zip(heights, BRANCHES, strict=True) if branch.family == family]
        y = sum(rows) / len(rows)
        _link(axes, (sum(ROOT), centre), (FAMILY[0], y), "black")
        _box(axes, FAMILY[0], y, FAMILY[1], 0.11, colour)
        axes.text(
            sum(FAMILY) - FAMILY[1] / 2,
            y,
            family.replace(" (", "\n("),
            ha="center",
            va="center",
            fontweight="bold",
            fontsize=9.5,
        )
        for row in rows:
            _link(axes, (sum(FAMILY), y), (LEAF[0], row), colour)
    for y, branch in zip(heights, BRANCHES, strict=True):
        _box(axes, *(LEAF[0], y, LEAF[1], 0.068), COLOUR[branch.family], strong=lesson in branch.lessons)
        axes.text(LEAF[0] + 0.012, y, " ".join(branch.lessons), va="center", fontweight="bold", fontsize=9.5)
        axes.text(LEAF[0] + 0.092, y, branch.name, va="center", fontsize=9.5)
        axes.text(LEAF[0] + 0.325, y, branch.systems, va="center", fontsize=8.5, color="#333333")
    axes.text(0.005, 0.045, "for all families", va="center", fontweight="bold", fontsize=9.5)
    for index, (number, name) in enumerate(ALL_FAMILIES.items()):
        left = 0.145 + index * 0.2145
        _box(axes, left, 0.045, 0.2065, 0.068, "black", strong=lesson == number)
        axes.text(left + 0.012, 0.045, number, va="center", fontweight="bold", fontsize=9.5)
        axes.text(left + 0.048, 0.045, name, va="center", fontsize=9.5)
    return figure
