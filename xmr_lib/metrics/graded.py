"""NDCG: relevance in degrees, and a discount for every rank further down."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput, check_choice, check_positive
from xmr_lib.metrics.inputs import check_same_shape, check_similarity, row_chunks
from xmr_lib.metrics.score import Score, average
from xmr_lib.metrics.ties import TIES, TieGroups, per_query

GAINS = ("exponential", "linear")


def ndcg(gains: Any, k: int | None = None, gain: str = "exponential") -> float:
    """NDCG@k of one ranking: its discounted gain as a share of the best order's.

    DCG@k = sum_{i <= k} (2^{g_i} - 1) / log2(i + 1),    NDCG@k = DCG@k / DCG@k of the gains sorted downwards

    Args:
        gains: (n,) grades g_i >= 0 of the whole database in rank order: 0/1, or the number of shared labels.
        k: The cut-off; default: the whole list.
        gain: ``"exponential"`` as above, or ``"linear"``: g_i instead of 2^{g_i} - 1 (scikit-learn). The same for 0/1.

    Returns:
        0..1; 0 when all gains are 0.

    Example:
        >>> round(ndcg([2, 0, 1, 0, 1]), 6)
        0.940915
    """
    values = _gain_values(np.asarray(gains), gain)
    k = len(values) if k is None else check_positive(k, "k")
    best = np.sort(values)[::-1]
    weights = discounts(min(k, len(values)))
    ideal = float(best[:k] @ weights)
    return float(values[:k] @ weights) / ideal if ideal else 0.0


def ndcg_at_k(
    similarity: Any,
    gains: Any,
    k: int,
    *,
    gain: str = "exponential",
    ties: str = "expected",
    empty: str = "skip",
) -> Score:
    """NDCG@k averaged over the queries; tied items share the discounts of their ranks equally.

    Args:
        similarity: (q, n) real scores, larger = more alike.
        gains: (q, n) grades >= 0: a bool relevance, or :func:`xmr_lib.metrics.shared_labels`.
        k: The cut-off.
        gain: ``"exponential"`` or ``"linear"``, see :func:`ndcg`.
        ties: See :mod:`xmr_lib.metrics.ties`.
        empty: Queries whose gains are all 0: ``"skip"`` or ``"zero"``.

    Returns:
        A float in 0..1 with ``.per_query`` and ``.empty``.

    Raises:
        InvalidInput: k is not positive, shapes differ, a gain is negative, or all gains are 0.

    Source: Järvelin and Kekäläinen, ACM TOIS 2002; the exponential gain is that of Burges et al., ICML 2005.
    """
    check_positive(k, "k")
    check_choice(ties, TIES, "tie rule")
    similarity = check_similarity(similarity)
    gains = check_same_shape(np.asarray(gains), similarity.shape, "gains")
    k = min(k, similarity.shape[1])
    weights = discounts(k)
    paid = np.concatenate(([0.0], np.cumsum(weights)))  # sum of the discounts of the first i ranks

    def on_groups(groups: TieGroups, _: int) -> float:
        start, stop = np.minimum(groups.before, k), np.minimum(groups.before + groups.size, k)
        return float((groups.relevant / groups.size * (paid[stop] - paid[start])).sum())

    dcg, ideal = np.zeros(len(gains)), np.zeros(len(gains))
    for rows in row_chunks(gains.shape):
        values = _gain_values(gains[rows], gain)
        best = np.sort(values, axis=1)[:, ::-1]
        ideal[rows] = best[:, :k] @ weights
        dcg[rows] = per_query(similarity[rows], values, ties, k, lambda ranked, _: float(ranked @ weights), on_groups)
    return average(dcg / np.where(ideal > 0, ideal, 1.0), ideal > 0, empty)


def discounts(k: int) -> NDArray[np.float64]:
    """1 / log2(i + 1) for the ranks i = 1 .. k."""
    return 1.0 / np.log2(np.arange(2, k + 2))


def _gain_values(gains: NDArray[Any], gain: str) -> NDArray[Any]:
    """What an item of each grade is worth."""
    check_choice(gain, GAINS, "gain")
    if gains.dtype == bool:
        return gains
    if gains.size and not gains.min() >= 0:
        raise InvalidInput(f"Gains must be 0 or more, but the smallest is {gains.min()}. Use 0 for irrelevant items.")
    return np.exp2(gains.astype(np.float64)) - 1.0 if gain == "exponential" else gains.astype(np.float64)
