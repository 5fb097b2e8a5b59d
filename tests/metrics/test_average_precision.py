"""AP, MAP, P@k, found@k, R-Precision: worked examples, ties against all permutations, naive twins."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from xmr_lib.errors import InvalidInput
from xmr_lib.metrics import (
    average_precision,
    found_at_k,
    hamming_map,
    mean_average_precision,
    precision_at_k,
    r_precision,
    ranked_relevance,
)

A = [1, 0, 1, 1, 0]
B = [0, 1, 1, 0, 1]
TIED = (np.array([1, 0, 1, 2, 1]), np.array([1, 0, 0, 1, 1]))  # distances and relevance of the items a..e


def as_scores(*rankings):
    """Rankings on paper as a similarity matrix that produces them."""
    n = len(rankings[0])
    return np.tile(np.arange(n, 0, -1.0), (len(rankings), 1)), np.array(rankings, dtype=bool)


def all_orders(scores, relevant):
    """The relevance lists of all rankings that agree with the scores."""
    for order in permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            yield np.asarray(relevant)[list(order)]


def plain_average_precision(ranked):
    """The definition, with two loops."""
    total = 0.0
    for i, relevant in enumerate(ranked):
        if relevant:
            total += sum(ranked[: i + 1]) / (i + 1)
    return total / sum(ranked)


def test_worked_examples():
    assert average_precision(A) == pytest.approx(29 / 36)
    assert average_precision(B) == pytest.approx(0.588889, abs=1e-6)
    assert average_precision(A[::-1]) == pytest.approx(average_precision(B))  # A read backwards is B
    assert average_precision([0, 0]) == 0
    assert mean_average_precision(*as_scores(A, B)) == pytest.approx(0.697222, abs=1e-6)


def test_third_query_without_relevant_item():
    scores, relevance = as_scores(A, B, [0] * 5)
    skip, zero = (mean_average_precision(scores, relevance, empty=empty) for empty in ("skip", "zero"))
    assert skip == pytest.approx(0.697222, abs=1e-6)
    assert zero == pytest.approx(0.464815, abs=1e-6)
    assert skip.empty == zero.empty == 1
    assert skip.take([0]) == pytest.approx(29 / 36)
    assert np.isnan(skip.take([2]))


def test_precision_and_found_at_k():
    scores, relevance = as_scores(A)
    assert [precision_at_k(scores, relevance, k) for k in range(1, 6)] == pytest.approx([1, 0.5, 2 / 3, 0.75, 0.6])
    assert [found_at_k(scores, relevance, k) for k in range(1, 6)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1, 1])
    assert precision_at_k(scores, relevance, 10) == pytest.approx(0.3)  # the denominator stays k
    assert r_precision(scores, relevance) == pytest.approx(2 / 3)


def test_worked_example_of_ties():
    distances, relevant = TIED
    score = {
        ties: mean_average_precision(-distances[None], relevant[None], ties=ties)
        for ties in ("index", "pessimistic", "optimistic", "expected")
    }
    assert score["index"] == pytest.approx(0.533333, abs=1e-6)
    assert score["pessimistic"] == pytest.approx(0.477778, abs=1e-6)
    assert score["optimistic"] == pytest.approx(0.588889, abs=1e-6)
    assert score["expected"] == pytest.approx(0.533333, abs=1e-6)
    assert ranked_relevance(-distances[None], relevant[None]).astype(int).tolist() == [[0, 1, 0, 1, 1]]


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.float64])  # counted, sorted, sorted
def test_golden_expected_value_and_all_720_orders(kind):
    distances, relevant = np.array([0, 0, 1, 1, 1, 2]), np.array([1, 0, 1, 0, 1, 1])
    scores = (-distances).astype(kind)
    brute = np.mean([plain_average_precision(ranked) for ranked in all_orders(scores, relevant)])
    assert brute == pytest.approx(0.669444, abs=1e-6)
    assert mean_average_precision(scores[None], relevant[None]) == pytest.approx(brute, abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_expectations_equal_the_mean_over_all_permutations(seed):
    rng = np.random.default_rng(seed)
    scores, relevant = rng.integers(0, 3, 7), rng.random(7) < 0.5
    relevant[rng.integers(7)] = True
    lists = list(all_orders(scores, relevant))
    count = int(relevant.sum())
    for kind in (np.int8, np.float32):
        s, r = scores.astype(kind)[None], relevant[None]
        brute = [plain_average_precision(ranked) for ranked in lists]
        assert mean_average_precision(s, r) == pytest.approx(np.mean(brute))
        assert mean_average_precision(s, r, ties="optimistic") == pytest.approx(max(brute))
        assert mean_average_precision(s, r, ties="pessimistic") == pytest.approx(min(brute))
        assert precision_at_k(s, r, 3) == pytest.approx(np.mean([ranked[:3].mean() for ranked in lists]))
        assert found_at_k(s, r, 2) == pytest.approx(np.mean([ranked[:2].sum() / count for ranked in lists]))
        assert r_precision(s, r) == pytest.approx(np.mean([ranked[:count].mean() for ranked in lists]))


def test_sorting_counting_and_the_plain_definition_agree():
    rng = np.random.default_rng(0)
    scores, relevance = rng.permuted(np.tile(np.arange(300), (20, 1)), axis=1), rng.random((20, 300)) < 0.1
    plain = [plain_average_precision(r[np.argsort(-s)].tolist()) for s, r in zip(scores, relevance, strict=True)]
    for version in (scores, scores.astype(np.float32), scores * 10**6):  # counted, sorted, too wide to be counted
        assert mean_average_precision(version, relevance).per_query.tolist() == pytest.approx(plain)


def test_some_ties_in_a_long_float_ranking():
    rng = np.random.default_rng(1)
    scores, relevance = rng.integers(0, 400, (10, 500)), rng.random((10, 500)) < 0.2
    counted, sorted_ = (mean_average_precision(s, relevance) for s in (scores, scores.astype(np.float32)))
    assert sorted_.per_query.tolist() == pytest.approx(counted.per_query.tolist(), abs=1e-12)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, bool])
def test_small_types_do_not_overflow(kind):
    wide = np.array([[-120, 120, 7, -3]]) if kind is np.int8 else np.array([[0, 250, 7, 3]])
    scores, relevance = wide.astype(kind), np.array([[1, 0, 1, 0]])
    expected = mean_average_precision(scores.astype(np.float64), relevance)
    assert mean_average_precision(scores, relevance) == pytest.approx(expected)


def test_constant_model_does_not_profit_from_a_sorted_database():
    labels = np.repeat(np.arange(10), 100)
    relevance = labels[::50, None] == labels
    same = np.zeros(relevance.shape, dtype=np.float32)
    assert mean_average_precision(same, relevance) == pytest.approx(0.1, abs=0.01)
    assert mean_average_precision(same, relevance, ties="index") > 0.18  # what a stable sort reports
    assert mean_average_precision(same, relevance, ties="optimistic") == 1.0


def test_published_trap_k_zero_means_number_of_queries():
    """Cutting at the number of queries instead of the database size inflates MAP."""
    rng = np.random.default_rng(0)
    labels, query_labels = rng.integers(0, 10, 2000), rng.integers(0, 10, 50)
    relevance = query_labels[:, None] == labels
    scores = relevance * 0.5 + rng.normal(size=relevance.shape)
    ranked = ranked_relevance(scores, relevance)[:, : len(query_labels)]
    assert np.mean([average_precision(row) for row in ranked]) > 1.2 * mean_average_precision(scores, relevance)


def test_hamming_and_float_path_agree():
    distances, relevant = TIED
    assert hamming_map(distances[None], relevant[None]) == pytest.approx(8 / 15)


def test_fixed_order_refuses_expected():
    with pytest.raises(ValueError, match="one fixed order"):
        ranked_relevance(np.zeros((1, 2)), np.ones((1, 2)), ties="expected")
    with pytest.raises(InvalidInput, match="at least 1"):
        precision_at_k(np.zeros((1, 2)), np.ones((1, 2)), -5)
