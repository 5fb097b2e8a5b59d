"""The numbers the papers report, each with where it stands and how sure we are that it stands there.

The comparison tables of the lessons print from ``published.csv``, so that a number is written down once.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from xmr_lib.errors import check_choice

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
        split: What was queried ("test 693").
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
