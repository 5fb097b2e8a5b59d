"""The COCO protocols by hand and against the released evaluator of ECCV Caption."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation import coco_protocol, evaluate_similarity
from xmr_lib.evaluation.coco_protocol import mean_recall, rsum_of
from xmr_lib.metrics import rsum


def noisy(n: int, captions: int = 5, signal: float = 1.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A similarity with some signal, and the image of each caption."""
    caption_image = np.repeat(np.arange(n), captions)
    relevance = np.arange(n)[:, None] == caption_image[None, :]
    return np.random.default_rng(seed).normal(size=relevance.shape) + signal * relevance, caption_image


def test_two_folds_by_hand() -> None:
    """Image 0 is beaten by caption 2 of the other fold: wrong in one pool, right in its fold."""
    similarity = np.array(
        [
            [0.5, 0.4, 0.9, 0.1],
            [0.6, 0.7, 0.2, 0.3],
            [0.1, 0.2, 0.8, 0.3],
            [0.2, 0.1, 0.4, 0.3],  # beaten by caption 2 of its own fold
        ]
    )
    report = coco_protocol(similarity, np.arange(4), folds=2)
    assert report.pool.value("R@1", "i2t") == pytest.approx(2 / 4)
    assert report.folds.value("R@1", "i2t") == pytest.approx((2 / 2 + 1 / 2) / 2)
    # Captions: 0 -> image 1 (wrong), 1 -> image 1 (right), 2 -> image 0 (wrong), 3 -> tie of images 1, 2, 3 (a third).
    assert report.pool.value("R@1", "t2i") == pytest.approx((0 + 1 + 0 + 1 / 3) / 4)
    assert report.folds.value("R@1", "t2i") == pytest.approx(((0 + 1) / 2 + (1 + 1 / 2) / 2) / 2)
    assert rsum_of(report.pool) == pytest.approx(rsum(similarity, np.eye(4, dtype=bool)))
    assert mean_recall(report.pool) == pytest.approx(rsum_of(report.pool) / 6)


def test_one_pool_is_evaluate() -> None:
    similarity, caption_image = noisy(50)
    pool = coco_protocol(similarity, caption_image).pool
    data = PairedFeatures(np.zeros((50, 1)), np.zeros((250, 1)), caption_image)
    direct = evaluate_similarity(similarity, data, metrics=["R@1", "R@5", "R@10"])
    assert dict(pool.i2t) == dict(direct.i2t)
    assert dict(pool.t2i) == dict(direct.t2i)


def test_text_queries_may_have_scores_of_their_own() -> None:
    similarity, caption_image = noisy(20)
    perfect = (caption_image[:, None] == np.arange(20)[None, :]).astype(float)
    plain = coco_protocol(similarity, caption_image, folds=4)
    report = coco_protocol(similarity, caption_image, folds=4, t2i=perfect)
    for own, before in ((report.pool, plain.pool), (report.folds, plain.folds)):
        assert own.value("R@1", "t2i") == 1.0 > before.value("R@1", "t2i")
        assert own.value("R@1", "i2t") == before.value("R@1", "i2t")
    same = coco_protocol(similarity, caption_image, folds=4, t2i=similarity.T)
    assert str(same) == str(plain)
    with pytest.raises(InvalidInput, match="looks transposed"):
        coco_protocol(similarity, caption_image, folds=4, t2i=similarity)


def test_smaller_pools_are_easier_and_chance_says_so() -> None:
    similarity, caption_image = noisy(100, signal=0.0)
    report = coco_protocol(similarity, caption_image)
    for row, n in ((report.pool, 100), (report.folds, 20)):
        assert row.chance["t2i"]["R@1"] == pytest.approx(1 / n)
        assert row.chance["t2i"]["R@10"] == pytest.approx(10 / n)
    similarity, caption_image = noisy(100, signal=2.5)
    report = coco_protocol(similarity, caption_image)
    assert mean_recall(report.folds) > mean_recall(report.pool) + 0.05


def test_released_evaluator_agrees() -> None:
    package = pytest.importorskip("eccv_caption")
    similarity, caption_image = noisy(100, signal=2.0, seed=3)
    rng = np.random.default_rng(0)
    image_id, caption_id = rng.permutation(900)[:100], rng.permutation(9000)[:500]
    evaluator = package.Metrics()
    evaluator.coco_gts = {
        "i2t": {int(image_id[i]): caption_id[caption_image == i].tolist() for i in range(100)},
        "t2i": {int(c): [int(image_id[i])] for c, i in zip(caption_id, caption_image, strict=True)},
    }
    evaluator.coco_ids = caption_id
    ranked: dict[str, dict[int, list[int]]] = {
        "i2t": {int(q): caption_id[np.argsort(-row)].tolist() for q, row in zip(image_id, similarity, strict=True)},
        "t2i": {int(q): image_id[np.argsort(-row)].tolist() for q, row in zip(caption_id, similarity.T, strict=True)},
    }
    ours = coco_protocol(similarity, caption_image)
    for k in (1, 5, 10):
        theirs = evaluator.coco_5k_recalls(ranked, "all", K=k), evaluator.coco_1k_recalls(ranked, "all", K=k)
        for row, reference in zip((ours.pool, ours.folds), theirs, strict=True):
            for direction in ("i2t", "t2i"):
                assert row.value(f"R@{k}", direction) == pytest.approx(reference[direction])


def test_a_data_set_and_uneven_captions() -> None:
    """Captions need not stand in order, nor be five each."""
    caption_image = np.random.default_rng(1).permutation(np.r_[np.arange(20), np.arange(20), [3, 7]])
    similarity = (np.arange(20)[:, None] == caption_image[None, :]).astype(np.float32)
    data = PairedFeatures(np.zeros((20, 1)), np.zeros((42, 1)), caption_image, name="toy")
    for given in (caption_image, data):
        report = coco_protocol(similarity, given, folds=4)
        assert mean_recall(report.pool) == mean_recall(report.folds) == 1.0
    assert report.data == "toy"


def test_scenes_and_the_table() -> None:
    data = load_dataset("scenes", size=40)
    similarity, _ = noisy(40)
    report = coco_protocol(similarity, data, name="noise")
    text = str(report)
    assert "noise on scenes: 40 images, 200 captions" in text
    assert "40 images (one pool)" in text
    assert "8 images (mean of 5 folds)" in text
    assert f"{100 * rsum_of(report.folds):.1f}" in text
    assert text.count("chance") == 2
    assert "<table>" in report._repr_html_()


def test_the_names_on_coco_itself() -> None:
    report = coco_protocol(np.eye(5000, dtype=np.int8), np.arange(5000))
    assert "5K (one pool)" in str(report)
    assert "1K (mean of 5 folds)" in str(report)


@pytest.mark.parametrize(
    ("similarity", "pairs", "options", "message"),
    [
        (np.zeros((7, 7)), np.arange(7), {}, "7 images cannot be cut into 5 folds"),
        (np.zeros((6, 6)), np.arange(6), {"folds": 1}, "from 2 that divides 6"),
        (np.zeros((6, 6)), np.arange(6), {"folds": 0}, "folds must be a whole number of at least 1"),
        (np.zeros((10, 9)), np.arange(10), {}, "shape"),
        (np.full((10, 10), np.nan), np.arange(10), {}, "NaN"),
    ],
)
def test_wrong_input_is_explained(similarity: Any, pairs: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        coco_protocol(similarity, pairs, **options)
