"""Metrics by name, as they stand in tables: ``R@5``, ``MedR``, ``MAP@50/min``, ``NDCG@10``, ...

One direction of retrieval (image queries or text queries) is a :class:`Direction`; a :class:`Metric` scores it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.metrics import (
    DENOMINATORS,
    FirstHits,
    Score,
    first_hits,
    hamming_radius_precision,
    map_at_k,
    map_at_r,
    mean_average_precision,
    ndcg_at_k,
    precision_at_k,
    r_precision,
)
from xmr_lib.metrics.chance import constant_similarity, stand_ins

FORMS = "R@5, MedR, MeanR, MAP, MAP@50/min, MAP@R, R-Precision, P@10, NDCG@10, P@H<=2"


@dataclass(frozen=True)
class Direction:
    """What one direction of retrieval is scored on.

    Attributes:
        similarity: (q, n), one row per query.
        partner: (q, n) bool, instance relevance: this very item.
        shared: (q, n) number of shared labels, category relevance in degrees; None without labels.
    """

    similarity: NDArray[Any]
    partner: NDArray[np.bool_]
    shared: NDArray[Any] | None

    @cached_property
    def hits(self) -> FirstHits:
        """The best partner of each query, counted once for all cut-offs."""
        return first_hits(self.similarity, self.partner)

    @cached_property
    def category(self) -> NDArray[np.bool_]:
        """(q, n) bool: at least one shared label."""
        if self.shared is None:
            raise InvalidInput("These data have no labels, so only R@K, MedR and MeanR can be measured.")
        return self.shared > 0

    def transposed(self, similarity: NDArray[Any] | None = None) -> Direction:
        """The other direction: queries become the database. ``similarity``: (n, q), where it is not the transposed."""
        turned = [None if x is None else np.ascontiguousarray(x.T) for x in (self.partner, self.shared)]
        scores = self.similarity.T if similarity is None else similarity
        return Direction(np.ascontiguousarray(scores), *turned)  # type: ignore[arg-type]

    def at_random(self) -> tuple[Direction, NDArray[np.int64]]:
        """The same task for a model that cannot tell items apart, and the row that stands for each query.

        The metrics give exact chance levels on it: ``metric.score(task).take(rows)``.
        """
        given = [self.partner] if self.shared is None else [self.partner, self.shared]
        rows, alike = stand_ins(*given)
        return Direction(constant_similarity(rows[0].shape), rows[0], rows[1] if len(rows) > 1 else None), alike


@dataclass(frozen=True)
class Metric:
    """A metric under its table name.

    Attributes:
        name: As in tables.
        score: Direction -> Score.
        needs_labels: It uses category relevance.
        is_rank: Smaller is better, and the number is a rank, not a share.
    """

    name: str
    score: Callable[[Direction], Score]
    needs_labels: bool = True
    is_rank: bool = False

    def text(self, value: float) -> str:
        """The value as tables print it: a rank as it is, a share in percent."""
        return f"{value:.1f}" if self.is_rank else f"{100 * value:.1f}"


def metric(name: str) -> Metric:
    """Look up a metric by its table name.

    Raises:
        UnknownName: Not one of the known forms, or a MAP with cut-off that does not name its denominator.

    Example:
        >>> metric("R@5").needs_labels, metric("MedR").is_rank
        (False, True)
    """
    plain = {
        "MedR": Metric(name, lambda d: d.hits.median_rank(), needs_labels=False, is_rank=True),
        "MeanR": Metric(name, lambda d: d.hits.mean_rank(), needs_labels=False, is_rank=True),
        "MAP": Metric(name, lambda d: mean_average_precision(d.similarity, d.category)),
        "MAP@R": Metric(name, lambda d: map_at_r(d.similarity, d.category)),
        "R-Precision": Metric(name, lambda d: r_precision(d.similarity, d.category)),
    }
    if name in plain:
        return plain[name]
    if ball := re.fullmatch(r"P@H<=(\d+)", name):
        radius = int(ball[1])
        return Metric(name, lambda d: hamming_radius_precision(_distances(d), d.category, radius))
    form = re.fullmatch(r"(R|P|NDCG|MAP)@([1-9]\d*)(?:/(\w+))?", name)
    family, k, denominator = (form[1], int(form[2]), form[3]) if form else ("", 0, None)
    if family == "MAP" and denominator in DENOMINATORS:
        return Metric(name, lambda d: map_at_k(d.similarity, d.category, k, denominator=str(denominator)))
    if family == "MAP":
        raise UnknownName(
            f"{name!r} must name its denominator, because papers mean four different numbers by MAP@k. "
            f"Write one of {', '.join(f'MAP@{k}/{known}' for known in DENOMINATORS)}."
        )
    if family == "R" and denominator is None:
        return Metric(name, lambda d: d.hits.recall_at(k), needs_labels=False)
    if family == "P" and denominator is None:
        return Metric(name, lambda d: precision_at_k(d.similarity, d.category, k))
    if family == "NDCG" and denominator is None:
        return Metric(name, lambda d: ndcg_at_k(d.similarity, d.shared, k))
    raise UnknownName(f"There is no metric named {name!r}. The forms are {FORMS}, with any cut-off of at least 1.")


def _distances(direction: Direction) -> NDArray[Any]:
    """Hamming distances from a similarity that is minus the distance."""
    if direction.similarity.dtype.kind not in "iu":
        raise InvalidInput(
            "P@H<=r looks inside a Hamming ball, so it needs binary codes: a similarity of whole numbers, minus the "
            f"Hamming distance. This one is {direction.similarity.dtype}."
        )
    return np.negative(direction.similarity)
