"""The inputs on which solutions of exercise 04 are tried, the same ones every time."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Case
from xmr_lib.course.tasks.dscmr_by_hand import Array

FORMS = ("sample", "batch")


def regression_cases() -> list[Case]:
    """Two rows you can do in your head; a batch; rows without error; no error at all."""
    rng = np.random.default_rng(40)
    small = np.array([[4.0, 4.0], [0.0, 13.0]]), np.array([[1, 0], [0, 1]])
    labels = np.eye(3)[rng.integers(3, size=6)]
    scores = rng.normal(size=(6, 3))
    some = scores.copy()
    some[[1, 4]] = labels[[1, 4]]
    cases = [Case(f"scores [[4, 4], [0, 13]], labels [[1, 0], [0, 1]], {form!r}", (*small, form)) for form in FORMS]
    cases += [Case(f"6 items, 3 classes, {form!r}", (scores, labels, form)) for form in FORMS]
    cases += [Case(f"the same, two rows without any error, {form!r}", (some, labels, form)) for form in FORMS]
    return [*cases, Case("scores equal to the labels, 'batch'", (labels.copy(), labels, "batch"))]


def likelihood_cases() -> list[Case]:
    """One pair; several labels each; items without labels; logits that overflow exp."""
    rng = np.random.default_rng(41)
    one = np.array([[np.log(3.0)]]), np.array([[True, True, False]]), np.array([[False, True, False]])
    a, b = rng.random((4, 5)) < 0.5, rng.random((6, 5)) < 0.5
    a[:, 0], b[:, 1] = True, True
    logits = rng.normal(size=(4, 6))
    unlabelled_a, unlabelled_b = a.copy(), b.copy()
    unlabelled_a[2] = unlabelled_b[3] = False
    return [
        Case("one pair, logit ln 3, labels {0, 1} and {1}", one),
        Case("4 and 6 items with 5 labels", (logits, a, b)),
        Case("the same, one item on each side without any label", (logits, unlabelled_a, unlabelled_b)),
        Case("the same labels, logits in the thousands", (2000 * logits, a, b)),
    ]


def slope_cases() -> list[Case]:
    """One pair; batches with and without the invariance; a pair in one point."""
    rng = np.random.default_rng(42)
    one = np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([0])
    u, v, classes = 2 * rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), np.array([0, 1, 0, 2, 1])
    touching = v.copy()
    touching[3] = u[3]
    return [
        Case("u = [[2, 0]], v = [[0, 2]], alpha 8, beta sqrt(2)", (*one, 8.0, float(np.sqrt(2)))),
        Case("5 pairs of 3 classes, alpha 1, beta 0", (u, v, classes, 1.0, 0.0)),
        Case("5 pairs of 3 classes, alpha 2, beta 0.3", (u, v, classes, 2.0, 0.3)),
        Case("the same, one picture and its text in the same point", (u, touching, classes, 2.0, 0.3)),
    ]


def prototype_cases() -> list[Case]:
    """Two classes of which one is absent; a batch; no momentum."""
    rng = np.random.default_rng(43)

    def units(count: int) -> Array:
        vectors = rng.normal(size=(count, 3))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    two = np.eye(2), np.array([[0.0, 2.0], [0.0, 4.0]]), np.array([0, 0])
    prototypes, embeddings = units(4), 2 * rng.normal(size=(7, 3)) + 0.5
    classes = np.array([3, 0, 1, 0, 0, 1, 3])
    return [
        Case("prototypes (1, 0) and (0, 1), embeddings (0, 2) and (0, 4) of class 0, momentum 0.75", (*two, 0.75)),
        Case("7 embeddings, 4 classes (class 2 absent), momentum 0.9", (prototypes, embeddings, classes, 0.9)),
        Case("the same with momentum 0", (prototypes, embeddings, classes, 0.0)),
    ]
