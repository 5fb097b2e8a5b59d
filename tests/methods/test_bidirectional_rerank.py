"""TBR: the rule by hand and by a slow loop, what it never changes, and what wrong input says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xmr_lib.errors import InvalidInput
from xmr_lib.methods.bidirectional_rerank import (
    ABSENT,
    bidirectional_order,
    bidirectional_rerank,
    top_k,
    with_order,
)
from xmr_lib.metrics import recall_at_k

HAND = np.array(
    [
        [0.9, 0.5, 0.1],  # query 0: list 0 1 2
        [0.8, 0.6, 0.7],  # query 1: list 0 2 1
        [0.85, 0.2, 0.3],  # query 2: list 0 2 1
    ]
)
"""Asked in return, candidate 0 names 0 2 1, candidate 1 names 1 0 2, candidate 2 names 1 2 0."""


def by_loops(similarity: np.ndarray[Any, Any], k: int) -> list[list[int]]:
    """Formula H15 word by word: lists as Python sees them."""
    forward = [sorted(range(len(row)), key=lambda j: -row[j])[:k] for row in similarity]
    back = [sorted(range(len(col)), key=lambda i: -col[i])[:k] for col in similarity.T]
    result = []
    for q, r in enumerate(forward):
        if back[r[0]][0] == q:
            result.append(r)
            continue
        mean = {c: (j + 1 + (back[c].index(q) + 1 if q in back[c] else ABSENT)) / 2 for j, c in enumerate(r)}
        result.append(sorted(r, key=mean.__getitem__))
    return result


def test_by_hand() -> None:
    """Query 1: 0 has (1 + 3) / 2 = 2, 2 has (2 + 1) / 2 = 1.5, 1 has (3 + 1) / 2 = 2: order 2, 0, 1.

    Query 2: 0 has (1 + 2) / 2 = 1.5, 2 has (2 + 2) / 2 = 2, 1 has (3 + 3) / 2 = 3: as before. Query 0 and candidate 0
    agree.
    """
    assert bidirectional_order(HAND, k=3).tolist() == [[0, 1, 2], [2, 0, 1], [0, 2, 1]]


def test_a_rank_beyond_k_counts_ten_thousand() -> None:
    """With k = 2 candidate 0 does not name query 1: (1 + 10000) / 2 against (2 + 1) / 2 of candidate 2."""
    assert bidirectional_order(HAND, k=2).tolist() == [[0, 1], [2, 0], [0, 2]]


@pytest.mark.parametrize("shape", [(30, 30), (12, 60), (60, 12)])
@pytest.mark.parametrize("k", [1, 3, 10, 100])
def test_equals_a_loop_over_lists(shape: tuple[int, int], k: int) -> None:
    similarity = np.random.default_rng(0).normal(size=shape)
    assert bidirectional_order(similarity, k).tolist() == by_loops(similarity, k)
    whole_numbers = np.random.default_rng(0).integers(0, 5, size=shape).astype(np.uint8)  # many ties
    assert bidirectional_order(whole_numbers, k).tolist() == by_loops(whole_numbers.astype(int), k)


def test_a_permutation_of_the_first_k_that_moves_some_and_never_a_mutual_first() -> None:
    similarity = np.random.default_rng(1).normal(size=(40, 50))
    old, new = top_k(similarity, 10), bidirectional_order(similarity, 10)
    np.testing.assert_array_equal(np.sort(old, 1), np.sort(new, 1))
    mutual = top_k(similarity.T, 1)[old[:, 0], 0] == np.arange(40)
    assert 0 < mutual.sum() < 40
    np.testing.assert_array_equal(old[mutual], new[mutual])
    assert (old != new).any()


def test_scores_follow_the_order_and_nothing_else_moves() -> None:
    similarity = np.random.default_rng(2).normal(size=(20, 30))
    changed = bidirectional_rerank(similarity, 5)
    np.testing.assert_array_equal(top_k(changed, 5), bidirectional_order(similarity, 5))
    np.testing.assert_array_equal(np.sort(changed, 1), np.sort(similarity, 1))
    np.testing.assert_array_equal(top_k(changed, 30)[:, 5:], top_k(similarity, 30)[:, 5:])
    right = np.eye(20, 30, dtype=bool)
    for k in (5, 10):
        assert recall_at_k(changed, right, k) == recall_at_k(similarity, right, k)


def test_the_input_stays_as_it_is() -> None:
    similarity = HAND.copy()
    bidirectional_rerank(similarity)
    np.testing.assert_array_equal(similarity, HAND)


def test_first_columns_of_equal_scores_and_of_unsigned_numbers() -> None:
    assert top_k(np.array([[1, 3, 3, 0]], dtype=np.uint8), 3).tolist() == [[1, 2, 0]]


def test_orders_that_are_none() -> None:
    with pytest.raises(InvalidInput, match="each once"):
        with_order(HAND, np.array([[0, 0], [0, 2], [0, 2]]))
    with pytest.raises(InvalidInput, match="each once"):
        with_order(HAND, np.array([[0, 2], [0, 2], [0, 2]]))
    with pytest.raises(InvalidInput, match="NaN"):
        bidirectional_rerank(np.array([[np.nan, 1.0]]))
    with pytest.raises(InvalidInput, match="k must be"):
        bidirectional_order(HAND, 0)
