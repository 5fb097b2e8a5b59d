"""Pictures in rows: a plain grid, and a retrieval grid (query, then the results in order, right or wrong marked)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xmr_lib.data.base import PairedDataset
from xmr_lib.errors import InvalidInput, check_choice, check_positive
from xmr_lib.plots.style import (
    QUIET,
    RIGHT,
    WRONG,
    as_label,
    as_matrix,
    as_picture,
    check_same_length,
    new_figure,
    styled,
)

FONT = 9.0
LETTERS_PER_INCH = 72 / (FONT * 0.58)


def _draw(axes: Axes, item: Any, width: float, height: float, size: float = FONT) -> None:
    """One cell: a picture, or a sentence wrapped to the size of the cell (in inches)."""
    if isinstance(item, str):
        axes.set_facecolor("#F4F4F4")
        axes.set_box_aspect(height / width)
        lines = max(1, int(height * 72 / (size * 1.35)))
        text = as_label(item, width=max(4, int(width * LETTERS_PER_INCH * FONT / size) - 1), lines=lines)
        axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=size, transform=axes.transAxes)
    else:
        axes.imshow(as_picture(item))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=QUIET, linewidth=0.8)


def _mark(axes: Axes, right: bool) -> None:
    """Tick and solid border for a right result, cross and dashed border for a wrong one."""
    colour, dash, sign = (RIGHT, "-", "✓") if right else (WRONG, (0, (2.5, 1.5)), "✗")
    axes.spines[:].set(color=colour, linewidth=2.8, linestyle=dash)
    axes.text(
        *(0.985, 0.985, sign),
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=10,
        fontweight="bold",
        color="white",
        bbox={"boxstyle": "round,pad=0.12", "facecolor": colour, "edgecolor": "none"},
    )


@styled
def picture_grid(images: Sequence[Any], titles: Sequence[str] | None = None, *, columns: int = 8) -> Figure:
    """Pictures in rows of ``columns``, each with an optional title below.

    Args:
        images: n pictures (``PIL.Image.Image`` or arrays).
        titles: n texts.
        columns: Pictures per row.

    Raises:
        InvalidInput: No picture, or not one title per picture.
    """
    if not len(images):
        raise InvalidInput("There is no picture to show: images is empty.")
    check_same_length(images=images, titles=titles)
    columns = min(check_positive(columns, "columns"), len(images))
    rows = -(-len(images) // columns)
    side = min(1.1, 9.0 / columns)
    figure = new_figure(columns * side, rows * (side + (0.4 if titles else 0)))
    for index, axes in enumerate(np.atleast_1d(figure.subplots(rows, columns)).ravel()):
        axes.set_axis_off()
        if index < len(images):
            axes.imshow(as_picture(images[index]))
            if titles:
                title = as_label(titles[index], int(side * LETTERS_PER_INCH) - 1, lines=3)
                axes.text(0.5, -0.04, title, transform=axes.transAxes, ha="center", va="top", fontsize=FONT)
    return figure


def _table(value: Any, shape: tuple[int, int], what: str) -> Any:
    """Check that ``value`` is None or has one entry per result."""
    if value is not None and [len(row) for row in value] != [shape[1]] * shape[0]:
        raise InvalidInput(
            f"{what} must hold one entry per result, {shape[0]} rows of {shape[1]}, but it has rows of "
            f"{[len(row) for row in value]}."
        )
    return value


@styled
def retrieval_grid(
    queries: Sequence[Any],
    results: Sequence[Sequence[Any]],
    relevant: Any,
    *,
    titles: Sequence[Sequence[str]] | None = None,
    scores: Any = None,
) -> Figure:
    """One row per query: the query, then its results from best to worst, each marked right or wrong.

    Args:
        queries: q sentences or pictures.
        results: q rows of k pictures or sentences, best first.
        relevant: (q, k) bool, True = right. None when nobody knows the right answers (a query typed by a learner):
            then nothing is marked.
        titles: (q, k) short texts below the results.
        scores: (q, k) numbers below the results.

    Raises:
        InvalidInput: Sizes do not fit together, or something is neither a picture nor a sentence.
    """
    rows = check_same_length(queries=queries, results=results)
    if not rows or not len(results[0]):
        raise InvalidInput("There is nothing to show: pass at least one query with at least one result.")
    k = len(results[0])
    for name, table in (("results", results), ("relevant", relevant), ("titles", titles), ("scores", scores)):
        _table(table, (rows, k), name)
    query_width = 1.7 if isinstance(queries[0], str) else 1.0
    side = 1.0 if k <= 7 else 7.0 / k
    width = 1.75 if isinstance(results[0][0], str) else side
    below = (0.28 if titles is not None else 0) + (0.18 if scores is not None else 0)
    height = rows * (side + below + 0.1) + (0.5 if relevant is not None else 0.25)
    figure = new_figure(query_width + k * (width + 0.08) + 0.2, height)
    grid = figure.subplots(rows, k + 1, width_ratios=[query_width] + [width] * k, squeeze=False)
    for row, cells in enumerate(grid):
        _draw(cells[0], queries[row], query_width, side, size=10)
        cells[0].spines[:].set(color="black", linewidth=1.6)
        if row == 0:
            cells[0].set_title("query", fontsize=FONT + 0.5)
        for rank, axes in enumerate(cells[1:]):
            _draw(axes, results[row][rank], width, side)
            if row == 0:
                axes.set_title(str(rank + 1), fontsize=FONT + 0.5)
            if relevant is not None:
                _mark(axes, bool(relevant[row][rank]))
            notes = [] if titles is None else [as_label(titles[row][rank], int(width * LETTERS_PER_INCH), lines=2)]
            notes += [] if scores is None else [f"{float(scores[row][rank]):.2f}"]
            axes.set_xlabel("\n".join(notes), fontsize=FONT, labelpad=3)
    if relevant is not None:
        figure.supxlabel("✓ solid border: right        ✗ dashed border: wrong", fontsize=FONT, color="#444444")
    return figure


def show_retrieval(
    similarity: Any,
    dataset: PairedDataset,
    queries: Sequence[int],
    direction: str = "t2i",
    k: int = 5,
    *,
    names: bool = True,
) -> Figure:
    """The best ``k`` results for some queries of a data set, as a :func:`retrieval_grid`.

    A result is right when image and caption belong to the same instance. Equal scores keep the order of the data set.

    Args:
        similarity: (n images, m captions) scores, larger = more alike.
        dataset: The n pictures and m captions that were scored.
        queries: Caption indices for ``"t2i"``, image indices for ``"i2t"``.
        direction: ``"t2i"`` (text query, pictures found) or ``"i2t"`` (image query, captions found).
        k: Results per query.
        names: Write the first caption below each picture found.

    Raises:
        InvalidInput: The matrix does not belong to the data set, or a query index is out of range.
        UnknownName: The direction is neither ``t2i`` nor ``i2t``.
    """
    check_choice(direction, ("t2i", "i2t"), "direction")
    scores = as_matrix(similarity, "similarity")
    if scores.shape != (dataset.n_images, dataset.n_captions):
        raise InvalidInput(
            f"similarity must be (images, captions) = ({dataset.n_images}, {dataset.n_captions}) for {dataset.name}, "
            f"but its shape is {scores.shape}. Score the split that you show."
        )
    scores = scores.T if direction == "t2i" else scores
    wanted = np.asarray(queries, dtype=np.int64)
    if wanted.ndim != 1 or not wanted.size or wanted.min() < 0 or wanted.max() >= len(scores):
        raise InvalidInput(f"queries must be a list of indices in 0..{len(scores) - 1}, but it is {list(queries)}.")
    best = np.argsort(-scores[wanted], axis=1, kind="stable")[:, : check_positive(k, "k")]
    values = np.take_along_axis(scores[wanted], best, axis=1)
    if direction == "i2t":
        right = dataset.instances[wanted][:, None] == dataset.caption_instances[best]
        texts = [[dataset.captions[j] for j in row] for row in best]
        return retrieval_grid([dataset.images[i] for i in wanted], texts, right, scores=values)
    right = dataset.caption_instances[wanted][:, None] == dataset.instances[best]
    pictures = [[dataset.images[i] for i in row] for row in best]
    titles = [[_name_of(dataset, i) for i in row] for row in best] if names else None
    return retrieval_grid([dataset.captions[j] for j in wanted], pictures, right, titles=titles, scores=values)


def _name_of(dataset: PairedDataset, image: int) -> str:
    captions = dataset.captions_of(int(image))
    return dataset.captions[captions[0]] if len(captions) else ""
