"""ECCV Caption by hand, on its real ground truth, and against the released evaluator."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xmr_lib.data.coco import caption_ids, load_captions
from xmr_lib.errors import InvalidInput, MissingData, UnknownName
from xmr_lib.evaluation import eccv_caption
from xmr_lib.evaluation.eccv_caption import GroundTruth, read_ground_truth

REAL = Path(os.environ.get("XMR_DATA_DIR", ""))
TOY = GroundTruth("eccv", i2t={10: (1, 4), 30: (3,)}, t2i={2: (20, 10)})
IMAGES, CAPTIONS = [10, 20, 30], [1, 2, 3, 4]
SCORES = np.array(
    [
        [0.9, 0.8, 0.1, 0.2],  # image 10, R = 2: right, wrong -> P 1/2, AP (1 + 0) / 2
        [0.5, 0.6, 0.7, 0.8],
        [0.4, 0.3, 0.2, 0.1],  # image 30, R = 1: wrong
    ]
)


@pytest.fixture
def without_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    return tmp_path


def test_by_hand() -> None:
    report = eccv_caption(SCORES, IMAGES, CAPTIONS, TOY)
    assert report.i2t["MAP@R"] == pytest.approx((1 / 2 + 0) / 2)
    assert report.i2t["R-Precision"] == pytest.approx((1 / 2 + 0) / 2)
    assert report.i2t["R@1"] == pytest.approx(1 / 2)
    # Caption 2 ranks image 10, 20, 30: both right ones first.
    assert (report.t2i["MAP@R"], report.t2i["R-Precision"], report.t2i["R@1"]) == (1, 1, 1)
    # Image 10 has two right captions of four, image 30 one of four: guessing finds them so often.
    assert report.chance["i2t"]["R@1"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert report.chance["i2t"]["R-Precision"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert "ECCV Caption (2 image and 1 caption queries)" in str(report)


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(3), rng.permutation(4)
    turned = eccv_caption(SCORES[np.ix_(rows, columns)], np.array(IMAGES)[rows], np.array(CAPTIONS)[columns], TOY)
    assert dict(turned.i2t) == dict(eccv_caption(SCORES, IMAGES, CAPTIONS, TOY).i2t)


@pytest.mark.parametrize(
    ("images", "captions", "message"),
    [
        ([10, 20, 31], CAPTIONS, "names 1 image ids that are not in the data"),
        (IMAGES, [1, 2, 5, 6], "names 2 caption ids"),
        ([10, 10, 30], CAPTIONS, "image ids must all differ"),
        (IMAGES, [1, 2, 3], "shape"),
    ],
)
def test_wrong_ids_are_explained(images: list[int], captions: list[int], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        eccv_caption(SCORES, images, captions, TOY)


def test_own_files_come_first_and_are_checked(without_files: Path) -> None:
    folder = without_files / "eccv_caption"
    folder.mkdir()
    (folder / "cxc_image_to_caption.json").write_text(json.dumps({"7": [1, 2]}), encoding="utf-8")
    with pytest.raises(MissingData, match=r"cxc_caption_to_image\.json is not here"):
        read_ground_truth("cxc")
    (folder / "cxc_caption_to_image.json").write_text(json.dumps({"1": [7]}), encoding="utf-8")
    assert read_ground_truth("cxc") == GroundTruth("cxc", {7: (1, 2)}, {1: (7,)})
    (folder / "cxc_caption_to_image.json").write_text(json.dumps({"1": ["x"]}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="must map ids to lists of ids"):
        read_ground_truth("cxc")


def test_no_files_and_no_package(without_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("xmr_lib.evaluation.eccv_caption"), "find_spec", lambda name: None)
    with pytest.raises(MissingData, match="pip install eccv-caption"):
        read_ground_truth("eccv")
    with pytest.raises(UnknownName, match="cxc, eccv, original"):
        read_ground_truth("coco")


def pool(truth: GroundTruth) -> tuple[list[int], list[int], np.ndarray]:
    """The images and captions a ground truth names, and noisy scores that know it."""
    images = sorted({*truth.i2t, *(i for right in truth.t2i.values() for i in right)})
    captions = sorted({*truth.t2i, *(c for right in truth.i2t.values() for c in right)})
    row = {image: i for i, image in enumerate(images)}
    column = {caption: j for j, caption in enumerate(captions)}
    scores = np.random.default_rng(0).random((len(images), len(captions)), dtype=np.float32)
    for image, right in truth.i2t.items():
        scores[row[image], [column[c] for c in right]] += 0.6
    for caption, right in truth.t2i.items():
        scores[[row[i] for i in right], column[caption]] += 0.6
    return images, captions, scores


@pytest.fixture
def released(without_files: Path) -> Any:
    """The released evaluator, whose package also brings the ground truths."""
    return pytest.importorskip("eccv_caption").Metrics()


def test_released_evaluator_agrees_on_the_real_ground_truth(released: Any) -> None:
    truth = read_ground_truth("eccv")
    assert (len(truth.i2t), len(truth.t2i)) == (1261, 1332)
    assert np.mean([len(right) for right in truth.i2t.values()]) == pytest.approx(17.88, abs=0.01)
    images, captions, scores = pool(truth)
    ours = eccv_caption(scores, images, captions)
    for key, table, names, items, queries in (
        ("i2t", scores, captions, truth.i2t, images),
        ("t2i", scores.T, images, truth.t2i, captions),
    ):
        position = {query: i for i, query in enumerate(queries)}
        rows = table[[position[query] for query in items]]
        top = np.argpartition(-rows, 150, axis=1)[:, :150]
        top = np.take_along_axis(top, np.argsort(-np.take_along_axis(rows, top, 1), axis=1), 1)
        ranked = {q: np.asarray(names)[row].tolist() for q, row in zip(items, top, strict=True)}
        theirs = released.eccv_metrics({key: ranked}, key)
        found = getattr(ours, key)
        assert found["MAP@R"] == pytest.approx(theirs["eccv_map_at_r"][key])
        assert found["R-Precision"] == pytest.approx(theirs["eccv_rprecision"][key])
        assert found["R@1"] == pytest.approx(theirs["eccv_r1"][key])
        assert 0.2 < found["MAP@R"] < 0.95  # neither trivial nor perfect


def test_cxc_recalls_agree(released: Any) -> None:
    """A part of CxC's queries, so that it takes a second."""
    whole = read_ground_truth("cxc")
    truth = GroundTruth("cxc", dict(list(whole.i2t.items())[:150]), dict(list(whole.t2i.items())[:300]))
    images, captions, scores = pool(truth)
    ours = eccv_caption(scores - scores.mean(), images, captions, truth)
    released.cxc_gts = {"i2t": truth.i2t, "t2i": truth.t2i}
    ranked = {
        "i2t": {q: np.asarray(captions)[np.argsort(-row)].tolist() for q, row in zip(images, scores, strict=True)},
        "t2i": {q: np.asarray(images)[np.argsort(-row)].tolist() for q, row in zip(captions, scores.T, strict=True)},
    }
    for k in (1, 5, 10):
        theirs = released.cxc_recalls(ranked, "all", K=k)
        assert ours.value(f"R@{k}", "i2t") == pytest.approx(theirs["i2t"])
        assert ours.value(f"R@{k}", "t2i") == pytest.approx(theirs["t2i"])


def absent(*parts: str) -> bool:
    return not os.environ.get("XMR_DATA_DIR") or not REAL.joinpath(*parts).is_file()


@pytest.mark.skipif(
    absent("coco", "annotations", "captions_val2017.json"),
    reason="set XMR_DATA_DIR to a folder with coco/annotations/captions_val2017.json",
)
def test_ids_are_those_of_the_official_captions() -> None:
    """COCO's val2017 shares 593 images with Karpathy's test list: there, all captions carry the ids used here."""
    pytest.importorskip("eccv_caption")
    data = load_captions("val", captions_per_image=9)
    original = read_ground_truth("original").t2i
    known = {
        int(c): int(i)
        for c, i in zip(caption_ids(data), data.metadata["image_id"][data.caption_image], strict=True)
        if int(c) in original
    }
    assert len(known) == 2965
    assert all(original[caption] == (image,) for caption, image in known.items())
    assert len(set(known.values())) == 593


@pytest.mark.skipif(
    absent("eccv_caption", "eccv_image_to_caption.json"), reason="set XMR_DATA_DIR to a folder with eccv_caption/"
)
def test_files_in_the_data_folder_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("eccv_caption")
    own = [read_ground_truth(name) for name in ("eccv", "cxc", "original")]
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    assert own == [read_ground_truth(name) for name in ("eccv", "cxc", "original")]
