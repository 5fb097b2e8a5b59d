"""COCO's test set with the positives that COCO forgot: ECCV Caption and CxC.

Five captions were written for each COCO image, and only these count as right, although hundreds of the other 24,995 may
fit as well. Two groups had people judge more pairs: CxC (small corrections for all of COCO's test set) and ECCV Caption
(1,261 image and 1,332 caption queries with 18 and 8 right answers on average). ECCV Caption measures MAP@R, which
agrees with people better than R@1 does, R-Precision and R@1.

The ground truths are JSON files "query id -> list of right ids", with COCO's image and caption ids. They come with the
package ``eccv-caption`` (MIT), or lie below ``XMR_DATA_DIR/eccv_caption``.

Sources: S. Chun et al., "ECCV Caption: Correcting False Negatives by Collecting Machine-and-Human-verified
Image-Caption Associations for MS-COCO", ECCV 2022; Z. Parekh et al., "Crisscrossed Captions", EACL 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.config import data_dir
from xmr_lib.data.official_files import read_json
from xmr_lib.errors import InvalidInput, MissingData, check_choice
from xmr_lib.evaluation.names import Direction, metric
from xmr_lib.evaluation.report import Report
from xmr_lib.metrics import relevance_from_pairs
from xmr_lib.metrics.inputs import check_same_shape, check_similarity

TITLES = {"eccv": "ECCV Caption", "cxc": "CxC", "original": "COCO captions"}
METRICS = {"eccv": ("MAP@R", "R-Precision", "R@1"), "cxc": ("R@1", "R@5", "R@10"), "original": ("R@1", "R@5", "R@10")}


@dataclass(frozen=True)
class GroundTruth:
    """Right answers by query, in both directions.

    Attributes:
        name: "eccv", "cxc" or "original".
        i2t: Image id -> ids of the right captions.
        t2i: Caption id -> ids of the right images.
    """

    name: str
    i2t: Mapping[int, Sequence[int]]
    t2i: Mapping[int, Sequence[int]]


def read_ground_truth(name: str = "eccv") -> GroundTruth:
    """One of the three ground truths for COCO's 5,000 test images (Karpathy's split).

    Args:
        name: "eccv"; "cxc"; or "original", COCO's own pairs.

    Raises:
        UnknownName: There is no such ground truth.
        MissingData: Neither the files nor the package are here.
        InvalidInput: A file is damaged.
    """
    check_choice(name, TITLES, "ground truth")
    folder = _folder(name)
    tables = {}
    for key, words in (("i2t", "image_to_caption"), ("t2i", "caption_to_image")):
        path = folder / f"{name}_{words}.json"
        content = read_json(path, (), "Install the package with: pip install eccv-caption==0.1.0")
        try:
            tables[key] = {int(query): tuple(map(int, right)) for query, right in content.items()}
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"{path} must map ids to lists of ids ({error}); get the file again.") from error
    return GroundTruth(name, **tables)


def eccv_caption(
    similarity: Any, image_ids: Any, caption_ids: Any, truth: str | GroundTruth = "eccv", *, name: str = "similarity"
) -> Report:
    """Measure a similarity matrix of COCO's test set against a richer ground truth.

    The database is everything in the matrix; the queries are those the ground truth names. For COCO as loaded here::

        test = load_dataset("coco").split("test")
        similarity = method.similarity(test.images, test.captions)
        eccv_caption(similarity, test.metadata["image_id"], caption_ids(test))  # caption_ids of data/coco.py

    Args:
        similarity: (n, m) images against captions, larger = more alike; all 5,000 x 25,000 for published numbers.
        image_ids: (n,) COCO image ids.
        caption_ids: (m,) COCO annotation ids of the captions.
        truth: "eccv", "cxc", "original", or a ground truth of your own in this form.
        name: What tables call the method.

    Returns:
        A :class:`Report`: MAP@R, R-Precision and R@1 for ECCV Caption, R@1, R@5 and R@10 for the other two; means over
        the queries, as the official tool takes them.

    Raises:
        InvalidInput: Shapes do not fit, an id stands twice, or the ground truth names an image or caption that is
            absent.
    """
    known = read_ground_truth(truth) if isinstance(truth, str) else truth
    images, captions = _positions(image_ids, "image"), _positions(caption_ids, "caption")
    similarity = check_same_shape(check_similarity(similarity), (len(images), len(captions)), "similarity")
    start = perf_counter()
    i2t = _direction(similarity, known.i2t, images, captions, ("image", "caption"))
    t2i = _direction(similarity.T, known.t2i, captions, images, ("caption", "image"))
    chosen = [metric(each) for each in METRICS.get(known.name, METRICS["eccv"])]
    chance = {}
    for key, direction in (("i2t", i2t), ("t2i", t2i)):
        guess, stands_for = direction.at_random()
        chance[key] = {each.name: float(each.score(guess).take(stands_for)) for each in chosen}
    queries = f"{len(known.i2t):,} image and {len(known.t2i):,} caption queries"
    return Report(
        method=name,
        data=f"{TITLES.get(known.name, known.name)} ({queries})",
        i2t={each.name: each.score(i2t) for each in chosen},
        t2i={each.name: each.score(t2i) for each in chosen},
        chance=chance,
        seconds={"similarity": 0.0, "metrics": perf_counter() - start},
        counts={"images": len(images), "captions": len(captions), "i2t empty": 0, "t2i empty": 0},
    )


def _direction(
    similarity: NDArray[Any],
    right: Mapping[int, Sequence[int]],
    queries: Mapping[int, int],
    database: Mapping[int, int],
    words: tuple[str, str],
) -> Direction:
    """The rows of the queries, and which items are right for each."""
    named = {item for items in right.values() for item in items}
    for ids, here, word in ((right, queries, words[0]), (named, database, words[1])):
        if absent := len(set(ids) - set(here)):
            raise InvalidInput(
                f"The ground truth names {absent} {word} ids that are not in the data. Measure all 5,000 test images "
                "of Karpathy's split with their official caption ids."
            )
    pairs = [(row, database[item]) for row, items in enumerate(right.values()) for item in items]
    rows, columns = np.array(pairs, dtype=np.int64).T
    relevance = relevance_from_pairs(rows, columns, (len(right), len(database)))
    return Direction(similarity[[queries[query] for query in right]], relevance, relevance.astype(np.uint8))


def _positions(ids: Any, word: str) -> dict[int, int]:
    """Id -> row or column."""
    positions = {int(number): position for position, number in enumerate(ids)}
    if len(positions) < len(ids):
        raise InvalidInput(f"The {word} ids must all differ, but only {len(positions)} of {len(ids)} do.")
    return positions


def _folder(name: str) -> Path:
    """Where the files are: the data folder, or inside the package (found without running its code)."""
    own = data_dir() / "eccv_caption"
    if (own / f"{name}_image_to_caption.json").is_file():
        return own
    spec = find_spec("eccv_caption")
    if spec is not None and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "data"
    raise MissingData(
        f"The ground truth {name!r} is not here. Get it with pip install eccv-caption==0.1.0, or put "
        f"{name}_image_to_caption.json and {name}_caption_to_image.json in {own}."
    )
