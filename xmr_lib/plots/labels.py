"""Labels that do not touch: words beside points, ticks at given positions, names below bars, legends beside lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from xmr_lib.plots.style import as_label

POINTS_PER_LETTER = 6.2  # width of an average letter at 10 points
MOST_TICKS = 12
# Where a word may stand: offset from its point in points, horizontal and vertical alignment; the best place first.
PLACES = (
    (6, 4, "left", "bottom"),
    (6, -4, "left", "top"),
    (-6, 4, "right", "bottom"),
    (-6, -4, "right", "top"),
    (0, 8, "center", "bottom"),
    (0, -8, "center", "top"),
    (9, 0, "left", "center"),
    (-9, 0, "right", "center"),
    (15, 0, "left", "center"),
    (-15, 0, "right", "center"),
    (0, 15, "center", "bottom"),
    (0, -15, "center", "top"),
    (22, 0, "left", "center"),
    (-22, 0, "right", "center"),
)


def place_words(axes: Axes, words: Sequence[str], points: NDArray[np.float64], obstacles: Sequence[Artist]) -> None:
    """Write each word beside its point where it touches nothing; a word without such a place is left out.

    Args:
        axes: With everything else drawn and its limits final.
        words: m texts; the first ones choose first.
        points: (m, 2) positions in data coordinates; none of them is written over.
        obstacles: Artists to keep clear of, such as thumbnails.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # fixes the layout, so that sizes on the screen are known
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in axes.transData.transform(points)]
    taken += [artist.get_window_extent() for artist in obstacles]
    for word, point in zip(words, points, strict=True):
        label = axes.annotate(
            as_label(word, 18, lines=2), point, (0, 0), textcoords="offset points", fontsize=8.5, zorder=4
        )
        label.set_in_layout(False)
        box = next((box for place in PLACES if _is_free(box := _move(label, place), axes.bbox, taken)), None)
        if box is None:
            label.remove()
        else:
            taken.append(box)


def _move(label: Annotation, place: tuple[float, float, str, str]) -> Bbox:
    """Put a label at one of the places; what it covers, in pixels."""
    x, y, horizontal, vertical = place
    label.set(position=(x, y), ha=horizontal, va=vertical)
    return label.get_window_extent()


def _is_free(box: Bbox, inside: Bbox, taken: Sequence[Bbox]) -> bool:
    whole = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
    return whole and not any(box.overlaps(other) for other in taken)


def ticks_at(axes: Axes, positions: NDArray[np.float64]) -> None:
    """Ticks on the horizontal axis at the given positions, less those whose labels would touch.

    Only on a logarithmic axis or for whole numbers, and for up to a dozen positions; for more, matplotlib chooses whole
    and plain numbers.
    """
    log, whole = axes.get_xscale() == "log", bool((positions == positions.round()).all())
    if not (log or whole):
        return
    if len(positions) > MOST_TICKS:
        if log:
            axes.xaxis.set_major_formatter(ScalarFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
        return
    positions = np.unique(positions)
    names = [f"{position:g}" for position in positions]
    place = np.log(positions) if log else positions
    low, high = (np.log(edge) if log else edge for edge in axes.get_xlim())
    width = axes.bbox.width * 72 / axes.figure.dpi  # in points
    needed = POINTS_PER_LETTER * (max(len(name) for name in names) + 1) / width * (high - low)
    kept = [0]
    for index in range(1, len(positions)):
        if place[index] - place[kept[-1]] >= needed:
            kept.append(index)
    axes.set_xticks(positions[kept], [names[index] for index in kept])
    axes.xaxis.set_minor_locator(NullLocator())


def names_below(axes: Axes, names: Sequence[str], width: float) -> None:
    """Names at 0, 1, 2, ... on the horizontal axis: wrapped where the words fit, else slanted.

    Args:
        axes: The axes.
        names: One text per position.
        width: Room per name, in inches.
    """
    letters = int(width * 72 / POINTS_PER_LETTER)
    wrapped = [as_label(name, letters, lines=9) for name in names]
    words_fit = all(len(word) <= letters for name in names for word in str(name).split())
    if words_fit and max(text.count("\n") for text in wrapped) < 3:
        axes.set_xticks(np.arange(len(names)), wrapped)
    else:
        axes.set_xticks(np.arange(len(names)), [as_label(name) for name in names])
        axes.tick_params(axis="x", labelrotation=35)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def clear_legend(axes: Axes) -> None:
    """A legend where no line or band runs through it: in a free corner, or else to the right of the axes.

    Args:
        axes: With everything else drawn, in a figure of their own.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    legend = axes.legend()
    figure.draw_without_rendering()  # fixes the layout, so that sizes on the screen are known
    box = legend.get_window_extent()
    lines = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
    bands = [axes.transData.transform_path(path) for band in axes.collections for path in band.get_paths()]
    covered = any(line.intersects_bbox(box, filled=False) for line in lines)
    if covered or any(band.intersects_bbox(box) for band in bands):
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        figure.set_figwidth(figure.get_figwidth() + box.width / figure.dpi)
