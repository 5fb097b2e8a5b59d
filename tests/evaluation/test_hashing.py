"""Hashing evaluation: what each protocol ranks, what dead codes score, what must not change a number."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation.hashing import PROTOCOLS, density, evaluate_hashing, hashing_task
from xmr_lib.evaluation.names import Direction, metric
from xmr_lib.methods.hashing.base import HashingMethod
from xmr_lib.metrics import label_cosine_relevance, mean_average_precision

CLASSES, TRAIN, DATABASE, QUERIES = 4, 12, 20, 10


class Given(HashingMethod):
    """Its outputs are the features themselves, so a test says what the codes are."""

    def __init__(self, bits: int = CLASSES) -> None:
        self.bits = bits

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Given:
        self.fitted_ = True
        return self

    def image_outputs(self, images: Any) -> np.ndarray:
        return np.asarray(images, dtype=float)

    text_outputs = image_outputs

    def encode_pairs(self, images: Any, texts: Any) -> np.ndarray:
        return np.where(self.image_outputs(images) + self.image_outputs(texts) > 0, 1, -1).astype(np.int8)


class Dead(Given):
    def image_outputs(self, images: Any) -> np.ndarray:
        return np.ones((len(images), self.bits))

    text_outputs = image_outputs


def splits(image_noise: float = 0.0, text_noise: float = 0.0) -> HashingSplits:
    """Features = +-1 labels plus noise: perfect codes without noise. Database = training pairs, then new ones."""
    rng = np.random.default_rng(0)
    n = QUERIES + DATABASE
    labels = rng.random((n, CLASSES)) < 0.3
    labels[np.arange(n), np.arange(n) % CLASSES] = True
    sides = [2.0 * labels - 1 + noise * rng.normal(size=labels.shape) for noise in (image_noise, text_noise)]
    data = PairedFeatures(*sides, labels=labels, name="toy")
    rows = np.arange(n)
    parts = {
        "train": rows[QUERIES : QUERIES + TRAIN],
        "query": rows[:QUERIES],
        "database": rows[QUERIES:],
    }
    return HashingSplits(validation=None, **{name: data.subset(rows, f"toy/{name}") for name, rows in parts.items()})


def test_each_protocol_ranks_what_it_says() -> None:
    data = splits(image_noise=3.0, text_noise=0.0)
    method = Given().fit(data.train)
    method.unified_codes_ = method.encode_text(data.train.text)
    new = data.without_training()
    fused = method.encode_pairs(data.database.image, data.database.text)
    expected = {  # protocol -> (codes for image queries, codes for text queries), each in the order of its database
        "strict": (method.encode_text(data.database.text), method.encode_image(data.database.image)),
        "new items": (method.encode_text(new.text), method.encode_image(new.image)),
        "training": (method.encode_text(data.train.text), method.encode_image(data.train.image)),
        "unified": (method.unified_codes_, method.unified_codes_),
        "fused": (fused, fused),
    }
    assert set(expected) == set(PROTOCOLS)
    for protocol, (for_images, for_texts) in expected.items():
        task = hashing_task(method, data, protocol)
        queries = {"i2t": method.encode_image(data.query.image), "t2i": method.encode_text(data.query.text)}
        for direction, codes in (("i2t", for_images), ("t2i", for_texts)):
            plain = (queries[direction][:, None, :] != codes[None, :, :]).sum(axis=2)
            np.testing.assert_array_equal(task.distances[direction], plain)
        report = evaluate_hashing(method, data, protocol=protocol)
        assert report.counts["database"] == len(for_images)
        assert (protocol == "strict") != (protocol in report.data)
        assert (protocol == "strict") != (protocol in report.method)


def test_the_easier_protocol_is_easier_here() -> None:
    data = splits(image_noise=3.0)
    method = Given().fit(data.train)
    method.unified_codes_ = method.encode_text(data.train.text)  # noiseless: they hold the labels
    hashed, unified = (evaluate_hashing(method, data, protocol=p).value("MAP", "t2i") for p in ("training", "unified"))
    assert unified > hashed + 0.1


def test_perfect_codes_of_single_labels_score_one() -> None:
    data = splits()
    labels = np.eye(CLASSES, dtype=bool)[np.arange(QUERIES + DATABASE) % CLASSES]
    features = PairedFeatures(2.0 * labels - 1, 2.0 * labels - 1, labels=labels, name="toy")
    rows = np.arange(len(labels))
    data = replace(
        data, **{n: features.subset(r, "toy") for n, r in {"query": rows[:10], "database": rows[10:]}.items()}
    )
    report = evaluate_hashing(Given(), data, metrics=["MAP", "MAP@50/hits", "P@H<=2", "P@H<=1"])
    assert report.value("MAP", "i2t") == pytest.approx(1)
    assert report.value("MAP@50/hits", "t2i") == pytest.approx(1)
    assert report.value("P@H<=1", "i2t") == pytest.approx(1)  # other classes are two bits away
    assert report.value("P@H<=2", "i2t") == pytest.approx(0.25)


def test_constant_codes_score_chance() -> None:
    data = splits()
    report = evaluate_hashing(Dead(), data, metrics=["MAP", "P@H<=2", "MAP@50/min"])
    for direction in ("i2t", "t2i"):
        for name in ("MAP", "P@H<=2", "MAP@50/min"):
            assert report.value(name, direction) == pytest.approx(report.chance[direction][name])
    guess = density(data.query.labels, data.database.labels)
    assert report.value("P@H<=2") == pytest.approx(guess)
    shares = ((data.query.labels[:, None] & data.database.labels[None]).any(axis=2)).sum(axis=1)
    n = DATABASE
    slope = (shares - 1) / (n - 1)
    formula = slope + (1 - slope) * (1 / np.arange(1, n + 1)).sum() / n  # as the docstring of density says
    assert report.value("MAP") == pytest.approx(formula.mean())
    assert guess < report.value("MAP") < guess + 0.1


def test_chance_is_near_the_density_in_a_large_database() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((3000, 5)) < 0.2
    labels[:, 0] |= ~labels.any(axis=1)
    features = PairedFeatures(labels.astype(float), labels.astype(float), labels=labels, name="toy")
    query, database = (features.subset(np.arange(*ends)) for ends in ((0, 50), (50, 3000)))
    report = evaluate_hashing(Dead(5), HashingSplits(database, None, query, database))
    assert report.value("MAP") == pytest.approx(density(query.labels, database.labels), abs=0.003)


def test_flipping_a_bit_of_both_sides_or_shuffling_the_database_changes_nothing() -> None:
    data = splits(image_noise=1.0, text_noise=1.0)
    metrics = ["MAP", "MAP@50/first_relevant", "P@H<=2", "NDCG@10"]
    report = evaluate_hashing(Given(), data, metrics=metrics)
    flip = np.array([1.0, -1, 1, -1])
    parts = {n: getattr(data, n) for n in ("train", "query", "database")}
    flipped = {n: replace(part, image=part.image * flip, text=part.text * flip) for n, part in parts.items()}
    order, old = np.random.default_rng(1).permutation(DATABASE), data.database
    shuffled = PairedFeatures(old.image[order], old.text[order], labels=old.labels[order], name=old.name)
    for changed in (HashingSplits(validation=None, **flipped), replace(data, database=shuffled)):
        again = evaluate_hashing(Given(), changed, metrics=metrics)
        for name in metrics:
            for direction in ("i2t", "t2i"):
                assert again.value(name, direction) == pytest.approx(report.value(name, direction), abs=1e-12)


def test_precision_in_a_ball_by_hand() -> None:
    """One query at distances 0, 1, 1, 2, 4, another with an empty ball, which counts 0."""
    distances = np.array([[0, 1, 1, 2, 4], [3, 3, 4, 3, 4]])
    shared = np.array([[1, 0, 1, 1, 0], [1, 0, 0, 0, 1]], dtype=np.uint16)
    task = Direction(-distances, np.zeros(shared.shape, dtype=bool), shared)
    assert metric("P@H<=2").score(task) == pytest.approx(0.375)
    assert metric("P@H<=0").score(task) == pytest.approx(0.5)
    assert metric("P@H<=4").score(task) == pytest.approx(0.5)
    assert metric("P@H<=2").needs_labels
    with pytest.raises(InvalidInput, match="binary codes"):
        metric("P@H<=2").score(Direction(-distances.astype(float), task.partner, shared))


def test_queries_without_a_relevant_item_are_counted() -> None:
    data = splits()
    lonely = data.query.labels.copy()
    lonely[:3] = False
    report = evaluate_hashing(Given(), replace(data, query=replace(data.query, labels=lonely)))
    assert report.counts["i2t empty"] == 3
    assert density(lonely, data.database.labels) == density(lonely[3:], data.database.labels)


@pytest.mark.parametrize(
    ("protocol", "change", "error", "words"),
    [
        ("easy", {}, UnknownName, "protocol"),
        ("unified", {}, InvalidInput, "no codes of the training pairs"),
        ("fused", {}, InvalidInput, "one modality at a time"),
        ("new items", {"database": "train"}, InvalidInput, "no new items"),
    ],
)
def test_protocols_that_do_not_fit(protocol: str, change: dict, error: type, words: str) -> None:
    class Plain(Given):
        encode_pairs = HashingMethod.encode_pairs

    data = splits()
    data = replace(data, **{name: getattr(data, other) for name, other in change.items()})
    with pytest.raises(error, match=words):
        evaluate_hashing(Plain(), data, protocol=protocol)


def test_unified_codes_of_other_pairs_are_refused() -> None:
    method = Given()
    method.unified_codes_ = np.ones((5, CLASSES), dtype=np.int8)
    with pytest.raises(InvalidInput, match="5 training pairs"):
        evaluate_hashing(method, splits(), protocol="unified")


def test_other_bad_input() -> None:
    data = splits()
    with pytest.raises(InvalidInput, match="R@1"):
        evaluate_hashing(Given(), data, metrics=["MAP", "R@1"])
    with pytest.raises(InvalidInput, match="labels"):
        evaluate_hashing(Given(), replace(data, query=replace(data.query, labels=None)))
    mixed = replace(data.query, caption_image=np.arange(QUERIES)[::-1])
    with pytest.raises(InvalidInput, match="one item"):
        evaluate_hashing(Given(), replace(data, query=mixed))
    with pytest.raises(UnknownName, match="P@H"):
        evaluate_hashing(Given(), data, metrics=["P@H<2"])
    with pytest.raises(InvalidInput, match="No query shares"):
        density([[1, 0]], [[0, 1]])


def test_a_relevance_of_fractions_is_refused() -> None:
    """As whole numbers they would be 0: nobody relevant to anybody."""
    with pytest.raises(InvalidInput, match="whole numbers"):
        evaluate_hashing(Given(), splits(), relevance=lambda query, database: np.full((len(query), len(database)), 0.5))


def test_given_relevance_takes_the_place_of_shared_labels() -> None:
    method, data = Given(), splits(image_noise=0.5, text_noise=0.5)
    relevance = partial(label_cosine_relevance, threshold=0.9)
    usual, strict = evaluate_hashing(method, data), evaluate_hashing(method, data, relevance=relevance)
    assert strict.data == f"{usual.data}, given relevance"
    wanted = label_cosine_relevance(data.query.labels, data.database.labels, 0.9)
    assert np.array_equal(hashing_task(method, data, relevance=relevance).shared > 0, wanted)
    for direction, distance in hashing_task(method, data).distances.items():
        expected = mean_average_precision(-distance, wanted)
        assert strict.value("MAP", direction) == pytest.approx(float(expected))
        assert usual.value("MAP", direction) != pytest.approx(float(expected))
