"""ACMR (ACM Multimedia 2017) on the Wikipedia features of 2010: trained on "fit", chosen on "validation"."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from xmr_lib.config import data_dir
from xmr_lib.encoders.splits import supervised_splits
from xmr_lib.evaluation import compare
from xmr_lib.evaluation.compare import Comparison
from xmr_lib.evaluation.probe import modality_probe
from xmr_lib.methods.real_valued import ACMR

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (os.environ.get("XMR_DATA_DIR") and (data_dir() / "wikipedia" / "raw_features.mat").exists()),
        reason="needs the official Wikipedia features in XMR_DATA_DIR/wikipedia",
    ),
]
SEEDS = [0, 1, 2]


@lru_cache(maxsize=1)
def ablation() -> Comparison:
    acmr = ACMR(**ACMR.preset("course"))
    variants: dict[str, Any] = {
        "full": acmr,
        "spectator": acmr.clone(adversary="inert"),
        "no label loss": acmr.clone(beta=0.0),
        "adversary only": acmr.clone(alpha=0.0, beta=0.0),
        "partners only, hardest": acmr.clone(beta=0.0, triplets="hardest", margin=0.3, alpha=1.0),
    }
    return compare(variants, lambda seed: supervised_splits("wikipedia", seed), SEEDS)


def test_the_course_recipe_over_three_seeds() -> None:
    assert ablation().values("full").mean() >= 0.235


def discriminators(name: str) -> np.ndarray:
    test = supervised_splits("wikipedia", 0).test
    return np.array([m.discriminator_accuracy(test.image, test.text) for m in ablation().fitted[name]])


def test_the_discriminator_falls_to_guessing_and_a_fresh_probe_does_not() -> None:
    """The adversary fools the one discriminator it plays against; that is all it is sure to do."""
    assert discriminators("spectator").mean() > 0.9
    assert discriminators("full").mean() < 0.75
    test = supervised_splits("wikipedia", 0).test
    fresh = [modality_probe(m.encode_image(test.image), m.encode_text(test.text)) for m in ablation().fitted["full"]]
    assert np.mean(fresh) > 0.8


def test_the_adversary_hardly_moves_the_map() -> None:
    assert abs(ablation().values("full").mean() - ablation().values("spectator").mean()) < 0.02


def test_without_anything_that_knows_the_classes_little_is_left() -> None:
    """Chance is .118. The paper's triplets know the classes, so the label loss alone can go."""
    assert ablation().values("adversary only").mean() < 0.175
    assert ablation().values("no label loss").mean() > 0.22
    assert ablation().values("partners only, hardest").mean() < ablation().values("full").mean() - 0.03
