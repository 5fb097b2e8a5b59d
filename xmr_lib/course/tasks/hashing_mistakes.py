"""The mistakes people make in exercise 09, as functions: each is a solution with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.hashing_by_hand import Array


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp -x) without overflow."""
    return np.exp(-np.logaddexp(0.0, -x))


def pairs(
    theta_of: Callable[[Array, Array], Array] = lambda f, g: f @ g.T / 2,
    similarity: Callable[[Array], Array] = np.asarray,
    divisor: Callable[[Array], float] = lambda w: float(w.sum()),
    counted: Callable[[Array], Array] = np.asarray,
    counted_slope: Callable[[Array], Array] = np.asarray,
    half: float = 0.5,
    value_sign: float = 1.0,
    slope_sign: float = 1.0,
) -> Callable[..., tuple[float, Array, Array]]:
    """A wrong pair loss: theta, similarity, what the sum is divided by, where the weights stand, a factor, a sign."""

    def wrong(f: Array, g: Array, s: Array, w: Array) -> tuple[float, Array, Array]:
        theta, s = theta_of(f, g), similarity(s)
        value = (counted(w) * (np.logaddexp(0.0, theta) - s * theta)).sum() / divisor(w)
        along = slope_sign * counted_slope(w) * (sigmoid(theta) - s) / divisor(w)
        return float(value_sign * value), half * along @ g, half * along.T @ f

    return wrong


def slopes_exchanged(f: Array, g: Array, s: Array, w: Array) -> tuple[float, Array, Array]:
    """The slope along g is returned before that along f."""
    value, slope_f, slope_g = pairs()(f, g, s, w)
    return value, slope_g, slope_f


def slope_along_theta(f: Array, g: Array, s: Array, w: Array) -> tuple[float, Array, Array]:
    """The slope along theta is returned for both."""
    along = w * (sigmoid(f @ g.T / 2) - s) / w.sum()
    return pairs()(f, g, s, w)[0], along, along.T


def fails_when_large(case: Case, expected: Any, got: Any) -> bool:
    """Whether the first case that fails has theta beyond 100, and nothing is infinite or NaN."""
    f, g = case.arguments[:2]
    try:
        finite = len(got) == 3 and all(bool(np.isfinite(np.asarray(part, dtype=float)).all()) for part in got)
    except (TypeError, ValueError):
        return False
    return finite and bool(np.abs(f @ g.T).max() > 200)


def signs(values: Array, old: Array) -> Array:
    """+1 or -1; where a value is 0 the old bit."""
    return np.where(values > 0, 1.0, np.where(values < 0, -1.0, old))


def zero_bits(case: Case, expected: Any, got: Any) -> bool:
    """Whether the codes, the first result, hold a 0 among -1 and +1."""
    try:
        codes = np.asarray(got[0], dtype=float)
    except (TypeError, ValueError, IndexError, KeyError):
        return False
    return codes.shape == expected[0].shape and bool((codes == 0).any() and np.isin(codes, (-1, 0, 1)).all())


def zeros_and_ones(case: Case, expected: Any, got: Any) -> bool:
    """Whether the codes are the right ones as 0 and 1."""
    try:
        codes = np.asarray(got[0], dtype=float)
    except (TypeError, ValueError, IndexError, KeyError):
        return False
    return codes.shape == expected[0].shape and np.array_equal(2 * codes - 1, expected[0])


def gaps(
    codes_of: Callable[[Array, Array, Array, float], Array] = lambda f, g, old, a: signs(a * f + (1 - a) * g, old),
    power: Callable[[Array], Array] = np.square,
    reduce: Callable[[Array], Any] = np.mean,
    weight: Callable[[float], tuple[float, float]] = lambda a: (a, 1 - a),
    told: Callable[[float, float, float], tuple[float, float, float]] = lambda before, after, gap: (before, after, gap),
) -> Callable[..., tuple[Array, float, float, float]]:
    """A wrong sign gap: how codes are chosen, how a distance is measured and averaged, what is reported."""

    def wrong(f: Array, g: Array, old: Array, a: float) -> tuple[Array, float, float, float]:
        codes, (x, y) = codes_of(f, g, old, a), weight(a)

        def loss(b: Array) -> float:
            return float(reduce(x * power(b - f) + y * power(b - g)))

        gap = float(reduce(power(codes - x * f - y * g)))
        return codes, *told(loss(old), loss(codes), gap)

    return wrong


def masked(codes: Array, bits: int) -> Array:
    """(n, bits) of zeros and ones, the spare ones left out."""
    return np.unpackbits(codes, axis=1)[:, :bits]


def hamming(queries: Array, items: Array, bits: int) -> Array:
    """(q, n) distances by unpacking."""
    return (masked(queries, bits)[:, None] != masked(items, bits)[None]).sum(axis=2)


def precisions(row: Array) -> float:
    """Sum of the precisions at the places of the relevant items of one ranking."""
    ranks = np.flatnonzero(row) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).sum())


def expected_sum(size: int, right: int, above: int, hits: int) -> float:
    """Expected precision sum of one tie group."""
    j = np.arange(1, size + 1)
    others = (j - 1) * (right - 1) / max(size - 1, 1)
    return float((right / size * (hits + 1 + others) / (above + j)).sum()) if right else 0.0


def spread_evenly(size: int, right: int, above: int, hits: int) -> float:
    """The relevant items lie evenly over the group, and the item itself is forgotten."""
    j = np.arange(1, size + 1)
    return float((right / size * (hits + j * right / size) / (above + j)).sum())


def at_the_end(size: int, right: int, above: int, hits: int) -> float:
    """Each relevant item has the precision at the end of its group."""
    return right * (hits + right) / (above + size)


def ties(
    distances: Callable[[Array, Array, int], Array] = hamming,
    group: Callable[[int, int, int, int], float] = expected_sum,
    divisor: Callable[[Array], float] = lambda relevant: float(max(relevant.sum(), 1)),
    order: Callable[[Array], Array] = np.asarray,
    told: Callable[[Array, Array, Array], tuple[Array, Array, Array]] = lambda low, mean, high: (low, mean, high),
) -> Callable[..., tuple[Array, Array, Array]]:
    """Wrong APs: the distance, the expected sum of one group, the divisor, the order of groups, what is reported."""

    def wrong(queries: Array, items: Array, relevant: Array, bits: int) -> tuple[Array, Array, Array]:
        away, out = order(distances(queries, items, bits)), np.zeros((3, len(queries)))
        for i, (row, right) in enumerate(zip(away, relevant, strict=True)):
            total = divisor(right)
            out[0, i] = precisions(right[np.lexsort((right, row))]) / total
            out[2, i] = precisions(right[np.lexsort((~right, row))]) / total
            above = hits = 0
            for d in np.unique(row):
                size, here = int((row == d).sum()), int(right[row == d].sum())
                out[1, i] += group(size, here, above, hits) / total
                above, hits = above + size, hits + here
        return told(*out)

    return wrong


def stored_order(queries: Array, items: Array, relevant: Array, bits: int) -> tuple[Array, Array, Array]:
    """One order only: equal distances stay as they are stored."""
    away = hamming(queries, items, bits)
    order = np.argsort(away, axis=1, kind="stable")
    one = np.array([precisions(r[o]) / max(r.sum(), 1) for r, o in zip(relevant, order, strict=True)])
    return one, one, one


def wrapped(queries: Array, items: Array, bits: int) -> Array:
    """Distances in one byte."""
    return hamming(queries, items, bits) % 256


def objective(
    v: Array, u: Array, rows: Array, target: Array, weights: Array, gamma: float, scale: float | None = None
) -> float:
    """sum w (u v - K s)^2 + gamma |v_drawn - u|^2."""
    k = u.shape[1] if scale is None else scale
    return float((weights * (u @ v.T - k * target) ** 2).sum() + gamma * ((v[rows] - u) ** 2).sum())


def sweeps(
    scale: float | None = None,
    gamma_factor: float = 1.0,
    own: bool = False,
    others: float = 1.0,
    sign: float = 1.0,
    at_once: bool = False,
    weigh: Callable[[Array], Array] = np.asarray,
    place: Callable[[Array], Array] = np.asarray,
    most: int = 10**6,
    undecided: Callable[[Array], Array] = np.asarray,
    trail_of: Callable[..., float] = objective,
    told: Callable[[list[float]], Any] = np.array,
) -> Callable[..., tuple[Array, Array]]:
    """A wrong sweep: factors of target, gamma and the other bits, own bit left in, all columns from the old codes."""

    def wrong(
        codes: Array, outputs: Array, rows: Array, target: Array, weights: Array, gamma: float
    ) -> tuple[Array, Array]:
        v, u = codes.astype(float).copy(), outputs
        old, bits = v.copy(), u.shape[1]
        trail = [trail_of(v, u, rows, target, weights, gamma)]
        for k in range(bits):
            seen = (old if at_once else v).copy()
            if not own:
                seen[:, k] = 0.0
            wanted = (bits if scale is None else scale) * target - others * u @ seen.T
            gain = (weigh(weights) * wanted).T @ u[:, k]
            np.add.at(gain, place(rows), gamma_factor * gamma * u[:, k])
            if k < most:
                v[:, k] = signs(sign * gain, undecided(v[:, k]))
            trail.append(trail_of(v, u, rows, target, weights, gamma))
        return v, told(trail)

    return wrong
