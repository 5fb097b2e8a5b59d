"""What lesson 11 asks of hashing methods: how binary outputs are, what the sign costs, who suffers from many labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.evaluation.compare import Comparison
from xmr_lib.evaluation.hashing import hashing_task
from xmr_lib.evaluation.tables import Table
from xmr_lib.methods.hashing.base import HashingMethod
from xmr_lib.methods.hashing.dchmt import DCHMT
from xmr_lib.metrics import mean_average_precision, shared_labels


def spread(values: Any) -> str:
    """Mean ± standard deviation over seeds, in percent; one value alone without a deviation.

    >>> spread([0.1, 0.2])
    '15.0 ± 7.1'
    """
    x = 100 * np.asarray(values, dtype=np.float64)
    return f"{x.mean():.1f}" + (f" ± {x.std(ddof=1):.1f}" if x.size > 1 else "")


def map_of_probabilities(method: DCHMT, splits: HashingSplits) -> float:
    """MAP of DCHMT before the sign: ranked by the Euclidean distance of u, mean of both directions.

    Args:
        method: Fitted. splits: Queries and database with labels.
    """
    query, database = splits.query, splits.database
    relevant = shared_labels(query.labels, database.labels) > 0
    i2t = method.real_similarity(query.image, database.text)
    t2i = method.real_similarity(database.image, query.text).T
    return float(np.mean([mean_average_precision(similarity, relevant) for similarity in (i2t, t2i)]))


def binarising(comparison: Comparison, splits: Callable[[int], HashingSplits]) -> Table:
    """How certain the bits of DCHMT's variants are, and what the sign costs in MAP.

    Args:
        comparison: Fitted variants of DCHMT, measured with ``measure_codes()``.
        splits: Seed -> data, as given to :func:`xmr_lib.evaluation.compare`.
    """
    rows = []
    for name, runs in comparison.fitted.items():
        data = [splits(seed) for seed in comparison.seeds]
        pairs = list(zip(runs, data, strict=True))
        certain = [np.mean(list(m.certainty(s.query.image, s.query.text).values())) for m, s in pairs]
        real = np.array([map_of_probabilities(m, s) for m, s in pairs])
        bits = comparison.values(name, "MAP", "mean")
        rows.append([name, spread(certain), spread(real), spread(bits), spread(real - bits)])
    notes = ["Percent, on the queries, mean of both directions. certainty: mean of max(p). cost: u minus bits."]
    return Table(["", "certainty", "MAP of u", "MAP of bits", "cost"], rows, "Before and after the sign", notes)


def map_by_labels(method: HashingMethod, splits: HashingSplits, counts: Sequence[int]) -> NDArray[np.float64]:
    """MAP of the queries with so many labels, mean of both directions.

    Args:
        method: Fitted. splits: Queries and database with labels. counts: Numbers of labels.

    Returns:
        (len(counts),) fractions.

    Raises:
        InvalidInput: No query has one of these numbers of labels.
    """
    task, labels = hashing_task(method, splits), np.asarray(splits.query.labels).sum(axis=1)
    if missing := [k for k in counts if not (labels == k).any()]:
        raise InvalidInput(f"No query has {missing[0]} labels; the numbers here are {np.unique(labels).tolist()}.")
    rows = [
        [mean_average_precision(-d[labels == k], task.shared[labels == k] > 0) for d in task.distances.values()]
        for k in counts
    ]
    return np.mean(np.array(rows, dtype=np.float64), axis=1)


def step_milliseconds(loss: Callable[[], Any], repeats: int = 3) -> float:
    """The fastest of a few forward and backward passes of a loss, in milliseconds.

    Args:
        loss: Makes a scalar tensor with a gradient. repeats: How often.
    """
    times = []
    for _ in range(check_positive(repeats, "repeats")):
        start = perf_counter()
        loss().backward()
        times.append(perf_counter() - start)
    return 1000 * min(times)
