"""What must hold for any similarity and any relevance (found by hypothesis, not by hand)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xmr_lib.metrics import (
    map_at_k,
    map_at_r,
    mean_average_precision,
    mean_rank,
    ndcg_at_k,
    precision_at_k,
    r_precision,
    recall_at_k,
)

METRICS = [
    mean_average_precision,
    map_at_r,
    r_precision,
    mean_rank,
    lambda s, r: recall_at_k(s, r, 3),
    lambda s, r: precision_at_k(s, r, 3),
    lambda s, r: ndcg_at_k(s, r, 3),
    lambda s, r: map_at_k(s, r, 3, denominator="min"),
    lambda s, r: map_at_k(s, r, 3, denominator="hits"),
    lambda s, r: map_at_k(s, r, 3, denominator="relevant"),
    lambda s, r: map_at_k(s, r, 3, denominator="first_relevant"),
]


@st.composite
def tasks(draw):
    """A similarity with many ties and a relevance with at least one relevant item in each row."""
    q, n = draw(st.integers(1, 4)), draw(st.integers(2, 9))
    scores = draw(arrays(np.int64, (q, n), elements=st.integers(-3, 3)))
    relevance = draw(arrays(np.bool_, (q, n)))
    relevance[:, draw(st.integers(0, n - 1))] = True
    return scores.astype(draw(st.sampled_from([np.int64, np.float32, np.float64]))), relevance


@settings(max_examples=60, deadline=None)
@given(task=tasks(), seed=st.integers(0, 1000))
def test_order_of_the_database_does_not_matter(task, seed):
    scores, relevance = task
    moved = np.random.default_rng(seed).permutation(scores.shape[1])
    for metric in METRICS:
        assert metric(scores[:, moved], relevance[:, moved]) == pytest.approx(metric(scores, relevance))


@settings(max_examples=60, deadline=None)
@given(task=tasks(), shift=st.integers(-20, 20), factor=st.sampled_from([1, 2, 4]))
def test_only_the_order_of_the_scores_matters(task, shift, factor):
    scores, relevance = task
    for metric in METRICS:
        assert metric(factor * scores + shift, relevance) == pytest.approx(metric(scores, relevance))


@settings(max_examples=60, deadline=None)
@given(task=tasks())
def test_range_monotone_and_bounds(task):
    scores, relevance = task
    for metric in METRICS:
        value = metric(scores, relevance)
        assert -1e-12 <= value <= (scores.shape[1] if metric is mean_rank else 1 + 1e-12)
    recalls = [recall_at_k(scores, relevance, k) for k in range(1, scores.shape[1] + 1)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(recalls))
    assert recalls[-1] == pytest.approx(1)
    low, middle, high = (
        mean_average_precision(scores, relevance, ties=t) for t in ("pessimistic", "expected", "optimistic")
    )
    assert low - 1e-12 <= middle <= high + 1e-12


@settings(max_examples=40, deadline=None)
@given(task=tasks())
def test_perfect_scores_are_perfect(task):
    _, relevance = task
    for metric in METRICS:
        ideal = 1 if metric is not METRICS[5] and metric is not METRICS[9] else None  # P@3, /relevant can stay below
        if ideal is not None:
            assert metric(relevance.astype(float), relevance) == pytest.approx(ideal)
