"""One ranking, many numbers: the MAPs in use for hashing, and what the step from real outputs to bits costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.evaluation.hashing import density, hashing_database, hashing_task
from xmr_lib.evaluation.tables import Table
from xmr_lib.methods.hashing.base import HashingMethod, binary_codes
from xmr_lib.metrics import (
    DENOMINATORS,
    average_precision_at_k,
    map_at_k,
    mean_average_precision,
    shared_labels,
)
from xmr_lib.metrics.ties import ranked_gains

TIE_RULES = {"expected": "expected", "index": "stored order", "optimistic": "best", "pessimistic": "worst"}
CUTOFFS = (50, 500, 5000)


@dataclass(frozen=True, repr=False)
class Numbers:
    """Named numbers in rows and columns, fractions 0..1; printed as a table in percent.

    Attributes:
        rows: Row -> column -> value; every row has the same columns.
        title, notes: Above and below the table.
    """

    rows: Mapping[str, Mapping[str, float]]
    title: str
    notes: tuple[str, ...] = ()

    def value(self, row: str, column: str) -> float:
        """One number."""
        return self.rows[check_choice(row, self.rows, "row")][check_choice(column, self.rows[row], "column")]

    def span(self, start: str = "") -> tuple[float, float]:
        """The smallest and the largest number of the columns whose name starts with ``start``, for example "i2t"."""
        chosen = [x for columns in self.rows.values() for name, x in columns.items() if name.startswith(start)]
        if not chosen:
            raise InvalidInput(f"No column starts with {start!r}; they are {list(next(iter(self.rows.values())))}.")
        return min(chosen), max(chosen)

    def table(self, start: str = "") -> Table:
        """The numbers in percent; only the columns whose name starts with ``start``, such as "i2t"."""
        self.span(start)
        columns = [name for name in next(iter(self.rows.values())) if name.startswith(start)]
        rows = [[name, *(f"{100 * values[column]:.1f}" for column in columns)] for name, values in self.rows.items()]
        return Table(["", *columns], rows, self.title, self.notes)

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def every_map(
    method: HashingMethod, splits: HashingSplits, *, protocol: str = "strict", cutoffs: Sequence[int] = CUTOFFS
) -> Numbers:
    """The same codes, the same queries, the same database, under every MAP that papers call MAP.

    Args:
        method: Fitted on ``splits.train``.
        splits, protocol: As in :func:`xmr_lib.evaluation.hashing.evaluate_hashing`.
        cutoffs: Of MAP@k, each with the four denominators of :mod:`xmr_lib.metrics.cutoff`.

    Returns:
        Rows: "MAP" (over all), "MAP@50/min", ... Columns: "i2t expected", "i2t stored order", "i2t best", "i2t worst"
        and the same for t2i, four rules for equal distances. Stored order: the smaller database index first, which a
        stable sort gives; any other sort gives something between worst and best.
    """
    task = hashing_task(method, splits, protocol)
    relevance = task.shared > 0
    names = {"MAP": (relevance.shape[1], "min")}
    names |= {f"MAP@{k}/{denominator}": (k, denominator) for k in cutoffs for denominator in DENOMINATORS}
    rows: dict[str, dict[str, float]] = {name: {} for name in names}
    for direction, distances in task.distances.items():
        for rule, title in TIE_RULES.items():
            column = f"{direction} {title}"
            if rule == "expected":
                found = _expected(-distances, relevance, names)
            else:
                found = _by_rule(-distances, relevance, names, rule)
            for name, value in found.items():
                rows[name][column] = value
    title = f"One ranking by {method.name}, {method.bits} bits, on {splits.name} ({protocol}), under every MAP in use"
    notes = (
        f"Percent. {relevance.shape[0]} queries, {relevance.shape[1]} database items.",
        "Columns: what is done with equally distant items. Denominators: min(k, R); hits among the first k; R; "
        "first_relevant: the mean over the first min(k, R) relevant items wherever they are.",
    )
    return Numbers(rows, title, notes)


def _expected(similarity: NDArray[Any], relevance: NDArray[np.bool_], names: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(
            mean_average_precision(similarity, relevance)
            if name == "MAP"
            else map_at_k(similarity, relevance, k, denominator=denominator)
        )
        for name, (k, denominator) in names.items()
    }


def _by_rule(
    similarity: NDArray[Any], relevance: NDArray[np.bool_], names: Mapping[str, Any], rule: str
) -> dict[str, float]:
    """One sort per query serves all names."""
    values: dict[str, list[float]] = {name: [] for name in names}
    for i in np.flatnonzero(relevance.any(axis=1)):
        ranked = ranked_gains(similarity[i], relevance[i], rule)
        for name, (k, denominator) in names.items():
            values[name].append(average_precision_at_k(ranked, k, denominator))
    return {name: float(np.mean(each)) for name, each in values.items()}


def real_valued_map(method: HashingMethod, splits: HashingSplits, *, protocol: str = "strict") -> Numbers:
    """MAP of the bits beside MAP of the real outputs they are the signs of: what binarising costs.

    Returns:
        Rows: "codes" (Hamming distance), "outputs against codes" (the query keeps its real outputs, only the database
        is binary: <f(q), b>), "outputs, inner product", "outputs, cosine". Columns: "i2t", "t2i", "mean".

    Args:
        method: Fitted; its ``image_outputs`` and ``text_outputs`` are compared. The distance a method was trained with
            may be another one.
        splits: Queries and database with labels.
        protocol: ``"strict"``, ``"new items"`` or ``"training"``; codes that come from no output have no gap.
    """
    check_choice(protocol, ("strict", "new items", "training"), "protocol with real outputs")
    query, database = splits.query, hashing_database(splits, protocol)
    if query.labels is None or database.labels is None:
        raise InvalidInput("Hashing is measured by shared labels, but the queries or the database have none.")
    relevance = shared_labels(query.labels, database.labels) > 0
    sides = {
        "i2t": (method.image_outputs(query.image), method.text_outputs(database.text)),
        "t2i": (method.text_outputs(query.text), method.image_outputs(database.image)),
    }
    rows: dict[str, dict[str, float]] = {}
    for direction, outputs in sides.items():
        f, g = (np.asarray(side, dtype=np.float64) for side in outputs)  # (q, bits), (n, bits)
        bits = binary_codes(g)
        similarities = {
            "codes": -method.distances(binary_codes(f), bits),
            "outputs against codes": f @ bits.T,
            "outputs, inner product": f @ g.T,
            "outputs, cosine": (_unit(f) @ _unit(g).T).round(12),  # equal angles stay equal
        }
        for name, similarity in similarities.items():
            rows.setdefault(name, {})[direction] = float(mean_average_precision(similarity, relevance))
    for values in rows.values():
        values["mean"] = (values["i2t"] + values["t2i"]) / 2
    guess = density(query.labels, database.labels)
    title = f"MAP of {method.name}, {method.bits} bits, before and after the sign, on {splits.name}"
    return Numbers(rows, title, (f"Percent. Label density: {100 * guess:.1f}.",))


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1; a row of zeros stays one."""
    unit: NDArray[np.float64] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit
