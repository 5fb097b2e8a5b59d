"""Contrasts: a bag of words gets exactly half on pairs with the same words, an oracle gets all, and ways agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from xmr_lib.data import PairedDataset, load_dataset
from xmr_lib.data.scenes.negatives import NEGATIVE_KINDS
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation import contrast_accuracy, contrast_table
from xmr_lib.evaluation.hard_negatives import _kind, contrast_questions
from xmr_lib.methods.base import DualEncoder, cosine_similarity
from xmr_lib.methods.dual_tower import CLIP, TEAM, DivE
from xmr_lib.methods.towers import TowerMethod


@pytest.fixture(scope="module")
def scenes() -> PairedDataset:
    return load_dataset("scenes", size=90)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


class Bag(DualEncoder):
    """Every word has a random vector; a picture is a random vector. float32, and sums run in the order of the words."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = vocabulary
        rng = np.random.default_rng(0)
        self.vectors = {word: rng.normal(size=32).astype(np.float32) for word in sorted(set(vocabulary))}

    def encode_image(self, images: Any) -> np.ndarray:
        return np.stack([np.random.default_rng(np.asarray(image).sum()).normal(size=32) for image in images])

    def encode_text(self, texts: Any) -> np.ndarray:
        summed = []
        for text in texts:
            total = np.zeros(32, dtype=np.float32)
            for word in words(text):
                total += self.vectors[word]
            summed.append(total)
        return np.stack(summed)


@pytest.fixture(scope="module")
def bag(scenes: PairedDataset) -> Bag:
    questions = contrast_questions(scenes) + contrast_questions(scenes, seed=1)
    texts = [text for q in questions for text in (q.contrast.true, q.contrast.false)]
    return Bag([word for text in texts for word in words(text)])


class Blocks:
    """The same scores without the interface of a dual encoder; counts how often a picture is looked at."""

    def __init__(self, inner: DualEncoder) -> None:
        self.inner, self.seen = inner, 0

    def similarity(self, images: Any, texts: Any) -> np.ndarray:
        self.seen += len(images)
        return cosine_similarity(self.inner.encode_image(images), self.inner.encode_text(texts))


class Pairs(Blocks):
    def similarity(self, images: Any, texts: Any) -> np.ndarray:
        raise AssertionError("score_pairs is there")

    def score_pairs(self, images: Any, texts: Any) -> np.ndarray:
        assert len(images) == len(texts)
        v, t = self.inner.encode_image(images), self.inner.encode_text(texts)
        return np.array([cosine_similarity(a[None], b[None])[0, 0] for a, b in zip(v, t, strict=True)])


class Knows:
    """Right, wrong, or undecided about everything."""

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def score_pairs(self, images: Any, texts: Any) -> np.ndarray:
        return np.array([self.sign * (i % 2 == 0) for i in range(len(texts))])  # the true one comes first


def test_a_bag_of_words_has_exactly_half_where_the_words_are_the_same(scenes: PairedDataset, bag: Bag) -> None:
    kinds = contrast_accuracy(bag, scenes).kinds
    assert tuple(kinds) == NEGATIVE_KINDS
    assert kinds["order"].accuracy == kinds["binding"].accuracy == 0.5
    others = [kind for kind in NEGATIVE_KINDS if kind not in ("order", "binding")]
    assert any(kinds[kind].accuracy != 0.5 for kind in others)


def test_a_bag_of_words_tower(scenes: PairedDataset) -> None:
    smoke = CLIP.preset("smoke") | {"epochs": 1}
    result = contrast_accuracy(CLIP(**smoke).fit(scenes.subset(np.arange(64))), scenes)
    assert result.kinds["order"].accuracy == result.kinds["binding"].accuracy == 0.5
    assert result.method == "CLIP"


@pytest.mark.parametrize("kind", [DivE, TEAM])
def test_sets_and_second_stages(kind: type[TowerMethod], scenes: PairedDataset) -> None:
    """A set of vectors goes through its own similarity, a second stage through its scores of pairs."""
    few = scenes.subset(np.arange(40))
    method = kind(**kind.preset("smoke")).fit(few)
    result = contrast_accuracy(method, few)
    assert np.isfinite(result.margin).all()
    assert set(result.kinds) == set(NEGATIVE_KINDS)
    row = next(i for i, q in enumerate(result.questions) if q.image == 35)
    contrast = result.questions[row].contrast
    pictures, texts = few.images[35:36], [contrast.true, contrast.false]
    if kind is TEAM:
        alone = np.array([method.score_pairs(pictures, [text])[0] for text in texts])
    else:
        alone = method.similarity(pictures, texts)[0]
    assert alone[0] - alone[1] == pytest.approx(result.margin[row], abs=1e-4)


def test_right_wrong_and_undecided(scenes: PairedDataset) -> None:
    for sign, expected in ((1.0, 1.0), (-1.0, 0.0), (0.0, 0.5)):
        result = contrast_accuracy(Knows(sign), scenes)
        assert {kind.accuracy for kind in result.kinds.values()} == {expected}
        assert result.mean == expected
        assert len(result.missed("count")) == (90 if sign < 0 else 0)


def test_three_ways_to_score_agree(scenes: PairedDataset, bag: Bag) -> None:
    direct, blocks = contrast_accuracy(bag, scenes), Blocks(bag)
    for other in (contrast_accuracy(blocks, scenes), contrast_accuracy(Pairs(bag), scenes)):
        assert other.margin == pytest.approx(direct.margin, abs=1e-6)
        assert (other.points == direct.points).all()
    assert blocks.seen == 90  # each picture once


def test_a_scene_has_the_same_questions_wherever_it_stands(scenes: PairedDataset) -> None:
    rows = [70, 3]
    part = contrast_questions(scenes.subset(rows))
    whole = contrast_questions(scenes)
    for new, old in enumerate(rows):
        assert [q.contrast for q in part if q.image == new] == [q.contrast for q in whole if q.image == old]
    assert [q.contrast for q in contrast_questions(scenes, seed=1)] != [q.contrast for q in whole]
    assert all(q.contrast.true != q.contrast.false for q in whole)


def test_the_interval_by_hand() -> None:
    """Wilson for 3 of 4: (.75 + .4802) / 1.9604 and 1.96 / 1.9604 * sqrt(.046875 + .060025)."""
    result = _kind(np.array([1.0, 1.0, 1.0, 0.0]))
    assert result.accuracy == 0.75
    assert result.low == pytest.approx(0.3006, abs=1e-4)
    assert result.high == pytest.approx(0.9544, abs=1e-4)
    everything = _kind(np.ones(90))
    assert everything.high == pytest.approx(1.0)
    assert everything.low == pytest.approx(90 / (90 + 1.96**2))


def test_missed_comes_worst_first(scenes: PairedDataset, bag: Bag) -> None:
    result = contrast_accuracy(bag, scenes)
    missed = result.missed("object")
    margin = dict(zip(result.questions, result.margin, strict=True))
    values = [margin[question] for question in missed]
    assert values == sorted(values)
    assert max(values) < 0
    assert {question.contrast.kind for question in missed} == {"object"}


def test_tables(scenes: PairedDataset, bag: Bag) -> None:
    result = contrast_accuracy(bag, scenes, name="words")
    text = str(result)
    assert "words on scenes" in text
    assert re.search(r"order +50\.0 ", text)
    assert "95 % interval" in result._repr_html_()
    joined = str(contrast_table({"one": result, "seeds": [result, contrast_accuracy(bag, scenes, seed=1)]}))
    assert "50.0 ± 0.0" in joined
    assert re.search(r"^pairs +\d", joined, flags=re.M)
    with pytest.raises(InvalidInput, match="at least one result"):
        contrast_table({"none": []})


def test_wrong_input_is_explained(scenes: PairedDataset, bag: Bag) -> None:
    with pytest.raises(InvalidInput, match="written for scenes, but 'emoji' has none"):
        contrast_accuracy(bag, load_dataset("emoji"))

    class Broken:
        def score_pairs(self, images: Any, texts: Any) -> np.ndarray:
            return np.full(len(texts), np.nan)

    with pytest.raises(InvalidInput, match="a score that is NaN"):
        contrast_accuracy(Broken(), scenes)
