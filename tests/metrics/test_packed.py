"""The packed sort against the definition: every float32, ties, rows without a relevant item, any memory order."""

from __future__ import annotations

import numpy as np
import pytest

from xmr_lib.metrics import average_precision, mean_average_precision
from xmr_lib.metrics.packed import packed_average_precision


def by_definition(similarity: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """AP of each row through an argsort."""
    order = np.argsort(-similarity, axis=1, kind="stable")
    return np.array([average_precision(row) for row in np.take_along_axis(relevance, order, axis=1)])


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 9), (40, 33), (3, 70_000)])
def test_equals_the_definition(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    size = int(np.prod(shape))
    similarity = (rng.permutation(size).reshape(shape) - size // 2).astype(np.float32)  # all different, both signs
    relevance = rng.random(shape) < 0.3
    relevance[0] = False
    values, mixed = packed_average_precision(similarity, relevance)
    np.testing.assert_allclose(values, by_definition(similarity, relevance), rtol=1e-12)
    assert not mixed.any()
    assert values[0] == 0


def test_every_kind_of_float_is_in_order() -> None:
    floats = np.float32([-np.inf, -3e38, -1.5, -1e-40, 0.0, 1e-45, 1e-40, 0.5, 1.0, 3e38, np.inf])
    for only in range(len(floats)):
        relevance = np.arange(len(floats)) == only
        values, mixed = packed_average_precision(floats[None], relevance[None])
        assert values[0] == pytest.approx(1 / (len(floats) - only))  # the rank counts from the largest
        assert not mixed[0]


def test_only_ties_that_matter_are_named() -> None:
    similarity = np.float32([[0.5, 0.5, 0.1], [0.5, 0.5, 0.1], [0.5, 0.5, 0.1], [0.0, -0.0, 1.0]])
    relevance = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]], dtype=bool)
    values, mixed = packed_average_precision(similarity, relevance)
    assert mixed.tolist() == [False, False, True, True]
    np.testing.assert_allclose(values[:2], [1.0, 1 / 3])
    score = mean_average_precision(similarity, relevance)  # a relevant item among two: rank 1 or 2; 2 or 3
    np.testing.assert_allclose(score.per_query, [1.0, 1 / 3, 0.75, (1 / 2 + 1 / 3) / 2])


def test_memory_order_and_input_untouched() -> None:
    rng = np.random.default_rng(1)
    similarity, relevance = rng.normal(size=(50, 20)).astype(np.float32), rng.random((50, 20)) < 0.4
    before = similarity.copy()
    turned = packed_average_precision(similarity.T, relevance.T)[0]
    np.testing.assert_array_equal(turned, packed_average_precision(similarity.T.copy(), relevance.T.copy())[0])
    np.testing.assert_array_equal(similarity, before)


@pytest.mark.parametrize("levels", [3, 50, 10_000])
def test_float32_and_float64_scores_agree(levels: int) -> None:
    rng = np.random.default_rng(levels)
    similarity = rng.integers(-levels, levels, (30, 60)).astype(np.float32) / 8
    relevance = rng.random((30, 60)) < 0.2
    fast, exact = (mean_average_precision(similarity.astype(t), relevance) for t in (np.float32, np.float64))
    np.testing.assert_allclose(fast.per_query, exact.per_query, rtol=1e-12)
