"""Does a method see what a caption says, or only which words are in it? A test with two captions per question.

For each scene, :func:`xmr_lib.data.scenes.contrasts` writes pairs of a true and a false caption that differ in one
detail. The method gets a point where it scores the true one higher, half a point for a tie, so guessing has 50 %. In
the ``order`` and ``binding`` pairs both captions hold the same words: a bag of words has exactly 50 % there.

The idea is that of ARO (M. Yuksekgonul et al., "When and why vision-language models behave like bags-of-words", ICLR
2023) and Winoground (T. Thrush et al., CVPR 2022); pairs from a generator are true and false by construction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.scenes.negatives import NEGATIVE_KINDS, Contrast, contrasts
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.tables import Table, html_table, text_table
from xmr_lib.methods.base import DualEncoder, l2_normalise
from xmr_lib.methods.rerank import pair_score

SCENES_AT_ONCE = 32
Z = 1.96  # of a 95 % interval


class Question(NamedTuple):
    """A contrast and the image it is about."""

    image: int
    contrast: Contrast


class KindResult(NamedTuple):
    """One kind of contrast.

    Attributes:
        accuracy: Share of pairs whose true caption scores higher, ties counted half; 0..1.
        low, high: 95 % interval (Wilson), as if every scene were an independent draw, which scenes are.
        pairs: How many there are; one per scene that has material for this kind.
    """

    accuracy: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True, repr=False)
class ContrastResult:
    """All kinds for one method; ``print`` it, or leave it as the last line of a notebook cell.

    Attributes:
        method, data: Names for tables.
        questions: All pairs, image by image.
        margin: (q,) score of the true caption minus score of the false one.
        points: (q,) 1, 0 or, for a tie, 0.5.
    """

    method: str
    data: str
    questions: Sequence[Question]
    margin: NDArray[np.float64]
    points: NDArray[np.float64]

    @property
    def kinds(self) -> dict[str, KindResult]:
        """Kind -> its result, in the order of ``NEGATIVE_KINDS``; kinds without a pair are left out."""
        found = np.array([question.contrast.kind for question in self.questions])
        return {kind: _kind(self.points[found == kind]) for kind in NEGATIVE_KINDS if (found == kind).any()}

    @property
    def mean(self) -> float:
        """Mean of the accuracies of the kinds, each kind with the same weight; 0..1."""
        return float(np.mean([result.accuracy for result in self.kinds.values()]))

    def missed(self, kind: str) -> list[Question]:
        """The pairs of one kind that the method got wrong, worst first."""
        rows = [i for i in np.argsort(self.margin, kind="stable") if self.questions[i].contrast.kind == kind]
        return [self.questions[i] for i in rows if self.points[i] == 0]

    def _table(self) -> tuple[list[str], list[list[str]], str, list[str]]:
        first = {question.contrast.kind: question.contrast for question in reversed(self.questions)}
        rows = []
        for kind, found in self.kinds.items():
            interval = f"{100 * found.low:.1f} to {100 * found.high:.1f}"
            rows.append([kind, f"{100 * found.accuracy:.1f}", interval, f"{found.pairs:,}", _pair(first[kind])])
        title = f"{self.method} on {self.data}: true caption above a false one"
        notes = [f"Percent; guessing has 50. Mean of the kinds {100 * self.mean:.1f}."]
        return ["", "right", "95 % interval", "pairs", "first pair"], rows, title, notes

    def __str__(self) -> str:
        return text_table(*self._table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(*self._table())


def contrast_accuracy(
    method: Any, dataset: PairedDataset, seed: int = 0, *, name: str | None = None, tolerance: float = 1e-6
) -> ContrastResult:
    """Ask the method about every contrast of every scene.

    Only pairs are scored, each image and caption is encoded once: a :class:`DualEncoder` by the cosine of its
    embeddings; a method with ``score_pairs(images, texts) -> (q,)`` by that; any other by its ``similarity``, on
    blocks of a few scenes.

    Args:
        method: Fitted; it reads pictures and sentences.
        dataset: ``scenes``, or a split of it.
        seed: Which words and details the contrasts take. The same seed gives the same pairs for every method.
        name: What tables call the method. Default: ``method.name``, else its class.
        tolerance: Scores that differ by no more (relative to their size where that is above 1) are tied: rounding, for
            example of sums over the same words in another order.

    Raises:
        InvalidInput: The data set holds no scenes, or a score is NaN.
    """
    questions = contrast_questions(dataset, seed)
    texts = [caption for each in questions for caption in (each.contrast.true, each.contrast.false)]
    image = np.repeat([each.image for each in questions], 2)
    scores = _scores(method, dataset.images, image, texts).reshape(-1, 2)  # (q, 2)
    if np.isnan(scores).any():
        raise InvalidInput(f"{int(np.isnan(scores).any(1).sum())} of {len(scores)} pairs have a score that is NaN.")
    true, false = scores.T
    tied = np.isclose(true, false, rtol=tolerance, atol=tolerance)
    points = np.where(tied, 0.5, true > false)
    called = name or str(getattr(method, "name", type(method).__name__))
    return ContrastResult(called, dataset.name, questions, true - false, points)


def contrast_questions(dataset: PairedDataset, seed: int = 0) -> list[Question]:
    """The contrasts of every scene. A scene has the same ones in every split and whatever stands beside it.

    Raises:
        InvalidInput: The data set holds no scenes.
    """
    scenes = dataset.metadata.get("scenes")
    if not scenes:
        raise InvalidInput(
            f"Contrasts are written for scenes, but {dataset.name!r} has none. Pass load_dataset('scenes') or one of "
            "its splits."
        )
    return [
        Question(image, contrast)
        for image, scene in enumerate(scenes)
        for contrast in contrasts(scene, Random(f"contrasts/{seed}/{scene.index}"))
    ]


def contrast_table(results: Mapping[str, ContrastResult | Sequence[ContrastResult]], title: str = "") -> Table:
    """Many methods in one table, kinds as columns.

    Args:
        results: Name -> its result, or one result per seed (then mean ± standard deviation).
        title: Default: what was measured.
    """
    runs = {name: [found] if isinstance(found, ContrastResult) else list(found) for name, found in results.items()}
    if not runs or not all(runs.values()):
        raise InvalidInput("A table needs at least one result for every name. Make one with contrast_accuracy().")
    first = next(iter(runs.values()))[0]
    kinds = list(first.kinds)
    rows = []
    for name, found in runs.items():
        columns = [[result.kinds[kind].accuracy for result in found] for kind in kinds]
        rows.append([name, *(_cell(values) for values in [*columns, [result.mean for result in found]])])
    pairs = ["pairs", *(f"{first.kinds[kind].pairs:,}" for kind in kinds), ""]
    notes = ["Percent of pairs in which the true caption scores above the false one; guessing has 50."]
    return Table(["", *kinds, "mean"], [*rows, pairs], title or f"Contrasts on {first.data}", notes)


def _scores(method: Any, images: Any, image: NDArray[np.int64], texts: Sequence[str]) -> NDArray[np.float64]:
    """(p,) score of ``texts[i]`` for the picture ``images[image[i]]``."""
    if callable(getattr(method, "score_pairs", None)):
        return np.asarray(pair_score(method, images, texts)(image, np.arange(len(texts))), dtype=np.float64)
    if isinstance(method, DualEncoder) and type(method).similarity is DualEncoder.similarity:
        v = l2_normalise(np.asarray(method.encode_image(images), dtype=np.float64))  # (n, d)
        t = l2_normalise(np.asarray(method.encode_text(texts), dtype=np.float64))  # (p, d)
        return np.asarray((v[image] * t).sum(axis=1))
    scores = np.empty(len(texts))
    for start in range(0, len(images), SCENES_AT_ONCE):
        rows = np.flatnonzero((image >= start) & (image < start + SCENES_AT_ONCE))
        block = images[start : start + SCENES_AT_ONCE]
        similarity = method.similarity(block, [texts[int(row)] for row in rows])  # (block, rows)
        scores[rows] = np.asarray(similarity)[image[rows] - start, np.arange(len(rows))]
    return scores


def _kind(points: NDArray[np.float64]) -> KindResult:
    """Accuracy with its Wilson interval."""
    n, p = len(points), float(points.mean())
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (p * (1 - p) / n + Z**2 / (4 * n**2)) ** 0.5
    return KindResult(p, centre - half, centre + half, n)


def _cell(values: Sequence[float]) -> str:
    percent = 100 * np.asarray(values)
    return f"{percent.mean():.1f}" + (f" ± {percent.std(ddof=1):.1f}" if len(percent) > 1 else "")


def _pair(contrast: Contrast) -> str:
    return f"{contrast.true} / {contrast.false}"
