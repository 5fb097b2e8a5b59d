"""Attention against boxes: by hand on one scene, even attention has the area, no noun is an error."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from xmr_lib.data import load_dataset
from xmr_lib.data.scenes.layout import Scene, SceneObject
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.on_things import cover, noun_attention

SCENES = load_dataset("scenes", size=24)


def scene(*boxes: tuple[int, int, int, int]) -> Scene:
    things = tuple(SceneObject("dog", None, 1, "small", boxes=(box,)) for box in boxes)
    return Scene(0, "lawn", 0, things, (), "noto", 96)


def test_cover_is_the_share_of_each_cell() -> None:
    got = cover(scene((0, 0, 48, 24), (-10, 90, 20, 20)), 2)
    np.testing.assert_allclose(got, [[0.5, 0], [10 * 6 / 48**2, 0]])
    np.testing.assert_allclose(cover(scene((0, 0, 96, 96)), 6), 1)
    assert cover(scene((0, 0, 9, 9)), 3, []).sum() == 0


def two_blocks() -> SimpleNamespace:
    """A method whose words all look evenly in the first block, and at the upper left cell in the second."""

    def alignment(picture: object, caption: str) -> SimpleNamespace:
        words = caption.lower().strip(".").replace(",", "").replace(":", "").split()
        looks = np.zeros((2, len(words), 6, 6))
        looks[0] = 1 / 36
        looks[1, :, 0, 0] = 1
        return SimpleNamespace(words=words, looks=looks)

    return SimpleNamespace(alignment=alignment)


def test_even_attention_has_the_area_of_the_thing() -> None:
    found = noun_attention(two_blocks(), SCENES, range(0, 60, 3))
    assert found.on.shape == (len(found.area), 2)
    assert len(found.area) > 20
    np.testing.assert_allclose(found.on[:, 0], found.area)
    assert (found.area > 0).all()
    assert found.on[:, 1].min() == 0  # most things are not in the upper left cell


def test_no_known_noun_is_named() -> None:
    empty = SimpleNamespace(alignment=lambda picture, caption: SimpleNamespace(words=[], looks=np.zeros((2, 0, 6, 6))))
    with pytest.raises(InvalidInput, match="names a thing"):
        noun_attention(empty, SCENES, range(3))
