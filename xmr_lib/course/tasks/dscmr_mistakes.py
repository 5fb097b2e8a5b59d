"""The mistakes people make in exercise 04, as functions: each is a solution with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.tasks.dscmr_by_hand import Array, move_prototypes

OTHER = {"sample": "batch", "batch": "sample"}


def regression(
    form_of: Callable[[str], str] = str,
    prepare: Callable[[Array], Array] = np.asarray,
    value_factor: Callable[[Array], float] = lambda labels: 1.0,
    slope_factor: Callable[[Array], float] = lambda labels: 1.0,
    order: int = 2,
) -> Callable[..., tuple[float, Array]]:
    """A wrong J1: which form, what happens to the scores first, factors of value and slope, which norm."""

    def wrong(scores: Array, labels: Array, form: str) -> tuple[float, Array]:
        error, n = prepare(scores) - labels, len(scores)
        if form_of(form) == "sample":
            norms = np.abs(error).sum(axis=1) if order == 1 else np.sqrt((error**2).sum(axis=1))
            value, divisor = norms.mean(), norms[:, None]
        else:
            whole = np.abs(error).sum() if order == 1 else np.sqrt((error**2).sum())
            value, divisor = whole / n, np.full((n, 1), whole)
        direction = np.sign(error) if order == 1 else error / np.where(divisor > 0, divisor, 1.0)
        return float(value) * value_factor(labels), direction / n * slope_factor(labels)

    return wrong


def squared(scores: Array, labels: Array, form: str) -> tuple[float, Array]:
    """The mean of the squared norms."""
    error = scores - labels
    return float((error**2).sum() / len(error)), 2 * error / len(error)


def softmax(scores: Array) -> Array:
    """Rows of scores as chances."""
    exponent = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


def likelihood(
    similar: Callable[[Array, Array], Array],
    sign: float = 1.0,
    reduce: Callable[[Array], Any] = np.mean,
) -> Callable[..., float]:
    """A wrong likelihood: ``similar(a, b)`` from 0/1 labels (n, c) and (m, c), the sign of S z, sum or mean."""

    def wrong(logits: Array, labels_a: Array, labels_b: Array) -> float:
        s = similar(labels_a.astype(float), labels_b.astype(float))
        return float(reduce(np.logaddexp(0, logits) - sign * s * logits))

    return wrong


def shared(a: Array, b: Array) -> Array:
    """Number of shared labels."""
    return np.asarray(a @ b.T)


def counts(a: Array, b: Array) -> tuple[Array, Array]:
    """Number of labels of a as a column, of b as a row."""
    return a.sum(axis=1)[:, None], b.sum(axis=1)[None, :]


def either(a: Array, b: Array) -> Array:
    """Number of labels of either."""
    of_a, of_b = counts(a, b)
    return np.asarray(of_a + of_b - shared(a, b))


def jaccard(a: Array, b: Array) -> Array:
    """The rule of the exercise."""
    return shared(a, b) / np.maximum(either(a, b), 1)


def slope(
    as_left: float = 1.0,
    as_right: float = 1.0,
    cross: float = 1.0,
    project: bool = True,
    unit: bool = True,
    half: float = 0.5,
    divisor: Callable[[int], float] = lambda n: n * n,
    error: Callable[[Array, Array], Array] = lambda g, same: 1 / (1 + np.exp(-g)) - same,
    use_alpha: bool = True,
    invariance: Callable[[Array], Array] = lambda gap: gap / np.maximum(np.linalg.norm(gap, axis=1)[:, None], 1e-300),
    spread: Callable[[int], float] = float,
    use_beta: bool = True,
    only_partners: bool = False,
) -> Callable[..., Array]:
    """A wrong slope of alpha (l(u, u) + l(u, v)) + beta J3: factors of its parts and what is left out."""

    def wrong(u: Array, v: Array, classes: Array, alpha: float, beta: float) -> Array:
        n, lengths = len(u), np.linalg.norm(u, axis=1, keepdims=True)
        a, b = u / lengths, v / np.linalg.norm(v, axis=1, keepdims=True)
        same = np.eye(n) if only_partners else (classes[:, None] == classes[None, :]).astype(float)
        within, across = (error(half * x @ y.T, same) * half / divisor(n) for x, y in ((a, a), (a, b)))
        pull = (as_left * within + as_right * within.T) @ a + cross * across @ b
        if project:
            pull = pull - (pull * a).sum(axis=1, keepdims=True) * a
        pull = pull / lengths if unit else pull
        total = (alpha if use_alpha else 1.0) * pull
        return np.asarray(total + (beta if use_beta else 1.0) * invariance(u - v) / spread(n))

    return wrong


def prototypes(
    target: Callable[[Array], Array] = lambda members: members.mean(axis=0),
    keep: Callable[[float], float] = float,
    rescale: bool = True,
    axis: int = 1,
) -> Callable[..., Array]:
    """A wrong move: towards what, how much of the old stays, whether and along which axis lengths become 1."""

    def wrong(prototypes: Array, embeddings: Array, classes: Array, momentum: float) -> Array:
        moved, stay = prototypes.astype(float).copy(), keep(momentum)
        for k in np.unique(classes):
            moved[k] = stay * prototypes[k] + (1 - stay) * target(embeddings[classes == k])
        if not rescale:
            return moved
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=axis, keepdims=True), 1e-300))

    return wrong


def absent_fade(prototypes: Array, embeddings: Array, classes: Array, momentum: float) -> Array:
    """Prototypes of absent classes pulled towards zero."""
    moved = move_prototypes(prototypes, embeddings, classes, momentum)
    absent = ~np.isin(np.arange(len(prototypes)), classes)
    moved[absent] *= momentum
    return moved


def one_by_one(prototypes: Array, embeddings: Array, classes: Array, momentum: float) -> Array:
    """A move for every embedding, one after the other."""
    moved = prototypes
    for i in range(len(embeddings)):
        moved = move_prototypes(moved, embeddings[i : i + 1], classes[i : i + 1], momentum)
    return moved


def mean_of_batch(prototypes: Array, embeddings: Array, classes: Array, momentum: float) -> Array:
    """Sums of each class divided by the size of the batch."""
    moved = momentum * prototypes
    for k in range(len(prototypes)):
        members = embeddings[classes == k]
        if len(members):
            moved[k] += (1 - momentum) * members.sum(axis=0) / len(embeddings)
            moved[k] /= np.linalg.norm(moved[k])
        else:
            moved[k] = prototypes[k]
    return np.asarray(moved)
