"""Hashing methods at several code lengths over several seeds: the table of the papers, and its curves.

Built on :func:`xmr_lib.evaluation.compare`: one fit per method, length and seed. With ``fit=stored_fit`` every fit is
stored, so a table can grow over many runs; parts that were measured apart are put together with ``a | b``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput, UnknownName, check_choice
from xmr_lib.evaluation.compare import Fit, compare
from xmr_lib.evaluation.hashing import measure_codes
from xmr_lib.evaluation.report import DIRECTIONS, Report
from xmr_lib.evaluation.tables import Table
from xmr_lib.methods.hashing.base import HashingMethod

Cell = tuple[str, int]  # method, bits
Recipe = HashingMethod | Callable[[int], HashingMethod]


@dataclass(frozen=True, repr=False)
class BitsComparison:
    """Fitted hashing methods and their reports, by name and number of bits.

    Attributes:
        data: What was measured, for titles.
        seeds, bits: As given.
        metric: What the table shows.
        fitted: (name, bits) -> one fitted method per seed.
        reports: (name, bits) -> one report per seed; ``seconds["fit"]`` is the time of the fit.
    """

    data: str
    seeds: tuple[int, ...]
    bits: tuple[int, ...]
    metric: str
    fitted: Mapping[Cell, Sequence[Any]]
    reports: Mapping[Cell, Sequence[Report]]

    @property
    def names(self) -> list[str]:
        """The methods, in the order of the table."""
        return list(dict.fromkeys(name for name, _ in self.reports))

    def values(self, name: str, bits: int, metric: str | None = None, direction: str = "mean") -> NDArray[np.float64]:
        """(seeds,) one number per seed. Default metric: that of the table.

        Raises:
            UnknownName: No such method, length, metric or direction here.
        """
        check_choice(name, self.names, "method in this comparison")
        if (name, bits) not in self.reports:
            raise UnknownName(f"{name} was not measured with {bits} bits here; the lengths are {list(self.bits)}.")
        return np.array([report.value(metric or self.metric, direction) for report in self.reports[name, bits]])

    def chance(self, direction: str = "i2t", metric: str | None = None) -> float:
        """What a random ranking scores, mean over the seeds: about the label density, see ``hashing.density``."""
        check_choice(direction, DIRECTIONS, "direction")
        sides = ("i2t", "t2i") if direction == "mean" else (direction,)
        reports = next(iter(self.reports.values()))  # the queries and the database are the same for all
        return float(np.mean([report.chance[side][metric or self.metric] for report in reports for side in sides]))

    def curves(self, direction: str = "mean", metric: str | None = None) -> dict[str, Any]:
        """Name -> (mean, deviation) at every length: what :func:`xmr_lib.plots.curve` draws over ``bits``.

        With one seed the deviation is None. Methods that were not measured at all lengths are left out.
        """
        lines = {}
        for name in self.names:
            if all((name, b) in self.reports for b in self.bits):
                cells = [self.values(name, b, metric, direction) for b in self.bits]
                mean = np.array([x.mean() for x in cells])
                lines[name] = (mean, np.array([x.std(ddof=1) for x in cells]) if len(self.seeds) > 1 else None)
        return lines

    def seconds(self, name: str) -> float:
        """Seconds of one fit, mean over lengths and seeds."""
        times = [report.seconds["fit"] for (n, _), reports in self.reports.items() if n == name for report in reports]
        return float(np.mean(times))

    def table(self, metric: str | None = None) -> Table:
        """Rows: methods and chance. Columns: i2t and t2i at every length (percent), seconds of one fit."""
        metric = metric or self.metric
        columns = [(direction, b) for direction in ("i2t", "t2i") for b in self.bits]
        rows = []
        for name in self.names:
            cells = [self._cell(name, b, metric, direction) for direction, b in columns]
            rows.append([name, *cells, f"{self.seconds(name):.1f}"])
        rows.append(["chance", *(f"{100 * self.chance(direction, metric):.1f}" for direction, _ in columns), ""])
        runs = ", ".join(map(str, self.seeds))
        spread = f"mean ± standard deviation over seeds {runs}" if len(self.seeds) > 1 else f"seed {runs}"
        notes = [f"Percent; {spread}. s: seconds of one fit, mean over lengths and seeds."]
        header = ["", *(f"{direction} {b}" for direction, b in columns), "s"]
        return Table(header, rows, f"{metric} on {self.data}, by number of bits", notes)

    def _cell(self, name: str, bits: int, metric: str, direction: str) -> str:
        if (name, bits) not in self.reports:
            return "–"
        x = 100 * self.values(name, bits, metric, direction)
        return f"{x.mean():.1f}" + (f" ± {x.std(ddof=1):.1f}" if len(x) > 1 else "")

    def __or__(self, other: BitsComparison) -> BitsComparison:
        """Both in one table; where both have a cell, the right one counts.

        Raises:
            InvalidInput: They were not measured on the same data with the same seeds and first metric.
        """
        ours, theirs = (self.data, self.seeds, self.metric), (other.data, other.seeds, other.metric)
        if ours != theirs:
            raise InvalidInput(f"These cannot share a table: {ours} and {theirs} (data, seeds, metric).")
        bits = tuple(sorted({*self.bits, *other.bits}))
        fitted, reports = {**self.fitted, **other.fitted}, {**self.reports, **other.reports}
        return BitsComparison(self.data, self.seeds, bits, self.metric, fitted, reports)

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def compare_bits(
    methods: Mapping[str, Recipe],
    splits: Callable[[int], Any],
    seeds: Sequence[int],
    *,
    bits: Sequence[int] = (16, 32, 64),
    protocol: str = "strict",
    metrics: Sequence[str] = ("MAP",),
    jobs: int = 1,
    fit: Fit | None = None,
) -> BitsComparison:
    """Fit every method once per length and seed, and measure its codes.

    Args:
        methods: Name -> an unfitted method (copied as ``method.clone(bits=b)``), or a function of the number of bits
            that makes one, where a preset depends on it: ``lambda bits: DCMH(bits, **DCMH.preset("course"))``.
        splits: Seed -> data in their roles: ``lambda seed: hashing_splits("scenes", seed=seed)``.
        seeds: One run each.
        bits: Lengths of the codes.
        protocol, metrics: As in :func:`xmr_lib.evaluation.hashing.evaluate_hashing`; the table shows the first metric.
        jobs, fit: As in :func:`compare`. Default fit: ``method.fit(train, validation)``, which may choose an epoch on
            validation; ``fit=stored_fit`` trains all epochs, and loads what was trained before.

    Raises:
        InvalidInput: No methods, lengths or seeds, one of them twice, or the protocol needs codes that a method lacks.
    """
    lengths = tuple(int(b) for b in bits)
    if not lengths or len(set(lengths)) < len(lengths):
        raise InvalidInput(f"bits must name at least one length, each once, such as (16, 32, 64), but it is {bits}.")
    cells = {f"{name}, {b} bits": (name, b) for name in methods for b in lengths}
    unfitted = {label: _with_bits(methods[name], b) for label, (name, b) in cells.items()}
    measure = measure_codes(protocol)
    found = compare(unfitted, splits, seeds, metrics=metrics, jobs=jobs, fit=fit, measure=measure)
    return BitsComparison(
        found.data,
        found.seeds,
        lengths,
        found.metric,
        {cell: found.fitted[label] for label, cell in cells.items()},
        {cell: found.reports[label] for label, cell in cells.items()},
    )


def _with_bits(recipe: Recipe, bits: int) -> HashingMethod:
    return recipe.clone(bits=bits) if isinstance(recipe, HashingMethod) else recipe(bits)
