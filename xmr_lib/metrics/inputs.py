"""Checks every metric makes on its two matrices, and the walk over them in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput

CELLS_AT_ONCE = 2**22  # entries of the similarity matrix that one vectorised step may touch


def check_similarity(similarity: Any) -> NDArray[Any]:
    """The similarity as a matrix of real numbers without NaN. Shape (q, n): one row per query."""
    matrix = np.asarray(similarity)
    if matrix.ndim != 2 or matrix.size == 0:
        raise InvalidInput(
            f"The similarity must be a matrix (queries, database items), but its shape is {matrix.shape}. "
            "For a single query pass similarity[None, :]."
        )
    if matrix.dtype.kind not in "fiub":
        raise InvalidInput(f"The similarity must hold real numbers, but its type is {matrix.dtype}.")
    if matrix.dtype.kind == "b":
        return matrix.astype(np.int8)
    if matrix.dtype == np.float16:
        return matrix.astype(np.float32)
    if matrix.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            lowest = matrix.min()  # the minimum of anything with a NaN in it is NaN
        if np.isnan(lowest):
            rows = int(np.isnan(matrix).any(axis=1).sum())
            raise InvalidInput(
                f"{rows} of the {len(matrix)} rows of the similarity hold NaN, and NaN cannot be ranked. "
                "Look for an embedding of length zero that was divided by its norm."
            )
    return matrix


def check_same_shape(matrix: NDArray[Any], shape: tuple[int, ...], what: str) -> NDArray[Any]:
    """Refuse a relevance (or gain) matrix that does not fit the similarity."""
    if matrix.shape != shape:
        turned = " It looks transposed." if matrix.shape == shape[::-1] else ""
        raise InvalidInput(
            f"The {what} must have the shape of the similarity, {shape}, but it is {matrix.shape}.{turned} "
            "Rows are queries, columns are database items; for text queries pass similarity.T and relevance.T."
        )
    return matrix


def check_relevance(relevance: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The relevance as a bool matrix of the given shape; numbers above zero count as relevant."""
    matrix = check_same_shape(np.asarray(relevance), shape, "relevance")
    return matrix if matrix.dtype == bool else matrix > 0


def row_chunks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of rows that hold at most ``CELLS_AT_ONCE`` entries (but at least one row)."""
    rows, columns = shape
    step = max(1, CELLS_AT_ONCE // columns)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
