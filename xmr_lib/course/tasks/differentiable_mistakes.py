"""The mistakes people make in exercise 11, as functions: each is a solution with one thing wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.differentiable_by_hand import Array, best_distance


def softmax(z: Array, axis: int = 2) -> Array:
    """exp / sum of exp along an axis."""
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def selecting(
    scale: Callable[[float], float] = lambda temperature: 1 / temperature,
    slope_scale: Callable[[float], float] = lambda temperature: 1 / temperature,
    axis: int = 2,
    plus: int = 1,
    choose: Callable[[Array], Array] = lambda gap: np.where(gap > 0, 1.0, -1.0),
    told: Callable[[Array, Array], Array] = lambda p, expected: expected,
    factor: float = 2.0,
    signs: tuple[float, float] = (-1.0, 1.0),
    curve: Callable[[Array], Array] = lambda p: p[..., 0] * p[..., 1],
    use_along: bool = True,
) -> Callable[..., tuple[Array, Array, Array]]:
    """A wrong selecting bit: temperature, which softmax, which index is +1, what a tie becomes, the slope's parts."""

    def wrong(z: Array, along: Array, temperature: float) -> tuple[Array, Array, Array]:
        p = softmax(scale(temperature) * z, axis)
        expected = p[..., plus] - p[..., 1 - plus]
        moved = factor * curve(p) * slope_scale(temperature) * (along if use_along else 1.0)
        sides = np.stack([signs[0] * moved, signs[1] * moved], axis=2) * (1.0 if plus else -1.0)
        return choose(z[..., plus] - z[..., 1 - plus]), told(p, expected), sides

    return wrong


def tanh_of_the_difference(z: Array, along: Array, temperature: float) -> tuple[Array, Array, Array]:
    """A tanh layer on the difference of the scores, twice as steep."""
    gap = (z[..., 1] - z[..., 0]) / temperature
    expected = np.tanh(gap)
    moved = along * (1 - expected**2) / temperature
    return np.where(gap > 0, 1.0, -1.0), expected, np.stack([-moved, moved], axis=2)


def zero_bits(case: Case, expected: Any, got: Any) -> bool:
    """Whether the bits, the first result, hold a 0 among -1 and +1."""
    try:
        bits = np.asarray(got[0], dtype=float)
    except (TypeError, ValueError, IndexError, KeyError):
        return False
    return bits.shape == expected[0].shape and bool((bits == 0).any() and np.isin(bits, (-1, 0, 1)).all())


def zeros_and_ones(case: Case, expected: Any, got: Any) -> bool:
    """Whether the bits are the right ones as 0 and 1."""
    try:
        bits = np.asarray(got[0], dtype=float)
    except (TypeError, ValueError, IndexError, KeyError):
        return False
    return bits.shape == expected[0].shape and np.array_equal(2 * bits - 1, expected[0])


def distances(
    tau_of: Callable[[int, float], float] = lambda bits, vartheta: math.sqrt(2 * bits * vartheta),
    halved: bool = True,
    eps: float = 0.0,
    square: bool = True,
    kinds: Callable[[Array], tuple[Any, Any]] = lambda s: (s.size, s.size),
    exchanged: bool = False,
    hinge: bool = True,
    factor: float = 1.0,
    signs: tuple[float, float] = (1.0, -1.0),
    slope_of: Callable[[Array], Array] = np.asarray,
    kept: tuple[float, float] = (1.0, 1.0),
) -> Callable[..., tuple[float, Array, Array]]:
    """A wrong distance loss: tau, the distance, the squares, the means, the hinge, factor and signs of the slopes."""

    def wrong(e: Array, f: Array, similar: Array, vartheta: float) -> tuple[float, Array, Array]:
        s = 1 - similar if exchanged else similar
        tau = tau_of(e.shape[1], vartheta)
        away = e[:, None] - f[None]  # (n, m, K)
        d = np.sqrt((away**2).sum(axis=2) / (2 if halved else 1) + eps)
        missing = np.maximum(tau - d, 0) if hinge else tau - d
        near, far = (d**2, missing**2) if square else (d, np.abs(missing))
        n_near, n_far = (max(count, 1) for count in kinds(s))
        value = (s * near).sum() / n_near + ((1 - s) * far).sum() / n_far
        safe = np.where(d > 0, d, 1.0)
        inner = 1.0 if halved else 2.0  # d d^2 = inner * away
        if square:
            pull = kept[0] * s * inner / n_near - kept[1] * (1 - s) * inner * missing / safe / n_far
        else:
            pull = (s / n_near - (1 - s) * (missing > 0) / n_far) * inner / (2 * safe)
        pull = factor * slope_of(pull) * (d > 0)
        slope = pull[..., None] * away
        return float(value), signs[0] * slope.sum(axis=1), signs[1] * slope.sum(axis=0)

    return wrong


def similar_per_kind(s: Array) -> tuple[Any, Any]:
    """How many pairs are similar, how many are not."""
    return int(s.sum()), int((1 - s).sum())


def q_of(classes: int) -> int:
    """ceil(log2)."""
    return max(1, (classes - 1).bit_length())


def griesmer(bits: int, q: int) -> int:
    """The largest d for 2^q words."""
    return best_distance(bits, 2**q)


def proxies(
    margin_of: Callable[[int, int], float] = lambda bits, classes: 1 - 2 * griesmer(bits, q_of(classes)) / bits,
    cosine: bool = True,
    unit_proxies: bool = True,
    counts: Callable[[Array], tuple[float, float]] = lambda labels: (labels.sum(), (1 - labels).sum()),
    per_item: bool = False,
    hinge: Callable[[Array], Array] = lambda over: np.maximum(over, 0),
    project: bool = True,
    divide: bool = True,
    sign: float = 1.0,
    pull: float = 1.0,
    push: float = 1.0,
    push_value: float = 1.0,
) -> Callable[..., tuple[float, float, Array]]:
    """A wrong proxy loss: margin, cosines, what the sums are divided by, hinge, the parts of the slope."""

    def wrong(outputs: Array, proxies: Array, labels: Array) -> tuple[float, float, Array]:
        margin = margin_of(outputs.shape[1], len(proxies))
        size = np.linalg.norm(outputs, axis=1, keepdims=True) if cosine else np.ones((len(outputs), 1))
        length = np.linalg.norm(proxies, axis=1, keepdims=True) if cosine and unit_proxies else 1.0
        h, p = outputs / size, proxies / length
        c = h @ p.T
        if per_item:
            positive, negative = (x.sum(axis=1, keepdims=True) * len(labels) for x in (labels, 1 - labels))
        else:
            positive, negative = counts(labels)
        positive, negative = np.maximum(positive, 1), np.maximum(negative, 1)
        over = hinge(c - margin)
        near, far = labels * (1 - c) / positive, push_value * (1 - labels) * over / negative
        along = sign * (-pull * labels / positive + push * (1 - labels) * (over != 0) / negative)
        slope = along @ p
        if project:
            slope = slope - (along * c).sum(axis=1, keepdims=True) * h
        return margin, float(near.sum() + far.sum()), slope / size if divide else slope

    return wrong


def nothing_of_a_kind(case: Case, expected: Any, got: Any) -> bool:
    """Whether NaN came where a batch has no positive or no negative."""
    labels = case.arguments[2]
    try:
        broken = any(bool(np.isnan(np.asarray(part, dtype=float)).any()) for part in got)
    except (TypeError, ValueError):
        return False
    return broken and (bool(labels.all()) or not labels.any())


def slope_not_finite(case: Case, expected: Any, got: Any) -> bool:
    """Whether a slope is not finite."""
    try:
        return any(not bool(np.isfinite(np.asarray(part, dtype=float)).all()) for part in got)
    except (TypeError, ValueError):
        return False
