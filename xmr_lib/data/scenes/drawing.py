"""Drawing a scene: a painted background, then every object pasted as a sticker with a thin rim.

Backgrounds and resized sprites are kept in memory, so a scene costs one copy and a few pastes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.scenes.backgrounds import DARK, background
from xmr_lib.data.scenes.layout import Scene
from xmr_lib.data.sprites import opaque_box, sprite
from xmr_lib.errors import InvalidInput
from xmr_lib.progress import progress


@lru_cache(maxsize=4096)
def sticker(character: str, style: str, width: int, height: int, light_rim: bool) -> Image.Image:
    """A sprite cut to its opaque part and resized to ``width x height``, its one-pixel rim included (RGBA).

    The rim keeps a white swan visible on snow and a black hat visible at night.
    """
    cut = sprite(character, style).crop(opaque_box(character, style))
    inner = cut.resize((max(1, width - 2), max(1, height - 2)), Image.Resampling.LANCZOS)
    picture = Image.new("RGBA", (width, height))
    picture.paste(inner, (1, 1))
    spread = picture.getchannel("A").filter(ImageFilter.MaxFilter(3))
    colour, strength = ((255, 255, 255), 0.75) if light_rim else ((52, 44, 60), 0.5)
    rim = Image.new("RGBA", (width, height), (*colour, 0))
    rim.putalpha(spread.point(lambda alpha: int(alpha * strength)))
    return Image.alpha_composite(rim, picture)


def draw(scene: Scene) -> Image.Image:
    """The picture of one scene, RGB, ``image_size x image_size``."""
    picture = background(scene.background, scene.variant, scene.image_size).copy()
    for obj in scene.objects:
        for x, y, width, height in obj.boxes:
            patch = sticker(obj.character, scene.style, width, height, scene.background in DARK)
            picture.paste(patch, (x, y), patch)
    return picture


def draw_all(dataset: PairedDataset) -> NDArray[np.uint8]:
    """All pictures of a ``scenes`` data set (or of one split) as one array.

    Returns:
        (n, size, size, 3) uint8, RGB.

    Raises:
        InvalidInput: The data set holds no scenes.

    Example:
        >>> from xmr_lib.data import load_dataset
        >>> draw_all(load_dataset("scenes", size=20)).shape
        (20, 96, 96, 3)
    """
    scenes = dataset.metadata.get("scenes")
    if not scenes:
        raise InvalidInput(
            f"draw_all needs the scenes of the data set, but {dataset.name!r} has none. "
            'Pass load_dataset("scenes") or one of its splits.'
        )
    side = scenes[0].image_size
    pictures = np.empty((len(scenes), side, side, 3), dtype=np.uint8)
    for i, scene in enumerate(progress(scenes, desc="drawing scenes", unit="scene")):
        pictures[i] = np.asarray(draw(scene))
    return pictures
