"""The mistakes people make in exercise 03, as functions: each is a solution with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.task import Case, close
from xmr_lib.course.tasks.adversarial_by_hand import Array, modality_probe

Gradients = tuple[Array, Array, Any]


def share_of_ramp(progress: float, start: float, stop: float) -> float:
    """Where on the ramp a progress stands: 0 at the start, 1 at the stop, beyond them below 0 and above 1."""
    if start == stop:
        return 1.0 if progress >= stop else -1.0
    return (progress - start) / (stop - start)


def is_negative(case: Case, expected: Any, got: Any) -> bool:
    """Whether a number below 0 came instead of 0."""
    return bool(expected == 0 and isinstance(got, (float, int, np.floating)) and got < 0)


def is_above_peak(case: Case, expected: Any, got: Any) -> bool:
    """Whether a number above the peak came instead of the peak."""
    peak = case.arguments[3]
    return bool(expected == peak and isinstance(got, (float, int, np.floating)) and got > peak)


def ramp(
    position: Callable[[float, float, float], float] = share_of_ramp,
    floor: float = 0.0,
    ceiling: float = 1.0,
    scale: bool = True,
) -> Callable[..., float]:
    """A wrong schedule: where on the ramp a progress stands, the bounds of the ramp, and whether the peak is used."""

    def wrong(progress: float, start: float, stop: float, peak: float) -> float:
        return float(np.clip(position(progress, start, stop), floor, ceiling)) * (peak if scale else 1.0)

    return wrong


def lesson_curve(progress: float) -> float:
    """2 / (1 + exp(-10 p)) - 1, the schedule of lesson 03."""
    return float(2 / (1 + np.exp(-10 * progress)) - 1)


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), for scores of any size."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))


def players(
    chance: Callable[[Array], Array] = sigmoid,
    embedding: float = 1.0,
    adversary: Callable[[float], float] = lambda strength: -strength,
    discriminator: Callable[[float], float] = lambda strength: 1.0,
    swapped: bool = False,
    average: bool = True,
    use_bias: bool = True,
    through_probe: bool = True,
) -> Callable[..., Gradients]:
    """Wrong gradients: factors of their parts, how scores become chances, and what is left out."""

    def wrong(
        x: Array, weights: Array, probe: Array, bias: float, modality: Array, slope: Array, strength: float
    ) -> Gradients:
        e = x @ weights
        target = 1 - modality if swapped else modality
        error = (chance(e @ probe + bias * use_bias) - target) / (len(x) if average else 1)
        reversed_part = adversary(strength) * (np.outer(error, probe) if through_probe else error[:, None])
        back = discriminator(strength)
        return x.T @ (embedding * slope + reversed_part), back * (e.T @ error), back * float(error.sum())

    return wrong


def is_gradient_of_embeddings(case: Case, expected: Any, got: Any) -> bool:
    """Whether the first result is the gradient of the embeddings (n, d) instead of the weights (p, d)."""
    x, weights, probe, bias, modality, slope, strength = case.arguments
    error = (sigmoid(x @ weights @ probe + bias) - modality) / len(x)
    first = got[0] if isinstance(got, (tuple, list)) and len(got) else got
    right = slope - strength * np.outer(error, probe)
    return close(right, first) and not close(expected[0], first)


def is_adversary_loss(case: Case, expected: Any, got: Any) -> bool:
    """Whether the loss of the discriminator came instead of gradients."""
    x, weights, probe, bias, modality, *_ = case.arguments
    z = x @ weights @ probe + bias
    return close(float(np.mean(np.logaddexp(0, z) - modality * z)), got)


def nearest_behind(negatives: Array, partner: float) -> float | None:
    """The rule of the exercise."""
    farther = negatives[negatives > partner]
    return float(farther.min() if len(farther) else negatives.max())


def semi_hard_only(negatives: Array, partner: float) -> float | None:
    """The nearest negative behind the partner, else nothing."""
    farther = negatives[negatives > partner]
    return float(farther.min()) if len(farther) else None


def triplets(
    pick: Callable[[Array, float], float | None] = nearest_behind,
    squared: bool = True,
    hinge: bool = True,
    rivals: Callable[[Array, int], Array] = lambda classes, i: classes != classes[i],
    total: Callable[[list[float]], float] = lambda hinges: sum(hinges) / max(len(hinges), 1),
    none: float | None = 0.0,
) -> Callable[..., float]:
    """A wrong triplet loss: which negative, which distance, who is a rival, how the hinges are put together.

    ``pick`` may return None; ``none`` is then the hinge of this anchor, or None to leave the anchor out.
    """

    def wrong(anchors: Array, others: Array, classes: Array, margin: float) -> float:
        distances = ((anchors[:, None] - others[None]) ** 2).sum(axis=2)
        distances = distances if squared else np.sqrt(distances)
        hinges: list[float] = []
        for i, row in enumerate(distances):
            negatives = row[rivals(classes, i)]
            if not len(negatives):
                continue
            found = pick(negatives, float(row[i]))
            value = none if found is None else margin + float(row[i]) - found
            if value is not None:
                hinges.append(max(0.0, value) if hinge else value)
        return float(total(hinges))

    return wrong


def all_negatives(anchors: Array, others: Array, classes: Array, margin: float) -> float:
    """The mean hinge over all triplets of the batch."""
    distances = ((anchors[:, None] - others[None]) ** 2).sum(axis=2)
    hinges = np.maximum(0, margin + np.diag(distances)[:, None] - distances)
    negative = classes[:, None] != classes[None, :]
    return float(hinges[negative].mean()) if negative.any() else 0.0


def pull_and_push(anchors: Array, others: Array, classes: Array, margin: float) -> float:
    """Mean distance within a class plus mean hinge of the others, without a comparison of the two."""
    distances = ((anchors[:, None] - others[None]) ** 2).sum(axis=2)
    same = classes[:, None] == classes[None, :]
    push = np.maximum(0, margin - distances)[~same]
    return float(distances[same].mean() + (push.mean() if len(push) else 0.0))


def not_the_partner(classes: Array, i: int) -> Array:
    """Everything but the partner, of whatever class."""
    return np.arange(len(classes)) != i


def probe(
    tie: float = 0.5,
    balanced: bool = True,
    dot: bool = False,
    finish: Callable[[float], float] = float,
) -> Callable[..., float]:
    """A wrong probe: what a tie counts, what is compared, how the shares are put together."""

    def wrong(train: Array, train_modality: Array, test: Array, test_modality: Array) -> float:
        means = np.stack([train[train_modality == m].mean(axis=0) for m in (0, 1)])
        distance = -test @ means.T if dot else ((test[:, None] - means[None]) ** 2).sum(axis=2)
        rows = np.arange(len(test))
        lead = np.round(distance[rows, 1 - test_modality] - distance[rows, test_modality], 9)
        points = np.where(lead == 0, tie, lead > 0)
        if not balanced:
            return finish(float(points.mean()))
        return finish(float(np.mean([points[test_modality == m].mean() for m in (0, 1)])))

    return wrong


def probe_of_itself(train: Array, train_modality: Array, test: Array, test_modality: Array) -> float:
    """Means of the unseen items themselves."""
    return modality_probe(test, test_modality, test, test_modality)


def probe_of_training(train: Array, train_modality: Array, test: Array, test_modality: Array) -> float:
    """The training items classified by their own means."""
    return modality_probe(train, train_modality, train, train_modality)
