"""Several methods, several seeds, one table: the form of every ablation in the course."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from xmr_lib.data.base import Splits
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.evaluation.evaluate import evaluate
from xmr_lib.evaluation.report import DIRECTIONS, Report, Summary, mean_and_deviation
from xmr_lib.evaluation.tables import html_table, text_table
from xmr_lib.progress import progress


@dataclass(frozen=True)
class Comparison:
    """Fitted methods and their reports, by name and seed.

    Attributes:
        data: What was measured, for titles.
        seeds: As given.
        fitted: Name -> one fitted method per seed.
        reports: Name -> one :class:`Report` per seed; ``seconds["fit"]`` is the time of ``fit``.
    """

    data: str
    seeds: tuple[int, ...]
    fitted: Mapping[str, Sequence[Any]]
    reports: Mapping[str, Sequence[Report]]

    def values(self, name: str, metric: str = "MAP", direction: str = "mean") -> np.ndarray:
        """(seeds,) one number per seed."""
        check_choice(name, self.reports, "method in this comparison")
        return np.array([report.value(metric, direction) for report in self.reports[name]])

    def summary(self, name: str) -> Summary:
        """Mean and standard deviation over the seeds (at least two)."""
        check_choice(name, self.reports, "method in this comparison")
        return mean_and_deviation(self.reports[name])

    def measured(self, metric: str = "MAP") -> dict[str, dict[str, float]]:
        """Name -> direction -> mean over the seeds: what ``published.paper_table`` takes."""
        return {n: {d: float(self.values(n, metric, d).mean()) for d in ("i2t", "t2i")} for n in self.reports}

    def rows(self, metric: str = "MAP") -> list[list[str]]:
        """One row per method: name, i2t, t2i, mean (mean ± deviation, percent), seconds of one fit."""
        lines = []
        for name, reports in self.reports.items():
            cells = []
            for direction in DIRECTIONS:
                x = 100 * self.values(name, metric, direction)
                cells.append(f"{x.mean():.1f}" + (f" ± {x.std(ddof=1):.1f}" if len(x) > 1 else ""))
            lines.append([name, *cells, f"{np.mean([r.seconds['fit'] for r in reports]):.1f}"])
        return lines

    def _table(self) -> tuple[list[str], list[list[str]], str, list[str]]:
        first = next(iter(self.reports.values()))[0]
        chance = ["chance", *(f"{100 * first.chance[d]['MAP']:.1f}" for d in ("i2t", "t2i")), "", ""]
        runs = ", ".join(map(str, self.seeds))
        notes = [f"Percent; mean ± standard deviation over seeds {runs}. s: seconds of one fit."]
        return ["", *DIRECTIONS, "s"], [*self.rows(), chance], f"MAP on {self.data}", notes

    def __str__(self) -> str:
        return text_table(*self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())


def compare(
    methods: Mapping[str, Any],
    splits: Callable[[int], Splits],
    seeds: Sequence[int],
    *,
    metrics: Sequence[str] = ("MAP",),
) -> Comparison:
    """Fit every method once per seed and measure it on the test pairs of that seed.

    Args:
        methods: Name -> an unfitted method. For each seed a copy is made, with that seed where the method takes one.
        splits: Seed -> training, validation and test pairs, for example
            ``lambda seed: supervised_splits("wikipedia", seed)``. Methods choose on validation, never on test.
        seeds: One run each.
        metrics: As in :func:`evaluate`; ``"MAP"`` must be among them for the table.

    Raises:
        InvalidInput: No methods or no seeds.
    """
    if not methods or not len(seeds):
        raise InvalidInput("Give at least one method and one seed, for example {'CCA': CCA()} and seeds=[0, 1, 2].")
    fitted: dict[str, list[Any]] = {name: [] for name in methods}
    reports: dict[str, list[Report]] = {name: [] for name in methods}
    with progress(total=len(methods) * len(seeds), desc="fits") as bar:
        for seed in seeds:
            pairs = splits(seed)
            for name, method in methods.items():
                copy = method.clone(seed=seed) if "seed" in method.get_params() else method.clone()
                start = perf_counter()
                copy.fit(pairs.train, pairs.validation)
                seconds = perf_counter() - start
                report = evaluate(copy, pairs.test, name=name, metrics=metrics)
                fitted[name].append(copy)
                reports[name].append(replace(report, seconds={**report.seconds, "fit": seconds}))
                bar.update()
    return Comparison(pairs.test.name, tuple(seeds), fitted, reports)
