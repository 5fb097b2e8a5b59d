"""Zero-shot classification: name the classes in words, and let a retrieval method choose.

A class is a handful of sentences ("A dog.", "A picture of a hound."). Their unit vectors are averaged and brought back
to length 1; the class of a picture is the one with the largest cosine. No picture with a class label was needed.

Source: A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section
3.1 (prompts and their averages in the embedding space).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.data.base import LazyImages, PairedDataset
from xmr_lib.data.scenes.catalogue import CATEGORIES
from xmr_lib.data.scenes.drawing import sticker
from xmr_lib.data.scenes.grammar import noun_phrase, sentence
from xmr_lib.data.scenes.layout import SIZES, SceneObject, pixel_boxes
from xmr_lib.data.sprites import STYLE_FOLDERS
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.evaluation.tables import Table
from xmr_lib.methods.base import DualEncoder, cosine_similarity, l2_normalise
from xmr_lib.metrics import Score, chance_level, recall_at_k
from xmr_lib.metrics.inputs import check_same_shape, check_similarity

TEMPLATES = ("{}", "a picture of {}", "a scene with {}", "I can see {}")
"""The openings of list captions in ``scenes``; ``{}`` is the thing with its article."""


@dataclass(frozen=True, repr=False)
class ZeroShot:
    """Scores of pictures against classes.

    Attributes:
        class_names: c names.
        scores: (n, c), larger = more alike.
    """

    class_names: tuple[str, ...]
    scores: NDArray[Any]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) number of the best class."""
        return self.scores.argmax(axis=1)

    def accuracy(self, labels: Any, k: int = 1) -> Score:
        """Share of pictures whose class is among the ``k`` best; ties are averaged over their orders.

        Args:
            labels: (n,) class numbers, or (n, c) one-hot (or multi-hot: any of the classes is right).
            k: 1: accuracy; 5: "top-5".
        """
        return recall_at_k(self.scores, self._right(labels), k)

    def table(self, labels: Any, title: str = "Zero-shot classification") -> Table:
        """Accuracy and top-5 accuracy beside the level of guessing."""
        right, n_classes = self._right(labels), len(self.class_names)
        rows = []
        for k, word in ((1, "accuracy"), (5, "top-5 accuracy")):
            if k < n_classes:
                found, guess = recall_at_k(self.scores, right, k), chance_level(recall_at_k, right, k=k)
                rows.append([word, f"{100 * found:.1f}", f"{100 * guess:.1f}"])
        head = f"{title}: {len(self.scores):,} pictures, {n_classes} classes"
        return Table(["", "right", "chance"], rows, head, ["Percent."])

    def _right(self, labels: Any) -> NDArray[np.bool_]:
        given, shape = np.asarray(labels), self.scores.shape
        if given.ndim == 1 and given.dtype.kind in "iu":
            if len(given) != shape[0] or given.min(initial=0) < 0 or given.max(initial=0) >= shape[1]:
                raise InvalidInput(
                    f"labels must hold one class number from 0 to {shape[1] - 1} for each of {shape[0]} pictures."
                )
            given = np.eye(shape[1], dtype=bool)[given]
        return check_same_shape(given, shape, "label matrix") > 0

    def __repr__(self) -> str:
        return f"ZeroShot({self.scores.shape[0]} pictures, {self.scores.shape[1]} classes)"


def zero_shot(method: Any, images: Any, class_prompts: Mapping[str, Sequence[str]]) -> ZeroShot:
    """Classify pictures by sentences about the classes.

    Args:
        method: Fitted; it reads pictures and sentences. A :class:`DualEncoder` with cosine similarity averages the
            prompts of a class in the embedding space; with any other method their scores are averaged.
        images: n pictures, as the method takes them.
        class_prompts: Class name -> its sentences, at least one.

    Returns:
        A :class:`ZeroShot`: ``predicted`` (n,), ``scores`` (n, c), ``accuracy(labels)``, ``table(labels)``.

    Raises:
        InvalidInput: No class, or a class without prompts.
    """
    names = tuple(class_prompts)
    if len(names) < 2 or not all(len(prompts) and not isinstance(prompts, str) for prompts in class_prompts.values()):
        raise InvalidInput(
            'class_prompts must name at least two classes with a list of sentences each: {"dog": ["A dog."], ...}.'
        )
    texts = [prompt for prompts in class_prompts.values() for prompt in prompts]  # p in all
    count = np.array([len(prompts) for prompts in class_prompts.values()])  # (c,)
    start = np.cumsum(count) - count
    if isinstance(method, DualEncoder) and type(method).similarity is DualEncoder.similarity:
        vectors = l2_normalise(method.encode_text(texts))  # (p, d)
        means = np.add.reduceat(vectors, start, axis=0) / count[:, None]  # (c, d)
        scores = cosine_similarity(method.encode_image(images), means)  # (n, c)
    else:
        scores = np.add.reduceat(np.asarray(method.similarity(images, texts)), start, axis=1) / count
    return ZeroShot(names, check_similarity(scores))


def scene_prompts(ensemble: bool = True, classes: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Prompts for the classes of ``scenes``.

    Args:
        ensemble: Every synonym in every one of ``TEMPLATES``; otherwise one sentence, "A dog."
        classes: Class names. Default: all 80.

    Example:
        >>> scene_prompts(ensemble=False, classes=["dog", "owl"])
        {'dog': ['A dog.'], 'owl': ['An owl.']}
        >>> len(scene_prompts()["dog"])
        8
    """
    prompts = {}
    for name in CATEGORIES if classes is None else classes:
        category = CATEGORIES[check_choice(name, CATEGORIES, "class of scenes")]
        nouns, templates = (category.nouns, TEMPLATES) if ensemble else (category.nouns[:1], TEMPLATES[:1])
        prompts[name] = [sentence(text.format(noun_phrase(noun, 1))) for noun in nouns for text in templates]
    return prompts


def emoji_for_zero_shot(
    style: str = "twemoji",
    classes: Sequence[str] | None = None,
    size: int = 96,
    thing: str = "large",
    background: str = "white",
) -> PairedDataset:
    """One picture for every emoji of the classes of ``scenes``: a single thing in the middle of a plain picture.

    Scenes are drawn in Noto unless told otherwise, so ``style="twemoji"`` shows known things in a hand never seen.

    Args:
        style: "noto" or "twemoji".
        classes: Class names. Default: all 80.
        size: Width and height of a picture in pixels.
        thing: How large it is drawn: "small", "medium" or "large" as in scenes.
        background: A colour name or "#rrggbb"; no scene has a plain background.

    Returns:
        n emoji (classes with several colours have several), labels (n, c) one-hot, one caption each ("A red apple.");
        metadata "character" and "colour" (a word, or None).
    """
    check_choice(style, STYLE_FOLDERS, "emoji drawing style")
    names = list(CATEGORIES) if classes is None else list(classes)
    for name in names:
        check_choice(name, CATEGORIES, "class of scenes")
    check_choice(thing, SIZES, "size of a thing")
    things = [SceneObject(name, colour or None, 1, thing) for name in names for colour in CATEGORIES[name].sprites]
    captions = [sentence(noun_phrase(CATEGORIES[each.category].nouns[0], 1, colour=each.colour)) for each in things]
    return PairedDataset(
        name=f"emoji of scenes ({style})",
        version=f"zero-shot-{style}-{size}-{thing}-{background}-{'+'.join(names)}",
        images=LazyImages(_alone, [(each, style, size, background) for each in things]),
        captions=captions,
        caption_image=np.arange(len(things)),
        labels=np.eye(len(names), dtype=bool)[[names.index(each.category) for each in things]],
        class_names=tuple(names),
        metadata={"character": [each.character for each in things], "colour": [each.colour for each in things]},
    )


def _alone(key: tuple[SceneObject, str, int, str]) -> Image.Image:
    """One thing in the middle of a plain picture."""
    thing, style, size, background = key
    picture = Image.new("RGB", (size, size), background)
    x, y, width, height = pixel_boxes(thing, style, size)[0]
    patch = sticker(thing.character, style, width, height, light_rim=False)
    picture.paste(patch, (x, y), patch)
    return picture
