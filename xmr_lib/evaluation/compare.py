"""Several methods, several seeds, one table: the form of every ablation in the course."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from time import perf_counter
from typing import Any

import numpy as np

from xmr_lib.data.base import Splits
from xmr_lib.errors import InvalidInput, check_choice, check_positive
from xmr_lib.evaluation.evaluate import evaluate
from xmr_lib.evaluation.report import DIRECTIONS, Report, Summary, mean_and_deviation
from xmr_lib.evaluation.tables import html_table, text_table
from xmr_lib.progress import progress

Fit = Callable[[Any, Any, int], Any]
Measure = Callable[[Any, Any, str, Sequence[str]], Report]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Fitted methods and their reports, by name and seed.

    Attributes:
        data: What was measured, for titles.
        seeds: As given.
        metric: What the table shows.
        fitted: Name -> one fitted method per seed.
        reports: Name -> one :class:`Report` per seed; ``seconds["fit"]`` is the time of ``fit``.
    """

    data: str
    seeds: tuple[int, ...]
    metric: str
    fitted: Mapping[str, Sequence[Any]]
    reports: Mapping[str, Sequence[Report]]

    def values(self, name: str, metric: str | None = None, direction: str = "mean") -> np.ndarray:
        """(seeds,) one number per seed. Default metric: that of the table."""
        check_choice(name, self.reports, "method in this comparison")
        return np.array([report.value(metric or self.metric, direction) for report in self.reports[name]])

    def summary(self, name: str) -> Summary:
        """Mean and standard deviation over the seeds (at least two)."""
        check_choice(name, self.reports, "method in this comparison")
        return mean_and_deviation(self.reports[name])

    def measured(self, metric: str | None = None) -> dict[str, dict[str, float]]:
        """Name -> direction -> mean over the seeds: what ``published.paper_table`` takes."""
        return {n: {d: float(self.values(n, metric, d).mean()) for d in ("i2t", "t2i")} for n in self.reports}

    def rows(self, metric: str | None = None) -> list[list[str]]:
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
        some = next(iter(self.reports.values()))  # every method met the same test pairs
        guess = [f"{100 * np.mean([report.chance[d][self.metric] for report in some]):.1f}" for d in ("i2t", "t2i")]
        chance = ["chance", *guess, "", ""]
        runs = ", ".join(map(str, self.seeds))
        notes = [f"Percent; mean ± standard deviation over seeds {runs}. s: seconds of one fit."]
        return ["", *DIRECTIONS, "s"], [*self.rows(), chance], f"{self.metric} on {self.data}", notes

    def __str__(self) -> str:
        return text_table(*self._table())

    __repr__ = __str__  # stored beside the HTML in a notebook; the fitted methods would fill pages

    def _repr_html_(self) -> str:
        return html_table(*self._table())


def compare(
    methods: Mapping[str, Any],
    splits: Callable[[int], Any],
    seeds: Sequence[int],
    *,
    metrics: Sequence[str] = ("MAP",),
    jobs: int = 1,
    fit: Fit | None = None,
    measure: Measure | None = None,
) -> Comparison:
    """Fit every method once per seed and measure it on the test pairs of that seed.

    Args:
        methods: Name -> an unfitted method. For each seed a copy is made, with that seed where the method takes one.
        splits: Seed -> training, validation and test pairs, for example
            ``lambda seed: supervised_splits("wikipedia", seed)``. Methods choose on validation, never on test.
        seeds: One run each.
        metrics: As in :func:`evaluate`; the table shows the first.
        fit: ``fit(method, pairs, seed) -> fitted method``, for example :func:`xmr_lib.methods.stored.stored_fit`, which
            loads what was trained before. Default: ``method.fit(pairs.train, pairs.validation)``. With several jobs it
            must be a function of a module.
        measure: ``measure(fitted method, pairs, name, metrics) -> Report``, for example
            :func:`xmr_lib.evaluation.hashing.measure_codes`. Default: :func:`evaluate` on ``pairs.test``.
        jobs: How many fits run side by side, each in a process of its own with one thread. They compete for memory, so
            that one fit takes somewhat longer than alone. With more than one, a script must call this below
            ``if __name__ == "__main__":``.

    Raises:
        InvalidInput: No methods, no seeds, a seed twice, or no metric.
    """
    if not methods or not len(seeds):
        raise InvalidInput("Give at least one method and one seed, for example {'CCA': CCA()} and seeds=[0, 1, 2].")
    if len(set(seeds)) < len(seeds):
        raise InvalidInput(f"The seeds {list(seeds)} hold one twice, which would make the deviation too small.")
    if isinstance(metrics, str) or not metrics:
        raise InvalidInput(f"metrics must be a list with at least one name, such as ['R@1'], but it is {metrics!r}.")
    check_positive(jobs, "jobs")
    fitted: dict[str, list[Any]] = {name: [] for name in methods}
    reports: dict[str, list[Report]] = {name: [] for name in methods}
    pairs = {seed: splits(seed) for seed in seeds}
    how = (metrics, fit, measure or measure_on_test)
    tasks = [(name, method, pairs[seed], seed, *how) for seed in seeds for name, method in methods.items()]
    with progress(total=len(tasks), desc="fits") as bar:
        for name, copy, report in _all(tasks, jobs):
            fitted[name].append(copy)
            reports[name].append(report)
            bar.update()
    measured_on = next(iter(reports.values()))[-1].data
    return Comparison(measured_on, tuple(seeds), metrics[0], fitted, reports)


def measure_on_test(method: Any, pairs: Splits, name: str, metrics: Sequence[str]) -> Report:
    """How :func:`compare` measures by default."""
    return evaluate(method, pairs.test, name=name, metrics=metrics)


def _all(tasks: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[tuple[str, Any, Report]]:
    """The results of :func:`_one`, in the order of the tasks."""
    if jobs == 1:
        yield from (_one(*task) for task in tasks)
        return
    try:
        yield from _workers(jobs).map(_one, *zip(*tasks, strict=True))
    except BrokenProcessPool:
        _workers.cache_clear()
        raise


@lru_cache(maxsize=1)
def _workers(jobs: int) -> ProcessPoolExecutor:
    """Processes that stay for the next comparison: starting one, with its imports, takes longer than many a fit."""
    return ProcessPoolExecutor(jobs, get_context("spawn"), _prepare_worker)


def _prepare_worker() -> None:
    """As many busy threads as jobs, not jobs times cores; an interrupt is the notebook's affair."""
    import torch
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    threadpool_limits(1)


def _one(
    name: str, method: Any, pairs: Any, seed: int, metrics: Sequence[str], fit: Fit | None, measure: Measure
) -> tuple[str, Any, Report]:
    """Fit a copy of one method and measure it. A loaded fit counts the seconds of its training."""
    copy = method.clone(seed=seed) if "seed" in method.get_params() else method.clone()
    start = perf_counter()
    try:
        copy = copy.fit(pairs.train, pairs.validation) if fit is None else fit(copy, pairs, seed)
    except Exception as error:
        error.add_note(f"This happened in compare(): {name!r}, seed {seed}.")
        raise
    history = None if fit is None else getattr(copy, "history_", None)
    seconds = perf_counter() - start if history is None else history.seconds
    report = measure(copy, pairs, name, metrics)
    return name, copy, replace(report, seconds={**report.seconds, "fit": seconds})
