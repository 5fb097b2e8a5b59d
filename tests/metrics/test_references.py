"""Independent implementations agree: scikit-learn, eccv-caption, fico-itr, torchmetrics."""

import json
import warnings
from importlib.resources import files

import numpy as np
import pytest

from xmr_lib.metrics import (
    first_hits,
    map_at_k,
    map_at_r,
    mean_average_precision,
    median_rank,
    ndcg_at_k,
    precision_at_k,
    r_precision,
    recall_at_k,
    relevance_from_captions,
    relevance_from_labels,
    relevance_from_pairs,
    shared_labels,
)


@pytest.fixture(scope="module")
def task():
    """Cosine-like scores (many below 0) and two-class-in-five relevance; distinct scores."""
    rng = np.random.default_rng(0)
    labels = rng.random((160, 5)) < 0.25
    relevance = relevance_from_labels(labels[:40], labels)
    scores = rng.normal(size=(40, 160)) + 0.5 * relevance - 1.0
    keep = relevance.any(axis=1)
    return scores[keep], relevance[keep], shared_labels(labels[:40], labels)[keep]


def test_scikit_learn_average_precision(task):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, relevance, _ = task
    ours = mean_average_precision(scores, relevance)
    single = [metrics.average_precision_score(r, s) for s, r in zip(scores, relevance, strict=True)]
    assert ours.per_query.tolist() == pytest.approx(single)
    assert ours == pytest.approx(metrics.label_ranking_average_precision_score(relevance, scores))


@pytest.mark.parametrize("k", [1, 10, 160])
def test_scikit_learn_ndcg(task, k):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, _, gains = task
    tied = np.round(scores, 1)  # scikit-learn averages inside ties, too
    for version in (scores, tied):
        ours = ndcg_at_k(version, gains, k, gain="linear")
        assert ours == pytest.approx(metrics.ndcg_score(gains, version, k=k))
        ours = ndcg_at_k(version, gains, k)
        assert ours == pytest.approx(metrics.ndcg_score(2**gains - 1, version, k=k))


def test_torchmetrics_with_shifted_scores(task):
    """torchmetrics >= 1.7.4 takes every document with a score <= 0 for irrelevant, so the scores are shifted."""
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.retrieval")
    scores, relevance, gains = task

    def theirs(function, shift, target=relevance, **options):
        preds, right = torch.tensor(scores + shift), torch.tensor(target)
        return float(np.mean([float(function(p, t, **options)) for p, t in zip(preds, right, strict=True)]))

    up = 1.0 - scores.min()
    close = {"abs": 1e-6}
    assert mean_average_precision(scores, relevance) == pytest.approx(
        theirs(functional.retrieval_average_precision, up), **close
    )
    assert map_at_k(scores, relevance, 10, denominator="hits") == pytest.approx(
        theirs(functional.retrieval_average_precision, up, top_k=10), **close
    )
    assert recall_at_k(scores, relevance, 3) == pytest.approx(theirs(functional.retrieval_hit_rate, up, top_k=3))
    assert precision_at_k(scores, relevance, 7) == pytest.approx(theirs(functional.retrieval_precision, up, top_k=7))
    assert r_precision(scores, relevance) == pytest.approx(theirs(functional.retrieval_r_precision, up), **close)
    assert ndcg_at_k(scores, gains, 10, gain="linear") == pytest.approx(
        theirs(functional.retrieval_normalized_dcg, up, target=gains.astype(int), top_k=10), **close
    )


@pytest.mark.parametrize("captions_per_image", [1, 5])
def test_fico_itr_instance_and_category(captions_per_image):
    fico = pytest.importorskip("fico_itr.tasks")
    rng = np.random.default_rng(captions_per_image)
    n = 60
    caption_image = np.repeat(np.arange(n), captions_per_image)
    relevance = relevance_from_captions(caption_image)
    similarity = rng.normal(size=relevance.shape) + 2.0 * relevance
    with warnings.catch_warnings():  # its functions take (images, captions) in both directions
        warnings.simplefilter("ignore")
        i2t, t2i = (
            fico.instance_i2t(similarity, captions_per_image),
            fico.instance_t2i(similarity, captions_per_image),
        )
        labels = np.eye(6)[rng.integers(0, 6, n)]
        theirs = fico.category_retrieval(similarity, labels, captions_per_image=captions_per_image)
    for reference, scores, right in ((i2t, similarity, relevance), (t2i, similarity.T, relevance.T)):
        for k in (1, 5, 10):
            assert 100 * recall_at_k(scores, right, k) == pytest.approx(reference[f"R@{k}"])
    category = relevance_from_labels(labels, labels[caption_image])
    ours = mean_average_precision(similarity, category), mean_average_precision(similarity.T, category.T)
    assert ours == pytest.approx(theirs)


@pytest.fixture(scope="module")
def eccv():
    """The released ground truths and evaluator of ECCV Caption."""
    package = pytest.importorskip("eccv_caption")
    data = files("eccv_caption") / "data"

    def pairs(name):
        table = json.loads((data / f"{name}.json").read_text(encoding="utf-8"))
        return {int(key): [int(v) for v in values] for key, values in table.items()}

    return package.Metrics(), pairs


def _relevance(queries, truth, position):
    """Bool matrix (queries, database) from a table query id -> right ids."""
    rows = [i for i, query in enumerate(queries) for _ in truth[query]]
    return relevance_from_pairs(rows, [position[x] for q in queries for x in truth[q]], (len(queries), len(position)))


def test_eccv_caption_evaluator_on_its_own_ground_truth(eccv):
    evaluator, pairs = eccv
    truth, original = pairs("eccv_image_to_caption"), pairs("original_image_to_caption")
    captions = sorted({c for values in [*truth.values(), *original.values()] for c in values})
    position = {caption: i for i, caption in enumerate(captions)}
    queries = list(truth)
    relevance = _relevance(queries, truth, position)
    scores = np.random.default_rng(0).random(relevance.shape, dtype=np.float32) + 0.99 * relevance
    top = np.argsort(-scores, axis=1)[:, :200]
    retrieved = {q: [captions[j] for j in row] for q, row in zip(queries, top, strict=True)}
    theirs = evaluator.eccv_metrics({"i2t": retrieved}, "i2t")
    assert recall_at_k(scores, relevance, 1) == pytest.approx(theirs["eccv_r1"]["i2t"])
    assert map_at_r(scores, relevance) == pytest.approx(theirs["eccv_map_at_r"]["i2t"])
    assert r_precision(scores, relevance) == pytest.approx(theirs["eccv_rprecision"]["i2t"])


@pytest.mark.parametrize(("direction", "expected"), [("image_to_caption", 0.31), ("caption_to_image", 0.14)])
def test_perfect_for_coco_is_far_from_perfect_for_eccv_caption(eccv, direction, expected):
    """False negatives of COCO: a model that finds exactly the original pairs and guesses the rest."""
    _, pairs = eccv
    truth, original = pairs(f"eccv_{direction}"), pairs(f"original_{direction}")
    items = sorted({x for values in [*truth.values(), *original.values()] for x in values})
    position = {item: i for i, item in enumerate(items)}
    queries = list(truth)
    found = _relevance(queries, original, position).astype(np.int8)  # 1 for the original partners, all others tied
    assert map_at_r(found, _relevance(queries, truth, position)) == pytest.approx(expected, abs=0.01)


def test_vse_style_median_rank_is_the_rounded_down_one():
    rng = np.random.default_rng(3)
    similarity, relevance = rng.normal(size=(50, 50)), np.eye(50, dtype=bool)
    zero_based = first_hits(similarity, relevance).rank - 1
    assert np.floor(np.median(zero_based)) + 1 == np.floor(median_rank(similarity, relevance))
