"""Pictures of codes: every bit in its place, both sides of a bit, the gap as a number."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from xmr_lib.errors import InvalidInput
from xmr_lib.metrics.curves import hamming_precision_recall_curve
from xmr_lib.plots import bit_sides, bits_curve, code_grid, output_histogram, pr_curve
from xmr_lib.plots.hashing import MINUS, PLUS

mpl.use("agg")
RED = Image.new("RGB", (24, 24), (200, 0, 0))


def test_every_bit_is_drawn_in_its_row_and_column() -> None:
    codes = np.array([[1, -1, 1], [-1, -1, 1]])
    axes = code_grid(codes, ["a", "b"]).axes[0]
    rows = [[to_hex(bar.get_facecolor()).upper() for bar in group] for group in axes.containers]
    assert rows == [[{1: PLUS, -1: MINUS}[bit].upper() for bit in row] for row in codes.tolist()]
    assert [bar.get_x() + bar.get_width() / 2 for bar in axes.containers[0]] == pytest.approx([0, 1, 2])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["+1", "−1"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first item on top


def test_groups_are_set_apart_and_named_once() -> None:
    axes = code_grid(np.ones((5, 8)), groups=["x", "x", "y", "y", "y"]).axes[0]
    middle = [group[0].get_y() + group[0].get_height() / 2 for group in axes.containers]
    steps = np.diff(middle)
    assert steps[1] > steps[0] == pytest.approx(steps[2])
    assert [text.get_text() for text in axes.texts] == ["x", "y"]


@pytest.mark.parametrize(
    ("codes", "names", "groups", "words"),
    [
        (np.array([[1, 0]]), None, None, "here is 0"),
        (np.array([[0.3, -0.2]]), None, None, "not the outputs"),
        (np.ones((2, 4)), ["a"], None, "same length"),
        (np.ones((2, 4)), None, ["a"], "same length"),
        (np.ones((0, 4)), None, None, "must be a matrix"),
    ],
)
def test_bad_codes_are_named(codes: np.ndarray, names: list | None, groups: list | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        code_grid(codes, names, groups=groups)


def shown(figure: mpl.figure.Figure) -> list[str]:
    return [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]


def test_both_sides_of_a_bit_from_sure_to_unsure() -> None:
    outputs = np.array([0.5, -3.0, 2.0, -0.1, 1.0, 0.2, -1.0, 0.0])
    figure = bit_sides([RED] * 8, outputs, k=2, title="bit 3")
    # far +1; near +1; near -1 (a 0 is on this side); far -1
    assert shown(figure) == ["+2.00", "+1.00", "+0.20", "+0.50", "+0.00", "−0.10", "−3.00", "−1.00"]
    names = [axes.texts[0].get_text() for axes in figure.axes if axes.texts]
    assert [name.replace("\n", " ") for name in names] == [
        "bit +1 far from the border (4 items)",
        "bit +1 nearest to the border",
        "bit −1 nearest to the border",
        "bit −1 far from the border (4 items)",
    ]
    assert figure._suptitle.get_text() == "bit 3"


def test_no_item_is_shown_twice() -> None:
    figure = bit_sides([f"sentence {i}" for i in range(5)], [3.0, 2.0, 1.0, -1.0, -2.0], k=2, texts=list("abcde"))
    assert shown(figure) == ["+3.00\na", "+2.00\nb", "+1.00\nc", "−2.00\ne", "−1.00\nd"]


def test_a_dead_bit_has_one_side() -> None:
    figure = bit_sides([RED] * 3, [1.0, 2.0, 3.0], k=5)
    assert shown(figure) == ["+3.00", "+2.00", "+1.00"]


@pytest.mark.parametrize(
    ("outputs", "texts", "words"),
    [
        (np.ones((3, 2)), None, "one finite number per item"),
        (np.array([1.0, np.nan, 0.0]), None, "one finite number per item"),
        (np.ones(2), None, "same length"),
        (np.ones(3), ["a"], "same length"),
        (np.ones(0), None, "one finite number per item"),
    ],
)
def test_bad_sides_are_named(outputs: np.ndarray, texts: list | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        bit_sides([RED] * 3, outputs, texts=texts)


def test_the_gap_is_written_in_its_panel() -> None:
    figure = output_histogram({"bits": np.array([1.0, -1.0]), "weak": np.array([[0.5, -0.5], [0.05, 2.0]])})
    told = {axes.get_title(): axes.texts[0].get_text() for axes in figure.axes}
    assert told["bits"] == "gap to ±1: 0.00\nwithin 0.1 of 0: 0 %"
    gap = (0.25 + 0.25 + 0.95**2 + 1) / 4
    assert told["weak"] == f"gap to ±1: {gap:.2f}\nwithin 0.1 of 0: 25 %"
    for axes in figure.axes:
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(100)
    assert "±0.5" in output_histogram({"x": np.ones(3)}, scale=0.5).axes[0].texts[0].get_text()
    assert len(output_histogram({str(i): np.ones(3) for i in range(4)}).axes) == 6  # two rows of three


@pytest.mark.parametrize(
    ("outputs", "scale", "words"),
    [
        ({}, 1.0, "at least one"),
        (np.ones(3), 1.0, "named array"),
        ({"x": np.array([np.inf])}, 1.0, "finite"),
        ({"x": np.ones(0)}, 1.0, "finite"),
        ({"x": np.ones(3)}, 0.0, "scale"),
    ],
)
def test_bad_outputs_are_named(outputs: object, scale: float, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        output_histogram(outputs, scale=scale)


def test_curves_by_radius_say_how_they_were_averaged() -> None:
    distances, relevance = np.array([[0, 1, 1, 2]]), np.array([[1, 0, 1, 1]])
    for average, words in (("macro", "mean over queries, by radius"), ("micro", "pooled over queries, by radius")):
        curve = hamming_precision_recall_curve(distances, relevance, average=average)
        assert pr_curve({"a": curve}).axes[0].get_ylabel() == f"precision ({words})"


def test_bits_curve_names_data_sets_only_where_there_are_several() -> None:
    table = SimpleNamespace(
        bits=(16, 32),
        curves=lambda direction, metric: {
            "CVH": (np.array([0.2, 0.3]), np.array([0.01, 0.02])),
            "B": (np.array([0.1, 0.1]), None),
        },
        chance=lambda direction, metric: 0.1,
    )
    one = bits_curve({"scenes": table}, ["CVH"])
    assert next(line.get_label() for line in one.axes[0].lines if not line.get_label().startswith("_")) == "CVH"
    two = bits_curve({"scenes": table, "wikipedia": table})
    labels = {line.get_label() for line in two.axes[0].lines}
    assert {"CVH, scenes", "B, wikipedia"} <= labels
    with pytest.raises(InvalidInput, match="at least one table"):
        bits_curve({})
