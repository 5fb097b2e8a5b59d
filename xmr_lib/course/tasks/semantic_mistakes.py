"""The mistakes people make with the semantic space and its similarity in exercise 02, as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xmr_lib.course.task import Case, close
from xmr_lib.course.tasks.subspace_by_hand import Array, gradient_step, softmax

Step = tuple[Array, Array]


def step(
    probability: Callable[[Array], Array] = softmax,
    data: float = 1.0,
    decay: float = 1.0,
    bias_decay: float = 0.0,
    bias_in_scores: bool = True,
    bias_moves: bool = True,
    divisor: Callable[[Array], float] = len,
) -> Callable[..., Step]:
    """A wrong gradient step: how scores become probabilities, and factors of the parts of the gradient."""

    def wrong(x: Array, labels: Array, weights: Array, bias: Array, rate: float, penalty: float) -> Step:
        error = probability(x @ weights.T + (bias if bias_in_scores else 0)) - labels
        gradient = data * error.T @ x / divisor(labels) + decay * penalty * weights
        slope = data * error.sum(axis=0) / divisor(labels) + bias_decay * penalty * bias
        return weights - rate * gradient, bias - rate * slope * bias_moves

    return wrong


def gradient_only(x: Array, labels: Array, weights: Array, bias: Array, rate: float, penalty: float) -> Step:
    """The gradient itself, without a step."""
    moved, moved_bias = gradient_step(x, labels, weights, bias, 1.0, penalty)
    return weights - moved, bias - moved_bias


def shared_penalty(x: Array, labels: Array, weights: Array, bias: Array, rate: float, penalty: float) -> Step:
    """The penalty divided by n like the rest."""
    return gradient_step(x, labels, weights, bias, rate, penalty / len(x))


def two_steps(x: Array, labels: Array, weights: Array, bias: Array, rate: float, penalty: float) -> Step:
    """The bias moved with probabilities of the weights that have moved already."""
    moved, _ = gradient_step(x, labels, weights, bias, rate, penalty)
    return moved, gradient_step(x, labels, moved, bias, rate, penalty)[1]


def is_posterior(case: Case, expected: Any, got: Any) -> bool:
    """Whether the class probabilities of lesson 02 came instead of new weights."""
    x, _, weights, bias, *_ = case.arguments
    return not isinstance(got, (tuple, list)) and close(softmax(x @ weights.T + bias), got)


def sigmoid(scores: Array) -> Array:
    """1 / (1 + exp(-s)) of every score."""
    return np.exp(-np.logaddexp(0.0, -scores))


def has_nan(case: Case, expected: Any, got: Any) -> bool:
    """Whether the result, or one of several, is an array that holds NaN or infinity."""
    arrays = got if isinstance(got, (tuple, list)) else (got,)
    return any(isinstance(a, np.ndarray) and a.dtype.kind == "f" and not np.isfinite(a).all() for a in arrays)


def unit(x: Array, axis: int | None = 1, order: int | None = None) -> Array:
    """x divided by its norms along an axis; rows of zeros stay."""
    return np.asarray(x / np.maximum(np.linalg.norm(x, ord=order, axis=axis, keepdims=True), 1e-300))


def squared_lengths(a: Array, b: Array) -> Array:
    """Dot products divided by the squared lengths of both vectors."""
    lengths = (a**2).sum(axis=1)[:, None] * (b**2).sum(axis=1)
    return np.asarray(a @ b.T / np.maximum(lengths, 1e-300))
