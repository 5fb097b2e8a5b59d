"""Wrong solutions of exercise 11, written the way learners write them. Read by tests/exercises/test_checker.py."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2
from typing import Any

import numpy as np


def chance(z: Any, T: float) -> Any:
    """(n, K) chance of the second value."""
    gap = (z[:, :, 1] - z[:, :, 0]) / T
    return np.exp(-np.logaddexp(0, -gap))


def bit_from(
    p_of: Callable[[Any, float], Any] = chance,
    hard: Callable[[Any], Any] = lambda z: 2.0 * (z[:, :, 1] > z[:, :, 0]) - 1,
    soft: Callable[[Any], Any] = lambda p: 2 * p - 1,
    steep: Callable[[Any, float], Any] = lambda p, T: 2 * p * (1 - p) / T,
    sides: tuple[float, float] = (-1.0, 1.0),
    weigh: bool = True,
) -> Callable[..., Any]:
    """``p_of(z, T)`` -> chance of +1; ``hard`` and ``soft`` bits; ``steep``: slope of the soft bit."""

    def selecting_bit(z, along, temperature):
        p = p_of(z, temperature)
        moved = steep(p, temperature) * (along if weigh else 1)
        return hard(z), soft(p), np.stack([side * moved for side in sides], axis=2)

    return selecting_bit


def unshifted(z: Any, T: float) -> Any:
    e = np.exp(z / T)
    return e[:, :, 1] / e.sum(axis=2)


def over_bits(z, along, temperature):
    e = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
    p = e / e.sum(axis=1, keepdims=True)
    moved = 2 * along * p[:, :, 0] * p[:, :, 1] / temperature
    return 2.0 * (z[:, :, 1] > z[:, :, 0]) - 1, p[:, :, 1] - p[:, :, 0], np.stack([-moved, moved], axis=-1)


def steep_tanh(z, along, temperature):
    t = np.tanh((z[:, :, 1] - z[:, :, 0]) / temperature)
    s = along * (1 - t * t) / temperature
    return 2.0 * (z[:, :, 1] > z[:, :, 0]) - 1, t, np.stack([-s, s], axis=-1)


def first_is_plus(z, along, temperature):
    bits, soft, slope = bit_from()(z[:, :, ::-1], along, temperature)
    return bits, soft, slope[:, :, ::-1]


def loss_from(
    tau: Callable[[int, float], float] = lambda K, v: (2 * K * v) ** 0.5,
    distance: Callable[[Any], Any] = lambda away: (0.5 * (away**2).sum(-1)) ** 0.5,
    inner: float = 1.0,
    near: Callable[[Any], tuple[Any, Any]] = lambda d: (d**2, 1.0),
    far: Callable[[Any], tuple[Any, Any]] = lambda x: (np.maximum(x, 0) ** 2, np.maximum(x, 0)),
    divide: Callable[[Any], tuple[Any, Any]] = lambda s: (np.size(s), np.size(s)),
    swap: bool = False,
    finish: Callable[..., Any] = lambda value, a, b: (value, a, b),
    safe: bool = True,
) -> Callable[..., Any]:
    """``near(d)`` and ``far(tau - d)`` -> what a pair costs, and its slope along d^2/2 resp. minus half along d."""

    def code_distance_loss(e, f, similar, vartheta):
        s = 1 - similar if swap else similar
        away = np.array([[x - y for y in f] for x in e])
        d = distance(away)
        (cost, pull), (other, push) = near(d), far(tau(e.shape[1], vartheta) - d)
        n, m = divide(s)
        ratio = np.divide(push, d, out=np.zeros_like(d), where=d > 0) if safe else push / d
        strength = inner * (s * pull / max(n, 1) - (1 - s) * ratio / max(m, 1))
        slope = strength[:, :, None] * away
        return finish((s * cost).sum() / max(n, 1) + ((1 - s) * other).sum() / max(m, 1), slope.sum(1), -slope.sum(0))

    return code_distance_loss


def root_everywhere(e, f, similar, vartheta):
    """Chain rule through the root for similar pairs too: 2 d times 1 / (2 d)."""
    away = e[:, None] - f[None]
    d = np.sqrt((away**2).sum(-1) / 2)
    along_d = 2 * d * similar - 2 * np.maximum(np.sqrt(2 * e.shape[1] * vartheta) - d, 0) * (1 - similar)
    slope = (along_d / (2 * d))[:, :, None] * away / d.size
    return loss_from()(e, f, similar, vartheta)[0], slope.sum(1), -slope.sum(0)


def not_squared(e, f, similar, vartheta):
    away = e[:, None] - f[None]
    d = np.sqrt((away**2).sum(-1) / 2)
    x = np.sqrt(2 * e.shape[1] * vartheta) - d
    value = np.mean(similar * d + (1 - similar) * np.maximum(x, 0))
    along = (similar - (1 - similar) * (x > 0)) / np.where(d > 0, 2 * d, 1) / d.size
    slope = along[:, :, None] * away
    return value, slope.sum(1), -slope.sum(0)


def best(K: int, q: int) -> int:
    d = K
    while sum(ceil(d / 2**i) for i in range(q)) > K:
        d -= 1
    return d


def words(C: int) -> int:
    return max(1, ceil(log2(C)))


def proxies_from(
    zeta: Callable[[int, int], float] = lambda K, C: 1 - 2 * best(K, words(C)) / K,
    divide: Callable[[Any], tuple[float, float]] = lambda own: (max(own.sum(), 1), max((1 - own).sum(), 1)),
    lengths: tuple[bool, bool] = (True, True),
    over: Callable[[float, float], tuple[float, float]] = lambda c, z: (max(c - z, 0.0), float(c > z)),
    turn: Callable[..., Any] = lambda c, h, p, size: (p - c * h) / size,
    kinds: tuple[float, float] = (1.0, 1.0),
    sign: float = 1.0,
) -> Callable[..., Any]:
    """``divide(labels)`` -> counts; ``over(c, zeta)`` -> cost and slope; ``turn``: slope of a cosine."""

    def proxy_loss(outputs, proxies, labels):
        K, C = outputs.shape[1], len(proxies)
        margin = zeta(K, C)
        n_pos, n_neg = divide(labels)
        value, slope = 0.0, np.zeros_like(outputs)
        for i, x in enumerate(outputs):
            size = np.linalg.norm(x) if lengths[0] else 1.0
            for k, y in enumerate(proxies):
                h, p = x / size, y / (np.linalg.norm(y) if lengths[1] else 1.0)
                c = h @ p
                if labels[i, k]:
                    value += (1 - c) / n_pos
                    slope[i] -= sign * kinds[0] * turn(c, h, p, size) / n_pos
                else:
                    cost, active = over(c, margin)
                    value += cost / n_neg
                    slope[i] += sign * kinds[1] * active * turn(c, h, p, size) / n_neg
        return margin, value, slope

    return proxy_loss


def unguarded(outputs, proxies, labels):
    h = outputs / np.linalg.norm(outputs, axis=1, keepdims=True)
    p = proxies / np.linalg.norm(proxies, axis=1, keepdims=True)
    c, z = h @ p.T, 1 - 2 * best(outputs.shape[1], words(len(proxies))) / outputs.shape[1]
    value = (1 - c)[labels == 1].mean() + np.maximum(c - z, 0)[labels == 0].mean()
    return z, value, proxies_from()(outputs, proxies, labels)[2]


def each_item(outputs, proxies, labels):
    parts = [proxies_from()(x[None], proxies, row[None]) for x, row in zip(outputs, labels, strict=True)]
    n = len(outputs)
    return parts[0][0], sum(part[1] for part in parts) / n, np.concatenate([part[2] for part in parts]) / n


WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "11.selecting_bit": {
        "overflow": bit_from(unshifted),
        "zeros and ones": bit_from(hard=lambda z: 1.0 * (z[:, :, 1] > z[:, :, 0])),
        "zero bits": bit_from(hard=lambda z: np.sign(z[:, :, 1] - z[:, :, 0])),
        "ties to +1": bit_from(hard=lambda z: 2.0 * (z[:, :, 1] >= z[:, :, 0]) - 1),
        "values exchanged": first_is_plus,
        "softmax over the bits": over_bits,
        "probability for expected bit": bit_from(soft=lambda p: p),
        "bits for expected bits": bit_from(soft=lambda p: 2.0 * (p > 0.5) - 1),
        "tanh of the difference": steep_tanh,
        "temperature not used": lambda z, along, temperature: bit_from()(z, along, 1.0),
        "temperature multiplies": lambda z, along, temperature: bit_from()(z, along, 1 / temperature),
        "temperature missing in the slope": bit_from(steep=lambda p, T: 2 * p * (1 - p)),
        "slope of the probability": bit_from(steep=lambda p, T: p * (1 - p) / T),
        "slope along one score": bit_from(sides=(0.0, 1.0)),
        "slopes of one sign": bit_from(sides=(1.0, 1.0)),
        "slope with the other sign": bit_from(sides=(1.0, -1.0)),
        "straight through": bit_from(steep=lambda p, T: np.ones(p.shape) / T),
        "along not used": bit_from(weigh=False),
    },
    "11.distance_loss": {
        "slope at distance 0": root_everywhere,
        "small number under the root": loss_from(distance=lambda away: np.sqrt((away**2).sum(-1) / 2 + 1e-6)),
        "distance not halved": loss_from(distance=lambda away: np.linalg.norm(away, axis=-1), inner=2.0),
        "tau without the 2": loss_from(tau=lambda K, v: np.sqrt(K * v)),
        "tau not rooted": loss_from(tau=lambda K, v: 2 * K * v),
        "vartheta times the largest distance": loss_from(tau=lambda K, v: v * np.sqrt(2 * K)),
        "not squared": not_squared,
        "means of their own": loss_from(divide=lambda s: (s.sum(), (1 - s).sum())),
        "summed": loss_from(divide=lambda s: (1, 1)),
        "similar and dissimilar exchanged": loss_from(swap=True),
        "pulled back": loss_from(far=lambda x: (x**2, x)),
        "slopes exchanged in sign": loss_from(finish=lambda value, a, b: (value, -a, -b)),
        "same sign for both": loss_from(finish=lambda value, a, b: (value, a, -b)),
        "factor 2 in the slopes": loss_from(finish=lambda value, a, b: (value, 2 * a, 2 * b)),
        "factor 1/2 in the slopes": loss_from(inner=0.5),
        "dissimilar pairs without slope": loss_from(far=lambda x: (np.maximum(x, 0) ** 2, np.zeros_like(x))),
    },
    "11.proxy_loss": {
        "nothing of a kind": unguarded,
        "one class for one bit": proxies_from(lambda K, C: 1 - 2 * best(K, C) / K),
        "floor of the logarithm": proxies_from(lambda K, C: 1 - 2 * best(K, max(1, int(log2(C)))) / K),
        "one bit too many for powers of two": proxies_from(lambda K, C: 1 - 2 * best(K, int(log2(C)) + 1) / K),
        "one beyond the bound": proxies_from(lambda K, C: 1 - 2 * (best(K, words(C)) + 1) / K),
        "distance for cosine": proxies_from(lambda K, C: 1 - best(K, words(C)) / K),
        "margin 0": proxies_from(lambda K, C: 0.0),
        "dot products": proxies_from(lengths=(False, False), turn=lambda c, h, p, size: p),
        "proxies not of length 1": proxies_from(lengths=(True, False)),
        "one count for both": proxies_from(divide=lambda own: (own.size, own.size)),
        "summed": proxies_from(divide=lambda own: (1.0, 1.0)),
        "divided by n": proxies_from(divide=lambda own: (len(own), len(own))),
        "mean per item": each_item,
        "counts exchanged": proxies_from(divide=lambda own: (max((1 - own).sum(), 1), max(own.sum(), 1))),
        "no hinge": proxies_from(over=lambda c, z: (c - z, 1.0)),
        "slope of unit outputs": proxies_from(turn=lambda c, h, p, size: p - c * h),
        "length not taken out": proxies_from(turn=lambda c, h, p, size: p / size),
        "slope with the other sign": proxies_from(sign=-1.0),
        "positives only": proxies_from(kinds=(1.0, 0.0)),
        "negatives only": proxies_from(kinds=(0.0, 1.0)),
    },
}
