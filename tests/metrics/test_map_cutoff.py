"""MAP@k and its four denominators, MAP@R."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.metrics import (
    DENOMINATORS,
    average_precision,
    average_precision_at_k,
    map_at_k,
    map_at_r,
    mean_average_precision,
)

TOY = [1, 0, 1, 0, 0, 1, 1, 1]
A = [1, 0, 1, 1, 0]
B = [0, 1, 1, 0, 1]


def both_ways(ranked, k, denominator):
    """One ranking through the function for a list and through the one for matrices."""
    scores = np.arange(len(ranked), 0, -1)[None]
    value = average_precision_at_k(ranked, k, denominator)
    assert map_at_k(scores, np.array([ranked]), k, denominator=denominator) == pytest.approx(value)
    return value


def test_teaching_toy_four_values_of_one_ranking():
    values = {name: both_ways(TOY, 3, name) for name in DENOMINATORS}
    assert values["relevant"] == pytest.approx(0.333, abs=5e-4)
    assert values["min"] == pytest.approx(0.556, abs=5e-4)
    assert values["hits"] == pytest.approx(0.833, abs=5e-4)
    assert values["first_relevant"] == pytest.approx(0.722, abs=5e-4)


@pytest.mark.parametrize(
    ("ranked", "denominator", "expected"),
    [
        (A, "hits", [1, 1, 0.833333, 0.805556, 0.805556]),
        (A, "min", [1, 0.5, 0.555556, 0.805556, 0.805556]),
        (A, "relevant", [0.333333, 0.333333, 0.555556, 0.805556, 0.805556]),
    ],
)
def test_worked_table_of_a(ranked, denominator, expected):
    assert [both_ways(ranked, k, denominator) for k in range(1, 6)] == pytest.approx(expected, abs=1e-6)


def test_worked_values_of_b():
    assert [both_ways(B, 2, d) for d in ("hits", "min", "relevant")] == pytest.approx([0.5, 0.25, 1 / 6])
    assert [both_ways(B, 3, d) for d in ("hits", "min", "relevant")] == pytest.approx(
        [0.583333, 0.388889, 0.388889], abs=1e-6
    )
    assert both_ways(B, 1, "hits") == 0


def test_hits_denominator_can_fall_when_one_more_is_found():
    assert average_precision_at_k([1, 0, 0, 0, 1], 4, "hits") > average_precision_at_k([1, 0, 0, 0, 1], 5, "hits")


@pytest.mark.parametrize("seed", range(4))
def test_all_denominators_agree_without_a_cut_and_keep_their_order_with_one(seed):
    rng = np.random.default_rng(seed)
    scores, relevance = rng.normal(size=(30, 50)), rng.random((30, 50)) < 0.3
    whole = mean_average_precision(scores, relevance)
    for k in (50, 80):
        assert [map_at_k(scores, relevance, k, denominator=d) for d in DENOMINATORS] == pytest.approx([whole] * 4)
    for k in (1, 3, 10, 49):
        hits, least, total = (map_at_k(scores, relevance, k, denominator=d) for d in ("hits", "min", "relevant"))
        assert hits >= least >= total


@pytest.mark.parametrize("seed", range(10))
def test_expectation_equals_the_mean_over_all_permutations(seed):
    rng = np.random.default_rng(seed)
    scores, relevant = rng.integers(0, 3, 7), rng.random(7) < 0.55
    relevant[rng.integers(7)] = True
    lists = [
        relevant[list(order)]
        for order in permutations(range(7))
        if all(scores[a] >= scores[b] for a, b in pairwise(order))
    ]
    count = int(relevant.sum())
    for denominator in DENOMINATORS:
        for k in range(1, 9):
            brute = [average_precision_at_k(ranked, k, denominator) for ranked in lists]
            expected = map_at_k(scores[None], relevant[None], k, denominator=denominator)
            assert expected == pytest.approx(np.mean(brute), abs=1e-10), (denominator, k)
    brute = [average_precision_at_k(ranked, count, "relevant") for ranked in lists]
    assert map_at_r(scores[None], relevant[None]) == pytest.approx(np.mean(brute))


@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_large_tie_groups_against_random_orders(denominator):
    rng = np.random.default_rng(0)
    scores, relevant = rng.integers(0, 2, 400), rng.random(400) < 0.2
    orders = (rng.permutation(400) for _ in range(3000))
    sampled = [
        average_precision_at_k(relevant[p][np.argsort(-scores[p], kind="stable")], 30, denominator) for p in orders
    ]
    expected = map_at_k(scores[None], relevant[None], 30, denominator=denominator)
    assert expected == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(3000))


def test_map_at_r_is_not_map_at_k():
    scores = np.arange(5, 0, -1)[None]
    assert map_at_r(scores, np.array([A])) == pytest.approx(0.555556, abs=1e-6)
    assert map_at_r(scores, np.array([[1, 1, 0, 0, 0]])) == 1


def test_truncated_list_needs_the_total():
    assert average_precision_at_k(A[:2], 2, "relevant", total_relevant=3) == pytest.approx(1 / 3)
    assert average_precision_at_k(A, 5) == pytest.approx(average_precision(A))


def test_wrong_names_and_numbers():
    scores, relevance = np.zeros((1, 3)), np.ones((1, 3))
    with pytest.raises(UnknownName, match="first_relevant, hits, min, relevant"):
        map_at_k(scores, relevance, 2, denominator="k")
    for k in (0, -3):
        with pytest.raises(InvalidInput, match="at least 1"):
            map_at_k(scores, relevance, k)
