"""Lines and bars: precision-recall curves, ablation curves with error bands, grouped bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput
from xmr_lib.plots.labels import clear_legend, names_below, ticks_at
from xmr_lib.plots.style import (
    COLOURS,
    DASHES,
    HATCHES,
    MARKERS,
    QUIET,
    as_label,
    check_same_length,
    new_figure,
    styled,
)

Series = Mapping[str, Any]
AVERAGING = {  # kind of a library curve -> what stands on the axis
    "rank": "mean over queries, by rank",
    "radius, macro": "mean over queries, by radius",
    "radius, micro": "pooled over queries, by radius",
}


def _look(index: int) -> dict[str, Any]:
    """Colour, dash and marker of the index-th line: no two lines differ by colour alone."""
    return {
        "color": COLOURS[index % 7],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 5,
    }


def _mean_and_deviation(name: str, value: Any, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Split ``(mean, deviation)`` or a plain mean, and check the lengths."""
    paired = isinstance(value, tuple) and len(value) == 2 and np.ndim(value[0]) == 1
    mean = np.asarray(value[0] if paired else value, dtype=np.float64)
    deviation = np.asarray(value[1], dtype=np.float64) if paired and value[1] is not None else None
    for what, part in (("mean", mean), ("deviation", deviation)):
        if part is not None and part.shape != (size,):
            raise InvalidInput(
                f"The {what} of {name!r} must hold {size} numbers, one per position, but its shape is {part.shape}."
            )
    if deviation is not None and (deviation < 0).any():
        raise InvalidInput(f"The deviation of {name!r} must not be negative.")
    return mean, deviation


def _check_series(series: Series) -> None:
    if not isinstance(series, Mapping) or not series:
        raise InvalidInput("Pass at least one named series, for example {'CCA': (mean, deviation)}.")


def _recall_and_precision(name: str, value: Any) -> tuple[NDArray[np.float64], NDArray[np.float64], str | None]:
    """The two vectors of one precision-recall curve, checked, and the kind that a library curve carries."""
    kind = getattr(value, "kind", None)
    pair = (value.recall, value.precision) if kind is not None else value
    if len(pair) != 2:
        raise InvalidInput(f"The curve {name!r} must be a pair (recall, precision), but it has {len(pair)} parts.")
    recall, precision = (np.asarray(part, dtype=np.float64) for part in pair)
    if recall.ndim != 1 or recall.shape != precision.shape or not recall.size:
        raise InvalidInput(
            f"The curve {name!r} needs recall and precision of equal length, but their shapes are {recall.shape} and "
            f"{precision.shape}."
        )
    both = np.concatenate([recall, precision])
    if not np.isfinite(both).all() or both.min() < 0 or both.max() > 1 + 1e-9:
        raise InvalidInput(f"Recall and precision of {name!r} must lie in 0..1: pass fractions, not percentages.")
    return recall, precision, kind


@styled
def pr_curve(
    curves: Mapping[str, Any],
    *,
    averaging: str | None = None,
    chance: float | None = None,
) -> Figure:
    """Precision against recall, one line per method.

    Args:
        curves: Name -> curve of :mod:`xmr_lib.metrics.curves`, or (recall, precision), two vectors with values in 0..1.
        averaging: How the queries were averaged; written on the axis, because averages at each rank and at each radius
            are different curves. Default: what the curves say of themselves, else "mean over queries".
        chance: Precision of a random ranking, drawn as a thin line.

    Raises:
        InvalidInput: A curve is not a pair of equally long vectors in 0..1, or the curves are averaged differently.
    """
    _check_series(curves)
    checked = {name: _recall_and_precision(name, value) for name, value in curves.items()}
    kinds = sorted({kind for _, _, kind in checked.values() if kind is not None})
    if len(kinds) > 1:
        raise InvalidInput(f"These curves cannot share one axis, they are averaged differently: {'; '.join(kinds)}.")
    averaging = averaging or (AVERAGING[kinds[0]] if kinds else "mean over queries")
    figure = new_figure(5.2, 3.8)
    axes = figure.subplots()
    for index, (name, (recall, precision, _)) in enumerate(checked.items()):
        axes.plot(recall, precision, label=as_label(name), markevery=max(1, recall.size // 8), **_look(index))
    if chance is not None:
        axes.axhline(chance, color=QUIET, linewidth=1, label=f"chance ({chance:.2f})")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel=f"precision ({averaging})")
    axes.legend()
    return figure


@styled
def curve(
    x: Sequence[float],
    series: Series,
    *,
    xlabel: str = "",
    ylabel: str = "",
    log: bool = False,
    chance: float | None = None,
) -> Figure:
    """Lines over ``x`` with a band of one deviation on either side: what an ablation shows.

    The legend stands beside the axes where no corner is free.

    Args:
        x: p positions; up to a dozen whole numbers, or any on a logarithmic axis, become the ticks.
        series: Name -> (mean, deviation), two vectors of p numbers; or name -> mean.
        xlabel: Text on the horizontal axis.
        ylabel: Text on the vertical axis.
        log: Logarithmic horizontal axis.
        chance: A level to draw as a thin line.

    Raises:
        InvalidInput: A series does not have one number per position.
    """
    _check_series(series)
    positions = np.asarray(x, dtype=np.float64)
    if log and (positions <= 0).any():
        raise InvalidInput("A logarithmic axis needs positions above zero. Drop the zero or pass log=False.")
    figure = new_figure(5.2, 3.4)
    axes = figure.subplots()
    for index, (name, value) in enumerate(series.items()):
        mean, deviation = _mean_and_deviation(name, value, positions.size)
        axes.plot(positions, mean, label=as_label(name), **_look(index))
        if deviation is not None:
            axes.fill_between(positions, mean - deviation, mean + deviation, color=COLOURS[index % 7], alpha=0.18, lw=0)
    if chance is not None:
        axes.axhline(chance, color=QUIET, linewidth=1, label="chance")
    if log:
        axes.set_xscale("log")
    ticks_at(axes, positions)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    clear_legend(axes)
    return figure


@styled
def bars(
    names: Sequence[str], series: Series, *, ylabel: str = "", decimals: int = 1, chance: float | None = None
) -> Figure:
    """Grouped bars: one group per name, one bar per series, the value written on top.

    Args:
        names: g groups on the horizontal axis; long names are wrapped or slanted.
        series: Name -> (values, deviations) or name -> values, g numbers each.
        ylabel: Text on the vertical axis.
        decimals: Digits after the point of the written values.
        chance: A level to draw as a thin line.

    Raises:
        InvalidInput: A series does not have one number per group.
    """
    _check_series(series)
    groups = check_same_length(names=names)
    if not groups:
        raise InvalidInput("There is no bar to draw: names is empty.")
    room = max(0.55 * (len(series) + 0.6), 2.8 / groups)  # inches per group
    figure = new_figure(1.2 + room * groups, 3.4)
    axes = figure.subplots()
    width = 0.8 / len(series)
    for index, (name, value) in enumerate(series.items()):
        mean, deviation = _mean_and_deviation(name, value, groups)
        where = np.arange(groups) + (index - (len(series) - 1) / 2) * width
        drawn = axes.bar(
            *(where, mean, width * 0.94),
            yerr=deviation,
            capsize=3,
            color=COLOURS[index % 7],
            edgecolor="white",
            hatch=HATCHES[index % len(HATCHES)],
            label=as_label(name),
        )
        axes.bar_label(drawn, fmt=f"%.{decimals}f", fontsize=8.5, padding=2)
    if chance is not None:
        axes.axhline(chance, color="black", linewidth=1, linestyle=":", label="chance")
    names_below(axes, names, 0.95 * room)
    axes.set_ylabel(ylabel)
    axes.margins(y=0.12)
    if len(series) > 1 or chance is not None:
        axes.legend(ncols=min(4, len(series) + 1), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
