"""Measuring hashing methods: which codes are ranked, and against which.

A hashing table means little without its protocol. They are named here, and printed:

``strict``     Image query codes against text database codes, and the reverse; each code is made from one modality by
               the hash function. This is cross-modal hashing.
``new items``  The same, with the training pairs taken out of the database.
``training``   The same, with only the training pairs as database: what ``unified`` must be compared with.
``unified``    The database is the training pairs with the codes that training found for them (CMFH, DCHUC). They may
               hold the labels of the database, and there are none for a new item.
``fused``      The database is coded from both modalities of each item (HMAH); the same codes answer both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.evaluation.compare import Measure
from xmr_lib.evaluation.evaluate import evaluate_directions, inputs_of
from xmr_lib.evaluation.names import Direction, metric
from xmr_lib.evaluation.report import Report
from xmr_lib.methods.hashing.base import Codes, HashingMethod
from xmr_lib.metrics import shared_labels

PROTOCOLS = ("strict", "new items", "training", "unified", "fused")

Relevance = Callable[[Any, Any], NDArray[Any]]


def evaluate_hashing(
    method: HashingMethod,
    splits: HashingSplits,
    *,
    protocol: str = "strict",
    metrics: Sequence[str] = ("MAP",),
    relevance: Relevance | None = None,
    name: str | None = None,
) -> Report:
    """Rank the database by Hamming distance for every query, in both directions.

    Args:
        method: Fitted on ``splits.train``.
        splits: Queries and database with labels; as features, or as pictures and sentences
            (:func:`xmr_lib.encoders.hashing_pictures.hashing_pictures`) for a method that reads those.
        protocol: One of :data:`PROTOCOLS`.
        metrics: ``"MAP"`` (over all, expected over ties), ``"MAP@50/hits"``, ``"P@H<=2"``, ... (see
            :func:`xmr_lib.evaluation.names.metric`). Instance metrics such as R@1 make no sense here: a query has no
            partner in the database.
        relevance: Query labels (q, c), database labels (n, c) -> (q, n) bool or degrees, for example
            ``partial(label_cosine_relevance, threshold=0.4)``. Default: the number of shared labels.
        name: What tables call it. Default: name and bits of the method, and the protocol unless it is strict.

    Raises:
        UnknownName: No such protocol or metric.
        InvalidInput: The method has no unified or fused codes, the data have no labels, or the database is empty.
    """
    wanted = [metric(each) for each in metrics]
    if instance := [each.name for each in wanted if not each.needs_labels]:
        raise InvalidInput(f"{', '.join(instance)} ask for the partner of a query, which is not in a hashing database.")
    start = perf_counter()
    task = hashing_task(method, splits, protocol, relevance)
    seconds = perf_counter() - start
    nobody = np.zeros(task.shared.shape, dtype=bool)
    own = f"{method.name} {method.bits}" + ("" if protocol == "strict" else f", {protocol}")
    data = splits.name if protocol == "strict" else f"{splits.name}, {protocol}"
    return evaluate_directions(
        {key: Direction(-distance, nobody, task.shared) for key, distance in task.distances.items()},
        wanted,
        name or own,
        data if relevance is None else f"{data}, given relevance",
        {"queries": len(task.shared), "database": task.shared.shape[1]},
        seconds,
    )


class HashingTask(NamedTuple):
    """What the metrics of hashing are computed from.

    Attributes:
        distances: ``"i2t"`` and ``"t2i"``: (q, n) int16 Hamming distances of queries and database items.
        shared: (q, n) uint16 number of shared labels, or the given relevance; the same for both directions.
    """

    distances: dict[str, NDArray[np.int16]]
    shared: NDArray[np.uint16]


def hashing_task(
    method: HashingMethod, splits: HashingSplits, protocol: str = "strict", relevance: Relevance | None = None
) -> HashingTask:
    """All Hamming distances of a protocol, in both directions; arguments and errors as in :func:`evaluate_hashing`."""
    database = hashing_database(splits, protocol)
    query = splits.query
    if query.labels is None or database.labels is None:
        raise InvalidInput("Hashing is measured by shared labels, but the queries or the database have none.")
    for part in (query, database):
        if not np.array_equal(part.caption_image, np.arange(part.n_images)):
            raise InvalidInput(
                f"Row i of both matrices must be one item, but in {part.name or 'these data'} the texts are not one "
                "per image in the order of the images. Take one caption per image, as hashing_splits does."
            )
    codes = _database_codes(method, database, protocol)
    images, texts = inputs_of(query)
    distances = {
        "i2t": method.distances(method.encode_image(images), codes["text"]),
        "t2i": method.distances(method.encode_text(texts), codes["image"]),
    }
    degrees = np.asarray((relevance or shared_labels)(query.labels, database.labels))
    if not np.array_equal(degrees, degrees.astype(np.uint16)):
        raise InvalidInput(
            "The relevance must be whole numbers, 0 or more, but it has others, which would be cut. Scale its degrees "
            "(10 * cosine, rounded), or compare them with a threshold."
        )
    return HashingTask(distances, degrees.astype(np.uint16))


def density(query_labels: Any, database_labels: Any) -> float:
    """The share of the database that is relevant to a query, on average: what a random ranking has for precision.

    MAP of a random ranking is a little more: with R of n items relevant its expectation is a + (1 - a) H_n / n,
    a = (R - 1) / (n - 1) and H_n = 1 + 1/2 + ... + 1/n. Reports print it as "chance".

    Args:
        query_labels: (q, c) multi-hot. database_labels: (n, c) multi-hot. Relevant: at least one shared label. Queries
            to which nothing is relevant are left out, as in MAP.

    Example:
        >>> density([[1, 0], [1, 1]], [[1, 0], [0, 1], [0, 1], [0, 0]])
        0.5
    """
    share = (shared_labels(query_labels, database_labels) > 0).mean(axis=1)
    if not share.any():
        raise InvalidInput("No query shares a label with any database item. Check that the label columns agree.")
    return float(share[share > 0].mean())


def measure_codes(protocol: str = "strict", relevance: Relevance | None = None) -> Measure:
    """How :func:`xmr_lib.evaluation.compare` measures hashing methods: ``compare(..., measure=measure_codes())``."""
    return partial(_measure, protocol=protocol, relevance=relevance)


def _measure(
    method: Any,
    splits: HashingSplits,
    name: str,
    metrics: Sequence[str],
    protocol: str,
    relevance: Relevance | None,
) -> Report:
    return evaluate_hashing(method, splits, protocol=protocol, metrics=metrics, relevance=relevance, name=name)


def hashing_database(splits: HashingSplits, protocol: str) -> PairedFeatures:
    """The items that a protocol searches."""
    check_choice(protocol, PROTOCOLS, "protocol")
    if protocol in ("training", "unified"):
        return splits.train
    database = splits.without_training() if protocol == "new items" else splits.database
    if database.n_images == 0:
        raise InvalidInput(f"The database of {splits.name} is its training pairs, so there are no new items in it.")
    return database


def _database_codes(method: HashingMethod, database: PairedFeatures, protocol: str) -> dict[str, Codes]:
    """The codes that text queries ("image") and image queries ("text") are compared with."""
    if protocol == "unified":
        codes = getattr(method, "unified_codes_", None)
        if codes is None:
            raise InvalidInput(f"{method.name} learns hash functions only, no codes of the training pairs themselves.")
        if len(codes) != database.n_images:
            raise InvalidInput(
                f"{method.name} has codes of {len(codes)} training pairs, but these data have {database.n_images}. "
                "Evaluate on the splits it was fitted on."
            )
        return {"image": codes, "text": codes}
    images, texts = inputs_of(database)
    if protocol == "fused":
        codes = method.encode_pairs(images, texts)
        return {"image": codes, "text": codes}
    return {"image": method.encode_image(images), "text": method.encode_text(texts)}
