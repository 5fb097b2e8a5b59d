"""The things that captions name, found with a fixed list of nouns, and captions in which one of them is hidden.

AGREE (X. Wang et al., WSDM 2023) compares a picture with a caption and with the same caption where one entity is
replaced by [MASK]. The authors take entities from a parser; here they are the nouns of a list, longest match first
("alarm clock" before "clock"), in singular and plural.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.scenes.catalogue import CATEGORIES, plural
from xmr_lib.errors import InvalidInput

HIDDEN = "[MASK]"
"""What stands in the place of a hidden entity; ``CaptionTokenizer`` has a token for it."""

NOT_THINGS = ("under the stars",)
"""Phrases with a noun of the list that name no thing in the picture: a background of the scenes is no star."""

COCO_WORDS: Mapping[str, str] = {
    "person": "people man men woman women boy boys girl girls child children kid kids baby lady guy",
    "bicycle": "bike bikes",
    "motorcycle": "motorbike motorbikes",
    "airplane": "plane planes jet jets",
    "boat": "ship ships sailboat sailboats",
    "couch": "sofa sofas",
    "dining table": "table tables",
    "potted plant": "plant plants",
    "tv": "television televisions",
    "cell phone": "phone phones",
    "sports ball": "ball balls",
    "refrigerator": "fridge",
    "donut": "doughnut doughnuts",
    "wine glass": "glass glasses",
}
"""Other words for classes of COCO whose own name is rare in captions."""


class Mention(NamedTuple):
    """One place in a caption that names a thing.

    Attributes:
        phrase: The words, in lower case.
        number: Of the class, in ``EntityWords.names``.
        start, stop: ``caption[start:stop]`` are the words as written.
    """

    phrase: str
    number: int
    start: int
    stop: int


class EntityWords:
    """A list of nouns and what they name.

    Args:
        classes: Class name -> the words and phrases for it, plurals included.
        ignored: Phrases that name nothing although they hold such a word.

    Raises:
        InvalidInput: No words, or a word of two classes.

    Example:
        >>> words = EntityWords({"dog": ["dog", "dogs"], "clock": ["clock", "alarm clock"]})
        >>> [mention.phrase for mention in words.entities("Two dogs and an alarm clock.")]
        ['dogs', 'alarm clock']
    """

    def __init__(self, classes: Mapping[str, Sequence[str]], ignored: Iterable[str] = ()) -> None:
        self.names = tuple(classes)
        self._number: dict[str, int] = dict.fromkeys((phrase.lower() for phrase in ignored), -1)
        for number, forms in enumerate(classes.values()):
            for form in forms:
                known = self._number.setdefault(form.lower(), number)
                if known not in (-1, number):
                    raise InvalidInput(
                        f"The word {form!r} stands for {self.names[known]!r} and for {self.names[number]!r}. Take it "
                        "out of one of them: every word needs one class."
                    )
        if not self._number:
            raise InvalidInput('The list of words is empty. Give at least one, for example {"dog": ["dog", "dogs"]}.')
        longest_first = sorted(self._number, key=len, reverse=True)
        self._pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")

    def mentions(self, caption: str) -> list[Mention]:
        """Every place in the caption that names a thing, from left to right."""
        lower = caption.lower()  # five times as fast as a pattern that ignores case
        found = self._pattern.finditer(lower if len(lower) == len(caption) else caption)
        places = [Mention(match.group(), self._number[match.group()], *match.span()) for match in found]
        return [place for place in places if place.number >= 0]

    def entities(self, caption: str, most: int = 5) -> list[Mention]:
        """The first mention of each thing, at most ``most`` of them."""
        first: dict[int, Mention] = {}
        for mention in self.mentions(caption):
            first.setdefault(mention.number, mention)
        return list(first.values())[:most]

    def hide(self, caption: str, number: int, mark: str = HIDDEN) -> str:
        """The caption with [MASK] (or another mark) wherever it names class ``number``.

        Example:
            >>> EntityWords({"mouse": ["mouse", "mice"]}).hide("A dog and two mice.", 0)
            'A dog and two [MASK].'
        """
        for mention in reversed(self.mentions(caption)):
            if mention.number == number:
                caption = caption[: mention.start] + mark + caption[mention.stop :]
        return caption

    def other_words(self, caption: str) -> list[tuple[int, int]]:
        """Start and stop of every word that names no thing: articles, numbers, places, relations.

        Example:
            >>> EntityWords({"dog": ["dog"]}).other_words("A dog, left.")
            [(0, 1), (7, 11)]
        """
        named = self.mentions(caption)
        words = [match.span() for match in re.finditer(r"\w+", caption)]
        return [(a, b) for a, b in words if not any(each.start <= a < each.stop for each in named)]


def scene_words() -> EntityWords:
    """The nouns of the scenes' catalogue; class numbers are those of its categories."""
    forms = {name: [form for noun in each.nouns for form in noun] for name, each in CATEGORIES.items()}
    return EntityWords(forms, NOT_THINGS)


def class_words(names: Sequence[str]) -> EntityWords:
    """Class names as nouns, with plurals and, for classes of COCO, other common words.

    Args:
        names: As in ``dataset.class_names``; class numbers are their positions.
    """
    taken = {name.lower() for name in names}
    others = {name: [word for word in COCO_WORDS.get(name, "").split() if word not in taken] for name in names}
    return EntityWords({name: [name, plural(name), *others[name]] for name in names})


def words_for(data: PairedDataset) -> EntityWords:
    """The list of words for a data set: its class names where it has boxes of classes, else the scenes' nouns."""
    return class_words(data.class_names) if "box_class" in data.metadata else scene_words()
