"""R@K, median and mean rank, rsum: worked examples, ties, a naive twin."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.metrics import first_hits, mean_rank, median_rank, recall_at_k, rsum
from xmr_lib.metrics import inputs as metric_inputs

FIVE = np.array(
    [
        [0.9, 0.1, 0.2, 0.3, 0.0],
        [0.5, 0.4, 0.1, 0.0, 0.2],
        [0.2, 0.3, 0.8, 0.1, 0.0],
        [0.6, 0.7, 0.1, 0.5, 0.4],
        [0.1, 0.0, 0.3, 0.2, 0.95],
    ]
)
DIAGONAL = np.eye(5, dtype=bool)


def naive_ranks(similarity, relevance):
    """1-based rank of the first right item, by an actual sort. For scores without ties."""
    ranks = []
    for scores, right in zip(similarity, relevance, strict=True):
        order = sorted(range(len(scores)), key=lambda j: -scores[j])
        ranks.append(1 + next(place for place, j in enumerate(order) if right[j]))
    return ranks


def test_worked_example_of_five_pairs():
    assert first_hits(FIVE, DIAGONAL).rank.tolist() == [1, 2, 1, 3, 1]
    assert first_hits(FIVE.T, DIAGONAL).rank.tolist() == [1, 2, 1, 1, 1]
    assert [recall_at_k(FIVE, DIAGONAL, k) for k in (1, 2, 5, 10)] == pytest.approx([0.6, 0.8, 1, 1])
    assert [recall_at_k(FIVE.T, DIAGONAL, k) for k in (1, 5, 10)] == pytest.approx([0.8, 1, 1])
    assert median_rank(FIVE, DIAGONAL) == 1
    assert mean_rank(FIVE, DIAGONAL) == pytest.approx(1.6)
    assert mean_rank(FIVE.T, DIAGONAL) == pytest.approx(1.2)
    assert rsum(FIVE, DIAGONAL) == pytest.approx(5.40)


def test_any_of_five_captions_is_a_hit_but_every_caption_is_a_query():
    # Image 1 has captions 0-4, at ranks 3, 5, 6, 8, 9 of its row; image 2 has captions 5-9.
    caption_image = np.repeat([0, 1], 5)
    first = np.array([8, 6, 5, 3, 2, 10, 9, 7, 4, 1])
    second = np.array([7, 5, 6, 2, 3, 11, 12, 13, 14, 15])
    similarity, relevance = np.stack([first, second]), np.arange(2)[:, None] == caption_image
    one = recall_at_k(similarity, relevance, 1)
    assert first_hits(similarity, relevance).rank[0] == 3
    assert one.per_query[0] == 0
    assert recall_at_k(similarity, relevance, 5).per_query[0] == 1
    captions = first_hits(similarity.T, relevance.T)
    assert captions.rank[:5].tolist() == [1, 1, 2, 1, 2]
    assert recall_at_k(similarity.T[:5], relevance.T[:5], 1) == pytest.approx(0.6)


@pytest.mark.parametrize("right_per_query", [1, 3])
def test_counting_equals_sorting(right_per_query):
    rng = np.random.default_rng(right_per_query)
    similarity = rng.normal(size=(40, 60)).astype(np.float32)
    relevance = np.zeros((40, 60), dtype=bool)
    for row in relevance:
        row[rng.choice(60, right_per_query, replace=False)] = True
    ranks = np.array(naive_ranks(similarity, relevance))
    for ties in ("expected", "optimistic", "pessimistic", "index"):
        assert first_hits(similarity, relevance, ties).rank.tolist() == ranks.tolist()
    assert recall_at_k(similarity, relevance, 5) == pytest.approx(np.mean(ranks <= 5))
    assert median_rank(similarity, relevance) == np.median(ranks)


def test_constant_model_scores_chance_and_not_one():
    same, relevance = np.zeros((10, 10)), np.eye(10, dtype=bool)
    assert recall_at_k(same, relevance, 1) == pytest.approx(0.1)
    assert recall_at_k(same, relevance, 3) == pytest.approx(0.3)
    assert median_rank(same, relevance) == pytest.approx(5.5)
    assert recall_at_k(same, relevance, 1, ties="optimistic") == 1.0
    assert recall_at_k(same, relevance, 1, ties="pessimistic") == 0.0
    assert recall_at_k(same, relevance, 3, ties="index") == pytest.approx(0.3)  # the first three queries


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_tied_hits_and_ranks_equal_the_mean_over_all_orders(k):
    scores, right = np.array([3, 1, 1, 1, 0, 1]), np.array([0, 1, 0, 1, 1, 0], dtype=bool)
    ranks = []
    for order in permutations(range(6)):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            ranks.append(1 + next(i for i, j in enumerate(order) if right[j]))
    assert recall_at_k(scores[None], right[None], k) == pytest.approx(np.mean(np.array(ranks) <= k))
    assert mean_rank(scores[None], right[None]) == pytest.approx(np.mean(ranks))
    assert first_hits(scores[None], right[None], "optimistic").rank == [min(ranks)]
    assert first_hits(scores[None], right[None], "pessimistic").rank == [max(ranks)]
    assert first_hits(scores[None], right[None], "index").rank == [2]


def test_pieces_of_rows_give_the_same_as_one_block(monkeypatch):
    rng = np.random.default_rng(0)
    similarity, relevance = rng.integers(0, 9, (31, 17)), rng.random((31, 17)) < 0.2
    whole = first_hits(similarity, relevance)
    monkeypatch.setattr(metric_inputs, "CELLS_AT_ONCE", 40)
    for a, b in zip(whole, first_hits(similarity, relevance), strict=True):
        assert a.tolist() == b.tolist()


def test_query_without_right_item_is_skipped_or_zero_and_counted():
    similarity, relevance = np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([[True, False], [False, False]])
    skipped, zero = (recall_at_k(similarity, relevance, 1, empty=empty) for empty in ("skip", "zero"))
    assert (skipped, skipped.empty) == (1.0, 1)
    assert (zero, zero.empty) == (0.5, 1)
    assert np.isnan(skipped.per_query[1])
    assert zero.per_query[1] == 0
    assert median_rank(similarity, relevance) == 1


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3"])
def test_cut_off_must_be_a_positive_whole_number(k):
    with pytest.raises(InvalidInput, match="k must be a whole number of at least 1"):
        recall_at_k(FIVE, DIAGONAL, k)


def test_wrong_shapes_and_values_are_named():
    with pytest.raises(InvalidInput, match="transposed"):
        recall_at_k(np.zeros((2, 3)), np.ones((3, 2), dtype=bool), 1)
    with pytest.raises(InvalidInput, match=r"1 of the 2 rows .* NaN"):
        recall_at_k(np.array([[np.nan, 0], [1, 2]]), np.eye(2, dtype=bool), 1)
    with pytest.raises(InvalidInput, match="single query"):
        recall_at_k(np.zeros(3), np.zeros(3, dtype=bool), 1)
    with pytest.raises(InvalidInput, match="real numbers"):
        recall_at_k(np.array([["a", "b"]]), np.ones((1, 2), dtype=bool), 1)
    with pytest.raises(InvalidInput, match="nothing to average"):
        recall_at_k(FIVE, np.zeros((5, 5), dtype=bool), 1)
    with pytest.raises(UnknownName, match="tie rule"):
        recall_at_k(FIVE, DIAGONAL, 1, ties="random")
    with pytest.raises(UnknownName, match="skip, zero"):
        recall_at_k(FIVE, DIAGONAL, 1, empty="ignore")


def test_masked_candidates_may_be_minus_infinity():
    similarity = np.array([[0.5, -np.inf, 0.1], [-np.inf, -np.inf, 0.3]])
    assert first_hits(similarity, np.array([[0, 0, 1], [1, 0, 0]])).rank.tolist() == [2, 2.5]
