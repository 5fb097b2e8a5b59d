"""Entity margins of a tower whose cosines one can work out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.object_boxes import GREY
from xmr_lib.data.pixels import pixel_tensor
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation.entity_margins import entity_margins


class Words:
    """A picture is (1, share of its pixels that are grey); a text is (says dog, says [MASK]), or (0, 1)."""

    def __init__(self) -> None:
        self.image = {"size": 16}

    def encode_image(self, images: Any) -> Any:
        grey = (pixel_tensor(images, 16) == GREY).float().mean((1, 2, 3))
        return torch.stack([torch.ones(len(grey)), grey], 1).numpy()

    def encode_text(self, texts: Any) -> Any:
        rows = [["dog" in text, "[MASK]" in text] for text in texts]
        return np.array([row if any(row) else [False, True] for row in rows], dtype=np.float32)


def data() -> PairedDataset:
    """Picture 0 has a dog on its left half; picture 1 has none, and its caption says so twice."""
    boxes, classes = [np.array([[0, 0, 8, 16]]), np.zeros((0, 4))], [np.array([0]), np.zeros(0, dtype=int)]
    return PairedDataset(
        "dogs",
        "1",
        [Image.new("RGB", (16, 16))] * 2,
        ["a dog", "nothing", "a dog and no dogs"],
        np.array([0, 0, 1]),
        labels=np.array([[True], [False]]),
        class_names=("dog",),
        metadata={"boxes": boxes, "box_class": classes},
    )


@pytest.mark.parametrize("hide", ["mask", "drop"])
def test_hidden_in_the_caption(hide: str) -> None:
    found = entity_margins(Words(), data(), hide)  # type: ignore[arg-type]
    assert found.caption.tolist() == [0, 2]
    assert found.entity.tolist() == [0, 0]
    np.testing.assert_allclose(found.margin, [1, 1])  # cosine 1 with the dog, 0 without it
    assert (found.fraction, found.mean) == (1, 1)


def test_hidden_in_the_picture_where_it_has_a_box() -> None:
    found = entity_margins(Words(), data(), "grey")  # type: ignore[arg-type]
    assert found.caption.tolist() == [0]
    assert found.margin.item() == pytest.approx(1 - 1 / (1 + 0.5**2) ** 0.5)


def test_another_word_hidden() -> None:
    """[MASK] beside the dog: cosine 1 before, 1 / sqrt 2 after. A caption "dog" has no other word."""
    some = data()
    found = entity_margins(Words(), some, "other")  # type: ignore[arg-type]
    assert found.caption.tolist() == [0, 2]
    np.testing.assert_allclose(found.margin, 1 - 0.5**0.5, rtol=1e-5)
    alone = replace(some, captions=["dog", "nothing", "a dog"])
    assert entity_margins(Words(), alone, "other").caption.tolist() == [2]  # type: ignore[arg-type]


def test_no_change_is_no_preference() -> None:
    class Constant(Words):
        def encode_text(self, texts: Any) -> Any:
            return np.ones((len(texts), 2), dtype=np.float32)

    assert entity_margins(Constant(), data()).fraction == 0  # type: ignore[arg-type]


def test_nothing_to_hide_and_no_such_way() -> None:
    some = data()
    with pytest.raises(InvalidInput, match="names an entity with a box"):
        entity_margins(Words(), some.subset([1]), "grey")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="way to hide"):
        entity_margins(Words(), some, "blur")  # type: ignore[arg-type]
