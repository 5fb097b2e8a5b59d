"""Two views of a common space: a two-dimensional map of the embeddings, and a heat map of the similarities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput
from xmr_lib.plots.labels import place_words
from xmr_lib.plots.style import COLOURS, QUIET, as_label, as_matrix, as_picture, check_same_length, new_figure, styled


def project(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first two principal components of (p, d) points: (p, 2) positions and the (2,) shares of variance.

    Points that already have two dimensions keep their own axes.

    Example:
        >>> project(np.array([[1.0, 0, 0], [-1.0, 0, 0]]))[1].tolist()
        [1.0, 0.0]
    """
    centred = points - points.mean(axis=0)
    if points.shape[1] == 2:
        return points, centred.var(axis=0) / max(centred.var(axis=0).sum(), 1e-30)
    if points.shape[1] < 2:
        raise InvalidInput("A map needs at least two dimensions, but the embeddings have one.")
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    axes, shares = axes[:2], values[:2] ** 2 / max(float((values**2).sum()), 1e-30)
    axes = axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    return centred @ axes.T, shares


def _classes(labels: Any, n: int) -> NDArray[np.int64]:
    """Class numbers of the images, from class numbers or one-hot rows; zeros without labels."""
    if labels is None:
        return np.zeros(n, dtype=np.int64)
    array = np.asarray(labels)
    array = array.argmax(axis=1) if array.ndim == 2 else array.astype(np.int64)
    check_same_length(image=range(n), labels=array)
    return array


def _thumbnail(axes: Axes, picture: Any, xy: tuple[float, float], side: float = 24) -> AnnotationBbox:
    """Draw a picture, ``side`` points wide, at a position of the axes."""
    array = as_picture(picture)
    box = OffsetImage(array, zoom=side / array.shape[1], resample=True)
    thumbnail = AnnotationBbox(box, xy, frameon=False, annotation_clip=False, zorder=2)
    axes.add_artist(thumbnail)
    return thumbnail


@styled
def embedding_map(
    image: Any,
    text: Any,
    *,
    labels: Any = None,
    class_names: Sequence[str] = (),
    caption_image: Any = None,
    pictures: Sequence[Any] | None = None,
    words: Sequence[str] | None = None,
) -> Figure:
    """Images (filled circles) and texts (hollow triangles) in two dimensions; a thin line joins each pair.

    More than two dimensions are projected on the first two principal components of all points together, so distances
    on the map are only part of the truth: the axes say how much of the variance they show.

    Args:
        image: (n, d) embeddings of images.
        text: (m, d) embeddings of texts.
        labels: (n,) class numbers or (n, c) one-hot rows, at most 14 classes; they choose the colour.
        class_names: c names for the legend.
        caption_image: (m,) image index of each text. Default: text j belongs to image j.
        pictures: n pictures drawn in place of the circles (sensible up to 60).
        words: m texts written next to the triangles, where there is room (sensible up to 30).

    Raises:
        InvalidInput: The two sides have different dimensions, or an index or a length does not fit.
    """
    images = as_matrix(image, "The image embeddings")
    texts = as_matrix(text, "The text embeddings", columns=images.shape[1])
    if caption_image is None:
        check_same_length(image=images, text=texts)
        caption_image = np.arange(len(texts))
    owner = np.asarray(caption_image, dtype=np.int64)
    check_same_length(text=texts, caption_image=owner, words=words)
    check_same_length(image=images, pictures=pictures)
    if owner.min() < 0 or owner.max() >= len(images):
        raise InvalidInput(f"caption_image must point at images 0..{len(images) - 1}, but it reaches {owner.max()}.")
    classes = _classes(labels, len(images))
    if classes.min() < 0 or classes.max() >= 14:
        raise InvalidInput(
            "At most 14 classes can be told apart on a map. Pass the images of the largest classes only."
        )
    points, shares = project(np.concatenate([images, texts]))
    a, b = points[: len(images)], points[len(images) :]

    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    for start, stop in zip(a[owner], b, strict=True):
        axes.plot(*zip(start, stop, strict=True), color=QUIET, linewidth=0.5, alpha=0.5, zorder=1)
    for number in np.unique(classes):
        colour, edge = COLOURS[number % 7], "black" if number >= 7 else "none"
        mine, its = classes == number, classes[owner] == number
        if pictures is None:
            axes.scatter(a[mine, 0], a[mine, 1], s=26, color=colour, edgecolors=edge, zorder=2)
        axes.plot(b[its, 0], b[its, 1], "^", markersize=6, mfc="none", mec=colour, mew=1.3, zorder=3)
    thumbnails = [_thumbnail(axes, picture, (x, y)) for picture, (x, y) in zip(pictures or (), a, strict=False)]
    what = "dimension" if images.shape[1] == 2 else "component"
    axes.set(
        xlabel=f"{what} 1 ({shares[0]:.0%} of the variance)", ylabel=f"{what} 2 ({shares[1]:.0%})", xticks=[], yticks=[]
    )
    axes.margins(0.08)
    handles = [
        Line2D([], [], marker="^", color="none", markeredgecolor="black", markerfacecolor="none", label="text"),
        Line2D([], [], color=QUIET, linewidth=0.8, label="pair"),
    ]
    if pictures is None:
        handles.insert(0, Line2D([], [], marker="o", color="none", markerfacecolor="black", label="image"))
    if labels is not None:
        handles += [
            Line2D(
                *([], []),
                marker="s",
                color="none",
                markerfacecolor=COLOURS[number % 7],
                markeredgecolor="black" if number >= 7 else "none",
                label=as_label(class_names[number] if number < len(class_names) else f"class {number}"),
            )
            for number in np.unique(classes)
        ]
    figure.legend(handles=handles, loc="outside right upper", fontsize=9)
    if words is not None:
        place_words(axes, words, b, thumbnails)
    return figure


def _tick_labels(axes: Axes, labels: Sequence[Any], side: str) -> None:
    """Words or pictures along one side of the heat map."""
    count = range(len(labels))
    if not isinstance(labels[0], str):
        for position in count:
            xy = (-0.85, position) if side == "y" else (position, -0.85)
            _thumbnail(axes, labels[position], xy)
        getattr(axes, f"set_{side}ticks")([])
    elif side == "y":
        axes.set_yticks(count, [as_label(label, 24, lines=2) for label in labels], fontsize=9)
    else:
        axes.set_xticks(count, [as_label(label, 18, lines=2) for label in labels], rotation=40, ha="left", fontsize=9)
        axes.xaxis.tick_top()


@styled
def similarity_heatmap(
    similarity: Any, row_labels: Sequence[Any], column_labels: Sequence[Any], *, relevant: Any = None
) -> Figure:
    """Similarities as colours; up to 12 x 12 the numbers are written too.

    Args:
        similarity: (n, m) scores, larger = more alike.
        row_labels: n texts or pictures.
        column_labels: m texts or pictures.
        relevant: (n, m) bool; the right pairs get a white and black frame.

    Raises:
        InvalidInput: Not one label per row and column.
    """
    scores = as_matrix(similarity, "similarity")
    check_same_length(rows=scores, row_labels=row_labels)
    check_same_length(columns=scores[0], column_labels=column_labels)
    right = None if relevant is None else np.asarray(relevant, dtype=bool)
    if right is not None and right.shape != scores.shape:
        raise InvalidInput(f"relevant must have the shape of similarity, {scores.shape}, but it is {right.shape}.")
    n, m = scores.shape
    cell = 0.62 if max(n, m) <= 12 else 7.5 / max(n, m)
    figure = new_figure(max(3.4, m * cell + 2.6), max(2.4, n * cell + 1.5))
    axes = figure.subplots()
    drawn = axes.imshow(scores, cmap="cividis")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    _tick_labels(axes, row_labels, "y")
    _tick_labels(axes, column_labels, "x")
    if max(n, m) <= 12:
        light = drawn.to_rgba(scores)[..., :3] @ np.array([0.299, 0.587, 0.114])  # (n, m) how bright each cell is
        for (i, j), value in np.ndenumerate(scores):
            colour = "black" if light[i, j] > 0.5 else "white"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
    if right is not None:
        for i, j in np.argwhere(right):
            for colour, width in (("black", 3.5), ("white", 1.5)):
                axes.add_patch(Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, fill=False, edgecolor=colour, lw=width))
    figure.colorbar(drawn, ax=axes, label="similarity", shrink=0.8)
    return figure
