"""Tags and labels without pictures."""

from __future__ import annotations

import numpy as np
import pytest

from xmr_lib.data.tagged_labels import TaggedLabels, tag_matrix
from xmr_lib.errors import InvalidInput, UnknownName


def test_splits_shapes_and_names() -> None:
    tags = tag_matrix([["sea"], ["sky", "sea"], ["dog"]], ["sea", "sky"])
    assert tags.tolist() == [[True, False], [True, True], [False, False]]
    data = TaggedLabels(
        tags, np.eye(3, dtype=bool), ("sea", "sky"), ("a", "b", "c"), "toy", {"train": np.array([2, 0])}
    )
    assert len(data) == 3
    assert [part.tolist() for part in data.split("train")] == [
        [[False, False], [True, False]],
        [[False, False, True], [True, False, False]],
    ]
    assert repr(data) == "TaggedLabels('toy': 3 items, 2 tags, 3 classes; splits: train 2)"
    with pytest.raises(UnknownName, match="The choices are: train"):
        data.split("test")
    with pytest.raises(InvalidInput, match="a column for each of the 1 tag names"):
        TaggedLabels(tags, np.eye(3, dtype=bool), ("sea",), ("a", "b", "c"), "toy")
    with pytest.raises(InvalidInput, match="labels must be a multi-hot"):
        TaggedLabels(tags, np.eye(2, dtype=bool), ("sea", "sky"), ("a", "b"), "toy")
    with pytest.raises(InvalidInput, match="2 class names but 3 label columns"):
        TaggedLabels(tags, np.eye(3, dtype=bool), ("sea", "sky"), ("a", "b"), "toy")
