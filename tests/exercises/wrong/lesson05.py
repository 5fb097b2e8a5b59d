"""Wrong solutions of exercise 05, written the way learners write them. Read by tests/exercises/test_checker.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def cosine_of(a: Any, b: Any) -> float:
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return round(float(a @ b) / size, 9) if size else 0.0


def chosen(x: Any, k: int, like: Callable[[Any, Any], float] = cosine_of, flip: bool = False, larger: bool = False):
    """Lists of the k nearest others, by a plain loop."""
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i]
        others = others[::-1] if larger else others
        yield i, sorted(others, key=lambda j, i=i: (1 if flip else -1) * like(x[i], x[j]))[:k]


def graph_from(**how: Any) -> Callable[..., Any]:
    def neighbour_graph(x, k):
        graph = np.zeros((len(x), len(x)))
        for i, nearest in chosen(x, k, **how):
            for j in nearest:
                graph[i, j] = graph[j, i] = 1
        return graph

    return neighbour_graph


def directed(x, k):
    graph = np.zeros((len(x), len(x)))
    for i, nearest in chosen(x, k):
        graph[i, nearest] = 1
    return graph


def sorted_cosines(x):
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return np.argsort(-(unit @ unit.T).round(9), axis=1, kind="stable")


def first_dropped(x, k):
    graph = np.zeros((len(x), len(x)))
    for i, order in enumerate(sorted_cosines(x)):
        graph[i, order[1 : k + 1]] = 1
    return np.maximum(graph, graph.T)


def self_kept(x, k):
    graph = np.zeros((len(x), len(x)))
    for i, order in enumerate(sorted_cosines(x)):
        graph[i, order[:k]] = 1
    return np.maximum(graph, graph.T)


def self_cleared(x, k):
    graph = self_kept(x, k)
    np.fill_diagonal(graph, 0)
    return graph


def with_loops(x, k):
    return graph_from()(x, k) + np.eye(len(x))


def graph_no_guard(x, k):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = unit @ unit.T
    return np.where(np.isnan(cosines), np.nan, graph_from()(x, k))


def walk_from(
    P: Callable[[Any], Any], step: Callable[..., Any] = lambda heard, h, x, r: (1 - r) * heard + r * x
) -> Any:
    def propagate(adjacency, x, steps, restart):
        h = x.copy()
        for _ in range(steps):
            h = step(np.einsum("ij,jd->id", P(adjacency), h), h, x, restart)
        return h

    return propagate


def means(A):
    return np.array([row / row.sum() if row.any() else np.eye(len(A))[i] for i, row in enumerate(A)])


def pasted_normalisation(A):
    """The heart of lesson 05, pasted."""
    import torch

    from xmr_lib.nn.graph import normalised_adjacency

    return normalised_adjacency(torch.from_numpy(A)).numpy()


def roots(A):
    d = np.where(A.sum(1) > 0, A.sum(1), 1)
    return np.diag(d**-0.5) @ A @ np.diag(d**-0.5) + np.diag(A.sum(1) == 0)


def looped(A):
    A = A + np.eye(len(A))
    return A / A.sum(axis=1, keepdims=True)


def walk_nan(A):
    return A / A.sum(axis=1, keepdims=True)


def walk_fading(A):
    return A / np.maximum(A.sum(axis=1, keepdims=True), 1e-12)


def walk_end(adjacency, x, steps, restart):
    return (1 - restart) * np.linalg.matrix_power(means(adjacency), steps) @ x + restart * x


def one_step(adjacency, x, steps, restart):
    return (1 - restart) * means(adjacency) @ x + restart * x if steps else x.copy()


def one_more(adjacency, x, steps, restart):
    return walk_from(means)(adjacency, x, steps + 1, restart)


def rows_from(entry: Callable[..., float], loop: Callable[[float], float] = lambda d: 1 / d) -> Callable[..., Any]:
    """``entry(weight, degree of the new item, degree of the training item)``."""

    def inductive_rows(adjacency, n_train):
        n = len(adjacency)
        rows = np.zeros((n - n_train, n))
        degree = [1 + adjacency[i, :n_train].sum() for i in range(n)]
        for i in range(n_train, n):
            rows[i - n_train, :n_train] = [entry(adjacency[i, j], degree[i], degree[j]) for j in range(n_train)]
            rows[i - n_train, i] = loop(degree[i])
        return rows

    return inductive_rows


def right_entry(w, d, e):
    return w / np.sqrt(d * e)


def pasted_whole(adjacency, n_train):
    """The heart of lesson 05, pasted."""
    return pasted_normalisation(adjacency)[n_train:]


def all_rows(adjacency, n_train):
    known = adjacency[:, :n_train]
    degree = 1 + known.sum(axis=1)
    square = np.zeros(adjacency.shape)
    square[:, :n_train] = known
    return (square + np.eye(len(adjacency))) / np.sqrt(np.outer(degree, degree))


def without_columns(adjacency, n_train):
    return rows_from(right_entry)(adjacency, n_train)[:, :n_train]


def company(adjacency, n_train):
    degree = 1 + adjacency[:, :n_train].sum(axis=1)
    return ((adjacency + np.eye(len(adjacency))) / np.sqrt(np.outer(degree, degree)))[n_train:]


def masked_late(adjacency, n_train):
    """Normalise everything, then delete the edges between new items: too late, the degrees have seen them."""
    loops = adjacency + np.eye(len(adjacency))
    degree = loops.sum(axis=1)
    rows = (loops / np.sqrt(np.outer(degree, degree)))[n_train:]
    rows[:, n_train:] *= np.eye(len(rows))
    return rows


def training_changed(adjacency, n_train):
    cleaned = adjacency.copy()
    cleaned[n_train:, n_train:] = 0
    loops = cleaned + np.eye(len(cleaned))
    degree = loops.sum(axis=1)
    return (loops / np.sqrt(np.outer(degree, degree)))[n_train:]


def no_training_loop(adjacency, n_train):
    degree = adjacency[:, :n_train].sum(axis=1)
    degree[n_train:] += 1
    rows = np.zeros((len(adjacency) - n_train, len(adjacency)))
    rows[:, :n_train] = adjacency[n_train:, :n_train] / np.sqrt(np.outer(degree[n_train:], degree[:n_train]))
    rows[:, n_train:] = np.diag(1 / degree[n_train:])
    return rows


def log_sigmoid(z: Any) -> Any:
    return np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))


def chance(z: Any) -> Any:
    return 0.5 + 0.5 * np.tanh(z / 2)


def game_from(
    d: Callable[[Any, Any, float], float] | None = None,
    g: Callable[[Any], float] = lambda f: -np.mean(log_sigmoid(f)),
    slope: Callable[[Any], Any] = lambda f: (chance(f) - 1) / len(f),
) -> Callable[..., Any]:
    def gan_losses(real, fake, smoothing):
        return (d or judge)(real, fake, smoothing), g(fake), slope(fake)

    return gan_losses


def judge(real, fake, s):
    return -np.mean((1 - s) * log_sigmoid(real) + s * log_sigmoid(-real)) - np.mean(log_sigmoid(-fake))


def naive_game(real, fake, smoothing):
    p, q = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    d = -np.mean((1 - smoothing) * np.log(p) + smoothing * np.log(1 - p)) - np.mean(np.log(1 - q))
    return d, -np.mean(np.log(q)), (q - 1) / len(fake)


def both_smoothed(real, fake, s):
    of_real = (1 - s) * log_sigmoid(real) + s * log_sigmoid(-real)
    return -np.mean(of_real) - np.mean((1 - s) * log_sigmoid(-fake) + s * log_sigmoid(fake))


def pooled(real, fake, s):
    a = -(1 - s) * log_sigmoid(real) - s * log_sigmoid(-real)
    return np.mean(np.r_[a, -log_sigmoid(-fake)])


WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "05.neighbour_graph": {
        "first one dropped": first_dropped,
        "self as a neighbour": self_kept,
        "self takes a place": self_cleared,
        "not symmetric": directed,
        "both must choose": lambda x, k: directed(x, k) * directed(x, k).T,
        "averaged": lambda x, k: 0.5 * (directed(x, k) + directed(x, k).T),
        "counted twice": lambda x, k: directed(x, k) + directed(x, k).T,
        "farthest": graph_from(flip=True),
        "dot product": graph_from(like=lambda a, b: round(float(a @ b), 9)),
        "Euclidean distance": graph_from(like=lambda a, b: -round(float(np.sum((a - b) ** 2)), 9)),
        "ties to the larger number": graph_from(larger=True),
        "row of zeros": graph_no_guard,
    },
    "05.propagation": {
        "the lesson's normalisation": walk_from(pasted_normalisation),
        "symmetric normalisation": walk_from(roots),
        "loops": walk_from(looped),
        "columns": walk_from(lambda A: means(A).T),
        "not normalised": walk_from(lambda A: A + np.diag(A.sum(0) == 0)),
        "node without edges": walk_from(walk_nan),
        "restart exchanged": walk_from(means, lambda heard, h, x, r: r * heard + (1 - r) * x),
        "restart from the last step": walk_from(means, lambda heard, h, x, r: (1 - r) * heard + r * h),
        "restart added": walk_from(means, lambda heard, h, x, r: heard + r * x),
        "no restart": walk_from(means, lambda heard, h, x, r: heard),
        "restart at the end": walk_end,
        "one step only": one_step,
        "one step too many": one_more,
    },
    "05.inductive_rows": {
        "the lesson's normalisation of everything": pasted_whole,
        "new items see each other": company,
        "training degrees changed": training_changed,
        "all degrees from everything": masked_late,
        "no loop": rows_from(right_entry, loop=lambda d: 0.0),
        "loop not normalised": rows_from(right_entry, loop=lambda d: 1.0),
        "training degrees without loop": no_training_loop,
        "random walk": rows_from(lambda w, d, e: w / d),
        "columns only": rows_from(lambda w, d, e: w / e),
        "root forgotten": rows_from(lambda w, d, e: w / (d * e)),
        "rows of the training items": all_rows,
        "columns left out": without_columns,
    },
    "05.gan_losses": {
        "overflow": naive_game,
        "smoothing forgotten": game_from(lambda real, fake, s: judge(real, fake, 0.0)),
        "smoothing exchanged": game_from(lambda real, fake, s: judge(real, fake, 1 - s)),
        "halved smoothing": game_from(lambda real, fake, s: judge(real, fake, s / 2)),
        "both sides smoothed": game_from(both_smoothed),
        "saturating generator": game_from(g=lambda f: np.mean(log_sigmoid(-f)), slope=lambda f: -chance(f) / len(f)),
        "saturating slope": game_from(slope=lambda f: -chance(f) / len(f)),
        "slope of the discriminator": game_from(slope=lambda f: chance(f) / len(f)),
        "slope upside down": game_from(slope=lambda f: (1 - chance(f)) / len(f)),
        "slope not averaged": game_from(slope=lambda f: chance(f) - 1),
        "halved": game_from(lambda real, fake, s: judge(real, fake, s) / 2),
        "one mean for both": game_from(pooled),
    },
}
