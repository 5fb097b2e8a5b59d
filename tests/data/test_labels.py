"""Class numbers, or a sentence that says what is wrong with the labels."""

from __future__ import annotations

import numpy as np
import pytest

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.labels import single_classes
from xmr_lib.errors import InvalidInput


def labelled(labels: object) -> PairedFeatures:
    n = 3 if labels is None else len(labels)
    return PairedFeatures(np.ones((n, 2)), np.ones((n, 2)), labels=labels)


def test_class_numbers() -> None:
    classes = single_classes(labelled([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]))
    assert classes.tolist() == [1, 0, 2, 1]
    assert classes.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "ACMR learns from class labels, but this data has none"),
        ([[1, 1], [0, 1], [0, 0]], "2 of 3 images have none or several"),
        ([[0, 1], [0, 1]], "All images have the same class"),
        (np.zeros((0, 3)), "There are no pairs, so ACMR has nothing to learn from"),
    ],
)
def test_refusals(labels: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        single_classes(labelled(labels), "ACMR")
