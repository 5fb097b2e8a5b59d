"""Which fits are kept: those that train in epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xmr_lib.encoders.hashing_splits import hashing_splits
from xmr_lib.methods.hashing import CVH, DSPH
from xmr_lib.methods.stored import stored_at, stored_fit, stored_training


def test_a_fit_without_validation_trains_all_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path))
    pairs = hashing_splits("generated")
    deep = DSPH(**DSPH.preset("smoke") | {"bits": 8})
    assert stored_fit(deep, pairs, 0).history_.validation == []
    assert stored_at(deep, pairs.train).is_dir()
    assert stored_fit(CVH(8), pairs, 0).encode_image(pairs.query.image).shape == (400, 8)
    assert not stored_at(CVH(8), pairs.train).exists()


def test_only_training_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path))
    pairs = hashing_splits("generated")
    deep = DSPH(**DSPH.preset("smoke") | {"bits": 8})
    first = stored_training(deep, pairs, 0)
    assert stored_at(deep, pairs.train, pairs.validation).is_dir()
    assert len(first.history_.validation) == first.epochs
    second = stored_training(deep, pairs, 0)
    assert np.array_equal(second.image_outputs(pairs.query.image), first.image_outputs(pairs.query.image))
    assert second.history_.seconds == first.history_.seconds  # loaded, not trained again
    shallow = stored_training(CVH(8), pairs, 0)
    assert shallow.encode_image(pairs.query.image).shape == (400, 8)
    assert not stored_at(CVH(8), pairs.train, pairs.validation).exists()
