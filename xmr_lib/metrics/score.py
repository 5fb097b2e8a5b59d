"""What a metric returns: a float that remembers the queries behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput, check_choice

EMPTY = ("skip", "zero")


class Score(float):
    """The mean of one metric over the queries; use it like any float.

    Attributes:
        per_query: (q,) the value of every query. A query without any relevant item holds NaN if it was skipped, 0 if
            it was counted as zero. Useful for finding the queries a model fails on.
        answerable: (q,) bool, the queries that have a relevant item.

    Example:
        >>> score = average(np.array([1.0, 0.5, 0.0]), np.array([True, True, False]), empty="skip")
        >>> score, score.empty, score.take([0])
        (0.75, 1, 1.0)
    """

    per_query: NDArray[np.float64]
    answerable: NDArray[np.bool_]
    _reduce: Callable[[NDArray[Any]], Any]

    def __new__(
        cls,
        value: float,
        per_query: Any = (),
        answerable: Any = (),
        reduce: Callable[[NDArray[Any]], Any] = np.mean,
    ) -> Self:
        score = super().__new__(cls, value)
        score.per_query = np.asarray(per_query, dtype=np.float64)
        score.answerable = np.asarray(answerable, dtype=bool)
        score._reduce = reduce
        return score

    @property
    def empty(self) -> int:
        """How many queries have no relevant item at all."""
        return int((~self.answerable).sum())

    def take(self, queries: Any) -> Score:
        """The same metric over some of the queries, for example those of one class. NaN if none of them counts.

        Args:
            queries: Indices (they may repeat) or a bool mask.
        """
        values, answerable = self.per_query[queries], self.answerable[queries]
        kept = values[~np.isnan(values)]
        value = float(self._reduce(kept)) if len(kept) else float("nan")
        return type(self)(value, values, answerable, self._reduce)


def average(
    values: NDArray[Any],
    has_relevant: NDArray[np.bool_],
    empty: str,
    reduce: Callable[[NDArray[Any]], Any] = np.mean,
) -> Score:
    """Reduce one value per query to a :class:`Score`.

    Queries without any relevant item have no average precision, no rank, nothing to find. Code behind published
    tables differs: some leave them out (``"skip"``), some count them as 0 (``"zero"``), which lowers every number.

    Args:
        values: (q,) one value per query; what stands at empty queries is not read.
        has_relevant: (q,) bool.
        empty: ``"skip"`` or ``"zero"``.
        reduce: Mean by default; the median rank passes ``np.median``.

    Raises:
        UnknownName: ``empty`` is neither of the two.
        InvalidInput: No query has a relevant item.
    """
    check_choice(empty, EMPTY, "treatment of empty queries")
    if not has_relevant.any():
        raise InvalidInput(
            f"None of the {len(values)} queries has a relevant item, so there is nothing to average. "
            "Check that rows of the relevance matrix are queries and columns are database items."
        )
    per_query = np.where(has_relevant, values, 0.0 if empty == "zero" else np.nan).astype(np.float64)
    kept = per_query if empty == "zero" else per_query[has_relevant]
    return Score(float(reduce(kept)), per_query, has_relevant, reduce)
