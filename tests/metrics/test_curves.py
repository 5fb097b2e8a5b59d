"""Precision-recall curves by rank and by radius."""

import numpy as np
import pytest

from xmr_lib.errors import InvalidInput
from xmr_lib.metrics import (
    hamming_precision_recall_curve,
    hamming_radius_precision,
    precision_at_k,
    precision_recall_curve,
)

TWO = np.array([[0, 1, 1, 2, 4], [3, 3, 4, 3, 4]])
RIGHT = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 0]])


def test_worked_table_of_radii():
    curve = hamming_precision_recall_curve(TWO[:1], RIGHT[:1])
    assert curve.precision.tolist() == pytest.approx([1, 2 / 3, 0.75, 0.75, 0.6])
    assert curve.recall.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1, 1])
    assert (curve.at.tolist(), curve.kind) == ([0, 1, 2, 3, 4], "radius, macro")


def test_macro_counts_empty_balls_and_micro_pools():
    macro, micro = (hamming_precision_recall_curve(TWO, RIGHT, average=a) for a in ("macro", "micro"))
    assert macro.precision[2] == pytest.approx(0.375)
    assert micro.precision[2] == pytest.approx(0.75)
    assert micro.recall[2] == pytest.approx(3 / 4)
    assert macro.precision[2] == pytest.approx(hamming_radius_precision(TWO, RIGHT, 2))


def test_by_rank_equals_precision_at_k():
    rng = np.random.default_rng(0)
    scores, relevance = rng.integers(0, 5, (12, 30)), rng.random((12, 30)) < 0.3
    curve = precision_recall_curve(scores, relevance)
    assert curve.precision.tolist() == pytest.approx([precision_at_k(scores, relevance, k) for k in range(1, 31)])
    assert curve.recall[-1] == pytest.approx(1)
    some = precision_recall_curve(scores, relevance, cutoffs=[1, 10])
    assert some.precision.tolist() == pytest.approx(curve.precision[[0, 9]].tolist())
    fixed = precision_recall_curve(scores, relevance, ties="optimistic")
    assert (fixed.recall >= curve.recall - 1e-12).all()


def test_queries_without_relevant_item_are_left_out_and_counted():
    relevance = np.array([[1, 0], [0, 0]])
    assert precision_recall_curve(np.array([[2, 1], [2, 1]]), relevance).queries == 1
    with pytest.raises(InvalidInput, match="no curve"):
        hamming_precision_recall_curve(TWO, RIGHT * 0)
    with pytest.raises(InvalidInput, match="between 1 and the 2"):
        precision_recall_curve(np.array([[2, 1]]), relevance[:1], cutoffs=[3])
