"""The eight backgrounds, painted with a few shapes each in pale colours, so that objects stand out."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
GRAIN = 4  # backgrounds are painted this much larger, then shrunk: smooth edges
DARK = {"night"}  # backgrounds on which a dark rim would not be seen


def _gradient(side: int, *stops: tuple[float, Colour]) -> Image.Image:
    """A picture whose colour runs from top to bottom through ``(position, colour)`` stops."""
    rows = np.linspace(0, 1, side)
    positions = [position for position, _ in stops]
    channels = [np.interp(rows, positions, [colour[c] for _, colour in stops]) for c in range(3)]
    column = np.stack(channels, axis=1).round().astype(np.uint8)
    return Image.fromarray(np.repeat(column[:, None], side, axis=1))


def _grass(rng: Random, side: int) -> Image.Image:
    picture = _gradient(side, (0, (206, 232, 164)), (1, (160, 208, 118)))
    draw = ImageDraw.Draw(picture)
    for _ in range(90):
        x, y, lean = rng.random() * side, rng.random() * side, (rng.random() - 0.5) * side / 30
        draw.line((x, y, x + lean, y - side / 22), fill=(138, 190, 98), width=max(1, side // 130))
    return picture


def _sea(rng: Random, side: int) -> Image.Image:
    picture = _gradient(side, (0, (178, 226, 240)), (1, (104, 178, 220)))
    draw = ImageDraw.Draw(picture)
    step = side / 12
    for row in range(9):
        y, shift = side * (row + 0.5) / 9, rng.random() * step
        for k in range(-1, 13):
            left = k * step + shift
            draw.arc((left, y, left + step, y + step / 2), 0, 180, fill=(206, 238, 247), width=max(1, side // 110))
    return picture


def _night(rng: Random, side: int) -> Image.Image:
    picture = _gradient(side, (0, (16, 20, 54)), (1, (52, 56, 112)))
    draw = ImageDraw.Draw(picture)
    for _ in range(55):
        x, y, r = rng.random() * side, rng.random() * side, side * (0.003 + 0.005 * rng.random())
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(226, 226, 196))
    return picture


def _desert(rng: Random, side: int) -> Image.Image:
    picture = _gradient(side, (0, (252, 240, 206)), (0.3, (250, 228, 176)), (1, (240, 204, 138)))
    draw = ImageDraw.Draw(picture)
    for row, colour in enumerate([(244, 216, 156), (238, 205, 140), (231, 194, 124)]):
        top, shift = side * (0.3 + 0.24 * row), rng.random() * 6.28
        xs = np.linspace(0, side, 40)
        ys = top + side * 0.05 * np.sin(xs / side * 6 + shift)
        draw.polygon([(0, side), *zip(xs.tolist(), ys.tolist(), strict=True), (side, side)], fill=colour)
    return picture


def _snow(rng: Random, side: int) -> Image.Image:
    picture = _gradient(side, (0, (196, 212, 232)), (0.45, (222, 232, 243)), (1, (240, 245, 250)))
    draw = ImageDraw.Draw(picture)
    for _ in range(70):
        x, y, r = rng.random() * side, rng.random() * side, side * (0.006 + 0.007 * rng.random())
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255))
    return picture


def _room(rng: Random, side: int) -> Image.Image:
    picture = Image.new("RGB", (side, side), (240, 226, 212))
    draw = ImageDraw.Draw(picture)
    for k in range(1, 12, 2):
        draw.rectangle((side * k / 12, 0, side * (k + 1) / 12, side), fill=(235, 219, 203))
    floor = side * (0.66 + 0.08 * rng.random())
    draw.rectangle((0, floor, side, side), fill=(198, 164, 130))
    draw.rectangle((0, floor - side / 40, side, floor), fill=(250, 244, 236))
    for k in range(1, 4):
        y = floor + (side - floor) * k / 4
        draw.line((0, y, side, y), fill=(182, 148, 114), width=max(1, side // 130))
    left, top, size = side * (0.1 + 0.5 * rng.random()), side * 0.1, side * 0.28
    draw.rectangle(
        (left, top, left + size, top + size), fill=(196, 226, 240), outline=(250, 244, 236), width=side // 40
    )
    draw.line((left + size / 2, top, left + size / 2, top + size), fill=(250, 244, 236), width=side // 50)
    return picture


def _sunset(rng: Random, side: int) -> Image.Image:
    picture = _gradient(
        side, (0, (150, 126, 180)), (0.4, (232, 150, 146)), (0.75, (252, 196, 132)), (1, (254, 222, 160))
    )
    draw = ImageDraw.Draw(picture)
    x, y, r = side * (0.2 + 0.6 * rng.random()), side * 0.86, side * 0.11
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 240, 196))
    for _ in range(5):
        cx, cy, w = rng.random() * side, side * 0.7 * rng.random(), side * (0.15 + 0.15 * rng.random())
        draw.rounded_rectangle((cx - w, cy, cx + w, cy + side / 40), radius=side / 60, fill=(238, 176, 168))
    return picture


def _city(rng: Random, side: int) -> Image.Image:
    picture = _gradient(side, (0, (208, 222, 232)), (1, (228, 230, 232)))
    draw = ImageDraw.Draw(picture)
    left = 0.0
    while left < side:
        width, top = side * (0.12 + 0.1 * rng.random()), side * (0.12 + 0.3 * rng.random())
        grey = 168 + int(28 * rng.random())
        draw.rectangle((left, top, left + width, side * 0.8), fill=(grey, grey + 4, grey + 12))
        for row in range(int((side * 0.76 - top) / (side * 0.09))):
            for column in (0.2, 0.6):
                x, y = left + width * column, top + side * (0.04 + 0.09 * row)
                draw.rectangle((x, y, x + width * 0.2, y + side * 0.04), fill=(238, 232, 200))
        left += width + side * 0.01
    draw.rectangle((0, side * 0.8, side, side), fill=(146, 148, 154))
    for k in range(6):
        draw.rectangle((side * k / 6, side * 0.895, side * (k + 0.5) / 6, side * 0.91), fill=(232, 232, 226))
    return picture


PAINTERS = {
    "grass": _grass,
    "sea": _sea,
    "night": _night,
    "desert": _desert,
    "snow": _snow,
    "room": _room,
    "sunset": _sunset,
    "city": _city,
}
"""Background name -> ``paint(rng, side)``."""


@lru_cache(maxsize=256)
def background(name: str, variant: int, image_size: int) -> Image.Image:
    """One painted background without objects (shared: copy before you draw on it)."""
    large = PAINTERS[name](Random(f"background/{name}/{variant}"), GRAIN * image_size)
    return large.resize((image_size, image_size), Image.Resampling.BOX)
