"""Two-stage ranking: a fast score for all pairs, then a careful one for the k best candidates of every query.

A cross encoder (lesson 08) or token alignment (TEAM, lesson 07) looks at a picture and a sentence together, which costs
too much for all n x m pairs. So the first stage proposes k candidates, the second orders them. What the first stage
missed stays missed: R@k is the same before and after, R@j for j < k is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix, Method
from xmr_lib.methods.bidirectional_rerank import top_k
from xmr_lib.metrics.inputs import check_similarity

PAIRS_AT_ONCE = 512

PairScore = Callable[[IntArray, IntArray], NDArray[Any]]
"""``score(rows (p,), columns (p,)) -> (p,)`` careful scores of pairs, larger = more alike."""


def rerank(first: Matrix, score: PairScore, k: int) -> Matrix:
    """Order the k best candidates of every query anew, and leave the rest behind them in the order they had.

    Args:
        first: (q, n) scores of the first stage, one row per query.
        score: The second stage, called once with all pairs (query, candidate), q * k of them.
        k: Candidates per query.

    Returns:
        (q, n): second scores for the candidates; for the rest the first ones, all lowered by the same number, so that
        the best of them is below every candidate. With k >= n it is the matrix of second scores.

    Raises:
        InvalidInput: k is not at least 1, NaN in the first scores, or second scores that are not p finite numbers.

    Example: three candidates of four; the last item was hopeless before and stays last.
        >>> first, second = np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([[1.0, 3.0, 2.0, 9.0]])
        >>> rerank(first, lambda i, j: second[i, j], k=3).argsort(1)[:, ::-1]
        array([[1, 2, 0, 3]])
    """
    chosen = top_k(first, k)  # (q, k)
    rows = np.repeat(np.arange(len(first)), chosen.shape[1])  # (q * k,)
    return _behind(first, rows, chosen.ravel(), _scored(score, rows, chosen.ravel()))


def rerank_both(first: Matrix, score: PairScore, k: int) -> tuple[Matrix, Matrix]:
    """:func:`rerank` for image queries (n, m) and for text queries (m, n); a pair in both is scored once.

    Args:
        first: (n, m) scores of images against texts.
        score: ``score(images (p,), texts (p,))``, called once.
        k: Candidates per query, in both directions.
    """
    n, m = check_similarity(first).shape
    by_image, by_text = top_k(first, k), top_k(first.T, k)  # (n, k), (m, k)
    image = np.concatenate([np.repeat(np.arange(n), by_image.shape[1]), by_text.ravel()])
    text = np.concatenate([by_image.ravel(), np.repeat(np.arange(m), by_text.shape[1])])
    pairs, place = np.unique(image * m + text, return_inverse=True)
    scores = _scored(score, pairs // m, pairs % m)[place]
    cut = by_image.size
    return (
        _behind(first, image[:cut], text[:cut], scores[:cut]),
        _behind(first.T, text[cut:], image[cut:], scores[cut:]),
    )


def _scored(score: PairScore, rows: IntArray, columns: IntArray) -> NDArray[Any]:
    scores = np.asarray(score(rows, columns))
    if scores.shape != rows.shape or not np.isfinite(scores).all():
        raise InvalidInput(
            f"The second stage must give one finite number per pair, {len(rows)} in all, but it gave an array of shape "
            f"{scores.shape}{'' if scores.shape != rows.shape else ' with NaN or infinity in it'}."
        )
    return scores


def _behind(first: Matrix, rows: IntArray, columns: IntArray, scores: NDArray[Any]) -> Matrix:
    """The second scores in their places, and everything else behind them. Double: lowering must not make ties."""
    again = first.astype(np.float64)
    again -= again.max() - scores.min() + 1
    again[rows, columns] = scores
    return again


class TwoStage(Method):
    """Any method first, another one for the best candidates: ``TwoStage(clip, vilt, k=16)``, both fitted.

    Args:
        first: Its ``similarity`` proposes the candidates.
        second: Has ``score_pairs(images, texts) -> (p,)`` for p pictures and p sentences.
        k: Candidates per query.
    """

    def __init__(self, first: Any, second: Any, k: int = 16) -> None:
        self.first, self.second, self.k = first, second, k

    @property
    def name(self) -> str:
        """``CLIP, then ViLT``."""
        return f"{self.first.name}, then {self.second.name}"

    def fit(self, train: Any, validation: Any = None) -> TwoStage:
        """Nothing to learn: both stages come fitted."""
        return self

    def similarity(self, images: Any, texts: Any) -> Matrix:
        """(n, m) for image queries only; :meth:`rankings` has both directions."""
        return rerank(self.first.similarity(images, texts), pair_score(self.second, images, texts), self.k)

    def rankings(self, images: Any, texts: Any) -> tuple[Matrix, Matrix]:
        """Scores for image queries (n, m) and for text queries (m, n)."""
        return rerank_both(self.first.similarity(images, texts), pair_score(self.second, images, texts), self.k)


def pair_score(method: Any, images: Any, texts: Any, at_once: int = PAIRS_AT_ONCE) -> PairScore:
    """``method.score_pairs`` by row numbers, a few hundred pairs at a time.

    Args:
        method: Has ``score_pairs(images, texts) -> (p,)``.
        images: n pictures: a list, an array, a tensor, or something with ``take``. texts: m sentences.
        at_once: Pairs per call.
    """

    def score(rows: IntArray, columns: IntArray) -> NDArray[Any]:
        parts = []
        for start in range(0, len(rows), at_once):
            some, others = rows[start : start + at_once], columns[start : start + at_once]
            parts.append(np.asarray(method.score_pairs(_take(images, some), [texts[int(j)] for j in others])))
        return np.concatenate(parts) if parts else np.zeros(0)

    return score


def _take(images: Any, rows: IntArray) -> Any:
    if isinstance(images, list | tuple):
        return [images[int(i)] for i in rows]
    # PixelImages and the data sets' pictures have take(rows); tensors have another one, arrays index the same way
    return images.take(rows) if hasattr(images, "take") and not hasattr(images, "ndim") else images[rows]
