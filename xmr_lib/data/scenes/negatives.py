"""Hard negatives: captions that differ from a true one in one detail and are false for the scene.

A bag of words cannot tell the two captions of an ``order`` or ``binding`` pair apart: they hold the same words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xmr_lib.data.scenes.catalogue import BACKGROUNDS, CATEGORIES
from xmr_lib.data.scenes.grammar import RELATION_WORDS, SIZE_WORDS, noun_phrase, pick_noun, sentence
from xmr_lib.data.scenes.layout import OPPOSITE, Rng, Scene, SceneObject, pick

NEGATIVE_KINDS = ("order", "relation", "binding", "size", "count", "colour", "object", "background")
"""All kinds; a scene offers those it has material for (a single object has no relation)."""


class Contrast(NamedTuple):
    """Two captions that differ in one detail; the first is true of the scene, the second is not."""

    kind: str
    true: str
    false: str


def _plain(obj: SceneObject, rng: Rng) -> str:
    return noun_phrase(pick_noun(obj, rng), obj.count)


def _relations(scene: Scene, rng: Rng) -> Iterator[Contrast]:
    """``order``: subject and object change places. ``relation``: left becomes right, and so on."""
    if not scene.relations:
        return
    relation = pick(rng, scene.relations)
    a, b = (_plain(scene.objects[i], rng) for i in (relation.subject, relation.object))
    word, opposite = (pick(rng, RELATION_WORDS[name]) for name in (relation.name, OPPOSITE[relation.name]))
    yield Contrast("order", f"{a} {word} {b}", f"{b} {word} {a}")
    yield Contrast("relation", f"{a} {word} {b}", f"{a} {opposite} {b}")


def _binding(scene: Scene, rng: Rng) -> Iterator[Contrast]:
    """The sizes of a small and a large object change places; which of the two is named first is drawn."""
    small, large = ([obj for obj in scene.objects if obj.size == size] for size in ("small", "large"))
    if small and large:
        a, b = pick(rng, small), pick(rng, large)
        noun_a, noun_b = pick_noun(a, rng), pick_noun(b, rng)
        little, big = pick(rng, SIZE_WORDS["small"]), pick(rng, SIZE_WORDS["large"])
        small_first = pick(rng, (True, False))
        true, false = (
            " and ".join(both if small_first else both[::-1])
            for both in (
                (noun_phrase(noun_a, a.count, first), noun_phrase(noun_b, b.count, second))
                for first, second in ((little, big), (big, little))
            )
        )
        yield Contrast("binding", true, false)


def _attributes(scene: Scene, rng: Rng) -> Iterator[Contrast]:
    """``size``, ``count`` and ``colour`` of one object take another value."""
    obj = pick(rng, [obj for obj in scene.objects if obj.size in SIZE_WORDS] or [None])
    if obj:
        noun, other = pick_noun(obj, rng), "large" if obj.size == "small" else "small"
        words = (pick(rng, SIZE_WORDS[size]) for size in (obj.size, other))
        true, false = (noun_phrase(noun, obj.count, word) for word in words)
        yield Contrast("size", true, false)
    obj = pick(rng, scene.objects)
    noun, number = pick_noun(obj, rng), pick(rng, [n for n in (2, 3, 4) if n != obj.count])
    yield Contrast("count", noun_phrase(noun, obj.count, exact=True), noun_phrase(noun, number))
    obj = pick(rng, [obj for obj in scene.objects if obj.colour] or [None])
    if obj:
        noun, colours = pick_noun(obj, rng), CATEGORIES[obj.category].colours
        wrong = pick(rng, [colour for colour in colours if colour != obj.colour])
        true, false = (noun_phrase(noun, obj.count, colour=colour) for colour in (obj.colour, wrong))
        yield Contrast("colour", true, false)


def _things(scene: Scene, rng: Rng) -> Iterator[Contrast]:
    """``object``: one class becomes an absent one of its supercategory. ``background``: another place."""
    present = {obj.category for obj in scene.objects}
    obj = pick(rng, scene.objects)
    where = pick(rng, BACKGROUNDS[scene.background])
    family = CATEGORIES[obj.category].supercategory
    absent = [c for c in CATEGORIES.values() if c.supercategory == family and c.name not in present]
    true = f"{_plain(obj, rng)} {where}"
    yield Contrast("object", true, f"{noun_phrase(pick(rng, pick(rng, absent).nouns), obj.count)} {where}")
    elsewhere = pick(rng, BACKGROUNDS[pick(rng, [name for name in BACKGROUNDS if name != scene.background])])
    yield Contrast("background", true, true.removesuffix(where) + elsewhere)


def contrasts(scene: Scene, rng: Rng) -> list[Contrast]:
    """Pairs of a true and a false caption, one per kind the scene has material for.

    Args:
        scene: An element of ``dataset.metadata["scenes"]``.
        rng: ``random.Random(seed)`` or ``numpy.random.default_rng(seed)``.

    Returns:
        Up to eight pairs, in the order of ``NEGATIVE_KINDS``.
    """
    pairs = [pair for make in (_relations, _binding, _attributes, _things) for pair in make(scene, rng)]
    return [Contrast(pair.kind, sentence(pair.true), sentence(pair.false)) for pair in pairs]


def hard_negatives(scene: Scene, rng: Rng) -> list[tuple[str, str]]:
    """``(kind, caption)``: captions that sound right and are false for the scene (see :func:`contrasts`)."""
    return [(pair.kind, pair.false) for pair in contrasts(scene, rng)]
