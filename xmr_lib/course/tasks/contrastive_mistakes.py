"""The mistakes people make in exercise 06, as functions: each is a solution with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xmr_lib.course.task import Case, close
from xmr_lib.course.tasks.contrastive_by_hand import Array


def log_sum(x: Array, axis: int | None = 1) -> Array:
    """log sum exp along an axis, kept."""
    top = x.max(axis=axis, keepdims=True)
    return np.asarray(top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True)))


def entropy(
    axis: int | None = 1,
    losses: Callable[[Array], Array] = lambda x: x,
    slope: Callable[[Array, Array], Array] = lambda chance, onehot: (chance - onehot) / len(chance),
) -> Callable[..., tuple[Array, Array]]:
    """A wrong cross-entropy: over which axis, how the losses and how the slope are finished."""

    def wrong(logits: Array, target: Array) -> tuple[Array, Array]:
        rows = np.arange(len(logits))
        log_chance = logits - log_sum(logits, axis)
        onehot = np.zeros_like(logits)
        onehot[rows, target] = 1
        return losses(-log_chance[rows, target]), slope(np.exp(log_chance), onehot)

    return wrong


def is_averaged(case: Case, expected: Any, got: Any) -> bool:
    """Whether one mean came where one loss per row is wanted."""
    first = got[0] if isinstance(got, (tuple, list)) and len(got) else got
    return np.ndim(first) == 0 and close(float(expected[0].mean()), first)


def is_only_the_losses(case: Case, expected: Any, got: Any) -> bool:
    """Whether the losses came without the slope."""
    return not isinstance(got, (tuple, list)) and close(expected[0], got)


def captions(
    top: Callable[[Array, Array], Array],
    bottom: Callable[[Array, Array], Array] = lambda logits, right: log_sum(logits)[:, 0],
    finish: Callable[[Array, Array], float] = lambda losses, known: float(losses[known].mean()),
) -> Callable[..., float]:
    """A wrong loss for several captions: what stands above and below the fraction (as logarithms), which mean."""

    def wrong(logits: Array, image_instance: Array, caption_instance: Array) -> float:
        right = image_instance[:, None] == caption_instance[None, :]
        losses = bottom(logits, right) - top(logits, right)
        return finish(losses, right.any(axis=1))

    return wrong


def log_of_right(logits: Array, right: Array) -> Array:
    """log sum of exp over the right captions of every row; rows without one give something finite."""
    return log_sum(np.where(right, logits, -1e30))[:, 0]


def first_right(logits: Array, right: Array) -> Array:
    """The logit of the first right caption of every row."""
    return np.asarray(logits[np.arange(len(logits)), right.argmax(axis=1)])


def mean_of_right(logits: Array, right: Array) -> Array:
    """The mean logit of the right captions."""
    return np.asarray((logits * right).sum(axis=1) / np.maximum(right.sum(axis=1), 1))


def pairs_of_the_lesson(logits: Array, image_instance: Array, caption_instance: Array) -> float:
    """The lesson's loss: every right pair against the wrong captions of its row, mean over the pairs."""
    right = image_instance[:, None] == caption_instance[None, :]
    wrong = log_sum(np.where(right, -1e30, logits))[:, 0]
    rows, columns = np.nonzero(right)
    own = logits[rows, columns]
    return float((np.logaddexp(own, wrong[rows]) - own).mean())


def from_captions(logits: Array, image_instance: Array, caption_instance: Array) -> float:
    """The other direction: captions as queries."""
    right = image_instance[:, None] == caption_instance[None, :]
    losses = log_sum(logits.T)[:, 0] - log_of_right(logits.T, right.T)
    return float(losses[right.any(axis=0)].mean())


def temperature(
    scale: Callable[[float], float] = lambda x: float(np.exp(x)),
    factor: Callable[[float], float] = lambda s: 1.0,
    both: Callable[[float, float], float] = lambda i2t, t2i: (i2t + t2i) / 2,
    move: Callable[..., float] = lambda x, step, maximum: min(x - step, np.log(maximum)),
    start: Callable[[float, float], float] = lambda x, maximum: x,
) -> Callable[..., tuple[float, float]]:
    """A wrong step: what the scale is, a factor of the slope, how directions are joined, how it moves and begins."""

    def wrong(cosines: Array, log_scale: float, rate: float, maximum: float) -> tuple[float, float]:
        x = start(log_scale, maximum)
        loss, slope = [], []
        for table in (cosines, cosines.T):
            logits = scale(x) * table
            chance = np.exp(logits - log_sum(logits))
            own = np.diag(logits)
            loss.append(float((log_sum(logits)[:, 0] - own).mean()))
            slope.append(float(((chance * logits).sum(axis=1) - own).mean()))
        step = rate * factor(scale(x)) * both(*slope)
        return both(*loss), float(move(x, step, maximum))

    return wrong


def loss_after_the_step(cosines: Array, log_scale: float, rate: float, maximum: float) -> tuple[float, float]:
    """The loss at the new scale."""
    right = temperature()
    moved = right(cosines, log_scale, rate, maximum)[1]
    return right(cosines, moved, 0.0, maximum)[0], moved


def unit_rows(x: Array) -> Array:
    """Rows at length 1."""
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def woven(shares: Sequence[Array]) -> Array:
    """The rows in the order of the undivided batch."""
    world = len(shares)
    whole = np.empty((sum(len(share) for share in shares), shares[0].shape[1]))
    for rank, share in enumerate(shares):
        whole[rank::world] = share
    return whole


def process(
    order: Callable[[Sequence[Array]], Array] = woven,
    place: Callable[[Sequence[Array], int], Array] = lambda shares, r: r + len(shares) * np.arange(len(shares[r])),
    weight: Callable[[Sequence[Array], int], float] = lambda shares, r: len(shares) / sum(map(len, shares)),
    form: Callable[[Array], Array] = unit_rows,
    gathered: tuple[bool, bool] = (True, True),
    directions: tuple[float, float] = (0.5, 0.5),
) -> Callable[..., float]:
    """A wrong share of the loss.

    In which ``order`` rows are gathered, at which ``place`` the partners of the own rows are sought, the ``weight`` of
    the sum over own rows, whether rows get length 1, which sides are gathered (pictures, sentences), and the factors
    of the two directions.
    """

    def wrong(images: Sequence[Array], texts: Sequence[Array], rank: int, scale: float) -> float:
        v, t = ([form(share) for share in side] for side in (images, texts))
        total = 0.0
        sides = ((v, t, gathered[1], directions[0]), (t, v, gathered[0], directions[1]))
        for own, other, whole, factor in sides:
            others = order(other) if whole else other[rank]
            logits = scale * own[rank] @ others.T
            target = place(own, rank) if whole else np.arange(len(own[rank]))
            losses = log_sum(logits)[:, 0] - logits[np.arange(len(logits)), target]
            total += factor * float(losses.sum())
        return total * weight(v, rank)

    return wrong


def whole_batch(images: Sequence[Array], texts: Sequence[Array], rank: int, scale: float) -> float:
    """The loss of all rows, in every process."""
    right, world = process(), len(images)
    return sum(right(images, texts, other, scale) for other in range(world)) / world


def own_length(shares: Sequence[Array], rank: int) -> float:
    """1 / rows here: the mean over the own rows."""
    return 1 / len(shares[rank])


def stacked_place(shares: Sequence[Array], rank: int) -> Array:
    """Where the own rows stand when the shares are put one below the other."""
    return np.asarray(sum(len(share) for share in shares[:rank]) + np.arange(len(shares[rank])))


def first_place(shares: Sequence[Array], rank: int) -> Array:
    """0, 1, 2, ...: where the rows of rank 0 stand when the shares are put one below the other."""
    return np.arange(len(shares[rank]))
