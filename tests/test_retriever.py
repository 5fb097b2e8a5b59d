"""The first retriever: right order, honest split names, clear refusals; once on toys and once on real emoji."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from xmr_lib import retriever as module
from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.data.features import FeatureDataset
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.methods.subspace import CCA
from xmr_lib.retriever import Retriever, top_k

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "pink": (255, 120, 200),
    "grey": (120, 120, 130),
}


class ImageMean:
    """A picture is the mean of its pixels."""

    def encode(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        return np.array([np.asarray(image).reshape(-1, 3).mean(axis=0) / 255 for image in images], dtype=np.float32)


class ColourWords:
    """A text is the mean of the colours it names."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        named = [[COLOURS[word] for word in text.split() if word in COLOURS] or [(128, 128, 128)] for text in texts]
        return np.array([np.mean(colours, axis=0) / 255 for colours in named], dtype=np.float32)


@pytest.fixture(scope="module")
def toy() -> PairedDataset:
    """Six colours, each drawn in two sizes; the last colour is the test split."""
    n = len(COLOURS)
    pictures = [Image.new("RGB", (size, size), colour) for size in (8, 16) for colour in COLOURS.values()]
    train = [i for i in range(2 * n) if i % n != n - 1]
    return PairedDataset(
        "toy",
        "1",
        pictures,
        list(COLOURS),
        np.arange(n),
        np.tile(np.arange(n), 2),
        splits={"train": train, "test": [n - 1, 2 * n - 1]},
    )


@pytest.fixture(scope="module")
def retriever(toy: PairedDataset) -> Retriever:
    image, text = ImageMean().encode(toy.images), ColourWords().encode(toy.captions)
    features = PairedFeatures(image, text, toy.caption_image, toy.instances)
    method = CCA(3, ridge=1e-6).fit(features.subset(toy.splits["train"]))
    return Retriever(toy, method, ImageMean(), ColourWords(), image, text)


@given(st.lists(st.integers(-3, 3), max_size=12), st.integers(1, 15))
def test_top_k_equals_python_sorting_with_ties_in_order(scores: list[int], k: int) -> None:
    slow = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    assert top_k(np.array(scores, dtype=float), k).tolist() == slow


@given(st.floats(-5, 5))
def test_top_k_ignores_a_shift_of_all_scores(shift: float) -> None:
    scores = np.array([0.25, 0.75, 0.5, 0.75])
    assert top_k(scores + shift, 4).tolist() == top_k(scores, 4).tolist() == [1, 3, 2, 0]


def test_both_drawings_of_the_right_thing_come_first(retriever: Retriever) -> None:
    for word in ("red", "green", "blue", "yellow"):
        hits = retriever.search(word, k=3)
        assert [hit.text for hit in hits[:2]] == [word, word]
        assert hits[0].score == pytest.approx(1.0, abs=1e-3)
        assert hits[0].score >= hits[1].score > hits[2].score


def test_search_equals_the_slow_way(retriever: Retriever) -> None:
    query = retriever.method.encode_text(ColourWords().encode(["red blue"]))[0]
    slow = []
    for i, vector in enumerate(retriever.image_index):
        cosine = sum(a * b for a, b in zip(vector, query, strict=True))
        slow.append((-cosine / (np.linalg.norm(vector) * np.linalg.norm(query)), i))
    hits = retriever.search("red blue", k=12)
    np.testing.assert_allclose([hit.score for hit in hits], [-score for score, _ in sorted(slow)], atol=1e-9)


def test_a_picture_finds_its_name_whatever_its_kind(retriever: Retriever) -> None:
    red = Image.new("RGB", (5, 5), COLOURS["red"])
    for picture in (red, red.convert("RGBA"), red.convert("P"), np.asarray(red)):
        hit = retriever.search_by_image(picture, k=1)[0]
        assert (hit.text, hit.image, hit.caption) == ("red", 0, 0)


def test_hits_tell_their_split(retriever: Retriever) -> None:
    assert {hit.text: hit.split for hit in retriever.search("red", k=12)} == {
        word: "test" if word == "grey" else "train" for word in COLOURS
    }


def test_k_larger_than_the_data_gives_everything_once(retriever: Retriever) -> None:
    assert sorted(hit.image for hit in retriever.search("red", k=99)) == list(range(12))


@pytest.mark.parametrize("query", ["", "   ", "\n", None, 3])
def test_an_empty_query_is_refused(retriever: Retriever, query: object) -> None:
    with pytest.raises(InvalidInput, match="query is empty"):
        retriever.search(query)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [0, -1, 2.5, True])
def test_k_must_be_at_least_one(retriever: Retriever, k: object) -> None:
    for search, query in ((retriever.search, "red"), (retriever.search_by_image, Image.new("RGB", (4, 4)))):
        with pytest.raises(InvalidInput, match="k must be"):
            search(query, k)  # type: ignore[operator]


def test_a_text_is_not_a_picture(retriever: Retriever) -> None:
    with pytest.raises(InvalidInput, match="picture"):
        retriever.search_by_image("red")


def test_show_draws_one_row_per_query(retriever: Retriever) -> None:
    assert len(retriever.show("red", "blue", k=3).axes) == 2 * 4
    assert len(retriever.show(Image.new("RGB", (4, 4)), k=2).axes) == 3
    for queries in ((), ("red", Image.new("RGB", (4, 4)))):
        with pytest.raises(InvalidInput, match="one or more queries"):
            retriever.show(*queries)


def test_build_fits_on_the_training_split_only(
    toy: PairedDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path))
    image, text = ImageMean(), ColourWords()
    image.fingerprint, text.fingerprint = "mean", "words"  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "load_image_encoder", lambda: image)
    monkeypatch.setattr(module, "load_text_encoder", lambda: text)
    seen: list[PairedFeatures] = []

    class Spy(CCA):
        def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Spy:
            seen.append(train)
            return super().fit(train)

    built = Retriever.build(toy, method=Spy(2))
    assert seen[0].instances.tolist() == [0, 1, 2, 3, 4] * 2
    assert len(built.image_index) == 12
    assert "toy" in repr(built)


def test_build_refuses_unknown_names_and_data_without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="emoji"):
        Retriever.build("emojy")
    features = PairedFeatures(np.eye(3), np.eye(3))
    data = FeatureDataset("wikipedia", "1", features, {"train": np.arange(3)})
    monkeypatch.setattr(module, "load_dataset", lambda name, **options: data)
    with pytest.raises(InvalidInput, match="without pictures"):
        Retriever.build("wikipedia")


def test_real_encoders_on_a_few_real_emoji(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fruit and vehicles: the word "fruit" ranks fruit above vehicles, though no caption holds it."""
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path))
    whole = module.load_dataset("emoji", styles=("noto",))
    fruit = ["grapes", "melon", "tangerine", "lemon", "banana", "red apple", "pear", "cherries", "strawberry"]
    cars = ["bus", "taxi", "automobile", "tractor", "bicycle", "minibus", "delivery truck", "police car", "ambulance"]
    wanted = [whole.captions.index(name) for name in fruit + cars]
    small = replace(
        whole.subset(wanted, "emoji-small"), version="emoji-small", splits={"train": np.arange(len(wanted))}
    )
    built = Retriever.build(small, method=CCA(8, ridge=0.1))
    found = [hit.text for hit in built.search("fruit", k=5)]
    assert set(found) <= set(fruit)
    assert built.search_by_image(small.images[0], k=1)[0].text == "grapes"
