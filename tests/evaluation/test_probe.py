"""The probe says 1 for two clouds, 0.5 for one, and needs partners to stay together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.probe import modality_probe


def cloud(n: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 5)) + shift


def test_two_clouds_and_one() -> None:
    assert modality_probe(cloud(60), cloud(60, 6.0, 1)) == 1.0
    assert modality_probe(cloud(300), cloud(300, 0.0, 1)) == pytest.approx(0.5, abs=0.08)


def test_sides_of_unequal_size_weigh_the_same() -> None:
    """Guessing "image" for everything would be right in 90 of 100 cases."""
    assert modality_probe(cloud(270), cloud(30, 0.0, 1), np.arange(30)) == pytest.approx(0.5, abs=0.15)


def test_partners_in_one_fold() -> None:
    """Where partners coincide, folds drawn item by item push the probe below guessing; ours stay at it."""
    image = cloud(80)
    side, both = np.r_[np.zeros(80), np.ones(80)], np.r_[image, image]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(LogisticRegression(C=100), both, side, cv=folds).mean() < 0.45
    assert modality_probe(image, image) == pytest.approx(0.5, abs=1e-9)


def test_several_images_per_text() -> None:
    image = np.repeat(cloud(40), 2, axis=0)
    pairs = np.column_stack([np.arange(80), np.repeat(np.arange(40), 2)])
    assert modality_probe(image, cloud(40), pairs) == pytest.approx(0.5, abs=1e-9)


def test_bad_input() -> None:
    with pytest.raises(InvalidInput, match="equal columns"):
        modality_probe(cloud(10), cloud(10)[:, :3])
    with pytest.raises(InvalidInput, match="fewer folds"):
        modality_probe(cloud(3), cloud(3))
    with pytest.raises(InvalidInput, match="point elsewhere"):
        modality_probe(cloud(10), cloud(10), np.arange(10) + 1)
