"""Pictures of binary codes: the codes themselves, what one bit sees, how far outputs are from being bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.plots.charts import Series, curve
from xmr_lib.plots.grids import FONT, LETTERS_PER_INCH, _draw
from xmr_lib.plots.style import COLOURS, QUIET, as_label, as_matrix, check_same_length, new_figure, styled

MINUS, PLUS = "#0B2C4D", "#F6C667"  # dark and light, so that they differ in black and white as well
BOX = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": QUIET, "linewidth": 0.6, "alpha": 0.9}


@styled
def code_grid(codes: Any, names: Sequence[str] | None = None, *, groups: Sequence[str] | None = None) -> Figure:
    """Codes as bar codes: one row per item, one column per bit, light = +1, dark = -1.

    Args:
        codes: (n, bits) in {-1, +1}; up to some forty rows can be read.
        names: n texts beside the rows.
        groups: n names of the groups that the rows belong to (an image and its text, a class); a white gap is drawn
            where the group changes, and the name of each group stands at its right.

    Raises:
        InvalidInput: A value other than -1 and +1 (a 0 is no bit), or lengths that differ.
    """
    bits = as_matrix(codes, "codes")
    if not np.isin(bits, (-1, 1)).all():
        odd = bits[~np.isin(bits, (-1, 1))][0]
        raise InvalidInput(f"Codes hold -1 and +1, but here is {odd:g}. Take binary_codes(outputs), not the outputs.")
    n, width = bits.shape
    check_same_length(codes=bits, names=names, groups=groups)
    starts = [i for i in range(n) if i and groups is not None and groups[i] != groups[i - 1]]
    place = np.arange(n) + 0.45 * np.searchsorted(starts, np.arange(n), side="right")  # (n,) y of each row
    side = min(0.26, 8.0 / width)
    letters = max((len(str(name)) for name in names), default=0) if names is not None else 0
    beside = min(30, letters) / LETTERS_PER_INCH
    figure = new_figure(1.0 + beside + (1.4 if groups is not None else 0) + side * width, 0.75 + 0.24 * (place[-1] + 1))
    axes = figure.subplots()
    gap = 0.06 if width <= 64 else 0.0
    for row, y in zip(bits, place, strict=True):
        axes.bar(
            np.arange(width),
            *(0.84, 1 - gap),
            bottom=y - 0.42,
            color=[PLUS if bit > 0 else MINUS for bit in row],
            linewidth=0,
        )
    axes.set(xlim=(-0.6, width - 0.4), ylim=(place[-1] + 0.6, -0.6), xlabel="bit")
    axes.set_yticks(place if names is not None else [], [as_label(name, 30, 1) for name in names or []], fontsize=FONT)
    step = max(1, width // 8)
    axes.set_xticks(np.arange(0, width, step), [str(i + 1) for i in range(0, width, step)], fontsize=FONT)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if groups is not None:
        for low, high in zip([0, *starts], [*starts, n], strict=True):
            middle = (place[low] + place[high - 1]) / 2
            axes.text(width - 0.2, middle, as_label(groups[low], 16, 2), va="center", fontsize=FONT)
    axes.legend(
        handles=[Patch(facecolor=PLUS, edgecolor=MINUS, label="+1"), Patch(facecolor=MINUS, label="−1")],
        ncols=2,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        fontsize=FONT,
        borderaxespad=0.1,
    )
    return figure


@styled
def bit_sides(items: Sequence[Any], outputs: Any, *, k: int = 6, title: str = "", texts: Any = None) -> Figure:
    """What one bit sees: the items it is surest of on either side, and those nearest to its border.

    Args:
        items: n pictures, or n sentences.
        outputs: (n,) real outputs of one bit, whose sign is the bit.
        k: Items of each kind; fewer where a side has fewer.
        title: Which bit of which method this is.
        texts: n short texts below the items (labels, captions).

    Raises:
        InvalidInput: No items, lengths that differ, or outputs that are not one number per item.
    """
    f = np.asarray(outputs, dtype=np.float64)
    if f.ndim != 1 or not len(f) or not np.isfinite(f).all():
        raise InvalidInput(f"outputs must be one finite number per item, a vector, but their shape is {f.shape}.")
    check_same_length(items=items, outputs=f, texts=texts)
    check_positive(k, "k")
    order = np.argsort(-f, kind="stable")
    plus, minus = order[f[order] > 0], order[f[order] <= 0][::-1]
    rows = [
        (f"bit +1\nfar from\nthe border\n({len(plus)} items)", plus[:k], PLUS),
        ("bit +1\nnearest to\nthe border", plus[k:][-k:][::-1], PLUS),
        ("bit −1\nnearest to\nthe border", minus[k:][-k:][::-1], MINUS),
        (f"bit −1\nfar from\nthe border\n({len(minus)} items)", minus[:k], MINUS),
    ]
    rows = [row for row in rows if len(row[1])]
    sentences = isinstance(items[0], str)
    width, height = (1.6, 0.95) if sentences else (1.0, 1.0)
    below = 0.2 + (0.28 if texts is not None else 0)
    figure = new_figure(1.0 + k * (width + 0.08), len(rows) * (height + below + 0.05) + (0.3 if title else 0))
    grid = figure.subplots(len(rows), k + 1, width_ratios=[0.85] + [width] * k, squeeze=False)
    for cells, (name, chosen, colour) in zip(grid, rows, strict=True):
        for axes in cells:
            axes.set_axis_off()
        cells[0].text(0.95, 0.5, name, ha="right", va="center", fontsize=FONT, transform=cells[0].transAxes)
        for axes, i in zip(cells[1:], chosen, strict=False):
            axes.set_axis_on()
            _draw(axes, items[i], width, height)
            axes.spines[:].set(color=colour, linewidth=2.6)
            notes = [f"{f[i]:+.2f}".replace("-", "−")]
            if texts is not None:
                notes.append(as_label(texts[i], int(width * LETTERS_PER_INCH), lines=2))
            axes.set_xlabel("\n".join(notes), fontsize=FONT, labelpad=3)
    if title:
        figure.suptitle(as_label(title), fontsize=11, fontweight="bold")
    return figure


@styled
def output_histogram(outputs: Mapping[str, Any], *, bins: int = 41, scale: float = 1.0) -> Figure:
    """Real outputs before the sign, one panel per method, with what the sign changes: the quantisation gap.

    Each panel names the gap, the mean squared distance of the outputs from their own sign times ``scale``, and the
    share of outputs within a tenth of ``scale`` of zero, whose bits a little noise turns. The most extreme half per
    cent of the outputs are drawn in the outermost bars.

    Args:
        outputs: Name -> real outputs of any shape, for example ``method.image_outputs(features)``.
        bins: Of the histogram.
        scale: What a bit is worth: outputs are compared with -scale and +scale.

    Raises:
        InvalidInput: No outputs, or values that are not finite.
    """
    if not isinstance(outputs, Mapping) or not outputs:
        raise InvalidInput("Pass at least one named array of outputs, for example {'tanh': method.image_outputs(x)}.")
    if not scale > 0:
        raise InvalidInput(f"scale must be above 0, but it is {scale}.")
    check_positive(bins, "bins")
    values = {name: np.asarray(value, dtype=np.float64).ravel() for name, value in outputs.items()}
    for name, x in values.items():
        if not x.size or not np.isfinite(x).all():
            raise InvalidInput(f"The outputs {name!r} must be finite numbers, at least one.")
    columns = min(3, len(values))
    lines = -(-len(values) // columns)
    figure = new_figure(3.3 * columns, 2.7 * lines)
    panels = np.atleast_1d(figure.subplots(lines, columns)).ravel()
    for axes in panels[len(values) :]:
        axes.set_axis_off()
    for axes, (name, x) in zip(panels, values.items(), strict=False):
        _panel(axes, x, bins, scale)
        axes.set_title(as_label(name))
    return figure


def _panel(axes: Axes, x: Any, bins: int, scale: float) -> None:
    """One histogram, as wide as nearly all outputs and both targets need."""
    reach = max(float(np.quantile(np.abs(x), 0.995)), scale)
    edges = np.linspace(-reach, reach, bins + 1)
    share = np.histogram(np.clip(x, -reach, reach), edges)[0] / x.size
    axes.bar((edges[:-1] + edges[1:]) / 2, 100 * share, width=np.diff(edges), color=COLOURS[0], linewidth=0)
    for target in (-scale, scale):
        axes.axvline(target, color=COLOURS[4], linestyle="--", linewidth=1.5)
    axes.axvline(0, color="black", linewidth=1)
    gap = np.mean((x - np.where(x > 0, scale, -scale)) ** 2)
    near = 100 * np.mean(np.abs(x) < 0.1 * scale)
    told = f"gap to ±{scale:g}: {gap:.2f}\nwithin {0.1 * scale:g} of 0: {near:.0f} %"
    axes.text(0.5, 0.97, told, transform=axes.transAxes, ha="center", va="top", fontsize=FONT, bbox=BOX)
    axes.set(xlabel="output before the sign", ylabel="outputs (%)")
    axes.set_ylim(0, 135 * share.max())


def bits_curve(
    tables: Mapping[str, Any], names: Sequence[str] | None = None, *, metric: str = "MAP", direction: str = "mean"
) -> Figure:
    """A metric in percent against the number of bits, with a band of one deviation over the seeds.

    Args:
        tables: Data set -> :class:`xmr_lib.evaluation.bits.BitsComparison`, all with the same lengths.
        names: The methods; default: all.
        metric, direction: As in its ``curves``.

    Raises:
        InvalidInput: No tables.
    """
    if not tables:
        raise InvalidInput("Pass at least one table, for example {'scenes': compare_bits(...)}.")
    lines, several = {}, len(tables) > 1
    for data, table in tables.items():
        for name, (mean, deviation) in table.curves(direction, metric).items():
            if names is None or name in names:
                series = 100 * mean if deviation is None else (100 * mean, 100 * deviation)
                lines[f"{name}, {data}" if several else name] = series
    where = "" if several else f" on {next(iter(tables))}"
    chance = None if several else 100 * next(iter(tables.values())).chance(direction, metric)
    bits = next(iter(tables.values())).bits
    return curve(bits, lines, xlabel="bits", ylabel=f"{metric}{where}, {direction} (%)", log=True, chance=chance)


@styled
def bits_panels(curves: Mapping[str, Series], bits: Sequence[int], *, chance: Mapping[str, float]) -> Figure:
    """MAP over the number of bits, one panel per direction, many methods: all lines differ by their marker.

    Args:
        curves: Direction -> name -> (mean, deviation) or mean, fractions, one per length, as of
            :meth:`xmr_lib.evaluation.bits.BitsComparison.curves`.
        bits: The lengths.
        chance: Direction -> what a random ranking scores.

    Raises:
        InvalidInput: No curves, or a curve without one number per length.
    """
    if not curves or not all(curves.values()):
        raise InvalidInput("Pass at least one direction with one named curve.")
    figure = new_figure(4.2 * len(curves) + 1.4, 4.4)
    panels = np.atleast_1d(figure.subplots(1, len(curves), sharey=True))
    for axes, (direction, lines) in zip(panels, curves.items(), strict=True):
        for index, (name, value) in enumerate(lines.items()):
            mean = np.asarray(value[0] if isinstance(value, tuple) else value, dtype=np.float64)
            if mean.shape != (len(bits),):
                raise InvalidInput(f"{name!r} needs one number for each of {list(bits)} bits.")
            look = {"color": COLOURS[index % 7], "linestyle": ("-", "--")[index // 7 % 2]}
            axes.plot(bits, 100 * mean, marker="os^Dv<>pP*Xhd"[index % 13], markersize=6, label=name, **look)
        axes.axhline(100 * chance[direction], color="black", linestyle=":", linewidth=1)
        axes.set(title=direction, xlabel="bits", xticks=list(bits))
    panels[0].set_ylabel("MAP, %")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=FONT)
    return figure


@styled
def proxy_histogram(cosines: Mapping[str, Any], own: Any, *, margins: Mapping[str, float]) -> Figure:
    """Cosines of items with the proxies of their own classes and of all others, one panel per method.

    Args:
        cosines: Name -> (n, c) cosines. own: (n, c) bool, the labels of the items. margins: Name -> drawn as a line.

    Raises:
        InvalidInput: A matrix that has not the shape of ``own``.
    """
    mask = np.asarray(own, dtype=bool)
    figure = new_figure(4.2 * len(cosines), 3.0)
    panels = np.atleast_1d(figure.subplots(1, len(cosines), sharey=True))
    for axes, (name, values) in zip(panels, cosines.items(), strict=True):
        c = np.asarray(values, dtype=np.float64)
        if c.shape != mask.shape:
            raise InvalidInput(f"The cosines {name!r} must have the shape of own, {mask.shape}, but it is {c.shape}.")
        edges = np.linspace(-1, 1, 41)
        axes.hist(c[mask], edges, density=True, color=COLOURS[1], alpha=0.7, label="own classes")
        axes.hist(c[~mask], edges, density=True, histtype="step", color=COLOURS[0], linewidth=2, label="others")
        axes.axvline(margins[name], color="black", linestyle=":", label="margin")
        axes.set(title=as_label(name), xlabel="cosine of item and proxy", xticks=[-1, -0.5, 0, 0.5, 1])
    panels[0].set_ylabel("density")
    panels[-1].legend(fontsize=FONT)
    return figure


@styled
def class_cosines(vectors: Mapping[str, Any], names: Sequence[str]) -> Figure:
    """Cosines of the vectors of classes with each other, one panel per method, on one scale from -1 to 1.

    Args:
        vectors: Name -> (c, d) vectors. names: c classes.

    Raises:
        InvalidInput: Not one vector per class.
    """
    figure = new_figure(0.6 + 0.44 * (len(names) + 2) * len(vectors), 0.44 * len(names) + 0.6)
    panels = np.atleast_1d(figure.subplots(1, len(vectors)))
    for axes, (name, rows) in zip(panels, vectors.items(), strict=True):
        check_same_length(vectors=rows, names=names)
        unit = np.asarray(rows) / np.linalg.norm(rows, axis=1, keepdims=True)
        drawn = axes.imshow(unit @ unit.T, cmap="cividis", vmin=-1, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set_title(as_label(name))
    figure.colorbar(drawn, ax=list(panels), label="cosine")
    return figure
