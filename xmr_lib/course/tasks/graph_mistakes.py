"""The mistakes people make in exercise 05, as functions: each is a solution with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.graph_by_hand import Array, propagate


def unit(x: Array) -> Array:
    """Rows of length 1; rows of zeros stay."""
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300))


def cosines(x: Array) -> Array:
    """Cosines of all rows, to nine digits."""
    return np.asarray((unit(x) @ unit(x).T).round(9))


def euclidean(x: Array) -> Array:
    """Minus the squared distances of all rows."""
    return -np.asarray(((x[:, None] - x[None]) ** 2).sum(axis=2).round(9))


def without_self(similarity: Array, k: int) -> Array:
    """The k best others of every row, as 0 and 1 (n, n); ties to the smaller number."""
    own = similarity.copy()
    np.fill_diagonal(own, -np.inf)
    return best(own, 0, k)


def best(similarity: Array, first: int, last: int) -> Array:
    """Ranks first to last of every row, as 0 and 1 (n, n); ties to the smaller number."""
    chosen = np.argsort(-similarity, axis=1, kind="stable")[:, first:last]
    graph = np.zeros(similarity.shape)
    np.put_along_axis(graph, chosen, 1.0, axis=1)
    return graph


def larger_numbers_first(similarity: Array, k: int) -> Array:
    """As :func:`without_self`, but ties go to the larger number."""
    return without_self(similarity[::-1, ::-1], k)[::-1, ::-1]


def neighbours(
    similarity: Callable[[Array], Array] = cosines,
    choose: Callable[[Array, int], Array] = without_self,
    join: Callable[[Array], Array] = lambda graph: np.maximum(graph, graph.T),
) -> Callable[..., Array]:
    """A wrong graph: which similarity, which neighbours, how both directions are put together."""

    def wrong(x: Array, k: int) -> Array:
        return np.asarray(join(choose(similarity(x), k)))

    return wrong


def weighted(x: Array, k: int) -> Array:
    """Cosines in place of ones."""
    chosen = without_self(cosines(x), k)
    return np.asarray(np.maximum(chosen, chosen.T) * cosines(x))


def has_self_loops(case: Case, expected: Any, got: Any) -> bool:
    """Whether the diagonal of a graph is not zero."""
    return isinstance(got, np.ndarray) and got.shape == expected.shape and bool((np.diag(got) != 0).any())


def row_means(adjacency: Array, alone: float = 1.0) -> Array:
    """D^-1 A; a node without edges keeps ``alone`` times itself."""
    degree = adjacency.sum(axis=1)
    return adjacency / np.where(degree > 0, degree, 1.0)[:, None] + alone * np.diag(degree == 0)


def symmetric(adjacency: Array, loops: float = 0.0) -> Array:
    """D^-1/2 (A + loops I) D^-1/2, nodes without edges keep themselves."""
    a = adjacency + loops * np.eye(len(adjacency))
    degree = a.sum(axis=1)
    scale = np.where(degree > 0, degree, 1.0) ** -0.5
    return np.asarray(scale[:, None] * a * scale + np.diag(degree == 0))


def propagation(
    mix: Callable[[Array], Array] = row_means,
    update: Callable[[Array, Array, Array, float], Array] = lambda heard, state, x, r: (1 - r) * heard + r * x,
    count: Callable[[int], int] = int,
) -> Callable[..., Array]:
    """A wrong propagation: the mixing matrix, the new state from what is heard, the number of steps."""

    def wrong(adjacency: Array, x: Array, steps: int, restart: float) -> Array:
        state = x.astype(float)
        for _ in range(count(steps)):
            state = update(mix(adjacency) @ state, state, x, restart)
        return state

    return wrong


def restart_at_the_end(adjacency: Array, x: Array, steps: int, restart: float) -> Array:
    """All steps without restart, then mixed once with x."""
    return (1 - restart) * propagate(adjacency, x, steps, 0.0) + restart * x


def rows_of(
    train_degree: Callable[[Array, int], Array] = lambda a, n: a[:n, :n].sum(axis=1) + 1,
    new_degree: Callable[[Array, int], Array] = lambda a, n: a[n:, :n].sum(axis=1) + 1,
    each_other: bool = False,
    loop: Callable[[Array], Any] = lambda degree: 1 / degree,
    power: tuple[float, float] = (0.5, 0.5),
) -> Callable[..., Array]:
    """Wrong inductive rows: degrees, edges between new items, the loop, the powers of both degrees."""

    def wrong(adjacency: Array, n_train: int) -> Array:
        own, theirs = new_degree(adjacency, n_train), train_degree(adjacency, n_train)
        rows = adjacency[n_train:].astype(float)
        rows[:, :n_train] /= own[:, None] ** power[0] * np.maximum(theirs, 1e-300)[None, :] ** power[1]
        rows[:, n_train:] /= (own[:, None] * own[None, :]) ** 0.5
        rows[:, n_train:] *= each_other
        rows[:, n_train:] += np.eye(len(own)) * loop(own)
        return np.asarray(rows)

    return wrong


def whole_graph(adjacency: Array, n_train: int) -> Array:
    """The last rows of the normalised adjacency of everything."""
    return symmetric(adjacency, loops=1.0)[n_train:]


def softplus(z: Array) -> Array:
    """log(1 + exp(z)) for any z."""
    return np.asarray(np.logaddexp(0.0, z))


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) for any z."""
    return np.asarray(np.exp(-softplus(-z)))


def targets(logits: Array, target: float) -> Array:
    """Cross-entropy of every logit with a target between 0 and 1."""
    return softplus(logits) - target * logits


def gan(
    real_target: Callable[[float], float] = lambda s: 1 - s,
    fake_target: Callable[[float], float] = lambda s: 0.0,
    combine: Callable[[Array, Array], Any] = lambda real, fake: real.mean() + fake.mean(),
    generator: Callable[[Array, float], Array] = lambda fake, s: softplus(-fake),
    slope: Callable[[Array, float], Array] = lambda fake, s: -sigmoid(-fake),
    average: Callable[[int], float] = float,
) -> Callable[..., tuple[float, float, Array]]:
    """Wrong losses: targets, how both sides are put together, the generator's loss and slope."""

    def wrong(real: Array, fake: Array, smoothing: float) -> tuple[float, float, Array]:
        judged = combine(targets(real, real_target(smoothing)), targets(fake, fake_target(smoothing)))
        return (
            float(judged),
            float(generator(fake, smoothing).mean()),
            slope(fake, smoothing) / average(len(fake)),
        )

    return wrong
