"""How a model changes while it learns: similarity matrices side by side, and what it answers from time to time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xmr_lib.errors import InvalidInput
from xmr_lib.plots.grids import FONT, _draw, _mark
from xmr_lib.plots.maps import _thumbnail
from xmr_lib.plots.style import as_label, as_matrix, as_picture, check_same_length, new_figure, styled

NUMBERS_UP_TO = 5  # columns; larger matrices show colours only


@styled
def similarity_snapshots(
    matrices: Mapping[str, Any],
    *,
    pictures: Sequence[Any] | None = None,
    rows: str = "pictures",
    columns: str = "their captions, in the same order",
    label: str = "cosine",
    shared_scale: bool = False,
) -> Figure:
    """Matrices side by side; the largest value of every row is framed, and the title counts those on the diagonal.

    Args:
        matrices: Title -> (n, n) scores, row i belongs to column i. Up to 5 x 5 the numbers are written too.
        pictures: n pictures beside the rows of the first matrix.
        rows, columns: What the axes are called. label: What the colours mean.
        shared_scale: One colour scale for all. Default: each has its own, from its smallest to its largest value.

    Raises:
        InvalidInput: No matrix, one that is not square or of another size than the first, or not n pictures.
    """
    if not matrices:
        raise InvalidInput("There is nothing to show: pass at least one matrix, such as {'before training': cosines}.")
    checked = {title: as_matrix(value, f"The matrix {title!r}") for title, value in matrices.items()}
    n = len(next(iter(checked.values())))
    for title, matrix in checked.items():
        if matrix.shape != (n, n):
            raise InvalidInput(f"The matrices must all be {n} x {n}, but {title!r} has the shape {matrix.shape}.")
    if pictures is not None:
        check_same_length(rows=range(n), pictures=pictures)
    low, high = (f([f(matrix) for matrix in checked.values()]) for f in (np.min, np.max))
    side = 2.5 if n <= NUMBERS_UP_TO or len(checked) > 3 else 3.2
    figure = new_figure(len(checked) * (side + 0.65) + 0.4, side + 0.75)
    grid = figure.subplots(1, len(checked), squeeze=False)[0]
    for index, (axes, (title, matrix)) in enumerate(zip(grid, checked.items(), strict=True)):
        limits = (low, high) if shared_scale else (matrix.min(), matrix.max())
        drawn = axes.imshow(matrix, vmin=limits[0], vmax=limits[1])
        best = matrix.argmax(axis=1)
        for i, j in enumerate(best):
            axes.add_patch(Rectangle((j - 0.45, i - 0.45), 0.9, 0.9, fill=False, edgecolor="white", lw=1.6))
        if n <= NUMBERS_UP_TO:
            light = drawn.to_rgba(matrix)[..., :3] @ np.array([0.299, 0.587, 0.114])  # (n, n)
            for (i, j), value in np.ndenumerate(matrix):
                ink = "black" if light[i, j] > 0.5 else "white"
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=10, color=ink)
        axes.set_title(f"{as_label(title)}\n{(best == np.arange(n)).sum()} of {n} rows right", fontsize=10)
        axes.spines[:].set_visible(False)
        axes.set(xticks=[], yticks=[], xlabel=columns)
        if index == 0 and pictures is not None:
            for i, picture in enumerate(pictures):
                _thumbnail(axes, picture, (-0.5 - 0.06 * n, i), side=min(24.0, 62 * side / n))
        elif index == 0:
            axes.set_ylabel(rows)
        figure.colorbar(drawn, ax=axes, shrink=0.75, label=label if index == len(checked) - 1 else "")
    return figure


@styled
def answers_over_time(
    picture: Any, answers: Mapping[str, Sequence[str]], right: Mapping[str, Sequence[bool]]
) -> Figure:
    """The picture on the left; on the right one row per moment with the captions that were nearest then, best first.

    Args:
        picture: The query.
        answers: Moment ("before training", "epoch 3") -> k captions.
        right: The same moments -> which of them belong to the picture.

    Raises:
        InvalidInput: No moment, or moments with different numbers of captions or marks.
    """
    if not answers or list(answers) != list(right):
        raise InvalidInput("Pass at least one moment, and the same moments in answers and in right.")
    sizes = {len(row) for row in (*answers.values(), *right.values())}
    if len(sizes) != 1 or 0 in sizes:
        raise InvalidInput(f"Every moment needs the same number of captions and marks, but there are {sorted(sizes)}.")
    k, moments, width, height = sizes.pop(), len(answers), 2.35, 0.62
    figure = new_figure(2.2 + 1.25 + k * (width + 0.1), moments * (height + 0.08) + 0.35)
    grid = figure.add_gridspec(moments, k + 2, width_ratios=[2.2, 1.25, *([width] * k)])
    query = figure.add_subplot(grid[:, 0])
    query.imshow(as_picture(picture))
    query.set(xticks=[], yticks=[])
    query.spines[:].set(visible=True, color="black", linewidth=1.6)
    for row, (moment, captions) in enumerate(answers.items()):
        name = figure.add_subplot(grid[row, 1])
        name.set_axis_off()
        name.text(1, 0.5, as_label(moment, 14), ha="right", va="center", fontsize=FONT + 0.5, transform=name.transAxes)
        for rank, caption in enumerate(captions):
            cell = figure.add_subplot(grid[row, rank + 2])
            _draw(cell, str(caption), width, height)
            _mark(cell, bool(right[moment][rank]))
            if row == 0:
                cell.set_title(f"nearest {rank + 1}", fontsize=FONT + 0.5)
    return figure
