"""Wrong solutions of exercise 09, written the way learners write them. Read by tests/exercises/test_checker.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def pairs_from(
    loss: Callable[[Any, Any], Any] = lambda t, s: np.logaddexp(0, t) - s * t,
    slope: Callable[[Any, Any], Any] = lambda t, s: np.exp(-np.logaddexp(0, -t)) - s,
    norm: Callable[[Any], float] = np.sum,
    theta: Callable[[Any, Any], Any] = lambda f, g: 0.5 * np.einsum("ik,jk->ij", f, g),
    half: float = 2.0,
) -> Callable[..., Any]:
    """``loss(theta, s)`` and ``slope(theta, s)`` of one pair; ``norm(w)`` divides."""

    def solve(f, g, s, w):
        t = theta(f, g)
        e = slope(t, s) * w / norm(w)
        return (
            np.sum(w * loss(t, s)) / norm(w),
            np.einsum("ij,jk->ik", e, g) / half,
            np.einsum("ij,ik->jk", e, f) / half,
        )

    return solve


good_pairs = pairs_from()


def unweighted_slopes(f, g, s, w):
    e = (1 / (1 + np.exp(-f @ g.T / 2)) - s) / np.sum(w)
    return good_pairs(f, g, s, w)[0], e @ g / 2, e.T @ f / 2


def only_theta(f, g, s, w):
    e = w * (1 / (1 + np.exp(-f @ g.T / 2)) - s) / np.sum(w)
    return good_pairs(f, g, s, w)[0], e, e.T


def logs(t: Any, s: Any) -> Any:
    """Cross-entropy with a small number inside the logs."""
    p = np.exp(-np.logaddexp(0, -t))
    return -s * np.log(p + 1e-12) - (1 - s) * np.log(1 - p + 1e-12)


def clipped_theta(f: Any, g: Any) -> Any:
    return np.clip(f @ g.T / 2, -50, 50)


def hard(threshold: float) -> Callable[..., Any]:
    return lambda f, g, s, w: good_pairs(f, g, 1.0 * (s > threshold), w)


def gap_from(
    choose: Callable[[Any, Any, Any, float], Any],
    distance: Callable[[Any, Any], Any] = lambda b, x: np.mean((b - x) ** 2),
    finish: Callable[..., Any] = lambda b, before, after, gap: (b, before, after, gap),
) -> Callable[..., Any]:
    """``choose(f, g, old, a)`` -> codes; ``distance(b, x)``; ``finish`` puts the four results in order."""

    def solve(f, g, old, a):
        b = choose(f, g, old, a)
        before = a * distance(old, f) + (1 - a) * distance(old, g)
        after = a * distance(b, f) + (1 - a) * distance(b, g)
        return finish(b, before, after, distance(b, a * f + (1 - a) * g))

    return solve


def cheaper(f: Any, g: Any, old: Any, a: float) -> Any:
    """The cheaper sign; the old one where both cost the same."""
    difference = a * f + (1 - a) * g
    b = np.array(old, dtype=float)
    b[difference > 0], b[difference < 0] = 1, -1
    return b


def keep(values: Any, old: Any) -> Any:
    return np.where(values == 0, old, np.sign(values))


def plain_middle(f, g, old, a):
    b, before, after, _ = gap_from(cheaper)(f, g, old, a)
    return b, before, after, np.mean((b - 0.5 * (f + g)) ** 2)


def one_bytes(a: Any, b: Any, bits: int) -> Any:
    return np.array([[sum(x != y for x, y in zip(p, q, strict=True)) for q in b] for p in a])


def popcount(a: Any, b: Any, bits: int) -> Any:
    return np.array([[sum(bin(int(x) ^ int(y)).count("1") for x, y in zip(p, q, strict=True)) for q in b] for p in a])


def cut(a: Any, b: Any, bits: int) -> Any:
    """Masks the spare bits, which are the lowest of the last byte."""
    mask = np.full(a.shape[1], 255, dtype=np.uint8)
    mask[-1] = 255 & (0xFF << (-bits % 8))
    return popcount(a & mask, b & mask, bits)


def cut_at_the_start(a: Any, b: Any, bits: int) -> Any:
    mask = np.full(a.shape[1], 255, dtype=np.uint8)
    mask[-1] = 255 >> (-bits % 8)
    return popcount(a & mask, b & mask, bits)


def small_sum(a: Any, b: Any, bits: int) -> Any:
    return cut(a, b, bits).astype(np.uint8)


def subtracted(a: Any, b: Any, bits: int) -> Any:
    return np.array([[np.abs(p.astype(int) - q.astype(int)).sum() for q in b] for p in a])


def ap(row: Any, total: float) -> float:
    hits = np.cumsum(row)
    return float((hits / np.arange(1, len(row) + 1))[row].sum() / total)


def middle_of(N: int, R: int, n: int, r: int) -> float:
    return sum(r / n * (R + 1 + ((j - 1) * (r - 1) / (n - 1) if n > 1 else 0)) / (N + j) for j in range(1, n + 1))


def ties_from(
    distance: Callable[[Any, Any, int], Any] = cut,
    group: Callable[[int, int, int, int], float] = middle_of,
    total: Callable[[Any], float] = lambda r: r.sum() or 1,
    rank: Callable[[Any], Any] = lambda d: d,
    finish: Callable[[Any, Any, Any], Any] = lambda low, mean, high: (low, mean, high),
) -> Callable[..., Any]:
    """``group(N, R, n, r)``: expected precisions of one group; the extremes by sorting."""

    def solve(queries, items, relevant, bits):
        low, mean, high = [], [], []
        for row, right in zip(rank(distance(queries, items, bits).astype(float)), relevant, strict=True):
            low.append(ap(right[np.argsort(row + 0.1 * right)], total(right)))
            high.append(ap(right[np.argsort(row - 0.1 * right)], total(right)))
            value = 0.0
            for d in sorted(set(row)):
                n, r = sum(row == d), sum(right[row == d])
                value += group(sum(row < d), sum(right[row < d]), n, r) if r else 0.0
            mean.append(value / total(right))
        return finish(*(np.array(x) for x in (low, mean, high)))

    return solve


def as_stored(queries, items, relevant, bits):
    order = np.argsort(cut(queries, items, bits), axis=1, kind="stable")
    one = [ap(right[o], right.sum() or 1) for right, o in zip(relevant, order, strict=True)]
    return one, one, one


def sweep_from(
    gain: Callable[..., Any],
    most: int = 10**6,
    old: bool = False,
    zero: Callable[[Any], Any] = lambda bit: bit,
    J: Callable[..., float] | None = None,
    finish: Callable[[list[float]], Any] = list,
) -> Callable[..., Any]:
    """``gain(j, k, v, u, rows, s, w, gamma)``: positive where item j wants +1 in column k."""

    def solve(codes, outputs, rows, target, weights, gamma):
        v = np.array(codes, dtype=float)
        given = outputs, rows, target, weights, gamma
        trail = [(J or objective)(v, *given)]
        for k in range(v.shape[1]):
            if k < most:
                for j in range(len(v)):
                    x = gain(j, k, np.array(codes, dtype=float) if old else v, *given)
                    v[j, k] = np.sign(x) if x != 0 else zero(v[j, k])
            trail.append((J or objective)(v, *given))
        return v, finish(trail)

    return solve


def objective(v: Any, u: Any, rows: Any, s: Any, w: Any, gamma: float, K: Any = None) -> float:
    K = K or v.shape[1]
    return sum(
        (w[i] * (v @ u[i] - K * s[i]) ** 2).sum() + gamma * ((v[rows[i]] - u[i]) ** 2).sum() for i in range(len(u))
    )


def wish(
    rest: float = 1.0, own: float = 0.0, K: Any = None, pull: float = 1.0, place: Any = None, weigh: bool = True
) -> Callable[..., Any]:
    """The right gain, with factors of the other bits, of the bit itself, of the target and of gamma."""

    def gain(j, k, v, u, rows, s, w, gamma):
        others = u @ v[j] - (1 - own) * u[:, k] * v[j, k]
        missing = (K or v.shape[1]) * s[:, j] - rest * others
        owner = rows if place is None else np.arange(len(rows))
        return (u[:, k] * missing * (w[:, j] if weigh else 1)).sum() + pull * gamma * u[owner == j, k].sum()

    return gain


WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "09.pair_loss": {
        "overflow": pairs_from(loss=lambda t, s: np.log(1 + np.exp(t)) - s * t),
        "theta not halved": pairs_from(theta=lambda f, g: f @ g.T, half=1.0),
        "half missing in the slope": pairs_from(half=1.0),
        "likelihood for loss": lambda *given: tuple(-part for part in good_pairs(*given)),
        "slope with the other sign": pairs_from(slope=lambda t, s: s - np.exp(-np.logaddexp(0, -t))),
        "slopes exchanged": lambda *given: [good_pairs(*given)[k] for k in (0, 2, 1)],
        "slope along theta": only_theta,
        "divided by the number of pairs": pairs_from(norm=np.size),
        "divided by the pairs that count": pairs_from(norm=np.count_nonzero),
        "not divided": pairs_from(norm=lambda w: 1.0),
        "weights not used": lambda f, g, s, w: good_pairs(f, g, s, np.ones(w.shape)),
        "slopes without weights": unweighted_slopes,
        "soft similarities made hard": hard(0.5),
        "clipped": pairs_from(theta=clipped_theta),
    },
    "09.sign_gap": {
        "zero bits": gap_from(lambda f, g, old, a: np.sign(a * f + (1 - a) * g)),
        "zeros and ones": gap_from(lambda f, g, old, a: (cheaper(f, g, old, a) > 0) * 1),
        "undecided bits to -1": gap_from(lambda f, g, old, a: 2.0 * (a * f + (1 - a) * g > 0) - 1),
        "undecided bits to +1": gap_from(lambda f, g, old, a: 2.0 * (a * f + (1 - a) * g >= 0) - 1),
        "sign of the plain sum": gap_from(lambda f, g, old, a: keep(f + g, old)),
        "signs voted": gap_from(lambda f, g, old, a: keep(a * np.sign(f) + (1 - a) * np.sign(g), old)),
        "image only": gap_from(lambda f, g, old, a: keep(f, old)),
        "a exchanged": lambda f, g, old, a: gap_from(cheaper)(f, g, old, 1 - a),
        "a exchanged in the codes": gap_from(lambda f, g, old, a: cheaper(g, f, old, a)),
        "summed": gap_from(cheaper, distance=lambda b, x: np.sum((b - x) ** 2)),
        "divided by n only": gap_from(cheaper, distance=lambda b, x: np.sum((b - x) ** 2) / len(x)),
        "not squared": gap_from(cheaper, distance=lambda b, x: np.mean(np.abs(b - x))),
        "before and after exchanged": gap_from(cheaper, finish=lambda b, before, after, gap: (b, after, before, gap)),
        "gap holds the disagreement": gap_from(cheaper, finish=lambda b, before, after, gap: (b, before, after, after)),
        "gap between old and new": gap_from(
            cheaper, finish=lambda b, before, after, gap: (b, before, after, before - after)
        ),
        "gap to the plain mean": plain_middle,
    },
    "09.tied_ap": {
        "nothing relevant": ties_from(total=np.sum),
        "bytes for bits": ties_from(one_bytes),
        "difference of the bytes": ties_from(subtracted),
        "spare bits counted": ties_from(popcount),
        "wrong end masked": ties_from(cut_at_the_start),
        "distances wrap at 256": ties_from(small_sum),
        "upside down": ties_from(rank=lambda d: -d),
        "one order only": as_stored,
        "middle of lowest and highest": ties_from(finish=lambda low, mean, high: (low, 0.5 * low + 0.5 * high, high)),
        "forgets itself": ties_from(
            group=lambda N, R, n, r: sum(r / n * (R + j * r / n) / (N + j) for j in range(1, n + 1))
        ),
        "precision at the end of the group": ties_from(group=lambda N, R, n, r: r * (R + r) / (N + n)),
        "every group starts anew": ties_from(group=lambda N, R, n, r: middle_of(0, 0, n, r)),
        "divided by n": ties_from(total=len),
        "lowest and highest exchanged": ties_from(finish=lambda low, mean, high: (high, mean, low)),
        "mean over queries": ties_from(finish=lambda *three: tuple(x.mean() for x in three)),
    },
    "09.code_sweep": {
        "zero bits": sweep_from(wish(), zero=lambda bit: 0.0),
        "undecided bits to -1": sweep_from(wish(), zero=lambda bit: -1.0),
        "undecided bits to +1": sweep_from(wish(), zero=lambda bit: 1.0),
        "all columns at once": sweep_from(wish(), old=True),
        "own bit left in": sweep_from(wish(own=1.0)),
        "other bits twice": sweep_from(wish(rest=2.0)),
        "other bits not seen": sweep_from(wish(rest=0.0)),
        "target not times K": sweep_from(wish(K=1), J=lambda *given: objective(*given, K=1)),
        "target not times K in the update": sweep_from(wish(K=1)),
        "sign turned": sweep_from(lambda *given: -wish()(*given)),
        "weights not used": sweep_from(wish(weigh=False)),
        "objective without weights": sweep_from(
            wish(), J=lambda v, u, rows, s, w, gamma: objective(v, u, rows, s, np.ones(w.shape), gamma)
        ),
        "gamma not used": sweep_from(wish(pull=0.0)),
        "gamma on the wrong items": sweep_from(wish(place=range)),
        "factor of gamma": sweep_from(wish(pull=0.5)),
        "objective without gamma": sweep_from(
            wish(), J=lambda v, u, rows, s, w, gamma: objective(v, u, rows, s, w, 0.0)
        ),
        "one column only": sweep_from(wish(), most=1),
        "start not recorded": sweep_from(wish(), finish=lambda trail: trail[1:]),
    },
}
