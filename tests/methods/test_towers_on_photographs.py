"""Every dual tower on real photographs and their captions: one training step, shapes, COCO's metrics."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from xmr_lib.data import PairedDataset, load_dataset
from xmr_lib.data.pixels import with_pixels
from xmr_lib.evaluation import coco_protocol
from xmr_lib.evaluation.coco_protocol import mean_recall
from xmr_lib.methods import dual_tower
from xmr_lib.methods.towers import TowerMethod

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "coco"
pytestmark = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not (REAL / "annotations" / "captions_train2017.json").is_file(),
    reason="set XMR_DATA_DIR to a folder with coco/annotations/captions_train2017.json and coco/train2017/",
)
METHODS = [
    name for name, method in vars(dual_tower).items() if isinstance(method, type) and issubclass(method, TowerMethod)
]
N = 20


@pytest.fixture(scope="module")
def photographs() -> PairedDataset:
    return load_dataset("coco", parts=("train",), limit=N)


@pytest.fixture(scope="module")
def small(photographs: PairedDataset) -> PairedDataset:
    """The same, squared to 96 pixels once and kept in memory."""
    return with_pixels(photographs, 96)


def test_all_methods_are_here() -> None:
    assert sorted(METHODS) == sorted(dual_tower.__all__)
    assert "CLIP" in METHODS


@pytest.mark.parametrize("name", METHODS)
def test_one_step_on_photographs(name: str, photographs: PairedDataset, small: PairedDataset) -> None:
    kind = getattr(dual_tower, name)
    method = kind(**kind.preset("smoke") | {"epochs": 1, "batch_size": N})
    method.fit(small)
    assert all(np.isfinite(values).all() for values in method.history_.terms.values())
    before, after = method._fresh_network().state_dict(), method.model_.state_dict()
    for tower in ("image_tower", "text_tower"):
        moved = [key for key in after if key.startswith(tower) and not np.array_equal(before[key], after[key])]
        assert moved, f"one step left the {tower} as it was"

    similarity, t2i = method.rankings(small.images, small.captions)
    assert similarity.shape == t2i.shape[::-1] == (N, 5 * N)
    assert np.isfinite(similarity).all()
    assert np.isfinite(t2i).all()
    image, text = method.encode_image(photographs.images.take(np.arange(2))), method.encode_text(small.captions[:7])
    assert len(image) == 2  # photographs of any size
    assert len(text) == 7
    assert image.shape[-1] == text.shape[-1]

    report = coco_protocol(similarity, small, name=method.name, folds=4, t2i=t2i)
    assert f"{name} on coco: {N} images, {5 * N} captions" in str(report)
    assert 0 <= mean_recall(report.pool) <= mean_recall(report.folds) <= 1  # 5 images to choose from, not 20
