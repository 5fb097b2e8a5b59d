"""The figures: they draw what they were given, mark right and wrong twice, and refuse wrong input in one sentence."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from xmr_lib import plots
from xmr_lib.data.base import PairedDataset
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.metrics.curves import hamming_precision_recall_curve, precision_recall_curve
from xmr_lib.plots.field_map import ALL_FAMILIES, BRANCHES
from xmr_lib.plots.maps import project
from xmr_lib.plots.style import RIGHT, WRONG, as_label, as_picture


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)) for _ in range(8)]


@pytest.fixture
def dataset(pictures: list[Image.Image]) -> PairedDataset:
    """Four things, each drawn twice, four captions."""
    return PairedDataset("toy", "1", pictures, list("abcd"), np.arange(4), np.tile(np.arange(4), 2))


def texts(figure: Figure) -> list[str]:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    return found + [axes.get_xlabel() for axes in figure.axes] + [axes.get_title() for axes in figure.axes]


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def result_axes(figure: Figure, row: int, k: int) -> list[mpl.axes.Axes]:
    """The k result cells of one row of a retrieval grid."""
    return figure.axes[row * (k + 1) + 1 : (row + 1) * (k + 1)]


# ---- retrieval grid


def test_right_and_wrong_differ_by_sign_and_dash_and_colour(pictures: list[Image.Image]) -> None:
    figure = plots.retrieval_grid(["a query"], [pictures[:2]], [[True, False]])
    right, wrong = result_axes(figure, 0, 2)
    assert [t.get_text() for t in right.texts] == ["✓"]
    assert [t.get_text() for t in wrong.texts] == ["✗"]
    assert right.spines["left"].get_linestyle() == "-"
    assert wrong.spines["left"].get_linestyle() != "-"
    assert to_hex(right.spines["left"].get_edgecolor()) == RIGHT.lower()
    assert to_hex(wrong.spines["left"].get_edgecolor()) == WRONG.lower()


def test_a_typed_query_without_known_answer_is_not_marked(pictures: list[Image.Image]) -> None:
    figure = plots.retrieval_grid(["a query"], [pictures[:2]], None)
    assert "✓" not in "".join(texts(figure))
    assert "✗" not in "".join(texts(figure))


def test_grid_shows_every_picture_title_and_score_in_order(pictures: list[Image.Image]) -> None:
    rows = [pictures[:3], pictures[3:6]]
    titles = [["one", "two", "three"], ["four", "five", "six"]]
    scores = [[0.9, 0.5, 0.1], [0.8, 0.4, 0.0]]
    figure = plots.retrieval_grid(["q1", "q2"], rows, None, titles=titles, scores=scores)
    for row in range(2):
        for rank, axes in enumerate(result_axes(figure, row, 3)):
            np.testing.assert_array_equal(axes.images[0].get_array(), np.asarray(rows[row][rank]))
            assert axes.get_xlabel() == f"{titles[row][rank]}\n{scores[row][rank]:.2f}"


def test_picture_queries_find_captions(pictures: list[Image.Image]) -> None:
    figure = plots.retrieval_grid(pictures[:1], [["a red apple", "a car"]], [[True, False]])
    assert "a red apple" in texts(figure)
    assert len(figure.axes[0].images) == 1


@pytest.mark.parametrize(
    ("queries", "results", "relevant", "says"),
    [
        ([], [], [], "nothing to show"),
        (["q"], [[]], [[]], "nothing to show"),
        (["q", "r"], [["a"]], [[True]], "same length"),
        (["q"], [["a", "b"]], [[True]], "relevant must hold one entry per result"),
        (["q", "r"], [["a", "b"], ["a"]], None, "results must hold one entry per result"),
        (["q"], [[np.zeros((2, 3, 4, 5))]], None, "A picture must be"),
    ],
)
def test_grid_refuses_what_does_not_fit(queries: list, results: list, relevant: list, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        plots.retrieval_grid(queries, results, relevant)


def test_show_retrieval_marks_both_drawings_of_the_right_thing(dataset: PairedDataset) -> None:
    similarity = np.zeros((8, 4))
    similarity[[5, 2, 1], 1] = [0.9, 0.8, 0.7]  # images 5 and 1 both show thing 1
    figure = plots.show_retrieval(similarity, dataset, [1], "t2i", k=3)
    marks = [[t.get_text() for t in axes.texts] for axes in result_axes(figure, 0, 3)]
    assert marks == [["✓"], ["✗"], ["✓"]]
    assert [axes.get_xlabel() for axes in result_axes(figure, 0, 3)] == ["b\n0.90", "c\n0.80", "b\n0.70"]


def test_show_retrieval_from_a_picture_ranks_captions(dataset: PairedDataset) -> None:
    similarity = np.zeros((8, 4))
    similarity[6] = [0.1, 0.2, 0.9, 0.3]  # image 6 shows thing 2
    figure = plots.show_retrieval(similarity, dataset, [6], "i2t", k=2)
    shown = [[t.get_text() for t in axes.texts] for axes in result_axes(figure, 0, 2)]
    assert shown == [["c", "✓"], ["d", "✗"]]


def test_show_retrieval_keeps_the_order_of_the_data_on_ties(dataset: PairedDataset) -> None:
    figure = plots.show_retrieval(np.zeros((8, 4)), dataset, [0], "t2i", k=4)
    assert [axes.get_xlabel()[0] for axes in result_axes(figure, 0, 4)] == list("abcd")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"similarity": np.zeros((4, 8))}, InvalidInput),
        ({"similarity": np.full((8, 4), np.nan)}, InvalidInput),
        ({"queries": [4]}, InvalidInput),
        ({"queries": []}, InvalidInput),
        ({"k": 0}, InvalidInput),
        ({"direction": "t2t"}, UnknownName),
    ],
)
def test_show_retrieval_refuses(dataset: PairedDataset, change: dict, error: type[Exception]) -> None:
    arguments = {
        "similarity": np.zeros((8, 4)),
        "dataset": dataset,
        "queries": [0],
        "direction": "t2i",
        "k": 2,
    } | change
    with pytest.raises(error):
        plots.show_retrieval(**arguments)


def test_picture_grid_and_its_errors(pictures: list[Image.Image]) -> None:
    figure = plots.picture_grid(pictures[:3], ["a", "b", "c"], columns=2)
    assert sum(len(axes.images) for axes in figure.axes) == 3
    with pytest.raises(InvalidInput, match="no picture"):
        plots.picture_grid([])
    with pytest.raises(InvalidInput, match="same length"):
        plots.picture_grid(pictures[:3], ["a"])


# ---- curves and bars


def test_pr_curve_draws_the_points_and_names_the_averaging() -> None:
    recall, precision = np.array([0.1, 0.5, 1.0]), np.array([1.0, 0.6, 0.2])
    figure = plots.pr_curve({"CCA": (recall, precision), "SCM": (recall, precision / 2)}, averaging="micro")
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.c_[recall, precision])
    assert "micro" in axes.get_ylabel()
    looks = {(line.get_linestyle(), line.get_marker()) for line in axes.lines}
    assert len(looks) == 2, "lines must differ by more than colour"


def test_pr_curve_takes_the_librarys_curves_and_refuses_to_mix_them() -> None:
    by_rank = precision_recall_curve(np.array([[3.0, 2, 1]]), np.array([[True, False, True]]))
    (axes,) = plots.pr_curve({"CCA": by_rank}).axes
    assert "by rank" in axes.get_ylabel()
    by_radius = hamming_precision_recall_curve(np.array([[0, 1, 2]]), np.array([[True, False, True]]))
    with pytest.raises(InvalidInput, match="averaged differently"):
        plots.pr_curve({"a": by_rank, "b": by_radius})


@pytest.mark.parametrize(
    ("curves", "says"),
    [
        ({}, "at least one"),
        ({"a": ([0.1, 0.2], [0.5])}, "equal length"),
        ({"a": ([10, 20], [50, 40])}, "fractions"),
        ({"a": ([0.1], [np.nan])}, "fractions"),
        ({"a": ([0.1, 0.2], [0.5, 0.4], [1, 2])}, "pair"),
    ],
)
def test_pr_curve_refuses(curves: dict, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        plots.pr_curve(curves)


def test_the_legend_of_a_curve_is_crossed_by_nothing() -> None:
    x, names = [3, 10, 30, 100], [f"method {i}" for i in range(5)]
    free = plots.curve(x, {name: [0.1 * i, 0.1, 0.1, 5] for i, name in enumerate(names)}, log=True)
    full = plots.curve(x, {name: [5.0 - i, 3, 3, i] for i, name in enumerate(names)}, log=True, chance=2)
    band = plots.curve(x, {name: ([1, 1, 1, 1], [9, 9, 9, 9]) for name in names[:2]})
    for figure, outside in ((free, False), (full, True), (band, True)):
        figure.draw_without_rendering()  # lays it out
        (axes,) = figure.axes
        legend = axes.get_legend()
        assert legend is not None
        box = legend.get_window_extent()
        assert (box.x0 >= axes.bbox.x1) == outside
        assert box.x1 <= figure.bbox.x1  # nothing is cut off
        for line in axes.lines:
            path = line.get_transform().transform_path(line.get_path())
            assert not path.intersects_bbox(box, filled=False)
        assert axes.bbox.width > 250


def test_curve_draws_mean_and_band() -> None:
    mean, deviation = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3])
    (axes,) = plots.curve([1, 2, 3], {"a": (mean, deviation), "b": mean}).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), mean)
    assert len(axes.collections) == 1, "one band: only the first series has a deviation"
    corners = axes.collections[0].get_paths()[0].vertices
    assert corners[:, 1].max() == pytest.approx(3.3)
    assert corners[:, 1].min() == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("x", "series", "options", "says"),
    [
        ([1, 2], {"a": [1.0]}, {}, "2 numbers"),
        ([1, 2], {"a": ([1.0, 2.0], [-1.0, 0.0])}, {}, "negative"),
        ([0, 1], {"a": [1.0, 2.0]}, {"log": True}, "above zero"),
        ([0, 1], {}, {}, "at least one"),
    ],
)
def test_curve_refuses(x: list, series: dict, options: dict, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        plots.curve(x, series, **options)


def test_bars_have_the_heights_and_write_them() -> None:
    figure = plots.bars(["A", "B"], {"i2t": ([1.0, 2.0], [0.1, 0.1]), "t2i": [3.0, 4.0]})
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [1, 2, 3, 4]
    assert {"1.0", "2.0", "3.0", "4.0"} <= set(texts(figure))
    assert len({bar.get_hatch() for bar in axes.patches}) == 2
    with pytest.raises(InvalidInput, match="2 numbers"):
        plots.bars(["A", "B"], {"i2t": [1.0]})
    with pytest.raises(InvalidInput, match="names is empty"):
        plots.bars([], {"i2t": []})


def tick_boxes(figure: Figure) -> list[mpl.transforms.Bbox]:
    pixels(figure)
    return [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]


def touching(boxes: list) -> list:
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.overlaps(b)]


@pytest.mark.parametrize("series", [1, 3])
@pytest.mark.parametrize(
    "names",
    [
        ["seen emoji", "unseen emoji", "unseen, pairs shuffled"],
        ["a much longer name than any bar of the course should have", "b"],
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    ],
)
def test_wrapped_names_below_bars_do_not_touch(names: list[str], series: int) -> None:
    figure = plots.bars(names, {str(i): np.ones(len(names)) for i in range(series)})
    shown = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_xticklabels()]
    assert shown == names
    if all(label.get_rotation() == 0 for label in figure.axes[0].get_xticklabels()):
        assert not touching(tick_boxes(figure))


def test_names_with_words_wider_than_a_bar_are_slanted() -> None:
    names = ["MAP@50/relevant", "MAP@50/first relevant", "MAP@50/min", "R@1"]
    labels = plots.bars(names, {"i2t": [1, 2, 3, 4]}).axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == names
    assert {label.get_rotation() for label in labels} == {35}


@pytest.mark.parametrize(
    ("x", "log", "ticks"),
    [
        ([1, 2, 5, 10, 20, 50, 100, 266], True, ["1", "2", "5", "10", "20", "50", "100", "266"]),
        ([1, 2, 5, 10, 20, 50, 100, 266], False, ["1", "50", "100", "266"]),
        ([0.003, 0.01, 0.1, 1, 3], True, ["0.003", "0.01", "0.1", "1", "3"]),
        ([3, 2, 1], False, ["1", "2", "3"]),
        ([10000, 10001, 20000], True, ["10000", "20000"]),
        ([7], False, ["7"]),
    ],
)
def test_ticks_stand_at_the_given_positions_and_do_not_touch(x: list, log: bool, ticks: list[str]) -> None:
    figure = plots.curve(x, {"a": np.ones(len(x))}, log=log)
    assert not touching(tick_boxes(figure))
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ticks


def test_many_positions_get_whole_and_few_ticks() -> None:
    figure = plots.curve(np.arange(1, 65), {"a": np.ones(64)})
    assert not touching(tick_boxes(figure))
    assert all(tick == round(tick) for tick in figure.axes[0].get_xticks())
    assert len(figure.axes[0].get_xticks()) < 15


# ---- maps


def test_projection_equals_the_eigenvectors_of_the_covariance() -> None:
    points = np.random.default_rng(0).normal(size=(40, 5)) * [3, 1, 0.5, 0.2, 2]
    flat, shares = project(points)
    values, vectors = np.linalg.eigh(np.cov(points.T, bias=True))
    slow = (points - points.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(flat), np.abs(slow), atol=1e-9)
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum())


def test_two_dimensions_are_drawn_where_they_are() -> None:
    image, text = np.array([[0.0, 0.0], [5.0, 1.0]]), np.array([[1.0, 1.0], [4.0, 2.0]])
    (axes,) = plots.embedding_map(image, text).axes
    joined = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 2 and line.get_linestyle() == "-"]
    np.testing.assert_array_equal(joined[0], [image[0], text[0]])
    np.testing.assert_array_equal(joined[1], [image[1], text[1]])


def test_words_on_a_map_touch_neither_each_other_nor_a_picture(pictures: list[Image.Image]) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(8, 2))
    words = [f"a rather long name {i}" for i in range(8)]
    figure = plots.embedding_map(z, z + 0.1, pictures=pictures, words=words)
    pixels(figure)
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert 4 <= len(boxes) <= 8
    pictures_drawn = [artist.get_window_extent() for artist in axes.artists]
    assert len(pictures_drawn) == 8
    assert not touching(boxes)
    assert not [1 for word in boxes for picture in pictures_drawn if word.overlaps(picture)]
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)


def test_a_word_without_a_free_place_is_left_out() -> None:
    z = np.zeros((30, 2)) + np.eye(30, 2)
    figure = plots.embedding_map(z, z, words=["the same place"] * 30)
    assert 1 <= len(figure.axes[0].texts) < 30


def test_embedding_map_names_images_texts_and_classes(pictures: list[Image.Image]) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(8, 6))
    figure = plots.embedding_map(z, z, labels=np.arange(8) % 2, class_names=("food", "car"))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["image", "text", "pair", "food", "car"]
    plots.embedding_map(z, z[:4], caption_image=np.arange(4), pictures=pictures, words=list("abcd"))


@pytest.mark.parametrize(
    ("image", "text", "options", "says"),
    [
        (np.zeros((3, 4)), np.zeros((3, 5)), {}, "rows, 4"),
        (np.zeros((3, 4)), np.zeros((2, 4)), {}, "same length"),
        (np.zeros((3, 4)), np.zeros((2, 4)), {"caption_image": [0, 3]}, "caption_image"),
        (np.zeros((3, 4)), np.zeros((3, 4)), {"labels": [0, 1]}, "same length"),
        (np.zeros((15, 4)), np.zeros((15, 4)), {"labels": np.arange(15)}, "14 classes"),
        (np.full((3, 4), np.inf), np.zeros((3, 4)), {}, "NaN or infinity"),
        (np.zeros((3, 1)), np.zeros((3, 1)), {}, "two dimensions"),
    ],
)
def test_embedding_map_refuses(image: np.ndarray, text: np.ndarray, options: dict, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        plots.embedding_map(image, text, **options)


def test_heatmap_writes_numbers_when_small_and_frames_right_pairs(pictures: list[Image.Image]) -> None:
    scores = np.array([[0.1, 0.9], [0.5, 0.3]])
    figure = plots.similarity_heatmap(scores, pictures[:2], ["cat", "dog"], relevant=[[False, True], [True, False]])
    assert {"0.10", "0.90", "0.50", "0.30"} <= set(texts(figure))
    assert len(figure.axes[0].patches) == 4, "two right pairs, a black and a white frame each"
    large = plots.similarity_heatmap(np.zeros((13, 2)), ["x"] * 13, ["a", "b"])
    assert not large.axes[0].texts
    with pytest.raises(InvalidInput, match="same length"):
        plots.similarity_heatmap(scores, ["one"], ["cat", "dog"])
    with pytest.raises(InvalidInput, match="shape of similarity"):
        plots.similarity_heatmap(scores, ["one", "two"], ["cat", "dog"], relevant=[[True]])


# ---- the map of the field


def test_field_map_shows_all_lessons_once_and_highlights_one() -> None:
    lessons = sorted([number for branch in BRANCHES for number in branch.lessons] + list(ALL_FAMILIES))
    assert lessons == [f"{number:02d}" for number in range(17)]

    def filled(figure: Figure) -> int:
        return sum(to_hex(patch.get_facecolor()) != "#ffffff" for patch in figure.axes[0].patches)

    assert filled(plots.field_map()) == 0
    assert all(filled(plots.field_map(number)) == 1 for number in lessons)
    with pytest.raises(UnknownName, match="lesson"):
        plots.field_map("17")


def test_no_text_of_the_field_map_leaves_the_figure_or_touches_another() -> None:
    figure = plots.field_map("02")
    pixels(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.overlaps(b)]


# ---- style


def test_transparent_parts_become_white_in_every_kind_of_picture() -> None:
    clear = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    palette = Image.new("P", (4, 4), 0)
    palette.info["transparency"] = 0
    for picture in (clear, palette, np.asarray(clear)):
        assert (as_picture(picture) == 255).all()
    half = as_picture(np.full((4, 4), 0.5))
    assert half.shape == (4, 4, 3)
    assert half.dtype == np.uint8
    with pytest.raises(InvalidInput, match=r"0\.\.1"):
        as_picture(np.full((4, 4, 3), 3.0))


def test_labels_are_drawable_whatever_the_caption_holds() -> None:
    assert as_label("costs $5 and $6") == r"costs \$5 and \$6"
    assert "🍎" not in as_label("an 🍎 apple")
    assert as_label("a b c d e f g h", width=3, lines=2).count("\n") == 1
    figure = plots.picture_grid([np.zeros((4, 4))], ["$x^ 🍎 中 {"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns when a glyph is missing
        pixels(figure)


def test_figures_leave_no_trace_in_pyplot_and_keep_the_callers_style(pictures: list[Image.Image]) -> None:
    before = dict(mpl.rcParams)
    figure = plots.picture_grid(pictures)
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before
    assert pixels(figure).std() > 0


# ---- while a model learns


def test_snapshots_frame_the_best_of_every_row_and_count_the_right_ones(pictures: list[Image.Image]) -> None:
    before, after = np.array([[0.1, 0.9], [0.2, 0.8]]), np.eye(2)
    figure = plots.similarity_snapshots({"before": before, "after": after}, pictures=pictures[:2])
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in panels] == ["before\n1 of 2 rows right", "after\n2 of 2 rows right"]
    frames = [[tuple(np.round(patch.get_xy(), 2)) for patch in axes.patches] for axes in panels]
    assert frames == [[(0.55, -0.45), (0.55, 0.55)], [(-0.45, -0.45), (0.55, 0.55)]]
    assert [t.get_text() for t in panels[0].texts] == ["0.10", "0.90", "0.20", "0.80"]
    assert panels[0].images[0].get_clim() == (0.1, 0.9)
    shared = plots.similarity_snapshots({"before": before, "after": after}, shared_scale=True)
    assert [axes.images[0].get_clim() for axes in shared.axes if axes.images] == [(0.0, 1.0)] * 2
    assert pixels(figure).std() > 0


@pytest.mark.parametrize(
    ("matrices", "words"),
    [({}, "nothing to show"), ({"a": np.ones((2, 3))}, "must all be 2 x 2"), ({"a": [[np.nan]]}, "NaN")],
)
def test_snapshots_that_cannot_be_drawn(matrices: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        plots.similarity_snapshots(matrices)


def test_answers_over_time(pictures: list[Image.Image]) -> None:
    answers = {"before": ["a", "b"], "epoch 3": ["c", "d"]}
    figure = plots.answers_over_time(pictures[0], answers, {"before": [False, False], "epoch 3": [True, False]})
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert found == ["before", "a", "✗", "b", "✗", "epoch 3", "c", "✓", "d", "✗"]
    assert pixels(figure).std() > 0
    with pytest.raises(InvalidInput, match="same moments"):
        plots.answers_over_time(pictures[0], answers, {"before": [False, False]})
    with pytest.raises(InvalidInput, match="same number"):
        plots.answers_over_time(pictures[0], answers, {"before": [False, False], "epoch 3": [True]})
