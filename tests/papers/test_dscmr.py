"""DSCMR (CVPR 2019) on the Wikipedia features of 2010, trained on "fit", chosen on "validation", measured on test."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from xmr_lib.config import data_dir
from xmr_lib.encoders.splits import supervised_splits
from xmr_lib.evaluation import compare
from xmr_lib.methods.real_valued import DSCMR

pytestmark = pytest.mark.skipif(
    not (os.environ.get("XMR_DATA_DIR") and (data_dir() / "wikipedia" / "raw_features.mat").exists()),
    reason="needs the official Wikipedia features in XMR_DATA_DIR/wikipedia",
)


def course(**changes: Any) -> DSCMR:
    return DSCMR(**{**DSCMR.preset("course"), **changes})


def maps(method: DSCMR, seeds: list[int]) -> np.ndarray:
    return compare({"it": method}, lambda seed: supervised_splits("wikipedia", seed), seeds).values("it")


def test_the_course_recipe_over_three_seeds() -> None:
    assert maps(course(), [0, 1, 2]).mean() >= 0.225


def test_without_the_labels_nearly_nothing_is_left() -> None:
    assert maps(course(label_weight=0.0, alpha=1e-3, epochs=5), [0])[0] < 0.2


def test_the_discrimination_term_does_nothing_at_its_published_weight() -> None:
    small, none = (maps(course(alpha=alpha, epochs=8), [0])[0] for alpha in (1e-3, 0.0))
    assert abs(small - none) < 0.01
