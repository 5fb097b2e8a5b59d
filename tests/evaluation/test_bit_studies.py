"""The small studies of lesson 11, on generated rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xmr_lib import plots
from xmr_lib.encoders.hashing_splits import hashing_splits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation import compare
from xmr_lib.evaluation.bit_studies import binarising, map_by_labels, map_of_probabilities, spread, step_milliseconds
from xmr_lib.evaluation.hashing import evaluate_hashing, measure_codes
from xmr_lib.methods.hashing import CVH, DCHMT


def test_binarising_and_labels() -> None:
    splits = hashing_splits("generated", "smoke", seed=0)
    variant = DCHMT(**DCHMT.preset("smoke")).clone(bits=16)
    found = compare({"selecting": variant}, lambda seed: splits, [0, 1], measure=measure_codes())
    (row,) = binarising(found, lambda seed: splits).rows
    assert row[0] == "selecting"
    assert row[3] == spread(found.values("selecting", "MAP", "mean"))
    assert 0 < map_of_probabilities(found.fitted["selecting"][0], splits) < 1


def test_map_by_labels_averages_to_map() -> None:
    splits = hashing_splits("generated", "smoke", seed=0)
    method = CVH(8).fit(splits.train)
    assert splits.query.labels is not None
    labels = splits.query.labels.sum(axis=1)
    counts = [int(k) for k in np.unique(labels)]
    weights = [(labels == k).mean() for k in counts]
    whole = evaluate_hashing(method, splits).value("MAP")
    assert np.dot(weights, map_by_labels(method, splits, counts)) == pytest.approx(whole, abs=2e-3)
    with pytest.raises(InvalidInput, match="No query has 99 labels"):
        map_by_labels(method, splits, [99])


def test_step_milliseconds() -> None:
    x = torch.ones(3, requires_grad=True)
    assert step_milliseconds(lambda: x.sum()) > 0
    with pytest.raises(InvalidInput):
        step_milliseconds(lambda: x.sum(), 0)


def test_figures_check_their_input() -> None:
    plots.bits_panels({"i2t": {"CVH": [0.1, 0.2]}}, [16, 32], chance={"i2t": 0.1})
    with pytest.raises(InvalidInput):
        plots.bits_panels({"i2t": {"CVH": [0.1]}}, [16, 32], chance={"i2t": 0.1})
    with pytest.raises(InvalidInput):
        plots.proxy_histogram({"a": np.zeros((2, 3))}, np.zeros((2, 2)), margins={"a": 0.0})
    with pytest.raises(InvalidInput):
        plots.class_cosines({"a": np.ones((2, 3))}, ["one class"])
