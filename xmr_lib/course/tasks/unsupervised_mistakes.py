"""The mistakes people make in exercise 10, as functions: each is a solution with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.unsupervised_by_hand import Array, bit_objective


def counts(a: Array, b: Array) -> Array:
    """Labels that two rows share."""
    return np.asarray(a.astype(float) @ b.T.astype(float))


def cosines(a: Array, b: Array) -> Array:
    """Equal ones are equal numbers; 0 for rows without a label."""
    size = np.outer(a.sum(axis=1), b.sum(axis=1))
    return np.round(counts(a, b) / np.sqrt(np.maximum(size, 1)), 9)


def unrounded(a: Array, b: Array) -> Array:
    """Unit rows multiplied: cosines that are equal on paper differ in the last digit."""
    x, y = (side / np.maximum(np.sqrt(side.sum(axis=1, keepdims=True)), 1e-12) for side in (a, b))
    return np.asarray(x @ y.T)


def jaccard(a: Array, b: Array) -> Array:
    """Shared labels by labels of either."""
    shared = counts(a, b)
    return np.round(shared / np.maximum(a.sum(axis=1)[:, None] + b.sum(axis=1) - shared, 1), 9)


def strictness(alike: Array, share: float) -> float:
    """The smallest cosine above 0 that at most a share of the pairs reaches, else the largest."""
    found = np.unique(alike[alike > 0])
    fits = [x for x in found if (alike >= x).mean() <= share]
    return float(fits[0] if fits else found[-1] if len(found) else 1.0)


def first_below(alike: Array, share: float) -> float:
    """Less than the share, not at most."""
    found = np.unique(alike[alike > 0])
    fits = [x for x in found if (alike >= x).mean() < share]
    return float(fits[0] if fits else found[-1] if len(found) else 1.0)


def quantile(alike: Array, share: float) -> float:
    """The quantile, wherever it falls."""
    return float(np.quantile(alike, 1 - share))


def of_the_similar(alike: Array, share: float) -> float:
    """The share counts among pairs that share a label, not among all."""
    return strictness(np.where(alike > 0, alike, np.nan)[alike > 0], share) if (alike > 0).any() else 1.0


def last_that_is_too_many(alike: Array, share: float) -> float:
    """One cosine too low: the strictness that just misses the share."""
    found = np.unique(alike[alike > 0])
    misses = [x for x in found if (alike >= x).mean() > share]
    return float(misses[-1] if misses else found[0] if len(found) else 1.0)


def targets(
    shared: Callable[[Array], Array] = lambda count: count > 0,
    alike: Callable[[Array, Array], Array] = cosines,
    choose: Callable[[Array, float], float] = strictness,
    reached: Callable[[Array, float], Array] = lambda alike, at: alike >= at,
    graded: Callable[[Array, Array], Array] = lambda count, alike: np.tanh(count / 2),
) -> Callable[..., tuple[Array, Array, Array, float]]:
    """Wrong targets: each of the three from counts or cosines, the measure of likeness, how strict it is."""

    def wrong(a: Array, b: Array, share: float) -> tuple[Array, Array, Array, float]:
        count, near = counts(a, b), alike(a, b)
        at = choose(near, share)
        return 1.0 * shared(count), 1.0 * reached(near, at), graded(count, near), at

    return wrong


def cut_at_share(a: Array, b: Array, share: float) -> tuple[Array, Array, Array, float]:
    """The share is taken for the threshold."""
    return targets(choose=lambda alike, share: share)(a, b, share)


def no_pair_shares(case: Case, expected: Any, got: Any) -> bool:
    """Whether the case that fails is the one in which no pair shares a label."""
    return not expected[0].any()


def signs(value: float, old: float) -> float:
    """+1 or -1; at 0 the old bit."""
    return old if value == 0 else float(np.sign(value))


def bits(
    others: float = 1.0,
    own: bool = False,
    pull: float = 2.0,
    both_ways: Callable[[Array], Array] = lambda graph: graph + graph.T,
    diagonal: bool = False,
    sign: float = 1.0,
    strength: Callable[[float], float] = float,
    weigh: Callable[[Array], Array] = np.asarray,
    choose: Callable[[float, float], float] = signs,
    at_once: bool = False,
    backwards: bool = False,
    objective: Callable[..., float] = bit_objective,
    told: Callable[[list[float]], Any] = np.array,
    result: Callable[[Array, int], Array] = lambda codes, k: codes[:, k],
) -> Callable[..., tuple[Array, Any]]:
    """A wrong visit: factors of the other bits, of the views, of the graph, which edges count, what a tie becomes."""

    def wrong(
        k: int,
        codes: Array,
        views: tuple[Array, ...],
        bases: tuple[Array, ...],
        weights: Array,
        graph: Array,
        beta: float,
    ) -> tuple[Array, Any]:
        b, old = codes.astype(float).copy(), codes.astype(float)
        edges = both_ways(graph)
        edges = edges if diagonal else edges - np.diag(np.diag(edges))
        trail = [objective(b, views, bases, weights, graph, beta)]
        for i in range(len(b))[:: -1 if backwards else 1]:
            rest = b[i].copy()
            if not own:
                rest[k] = 0.0
            wish = 0.0
            for a, view, basis in zip(weigh(weights), views, bases, strict=True):
                wish += pull * float(a * basis[k] @ (view[i] - others * rest @ basis))
            wish += sign * strength(beta) * float(edges[i] @ (old if at_once else b)[:, k])
            b[i, k] = choose(wish, b[i, k])
            trail.append(objective(b, views, bases, weights, graph, beta))
        return result(b, k), told(trail)

    return wrong


def with_itself(
    codes: Array, views: tuple[Array, ...], bases: tuple[Array, ...], weights: Array, graph: Array, beta: float
) -> float:
    """The objective in which an item also pairs with itself."""
    alone = beta * float(np.diag(graph).sum()) * codes.shape[1]
    return bit_objective(codes, views, bases, weights, graph, beta) - alone


def graph_of_one_bit(
    codes: Array, views: tuple[Array, ...], bases: tuple[Array, ...], weights: Array, graph: Array, beta: float
) -> float:
    """The objective whose graph term is an average over the bits."""
    bare = bit_objective(codes, views, bases, weights, graph, 0.0)
    return bare + (bit_objective(codes, views, bases, weights, graph, beta) - bare) / codes.shape[1]


def zero_bits(case: Case, expected: Any, got: Any) -> bool:
    """Whether the bits, the first result, hold a 0."""
    try:
        bit = np.asarray(got[0], dtype=float)
    except (TypeError, ValueError, IndexError, KeyError):
        return False
    return bit.shape == expected[0].shape and bool((bit == 0).any() and np.isin(bit, (-1, 0, 1)).all())


def rises(case: Case, expected: Any, got: Any) -> bool:
    """Whether the objective that is reported rises somewhere."""
    try:
        trail = np.asarray(got[1], dtype=float)
    except (TypeError, ValueError, IndexError, KeyError):
        return False
    return trail.shape == expected[1].shape and bool((np.diff(trail) > 1e-9 * (1 + np.abs(trail[0]))).any())


def relu(x: Array) -> Array:
    """0 below 0."""
    return np.maximum(x, 0)


def game(
    targets: tuple[float, float, float] = (1.0, 0.0, 1.0),
    factor: float = 1.0,
    slope_factor: float = 2.0,
    norm: Callable[[Array, Array], tuple[float, float]] = lambda prior, h: (1 / len(prior), 1 / len(h)),
    open_units: Callable[[Array], Array] = lambda z: z > 0,
    blame: Callable[[float, float], float] = lambda judge, teacher: teacher,
    of_the_judge: Callable[[Array, Array], Array] = lambda judge, teacher: judge,
    of_the_teacher: Callable[[Array, Array], Array] = lambda judge, teacher: teacher,
    last: Callable[[Array], Array] = np.asarray,
    slope_norm: Callable[[Array], float] = lambda h: 1 / len(h),
) -> Callable[..., tuple[float, float, Array, Array]]:
    """A wrong game: the three targets, factors, what the sums are divided by, whose slope is returned for whom."""

    def wrong(h: Array, prior: Array, W: Array, c: Array, v: Array) -> tuple[float, float, Array, Array]:
        real, made, wish = targets
        z_real, z_made = prior @ W.T + c, h @ W.T + c
        d_real, d_made = last(relu(z_real) @ v), last(relu(z_made) @ v)
        n_real, n_made = norm(prior, h)
        judge = factor * (n_real * ((d_real - real) ** 2).sum() + n_made * ((d_made - made) ** 2).sum())
        teacher = factor * n_made * ((d_made - wish) ** 2).sum()
        e_real, e_made, e_wish = (
            slope_factor * x for x in (n_real * (d_real - real), n_made * (d_made - made), n_made * (d_made - wish))
        )
        v_judge = e_real @ relu(z_real) + e_made @ relu(z_made)
        v_teacher = e_wish @ relu(z_made)
        scale = slope_norm(h) * len(h)
        h_judge, h_teacher = (scale * (e[:, None] * v * open_units(z_made)) @ W for e in (e_made, e_wish))
        told = blame(float(judge), float(teacher))
        return float(judge), told, of_the_judge(v_judge, v_teacher), of_the_teacher(h_judge, h_teacher)

    return wrong


def exchanged(h: Array, prior: Array, W: Array, c: Array, v: Array) -> tuple[float, float, Array, Array]:
    """The losses of the two players exchanged."""
    judge, teacher, slope_v, slope_h = game()(h, prior, W, c, v)
    return teacher, judge, slope_v, slope_h


def cross_entropy(h: Array, prior: Array, W: Array, c: Array, v: Array) -> tuple[float, float, Array, Array]:
    """The game of lesson 05: a sigmoid behind D, and logarithms."""
    z_real, z_made = prior @ W.T + c, h @ W.T + c
    d_real, d_made = relu(z_real) @ v, relu(z_made) @ v
    judge = np.logaddexp(0, -d_real).mean() + np.logaddexp(0, d_made).mean()
    teacher = np.logaddexp(0, -d_made).mean()
    p_real, p_made = 1 / (1 + np.exp(-d_real)), 1 / (1 + np.exp(-d_made))
    slope_v = (p_real - 1) @ relu(z_real) / len(prior) + p_made @ relu(z_made) / len(h)
    slope_h = (((p_made - 1) / len(h))[:, None] * v * (z_made > 0)) @ W
    return float(judge), float(teacher), slope_v, slope_h
