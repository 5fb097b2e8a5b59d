"""Many methods in one table, best first, the best of every column marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.evaluation.names import metric
from xmr_lib.evaluation.report import Report, Summary
from xmr_lib.evaluation.tables import html_table, text_table

Row = Report | Summary


@dataclass(frozen=True)
class Leaderboard:
    """Reports (or summaries over seeds) as rows, metrics as columns.

    Attributes:
        rows: In the order shown.
        columns: Metric names, each the mean of both directions, or one direction as in ``"i2t R@1"``.
    """

    rows: tuple[Row, ...]
    columns: tuple[str, ...]

    def sort(self, column: str) -> Leaderboard:
        """The same table, best first by another column."""
        check_choice(column, self.columns, "column of this leaderboard")
        direction, name = _split(column)
        sign = 1.0 if metric(name).is_rank else -1.0
        return replace(self, rows=tuple(sorted(self.rows, key=lambda row: sign * row.value(name, direction))))

    def to_dict(self) -> list[dict[str, Any]]:
        """One plain dict per row: method, data, seconds and the columns."""
        return [
            {"method": row.method, "data": row.data, "seconds": row.seconds["similarity"]}
            | {column: row.value(*_split(column)[::-1]) for column in self.columns}
            for row in self.rows
        ]

    def _table(self) -> tuple[list[str], list[list[str]], str, list[str]]:
        one_data_set = len({row.data for row in self.rows}) == 1
        cells = [[row.method if one_data_set else f"{row.method} on {row.data}"] for row in self.rows]
        for column in self.columns:
            direction, name = _split(column)
            values = [row.value(name, direction) for row in self.rows]
            best = metric(name).text(min(values) if metric(name).is_rank else max(values))
            for line, row, value in zip(cells, self.rows, values, strict=True):
                mark = " *" if metric(name).text(value) == best else "  "  # equal at the digits shown: both are best
                line.append(row.text(name, direction) + mark)
        for line, row in zip(cells, self.rows, strict=True):
            line.append(f"{row.seconds['similarity']:.2f}")
        if one_data_set:
            cells.append(["chance", *(self._chance(column) + "  " for column in self.columns), ""])
        directions = [column for column in self.columns if " " not in column]
        notes = ["* best in its column. Percent; MedR and MeanR are ranks, smaller is better; s: scoring all pairs."]
        notes += ["Means of both directions." if directions else ""]
        title = f"Leaderboard on {self.rows[0].data}" if one_data_set else "Leaderboard"
        return ["", *(f"{column}  " for column in self.columns), "s"], cells, title, [note for note in notes if note]

    def _chance(self, column: str) -> str:
        direction, name = _split(column)
        chance = self.rows[0].chance
        of = ("i2t", "t2i") if direction == "mean" else (direction,)
        return metric(name).text(sum(chance[d][name] for d in of) / len(of))

    def __str__(self) -> str:
        return text_table(*self._table())

    def _repr_html_(self) -> str:
        header, rows, title, notes = self._table()
        return html_table([cell.strip() for cell in header], [[c.strip() for c in row] for row in rows], title, notes)


def leaderboard(reports: Sequence[Row], metrics: Sequence[str] | None = None, sort: str | None = None) -> Leaderboard:
    """Compare methods.

    Args:
        reports: From :func:`evaluate`, or summaries from :func:`mean_and_deviation`.
        metrics: The columns: ``"R@1"`` (mean of both directions), ``"i2t MAP"``, ``"t2i R@10"``, ... Default: every
            metric that all reports have, as mean of both directions.
        sort: The column to sort by. Default: the first.

    Returns:
        A table, best first; ``print`` it, or leave it as the last line of a notebook cell.

    Raises:
        InvalidInput: No reports, or no metric that all of them have.
        UnknownName: A report lacks one of the metrics asked for.
    """
    rows = tuple(reports)
    if not rows:
        raise InvalidInput("A leaderboard needs at least one report. Make one with evaluate(method, data).")
    if metrics is None:
        known = [list(row.i2t) if isinstance(row, Report) else list(row.average["mean"]) for row in rows]
        metrics = [name for name in known[0] if all(name in names for names in known)]
    if not metrics:
        raise InvalidInput("These reports have no metric in common. Evaluate all methods with the same metrics.")
    for column in metrics:
        direction, name = _split(column)
        for row in rows:
            row.value(name, direction)
    return Leaderboard(rows, tuple(metrics)).sort(sort or metrics[0])


def _split(column: str) -> tuple[str, str]:
    """ "i2t R@1" -> ("i2t", "R@1"), "R@1" -> ("mean", "R@1")."""
    direction, _, name = column.rpartition(" ")
    return direction or "mean", name
