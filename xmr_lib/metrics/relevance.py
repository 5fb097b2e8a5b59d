"""Which database item is right for which query: bool matrices (queries, database items).

Two kinds are in use. *Instance* relevance asks for the very partner (the caption written for this picture); R@K and
the median rank use it. *Category* relevance asks for any item that shares a label; MAP tables use it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput


def relevance_from_labels(query_labels: Any, database_labels: Any = None) -> NDArray[np.bool_]:
    """Relevant = at least one label in common.

    Args:
        query_labels: (q,) class numbers, or (q, c) multi-hot.
        database_labels: (n,) or (n, c) of the same kind. Default: the queries' labels (each item has a partner in
            the other modality, as in the Wikipedia and Pascal protocols).

    Returns:
        (q, n) bool.

    Raises:
        InvalidInput: The two sides are not of the same kind.

    Example:
        >>> relevance_from_labels([0, 1], [1, 1, 0]).astype(int)
        array([[0, 0, 1],
               [1, 1, 0]])
    """
    query, database = _both_sides(query_labels, database_labels)
    if query.ndim == 1:
        return query[:, None] == database[None, :]
    return shared_labels(query, database) > 0


def shared_labels(query_labels: Any, database_labels: Any = None) -> NDArray[np.float32]:
    """Graded relevance: how many labels query and item have in common. The usual gain of NDCG in hashing papers.

    Args:
        query_labels: (q, c) multi-hot (or (q,) class numbers, which share one label or none).
        database_labels: (n, c) or (n,). Default: the queries' labels.

    Returns:
        (q, n) float32 counts.

    Example:
        >>> shared_labels([[1, 1, 0]], [[1, 1, 1], [0, 1, 0], [0, 0, 1]])
        array([[2., 1., 0.]], dtype=float32)
    """
    query, database = _both_sides(query_labels, database_labels)
    if query.ndim == 1:
        return (query[:, None] == database[None, :]).astype(np.float32)
    return query.astype(np.float32) @ database.astype(np.float32).T


def label_cosine_relevance(query_labels: Any, database_labels: Any = None, threshold: float = 0.4) -> NDArray[np.bool_]:
    """A strict relevance: relevant = the cosine of the two label rows reaches the threshold.

    The cosine of multi-hot rows is (shared labels) / sqrt(labels of the query * labels of the item): one label in
    common says less about two items with many labels than about two with one each. For training,
    :func:`xmr_lib.nn.graded_relevance.label_cosine` gives the cosines themselves.

    Args:
        query_labels: (q, c) multi-hot (or (q,) class numbers).
        database_labels: (n, c) or (n,). Default: the queries' labels.
        threshold: Above 0, at most 1; 1 asks for the same labels.

    Returns:
        (q, n) bool. Items without labels are relevant to nothing.

    Raises:
        InvalidInput: The two sides are not of the same kind, or the threshold is out of range.

    Example:
        >>> label_cosine_relevance([[1, 1, 0]], [[1, 1, 1], [0, 1, 0], [0, 1, 1]], threshold=0.6)
        array([[ True,  True, False]])
    """
    if not 0 < threshold <= 1:
        raise InvalidInput(f"The threshold is a cosine, above 0 and at most 1, but it is {threshold}.")
    query, database = _both_sides(query_labels, database_labels)
    shared = shared_labels(query, database).astype(np.float64)
    if query.ndim == 1:
        return shared > 0
    sizes = query.sum(axis=1)[:, None] * database.sum(axis=1)[None, :].astype(np.float64)  # (q, n)
    reached: NDArray[np.bool_] = shared >= threshold * np.sqrt(sizes) - 1e-9  # equality counts, however it is rounded
    return reached & (shared > 0)


def relevance_from_captions(caption_image: Any, instances: Any = None) -> NDArray[np.bool_]:
    """Relevant = the caption was written for the image, or for another image of the same instance.

    Args:
        caption_image: (m,) the image index of each caption. COCO has 25,014 captions for 5,000 images, so arithmetic
            such as ``5 * i`` does not find them; this map does.
        instances: (n,) what each image shows; default: every image its own, n = the largest index + 1.

    Returns:
        (n, m) bool, images as queries. The transpose serves text queries.

    Example:
        >>> relevance_from_captions([0, 0, 1]).astype(int)
        array([[1, 1, 0],
               [0, 0, 1]])
    """
    captions = _indices(caption_image, None, "caption_image")
    things = np.arange(captions.max(initial=-1) + 1) if instances is None else np.asarray(instances)
    _indices(captions, len(things), "caption_image")
    return things[:, None] == things[captions][None, :]


def relevance_from_pairs(queries: Any, items: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Relevant = listed. For ground truths that come as pairs (ECCV Caption, CxC, TREC files).

    Args:
        queries: (p,) query index of each right pair.
        items: (p,) database index of each right pair.
        shape: (q, n) numbers of queries and of database items.

    Returns:
        (q, n) bool.

    Example:
        >>> relevance_from_pairs([0, 1, 1], [2, 0, 1], shape=(2, 3)).astype(int)
        array([[0, 0, 1],
               [1, 1, 0]])
    """
    rows, columns = _indices(queries, shape[0], "queries"), _indices(items, shape[1], "items")
    if len(rows) != len(columns):
        raise InvalidInput(f"Every pair needs a query and an item, but there are {len(rows)} and {len(columns)}.")
    relevance = np.zeros(shape, dtype=bool)
    relevance[rows, columns] = True
    return relevance


def _both_sides(query_labels: Any, database_labels: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels of both sides as arrays of one kind."""
    query = np.asarray(query_labels)
    database = query if database_labels is None else np.asarray(database_labels)
    if query.ndim not in (1, 2) or query.ndim != database.ndim or query.shape[1:] != database.shape[1:]:
        raise InvalidInput(
            "Both sides need labels of one kind, class numbers (rows,) or multi-hot (rows, classes), but the shapes "
            f"are {query.shape} and {database.shape}."
        )
    return query, database


def _indices(values: Any, size: int | None, what: str) -> NDArray[np.int64]:
    """A vector of indices counted from 0 (below ``size`` if that is known)."""
    index = np.asarray(values)
    if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
        raise InvalidInput(f"{what} must be a vector of whole numbers, but it has shape {index.shape}, {index.dtype}.")
    if index.size and (index.min() < 0 or (size is not None and index.max() >= size)):
        most = "upwards" if size is None else f"to {size - 1}"
        raise InvalidInput(f"{what} must count from 0 {most}, but it holds {index.min()} to {index.max()}.")
    return index.astype(np.int64)
