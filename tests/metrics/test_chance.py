"""Chance levels: the exact value against averages over random rankings."""

import numpy as np
import pytest

from xmr_lib.metrics import (
    chance_level,
    map_at_k,
    mean_average_precision,
    median_rank,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
)
from xmr_lib.metrics.chance import stand_ins


@pytest.mark.parametrize(
    ("metric", "options"),
    [
        (recall_at_k, {"k": 3}),
        (mean_average_precision, {}),
        (map_at_k, {"k": 8, "denominator": "hits"}),
        (map_at_k, {"k": 8, "denominator": "min"}),
        (precision_at_k, {"k": 5}),
        (ndcg_at_k, {"k": 5}),
    ],
)
def test_chance_is_the_mean_of_random_rankings(metric, options):
    rng = np.random.default_rng(0)
    relevance = rng.random((6, 40)) < [[0.05], [0.1], [0.1], [0.3], [0.5], [0.9]]
    relevance[:, 0] = True
    runs = [metric(rng.random(relevance.shape), relevance, **options) for _ in range(1500)]
    chance = chance_level(metric, relevance, **options)
    assert chance == pytest.approx(np.mean(runs), abs=4 * np.std(runs) / np.sqrt(len(runs)))


def test_stand_ins_give_the_same_as_every_query_for_itself():
    rng = np.random.default_rng(1)
    relevance = rng.random((50, 12)) < 0.2  # some rows are empty
    same = np.zeros(relevance.shape)
    for empty in ("skip", "zero"):
        direct = mean_average_precision(same, relevance, empty=empty)
        chance = chance_level(mean_average_precision, relevance, empty=empty)
        assert chance == pytest.approx(direct)
        assert chance.empty == direct.empty > 0
    assert chance_level(median_rank, relevance) == pytest.approx(median_rank(same, relevance))


def test_stand_ins_know_grades():
    rng = np.random.default_rng(2)
    grades = np.array([0, 1, 1, 2, 0, 3, 0, 0], dtype=np.uint8)
    gains = np.stack([rng.permutation(grades if row % 2 else grades // 2) for row in range(20)])
    rows, alike = stand_ins(gains)
    assert rows[0].shape == (2, 8)
    assert (np.sort(rows[0][alike], axis=1) == np.sort(gains, axis=1)).all()
    direct = ndcg_at_k(np.zeros(gains.shape), gains, 3)
    assert chance_level(ndcg_at_k, gains, k=3) == pytest.approx(direct)
    assert stand_ins(gains.astype(float))[0][0].shape == gains.shape


def test_known_values():
    assert chance_level(recall_at_k, np.eye(1000, dtype=bool), k=10) == pytest.approx(0.01)
    gains = np.array([[2, 0, 1, 0], [0, 0, 0, 3]])
    assert chance_level(ndcg_at_k, gains, k=2) == pytest.approx(ndcg_at_k(np.zeros((2, 4)), gains, 2))
