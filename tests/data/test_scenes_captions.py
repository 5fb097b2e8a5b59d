"""Captions are read back by an independent parser and compared with what is drawn.

The parser knows the nouns of the catalogue; everything else (numbers, sizes, places, relations, backgrounds, sentence
patterns) it spells out itself, and it judges by pixel boxes, not by the layout's own properties.
"""

import random
import re
from collections import Counter

import numpy as np
import pytest

from xmr_lib.data.scenes import CAPTION_KINDS, CATEGORIES, contrasts, hard_negatives, load
from xmr_lib.data.scenes.catalogue import Noun, plural
from xmr_lib.data.scenes.grammar import article, join, noun_phrase, place_phrase
from xmr_lib.data.scenes.layout import SceneObject
from xmr_lib.data.scenes.negatives import NEGATIVE_KINDS

NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4}
TOTALS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
SIZE_OF = {"small": 0, "little": 0, "tiny": 0, "large": 2, "big": 2, "huge": 2}
COLOURS = ["red", "orange", "yellow", "green", "blue", "purple"]
BACKGROUND_OF = {
    "on the grass": "grass",
    "on a lawn": "grass",
    "in a green meadow": "grass",
    "on the sea": "sea",
    "on the ocean": "sea",
    "on the water": "sea",
    "at night": "night",
    "in the night sky": "night",
    "under the stars": "night",
    "in the desert": "desert",
    "on the sand": "desert",
    "among the dunes": "desert",
    "in the snow": "snow",
    "on a snowy field": "snow",
    "in a winter landscape": "snow",
    "in a room": "room",
    "indoors": "room",
    "inside a house": "room",
    "at sunset": "sunset",
    "at dusk": "sunset",
    "in the evening sky": "sunset",
    "in a city": "city",
    "in a town": "city",
    "in front of buildings": "city",
}
PLACE_OF = {  # (column, row) on a 3 x 3 grid
    "in the top left corner": (0, 0),
    "at the top": (1, 0),
    "in the top right corner": (2, 0),
    "on the left": (0, 1),
    "in the middle": (1, 1),
    "on the right": (2, 1),
    "in the bottom left corner": (0, 2),
    "at the bottom": (1, 2),
    "in the bottom right corner": (2, 2),
}
RELATIONS = {
    "left": ["to the left of", "left of"],
    "right": ["to the right of", "right of"],
    "above": ["above", "over"],
    "below": ["below", "under", "beneath"],
    "bigger": ["bigger than", "larger than"],
    "smaller": ["smaller than"],
}
NOUNS = {word: (c.name, word) for c in CATEGORIES.values() for noun in c.nouns for word in noun}
SINGULAR = {noun.singular for c in CATEGORIES.values() for noun in c.nouns}
PLURAL = {noun.plural for c in CATEGORIES.values() for noun in c.nouns}


def one_of(phrases):
    return "(" + "|".join(sorted(map(re.escape, phrases), key=len, reverse=True)) + ")"


MENTION = re.compile(rf"\b{one_of(NUMBERS)} (?:{one_of(SIZE_OF)} )?(?:{one_of(COLOURS)} )?{one_of(NOUNS)}\b")
RELATION = one_of([phrase for phrases in RELATIONS.values() for phrase in phrases])
PATTERNS = {
    "list": r"(?:a picture of |a scene with |i can see )?(?:@, )*@(?: and @)?\.",
    "relation": rf"@ (?:(is|are) )?{RELATION} @\.",
    "alone": rf"(?:only|just|nothing but) @ {one_of(PLACE_OF)}\.",
    "background": rf"@(?: and @)? {one_of(BACKGROUND_OF)}\.|{one_of(BACKGROUND_OF)}: @(?: and @)?\.",
    "detail": rf"@ {one_of(PLACE_OF)}(?: and @ {one_of(PLACE_OF)})?\.",
    "count": rf"{one_of(TOTALS)} (thing|object|item)(s?) in all(:|, among them) @(?: and @)?\.",
}


def parse(caption):
    """(kind, groups, mentions): which sentence pattern it is, its words, and what it mentions."""
    assert caption[0].isupper(), caption
    text = caption.lower()
    mentions = [match.groups() for match in MENTION.finditer(text)]
    skeleton = MENTION.sub("@", text)
    for kind, pattern in PATTERNS.items():
        match = re.fullmatch(pattern, skeleton)
        if match:
            return kind, match.groups(), mentions
    raise AssertionError(f"not a sentence of the grammar: {caption!r} -> {skeleton!r}")


def grammatical(mention):
    number, size, colour, noun = mention
    if NUMBERS[number] == 1 and noun not in SINGULAR:
        return False
    if NUMBERS[number] > 1 and noun not in PLURAL:
        return False
    if number in ("a", "an"):
        first = (size or colour or noun).split()[0]
        vowel_sound = first in ("hourglass",) or (first[0] in "aeiou" and first != "unicorn")
        return (number == "an") == vowel_sound
    return True


def find(scene, mention):
    """The object a mention is true of, or None."""
    number, size, colour, noun = mention
    for obj in scene.objects:
        if obj.category == NOUNS[noun][0] and len(obj.boxes) == NUMBERS[number]:
            side = max(obj.boxes[0][2:]) / scene.image_size
            level = 0 if side < 0.21 else 1 if side < 0.31 else 2
            if (size is None or SIZE_OF[size] == level) and (colour is None or obj.colour == colour):
                return obj
    return None


def union(obj):
    x, y, w, h = np.array(obj.boxes).T
    return x.min(), y.min(), (x + w).max(), (y + h).max()


def at(scene, obj, place):
    left, top, right, bottom = union(obj)
    column, row = PLACE_OF[place]
    slack = 1.5 / scene.image_size  # boxes are rounded to pixels
    x, y = (left + right) / 2 / scene.image_size, (top + bottom) / 2 / scene.image_size
    return column / 3 - slack <= x <= (column + 1) / 3 + slack and row / 3 - slack <= y <= (row + 1) / 3 + slack


def related(a, b, phrase):
    l1, t1, r1, b1 = union(a)
    l2, t2, r2, b2 = union(b)
    side_a, side_b = max(a.boxes[0][2:]), max(b.boxes[0][2:])
    name = next(name for name, phrases in RELATIONS.items() if phrase in phrases)
    return {
        "left": r1 <= l2,
        "right": r2 <= l1,
        "above": b1 <= t2,
        "below": b2 <= t1,
        "bigger": side_a > side_b + 3,
        "smaller": side_a < side_b - 3,
    }[name]


def is_true(caption, scene):
    kind, groups, mentions = parse(caption)
    found = [find(scene, mention) for mention in mentions]
    if None in found:
        return False
    words = [word for word in groups if word]
    if kind == "relation":
        return related(found[0], found[1], words[-1])
    if kind == "alone":
        return len(scene.objects) == 1 and at(scene, found[0], words[0])
    if kind == "background":
        return BACKGROUND_OF[words[0]] == scene.background
    if kind == "detail":
        return all(at(scene, obj, place) for obj, place in zip(found, words, strict=True))
    if kind == "count":
        complete = len(found) == len(scene.objects)
        return TOTALS.index(groups[0]) == sum(len(o.boxes) for o in scene.objects) and complete == (groups[3] == ":")
    return True


@pytest.fixture(scope="module")
def data():
    return load(size=1500, seed=11)


def test_all_captions_are_true_and_grammatical(data):
    kinds = Counter()
    for text, image in zip(data.captions, data.caption_image, strict=True):
        scene = data.metadata["scenes"][image]
        kind, groups, mentions = parse(text)
        assert all(map(grammatical, mentions)), text
        assert is_true(text, scene), (scene.index, text)
        if kind == "relation" and groups[0]:
            assert (groups[0] == "is") == (NUMBERS[mentions[0][0]] == 1), text
        if kind == "count":
            assert (groups[0] == "one") == (groups[2] == ""), text
        kinds[kind] += 1
    assert set(kinds) == set(PATTERNS)


def test_each_position_has_its_kind(data):
    for k, kind in enumerate(CAPTION_KINDS):
        for text in data.captions[k::5]:
            found = parse(text)[0]
            assert found == kind or (kind, found) == ("relation", "alone"), text
    for scene, first in zip(data.metadata["scenes"], data.captions[::5], strict=True):
        assert len(parse(first)[2]) == len(scene.objects)
    assert all(len(set(data.captions[5 * i : 5 * i + 5])) == 5 for i in range(data.n_images))


def test_captions_are_informative(data):
    """Most captions belong to one image only, yet a caption can be true of a few."""
    assert len(set(data.captions)) > 0.95 * data.n_captions


def test_vocabulary_size(data):
    words = Counter(word for text in data.captions for word in re.findall(r"[a-z]+", text.lower()))
    assert 250 <= len(words) <= 300
    assert {"car", "automobile", "mice", "sheep", "loaves", "leaves", "knives", "cacti", "an", "unicorn"} <= set(words)


def test_hard_negatives_are_false_and_their_twins_true(data):
    kinds = Counter()
    for scene in data.metadata["scenes"]:
        for pair in contrasts(scene, random.Random(scene.index)):
            assert is_true(pair.true, scene), (scene.index, pair)
            assert not is_true(pair.false, scene), (scene.index, pair)
            assert all(map(grammatical, parse(pair.false)[2])), pair
            if pair.kind in ("order", "binding"):
                words = [Counter(text.lower().rstrip(".").split()) for text in (pair.true, pair.false)]
                assert words[0] == words[1], pair
            kinds[pair.kind] += 1
    assert set(kinds) == set(NEGATIVE_KINDS)
    assert kinds["order"] > 1200
    assert kinds["binding"] > 300


def test_object_negatives_stay_in_the_family(data):
    for scene in data.metadata["scenes"][:300]:
        pair = next(p for p in contrasts(scene, random.Random(3)) if p.kind == "object")
        old, new = (NOUNS[parse(text)[2][0][3]][0] for text in (pair.true, pair.false))
        assert CATEGORIES[old].supercategory == CATEGORIES[new].supercategory
        assert new not in {obj.category for obj in scene.objects}


def test_hard_negatives_take_either_generator(data):
    scene = next(s for s in data.metadata["scenes"] if len(s.objects) == 3)
    a = hard_negatives(scene, np.random.default_rng(4))
    assert a == hard_negatives(scene, np.random.default_rng(4))
    assert hard_negatives(scene, random.Random(4)) == hard_negatives(scene, random.Random(4))
    assert all(kind in NEGATIVE_KINDS and isinstance(text, str) for kind, text in a)


def test_the_checker_can_fail(data):
    """Captions of other images are almost never true of this one."""
    scenes = data.metadata["scenes"]
    true = sum(is_true(data.captions[5 * i], scenes[(i + 1) % 1500]) for i in range(1500))
    assert true < 15


@pytest.mark.parametrize(
    ("singular", "many"),
    [
        ("dog", "dogs"),
        ("mouse", "mice"),
        ("sheep", "sheep"),
        ("fish", "fish"),
        ("bus", "buses"),
        ("strawberry", "strawberries"),
        ("kitty", "kitties"),
        ("donkey", "donkeys"),
        ("knife", "knives"),
        ("leaf", "leaves"),
        ("scarf", "scarves"),
        ("tomato", "tomatoes"),
        ("octopus", "octopuses"),
        ("cactus", "cacti"),
        ("snowman", "snowmen"),
        ("loaf of bread", "loaves of bread"),
        ("pair of scissors", "pairs of scissors"),
        ("key", "keys"),
        ("hourglass", "hourglasses"),
        ("dress", "dresses"),
    ],
)
def test_plurals(singular, many):
    assert plural(singular) == many


def test_articles():
    expected = {"unicorn": "a", "hourglass": "an", "umbrella": "an", "owl": "an", "house": "a", "huge owl": "a"}
    assert {word: article(word) for word in expected} == expected
    assert noun_phrase(Noun("book", "books"), 1, colour="orange") == "an orange book"
    assert noun_phrase(Noun("egg", "eggs"), 1, size="little") == "a little egg"
    assert noun_phrase(Noun("egg", "eggs"), 1, exact=True) == "one egg"


def test_join():
    assert [join(list("abc")[:k]) for k in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_no_word_names_two_classes():
    words = [word for c in CATEGORIES.values() for noun in c.nouns for word in set(noun)]
    assert len(words) == len(set(words))


def test_places_cover_the_grid():
    positions = [(x, y) for y in (0.1, 0.5, 0.9) for x in (0.1, 0.5, 0.9)]
    told = [place_phrase(SceneObject("dog", None, 1, "small", x, y)) for x, y in positions]
    assert told == list(PLACE_OF)
