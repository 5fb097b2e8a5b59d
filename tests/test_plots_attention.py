"""Maps on pictures and small matrices: what is drawn, and bad input named."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from xmr_lib.errors import InvalidInput
from xmr_lib.plots import attention_maps, weight_matrices
from xmr_lib.plots.attention import fogged, lit

mpl.use("agg")
RED = Image.new("RGB", (24, 24), (200, 0, 0))


def corner(grid: int = 4) -> np.ndarray:
    weights = np.zeros((grid, grid))
    weights[0, 0] = 0.2
    return weights


def test_light_falls_where_the_weights_are() -> None:
    light = lit(corner(), (24, 24))
    assert light.shape == (24, 24)
    assert light[:3, :3].min() == 1  # each map has its own scale
    assert light[12:, 12:].max() == 0
    seen = fogged(np.asarray(RED), light)
    assert tuple(seen[0, 0]) == (200, 0, 0)
    assert len(set(seen[20, 20].tolist())) == 1  # grey


def test_rows_of_maps_may_differ_in_length() -> None:
    figure = attention_maps([RED, RED], [[corner()] * 3, [corner()]], [["a", "b", "c"], ["d"]])
    assert len(figure.axes) == 8
    assert [axes.get_title() for axes in figure.axes] == ["", "a", "b", "c", "", "d", "", ""]
    assert sum(bool(axes.images) for axes in figure.axes) == 6


@pytest.mark.parametrize(
    ("images", "maps", "titles", "words"),
    [
        ([], [], None, "nothing to show"),
        ([RED], [[]], None, "nothing to show"),
        ([RED], [[corner()], [corner()]], None, "same length"),
        ([RED], [[corner()]], [["a", "b"]], "same length"),
        ([RED], [[np.zeros((2, 2))]], None, "weights of 0 or more"),
        ([RED], [[-corner()]], None, "weights of 0 or more"),
        ([RED], [[np.ones(4)]], None, "must be a matrix"),
    ],
)
def test_bad_maps_are_named(images: list, maps: list, titles: list | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        attention_maps(images, maps, titles)


def test_every_number_is_written_in_its_cell() -> None:
    tables = {"one": np.array([[0.5, 0.25], [0.0, 0.25]]), "two": np.full((2, 2), 0.125)}
    figure = weight_matrices(tables, ["x1", "x2"], ["y1", "y2"], decimals=3)
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.500", "0.250", "0.000", "0.250"]
    assert figure.axes[0].images[0].get_clim() == figure.axes[1].images[0].get_clim() == (0, 0.5)
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == []


@pytest.mark.parametrize(
    ("tables", "rows", "words"),
    [
        ({}, (), "one shape"),
        ({"a": np.eye(2), "b": np.eye(3)}, (), "one shape"),
        ({"a": np.eye(2)}, ("x",), "2 row labels"),
        ({"a": np.full((2, 2), np.nan)}, (), "NaN"),
    ],
)
def test_bad_matrices_are_named(tables: dict, rows: tuple, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        weight_matrices(tables, rows)
