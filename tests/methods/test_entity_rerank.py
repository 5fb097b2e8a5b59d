"""EGR: its two formulas by hand on vectors one can multiply in the head, and what re-ranking never changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xmr_lib.data.entities import EntityWords
from xmr_lib.errors import UnknownName
from xmr_lib.methods.base import DualEncoder
from xmr_lib.methods.bidirectional_rerank import top_k
from xmr_lib.methods.entity_rerank import (
    EntityEvidence,
    EntityTexts,
    entity_evidence,
    entity_rerank,
    entity_scores,
    entity_texts,
)

WORDS = EntityWords({"dog": ["dog", "dogs"], "cat": ["cat", "cats"]})


class Counter(DualEncoder):
    """A text is the vector of how often it says dog, cat and anything else."""

    def encode_text(self, texts: Any) -> Any:
        words = [text.lower().strip(".").split() for text in texts]
        rows = [[row.count("dog") + row.count("dogs"), row.count("cat"), len(row)] for row in words]
        return np.array(rows, dtype=np.float32)


def test_texts_of_entities() -> None:
    captions = ["A dog and a cat.", "nothing", "Two dogs."]
    found = entity_texts(Counter(), captions, WORDS, slots=2, prompt="see {}")
    assert found.filled.tolist() == [[True, True], [False, False], [True, False]]
    np.testing.assert_allclose(found.masked[0] * 26**0.5, [[0, 1, 5], [1, 0, 5]], rtol=1e-6)
    np.testing.assert_allclose(found.prompt[0] * 5**0.5, [[1, 0, 2], [0, 1, 2]], rtol=1e-6)
    np.testing.assert_allclose(found.prompt[2, 0] * 5**0.5, [1, 0, 2], rtol=1e-6)
    assert not found.masked[1].any()
    assert not found.prompt[2, 1].any()
    none = entity_texts(Counter(), ["nothing"], WORDS)
    assert none.masked.shape == (1, 5, 3)
    assert not none.filled.any()


def hand() -> EntityEvidence:
    """One picture along the first axis; caption 0 has two entities, caption 1 none."""
    image = np.array([[1.0, 0.0]])
    text = np.array([[0.8, 0.6], [0.6, 0.8]])
    masked = np.array([[[0.6, 0.8], [1.0, 0.0]], [[0, 0], [0, 0]]])  # hiding the first costs .2, the second helps by .2
    prompt = np.array([[[0.28, 0.96], [0.96, 0.28]], [[0, 0], [0, 0]]])
    return entity_evidence(image, text, EntityTexts(masked, prompt, np.array([[True, True], [False, False]])))


def test_evidence_by_hand() -> None:
    evidence = hand()
    np.testing.assert_allclose(evidence.similarity, [[0.8, 0.6]])
    np.testing.assert_allclose(evidence.gain, [[0.2 - 0.2, 0]], atol=1e-12)
    np.testing.assert_allclose(evidence.loss, [[-0.2, 0]])
    np.testing.assert_allclose(evidence.prompt, [[0.62, 0.6]])


def test_formulas_by_hand() -> None:
    evidence = EntityEvidence(*(np.array([[x]]) for x in (0.5, 0.3, -0.1, 0.7)))
    assert entity_scores(evidence, "text").item() == pytest.approx(0.99 * (0.9 * 0.5 + 0.1 * 0.3) + 0.01 * 0.7)
    assert entity_scores(evidence, "image").item() == pytest.approx(0.98 * (0.8 * 0.5 + 0.2 * 0.7) + 0.02 * -0.1)


def random_evidence() -> EntityEvidence:
    rng = np.random.default_rng(0)
    filled = rng.random((40, 3)) < 0.7
    masked, prompt = (rng.normal(size=(40, 3, 6)) * filled[..., None] for _ in range(2))
    return entity_evidence(rng.normal(size=(30, 6)), rng.normal(size=(40, 6)), EntityTexts(masked, prompt, filled))


@pytest.mark.parametrize("query", ["image", "text"])
def test_the_first_k_stay_the_first_k_in_the_order_of_the_scores(query: str) -> None:
    evidence = random_evidence()
    similarity = evidence.similarity if query == "image" else evidence.similarity.T
    scores = entity_scores(evidence, query)
    assert scores.shape == similarity.shape
    changed = entity_rerank(evidence, query, k=7)
    first = top_k(changed, 7)
    np.testing.assert_array_equal(np.sort(first, 1), np.sort(top_k(similarity, 7), 1))
    assert (np.diff(np.take_along_axis(scores, first, 1), axis=1) <= 0).all()
    np.testing.assert_array_equal(top_k(changed, 30)[:, 7:], top_k(similarity, 30)[:, 7:])
    assert not np.array_equal(changed, similarity)
    np.testing.assert_array_equal(top_k(entity_rerank(evidence, query), 5), top_k(scores, 5))  # k beyond the end


@pytest.mark.parametrize("query", ["image", "text"])
def test_captions_without_entities_keep_their_order(query: str) -> None:
    rng = np.random.default_rng(1)
    nothing = EntityTexts(np.zeros((9, 5, 4)), np.zeros((9, 5, 4)), np.zeros((9, 5), dtype=bool))
    evidence = entity_evidence(rng.normal(size=(8, 4)), rng.normal(size=(9, 4)), nothing)
    similarity = evidence.similarity if query == "image" else evidence.similarity.T
    np.testing.assert_array_equal(entity_rerank(evidence, query), similarity)


def test_another_kind_of_query() -> None:
    with pytest.raises(UnknownName, match="kind of query"):
        entity_rerank(hand(), "video")
