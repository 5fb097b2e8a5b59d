"""Wrong solutions of exercise 07, written the way learners write them. Read by tests/exercises/test_checker.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def soft(c: Any, alpha: float, mean: bool = True) -> tuple[float, Any]:
    """The soft maximum of a list and its slope."""
    if alpha == 0:
        return c.mean(), np.ones(len(c)) / len(c)
    if alpha == np.inf:
        hit = (c == c.max()) * 1.0
        return c.max(), hit / hit.sum()
    e = np.exp(alpha * (c - c.max()))
    return c.max() + np.log(e.mean() if mean else e.sum()) / alpha, e / e.sum()


def both(c: Any, one: Callable[[Any], tuple[float, Any]]) -> tuple[float, Any]:
    """The two halves from a soft maximum of a list."""
    rows, columns = [one(row) for row in c], [one(column) for column in c.T]
    value = np.mean([r[0] for r in rows]) / 2 + np.mean([r[0] for r in columns]) / 2
    slope = np.array([r[1] for r in rows]) / (2 * len(rows)) + np.array([r[1] for r in columns]).T / (2 * len(columns))
    return value, slope


def right(c: Any, alpha: float) -> tuple[float, Any]:
    return both(c, lambda x: soft(x, alpha))


def no_limits(cosines, alpha):
    e = np.exp(alpha * (cosines - cosines.max(1, keepdims=True)))
    f = np.exp(alpha * (cosines - cosines.max(0)))
    value = np.mean(cosines.max(1) + np.log(e.mean(1)) / alpha) / 2
    value += np.mean(cosines.max(0) + np.log(f.mean(0)) / alpha) / 2
    p, q = cosines.shape
    return value, e / e.sum(1, keepdims=True) / (2 * p) + f / f.sum(0) / (2 * q)


def no_infinity(cosines, alpha):
    return right(cosines, 0.0) if alpha == 0 else no_limits(cosines, alpha)


def no_shift(cosines, alpha):
    if alpha == 0 or alpha == np.inf:
        return right(cosines, alpha)
    e, (p, q) = np.exp(alpha * cosines), cosines.shape
    value = (np.log(e.mean(1)).mean() + np.log(e.mean(0)).mean()) / (2 * alpha)
    return value, e / e.sum(1, keepdims=True) / (2 * p) + e / e.sum(0) / (2 * q)


def lesson_sum(cosines, alpha):
    return both(cosines, lambda x: soft(x, alpha, mean=False))


def one_side(transposed: bool) -> Callable[..., Any]:
    def set_similarity(cosines, alpha):
        table = cosines.T if transposed else cosines
        found = [soft(row, alpha) for row in table]
        slope = np.array([s for _, s in found]) / len(table)
        return np.mean([v for v, _ in found]), slope.T if transposed else slope

    return set_similarity


def summed_sets(cosines, alpha):
    rows, columns = [soft(r, alpha) for r in cosines], [soft(r, alpha) for r in cosines.T]
    value = (sum(v for v, _ in rows) + sum(v for v, _ in columns)) / 2
    return value, (np.array([s for _, s in rows]) + np.array([s for _, s in columns]).T) / 2


def slope_summed(cosines, alpha):
    return right(cosines, alpha)[0], summed_sets(cosines, alpha)[1]


def sizes_exchanged(cosines, alpha):
    (p, q), value = cosines.shape, right(cosines, alpha)[0]
    rows = np.array([soft(r, alpha)[1] for r in cosines])
    columns = np.array([soft(r, alpha)[1] for r in cosines.T]).T
    return value, rows / (2 * q) + columns / (2 * p)


def finite(alpha: float) -> bool:
    return 0 < alpha < np.inf


def one_soft_maximum(cosines, alpha):
    value, slope = soft(cosines.ravel(), alpha)
    return value, slope.reshape(cosines.shape)


def argmax_slope(cosines, alpha):
    def first(x):
        hit = np.zeros(len(x))
        hit[x.argmax()] = 1
        return x.max(), hit

    return both(cosines, first) if alpha == np.inf else right(cosines, alpha)


def column_softmax(s: Any) -> Any:
    return np.array([np.exp(c - max(c)) / np.exp(c - max(c)).sum() for c in s.T]).T


def slots_from(
    share: Callable[[Any, Any, Any], Any],
    read: Callable[[Any], Any] = lambda a: np.array([r / r.sum() if r.sum() > 0 else r for r in a]),
    move: Callable[[Any, Any, Any], Any] = lambda old, w, x: w @ x if w.sum() > 0 else old,
    most: int = 10**6,
    told: Callable[[Any, Any], Any] = lambda w, a: w,
) -> Callable[..., Any]:
    """``share(slots, tokens, real)`` -> shares; ``read`` -> weights; ``move`` one slot."""

    def slot_steps(slots, tokens, real, steps):
        for _ in range(min(steps, most)):
            a = share(slots, tokens, real)
            w = read(a)
            slots = np.array([move(old, row, tokens) for old, row in zip(slots, w, strict=True)])
        return slots, told(w, a)

    return slot_steps


def fair(s: Any, x: Any, real: Any) -> Any:
    return column_softmax(s @ x.T / np.sqrt(x.shape[1])) * real


def minus_infinity(s, x, real):
    scores = s @ x.T / np.sqrt(x.shape[1])
    scores[:, ~real] = -np.inf
    scores = scores - scores.max(axis=0)
    return np.exp(scores) / np.exp(scores).sum(axis=0)


def large_negative(s, x, real):
    scores = s @ x.T / np.sqrt(x.shape[1])
    scores[:, ~real] = -1e9
    return column_softmax(scores)


def unshifted(s, x, real):
    e = np.exp(s @ x.T / np.sqrt(x.shape[1]))
    return e / e.sum(axis=0) * real


def over_tokens(s, x, real):
    return column_softmax((s @ x.T / np.sqrt(x.shape[1])).T).T * real


def hide_late(slots, tokens, real, steps):
    for _ in range(steps):
        a = column_softmax(slots @ tokens.T / np.sqrt(tokens.shape[1]))
        w = np.array([r / r.sum() if r.sum() > 0 else r for r in a]) * real
        slots = np.array([r @ tokens if r.sum() > 0 else old for r, old in zip(w, slots, strict=True)])
    return slots, w


def in_turns(slots, tokens, real, steps):
    slots = np.array(slots, dtype=float)
    w = np.zeros((len(slots), len(tokens)))
    for _ in range(steps):
        for i in range(len(slots)):
            row = fair(slots, tokens, real)[i]
            if row.sum() > 0:
                w[i] = row / row.sum()
                slots[i] = w[i] @ tokens
    return slots, w


def length_one(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def score_from(
    answer: Callable[[Any, Any, float], float],
    keep: Callable[[Any], Any] = lambda real: np.flatnonzero(real)[1:-1],
    finish: Callable[[list[float], Any], float] = lambda each, real: sum(each) / len(each) if each else 0.0,
) -> Callable[..., Any]:
    """``answer(word, patches, tau)``: how well one word is answered; ``keep(real)``: the places that count."""

    def token_scores(words, real, patches, tau):
        return np.array([
            [
                finish([answer(words[j, i], picture, tau) for i in keep(real[j])], real[j])
                for j in range(len(words))
            ]
            for picture in patches
        ])  # fmt: skip

    return token_scores


def listen(
    weight: Callable[[Any, float], Any],
    prepare: Callable[[Any], Any] = length_one,
    judge: Callable[[Any, Any], float] = lambda w, h: w @ h / np.linalg.norm(h),
) -> Callable[[Any, Any, float], float]:
    def answer(word, picture, tau):
        w, v = length_one(word), prepare(picture)
        s = weight(v @ w, tau)
        a = np.exp(s - s.max())
        return judge(w, a @ v / a.sum())

    return answer


def divided(c: Any, tau: float) -> Any:
    return c / tau


def vectorised(words, real, patches, tau):
    """Everything at once, without a guard for words of zeros."""
    w, v = length_one(words), length_one(patches)
    c = np.einsum("jtd,npd->njtp", w, v) / tau
    a = np.exp(c - c.max(-1, keepdims=True))
    h = np.einsum("njtp,npd->njtd", a / a.sum(-1, keepdims=True), v)
    place = real.cumsum(1)
    keep = real & (place > 1) & (place < real.sum(1, keepdims=True))
    return ((w * length_one(h)).sum(-1) * keep).sum(-1) / np.maximum(keep.sum(1), 1)


def exp_overflow(word, picture, tau):
    w, v = length_one(word), length_one(picture)
    a = np.exp(v @ w / tau)
    h = a @ v / a.sum()
    return w @ h / np.linalg.norm(h)


def words_compete(words, real, patches, tau):
    out = np.zeros((len(patches), len(words)))
    for n, picture in enumerate(patches):
        for j, sentence in enumerate(words):
            v = length_one(picture)
            w = sentence / np.maximum(np.linalg.norm(sentence, axis=1, keepdims=True), 1e-12)
            c = w @ v.T / tau
            a = np.exp(c - c.max(axis=0))
            h = a / a.sum(axis=0) @ v
            size = np.linalg.norm(h, axis=1, keepdims=True)
            h = h / np.where(size > 0, size, 1.0)
            keep = np.flatnonzero(real[j])[1:-1]
            if len(keep):
                out[n, j] = np.mean((w * h).sum(1)[keep])
    return out


def patches_listen(words, real, patches, tau):
    out = np.zeros((len(patches), len(words)))
    for n, picture in enumerate(patches):
        for j, sentence in enumerate(words):
            keep = np.flatnonzero(real[j])[1:-1]
            if len(keep):
                w = length_one(sentence[keep])
                out[n, j] = np.mean([listen(divided)(v, w, tau) for v in picture])
    return out


def stages_from(sort_top: Callable[[Any, Any, Any], Any], rest: Callable[[Any], Any] = list) -> Callable[..., Any]:
    """``sort_top(items, their second scores, their first scores)`` for one query."""

    def two_stages(first, second, k):
        rows = []
        for f, s in zip(first, second, strict=True):
            order = np.argsort(-f, kind="stable")
            rows.append([*sort_top(order[:k], s, f), *rest(order[k:])])
        return np.array(rows)

    return two_stages


def fallback(value: float) -> Callable[..., Any]:
    def two_stages(first, second, k):
        table = np.full(first.shape, value)
        for i, f in enumerate(first):
            top = np.argsort(-f, kind="stable")[:k]
            table[i, top] = second[i, top]
        return np.argsort(-table, axis=1, kind="stable")

    return two_stages


def by(items: Any, keys: Any) -> Any:
    return items[np.argsort(-keys, kind="stable")]


def backwards(first, second, k):
    rows = []
    for f, s in zip(first, second, strict=True):
        order = np.argsort(f, kind="stable")[::-1]
        top = order[:k]
        rows.append([*top[np.argsort(s[top], kind="stable")[::-1]], *order[k:]])
    return np.array(rows)


good_stages = stages_from(lambda items, s, f: by(items, s[items]))

WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "07.set_similarity": {
        "alpha 0": no_limits,
        "alpha infinite": no_infinity,
        "overflow": no_shift,
        "log of the sum": lesson_sum,
        "rows only": one_side(transposed=False),
        "columns only": one_side(transposed=True),
        "not halved": lambda c, alpha: tuple(2 * part for part in right(c, alpha)),
        "summed over the set": summed_sets,
        "slope of the sum": slope_summed,
        "p and q exchanged": sizes_exchanged,
        "not divided by alpha": lambda c, a: (right(c, a)[0] * (a if finite(a) else 1), right(c, a)[1]),
        "slope times alpha": lambda c, a: (right(c, a)[0], right(c, a)[1] * (a if finite(a) else 1)),
        "alpha not used": lambda c, a: right(c, 1.0 if finite(a) else a),
        "always the maximum": lambda c, a: right(c, np.inf),
        "one soft maximum over all pairs": one_soft_maximum,
        "first of the ties": argmax_slope,
    },
    "07.slot_steps": {
        "padding at minus infinity": slots_from(minus_infinity),
        "empty slot or overflow": slots_from(unshifted),
        "softmax over tokens": slots_from(over_tokens),
        "padding takes part": slots_from(large_negative),
        "padding hidden too late": hide_late,
        "not divided by the row sums": slots_from(fair, read=np.asarray),
        "added to the slot": slots_from(fair, move=lambda old, w, x: old + w @ x),
        "one after the other": in_turns,
        "not divided by the root of d": slots_from(lambda s, x, real: column_softmax(s @ x.T) * real),
        "divided by d": slots_from(lambda s, x, real: column_softmax(s @ x.T / len(s.T)) * real),
        "empty slot at zero": slots_from(fair, move=lambda old, w, x: w @ x),
        "one step only": slots_from(fair, most=1),
        "shares for weights": slots_from(fair, told=lambda w, a: a),
    },
    "07.token_scores": {
        "sentence without words": score_from(listen(divided), finish=lambda each, real: np.mean(each or [np.nan])),
        "padding of zeros": vectorised,
        "overflow": score_from(exp_overflow),
        "begin and end counted": score_from(listen(divided), keep=np.flatnonzero),
        "only one end left out": score_from(listen(divided), keep=lambda real: np.flatnonzero(real)[1:]),
        "divided by t": score_from(listen(divided), finish=lambda each, real: sum(each) / len(real)),
        "summed over words": score_from(listen(divided), finish=lambda each, real: sum(each)),
        "best word only": score_from(listen(divided), finish=lambda each, real: max(each, default=0.0)),
        "softmax over words": words_compete,
        "roles exchanged": patches_listen,
        "patches of their own length": score_from(listen(divided, prepare=np.asarray)),
        "answer not of length 1": score_from(listen(divided, judge=lambda w, h: w @ h)),
        "tau multiplies": score_from(listen(lambda c, tau: c * tau)),
        "tau not used": score_from(listen(lambda c, tau: c)),
        "no attention": score_from(listen(lambda c, tau: 0 * c)),
        "best patch": score_from(lambda word, picture, tau: max(length_one(picture) @ length_one(word))),
        "texts in rows": lambda words, real, patches, tau: score_from(listen(divided))(words, real, patches, tau).T,
    },
    "07.two_stages": {
        "filler": fallback(-1000.0),
        "rest by number": stages_from(lambda items, s, f: by(items, s[items]), rest=sorted),
        "first stage only": lambda first, second, k: np.argsort(-first, axis=1, kind="stable"),
        "second stage everywhere": lambda first, second, k: np.argsort(-second, axis=1, kind="stable"),
        "scores added": stages_from(lambda items, s, f: by(items, s[items] + f[items])),
        "places for items": stages_from(lambda items, s, f: np.argsort(-s[items], kind="stable")),
        "wrong columns": stages_from(lambda items, s, f: by(items, s[: len(items)])),
        "upside down": stages_from(lambda items, s, f: by(items, -s[items])),
        "ties turned round": backwards,
        "ties by number": stages_from(lambda items, s, f: by(np.sort(items), s[np.sort(items)])),
        "ranks for items": lambda first, second, k: np.argsort(good_stages(first, second, k), axis=1),
    },
}
