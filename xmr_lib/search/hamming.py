"""Exact search by Hamming distance: the k nearest codes, all codes inside a ball, or the whole ranking.

Nothing here sorts by comparison. A code of K bits has K + 1 distances only, so a ranking is a counting sort, and the
k-th smallest distance is read off a histogram. The database is walked through in blocks that stay in the cache; once a
query has k candidates, an item of a later block counts only if it is strictly nearer than the k-th of them.

Equal distances: the smaller database index comes first, always. Which of many equally distant items an index library
returns depends on the library; a metric computed from such a list depends on it as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.metrics.hamming import (
    BLOCK,
    block_of_distances,
    check_packed,
    code_words,
    distance_type,
    hamming_distance,
)

ROWS = 16  # queries of one step: with a block of the database half a megabyte of distances
FIRST_BLOCK = 2**11  # small: all of it are candidates
SMALL = 2**16  # up to here ranking all of a database costs about as little as looking for its best
RANKED_AT_ONCE = 2**22  # cells of a distance matrix that are ranked at once


class Found(NamedTuple):
    """The answer to every query, nearest first.

    Attributes:
        distances: (q, k) Hamming distances, uint8 (uint16 for codes of 256 bits and more).
        indices: (q, k) int64 rows of the database.
    """

    distances: NDArray[Any]
    indices: NDArray[np.int64]


class Ball(NamedTuple):
    """What lies inside the ball of every query, nearest first.

    Attributes:
        distances: q vectors of distances; their lengths differ, and many are empty.
        indices: q vectors of rows of the database.
    """

    distances: list[NDArray[Any]]
    indices: list[NDArray[np.int64]]


def hamming_search(query_codes: Any, database_codes: Any, k: int) -> Found:
    """The k nearest database codes of every query, exactly.

    Args:
        query_codes: (q, bytes) uint8 from :func:`xmr_lib.metrics.pack_codes`.
        database_codes: (n, bytes) uint8.
        k: 1..n.

    Raises:
        InvalidInput: Codes are not packed or not equally long, or k is not in 1..n.

    Example: two items at distance 1; the one stored first comes first.
        >>> from xmr_lib.metrics import pack_codes
        >>> items = pack_codes([[1, 1, 1, 1], [1, -1, -1, -1], [-1, -1, 1, -1], [-1, -1, -1, -1]])
        >>> hamming_search(pack_codes([[-1, -1, -1, -1]]), items, k=3).indices
        array([[3, 1, 2]])
    """
    queries, items = check_packed(query_codes, database_codes)
    n = len(items)
    if check_positive(k, "k") > n:
        raise InvalidInput(f"k is {k}, but the database has {n} codes. Ask for k of at most {n}.")
    if n <= max(SMALL, 32 * k) or not len(queries):
        return _ranked(queries, items, k)
    answers = []
    for size, distances, indices in _scan(queries, items, k, 8 * items.shape[1]):
        first = (np.cumsum(size) - size)[:, None] + np.arange(k)  # (rows, k) the best k candidates of every query
        answers.append((distances[first], indices[first]))
    return Found(*(np.concatenate(part) for part in zip(*answers, strict=True)))


def hamming_ranking(query_codes: Any, database_codes: Any) -> NDArray[np.int64]:
    """(q, n) the whole database for every query, nearest first: the indices of :func:`hamming_search` with k = n.

    numpy's stable sort of 8- and 16-bit numbers is a counting sort.

    Example:
        >>> from xmr_lib.metrics import pack_codes
        >>> hamming_ranking(pack_codes([[1, 1]]), pack_codes([[-1, -1], [-1, 1], [1, 1], [1, -1]]))
        array([[2, 1, 3, 0]])
    """
    return np.argsort(hamming_distance(query_codes, database_codes), axis=1, kind="stable")


def hamming_ball(query_codes: Any, database_codes: Any, radius: int) -> Ball:
    """All database codes that differ from a query in at most ``radius`` bits.

    Args:
        query_codes: (q, bytes) uint8. database_codes: (n, bytes) uint8.
        radius: 0 or more; papers look up radius 2.

    Raises:
        InvalidInput: Codes are not packed or not equally long, or the radius is negative.

    Example:
        >>> from xmr_lib.metrics import pack_codes
        >>> items = pack_codes([[1, 1, 1, 1], [1, -1, -1, -1], [-1, -1, 1, -1], [-1, -1, -1, -1]])
        >>> hamming_ball(pack_codes([[-1, -1, -1, -1]]), items, radius=1).indices
        [array([3, 1, 2])]
    """
    queries, items = check_packed(query_codes, database_codes)
    if isinstance(radius, bool) or int(radius) != radius or radius < 0:
        raise InvalidInput(f"The radius must be a whole number of at least 0, but it is {radius!r}. Papers use 2.")
    ball = Ball([], [])
    for size, distances, indices in _scan(queries, items, None, radius):
        ball.distances.extend(np.split(distances, np.cumsum(size)[:-1]))
        ball.indices.extend(np.split(indices, np.cumsum(size)[:-1]))
    return ball


def _ranked(queries: NDArray[np.uint8], items: NDArray[np.uint8], k: int) -> Found:
    """The first k of whole rankings, some queries at a time."""
    shape = len(queries), k
    found = Found(np.empty(shape, dtype=distance_type(items)), np.empty(shape, dtype=np.int64))
    step = max(1, RANKED_AT_ONCE // len(items))
    for start in range(0, len(queries), step):
        distance = hamming_distance(queries[start : start + step], items)
        order = np.argsort(distance, axis=1, kind="stable")[:, :k]
        found.indices[start : start + step] = order
        found.distances[start : start + step] = np.take_along_axis(distance, order, axis=1)
    return found


def _scan(
    queries: NDArray[np.uint8], items: NDArray[np.uint8], k: int | None, radius: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]]:
    """For some queries at a time the items within ``radius``, query after query, each list by distance, then index.

    With k a query's limit sinks to the distance of its k-th candidate as soon as it has k.

    Yields:
        (rows,) how many items each query has; their distances and indices, one after the other.
    """
    query_words, item_words = code_words(queries), code_words(items)
    levels, first = 8 * items.shape[1] + 1, BLOCK if k is None else max(FIRST_BLOCK, 2 * k)
    for start in range(0, len(queries), ROWS):
        words = query_words[:, start : start + ROWS]
        rows = words.shape[1]
        limit = np.full((rows, 1), min(radius + 1, levels), dtype=np.int16)
        count = np.zeros((rows, levels), dtype=np.int64)
        candidates: list[tuple[NDArray[Any], NDArray[np.int64]]] = []
        for low, high in pairwise([0, *range(first, len(items), BLOCK), len(items)]):
            distance = np.empty((rows, high - low), dtype=distance_type(items))
            block_of_distances(words, item_words[:, low:high], distance)
            row, column = np.divmod(_true_cells(distance < limit.astype(distance.dtype)), high - low)
            key = row * levels + distance[row, column]  # by query, then by distance
            candidates.append((key.astype(np.uint16) if rows * levels < 2**16 else key, column + low))
            if k is not None:
                count += np.bincount(key, minlength=count.size).reshape(count.shape)
                covers = (np.cumsum(count, axis=1) < k).sum(axis=1)  # the smallest distance with k candidates
                limit[:, 0] = np.minimum(limit[:, 0], covers)
        keys, places = (np.concatenate(part) for part in zip(*candidates, strict=True))
        order = np.argsort(keys, kind="stable")  # equal keys stay in the order of the database
        row, distances = np.divmod(keys[order].astype(np.int64), levels)
        yield np.bincount(row, minlength=rows), distances.astype(distance_type(items)), places[order]


def _true_cells(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Flat indices of the true cells, fast where few are: eight cells are passed over at a time."""
    if mask.size % 8:
        return np.flatnonzero(mask)
    flat = mask.ravel()
    eight = np.flatnonzero(flat.view(np.uint64) != 0)  # a search among bools is the fast one
    cells = (8 * eight[:, None] + np.arange(8)).ravel()
    return cells[flat[cells]]
