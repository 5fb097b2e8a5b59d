"""Solutions of exercise 06 in loops over single numbers: no matrix product, no autograd, nothing of the library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def log_sum_exp(values: Sequence[float]) -> float:
    """log sum exp, with exponents that are never positive."""
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def cross_entropy(logits: Array, target: Array) -> tuple[Array, Array]:
    """-log softmax of every row at its target (r,), and the slope of the mean along the logits (r, c)."""
    rows, columns = logits.shape
    losses, slope = np.zeros(rows), np.zeros((rows, columns))
    for i in range(rows):
        total = log_sum_exp([float(x) for x in logits[i]])
        losses[i] = total - float(logits[i, target[i]])
        for j in range(columns):
            slope[i, j] = (math.exp(float(logits[i, j]) - total) - (j == target[i])) / rows
    return losses, slope


def any_right_loss(logits: Array, image_instance: Array, caption_instance: Array) -> float:
    """Mean over images of -log of the share that all right captions have together; images without one left out."""
    losses = []
    for i in range(len(logits)):
        row = [float(x) for x in logits[i]]
        right = [x for x, instance in zip(row, caption_instance, strict=True) if instance == image_instance[i]]
        if right:
            losses.append(log_sum_exp(row) - log_sum_exp(right))
    return sum(losses) / len(losses) if losses else 0.0


def temperature_step(cosines: Array, log_scale: float, rate: float, maximum: float) -> tuple[float, float]:
    """CLIP's loss at this scale, and the logarithm of the scale after one step down, at most log maximum."""
    n, scale = len(cosines), math.exp(log_scale)
    loss = slope = 0.0
    for table in (cosines, cosines.T):
        for i in range(n):
            row = [scale * float(x) for x in table[i]]
            total = log_sum_exp(row)
            mean = sum(math.exp(x - total) * x for x in row)  # what the row expects
            loss += (total - row[i]) / (2 * n)
            slope += (mean - row[i]) / (2 * n)  # along log s every logit grows by itself
    return loss, min(log_scale - rate * slope, math.log(maximum))


def unit(vector: Array) -> list[float]:
    """The vector at length 1."""
    length = math.sqrt(sum(float(x) ** 2 for x in vector))
    return [float(x) / length for x in vector]


def process_loss(images: Sequence[Array], texts: Sequence[Array], rank: int, scale: float) -> float:
    """What one process reports, so that the plain average over the processes is the loss of the whole batch.

    Share r of k holds the rows r, r + k, r + 2k, ... of the batch, pictures and sentences alike.
    """
    world, batch = len(images), sum(len(share) for share in images)
    v = [unit(images[row % world][row // world]) for row in range(batch)]
    t = [unit(texts[row % world][row // world]) for row in range(batch)]
    total = 0.0
    for row in range(rank, batch, world):
        for own, others in ((v, t), (t, v)):
            scores = [scale * sum(a * b for a, b in zip(own[row], other, strict=True)) for other in others]
            total += (log_sum_exp(scores) - scores[row]) / 2
    return total * world / batch
