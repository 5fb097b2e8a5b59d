"""Sampling a scene: which objects, how many, how large, where, and which relations hold between them.

Positions are fractions of the picture (0 = left or top, 1 = right or bottom), so one layout serves every picture size
and drawing style. The generator uses nothing but ``random()`` of a generator seeded per scene: scene 17 is the same
whatever the number of scenes, the Python version or the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import NamedTuple, Protocol, TypeVar

from xmr_lib.data.scenes.catalogue import BACKGROUNDS, CATEGORIES
from xmr_lib.data.sprites import opaque_box

T = TypeVar("T")
Box = tuple[int, int, int, int]
"""COCO box (x, y, width, height) in pixels; x and y of the upper left corner."""

SIZES = {"small": 0.17, "medium": 0.25, "large": 0.37}
"""Size -> longest side of one copy, as a fraction of the picture."""

OPPOSITE = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "bigger than": "smaller than",
    "smaller than": "bigger than",
}
"""Relation -> its converse; if ``a r b`` holds, ``b OPPOSITE[r] a`` holds and ``b r a`` does not."""

BACKGROUND_VARIANTS = 6
MARGIN = 0.03  # free space around a group and along the picture's edge


class Rng(Protocol):
    """What sampling needs: ``random.Random`` and ``numpy.random.Generator`` both have it."""

    def random(self) -> float:
        """A number in [0, 1)."""


def pick(rng: Rng, items: Sequence[T]) -> T:
    """One item, all equally likely."""
    return items[int(rng.random() * len(items))]


def pick_some(rng: Rng, items: Sequence[T], k: int) -> list[T]:
    """``k`` different items in random order (all of them shuffled if ``k = len(items)``)."""
    pool = list(items)
    return [pool.pop(int(rng.random() * len(pool))) for _ in range(k)]


class Relation(NamedTuple):
    """A triple (subject, relation, object); subject and object are positions in ``scene.objects``."""

    subject: int
    name: str
    object: int


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One kind of thing in a scene, drawn ``count`` times side by side.

    Attributes:
        category: Class name.
        colour: A colour word, or None where captions never tell.
        count: 1, 2 or 3 copies in a row.
        size: "small", "medium" or "large".
        x, y: Centre of the row, as fractions of the picture.
        boxes: One COCO box per copy, in pixels, tight around what is drawn.
    """

    category: str
    colour: str | None
    count: int
    size: str
    x: float = 0.5
    y: float = 0.5
    boxes: tuple[Box, ...] = ()

    @property
    def character(self) -> str:
        """The emoji that is drawn."""
        return CATEGORIES[self.category].sprites[self.colour or ""]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the row of copies, as fractions of the picture."""
        side = SIZES[self.size]
        width = side * self.count
        return self.x - width / 2, self.y - side / 2, self.x + width / 2, self.y + side / 2

    @property
    def place(self) -> tuple[str, str]:
        """(row, column) of the centre on a 3 x 3 grid, for example ("top", "left") or ("middle", "middle")."""
        return ("top", "middle", "bottom")[int(3 * self.y)], ("left", "middle", "right")[int(3 * self.x)]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything there is to know about one picture.

    Attributes:
        index: Number of the scene within its seed; also its COCO image id.
        background: A key of ``BACKGROUNDS``.
        variant: Which of the drawings of this background.
        objects: 1 to 4 objects of different classes.
        relations: All triples that hold, in both directions.
        style: Drawing style of the emoji.
        image_size: Width and height of the picture in pixels.
    """

    index: int
    background: str
    variant: int
    objects: tuple[SceneObject, ...]
    relations: tuple[Relation, ...]
    style: str
    image_size: int

    @property
    def total(self) -> int:
        """Number of drawn things, copies counted."""
        return sum(obj.count for obj in self.objects)


def relations_between(a: SceneObject, b: SceneObject) -> list[str]:
    """Names of the relations ``a r b`` that hold.

    Left, right, above and below mean *wholly* so: a is left of b if a's right edge is not beyond b's left edge.
    Bigger and smaller compare the size of one copy.
    """
    a_left, a_top, a_right, a_bottom = a.extent
    b_left, b_top, b_right, b_bottom = b.extent
    holds = {
        "left of": a_right <= b_left,
        "right of": b_right <= a_left,
        "above": a_bottom <= b_top,
        "below": b_bottom <= a_top,
        "bigger than": SIZES[a.size] > SIZES[b.size],
        "smaller than": SIZES[a.size] < SIZES[b.size],
    }
    return [name for name, true in holds.items() if true]


def all_relations(objects: Sequence[SceneObject]) -> tuple[Relation, ...]:
    """Every triple that holds between two different objects."""
    return tuple(
        Relation(i, name, j)
        for i, a in enumerate(objects)
        for j, b in enumerate(objects)
        if i != j
        for name in relations_between(a, b)
    )


@lru_cache(maxsize=64)
def _deck(seed: int, number: int) -> tuple[str, ...]:
    """All classes in random order. Scene i leads with card i: every 80 scenes in a row show every class."""
    return tuple(pick_some(Random(f"scenes/{seed}/deck/{number}"), list(CATEGORIES), len(CATEGORIES)))


def _weighted(rng: Rng, weights: Mapping[T, float]) -> T:
    """One key, with probability proportional to its weight."""
    left = rng.random() * sum(weights.values())
    for key, weight in weights.items():
        left -= weight
        if left < 0:
            return key
    return key


def _draw_attributes(rng: Rng, category: str) -> SceneObject:
    """Colour, count and size of one object; pairs and triples are never large, they would fill the picture."""
    colours = CATEGORIES[category].colours
    count = _weighted(rng, {1: 0.66, 2: 0.22, 3: 0.12})
    sizes = {1: {"small": 1, "medium": 1, "large": 1}, 2: {"small": 1, "medium": 1}, 3: {"small": 2, "medium": 1}}
    return SceneObject(category, pick(rng, colours) if colours else None, count, _weighted(rng, sizes[count]))


def _place(rng: Rng, objects: Sequence[SceneObject]) -> tuple[SceneObject, ...] | None:
    """Give every object a place of its own, the widest first; None if there is no room after 40 tries for one."""
    placed: dict[int, SceneObject] = {}
    for i in sorted(range(len(objects)), key=lambda i: -objects[i].count * SIZES[objects[i].size] ** 2):
        half_width = objects[i].count * SIZES[objects[i].size] / 2 + MARGIN
        half_height = SIZES[objects[i].size] / 2 + MARGIN
        for _ in range(40):
            x = half_width + rng.random() * (1 - 2 * half_width)
            y = half_height + rng.random() * (1 - 2 * half_height)
            candidate = replace(objects[i], x=x, y=y)
            if all(_apart(candidate, other) for other in placed.values()):
                placed[i] = candidate
                break
        else:
            return None
    return tuple(placed[i] for i in range(len(objects)))


def _apart(a: SceneObject, b: SceneObject) -> bool:
    """True if the two rows keep MARGIN between them along one axis."""
    a_left, a_top, a_right, a_bottom = a.extent
    b_left, b_top, b_right, b_bottom = b.extent
    return max(b_left - a_right, a_left - b_right, b_top - a_bottom, a_top - b_bottom) >= MARGIN


def pixel_boxes(obj: SceneObject, style: str, image_size: int) -> tuple[Box, ...]:
    """COCO boxes of the copies: the sprite's opaque part, its longest side scaled to the object's size."""
    left, upper, right, lower = opaque_box(obj.character, style)
    side = SIZES[obj.size] * image_size
    scale = side / max(right - left, lower - upper)
    width, height = round((right - left) * scale), round((lower - upper) * scale)
    first = obj.x * image_size - side * (obj.count - 1) / 2
    return tuple(
        (round(first + side * k - width / 2), round(obj.y * image_size - height / 2), width, height)
        for k in range(obj.count)
    )


def _cast(rng: Rng, index: int, seed: int) -> list[str]:
    """The classes of scene ``index``, its lead first: the first thing that is drawn for a scene."""
    lead = _deck(seed, index // len(CATEGORIES))[index % len(CATEGORIES)]
    n_others = _weighted(rng, {0: 0.10, 1: 0.30, 2: 0.35, 3: 0.25})
    return [lead, *pick_some(rng, [name for name in CATEGORIES if name != lead], n_others)]


def supercategories_of(index: int, seed: int = 0) -> set[str]:
    """The supercategories that scene ``index`` of ``seed`` shows, without laying it out."""
    names = _cast(Random(f"scenes/{seed}/{index}"), index, seed)
    return {CATEGORIES[name].supercategory for name in names}


def sample_scene(index: int, seed: int = 0, image_size: int = 96, styles: Sequence[str] = ("noto",)) -> Scene:
    """Scene number ``index`` of the endless sequence that belongs to ``seed``.

    Args:
        index: 0, 1, 2, ...
        seed: Another seed, another sequence.
        image_size: Pixels per side; affects the boxes only, not the layout.
        styles: The drawing style is picked from these, without touching the layout.
    """
    rng = Random(f"scenes/{seed}/{index}")
    names = _cast(rng, index, seed)
    background, variant = pick(rng, list(BACKGROUNDS)), int(rng.random() * BACKGROUND_VARIANTS)
    objects = None
    while objects is None:  # no room for these sizes and counts: draw others
        objects = _place(rng, [_draw_attributes(rng, name) for name in pick_some(rng, names, len(names))])
    style = pick(Random(f"scenes/{seed}/{index}/style"), styles)
    objects = tuple(replace(obj, boxes=pixel_boxes(obj, style, image_size)) for obj in objects)
    return Scene(index, background, variant, objects, all_relations(objects), style, image_size)
