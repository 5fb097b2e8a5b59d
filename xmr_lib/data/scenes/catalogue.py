"""What can be in a scene: 80 things in 12 supercategories (as many as COCO has) and 8 backgrounds, with their words.

Every noun belongs to one class only, and no noun is a hypernym of another class ("flower" would be true of a tulip and
of a sunflower): a caption that names an absent class is then always false. Irregular plurals are written out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Noun(NamedTuple):
    """One word (or fixed phrase) for a class, in singular and plural."""

    singular: str
    plural: str


@dataclass(frozen=True)
class Category:
    """One class of objects.

    Attributes:
        name: The class name; also the first noun's singular.
        supercategory: One of 12.
        nouns: Synonyms, the plainest first.
        sprites: Colour -> emoji. Classes whose colour depends on the drawing style have the one key ``""``:
            captions never tell their colour.
    """

    name: str
    supercategory: str
    nouns: tuple[Noun, ...]
    sprites: dict[str, str]

    @property
    def colours(self) -> tuple[str, ...]:
        """The colours this class comes in; empty if captions never tell."""
        return tuple(colour for colour in self.sprites if colour)


IRREGULAR = {
    "sheep": "sheep",
    "mouse": "mice",
    "fish": "fish",
    "loaf of bread": "loaves of bread",
    "slice of pizza": "slices of pizza",
    "cactus": "cacti",
    "leaf": "leaves",
    "maple leaf": "maple leaves",
    "knife": "knives",
    "pair of scissors": "pairs of scissors",
    "scarf": "scarves",
    "snowman": "snowmen",
}


def plural(singular: str) -> str:
    """The plural of a noun of this catalogue.

    Example:
        >>> plural("dog"), plural("strawberry"), plural("bus"), plural("mouse")
        ('dogs', 'strawberries', 'buses', 'mice')
    """
    if singular in IRREGULAR:
        return IRREGULAR[singular]
    if singular.endswith("y") and singular[-2] not in "aeiou":
        return singular[:-1] + "ies"
    if singular.endswith(("s", "x", "ch", "sh")) or singular in ("tomato", "hero"):
        return singular + "es"
    return singular + "s"


# One line per class: synonyms separated by "/", then the emoji (or colour=emoji pairs).
_TABLE = {
    "mammal": """
        dog/hound 🐕
        cat/kitty 🐈
        rabbit/bunny 🐇
        pig/hog 🐖
        sheep 🐑
        mouse 🐁
        cow 🐄
        elephant 🐘""",
    "bird": """
        chicken 🐓
        duck 🦆
        owl 🦉
        penguin 🐧
        flamingo 🦩
        swan 🦢""",
    "sea animal": """
        fish 🐟
        octopus 🐙
        whale 🐳
        crab 🦀
        turtle 🐢""",
    "fruit": """
        apple red=🍎 green=🍏
        banana 🍌
        strawberry 🍓
        lemon 🍋
        pear 🍐
        pineapple 🍍""",
    "food": """
        carrot 🥕
        tomato 🍅
        hamburger/burger 🍔
        loaf of bread 🍞
        doughnut/donut 🍩
        slice of pizza 🍕
        egg 🥚""",
    "vehicle": """
        car/automobile 🚗
        bus 🚌
        bicycle/bike 🚲
        airplane/plane ✈️
        rocket/spaceship 🚀
        sailboat/boat ⛵
        tractor 🚜
        helicopter/chopper 🚁""",
    "nature": """
        tree 🌳
        cactus 🌵
        sunflower 🌻
        tulip 🌷
        rose 🌹
        leaf/maple leaf 🍁
        mushroom/toadstool 🍄""",
    "household": """
        key 🔑
        knife 🔪
        umbrella ☂️
        chair 🪑
        alarm clock/clock ⏰
        book green=📗 blue=📘 orange=📙
        pair of scissors ✂️
        hourglass ⌛""",
    "clothing": """
        hat/top hat 🎩
        shoe/sneaker 👟
        shirt 👕
        dress/gown 👗
        scarf 🧣
        crown 👑""",
    "leisure": """
        football/soccer ball ⚽
        basketball 🏀
        guitar 🎸
        drum 🥁
        violin/fiddle 🎻
        kite 🪁
        teddy bear 🧸
        balloon 🎈""",
    "fantasy": """
        ghost 👻
        robot/android 🤖
        unicorn 🦄
        alien 👽
        dragon 🐉
        snowman ⛄""",
    "shape": """
        heart red=❤️ yellow=💛 green=💚 blue=💙 purple=💜
        star ⭐
        circle/disc red=🔴 yellow=🟡 green=🟢 blue=🔵 purple=🟣
        square red=🟥 yellow=🟨 green=🟩 blue=🟦 purple=🟪
        diamond orange=🔶 blue=🔷""",
}


def _parse(line: str, supercategory: str) -> Category:
    """One line of the table as a :class:`Category`."""
    words = line.split()
    pictures = [word for word in words if not word.isascii()]
    names = " ".join(word for word in words if word.isascii()).split("/")
    sprites = {}
    for picture in pictures:
        colour, _, emoji = picture.rpartition("=")
        sprites[colour] = emoji
    return Category(names[0], supercategory, tuple(Noun(name, plural(name)) for name in names), sprites)


CATEGORIES: dict[str, Category] = {
    category.name: category
    for supercategory, block in _TABLE.items()
    for category in (_parse(line, supercategory) for line in block.strip().splitlines())
}
"""Class name -> :class:`Category`, in label order."""

BACKGROUNDS: dict[str, tuple[str, ...]] = {
    "grass": ("on the grass", "on a lawn", "in a green meadow"),
    "sea": ("on the sea", "on the ocean", "on the water"),
    "night": ("at night", "in the night sky", "under the stars"),
    "desert": ("in the desert", "on the sand", "among the dunes"),
    "snow": ("in the snow", "on a snowy field", "in a winter landscape"),
    "room": ("in a room", "indoors", "inside a house"),
    "sunset": ("at sunset", "at dusk", "in the evening sky"),
    "city": ("in a city", "in a town", "in front of buildings"),
}
"""Background name -> phrases for it; exactly one background is true of a scene."""
