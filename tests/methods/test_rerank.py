"""Two-stage ranking: which candidates stays, their order may change, the rest keeps its order; one call per pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xmr_lib.data.base import PairedDataset
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.base import Method
from xmr_lib.methods.rerank import TwoStage, pair_score, rerank, rerank_both
from xmr_lib.metrics import recall_at_k

RNG = np.random.default_rng(0)
FIRST = RNG.normal(size=(40, 60)).astype(np.float32)
SECOND = RNG.normal(size=(40, 60))
SCALES = [1.0, 1e-3, 1e4]  # the two stages need not speak of the same numbers


def best(scores: NDArray[Any], k: int) -> NDArray[Any]:
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def second(rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    return SECOND[rows, columns]


def test_by_hand() -> None:
    """Candidates 0, 1, 2 in the order 1, 2, 0; the others lose 0.9 - 1 + 1 = 0.9."""
    first, careful = np.array([[0.9, 0.8, 0.7, 0.1, 0.2]]), np.array([[1.0, 3.0, 2.0, 9.0, 9.0]])
    again = rerank(first, lambda i, j: careful[i, j], k=3)
    np.testing.assert_allclose(again, [[1, 3, 2, 0.1 - 0.9, 0.2 - 0.9]])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("k", [1, 8, 59])
def test_the_set_stays_its_order_is_the_second_and_the_rest_keeps_its_own(k: int, scale: float) -> None:
    again = rerank(FIRST, lambda i, j: scale * second(i, j), k)
    before, after = best(FIRST, 60), best(again, 60)
    np.testing.assert_array_equal(np.sort(after[:, :k], axis=1), np.sort(before[:, :k], axis=1))
    np.testing.assert_array_equal(after[:, k:], before[:, k:])
    inside = np.take_along_axis(SECOND, after[:, :k], axis=1)
    assert (np.diff(inside, axis=1) <= 0).all()


def test_recall_at_k_is_identical_and_recall_below_is_not() -> None:
    relevant = RNG.random(FIRST.shape) < 0.05
    relevant[:, 0] = True
    again = rerank(FIRST, second, k=8)
    for k in (8, 10, 30):
        assert recall_at_k(again, relevant, k) == recall_at_k(FIRST, relevant, k)
    oracle = rerank(FIRST, lambda i, j: relevant[i, j].astype(float), k=8)
    assert recall_at_k(oracle, relevant, 1) == recall_at_k(FIRST, relevant, 8) > recall_at_k(FIRST, relevant, 1)


@pytest.mark.parametrize("k", [60, 61, 10_000])
def test_more_candidates_than_items(k: int) -> None:
    np.testing.assert_array_equal(rerank(FIRST, second, k), SECOND)


def test_tied_first_scores_go_by_place() -> None:
    again = rerank(np.zeros((1, 4)), lambda i, j: j.astype(float), k=2)
    assert best(again, 4).tolist() == [[1, 0, 2, 3]]
    assert again[0, 2] == again[0, 3]  # the rest is as tied as before


def test_both_directions_at_once_are_each_direction_alone() -> None:
    calls = []

    def score(images: NDArray[Any], texts: NDArray[Any]) -> NDArray[Any]:
        calls.append(images * 60 + texts)
        return SECOND[images, texts]

    i2t, t2i = rerank_both(FIRST, score, k=5)
    np.testing.assert_array_equal(i2t, rerank(FIRST, second, 5))
    np.testing.assert_array_equal(t2i, rerank(FIRST.T, lambda i, j: SECOND.T[i, j], 5))
    (pairs,) = calls
    assert len(np.unique(pairs)) == len(pairs) < 5 * (40 + 60)


def test_bad_input() -> None:
    with pytest.raises(InvalidInput, match="at least 1"):
        rerank(FIRST, second, 0)
    with pytest.raises(InvalidInput, match="NaN cannot be ranked"):
        rerank(np.full((2, 2), np.nan), second, 1)
    with pytest.raises(
        InvalidInput, match=r"one finite number per pair, 80 in all, but it gave an array of shape \(3,"
    ):
        rerank(FIRST, lambda i, j: np.zeros(3), 2)
    with pytest.raises(InvalidInput, match="with NaN or infinity"):
        rerank(FIRST, lambda i, j: np.full(len(i), np.nan), 2)


class Numbers(Method):
    """Images and texts are the numbers of rows and columns of a matrix."""

    def __init__(self, scores: NDArray[Any]) -> None:
        self.scores = scores
        self.seen: list[int] = []

    def similarity(self, images: Any, texts: Any) -> NDArray[Any]:
        return self.scores[np.ix_([int(i) for i in images], [int(t) for t in texts])]

    def score_pairs(self, images: Any, texts: Any) -> NDArray[Any]:
        self.seen.append(len(texts))
        return np.array([self.scores[int(i), int(t)] for i, t in zip(images, texts, strict=True)])


class Taken(list[int]):
    """A sequence that takes rows itself, as pictures of data sets do."""

    def take(self, rows: NDArray[Any]) -> Taken:
        return Taken(self[int(row)] for row in rows)


@pytest.mark.parametrize("kind", [list, tuple, np.array, Taken])
def test_two_stage_of_any_two_methods(kind: Any) -> None:
    texts = [str(j) for j in range(60)]
    first, careful = Numbers(FIRST), Numbers(SECOND)
    method = TwoStage(first, careful, k=8)
    assert method.name == "Numbers, then Numbers"
    images = kind(range(40))
    i2t, t2i = method.rankings(images, texts)
    np.testing.assert_array_equal(i2t, rerank(FIRST, second, 8))
    np.testing.assert_array_equal(t2i, rerank(FIRST.T, lambda i, j: SECOND.T[i, j], 8))
    np.testing.assert_array_equal(method.similarity(images, texts), i2t)
    assert max(careful.seen) <= 512 < sum(careful.seen)
    score = pair_score(careful, images, texts, at_once=3)
    np.testing.assert_array_equal(score(np.arange(10), np.arange(10)), np.diag(SECOND)[:10])


def test_evaluate_measures_each_direction_on_its_own_ranking() -> None:
    """60 captions of 40 images: the perfect second stage puts every right answer that the first has found first."""
    images: Any = list(range(40))
    data = PairedDataset("numbers", "1", images, [str(j) for j in range(60)], np.arange(60) % 40)
    right = np.asarray(data.instances)[:, None] == data.caption_instances[None, :]
    method = TwoStage(Numbers(FIRST), Numbers(right.astype(float)), k=8)
    report = evaluate(method, data, metrics=["R@1", "R@8"])
    plain = evaluate(Numbers(FIRST), data, metrics=["R@1", "R@8"])
    for direction in ("i2t", "t2i"):
        assert report.value("R@8", direction) == plain.value("R@8", direction)
        assert report.value("R@1", direction) == plain.value("R@8", direction)
