"""Wrong solutions of exercise 06, written the way learners write them. Read by tests/exercises/test_checker.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax


def entropy_from(finish: Callable[..., Any], axis: int | None = 1) -> Callable[..., Any]:
    """``finish(losses, chances, onehot)``."""

    def cross_entropy(logits, target):
        onehot = np.eye(logits.shape[1])[target]
        losses = -(log_softmax(logits, axis=axis) * onehot).sum(axis=1)
        return finish(losses, softmax(logits, axis=axis), onehot)

    return cross_entropy


def right_slope(losses, p, y):
    return losses, (p - y) / len(p)


def entropy_overflowing(logits, target):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.eye(logits.shape[1])[target]
    return -np.log(p[np.arange(len(p)), target]), (p - y) / len(p)


def any_right_from(
    numerator: Callable[[Any, Any], float], whole: Callable[[Any, Any], float] = lambda row, mask: logsumexp(row)
) -> Callable[..., Any]:
    """``numerator(row, mask)`` and ``whole(row, mask)`` are logarithms, for one image."""

    def any_right_loss(logits, image_instance, caption_instance):
        values = []
        for row, instance in zip(logits, image_instance, strict=True):
            mask = caption_instance == instance
            if mask.any():
                values.append(whole(row, mask) - numerator(row, mask))
        return np.mean(values)

    return any_right_loss


def right_part(row, mask):
    return logsumexp(row[mask])


def pasted_lesson(logits, image_instance, caption_instance):
    """The heart of lesson 06 on a table of one direction."""
    import torch

    from xmr_lib.nn.contrastive import pair_losses

    right = torch.from_numpy(image_instance[:, None] == caption_instance[None, :])
    return pair_losses(torch.from_numpy(logits), right).mean().item()


def no_guard(logits, image_instance, caption_instance):
    right = image_instance[:, None] == caption_instance
    return np.mean(logsumexp(logits, axis=1) - logsumexp(np.where(right, logits, -np.inf), axis=1))


def no_shift(logits, image_instance, caption_instance):
    right = image_instance[:, None] == caption_instance
    keep = right.any(axis=1)
    e = np.exp(logits)[keep]
    return -np.mean(np.log((e * right[keep]).sum(axis=1) / e.sum(axis=1)))


def empty_images_count(logits, image_instance, caption_instance):
    has = np.isin(image_instance, caption_instance)
    return any_right_from(right_part)(logits, image_instance, caption_instance) * has.mean()


def summed_images(logits, image_instance, caption_instance):
    has = np.isin(image_instance, caption_instance)
    return any_right_from(right_part)(logits, image_instance, caption_instance) * has.sum()


def other_direction(logits, image_instance, caption_instance):
    return any_right_from(right_part)(logits.T, caption_instance, image_instance)


def step_from(
    scale: Callable[[float], float] = np.exp,
    slope: Callable[[Any, float], Any] = lambda g, s: g,
    join: Callable[[float, float], float] = lambda a, b: 0.5 * a + 0.5 * b,
    new: Callable[[float, float, float], Any] = lambda x, step, most: np.minimum(x - step, np.log(most)),
) -> Callable[..., Any]:
    """``slope(g, s)`` with g the slope along log s."""

    def temperature_step(cosines, log_scale, rate, maximum):
        s = scale(log_scale)
        losses, slopes = [], []
        for axis in (1, 0):
            p = softmax(s * cosines, axis=axis)
            losses.append(-np.log(np.maximum(np.diag(p), 1e-300)).mean())
            slopes.append(s * ((p * cosines).sum(axis=axis) - np.diag(cosines)).mean())
        return join(*losses), float(new(log_scale, rate * slope(join(*slopes), s), maximum))

    return temperature_step


def step_then_loss(cosines, log_scale, rate, maximum):
    moved = step_from()(cosines, log_scale, rate, maximum)[1]
    return step_from()(cosines, moved, rate, maximum)[0], moved


def frozen_at_the_top(cosines, log_scale, rate, maximum):
    loss, moved = step_from()(cosines, log_scale, rate, maximum)
    return loss, log_scale if np.exp(log_scale) > maximum - 1e-9 else moved


def process_from(
    gather: Callable[[Any], Any],
    position: Callable[[int, int, Any], Any],
    weigh: Callable[[Any, Any], float] = lambda values, shares: (
        values.sum() * len(shares) / len(np.concatenate(shares))
    ),
    normalise: bool = True,
    parts: tuple[float, float] = (0.5, 0.5),
) -> Callable[..., Any]:
    """``gather(shares)`` -> rows of all; ``position(i, rank, shares)``: where own row i stands there."""

    def process_loss(images, texts, rank, scale):
        def form(x):
            return x / np.sqrt((x**2).sum(axis=1))[:, None] if normalise else x

        images, texts = [form(x) for x in images], [form(x) for x in texts]
        values = 0.0
        for part, own, other in ((parts[0], images[rank], gather(texts)), (parts[1], texts[rank], gather(images))):
            table = -log_softmax(scale * own @ other.T, axis=1)
            values = values + part * np.array([table[i, position(i, rank, images)] for i in range(len(own))])
        return weigh(values, images)

    return process_loss


def weave(shares):
    whole = np.zeros((sum(len(share) for share in shares), shares[0].shape[1]))
    for r in range(len(shares)):
        whole[r :: len(shares)] = shares[r]
    return whole


def in_batch(i, rank, shares):
    return rank + i * len(shares)


def in_stack(i, rank, shares):
    return len(np.concatenate([*shares[:rank], np.zeros((0, shares[0].shape[1]))])) + i


def at_own_place(i, rank, shares):
    return i


def local_only(images, texts, rank, scale):
    return process_from(weave, in_batch)([images[rank]], [texts[rank]], 0, scale)


def texts_only(images, texts, rank, scale):
    right = process_from(weave, in_batch, parts=(0.5, 0.0))(images, texts, rank, scale)
    local = process_from(weave, in_batch, parts=(0.0, 0.5))([images[rank]], [texts[rank]], 0, scale)
    return right + local * len(images[rank]) * len(images) / sum(len(x) for x in images)


def everything(images, texts, rank, scale):
    return process_from(weave, in_batch)([weave(images)], [weave(texts)], 0, scale)


WRONG_SOLUTIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "06.cross_entropy": {
        "losses only": entropy_from(lambda losses, p, y: losses),
        "averaged": entropy_from(lambda losses, p, y: (losses.mean(), (p - y) / len(p))),
        "overflow": entropy_overflowing,
        "wrong axis": entropy_from(right_slope, axis=0),
        "whole table": entropy_from(right_slope, axis=None),
        "sign of the loss": entropy_from(lambda losses, p, y: (-losses, (p - y) / len(p))),
        "chances": entropy_from(lambda losses, p, y: ((p * y).sum(axis=1), (p - y) / len(p))),
        "target not taken away": entropy_from(lambda losses, p, y: (losses, p / len(p))),
        "target only": entropy_from(lambda losses, p, y: (losses, y * (p - y) / len(p))),
        "uphill": entropy_from(lambda losses, p, y: (losses, (y - p) / len(p))),
        "slope of the sum": entropy_from(lambda losses, p, y: (losses, p - y)),
    },
    "06.several_captions": {
        "each pair by itself": pasted_lesson,
        "overflow": no_shift,
        "first caption only": any_right_from(lambda row, mask: row[np.flatnonzero(mask)[0]]),
        "mean of logarithms": any_right_from(lambda row, mask: row[mask].mean()),
        "mean of chances": any_right_from(lambda row, mask: logsumexp(row[mask]) - np.log(mask.sum())),
        "right captions missing below": any_right_from(right_part, lambda row, mask: logsumexp(row[~mask])),
        "multiplied by 0": any_right_from(lambda row, mask: logsumexp(row * mask)),
        "captions as queries": other_direction,
        "images without a caption count": empty_images_count,
        "summed": summed_images,
    },
    "06.temperature_step": {
        "slope along s": step_from(slope=lambda g, s: g / s),
        "slope multiplied twice": step_from(slope=lambda g, s: g * s),
        "not clamped": step_from(new=lambda x, step, most: x - step),
        "stuck at the maximum": frozen_at_the_top,
        "uphill": step_from(new=lambda x, step, most: min(x + step, np.log(most))),
        "one direction": step_from(join=lambda a, b: a),
        "summed": step_from(join=lambda a, b: a + b),
        "temperature for scale": step_from(scale=lambda x: np.exp(-x)),
        "logarithm forgotten": step_from(scale=lambda x: x),
        "scale returned": step_from(new=lambda x, step, most: min(np.exp(x - step), most)),
        "loss after the step": step_then_loss,
    },
    "06.gathered_loss": {
        "local negatives": local_only,
        "only sentences gathered": texts_only,
        "whole batch": everything,
        "rows in another order": process_from(np.concatenate, in_batch),
        "rank forgotten": process_from(weave, at_own_place),
        "wrong place": process_from(weave, in_stack),
        "unequal shares": process_from(weave, in_batch, weigh=lambda values, shares: values.mean()),
        "part of the sum": process_from(
            weave, in_batch, weigh=lambda values, shares: values.sum() / sum(len(x) for x in shares)
        ),
        "not normalised": process_from(weave, in_batch, normalise=False),
        "one direction": process_from(weave, in_batch, parts=(1.0, 0.0)),
        "summed": process_from(weave, in_batch, parts=(1.0, 1.0)),
    },
}
