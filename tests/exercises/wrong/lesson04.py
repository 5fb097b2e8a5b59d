"""Wrong solutions of exercise 04, written the way learners write them. Read by tests/exercises/test_checker.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def j1(error: Any, form: str, guard: bool = True) -> tuple[Any, Any]:
    """Value and slope of the right J1."""
    n = len(error)
    if form == "sample":
        norms = np.sqrt(np.sum(error**2, axis=1))
        slope = np.array([r / (size or (1.0 if guard else size)) / n for r, size in zip(error, norms, strict=True)])
        return norms.sum() / n, slope
    size = np.sqrt(np.sum(error**2))
    return size / n, error / (size or (1.0 if guard else size)) / n


def softmaxed(scores, labels, form):
    p = np.exp(scores) / np.exp(scores).sum(axis=1)[:, None]
    return j1(p - labels, form)


def squares(scores, labels, form):
    error = scores - labels
    return np.mean(np.sum(error**2, axis=1)), 2 / len(error) * error


def absolute(scores, labels, form):
    error = scores - labels
    return np.abs(error).sum() / len(error), np.sign(error) / len(error)


def scaled(value: Callable[[Any], float], slope: Callable[[Any], float]) -> Callable[..., Any]:
    def label_regression_slope(scores, labels, form):
        a, b = j1(scores - labels, form)
        return a * value(scores), b * slope(scores)

    return label_regression_slope


def soft(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def likelihood_from(similar: Callable[[set[int], set[int], int], float]) -> Callable[..., float]:
    """``similar(labels of i, labels of j, c)``."""

    def pair_likelihood(logits, labels_a, labels_b):
        total = 0.0
        for i, a in enumerate(labels_a):
            for j, b in enumerate(labels_b):
                s = similar(set(np.flatnonzero(a)), set(np.flatnonzero(b)), len(a))
                total += soft(logits[i, j]) - s * logits[i, j]
        return total / logits.size

    return pair_likelihood


def share(a, b, c):
    return len(a & b) / len(a | b) if a | b else 0.0


def bool_product(logits, labels_a, labels_b):
    """The product of two bool matrices is bool."""
    return np.mean(soft(logits) - (labels_a @ labels_b.T) * logits)


def no_guard(logits, labels_a, labels_b):
    a, b = labels_a.astype(float), labels_b.astype(float)
    shared = a @ b.T
    return np.mean(np.logaddexp(0, logits) - shared / (a.sum(1)[:, None] + b.sum(1) - shared) * logits)


def likelihood_overflow(logits, labels_a, labels_b):
    s = np.array([[share(set(np.flatnonzero(a)), set(np.flatnonzero(b)), 0) for b in labels_b] for a in labels_a])
    return np.mean(np.log(1 + np.exp(logits)) - s * logits)


def sign_turned(logits, labels_a, labels_b):
    return likelihood_from(lambda a, b, c: -share(a, b, c))(logits, labels_a, labels_b)


def turned(g: Any, x: Any) -> Any:
    """A slope along unit rows as a slope along x."""
    size = np.linalg.norm(x, axis=1)[:, None]
    unit = x / size
    return (g - np.sum(g * unit, axis=1)[:, None] * unit) / size


def pulls(u: Any, v: Any, classes: Any, of: Callable[[Any], Any] = lambda g: 1 / (1 + np.exp(-g))) -> Any:
    """The three parts at the unit rows: u on the left and on the right of l(u, u), u in l(u, v)."""
    a, b = u / np.linalg.norm(u, axis=1)[:, None], v / np.linalg.norm(v, axis=1)[:, None]
    same = np.equal.outer(classes, classes)
    e_uu, e_uv = ((of(0.5 * a @ w.T) - same) / len(u) ** 2 / 2 for w in (a, b))
    return e_uu @ a, e_uu.T @ a, e_uv @ b


def gaps(u: Any, v: Any) -> Any:
    sizes = np.linalg.norm(u - v, axis=1)
    return np.array([g / s if s > 0 else 0 * g for g, s in zip(u - v, sizes, strict=True)]) / len(u)


def slope_from(
    first: Callable[..., Any], second: Callable[..., Any] = lambda u, v, beta: beta * gaps(u, v)
) -> Callable[..., Any]:
    def image_slope(u, v, classes, alpha, beta):
        return alpha * first(u, v, classes) + second(u, v, beta)

    return image_slope


def everything(u, v, classes):
    return turned(sum(pulls(u, v, classes)), u)


def full_cosine(u, v, classes):
    a, b = u / np.linalg.norm(u, axis=1)[:, None], v / np.linalg.norm(v, axis=1)[:, None]
    same = np.equal.outer(classes, classes)
    e_uu, e_uv = ((1 / (1 + np.exp(-a @ w.T)) - same) / len(u) ** 2 for w in (a, b))
    return turned(2 * e_uu @ a + e_uv @ b, u)


def slope_no_alpha(u, v, classes, alpha, beta):
    return everything(u, v, classes) + beta * gaps(u, v)


def unguarded(u, v, beta):
    return beta * (u - v) / np.linalg.norm(u - v, axis=1)[:, None] / len(u)


def moved_from(
    mix: Callable[[Any, Any, float], Any], finish: Callable[[Any], Any] = lambda p: p / np.linalg.norm(p)
) -> Callable[..., Any]:
    """``mix(old prototype, its members, momentum)``."""

    def move_prototypes(prototypes, embeddings, classes, momentum):
        rows = []
        for k, p in enumerate(prototypes):
            members = embeddings[np.flatnonzero(classes == k)]
            rows.append(finish(mix(p, members, momentum)) if len(members) else p)
        return np.array(rows)

    return move_prototypes


def running(p, members, momentum):
    return momentum * p + (1 - momentum) * np.mean(members, axis=0)


def prototypes_nan(prototypes, embeddings, classes, momentum):
    means = np.array([np.mean(embeddings[classes == k], axis=0) for k in range(len(prototypes))])
    mixed = momentum * prototypes + (1 - momentum) * means
    return mixed / np.linalg.norm(mixed, axis=1)[:, None]


def prototypes_one_by_one(prototypes, embeddings, classes, momentum):
    p = prototypes.copy()
    for x, y in zip(embeddings, classes, strict=True):
        p[y] = momentum * p[y] + (1 - momentum) * x
        p[y] /= np.linalg.norm(p[y])
    return p


def prototypes_of_batch(prototypes, embeddings, classes, momentum):
    n = len(embeddings)
    return moved_from(lambda p, members, m: m * p + (1 - m) * members.sum(0) / n)(
        prototypes, embeddings, classes, momentum
    )


WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "04.label_regression": {
        "zero error": lambda scores, labels, form: j1(scores - labels, form, guard=False),
        "squared norms": squares,
        "forms exchanged": lambda s, t, form: j1(s - t, "batch" if form == "sample" else "sample"),
        "always the mean of norms": lambda s, t, form: j1(s - t, "sample"),
        "always one norm": lambda s, t, form: j1(s - t, "batch"),
        "softmax": softmaxed,
        "sum of absolute values": absolute,
        "uphill": scaled(lambda s: 1, lambda s: -1),
        "not averaged": scaled(len, len),
        "slope not averaged": scaled(lambda s: 1, len),
        "averaged over classes too": scaled(lambda s: 1 / s.shape[1], lambda s: 1 / s.shape[1]),
    },
    "04.multi_label_likelihood": {
        "overflow": likelihood_overflow,
        "no labels at all": no_guard,
        "number of shared labels": likelihood_from(lambda a, b, c: len(a & b)),
        "shared or not": bool_product,
        "the same labels or not": likelihood_from(lambda a, b, c: a == b),
        "labels of one side": likelihood_from(lambda a, b, c: len(a & b) / max(len(a), 1)),
        "labels counted twice": likelihood_from(lambda a, b, c: len(a & b) / max(len(a) + len(b), 1)),
        "all classes": likelihood_from(lambda a, b, c: len(a & b) / c),
        "cosine of the labels": likelihood_from(lambda a, b, c: len(a & b) / max((len(a) * len(b)) ** 0.5, 1)),
        "sign": sign_turned,
        "summed": lambda z, a, b: z.size * likelihood_from(share)(z, a, b),
        "mean over rows only": lambda z, a, b: z.shape[1] * likelihood_from(share)(z, a, b),
    },
    "04.image_slope": {
        "u counted once": slope_from(lambda u, v, y: turned(pulls(u, v, y)[0] + pulls(u, v, y)[2], u)),
        "l(u, u) forgotten": slope_from(lambda u, v, y: turned(pulls(u, v, y)[2], u)),
        "l(u, v) forgotten": slope_from(lambda u, v, y: turned(2 * pulls(u, v, y)[0], u)),
        "not projected": slope_from(lambda u, v, y: sum(pulls(u, v, y)) / np.linalg.norm(u, axis=1)[:, None]),
        "length of u forgotten": slope_from(lambda u, v, y: everything(u, v, y) * np.linalg.norm(u, axis=1)[:, None]),
        "slope of the unit vectors": slope_from(lambda u, v, y: sum(pulls(u, v, y))),
        "half forgotten": slope_from(full_cosine),
        "divided by n": slope_from(lambda u, v, y: len(u) * everything(u, v, y)),
        "logits for chances": slope_from(lambda u, v, y: turned(sum(pulls(u, v, y, lambda g: g)), u)),
        "only partners": slope_from(lambda u, v, y: everything(u, v, np.arange(len(u)))),
        "alpha forgotten": slope_no_alpha,
        "beta forgotten": slope_from(everything, lambda u, v, beta: gaps(u, v)),
        "J3 squared": slope_from(everything, lambda u, v, beta: 2 * beta * (u - v) / len(u)),
        "J3 summed": slope_from(everything, lambda u, v, beta: beta * len(u) * gaps(u, v)),
        "J3 upside down": slope_from(everything, lambda u, v, beta: beta * gaps(v, u)),
        "sign of S": slope_from(lambda u, v, y: -everything(u, v, y)),
        "partners in one point": slope_from(everything, unguarded),
    },
    "04.prototypes": {
        "absent class": prototypes_nan,
        "not rescaled": moved_from(running, finish=np.asarray),
        "momentum exchanged": moved_from(lambda p, members, m: (1 - m) * p + m * members.mean(0)),
        "momentum forgotten": moved_from(lambda p, members, m: members.mean(0)),
        "sum instead of mean": moved_from(lambda p, members, m: m * p + (1 - m) * members.sum(0)),
        "mean over the batch": prototypes_of_batch,
        "mean of unit vectors": moved_from(
            lambda p, x, m: m * p + (1 - m) * (x / np.linalg.norm(x, axis=1)[:, None]).mean(0)
        ),
        "one item after the other": prototypes_one_by_one,
    },
}
