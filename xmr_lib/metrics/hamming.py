"""Metrics of binary codes, from histograms: a code of B bits has only B + 1 distances, so nothing is sorted.

For each query count how many items lie at each distance, and how many of those are relevant. MAP (exactly expected over
ties), precision inside a Hamming ball and the whole precision-recall curve follow from these two small tables.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput
from xmr_lib.metrics.inputs import check_relevance
from xmr_lib.metrics.score import Score, average
from xmr_lib.metrics.ties import TieGroups, expected_precision_sum


def pack_codes(codes: Any) -> NDArray[np.uint8]:
    """Store codes as bits, eight to a byte. A bit is 1 where the value is above 0; zero counts as -1.

    Args:
        codes: (n, bits) in {-1, +1}, {0, 1}, bool, or real values to be cut at 0.

    Returns:
        (n, ceil(bits / 8)) uint8; missing bits of the last byte are 0.

    Example:
        >>> pack_codes([[1, 1, -1, -1, -1, -1, -1, 1]])
        array([[193]], dtype=uint8)
    """
    values = np.asarray(codes)
    if values.ndim != 2 or values.size == 0:
        raise InvalidInput(f"Codes must be a matrix (items, bits), but their shape is {values.shape}.")
    return np.packbits(values > 0, axis=1)


def hamming_distance(query_codes: Any, database_codes: Any) -> NDArray[Any]:
    """Number of bits in which two packed codes differ, for every query and database item.

    For codes in {-1, +1} of K bits this is (K - <b, b'>) / 2, here computed as popcount(b xor b').

    Args:
        query_codes: (q, bytes) uint8 from :func:`pack_codes`.
        database_codes: (n, bytes) uint8.

    Returns:
        (q, n) uint8, or uint16 for codes of 256 bits and more.

    Example:
        >>> hamming_distance(pack_codes([[1, 1, -1, -1]]), pack_codes([[1, 1, -1, -1], [-1, 1, 1, -1]]))
        array([[0, 2]], dtype=uint8)
    """
    queries, items = check_packed(query_codes, database_codes)
    query_words, item_words = code_words(queries), code_words(items)
    distance = np.empty((len(queries), len(items)), dtype=distance_type(items))
    for start in range(0, len(items), BLOCK):
        block_of_distances(query_words, item_words[:, start : start + BLOCK], distance[:, start : start + BLOCK])
    return distance


BLOCK = 2**15  # database items whose codes stay in the cache while all queries pass


def check_packed(query_codes: Any, database_codes: Any) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both sides as uint8 matrices with equally many bytes per code, or :class:`InvalidInput`."""
    queries, items = np.asarray(query_codes), np.asarray(database_codes)
    for side in (queries, items):
        if side.dtype != np.uint8 or side.ndim != 2:
            raise InvalidInput(
                f"Packed codes are uint8 matrices, but one side is {side.dtype} of shape {side.shape}. "
                "Pack {-1, +1} codes with pack_codes first."
            )
    if queries.shape[1] != items.shape[1]:
        raise InvalidInput(f"The codes have {queries.shape[1]} and {items.shape[1]} bytes; they must be equally long.")
    return queries, items


def distance_type(codes: NDArray[np.uint8]) -> Any:
    """uint8 where it holds every distance of these packed codes, else uint16."""
    return np.uint8 if codes.shape[1] < 32 else np.uint16


def code_words(codes: NDArray[np.uint8]) -> NDArray[Any]:
    """The same bits in machine words: (n, bytes) -> (words, n), one word of 8, 16, 32 or 64 bits for a short code.

    Longer codes take several words of 64 bits; what is missing in the last one is filled up with zeros.
    """
    size = next((size for size in (1, 2, 4) if codes.shape[1] <= size), 8)
    padded = np.ascontiguousarray(np.pad(codes, ((0, 0), (0, -codes.shape[1] % size))))
    return np.ascontiguousarray(padded.view(f"u{size}").T)


def block_of_distances(query_words: NDArray[Any], item_words: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the distances between the columns of two :func:`code_words`, (words, q) and (words, n), into ``out``."""
    differ = np.empty(item_words.shape[1], dtype=item_words.dtype)
    for query, row in zip(query_words.T, out, strict=True):
        np.bitwise_count(np.bitwise_xor(query[0], item_words[0], out=differ), out=row)
        for a, b in zip(query[1:], item_words[1:], strict=True):
            row += np.bitwise_count(np.bitwise_xor(a, b, out=differ))


class Histograms(NamedTuple):
    """Items at each distance 0 .. D, two (q, D + 1) tables of counts."""

    all: NDArray[np.int64]
    relevant: NDArray[np.int64]


def distance_histograms(distances: Any, relevance: Any, levels: int | None = None) -> Histograms:
    """Count, for each query, the items and the relevant items at each distance.

    Args:
        distances: (q, n) whole numbers >= 0.
        relevance: (q, n) bool.
        levels: D + 1; default: one more than the largest distance.

    Example:
        >>> distance_histograms([[0, 1, 1, 2, 4]], [[1, 0, 1, 1, 0]]).relevant
        array([[1, 1, 1, 0, 0]])
    """
    distance = np.asarray(distances)
    if distance.ndim != 2 or distance.size == 0 or distance.dtype.kind not in "iu" or int(distance.min()) < 0:
        raise InvalidInput(
            f"Distances must be a matrix (queries, items) of whole numbers >= 0, but they are {distance.dtype} of "
            f"shape {distance.shape}. hamming_distance(query_codes, database_codes) gives them."
        )
    right = check_relevance(relevance, distance.shape)
    levels = int(distance.max()) + 1 if levels is None else levels
    table = np.empty((len(distance), levels, 2), dtype=np.int64)
    for i, (row, is_right) in enumerate(zip(distance, right, strict=True)):
        cell = (row.astype(np.intp) << 1) | is_right  # distance and relevance in one number
        table[i] = np.bincount(cell, minlength=2 * levels).reshape(levels, 2)
    return Histograms(table.sum(axis=2), table[:, :, 1].copy())


def average_precision_from_histograms(histograms: Histograms) -> NDArray[np.float64]:
    """Expected AP of every query over all orders of equally distant items; 0 where nothing is relevant. (q,)

    AP = 1/R sum_d r_d/n_d [ (R_d + 1 - (N_d + 1) a_d) (H_{N_d + n_d} - H_{N_d}) + a_d n_d ],  a_d = (r_d - 1)/(n_d - 1)

    with n_d items, r_d relevant, at distance d, and N_d, R_d of them nearer.

    Source: McSherry and Najork, ECIR 2008; as a training objective in He et al., "Hashing as tie-aware learning to
    rank", CVPR 2018.
    """
    size, relevant = histograms
    before, relevant_before = np.cumsum(size, axis=1) - size, np.cumsum(relevant, axis=1) - relevant
    total = relevant.sum(axis=1)
    summed = expected_precision_sum(TieGroups(size, relevant, before, relevant_before)).sum(axis=1)
    return summed / np.maximum(total, 1)


def hamming_map(distances: Any, relevance: Any, *, empty: str = "skip") -> Score:
    """MAP over all of a ranking by Hamming distance, exactly expected over ties.

    Args:
        distances: (q, n) whole numbers >= 0, from :func:`hamming_distance`.
        relevance: (q, n) bool.
        empty: Queries without a relevant item: ``"skip"`` or ``"zero"``.

    Returns:
        A float in 0..1 with ``.per_query`` and ``.empty``. Codes that are all equal score about the share of relevant
        items, whatever the order of the database.

    Example:
        >>> round(hamming_map([[0, 1, 1, 2, 4]], [[1, 0, 1, 1, 0]]), 6)
        0.861111
    """
    histograms = distance_histograms(distances, relevance)
    return average(average_precision_from_histograms(histograms), histograms.relevant.sum(axis=1) > 0, empty)


def hamming_radius_precision(distances: Any, relevance: Any, radius: int = 2, *, empty: str = "skip") -> Score:
    """P@H<=r: the precision among the items within Hamming radius r, as a hash-table look-up returns them.

    A query whose ball is empty counts 0. With 64 bits most balls of radius 2 are empty, so this number falls with the
    code length while MAP rises.

    Args:
        distances: (q, n) whole numbers >= 0.
        relevance: (q, n) bool.
        radius: r >= 0.
        empty: Queries without a relevant item in the whole database: ``"skip"`` or ``"zero"``.

    Example:
        >>> hamming_radius_precision([[0, 1, 1, 2, 4]], [[1, 0, 1, 1, 0]], radius=2)
        0.75
    """
    if isinstance(radius, bool) or int(radius) != radius or radius < 0:
        raise InvalidInput(f"The radius must be a whole number of at least 0, but it is {radius!r}. Papers use 2.")
    histograms = distance_histograms(distances, relevance)
    inside, hits = (table[:, : radius + 1].sum(axis=1) for table in histograms)
    return average(hits / np.maximum(inside, 1), histograms.relevant.sum(axis=1) > 0, empty)
