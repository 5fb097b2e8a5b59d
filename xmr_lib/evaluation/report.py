"""The result of one evaluation (:class:`Report`) and of several runs of one method (:class:`Summary`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.evaluation.names import metric
from xmr_lib.evaluation.tables import html_table, text_table
from xmr_lib.metrics import Score

DIRECTIONS = ("i2t", "t2i", "mean")
Values = Mapping[str, float]


@dataclass(frozen=True)
class Report:
    """All metrics of one method on one data set, in both directions.

    Attributes:
        method, data: Names for tables.
        i2t: Metric name -> value for image queries. Fractions 0..1, ranks as ranks; every value is a
            :class:`xmr_lib.metrics.Score`, so ``report.i2t["R@1"].per_query`` tells which queries failed.
        t2i: The same for text queries.
        chance: Direction -> metric name -> expected value for a ranking at random.
        seconds: ``"similarity"`` (scoring all pairs) and ``"metrics"``.
        counts: ``"images"``, ``"captions"`` (hashing: ``"queries"``, ``"database"``), and the queries left out because
            nothing is relevant to them: ``"i2t empty"``, ``"t2i empty"``.
    """

    method: str
    data: str
    i2t: Mapping[str, Score]
    t2i: Mapping[str, Score]
    chance: Mapping[str, Values]
    seconds: Values
    counts: Mapping[str, int]

    @property
    def mean(self) -> dict[str, float]:
        """Metric name -> mean of the two directions."""
        return {name: (self.i2t[name] + self.t2i[name]) / 2 for name in self.i2t}

    def value(self, name: str, direction: str = "mean") -> float:
        """One number. Directions: ``"i2t"``, ``"t2i"``, ``"mean"``."""
        check_choice(direction, DIRECTIONS, "direction")
        check_choice(name, self.i2t, "metric in this report")
        return float(getattr(self, direction)[name])

    def text(self, name: str, direction: str = "mean") -> str:
        """One number as tables print it."""
        return metric(name).text(self.value(name, direction))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, strings and floats, ready for JSON (without the values of the single queries)."""
        return {
            "method": self.method,
            "data": self.data,
            "i2t": {name: float(value) for name, value in self.i2t.items()},
            "t2i": {name: float(value) for name, value in self.t2i.items()},
            "chance": {d: {name: float(value) for name, value in v.items()} for d, v in self.chance.items()},
            "seconds": dict(self.seconds),
            "counts": dict(self.counts),
        }

    def _table(self) -> tuple[list[str], list[list[str]], str, list[str]]:
        rows = []
        for name in self.i2t:
            guess = {direction: metric(name).text(self.chance[direction][name]) for direction in ("i2t", "t2i")}
            i2t, t2i, mean = (self.text(name, direction) for direction in DIRECTIONS)
            rows.append([name, i2t, guess["i2t"], t2i, guess["t2i"], mean])
        sizes = ", ".join(f"{count} {what}" for what, count in self.counts.items() if not what.endswith("empty"))
        title = f"{self.method} on {self.data}: {sizes}"
        notes = [
            f"Percent (MedR and MeanR: ranks, smaller is better). Similarity {self.seconds['similarity']:.2f} s, "
            f"metrics {self.seconds['metrics']:.2f} s."
        ]
        notes += [
            f"Left out: {self.counts[f'{key} empty']} {word} queries for which nothing in the database is relevant."
            for key, word in (("i2t", "image"), ("t2i", "text"))
            if self.counts[f"{key} empty"]
        ]
        return ["", "i2t", "chance", "t2i", "chance", "mean"], rows, title, notes

    def __str__(self) -> str:
        return text_table(*self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())


@dataclass(frozen=True)
class Summary:
    """Several runs of one method (other seeds, other splits): mean and standard deviation of every metric.

    Attributes:
        method, data: Names for tables.
        runs: How many reports went in.
        average: Direction (also ``"mean"``) -> metric name -> mean over the runs.
        deviation: The same for the sample standard deviation (divided by runs - 1).
        seconds: Mean times.
        chance: As in :class:`Report`, averaged.
    """

    method: str
    data: str
    runs: int
    average: Mapping[str, Values]
    deviation: Mapping[str, Values]
    seconds: Values
    chance: Mapping[str, Values]

    def value(self, name: str, direction: str = "mean") -> float:
        """The mean over the runs of one number."""
        check_choice(direction, DIRECTIONS, "direction")
        check_choice(name, self.average["mean"], "metric in this summary")
        return self.average[direction][name]

    def text(self, name: str, direction: str = "mean") -> str:
        """Mean and deviation as tables print them."""
        show = metric(name).text
        return f"{show(self.value(name, direction))} ± {show(self.deviation[direction][name])}"

    def _table(self) -> tuple[list[str], list[list[str]], str, list[str]]:
        rows = [[name, *(self.text(name, direction) for direction in DIRECTIONS)] for name in self.average["mean"]]
        title = f"{self.method} on {self.data}: mean ± standard deviation of {self.runs} runs"
        return ["", *DIRECTIONS], rows, title, ["Percent (MedR and MeanR: ranks, smaller is better)."]

    def __str__(self) -> str:
        return text_table(*self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())


def mean_and_deviation(reports: Sequence[Report]) -> Summary:
    """Summarise reports of one method over seeds or splits.

    Args:
        reports: At least two, with the same metrics.

    Raises:
        InvalidInput: Fewer than two reports, other methods, or other metrics.
    """
    if len(reports) < 2:
        raise InvalidInput(f"A deviation needs at least two runs, but there are {len(reports)}. Run more seeds.")
    first = reports[0]
    for report in reports:
        if report.method != first.method or list(report.i2t) != list(first.i2t):
            raise InvalidInput(
                f"All reports must be of one method with one list of metrics, but {first.method!r} and "
                f"{report.method!r} differ. To compare methods use leaderboard(reports)."
            )
    table = {d: {n: np.array([r.value(n, d) for r in reports]) for n in first.i2t} for d in DIRECTIONS}
    data = first.data if all(report.data == first.data for report in reports) else f"{first.data} and others"
    return Summary(
        method=first.method,
        data=data,
        runs=len(reports),
        average={d: {n: float(x.mean()) for n, x in values.items()} for d, values in table.items()},
        deviation={d: {n: float(x.std(ddof=1)) for n, x in values.items()} for d, values in table.items()},
        seconds={key: float(np.mean([report.seconds[key] for report in reports])) for key in first.seconds},
        chance={
            d: {n: float(np.mean([report.chance[d][n] for report in reports])) for n in first.i2t}
            for d in ("i2t", "t2i")
        },
    )
