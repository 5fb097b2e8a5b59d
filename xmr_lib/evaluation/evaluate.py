"""Score a method on a data set: both directions, all metrics, chance levels, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.evaluation.names import Direction, Metric, metric
from xmr_lib.evaluation.report import Report
from xmr_lib.metrics import Score, shared_labels
from xmr_lib.metrics.inputs import check_same_shape, check_similarity
from xmr_lib.progress import progress

Data = PairedFeatures | PairedDataset
CATEGORY_METRICS = ("MAP", "MAP@50/min", "P@10", "NDCG@10")


def evaluate(
    method: Any,
    data: Data,
    *,
    name: str | None = None,
    ks: Sequence[int] = (1, 5, 10),
    metrics: Sequence[str] | None = None,
) -> Report:
    """Let a fitted method score all pairs of a data set and measure both directions.

    Args:
        method: Anything with ``similarity(images, texts) -> (n, m)``; where it has ``rankings(images, texts)`` too (see
            :class:`xmr_lib.methods.base.Method`), both directions are measured on these.
        data: :class:`PairedFeatures` (the method gets the two matrices) or :class:`PairedDataset` (it gets the pictures
            and the sentences). Use a validation split to choose, the test split once.
        name: What tables call the method. Default: ``method.name``, else its class.
        ks: Cut-offs of R@K.
        metrics: Names such as ``"R@5"``, ``"MAP@50/hits"``, ``"NDCG@10"`` instead of the default list: R@K for ``ks``,
            MedR, and, when there are labels, MAP, MAP@50/min, P@10 and NDCG@10.

    Returns:
        A :class:`Report`. R@K and ranks ask for the right partner (instance relevance), the others for a shared label.

    Raises:
        InvalidInput: The similarity has the wrong shape or holds NaN, or labels are needed and absent.
        UnknownName: No such metric.
    """
    if not callable(getattr(method, "similarity", None)):
        raise InvalidInput(
            f"A {type(method).__name__} has no method similarity(images, texts). For a ready matrix call "
            "evaluate_similarity(similarity, data)."
        )
    images, texts = inputs_of(data)
    start = perf_counter()
    if callable(getattr(method, "rankings", None)):
        similarity, t2i = method.rankings(images, texts)
    else:
        similarity, t2i = method.similarity(images, texts), None
    seconds = perf_counter() - start
    called = name or str(getattr(method, "name", type(method).__name__))
    return evaluate_similarity(similarity, data, name=called, ks=ks, metrics=metrics, seconds=seconds, t2i=t2i)


def evaluate_similarity(
    similarity: Any,
    data: Data,
    *,
    name: str = "similarity",
    ks: Sequence[int] = (1, 5, 10),
    metrics: Sequence[str] | None = None,
    seconds: float = 0.0,
    t2i: Any = None,
) -> Report:
    """Measure a ready similarity matrix.

    Args:
        similarity: (n, m) images against captions, larger = more alike.
        t2i: (m, n) what text queries are ranked by. Default: the transpose of ``similarity``.
        data: Where the pairing and the labels come from.
        name, ks, metrics: As in :func:`evaluate`.
        seconds: How long the similarity took, for the report.

    Returns:
        A :class:`Report`, see :func:`evaluate`.
    """
    inputs_of(data)
    similarity = check_same_shape(check_similarity(similarity), (data.n_images, data.n_captions), "similarity")
    chosen = [metric(each) for each in (_default_metrics(data, ks) if metrics is None else metrics)]
    if data.labels is None and any(each.needs_labels for each in chosen):
        missing = ", ".join(each.name for each in chosen if each.needs_labels)
        raise InvalidInput(f"{missing} need labels, but {data.name or 'this data set'} has none. Measure R@K and MedR.")
    i2t = Direction(similarity, data.instances[:, None] == data.caption_instances[None, :], _shared(data))
    if t2i is not None:
        t2i = check_same_shape(check_similarity(t2i), (data.n_captions, data.n_images), "t2i")
    directions = {"i2t": i2t, "t2i": i2t.transposed(t2i)}
    sizes = {"images": data.n_images, "captions": data.n_captions}
    return evaluate_directions(directions, chosen, name, data.name or "data", sizes, seconds)


def evaluate_directions(
    directions: Mapping[str, Direction],
    metrics: Sequence[Metric],
    name: str,
    data: str,
    sizes: Mapping[str, int],
    seconds: float = 0.0,
) -> Report:
    """Measure both directions, each given as a task of its own: what all evaluations end in.

    Args:
        directions: ``"i2t"`` and ``"t2i"``.
        metrics: See :func:`xmr_lib.evaluation.names.metric`.
        name, data: What tables call the method and the data.
        sizes: What was ranked, for the title: ``{"images": 500, "captions": 2500}``.
        seconds: How long the similarity took.
    """
    start = perf_counter()
    values: dict[str, dict[str, Score]] = {}
    chance: dict[str, dict[str, float]] = {}
    with progress(total=2 * len(metrics), desc=f"metrics of {name}") as bar:
        for key, direction in directions.items():
            at_random, stands_for = direction.at_random()
            values[key], chance[key] = {}, {}
            for each in metrics:
                values[key][each.name] = each.score(direction)
                chance[key][each.name] = float(each.score(at_random).take(stands_for))
                bar.update()
    empty = {
        f"{key} empty": max((score.empty for score in scores.values()), default=0) for key, scores in values.items()
    }
    return Report(
        method=name,
        data=data,
        i2t=values["i2t"],
        t2i=values["t2i"],
        chance=chance,
        seconds={"similarity": seconds, "metrics": perf_counter() - start},
        counts={**sizes, **empty},
    )


def inputs_of(data: Data) -> tuple[Any, Any]:
    """What a method's ``similarity`` gets for this kind of data."""
    if isinstance(data, PairedFeatures):
        return data.image, data.text
    if isinstance(data, PairedDataset):
        return data.images, data.captions
    raise InvalidInput(
        f"The data must be PairedFeatures or a PairedDataset, but they are a {type(data).__name__}. "
        "For your own matrices write PairedFeatures(image=..., text=...)."
    )


def _default_metrics(data: Data, ks: Sequence[int]) -> list[str]:
    names = [f"R@{check_positive(k, 'A cut-off in ks')}" for k in ks] + ["MedR"]
    return names + list(CATEGORY_METRICS) if data.labels is not None else names


def _shared(data: Data) -> Any:
    """(n, m) number of shared labels in the smallest type that holds it; None without labels."""
    if data.labels is None:
        return None
    shared = shared_labels(data.labels, data.caption_labels)
    return shared.astype(np.min_scalar_type(int(shared.max()))) if shared.max() > 1 else shared > 0
