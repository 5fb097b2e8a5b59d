"""Zero-shot classification by hand, and pictures of single emoji that a tower can read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xmr_lib.data.scenes.catalogue import CATEGORIES
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation import emoji_for_zero_shot, scene_prompts, zero_shot
from xmr_lib.evaluation.zero_shot import ZeroShot
from xmr_lib.methods.base import DualEncoder
from xmr_lib.methods.dual_tower import CLIP

VECTORS = {"a": [2.0, 0.0], "b": [0.0, 4.0], "c": [-1.0, 0.0], "d": [0.0, -3.0]}


class Toy(DualEncoder):
    """Pictures are vectors; texts are looked up."""

    def encode_image(self, images: Any) -> np.ndarray:
        return np.asarray(images, dtype=float)

    def encode_text(self, texts: Any) -> np.ndarray:
        return np.array([VECTORS[text] for text in texts])


class Scorer:
    """Not a dual encoder: the plain dot product."""

    def similarity(self, images: Any, texts: Any) -> np.ndarray:
        return np.asarray(images, dtype=float) @ np.array([VECTORS[text] for text in texts]).T


PROMPTS = {"right": ["a", "b"], "left": ["c"], "down": ["d", "d", "c"]}


def test_prompts_are_averaged_as_unit_vectors() -> None:
    """(1, 0) and (0, 1) average to 45 degrees; long vectors do not weigh more."""
    result = zero_shot(Toy(), [[1.0, 1.0], [-3.0, 0.0]], PROMPTS)
    down = np.array([-1.0, -2.0]) / np.sqrt(5)
    half = np.sqrt(0.5)
    assert result.scores == pytest.approx(np.array([[1, -half, down @ [half, half]], [-half, 1, 1 / np.sqrt(5)]]))
    assert result.predicted.tolist() == [0, 1]
    assert result.class_names == ("right", "left", "down")


def test_other_methods_average_scores() -> None:
    result = zero_shot(Scorer(), [[1.0, 1.0]], PROMPTS)
    assert result.scores.tolist() == [[(2 + 4) / 2, -1, (-3 - 3 - 1) / 3]]


def test_accuracy_and_ties() -> None:
    result = ZeroShot(("x", "y", "z"), np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.5, 0.5, 0.0]]))
    assert result.accuracy([0, 1, 1]) == pytest.approx((1 + 1 + 0.5) / 3)  # a tie is half a hit
    assert result.accuracy([2, 2, 2], k=2) == 0
    assert result.accuracy([1, 0, 2], k=2) == pytest.approx(2 / 3)
    assert result.accuracy(np.eye(3)[[0, 1, 1]]) == result.accuracy([0, 1, 1])
    assert result.accuracy([[1, 1, 0]] * 3) == 1  # several classes are right
    text = str(result.table([0, 1, 1]))
    assert "3 pictures, 3 classes" in text
    assert "33.3" in text  # chance
    assert "top-5" not in text  # of three classes


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 3], [0, -1, 1], np.eye(2), [0.5, 0.5, 0.5]])
def test_wrong_labels_are_explained(labels: Any) -> None:
    result = ZeroShot(("x", "y", "z"), np.zeros((3, 3)))
    with pytest.raises(InvalidInput, match="label"):
        result.accuracy(labels)


@pytest.mark.parametrize("prompts", [{}, {"x": ["a"]}, {"x": ["a"], "y": []}, {"x": "ab", "y": ["c"]}])
def test_wrong_prompts_are_explained(prompts: Any) -> None:
    with pytest.raises(InvalidInput, match="at least two classes with a list of sentences"):
        zero_shot(Toy(), [[1.0, 1.0]], prompts)


def test_prompts_of_scenes() -> None:
    one, many = scene_prompts(ensemble=False), scene_prompts()
    assert list(one) == list(many) == list(CATEGORIES)
    assert one["pair of scissors"] == ["A pair of scissors."]
    assert one["hourglass"] == ["An hourglass."]
    assert many["car"][:2] == ["A car.", "A picture of a car."]
    assert "I can see an automobile." in many["car"]
    assert all(len(prompts) == 4 * len(CATEGORIES[name].nouns) for name, prompts in many.items())
    with pytest.raises(UnknownName, match="class of scenes"):
        scene_prompts(classes=["dinosaur"])


def test_every_emoji_of_scenes_alone_on_a_plain_picture() -> None:
    data = emoji_for_zero_shot()
    characters = [emoji for category in CATEGORIES.values() for emoji in category.sprites.values()]
    assert data.metadata["character"] == characters
    assert data.n_images == data.n_captions == len(characters)
    assert data.class_names == tuple(CATEGORIES)
    assert data.labels is not None
    assert (data.labels.sum(axis=1) == 1).all()
    assert data.labels.any(axis=0).all()
    for picture, caption in zip(data.images, data.captions, strict=True):
        pixels = np.asarray(picture)
        assert pixels.shape == (96, 96, 3)
        drawn = np.argwhere((pixels != 255).any(axis=2))
        assert 30 <= np.ptp(drawn, axis=0).max() + 1 <= 38, caption  # .37 of 96 pixels
        middle = (drawn.min(axis=0) + drawn.max(axis=0)) / 2
        assert np.abs(middle - 47.5).max() <= 2, caption
    assert "A red apple." in data.captions
    assert "A dog." in data.captions


def test_styles_sizes_and_backgrounds() -> None:
    options: dict[str, Any] = {"classes": ["owl", "heart"], "size": 48}
    pictures = {
        name: np.asarray(emoji_for_zero_shot(**options, **more).images[0])
        for name, more in {
            "twemoji": {},
            "noto": {"style": "noto"},
            "small": {"thing": "small"},
            "grey": {"background": "#808080"},
        }.items()
    }
    assert all(picture.shape == (48, 48, 3) for picture in pictures.values())
    assert len({picture.tobytes() for picture in pictures.values()}) == 4
    assert pictures["grey"][0, 0].tolist() == [128, 128, 128]
    data = emoji_for_zero_shot(**options)
    assert data.n_images == 1 + 5
    assert data.labels is not None
    assert data.labels.sum(axis=0).tolist() == [1, 5]
    assert data.version != emoji_for_zero_shot(style="noto", **options).version
    for wrong in ({"style": "apple"}, {"classes": ["dinosaur"]}, {"thing": "giant"}):
        with pytest.raises(UnknownName):
            emoji_for_zero_shot(**{**options, **wrong})


def test_a_tower_reads_them() -> None:
    data = emoji_for_zero_shot(style="noto")
    model = CLIP(**CLIP.preset("smoke")).fit(data)
    result = zero_shot(model, data.images, scene_prompts(ensemble=False))
    assert result.scores.shape == (data.n_images, 80)
    accuracy = result.accuracy(data.labels)
    assert 0 <= accuracy <= result.accuracy(data.labels, k=5) <= 1
    assert "80 classes" in str(result.table(data.labels))
