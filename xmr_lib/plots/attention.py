"""Where a network looks, drawn on the picture itself; and small matrices of weights beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.errors import InvalidInput
from xmr_lib.plots.grids import FONT, LETTERS_PER_INCH
from xmr_lib.plots.style import COLOURS, QUIET, as_label, as_matrix, as_picture, check_same_length, new_figure, styled

FOG, GREY = 0.72, 150  # where nobody looks, this share of the picture is lost in this grey


@styled
def attention_maps(
    images: Sequence[Any],
    maps: Sequence[Sequence[Any]],
    titles: Sequence[Sequence[str]] | None = None,
    *,
    side: float = 1.15,
) -> Figure:
    """Pictures in fog but where a slot or a word looks: one row per picture, the picture itself first, then its maps.

    Each map has its own scale: no fog at its largest weight. An orange line goes round everything that gets more
    than half of that.

    Args:
        images: r pictures.
        maps: r rows of maps, (rows, columns) weights of 0 or more each; a row may be shorter than the others.
        titles: A text for every map.
        side: Of a picture, in inches.

    Raises:
        InvalidInput: Not one row of maps (and titles) per picture, or a map that is not a matrix of weights.
    """
    rows = check_same_length(images=images, maps=maps, titles=titles)
    if not rows or not max(len(row) for row in maps):
        raise InvalidInput("There is nothing to show: pass at least one picture with at least one map.")
    for row, named in zip(maps, titles or maps, strict=True):
        check_same_length(maps=row, titles=named)
    width = 1 + max(len(row) for row in maps)
    figure = new_figure(width * (side + 0.06), rows * (side + (0.34 if titles is not None else 0.06)))
    grid = figure.subplots(rows, width, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for index, row in enumerate(maps):
        picture = as_picture(images[index])
        grid[index, 0].imshow(picture)
        for place, weights in enumerate(row):
            axes, light = grid[index, place + 1], lit(weights, picture.shape[:2])
            axes.imshow(fogged(picture, light))
            if light.min() < 0.5:
                axes.contour(light, levels=[0.5], colors=COLOURS[1], linewidths=1.4)
            if titles is not None:
                text = as_label(titles[index][place], int(side * LETTERS_PER_INCH), lines=2)
                axes.set_title(text, fontsize=FONT, fontweight="normal", pad=2)
    return figure


def lit(weights: Any, size: tuple[int, int]) -> NDArray[np.float64]:
    """(h, w) light in 0..1: the weights of a coarse grid, enlarged smoothly, the largest of them 1.

    Raises:
        InvalidInput: Not a matrix of weights of 0 or more, or all of them 0.
    """
    coarse = as_matrix(weights, "A map")
    if coarse.min() < 0 or not coarse.max():
        raise InvalidInput("A map must hold weights of 0 or more, at least one of them above 0. Pass the attention.")
    picture = Image.fromarray((coarse / coarse.max()).astype(np.float32))
    large: NDArray[np.float64] = np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR), dtype=float)
    return large.clip(0, 1)


def fogged(picture: NDArray[np.uint8], light: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(h, w, 3): without colour and nearly in one grey where the light (h, w) is 0; as it was where it is 1."""
    plain = picture.mean(axis=2, keepdims=True)
    fog = FOG * GREY + (1 - FOG) * plain  # (h, w, 1)
    share = light[:, :, None]
    return np.asarray(share * picture + (1 - share) * fog).astype(np.uint8)


@styled
def weight_matrices(
    tables: Mapping[str, Any], row_labels: Sequence[str] = (), column_labels: Sequence[str] = (), *, decimals: int = 2
) -> Figure:
    """Small matrices beside each other on one scale of colours from 0, each number written in its cell.

    Args:
        tables: Name -> (p, q) numbers of 0 or more, all of one shape.
        row_labels, column_labels: p and q short texts.
        decimals: Digits after the point.

    Raises:
        InvalidInput: No table, tables of several shapes, or not one label per row and column.
    """
    matrices = {name: as_matrix(table, f"The table {name!r}") for name, table in tables.items()}
    if len({matrix.shape for matrix in matrices.values()}) != 1:
        raise InvalidInput(f"Pass tables of one shape, not {[matrix.shape for matrix in matrices.values()]}.")
    p, q = next(iter(matrices.values())).shape
    if len(row_labels) not in (0, p) or len(column_labels) not in (0, q):
        raise InvalidInput(
            f"A {p} x {q} table has {p} row labels and {q} column labels (or none), not {len(row_labels)} and "
            f"{len(column_labels)}."
        )
    top = max(float(matrix.max()) for matrix in matrices.values()) or 1.0
    figure = new_figure(0.9 + len(matrices) * (0.55 * q + 0.35), 0.45 * p + 0.95)
    grid = figure.subplots(1, len(matrices), squeeze=False)[0]
    for index, (axes, (name, matrix)) in enumerate(zip(grid, matrices.items(), strict=True)):
        axes.imshow(matrix, cmap="cividis", vmin=0, vmax=top, aspect="auto")
        for (i, j), value in np.ndenumerate(matrix):
            colour = "black" if value > 0.55 * top else "white"
            axes.text(j, i, f"{value:.{decimals}f}", ha="center", va="center", fontsize=FONT, color=colour)
        axes.set_title(as_label(name), fontsize=FONT + 1)
        axes.set_xticks(range(len(column_labels)), [as_label(text) for text in column_labels], fontsize=FONT)
        names = row_labels if index == 0 else ()
        axes.set_yticks(range(len(names)), [as_label(text) for text in names], fontsize=FONT)
        axes.tick_params(length=0)
        axes.spines[:].set(visible=True, color=QUIET)
    return figure
