"""Wrong solutions of exercise 10, written the way learners write them. Read by tests/exercises/test_checker.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def alike(x: Any, y: Any) -> float:
    """The cosine of two label rows, rounded; 0 for an empty one."""
    size = x.sum() * y.sum()
    return round((x & y).sum() / np.sqrt(size), 9) if size else 0.0


def smallest(cosines: Any, share: float) -> float:
    values = sorted({float(c) for c in cosines.ravel() if c > 0})
    for value in values:
        if np.mean(cosines >= value) <= share:
            return value
    return values[-1] if values else 1.0


def targets_from(
    cosine: Callable[[Any, Any], float] = alike,
    threshold: Callable[[Any, float], float] = smallest,
    cut: Callable[[Any, float], Any] = lambda c, t: c >= t,
    one: Callable[[Any], Any] = lambda n: n > 0,
    grade: Callable[[Any, Any], Any] = lambda n, c: 2 / (1 + np.exp(-n)) - 1,
) -> Callable[..., Any]:
    """``cosine(row, row)``; ``threshold(cosines, share)``; then the three results from counts and cosines."""

    def label_targets(a, b, share):
        n = np.array([[(x & y).sum() for y in b] for x in a])
        c = np.array([[cosine(x, y) for y in b] for x in a])
        t = threshold(c, share)
        return one(n).astype(float), cut(c, t).astype(float), grade(n, c), t

    return label_targets


def divided_by_zero(a, b, share):
    c = a.astype(int) @ b.T.astype(int) / np.sqrt(np.outer(a.sum(1), b.sum(1)))
    shared, strict, graded, t = targets_from()(a, b, share)
    return shared, np.where(np.isnan(c), np.nan, strict), graded, t


def unit_rows(x: Any, y: Any) -> float:
    x, y = (r / max(np.linalg.norm(r.astype(float)), 1e-12) for r in (x, y))
    return float(x @ y)


def upwards(cosines: Any, share: float) -> float:
    """Stops one too early."""
    values = sorted({float(c) for c in cosines.ravel() if c > 0}) or [1.0]
    passed = [v for v in values if np.mean(cosines >= v) > share]
    return (passed or values[:1])[-1]


def below(cosines: Any, share: float) -> float:
    values = sorted({float(c) for c in cosines.ravel() if c > 0})
    return next((v for v in values if np.mean(cosines >= v) < share), values[-1] if values else 1.0)


def of_similar(cosines: Any, share: float) -> float:
    positive = cosines[cosines > 0]
    return smallest(positive, share) if len(positive) else 1.0


def crash_guard(cosines: Any, share: float) -> float:
    """Forgets that there may be no cosine above 0: everything counts as similar."""
    return smallest(cosines, share) if (cosines > 0).any() else 0.0


def J(b: Any, views: Any, bases: Any, weights: Any, A: Any, beta: float, same: bool = False) -> float:
    total = sum(w * np.linalg.norm(F - b @ U) ** 2 for w, F, U in zip(weights, views, bases, strict=True))
    pairs = [(i, j) for i in range(len(b)) for j in range(len(b)) if same or i != j]
    return float(total - beta * sum(A[i, j] * np.dot(b[i], b[j]) for i, j in pairs))


def visit_from(
    pull: Callable[..., float] | None = None,
    push: Callable[..., float] | None = None,
    tie: Callable[[float], float] = lambda old: old,
    order: Callable[[int], Any] = range,
    cost: Callable[..., float] = J,
    frozen: bool = False,
    finish: Callable[[Any, list[float], int], Any] = lambda b, trail, k: (b[:, k], trail),
) -> Callable[..., Any]:
    """``pull(i, k, b, F, U, w)`` of one view, ``push(i, bit, A, beta)`` of the graph."""

    def discrete_bit(k, codes, views, bases, weights, graph, beta):
        b = np.array(codes, dtype=float)
        given = views, bases, weights, graph, beta
        trail = [cost(b, *given)]
        for i in order(len(b)):
            wish = sum((pull or good_pull)(i, k, b, *each) for each in zip(views, bases, weights, strict=True))
            wish += (push or good_push)(i, (codes if frozen else b)[:, k], graph, beta)
            b[i, k] = np.sign(wish) if wish != 0 else tie(b[i, k])
            trail.append(cost(b, *given))
        return finish(b, trail, k)

    return discrete_bit


def good_pull(i: int, k: int, b: Any, F: Any, U: Any, w: float) -> float:
    left = F[i] - sum(b[i, x] * U[x] for x in range(len(U)) if x != k)
    return 2 * w * float(left @ U[k])


def good_push(i: int, bit: Any, A: Any, beta: float) -> float:
    return beta * sum((A[i, j] + A[j, i]) * bit[j] for j in range(len(bit)) if j != i)


def others_twice(i: int, k: int, b: Any, F: Any, U: Any, w: float) -> float:
    rest = b[i] @ U - b[i, k] * U[k]
    return 2 * w * float((F[i] - 2 * rest) @ U[k])


def bit_only(b: Any, views: Any, bases: Any, weights: Any, A: Any, beta: float) -> float:
    bare = J(b, views, bases, weights, A, 0.0)
    return bare + (J(b, views, bases, weights, A, beta) - bare) / b.shape[1]


def score(x: Any, W: Any, c: Any, v: Any) -> float:
    return float(sum(a * max(float(w @ x + b), 0.0) for a, w, b in zip(v, W, c, strict=True)))


def units(x: Any, W: Any, c: Any) -> Any:
    return np.array([max(float(w @ x + b), 0.0) for w, b in zip(W, c, strict=True)])


def game_from(
    wants: tuple[float, float, float] = (1.0, 0.0, 1.0),
    average: Callable[[Any, Any, Any], float] = lambda values, h, prior: float(np.mean(values)),
    half: float = 1.0,
    two: float = 2.0,
    gate: Callable[[Any], Any] = lambda u: u > 0,
    squash: Callable[[float], float] = lambda d: d,
    swap: Callable[..., Any] = lambda j, t, v_j, v_t, h_j, h_t: (j, t, v_j, h_t),
) -> Callable[..., Any]:
    """``swap`` gets both losses and the slopes of both along v and h, and chooses four."""

    def code_game(h, prior, W, c, v):
        real, made = (np.array([squash(score(x, W, c, v)) for x in rows]) for rows in (prior, h))
        u_real, u_made = (np.array([units(x, W, c) for x in rows]) for rows in (prior, h))

        def mean(x):
            return average(x, h, prior)

        j = half * (mean((real - wants[0]) ** 2) + mean((made - wants[1]) ** 2))
        t = half * mean((made - wants[2]) ** 2)
        n = mean(np.ones(len(h)))
        m = mean(np.ones(len(prior)))
        v_j = two * (
            m * ((real - wants[0])[:, None] * u_real).mean(0) + n * ((made - wants[1])[:, None] * u_made).mean(0)
        )
        v_t = two * n * ((made - wants[2])[:, None] * u_made).mean(0)
        h_j, h_t = (
            two * n / len(h) * np.array([e * (v * gate(u)) @ W for e, u in zip(made - w, u_made, strict=True)])
            for w in wants[1:]
        )
        return swap(j, t, v_j, v_t, h_j, h_t)

    return code_game


def logistic(h, prior, W, c, v):
    d, p = (np.array([score(x, W, c, v) for x in rows]) for rows in (h, prior))
    sig_d, sig_p = 1 / (1 + np.exp(-d)), 1 / (1 + np.exp(-p))
    u_h, u_p = (np.array([units(x, W, c) for x in rows]) for rows in (h, prior))
    slope_v = ((sig_p - 1)[:, None] * u_p).mean(0) + (sig_d[:, None] * u_h).mean(0)
    slope_h = np.array([(s - 1) * (v * (u > 0)) @ W for s, u in zip(sig_d, u_h, strict=True)]) / len(h)
    return -np.log(sig_p).mean() - np.log(1 - sig_d).mean(), -np.log(sig_d).mean(), slope_v, slope_h


WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "10.label_targets": {
        "rows without a label": divided_by_zero,
        "counts for shared": targets_from(one=lambda n: n),
        "cosines for strict": targets_from(cut=lambda c, t: c),
        "jaccard": targets_from(lambda x, y: round((x & y).sum() / max((x | y).sum(), 1), 9)),
        "plain counts cut": targets_from(lambda x, y: float((x & y).sum())),
        "rounding": targets_from(unit_rows),
        "above the threshold only": targets_from(cut=lambda c, t: c > t),
        "share for the threshold": targets_from(threshold=lambda c, share: share),
        "quantile": targets_from(threshold=lambda c, share: np.quantile(c, 1 - share)),
        "less than the share": targets_from(threshold=below),
        "too many pairs": targets_from(threshold=upwards),
        "share of the similar pairs": targets_from(threshold=of_similar),
        "always the largest": targets_from(threshold=lambda c, share: c.max() or 1.0),
        "affinity of the cosines": targets_from(grade=lambda n, c: 2 / (1 + np.exp(-c)) - 1),
        "affinity of yes and no": targets_from(grade=lambda n, c: 2 / (1 + np.exp(-1.0 * (n > 0))) - 1),
        "sigmoid only": targets_from(grade=lambda n, c: 1 / (1 + np.exp(-n))),
        "tanh of the count": targets_from(grade=lambda n, c: np.tanh(n)),
        "nothing shared": targets_from(threshold=crash_guard),
    },
    "10.discrete_bit": {
        "zero bits": visit_from(tie=lambda old: 0.0),
        "undecided bits to -1": visit_from(tie=lambda old: -1.0),
        "undecided bits to +1": visit_from(tie=lambda old: 1.0),
        "all items at once": visit_from(frozen=True),
        "last item first": visit_from(order=lambda n: range(n - 1, -1, -1)),
        "own bit left in": visit_from(lambda i, k, b, F, U, w: 2 * w * float((F[i] - b[i] @ U) @ U[k])),
        "other bits not seen": visit_from(lambda i, k, b, F, U, w: 2 * w * float(F[i] @ U[k])),
        "one direction only": visit_from(
            push=lambda i, bit, A, beta: beta * sum(A[i, j] * bit[j] for j in range(len(bit)) if j != i)
        ),
        "graph counted half": visit_from(push=lambda *given: good_push(*given) / 2),
        "views counted half": visit_from(lambda *given: good_pull(*given) / 2),
        "own neighbour": visit_from(push=lambda i, bit, A, beta: beta * float((A + A.T)[i] @ bit)),
        "near and far exchanged": visit_from(push=lambda *given: -good_push(*given)),
        "graph not used": visit_from(push=lambda *given: 0.0),
        "beta not used": visit_from(push=lambda i, bit, A, beta: good_push(i, bit, A, 1.0)),
        "weights not used": visit_from(lambda i, k, b, F, U, w: good_pull(i, k, b, F, U, 1.0)),
        "objective without the graph": visit_from(cost=lambda b, F, U, w, A, beta: J(b, F, U, w, A, 0.0)),
        "objective with the diagonal": visit_from(cost=lambda *given: J(*given, same=True)),
        "objective of bit k": visit_from(cost=bit_only),
        "start not recorded": visit_from(finish=lambda b, trail, k: (b[:, k], trail[1:])),
        "whole codes": visit_from(finish=lambda b, trail, k: (b, trail)),
        "objective rises": visit_from(others_twice),
    },
    "10.code_game": {
        "cross-entropy": logistic,
        "sides exchanged": game_from((0.0, 1.0, 1.0)),
        "teacher helps the judge": game_from((1.0, 0.0, 0.0)),
        "minus the judge's loss": game_from(swap=lambda j, t, v_j, v_t, h_j, h_t: (j, -j, v_j, -h_j)),
        "losses exchanged": game_from(swap=lambda j, t, v_j, v_t, h_j, h_t: (t, j, v_j, h_t)),
        "halved": game_from(half=0.5, two=1.0),
        "factor 2 missing in the slopes": game_from(two=1.0),
        "summed": game_from(average=lambda values, h, prior: float(np.sum(values))),
        "one mean over both": game_from(average=lambda values, h, prior: float(np.sum(values) / (len(h) + len(prior)))),
        "slope of the sum": lambda h, *rest: [*game_from()(h, *rest)[:3], len(h) * game_from()(h, *rest)[3]],
        "silent units pull": game_from(gate=np.ones_like),
        "judge's slope along the codes": game_from(swap=lambda j, t, v_j, v_t, h_j, h_t: (j, t, v_j, h_j)),
        "teacher's slope along v": game_from(swap=lambda j, t, v_j, v_t, h_j, h_t: (j, t, v_t, h_t)),
        "both losses along v": game_from(swap=lambda j, t, v_j, v_t, h_j, h_t: (j, t, v_j + v_t, h_t)),
        "adversary never reaches the codes": game_from(swap=lambda j, t, v_j, v_t, h_j, h_t: (j, t, v_j, 0 * h_t)),
        "downhill": game_from(swap=lambda j, t, v_j, v_t, h_j, h_t: (j, t, v_j, -h_t)),
        "scores through a sigmoid": game_from(squash=lambda d: 1 / (1 + np.exp(-d))),
    },
}
