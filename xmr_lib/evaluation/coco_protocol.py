"""The two numbers every COCO retrieval paper prints, and why they differ so much.

"5K"  one pool: 5,000 test images against their 25,000 captions.
"1K"  the test images, in the order of the list, in five folds of 1,000; each fold is searched on its own, and the five
      results are averaged. A fold has a fifth of the wrong answers, so "1K" is always the higher number.

RSUM is the sum of the six recalls (R@1, R@5, R@10 in both directions), mR their mean.

Sources: A. Karpathy and L. Fei-Fei, CVPR 2015 (split and folds); F. Faghri et al., "VSE++", BMVC 2018 (the protocol as
it is used since).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.evaluation.evaluate import evaluate_similarity
from xmr_lib.evaluation.report import Report, Summary, mean_and_deviation
from xmr_lib.evaluation.tables import html_table, text_table
from xmr_lib.metrics.inputs import check_same_shape, check_similarity

RECALLS = ("R@1", "R@5", "R@10")
DIRECTIONS = ("i2t", "t2i")


def rsum_of(row: Report | Summary) -> float:
    """Sum of the six recalls of a report (or of the mean of several): 0..6; papers print 100 times this."""
    return sum(row.value(name, direction) for direction in DIRECTIONS for name in RECALLS)


def mean_recall(row: Report | Summary) -> float:
    """mR: the mean of the six recalls, 0..1."""
    return rsum_of(row) / (len(DIRECTIONS) * len(RECALLS))


@dataclass(frozen=True)
class CocoReport:
    """Both protocols for one method.

    Attributes:
        method, data: Names for tables.
        pool: The :class:`Report` of all images in one pool ("5K" on COCO).
        folds: The :class:`Summary` of the folds ("1K" on COCO): their mean, and the deviation between folds.
    """

    method: str
    data: str
    pool: Report
    folds: Summary

    def _table(self) -> tuple[list[str], list[list[str]], str, list[str]]:
        images, parts = self.pool.counts["images"], self.folds.runs
        rows = []
        for label, row in (
            (f"{_thousands(images)} (one pool)", self.pool),
            (f"{_thousands(images // parts)} (mean of {parts} folds)", self.folds),
        ):
            found = [row.value(name, d) for d in DIRECTIONS for name in RECALLS]
            guess = [row.chance[d][name] for d in DIRECTIONS for name in RECALLS]
            rows += [[label, *_percent(found)], ["  chance", *_percent(guess)]]
        header = ["", *(f"{d} {name}" for d in DIRECTIONS for name in RECALLS), "RSUM", "mR"]
        title = f"{self.method} on {self.data}: {images:,} images, {self.pool.counts['captions']:,} captions"
        return header, rows, title, ["Percent. Never compare a number of one row with one of the other."]

    def __str__(self) -> str:
        return text_table(*self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())


def coco_protocol(
    similarity: Any,
    data: PairedDataset | PairedFeatures | Any,
    *,
    name: str = "similarity",
    folds: int = 5,
    t2i: Any = None,
) -> CocoReport:
    """Measure a similarity matrix by both COCO protocols.

    The folds are consecutive blocks of the images as they stand. ``load_dataset("coco").split("test")`` keeps the order
    of Karpathy's list, so its blocks are the published folds. Other data may be measured too, say 1,000 scenes in five
    folds of 200; the names of the rows tell the sizes.

    Args:
        similarity: (n, m) images against captions, larger = more alike.
        data: Where the pairing comes from: a data set, features, or ``caption_image``, (m,) the image of each caption.
        name: What tables call the method.
        folds: Number of folds; it must divide n.
        t2i: (m, n) what text queries are ranked by (``method.rankings``). Default: the transpose of ``similarity``. A
            method that ranks the best candidates again takes them from all n images here, in the folds too.

    Returns:
        A :class:`CocoReport`; ``print`` it, or leave it as the last line of a notebook cell.

    Raises:
        InvalidInput: The similarity has the wrong shape or holds NaN, or n is no multiple of ``folds``.

    Example:
        >>> report = coco_protocol(np.eye(20), np.arange(20))
        >>> rsum_of(report.pool), mean_recall(report.folds)
        (6.0, 1.0)
    """
    pairs = _pairs(np.asarray(similarity), data)
    similarity = check_same_shape(check_similarity(similarity), (pairs.n_images, pairs.n_captions), "similarity")
    n = pairs.n_images
    if n % check_positive(folds, "folds") or folds < 2:
        raise InvalidInput(
            f"{n} images cannot be cut into {folds} folds of one size. Take a number of folds from 2 that divides {n}, "
            "or fewer images with subset()."
        )
    if t2i is not None:
        t2i = check_same_shape(check_similarity(t2i), (pairs.n_captions, n), "t2i")
    reports = [
        evaluate_similarity(block, part, name=name, metrics=RECALLS, t2i=turned)
        for block, turned, part in _folds(similarity, t2i, pairs, folds)
    ]
    pool = evaluate_similarity(similarity, pairs, name=name, metrics=RECALLS, t2i=t2i)
    return CocoReport(name, pool.data, pool, mean_and_deviation(reports))


def _pairs(similarity: np.ndarray, data: Any) -> PairedFeatures:
    """The pairing alone; the "text feature" of a caption is its number, so that a subset tells which captions stay."""
    if isinstance(data, PairedDataset | PairedFeatures):
        n, caption_image, instances, name = data.n_images, data.caption_image, data.instances, data.name
    else:
        n, caption_image, instances, name = len(similarity), np.asarray(data), None, "data"
    m = len(caption_image)
    return PairedFeatures(np.empty((n, 0)), np.arange(m)[:, None], caption_image, instances, name=name)


def _folds(
    similarity: np.ndarray, t2i: np.ndarray | None, pairs: PairedFeatures, folds: int
) -> Iterator[tuple[np.ndarray, np.ndarray | None, PairedFeatures]]:
    """Both matrices and the pairing inside each block of images."""
    for block in np.split(np.arange(pairs.n_images), folds):
        part = pairs.subset(block)
        captions = part.text[:, 0]
        turned = None if t2i is None else t2i[np.ix_(captions, block)]
        yield similarity[np.ix_(block, captions)], turned, part


def _thousands(count: int) -> str:
    """5000 -> "5K", 80 -> "80 images"."""
    return f"{count // 1000}K" if count % 1000 == 0 else f"{count} images"


def _percent(recalls: list[float]) -> list[str]:
    """Six recalls, RSUM and mR as tables print them."""
    total = 100 * sum(recalls)
    return [f"{100 * value:.1f}" for value in recalls] + [f"{total:.1f}", f"{total / len(recalls):.1f}"]
