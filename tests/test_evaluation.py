"""evaluate, Report, Summary, Leaderboard."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation import evaluate, evaluate_similarity, leaderboard, mean_and_deviation, metric
from xmr_lib.methods.base import Method
from xmr_lib.metrics import (
    chance_level,
    map_at_k,
    mean_average_precision,
    median_rank,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    relevance_from_captions,
    relevance_from_labels,
    shared_labels,
)


class Noisy(Method):
    """Inner product plus noise: worse with more of it."""

    def __init__(self, noise=0.0, seed=0):
        self.noise, self.seed = noise, seed

    def similarity(self, images, texts):
        return images @ texts.T + self.noise * np.random.default_rng(self.seed).normal(size=(len(images), len(texts)))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    n, caption_image = 30, np.repeat(np.arange(30), 3)
    image = rng.normal(size=(n, 8))
    text = image[caption_image] + 0.5 * rng.normal(size=(90, 8))
    labels = rng.random((n, 4)) < 0.3
    labels[:, 0] |= ~labels.any(axis=1)
    return PairedFeatures(image, text, caption_image, labels=labels, name="toy/test")


def test_numbers_are_those_of_the_metrics(data):
    report = evaluate(Noisy(2.0), data)
    similarity = Noisy(2.0).similarity(data.image, data.text)
    partner = relevance_from_captions(data.caption_image)
    category = relevance_from_labels(data.labels, data.caption_labels)
    shared = shared_labels(data.labels, data.caption_labels)
    for values, chance, s, p, c, g in (
        (report.i2t, report.chance["i2t"], similarity, partner, category, shared),
        (report.t2i, report.chance["t2i"], similarity.T, partner.T, category.T, shared.T),
    ):
        assert list(values) == ["R@1", "R@5", "R@10", "MedR", "MAP", "MAP@50/min", "P@10", "NDCG@10"]
        for k in (1, 5, 10):
            assert values[f"R@{k}"] == pytest.approx(recall_at_k(s, p, k))
            assert chance[f"R@{k}"] == pytest.approx(chance_level(recall_at_k, p, k))
        assert values["MedR"] == median_rank(s, p)
        assert values["MAP"] == pytest.approx(mean_average_precision(s, c))
        assert values["MAP@50/min"] == pytest.approx(map_at_k(s, c, 50, denominator="min"))
        assert values["P@10"] == pytest.approx(precision_at_k(s, c, 10))
        assert values["NDCG@10"] == pytest.approx(ndcg_at_k(s, g, 10))
        assert chance["MAP"] == pytest.approx(chance_level(mean_average_precision, c))
        assert chance["NDCG@10"] == pytest.approx(chance_level(ndcg_at_k, g, 10))
        assert (values["R@1"].per_query <= 1).all()
    assert report.value("R@1") == pytest.approx((report.i2t["R@1"] + report.t2i["R@1"]) / 2)
    assert report.counts == {"images": 30, "captions": 90, "i2t empty": 0, "t2i empty": 0}


def test_directions_swap_with_the_matrix():
    rng = np.random.default_rng(0)
    similarity, features = rng.normal(size=(12, 12)), np.zeros((12, 2))
    data = PairedFeatures(features, features, labels=np.eye(3)[rng.integers(0, 3, 12)])
    one, other = evaluate_similarity(similarity, data), evaluate_similarity(similarity.T, data)
    assert dict(one.i2t) == pytest.approx(dict(other.t2i))


def test_constant_method_scores_its_chance_level(data):
    report = evaluate_similarity(np.zeros((30, 90)), data)
    assert dict(report.i2t) == pytest.approx(dict(report.chance["i2t"]))
    assert dict(report.t2i) == pytest.approx(dict(report.chance["t2i"]))
    assert report.value("R@5", "t2i") == pytest.approx(5 / 30)


def test_two_pictures_of_one_thing_are_both_right():
    features = PairedFeatures(np.eye(4), np.eye(4)[[1, 2]], caption_image=[0, 2], instances=[5, 5, 6, 6])
    report = evaluate(Noisy(), features, ks=[1])  # caption 0 finds picture 1, another style of its own picture 0
    assert report.value("R@1", "t2i") == 1
    assert list(report.i2t) == ["R@1", "MedR"]  # no labels, no MAP


def test_dataset_hands_over_pictures_and_sentences():
    pictures = [Image.new("RGB", (2, 2), (i, 0, 0)) for i in (10, 20)]
    dataset = PairedDataset("tiny", "1", pictures, ["ten", "twenty"], [0, 1])

    class Reader(Method):
        def similarity(self, images, texts):
            values = {"ten": 10, "twenty": 20}
            return [[-abs(image.getpixel((0, 0))[0] - values[text]) for text in texts] for image in images]

    report = evaluate(Reader(), dataset, name="reader")
    assert (report.method, report.data, report.value("R@1")) == ("reader", "tiny", 1)


def test_queries_without_anything_relevant_are_counted_and_said():
    data = PairedFeatures(np.eye(3), np.eye(3)[:2], caption_image=[0, 1])  # picture 2 has no caption
    report = evaluate(Noisy(), data)
    assert report.counts["i2t empty"] == 1
    assert report.value("R@1", "i2t") == 1
    assert "Left out: 1 image queries" in str(report)


def test_text_table_is_aligned_and_in_percent(data):
    report = evaluate(Noisy(2.0), data, name="noisy")
    lines = str(report).splitlines()
    assert lines[0] == "noisy on toy/test: 30 images, 90 captions"
    table = [line for line in lines[1:] if re.match(r"R@|MedR|MAP|P@|NDCG", line)]
    assert len({len(line) for line in table}) == 1
    assert f"{100 * report.i2t['R@1']:.1f}" in table[0]
    assert f"{report.i2t['MedR']:.1f}" in table[3]


def test_html_escapes_names_and_holds_the_same_numbers(data):
    html = evaluate(Noisy(2.0), data, name="<b>mine</b>")._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;mine" in html
    assert html.count("<tr>") == 9
    assert "scope='row'" in html


def test_to_dict_survives_json(data):
    report = evaluate(Noisy(1.0), data)
    again = json.loads(json.dumps(report.to_dict()))
    assert again["i2t"]["MAP"] == pytest.approx(report.i2t["MAP"])
    assert again["chance"]["t2i"]["R@1"] == pytest.approx(1 / 30)


@pytest.mark.parametrize("name", ["R@3", "MeanR", "MAP@R", "R-Precision", "MAP@5/hits", "MAP@5/first_relevant"])
def test_metrics_by_name(data, name):
    report = evaluate(Noisy(1.0), data, metrics=[name])
    assert list(report.i2t) == [name]
    assert report.value(name) >= 0


@pytest.mark.parametrize(
    ("name", "message"),
    [("MAP@50", "MAP@50/min"), ("R@0", "at least 1"), ("accuracy", "NDCG@10"), ("P@5/min", "forms"), ("R@-1", "forms")],
)
def test_unknown_metric_names_the_choices(name, message):
    with pytest.raises(UnknownName, match=message):
        metric(name)


def test_wrong_use_gets_a_sentence(data):
    unlabelled = PairedFeatures(np.eye(3), np.eye(3), name="bare")
    for call, message in (
        (lambda: evaluate(object(), data), "no method similarity"),
        (lambda: evaluate(Noisy(), np.eye(3)), "PairedFeatures"),
        (lambda: evaluate_similarity(np.zeros((90, 30)), data), "transposed"),
        (lambda: evaluate_similarity(np.full((3, 3), np.nan), unlabelled), "NaN"),
        (lambda: evaluate(Noisy(), unlabelled, metrics=["R@1", "MAP"]), "bare has none"),
        (lambda: evaluate(Noisy(), data, ks=[0]), "at least 1"),
        (lambda: leaderboard([]), "at least one report"),
        (lambda: mean_and_deviation([evaluate(Noisy(), data)]), "at least two"),
    ):
        with pytest.raises(InvalidInput, match=message):
            call()


def test_leaderboard_sorts_and_marks_the_best(data):
    reports = [evaluate(Noisy(noise), data, name=f"noise {noise}") for noise in (8.0, 0.0, 3.0)]
    board = leaderboard(reports)
    assert [row.method for row in board.rows] == ["noise 0.0", "noise 3.0", "noise 8.0"]
    assert board.columns[0] == "R@1"
    lines = str(board).splitlines()
    assert lines[3].startswith("noise 0.0")
    assert lines[3].count("*") == len(board.columns)
    assert "*" not in lines[5]
    assert lines[6].startswith("chance")
    ranked = leaderboard(reports, ["i2t R@1", "t2i MedR"], sort="t2i MedR")
    assert ranked.rows[0].method == "noise 0.0"  # small ranks are good
    assert [row["t2i MedR"] for row in ranked.to_dict()] == sorted(row["t2i MedR"] for row in ranked.to_dict())
    assert "<strong>" in ranked._repr_html_()
    assert " *" in ranked._repr_html_()  # the mark is not colour or weight alone


def test_leaderboard_wants_common_metrics(data):
    both = [evaluate(Noisy(), data, ks=[1], metrics=["R@1", "MAP"]), evaluate(Noisy(1.0), data, metrics=["R@1", "P@5"])]
    assert leaderboard(both).columns == ("R@1",)
    with pytest.raises(UnknownName, match="MAP"):
        leaderboard(both, ["MAP"])
    with pytest.raises(InvalidInput, match="in common"):
        leaderboard([evaluate(Noisy(), data, metrics=["R@1"]), evaluate(Noisy(), data, metrics=["MAP"])])


def test_mean_and_deviation_over_seeds(data):
    reports = [evaluate(Noisy(2.0, seed), data) for seed in range(4)]
    summary = mean_and_deviation(reports)
    values = [report.value("R@1") for report in reports]
    assert summary.value("R@1") == pytest.approx(np.mean(values))
    assert summary.deviation["mean"]["R@1"] == pytest.approx(np.std(values, ddof=1))
    assert f"{100 * np.mean(values):.1f} ± {100 * np.std(values, ddof=1):.1f}" in str(summary)
    assert "±" in str(leaderboard([summary, reports[0]]))
    with pytest.raises(InvalidInput, match="one method"):
        mean_and_deviation([reports[0], evaluate(Noisy(), data, name="other")])
