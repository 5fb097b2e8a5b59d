"""Relevance matrices: labels, shared labels, caption maps, pairs."""

import numpy as np
import pytest

from xmr_lib.errors import InvalidInput
from xmr_lib.metrics import (
    label_cosine_relevance,
    relevance_from_captions,
    relevance_from_labels,
    relevance_from_pairs,
    shared_labels,
)


def test_labels_as_numbers_and_as_one_hot_agree():
    query, database = np.array([0, 2, 1]), np.array([2, 2, 0, 1])
    one_hot = np.eye(3)
    expected = [[q == d for d in database] for q in query]
    assert relevance_from_labels(query, database).tolist() == expected
    assert relevance_from_labels(one_hot[query], one_hot[database]).tolist() == expected


def test_default_database_labels_are_the_queries():
    assert relevance_from_labels([0, 1, 0]).tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_multi_hot_needs_one_shared_label_and_counts_them():
    rng = np.random.default_rng(0)
    query, database = rng.random((7, 5)) < 0.4, rng.random((9, 5)) < 0.4
    counts = [[int((q & d).sum()) for d in database] for q in query]
    assert shared_labels(query, database).tolist() == counts
    assert relevance_from_labels(query, database).tolist() == [[c > 0 for c in row] for row in counts]


def test_item_without_labels_is_relevant_to_nothing():
    assert not relevance_from_labels([[0, 0]], [[1, 0], [0, 0]]).any()


def test_uneven_captions_per_image():
    relevance = relevance_from_captions([0, 0, 0, 1, 2, 2])
    assert relevance.sum(axis=1).tolist() == [3, 1, 2]
    assert relevance.sum(axis=0).tolist() == [1] * 6


def test_two_pictures_of_one_thing_share_their_captions():
    relevance = relevance_from_captions([0, 2], instances=[7, 7, 8, 8])
    assert relevance.astype(int).tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]


def test_pairs():
    assert relevance_from_pairs([1, 0, 1], [0, 2, 1], (2, 3)).astype(int).tolist() == [[0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relevance_from_labels([0, 1], np.eye(2)), "labels of one kind"),
        (lambda: relevance_from_labels(np.eye(2), np.eye(3)), "labels of one kind"),
        (lambda: relevance_from_captions([0, -1]), "count from 0 upwards"),
        (lambda: relevance_from_captions([0, 5], instances=[0, 1]), "count from 0 to 1"),
        (lambda: relevance_from_captions([0.5, 1.0]), "whole numbers"),
        (lambda: relevance_from_pairs([0], [3], (1, 3)), "count from 0 to 2"),
        (lambda: relevance_from_pairs([0, 0], [1], (1, 3)), "a query and an item"),
    ],
)
def test_wrong_input_is_refused_with_a_sentence(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


# --- a threshold on the cosine of the labels ------------------------------------------------------------------------


def test_label_cosine_by_loops():
    rng = np.random.default_rng(0)
    query, database = rng.random((8, 6)) < 0.4, rng.random((9, 6)) < 0.4
    query[0], database[0] = False, False
    for threshold in (0.3, 0.55, 0.9):
        expected = [
            [(q & d).sum() > 0 and (q & d).sum() / np.sqrt(q.sum() * d.sum()) >= threshold for d in database]
            for q in query
        ]
        assert label_cosine_relevance(query, database, threshold).tolist() == expected


def test_a_cosine_that_equals_the_threshold_counts():
    """2 shared of 5 and 5: 0.4. 1 of 1 and 4: 0.5. The same labels: 1. Rounding must not decide."""
    rows = np.array([[1, 1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0]])
    assert label_cosine_relevance(rows[:1], rows[1:2], 0.4).all()
    assert not label_cosine_relevance(rows[:1], rows[1:2], 0.4001).any()
    assert label_cosine_relevance(rows[2:], [[1, 1, 1, 1, 0, 0, 0, 0]], 0.5).all()
    assert label_cosine_relevance(rows, rows, 1.0).tolist() == np.eye(3, dtype=bool).tolist()


def test_label_cosine_of_single_classes_is_the_usual_relevance():
    labels = np.array([0, 2, 1, 0])
    for threshold in (0.1, 1.0):
        assert (label_cosine_relevance(labels, threshold=threshold) == relevance_from_labels(labels)).all()
        assert (label_cosine_relevance(np.eye(3)[labels], threshold=threshold) == relevance_from_labels(labels)).all()


def test_a_small_threshold_is_the_usual_relevance():
    labels = np.random.default_rng(0).random((20, 6)) < 0.4
    assert (label_cosine_relevance(labels, threshold=1e-3) == relevance_from_labels(labels)).all()


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5])
def test_the_threshold_is_a_cosine(threshold):
    with pytest.raises(InvalidInput, match="above 0 and at most 1"):
        label_cosine_relevance(np.eye(2), threshold=threshold)
