"""The numbers the papers report, each with where it stands and how sure we are that it stands there.

The comparison tables of the lessons print from ``published.csv``, so that a number is written down once.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.evaluation.names import metric as metric_named
from xmr_lib.evaluation.tables import Table

DIRECTIONS = ("i2t", "t2i", "average")

# Evidence levels, strongest first.
EVIDENCE = {
    "paper": "read in the paper itself",
    "readme": "read in the authors' repository",
    "cited": "read in a table of another paper",
    "recalled+rerun": "written down from memory; a re-run on the published data agrees as the note says",
    "recalled": "written down from memory, not checked: do not quote",
}


@dataclass(frozen=True)
class Row:
    """One published number.

    Attributes:
        system: Name of the method ("SCM").
        dataset: As in :func:`xmr_lib.data.load_dataset` where it exists there.
        split: Which features were compared, where papers use several, and what was queried ("VGG features, test 462").
        metric: Name of the metric ("MAP").
        direction: "i2t" (image query), "t2i" (text query) or "average".
        value: A fraction, 0..1.
        source: Where the number stands.
        evidence: A key of :data:`EVIDENCE`.
        note: What a re-run gave, or what to beware of.
    """

    system: str
    dataset: str
    split: str
    metric: str
    direction: str
    value: float
    source: str
    evidence: str
    note: str


@lru_cache(maxsize=1)
def _rows() -> tuple[Row, ...]:
    text = files("xmr_lib").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(
        Row(**{**line, "value": float(line["value"])})  # type: ignore[arg-type]
        for line in csv.DictReader(text.splitlines())
    )


def published(system: str | None = None, dataset: str | None = None) -> list[Row]:
    """Published numbers, all of them or those of one system or data set, in the order of ``published.csv``.

    Args:
        system: Keep only this system.
        dataset: Keep only this data set.

    Returns:
        The rows; empty when the system was not measured on the data set.

    Raises:
        UnknownName: No row has such a system or data set; the message lists the choices.

    Example:
        >>> [row.value for row in published("SCM", "wikipedia")]
        [0.277, 0.226, 0.252]
    """
    rows = _rows()
    if system is not None:
        check_choice(system, {row.system for row in rows}, "system with published numbers")
    if dataset is not None:
        check_choice(dataset, {row.dataset for row in rows}, "data set with published numbers")
    return [row for row in rows if system in (None, row.system) and dataset in (None, row.dataset)]


def paper_table(
    dataset: str, measured: Mapping[str, Mapping[str, float]], metric: str = "MAP", split: str | None = None
) -> Table:
    """What the papers report beside what we measured, one row per method.

    Papers use the name of one data set for several splits and kinds of features, and a difference between two of them
    says nothing about a method. So one table compares on one split, and ``split="all"`` sets what every split gave
    side by side, without a difference.

    Args:
        dataset: As in ``published.csv``.
        measured: Method -> direction -> a fraction; ``"i2t"`` and ``"t2i"`` are needed, their average is taken here.
        metric: Name of the metric, as in ``published.csv``.
        split: What was queried, as in ``published.csv``, or "all". Default: the split on which most of the measured
            methods have a published number.

    Returns:
        A table with the columns method, paper (image query, text query, average, evidence), measured (the same three)
        and the difference of the averages, measured minus paper; for "all", one row per method and published split, and
        the split in place of the difference. What a paper does not report is "-".

    Raises:
        UnknownName: No number is published for this data set, metric or split.
        InvalidInput: Nothing is measured, or a method lacks a direction.

    Example:
        >>> paper_table("wikipedia", {"SCM": {"i2t": 0.27, "t2i": 0.22}}).rows[0]
        ['SCM', '27.7', '22.6', '25.2', 'recalled+rerun', '27.0', '22.0', '24.5', '-0.7']
    """
    rows = published(dataset=dataset)
    check_choice(metric, {row.metric for row in rows}, f"metric with published numbers on {dataset}")
    rows = [row for row in rows if row.metric == metric]
    splits = list(dict.fromkeys(row.split for row in rows))
    if not measured:
        raise InvalidInput("There is nothing to compare. Pass for example {'CCA': {'i2t': 0.25, 't2i': 0.20}}.")
    for method, values in measured.items():
        if missing := {"i2t", "t2i"} - set(values):
            raise InvalidInput(f"The measured values of {method!r} lack {' and '.join(sorted(missing))}.")
    if split is None:
        known = {(row.split, row.system) for row in rows if row.system in measured}
        split = max(splits, key=lambda name: sum(where == name for where, _ in known))  # ties: the first of the file
    check_choice(split, [*splits, "all"], "split with published numbers")
    paper: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        if split in ("all", row.split):
            paper.setdefault((row.system, row.split), {})[row.direction] = row
    show = metric_named(metric).text
    lines = []
    for method, values in measured.items():
        ours = {**values, "average": (values["i2t"] + values["t2i"]) / 2}
        for where in [name for name in splits if (method, name) in paper] or ["-"]:
            theirs = paper.get((method, where), {})
            average = theirs.get("average")
            difference = "-" if average is None else f"{100 * (ours['average'] - average.value):+.1f}"
            lines.append(
                [
                    method,
                    *(show(theirs[direction].value) if direction in theirs else "-" for direction in DIRECTIONS),
                    next((row.evidence for row in theirs.values()), "-"),
                    *(show(ours[direction]) for direction in DIRECTIONS),
                    where if split == "all" else difference,
                ]
            )
    words = {row.evidence for (system, _), found in paper.items() if system in measured for row in found.values()}
    notes = ["Percent. i2t: image query, t2i: text query."]
    if split == "all":
        notes += ["Features and test pairs of a paper are those of its last column: compare rows of one split only."]
    else:
        notes[0] = notes[0][:-1] + "; difference: of the averages, measured minus paper."
    notes += [f"{word}: {meaning}." for word, meaning in EVIDENCE.items() if word in words]
    last = "the paper's features and split" if split == "all" else "difference"
    header = ["", "paper i2t", "t2i", "average", "evidence", "measured i2t", "t2i", "average", last]
    title = f"{metric} on {dataset}" + ("" if split == "all" else f", {split}")
    return Table(header, lines, title, notes)
