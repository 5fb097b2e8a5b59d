"""Re-ranking without training: what do the entities of a caption say about a picture? (AGREE's EGR)

X. Wang et al. "AGREE". WSDM 2023; weights and formulas are those of the released code. With s the cosine of picture and
caption, s_e that with entity e -> [MASK], and p_e the cosine of the picture and "a photo containing {e}":

    text query    .99 (.9 s + .1 sum_e [s - s_e]) + .01 mean_e p_e
    image query   .98 (.8 s + .2 mean_e p_e) + .02 sum_e min(0, s - s_e)

A scale on all cosines changes no order. A caption without entities has empty sums, and s in the place of its mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.entities import EntityWords
from xmr_lib.data.entity_batches import PROMPT
from xmr_lib.errors import check_choice
from xmr_lib.methods.base import DualEncoder, Matrix, l2_normalise
from xmr_lib.methods.bidirectional_rerank import top_k, with_order


@dataclass(frozen=True)
class EntityTexts:
    """The entities of m captions as embeddings of unit length, E slots each; zeros in empty slots.

    Attributes:
        masked: (m, E, d) of the caption with this entity -> [MASK].
        prompt: (m, E, d) of "a photo containing {entity}".
        filled: (m, E) bool.
    """

    masked: Matrix
    prompt: Matrix
    filled: NDArray[np.bool_]


def entity_texts(
    method: DualEncoder, captions: Sequence[str], words: EntityWords, slots: int = 5, prompt: str = PROMPT
) -> EntityTexts:
    """Find the entities of the captions and encode what EGR needs of them.

    Args:
        method: A fitted method that encodes sentences.
        captions: m sentences. words: The nouns, see :func:`xmr_lib.data.entities.words_for`.
        slots: E, entities per caption at most.
        prompt: With {} for the entity.
    """
    found = [words.entities(caption, slots) for caption in captions]
    filled = np.array([[e < len(row) for e in range(slots)] for row in found], dtype=bool).reshape(len(found), slots)
    masked = [words.hide(text, each.number) for text, row in zip(captions, found, strict=True) for each in row]
    prompts = [prompt.format(each.phrase) for row in found for each in row]
    embedded = []
    for texts in (masked, prompts):
        vectors = l2_normalise(method.encode_text(texts or [""]))
        slot = np.zeros((*filled.shape, vectors.shape[1]), dtype=vectors.dtype)
        slot[filled] = vectors[: len(texts)]
        embedded.append(slot)
    return EntityTexts(embedded[0], embedded[1], filled)


@dataclass(frozen=True)
class EntityEvidence:
    """What the entities of every caption say about every picture, (n, m) each.

    Attributes:
        similarity: s.
        gain: ``sum_e (s - s_e)``.
        loss: ``sum_e min(0, s - s_e)``: entities that the picture would rather not have in the caption.
        prompt: ``mean_e p_e``; s for a caption without entities.
    """

    similarity: Matrix
    gain: Matrix
    loss: Matrix
    prompt: Matrix


def entity_evidence(image: Matrix, text: Matrix, entities: EntityTexts) -> EntityEvidence:
    """All sums over entities, slot by slot: E matrix products of the size of the similarity matrix, twice.

    Args:
        image: (n, d) embeddings. text: (m, d), of the captions of ``entities``.
    """
    image, text = l2_normalise(image), l2_normalise(text)
    similarity = image @ text.T  # (n, m)
    gain, loss, prompt = (np.zeros_like(similarity) for _ in range(3))
    for masked, prompts, filled in zip(
        entities.masked.swapaxes(0, 1), entities.prompt.swapaxes(0, 1), entities.filled.T, strict=True
    ):
        difference = (similarity - image @ masked.T) * filled  # (n, m)
        gain += difference
        loss += np.minimum(difference, 0)
        prompt += image @ prompts.T  # an empty slot adds 0
    count = entities.filled.sum(1)  # (m,)
    return EntityEvidence(similarity, gain, loss, np.where(count, prompt / np.maximum(count, 1), similarity))


def entity_scores(evidence: EntityEvidence, query: str) -> Matrix:
    """The formulas above: (m, n) for ``query="text"``, (n, m) for ``query="image"``."""
    s, prompt = evidence.similarity, evidence.prompt
    if query == "text":
        return (0.99 * (0.9 * s + 0.1 * evidence.gain) + 0.01 * prompt).T
    return 0.98 * (0.8 * s + 0.2 * prompt) + 0.02 * evidence.loss


def entity_rerank(evidence: EntityEvidence, query: str, k: int = 128) -> Matrix:
    """Sort the first k candidates of every query by :func:`entity_scores`.

    Args:
        evidence: Of all pictures and captions.
        query: ``"text"``: captions look for pictures. ``"image"``: pictures look for captions.
        k: Length of the list.

    Returns:
        (m, n) or (n, m) scores, see :func:`xmr_lib.methods.bidirectional_rerank.with_order`.
    """
    check_choice(query, ("image", "text"), "kind of query")
    similarity: Any = evidence.similarity.T if query == "text" else evidence.similarity
    order = top_k(similarity, k)
    scores = np.take_along_axis(entity_scores(evidence, query), order, axis=1)
    return with_order(similarity, np.take_along_axis(order, np.argsort(-scores, axis=1, kind="stable"), axis=1))
