"""Wrong solutions of exercise 03, written the way learners write them. Read by tests/exercises/test_checker.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def schedule_start_ignored(progress, start, stop, peak):
    return min(1, progress / stop) * peak


def schedule_no_floor(progress, start, stop, peak):
    if progress >= stop:
        return peak
    return peak * (progress - start) / ((stop - start) or 1e-300)


def schedule_no_ceiling(progress, start, stop, peak):
    return max(0.0, peak * (progress - start) / ((stop - start) or 1e-300))


def schedule_no_ramp(progress, start, stop, peak):
    return peak if progress > start or progress >= stop else 0


def schedule_peak_forgotten(progress, start, stop, peak):
    if progress >= stop:
        return 1.0
    return max(0.0, (progress - start) / (stop - start)) if stop > start else 0.0


def schedule_to_the_end(progress, start, stop, peak):
    return peak * max(0.0, (progress - start) / (1 - start))


def schedule_divided_by_the_stop(progress, start, stop, peak):
    return peak * min(1.0, max(0.0, (progress - start) / stop))


def lesson_curve(progress, start, stop, peak):
    return 2 / (1 + np.exp(-10 * progress)) - 1


def game(
    finish: Callable[..., Any], chance: Callable[[Any], Any] = lambda z: 0.5 * (1 + np.tanh(z / 2))
) -> Callable[..., Any]:
    """``finish(x, e, error, probe, slope, strength)`` with error = (D - m) / n."""

    def player_gradients(x, weights, probe, bias, modality, slope, strength):
        e = np.einsum("np,pd->nd", x, weights)
        error = (chance(e @ probe + bias) - modality) / len(modality)
        return finish(x, e, error, probe, slope, strength)

    return player_gradients


def both(encoder: Callable[..., Any], discriminator: Callable[..., Any] = lambda error, strength: error) -> Any:
    """``encoder(slope, back, strength)`` at the embeddings, ``discriminator(error, strength)`` at the scores."""

    def finish(x, e, error, probe, slope, strength):
        at_e = encoder(slope, np.array([r * probe for r in error]), strength)
        at_z = discriminator(error, strength)
        return x.T @ at_e, e.T @ at_z, at_z.sum()

    return game(finish)


def right_encoder(slope, back, strength):
    return slope - strength * back


def overflowing(z):
    return np.exp(z) / (1 + np.exp(z))


def swapped_modalities(x, weights, probe, bias, modality, slope, strength):
    return both(right_encoder)(x, weights, probe, bias, 1 - modality, slope, strength)


def without_bias(x, weights, probe, bias, modality, slope, strength):
    return both(right_encoder)(x, weights, probe, 0.0, modality, slope, strength)


def triplets_from(choose: Callable[[list[float], float], float | None], power: float = 1.0, cut: bool = True) -> Any:
    """``choose(negatives, partner)`` gives a squared distance, or None for an anchor that costs nothing."""

    def semi_hard_triplets(anchors, others, classes, margin):
        losses = []
        for i in range(len(anchors)):
            d = [np.sum((anchors[i] - o) ** 2) ** power for o in others]
            negatives = [d[j] for j in range(len(d)) if classes[j] != classes[i]]
            if not negatives:
                continue
            k = choose(negatives, d[i])
            value = 0.0 if k is None else margin + d[i] - k
            losses.append(max(value, 0) if cut else value)
        return sum(losses) / len(losses) if losses else 0.0

    return semi_hard_triplets


def semi_hard(negatives, partner):
    return min([d for d in negatives if d > partner], default=max(negatives))


def pasted_hardest(anchors, others, classes, margin):
    """The heart of lesson 03, on squared distances."""
    import torch

    from xmr_lib.nn import hardest_negative_triplets, squared_distances

    a, b = torch.from_numpy(anchors), torch.from_numpy(others)
    return hardest_negative_triplets(squared_distances(a, b), torch.from_numpy(classes), margin).item()


def pasted_paper_form(anchors, others, classes, margin):
    """The paper's form in lesson 03, on squared distances."""
    import torch

    from xmr_lib.nn import pull_and_push, squared_distances

    a, b = torch.from_numpy(anchors), torch.from_numpy(others)
    return pull_and_push(squared_distances(a, b), torch.from_numpy(classes), margin).item()


def triplets_of_all(anchors, others, classes, margin):
    values = [
        max(0, margin + np.sum((anchors[i] - others[i]) ** 2) - np.sum((anchors[i] - others[k]) ** 2))
        for i in range(len(anchors))
        for k in range(len(anchors))
        if classes[i] != classes[k]
    ]
    return np.mean(values) if values else 0.0


def triplets_left_out(anchors, others, classes, margin):
    d = np.linalg.norm(anchors[:, None] - others, axis=2) ** 2
    behind = (classes[:, None] != classes) & (d > np.diag(d)[:, None])
    nearest = np.where(behind, d, np.inf).min(axis=1)
    keep = np.isfinite(nearest)
    return np.maximum(0, margin + np.diag(d) - nearest)[keep].mean() if keep.any() else 0.0


def triplets_same_class(anchors, others, classes, margin):
    return triplets_from(semi_hard)(anchors, others, np.arange(len(anchors)), margin)


def triplets_without_guard(anchors, others, classes, margin):
    if len(set(classes.tolist())) == 1:
        return np.mean(np.zeros(0))
    return triplets_from(semi_hard)(anchors, others, classes, margin)


def probe_from(score: Callable[..., Any], balanced: bool = True, finish: Callable[[float], float] = float) -> Any:
    """``score(own, other)``: points of an item by its distances to both means."""

    def modality_probe(train, train_modality, test, test_modality):
        means = [train[train_modality == 0].mean(0), train[train_modality == 1].mean(0)]
        points = []
        for row, m in zip(test, test_modality, strict=True):
            own, other = (round(float(np.linalg.norm(row - means[k]) ** 2), 9) for k in (m, 1 - m))
            points.append(score(own, other))
        points = np.array(points, dtype=float)
        if not balanced:
            return finish(points.mean())
        return finish((points[test_modality == 0].mean() + points[test_modality == 1].mean()) / 2)

    return modality_probe


def fair(own, other):
    return 0.5 if own == other else own < other


def probe_on_itself(train, train_modality, test, test_modality):
    return probe_from(fair)(test, test_modality, test, test_modality)


def probe_on_training(train, train_modality, test, test_modality):
    return probe_from(fair)(train, train_modality, train, train_modality)


def probe_by_dot(train, train_modality, test, test_modality):
    means = np.array([train[train_modality == m].mean(0) for m in (0, 1)])
    scores = (test @ means.T).round(9)
    points = np.where(scores[:, 0] == scores[:, 1], 0.5, scores.argmax(axis=1) == test_modality)
    return np.mean([points[test_modality == m].mean() for m in (0, 1)])


WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "03.reversal_schedule": {
        "the lesson's curve": lesson_curve,
        "start ignored": schedule_start_ignored,
        "no floor": schedule_no_floor,
        "no ceiling": schedule_no_ceiling,
        "no ramp": schedule_no_ramp,
        "peak forgotten": schedule_peak_forgotten,
        "divided by the stop": schedule_divided_by_the_stop,
    },
    "03.gradient_reversal": {
        "not reversed": both(lambda slope, back, strength: slope + strength * back),
        "both reversed": both(right_encoder, lambda error, strength: -strength * error),
        "the wrong player reversed": both(
            lambda slope, back, strength: slope + strength * back, lambda error, strength: -strength * error
        ),
        "strength on the discriminator": both(right_encoder, lambda error, strength: strength * error),
        "strength forgotten": both(lambda slope, back, strength: slope - back),
        "embedding loss reversed": both(lambda slope, back, strength: -slope - strength * back),
        "embedding loss forgotten": both(lambda slope, back, strength: -strength * back),
        "modalities exchanged": swapped_modalities,
        "bias forgotten": without_bias,
        "overflow": game(
            lambda x, e, error, a, slope, s: (x.T @ (slope - s * np.outer(error, a)), e.T @ error, error.sum()),
            chance=overflowing,
        ),
        "not averaged": game(
            lambda x, e, r, a, slope, s: (
                x.T @ (slope - s * len(x) * np.outer(r, a)),
                len(x) * e.T @ r,
                len(x) * r.sum(),
            )
        ),
        "gradient of the embeddings": game(
            lambda x, e, error, a, slope, s: (slope - s * np.outer(error, a), e.T @ error, error.sum())
        ),
        "probe skipped": game(
            lambda x, e, error, a, slope, s: (x.T @ (slope - s * error[:, None]), e.T @ error, error.sum())
        ),
    },
    "03.semi_hard_triplets": {
        "hardest negative": pasted_hardest,
        "all negatives": triplets_of_all,
        "pull and push": pasted_paper_form,
        "no fallback": triplets_from(lambda n, p: min([d for d in n if d > p], default=None)),
        "fallback to the hardest": triplets_from(lambda n, p: min([d for d in n if d > p], default=min(n))),
        "anchors left out": triplets_left_out,
        "easiest negative": triplets_from(lambda n, p: max(n)),
        "same class too": triplets_same_class,
        "distances not squared": triplets_from(semi_hard, power=0.5),
        "no hinge": triplets_from(semi_hard, cut=False),
        "no negatives": triplets_without_guard,
        "summed": lambda a, o, c, margin: len(a) * triplets_from(semi_hard)(a, o, c, margin),
    },
    "03.modality_probe": {
        "error rate": probe_from(lambda own, other: 1 - fair(own, other)),
        "turned round": probe_from(fair, finish=lambda share: 0.5 + abs(share - 0.5)),
        "not balanced": probe_from(fair, balanced=False),
        "ties count 1": probe_from(lambda own, other: own <= other),
        "ties count 0": probe_from(lambda own, other: own < other),
        "means of the test items": probe_on_itself,
        "tested on the training items": probe_on_training,
        "dot product": probe_by_dot,
    },
}
