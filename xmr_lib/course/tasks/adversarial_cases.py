"""The inputs on which solutions of exercise 03 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.adversarial_by_hand import Array


def schedule_cases() -> list[Case]:
    """Before, on and behind the ramp; a ramp without length; one that ends with the training."""
    cases = [
        Case(f"progress {p}, start 0.2, stop 0.6, peak 0.5", (p, 0.2, 0.6, 0.5)) for p in (0.1, 0.2, 0.3, 0.4, 0.6, 0.9)
    ]
    cases += [Case(f"progress {p}, start = stop = 0.3, peak 1.0", (p, 0.3, 0.3, 1.0)) for p in (0.1, 0.3, 0.8)]
    return [*cases, Case("progress 0.5, start 0, stop 1, peak 2", (0.5, 0.0, 1.0, 2.0))]


def player_cases() -> list[Case]:
    """One item you can do in your head; a batch; the same without reversal and with scores that overflow exp."""
    rng = np.random.default_rng(30)
    one = (np.array([[2.0]]), np.array([[1.0]]), np.array([3.0]), -6.0, np.array([1]), np.array([[1.0]]), 0.5)
    x, weights, probe = rng.normal(size=(6, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    modality, slope = np.array([0, 0, 1, 0, 1, 0]), rng.normal(size=(6, 3))
    return [
        Case("x = [[2]], weights [[1]], probe [3], bias -6, a text, slope [[1]], strength 0.5", one),
        Case("6 items, 4 features, 3 dimensions, strength 0.7", (x, weights, probe, 0.4, modality, slope, 0.7)),
        Case("the same with strength 0", (x, weights, probe, 0.4, modality, slope, 0.0)),
        Case("the same with scores in the thousands", (2000 * x, weights, probe, 0.4, modality, slope, 0.7)),
    ]


def triplet_cases() -> list[Case]:
    """From a line of four points to a batch of one class."""
    rng = np.random.default_rng(31)
    line = np.array([[0.0], [0.5], [1.2], [3.0]]), np.array([[1.0], [0.5], [1.2], [3.0]]), np.array([0, 1, 1, 1])
    classes = np.array([0, 1, 2, 0, 1, 2, 2, 0])
    anchors = 0.8 * np.eye(3)[classes] + 0.7 * rng.normal(size=(8, 3))
    others = 0.8 * np.eye(3)[classes] + 0.7 * rng.normal(size=(8, 3))
    far = others + np.array([4.0, 0.0, 0.0])  # every partner is far away: many anchors have no negative behind it
    lonely = np.array([0, 0, 0, 0, 1, 0, 0, 0])
    return [
        Case("the points 0, .5, 1.2, 3 on a line (see the text), margin 1", (*line, 1.0)),
        Case("8 pairs of 3 classes, margin 0.5", (anchors, others, classes, 0.5)),
        Case("8 pairs of 3 classes whose partners lie far apart, margin 0.2", (anchors, far, classes, 0.2)),
        Case("the same pairs, the fifth alone in its class, margin 3", (anchors, others, lonely, 3.0)),
        Case("a batch of one class, margin 1", (anchors, others, np.zeros(8, dtype=int), 1.0)),
    ]


def mixture(seed: int, images: int, texts: int, gap: float) -> tuple[Array, Array]:
    """Embeddings whose modalities lie ``gap`` apart, in mixed order, and their modality."""
    rng = np.random.default_rng(seed)
    modality = rng.permutation(np.repeat([0, 1], [images, texts]))
    return rng.normal(size=(len(modality), 3)) + gap * modality[:, None] + 5, modality


def probe_cases() -> list[Case]:
    """Four numbers; more texts than images; modalities that lie apart; everything in one point."""
    on_a_line = np.array([[0.0], [2.0], [10.0]]), np.array([0, 0, 1])
    new = np.array([[1.0], [7.0], [9.0], [5.5]]), np.array([0, 0, 1, 1])
    collapsed = np.full((9, 2), 0.3), np.array([0, 0, 0, 1, 1, 1, 1, 1, 0])
    return [
        Case("training images 0, 2, text 10; unseen images 1, 7, texts 9, 5.5", (*on_a_line, *new)),
        Case(
            "40 training and 30 unseen items, most of them texts", (*mixture(32, 8, 32, 0.8), *mixture(33, 6, 24, 0.8))
        ),
        Case("unseen items on the wrong side", (*mixture(34, 10, 10, 1.0), *mixture(35, 8, 12, -1.0))),
        Case("all embeddings in one point", (*collapsed, np.full((5, 2), 0.3), np.array([1, 0, 1, 1, 1]))),
    ]
