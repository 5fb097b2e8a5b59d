"""The mistakes people make in exercise 07, as functions: each is a solution with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.sets_by_hand import Array


def softmax(scores: Array, axis: int) -> Array:
    """exp / sum of exp along an axis, the largest subtracted first."""
    exponents = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=axis, keepdims=True))


def half(cosines: Array, alpha: float, axis: int, counted: bool = True) -> tuple[Array, Array]:
    """Soft maxima along an axis and their slopes; ``counted``: log of the mean, not of the sum."""
    top = cosines.max(axis=axis, keepdims=True)
    if alpha == 0:
        shares = np.full(cosines.shape, 1 / cosines.shape[axis])
        return cosines.mean(axis=axis), shares
    if np.isinf(alpha):
        winners = (cosines == top).astype(float)
        return top.squeeze(axis), winners / winners.sum(axis=axis, keepdims=True)
    total = np.exp(alpha * (cosines - top)).sum(axis=axis)
    count = cosines.shape[axis] if counted else 1
    return top.squeeze(axis) + np.log(total / count) / alpha, softmax(alpha * cosines, axis)


def sets(
    rows: float = 0.5,
    columns: float = 0.5,
    counted: bool = True,
    reduce: Callable[[Array], Any] = np.mean,
    spread: Callable[[Array, int], float] = lambda cosines, axis: cosines.shape[1 - axis],
    value_factor: Callable[[float], float] = lambda alpha: 1.0,
    slope_factor: Callable[[float], float] = lambda alpha: 1.0,
    alpha_of: Callable[[float], float] = float,
) -> Callable[..., tuple[float, Array]]:
    """A wrong similarity of sets: weights of its halves, what is averaged over, factors of value and slope."""

    def wrong(cosines: Array, alpha: float) -> tuple[float, Array]:
        value, slope = 0.0, np.zeros(cosines.shape)
        for axis, weight in ((1, rows), (0, columns)):
            best, shares = half(cosines, alpha_of(alpha), axis, counted)
            value += weight * float(reduce(best))
            slope += weight * shares / spread(cosines, axis)
        return value * value_factor(alpha), slope * slope_factor(alpha)

    return wrong


def first_of_ties(cosines: Array, alpha: float) -> tuple[float, Array]:
    """At the infinite alpha the first of equal cosines gets everything."""
    if not np.isinf(alpha):
        return sets()(cosines, alpha)
    p, q = cosines.shape
    slope = np.zeros((p, q))
    slope[np.arange(p), cosines.argmax(axis=1)] += 1 / (2 * p)
    slope[cosines.argmax(axis=0), np.arange(q)] += 1 / (2 * q)
    return sets()(cosines, alpha)[0], slope


def all_pairs(cosines: Array, alpha: float) -> tuple[float, Array]:
    """One soft maximum over all pairs."""
    best, shares = half(cosines.reshape(1, -1), alpha, 1)
    return float(best[0]), shares.reshape(cosines.shape)


def wrong_axes(cosines: Array, alpha: float) -> tuple[float, Array]:
    """The value is right, the shares of rows and columns are divided by the other size."""
    return sets()(cosines, alpha)[0], sets(spread=lambda c, axis: c.shape[axis])(cosines, alpha)[1]


def at(limit: float) -> Callable[[Case, Any, Any], bool]:
    """Whether the case that fails first has this alpha, and a number of the result is not finite."""

    def sees(case: Case, expected: Any, got: Any) -> bool:
        try:
            broken = any(not np.isfinite(np.asarray(part, dtype=float)).all() for part in got)
        except (TypeError, ValueError):
            return False
        return broken and case.arguments[1] == limit

    return sees


def slots(
    scores_of: Callable[[Array, Array], Array] = lambda s, x: s @ x.T / np.sqrt(s.shape[1]),
    compete: Callable[[Array], Array] = lambda scores: softmax(scores, 0),
    hide: Callable[[Array, Array], Array] = lambda shares, real: shares * real,
    renormalise: bool = True,
    update: Callable[[Array, Array], Array] = lambda slot, heard: heard,
    empty: Callable[[Array], Array] = np.asarray,
    count: Callable[[int], int] = int,
    report: Callable[[Array, Array], Array] = lambda weights, shares: weights,
) -> Callable[..., tuple[Array, Array]]:
    """A wrong competition: how scores and shares are made, what padding gets, what becomes of a slot."""

    def wrong(slots: Array, tokens: Array, real: Array, steps: int) -> tuple[Array, Array]:
        state, told = slots, np.zeros((len(slots), len(tokens)))
        for _ in range(count(steps)):
            shares = hide(compete(scores_of(state, tokens)), real)
            total = shares.sum(axis=1, keepdims=True)
            weights = shares / np.where(total > 0, total, 1.0) if renormalise else shares
            moved = update(state, weights @ tokens)
            state, told = np.where(total > 0, moved, empty(state)), report(weights, shares)
        return state, told

    return wrong


def hidden_after(slots: Array, tokens: Array, real: Array, steps: int) -> tuple[Array, Array]:
    """Padding is zeroed after the rows were divided by their sums."""
    state, weights = slots, np.zeros((len(slots), len(tokens)))
    for _ in range(steps):
        shares = softmax(state @ tokens.T / np.sqrt(slots.shape[1]), 0)
        total = shares.sum(axis=1, keepdims=True)
        weights = shares / np.where(total > 0, total, 1.0) * real
        state = np.where(total > 0, weights @ tokens, state)
    return state, weights


def one_after_the_other(slots: Array, tokens: Array, real: Array, steps: int) -> tuple[Array, Array]:
    """Each slot moves at once, and the next one competes with the moved ones."""
    state, weights = slots.astype(float).copy(), np.zeros((len(slots), len(tokens)))
    for _ in range(steps):
        for i in range(len(slots)):
            shares = softmax(state @ tokens.T / np.sqrt(slots.shape[1]), 0)[i] * real
            if shares.sum() > 0:
                weights[i] = shares / shares.sum()
                state[i] = weights[i] @ tokens
    return state, weights


def broken_with(padding: bool) -> Callable[[Case, Any, Any], bool]:
    """Whether a number is not finite, in a case with padding or in one without."""

    def sees(case: Case, expected: Any, got: Any) -> bool:
        try:
            broken = any(not np.isfinite(np.asarray(part, dtype=float)).all() for part in got)
        except (TypeError, ValueError):
            return False
        return broken and bool(np.all(case.arguments[2])) != padding

    return sees


def unit(x: Array) -> Array:
    """Rows of length 1; rows of zeros stay."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1.0))


def counted_words(real: Array, skip_begin: bool = True, skip_end: bool = True) -> Array:
    """(m, t) bool: the real tokens without the first and the last of each sentence."""
    place, length = real.cumsum(axis=1), real.sum(axis=1, keepdims=True)
    keep = np.array(real, dtype=bool)
    if skip_begin:
        keep &= place > 1
    if skip_end:
        keep &= place < length
    return keep


def tokens(
    count_of: Callable[[Array], Array] = counted_words,
    scale: Callable[[Array, float], Array] = lambda c, tau: c / tau,
    axis: int = 3,
    prepare: Callable[[Array], Array] = unit,
    compare: Callable[[Array, Array], Array] = lambda word, heard: (word * unit(heard)).sum(-1),
    average: Callable[[Array, Array], Array] | None = None,
) -> Callable[..., Array]:
    """A wrong token score: which words count, how attention is made and over what, how word and answer compare."""

    def wrong(words: Array, real: Array, patches: Array, tau: float) -> Array:
        word, patch = unit(words)[None], prepare(patches)
        cosines = np.einsum("jwd,ipd->ijwp", unit(words), patch)  # (n, m, t, p)
        shares = softmax(scale(cosines, tau), axis)
        heard = np.einsum("ijwp,ipd->ijwd", shares, patch)
        keep = count_of(real)
        each = np.where(keep[None], compare(word, heard), 0.0)  # (n, m, t)
        if average is not None:
            return average(each, keep)
        return np.asarray(each.sum(2) / np.maximum(keep.sum(1), 1)[None])

    return wrong


def patches_ask(words: Array, real: Array, patches: Array, tau: float) -> Array:
    """Roles exchanged: every patch takes a mean of the words, and the patches are averaged."""
    keep = counted_words(real)
    speaks: Array = keep.sum(1) > 0
    cosines = np.einsum("jwd,ipd->ijpw", unit(words), unit(patches))
    scores = np.where(keep[None, :, None, :], cosines / tau, -np.inf)
    scores = np.where(speaks[None, :, None, None], scores, 0.0)
    heard = np.einsum("ijpw,jwd->ijpd", softmax(scores, 3), unit(words) * keep[:, :, None])
    return np.asarray((unit(patches)[:, None] * unit(heard)).sum(-1).mean(2) * speaks[None])


def no_words(case: Case, expected: Any, got: Any) -> bool:
    """NaN where a sentence has no word."""
    try:
        values = np.asarray(got, dtype=float)
    except (TypeError, ValueError):
        return False
    silent: Array = counted_words(case.arguments[1]).sum(axis=1) == 0
    return values.shape == expected.shape and bool(silent.any()) and bool(np.isnan(values[:, silent]).all())


def padded_zeros(case: Case, expected: Any, got: Any) -> bool:
    """Something is not finite, and the padding is zeros."""
    try:
        broken = not np.isfinite(np.asarray(got, dtype=float)).all()
    except (TypeError, ValueError):
        return False
    words, real = case.arguments[:2]
    return broken and not real.all() and not words[~real].any()


def ranked(scores: Array) -> Array:
    """Items by falling score, ties to the smaller number; NaN last."""
    return np.argsort(-scores, axis=1, kind="stable")


def stages(
    top: Callable[[Array, Array, int], Array] = lambda order, scores, k: reorder(order[:, :k], scores),
    rest: Callable[[Array, int], Array] = lambda order, k: order[:, k:],
    first_order: Callable[[Array], Array] = ranked,
) -> Callable[..., Array]:
    """A wrong second stage: how the best k are put in order, and in which order the rest follows."""

    def wrong(first: Array, second: Array, k: int) -> Array:
        order = first_order(first)
        return np.concatenate([top(order, second, k), rest(order, k)], axis=1)

    return wrong


def reorder(items: Array, scores: Array, kind: Any = "stable", sign: float = -1.0) -> Array:
    """(q, k) items by falling score (q, n); equal ones keep their order."""
    own = np.take_along_axis(scores, items, axis=1)
    return np.take_along_axis(items, np.argsort(sign * own, axis=1, kind=kind), axis=1)


def filled(filler: float) -> Callable[..., Array]:
    """Everything outside the best k gets one low score, and all are sorted by the second stage."""

    def wrong(first: Array, second: Array, k: int) -> Array:
        inside = np.zeros(first.shape, dtype=bool)
        np.put_along_axis(inside, ranked(first)[:, :k], True, axis=1)
        return ranked(np.where(inside, second, filler))

    return wrong


def places(first: Array, second: Array, k: int) -> Array:
    """The place of each item instead of the items in order."""
    return np.argsort(stages()(first, second, k), axis=1)


def added(first: Array, second: Array, k: int) -> Array:
    """The best k by the sum of both scores."""
    return stages(top=lambda order, scores, k: reorder(order[:, :k], first + scores))(first, second, k)


def turned(first: Array, second: Array, k: int) -> Array:
    """Sorted upwards and read backwards, in both stages."""
    order = np.argsort(first, axis=1, kind="stable")[:, ::-1]
    own = np.take_along_axis(second, order[:, :k], axis=1)
    by = np.argsort(own, axis=1, kind="stable")[:, ::-1]
    return np.concatenate([np.take_along_axis(order[:, :k], by, axis=1), order[:, k:]], axis=1)
