"""NDCG: worked examples, ties, gains."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from xmr_lib.errors import InvalidInput
from xmr_lib.metrics import inputs as metric_inputs
from xmr_lib.metrics import ndcg, ndcg_at_k


def test_worked_examples():
    assert ndcg([1, 0, 1, 1, 0], 5) == pytest.approx(0.906025, abs=1e-6)
    assert ndcg([2, 0, 1, 0, 1]) == pytest.approx(0.940915, abs=1e-6)
    scores = np.arange(5, 0, -1)[None]
    assert ndcg_at_k(scores, [[1, 0, 1, 1, 0]], 5) == pytest.approx(0.906025, abs=1e-6)
    assert ndcg_at_k(scores, [[2, 0, 1, 0, 1]], 5) == pytest.approx(0.940915, abs=1e-6)


def test_gain_matters_only_for_grades():
    assert ndcg([0, 1, 1], gain="linear") == pytest.approx(ndcg([0, 1, 1]))
    assert ndcg([1, 2, 0], gain="linear") > ndcg([1, 2, 0])


def test_best_order_is_one_and_no_gain_is_zero():
    assert ndcg([3, 2, 1, 0], 2) == pytest.approx(1)
    assert ndcg([0, 0]) == 0
    score = ndcg_at_k([[1, 2], [2, 1]], [[0, 0], [1, 0]], 2)
    assert (score, score.empty) == (1, 1)


@pytest.mark.parametrize("gain", ["exponential", "linear"])
@pytest.mark.parametrize("k", [1, 3, 6])
def test_ties_equal_the_mean_over_all_orders(k, gain):
    scores, gains = np.array([2, 1, 1, 1, 0, 0]), np.array([0, 2, 0, 1, 1, 0])
    values = [
        ndcg(gains[list(order)], k, gain)
        for order in permutations(range(6))
        if all(scores[a] >= scores[b] for a, b in pairwise(order))
    ]
    assert ndcg_at_k(scores[None], gains[None], k, gain=gain) == pytest.approx(np.mean(values))
    assert ndcg_at_k(scores[None], gains[None], k, gain=gain, ties="optimistic") == pytest.approx(max(values))
    assert ndcg_at_k(scores[None], gains[None], k, gain=gain, ties="pessimistic") == pytest.approx(min(values))


def test_pieces_of_rows_and_list_version_agree(monkeypatch):
    rng = np.random.default_rng(0)
    scores, gains = rng.normal(size=(25, 40)), rng.integers(0, 4, (25, 40))
    plain = [ndcg(g[np.argsort(-s)], 7) for s, g in zip(scores, gains, strict=True)]
    monkeypatch.setattr(metric_inputs, "CELLS_AT_ONCE", 100)
    assert ndcg_at_k(scores, gains, 7).per_query.tolist() == pytest.approx(plain)


def test_wrong_gains():
    with pytest.raises(InvalidInput, match="0 or more"):
        ndcg_at_k([[1, 2]], [[-1, 1]], 1)
    with pytest.raises(ValueError, match="gain"):
        ndcg([1, 0], gain="square")
    with pytest.raises(InvalidInput, match="at least 1"):
        ndcg([1, 0], k=0)
