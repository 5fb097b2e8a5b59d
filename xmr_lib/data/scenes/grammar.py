"""Five captions per scene from a small grammar, each telling another part of the truth.

``list``        all objects with their number                 "A dog, two mice and a red heart."
``relation``    two objects and one relation between them     "A dog to the left of two mice."
``background``  one or two objects and where they are         "Two mice on a lawn."
``detail``      one or two objects with size, colour, place   "A huge dog in the top left corner."
``count``       how many things there are in all              "Four things, among them two mice."
"""

from __future__ import annotations

from collections.abc import Sequence

from xmr_lib.data.scenes.catalogue import BACKGROUNDS, CATEGORIES, Noun
from xmr_lib.data.scenes.layout import Relation, Rng, Scene, SceneObject, pick, pick_some

CAPTION_KINDS = ("list", "relation", "background", "detail", "count")
"""What the captions of an image tell, in their order."""

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
RELATION_WORDS = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under", "beneath"),
    "bigger than": ("bigger than", "larger than"),
    "smaller than": ("smaller than",),
}
THINGS = (Noun("thing", "things"), Noun("object", "objects"), Noun("item", "items"))
SOUNDS_LIKE_CONSONANT = {"unicorn"}
SOUNDS_LIKE_VOWEL = {"hourglass"}


def article(phrase: str) -> str:
    """The indefinite article that fits the sound of the first word.

    Example:
        >>> [article(word) for word in ("dog", "owl", "unicorn", "hourglass", "orange book")]
        ['a', 'an', 'a', 'an', 'an']
    """
    first = phrase.split()[0]
    vowel = first in SOUNDS_LIKE_VOWEL or (first[0] in "aeiou" and first not in SOUNDS_LIKE_CONSONANT)
    return "an" if vowel else "a"


def noun_phrase(noun: Noun, count: int, size: str | None = None, colour: str | None = None, exact: bool = False) -> str:
    """Number or article, size, colour, noun. ``exact`` says "one" instead of "a".

    Example:
        >>> noun_phrase(Noun("mouse", "mice"), 2, size="tiny"), noun_phrase(Noun("owl", "owls"), 1)
        ('two tiny mice', 'an owl')
    """
    phrase = " ".join(word for word in (size, colour, noun.singular if count == 1 else noun.plural) if word)
    number = NUMBERS[count] if count > 1 or exact else article(phrase)
    return f"{number} {phrase}"


def pick_noun(obj: SceneObject, rng: Rng) -> Noun:
    """One of the synonyms for an object."""
    return pick(rng, CATEGORIES[obj.category].nouns)


def describe(obj: SceneObject, rng: Rng, size: bool = False, colour: bool = False, exact: bool = False) -> str:
    """A noun phrase for an object; medium things get no size word."""
    size_word = pick(rng, SIZE_WORDS[obj.size]) if size and obj.size in SIZE_WORDS else None
    return noun_phrase(pick_noun(obj, rng), obj.count, size_word, obj.colour if colour else None, exact)


def join(phrases: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]


def sentence(text: str) -> str:
    """Capital letter in front, full stop behind."""
    return text[0].upper() + text[1:] + "."


def place_phrase(obj: SceneObject) -> str:
    """Where an object is, for example "in the top left corner" or "at the bottom"."""
    row, column = obj.place
    if row == column == "middle":
        return "in the middle"
    if row == "middle":
        return f"on the {column}"
    return f"at the {row}" if column == "middle" else f"in the {row} {column} corner"


def relation_phrase(scene: Scene, relation: Relation, rng: Rng) -> str:
    """Subject, relation, object as a sentence or a noun phrase."""
    subject, other = scene.objects[relation.subject], scene.objects[relation.object]
    colour = rng.random() < 0.5
    verb = pick(rng, ("", "is" if subject.count == 1 else "are"))
    words = (describe(subject, rng, colour=colour), verb, pick(rng, RELATION_WORDS[relation.name]))
    return " ".join(word for word in (*words, describe(other, rng, colour=colour)) if word)


def _list(scene: Scene, rng: Rng) -> str:
    colour = rng.random() < 0.5
    names = join([describe(obj, rng, colour=colour) for obj in pick_some(rng, scene.objects, len(scene.objects))])
    return pick(rng, ("{}", "a picture of {}", "a scene with {}", "I can see {}")).format(names)


def _relation(scene: Scene, rng: Rng) -> str:
    if scene.relations:
        return relation_phrase(scene, pick(rng, scene.relations), rng)
    only = scene.objects[0]
    return pick(rng, ("only {} {}", "just {} {}", "nothing but {} {}")).format(describe(only, rng), place_phrase(only))


def _background(scene: Scene, rng: Rng) -> str:
    colour = rng.random() < 0.5
    shown = pick_some(rng, scene.objects, min(len(scene.objects), pick(rng, (1, 2))))
    names, where = join([describe(obj, rng, colour=colour) for obj in shown]), pick(rng, BACKGROUNDS[scene.background])
    return f"{names} {where}" if rng.random() < 0.7 else f"{where}: {names}"


def _detail(scene: Scene, rng: Rng) -> str:
    shown = pick_some(rng, scene.objects, min(len(scene.objects), pick(rng, (1, 2, 2))))
    return join([f"{describe(obj, rng, size=True, colour=True)} {place_phrase(obj)}" for obj in shown])


def _count(scene: Scene, rng: Rng) -> str:
    shown = pick_some(rng, scene.objects, min(len(scene.objects), 2))
    total = noun_phrase(pick(rng, THINGS), scene.total, exact=True)
    link = "in all:" if len(shown) == len(scene.objects) else "in all, among them"
    return f"{total} {link} {join([describe(obj, rng, exact=True) for obj in shown])}"


def captions(scene: Scene, rng: Rng) -> list[str]:
    """Five different true captions, one per kind of ``CAPTION_KINDS``, in that order."""
    told: list[str] = []
    for template in (_list, _relation, _background, _detail, _count):
        text = sentence(template(scene, rng))
        while text in told:
            text = sentence(template(scene, rng))
        told.append(text)
    return told
