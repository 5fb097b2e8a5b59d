"""Packed codes, distances, histograms, MAP and precision inside a ball."""

import numpy as np
import pytest

from xmr_lib.errors import InvalidInput
from xmr_lib.metrics import (
    distance_histograms,
    hamming_distance,
    hamming_map,
    hamming_radius_precision,
    mean_average_precision,
    pack_codes,
)
from xmr_lib.metrics import inputs as metric_inputs

QUERY = np.array([[1, 1, -1, -1]])
DATABASE = np.array([[1, 1, -1, -1], [1, 1, 1, -1], [-1, 1, -1, -1], [-1, -1, -1, -1], [-1, -1, 1, 1]])
RELEVANCE = np.array([[1, 0, 1, 1, 0]])
DISTANCES = np.array([[0, 1, 1, 2, 4]])


def test_worked_example_of_four_bits():
    distances = hamming_distance(pack_codes(QUERY), pack_codes(DATABASE))
    assert distances.tolist() == DISTANCES.tolist()
    assert distances.tolist() == ((4 - QUERY @ DATABASE.T) // 2).tolist()
    assert hamming_map(distances, RELEVANCE) == pytest.approx(0.861111, abs=1e-6)
    values = [mean_average_precision(-DISTANCES, RELEVANCE, ties=t) for t in ("index", "pessimistic", "optimistic")]
    assert values == pytest.approx([0.805556, 0.805556, 0.916667], abs=1e-6)
    radii = [hamming_radius_precision(distances, RELEVANCE, r) for r in range(5)]
    assert radii == pytest.approx([1, 2 / 3, 0.75, 0.75, 0.6])


def test_empty_ball_counts_zero():
    distances = np.array([[0, 1, 1, 2, 4], [3, 3, 4, 3, 4]])
    relevance = np.array([[1, 0, 1, 1, 0], [1, 0, 0, 0, 0]])
    score = hamming_radius_precision(distances, relevance, 2)
    assert score == pytest.approx(0.375)
    assert score.per_query.tolist() == pytest.approx([0.75, 0])


@pytest.mark.parametrize("bits", [1, 7, 8, 16, 64, 65, 128, 255, 256, 300])
def test_distance_equals_counting_by_hand(bits, monkeypatch):
    rng = np.random.default_rng(bits)
    a, b = rng.choice([-1, 1], (5, bits)), rng.choice([-1, 1], (11, bits))
    b[0] = -a[0]  # the largest distance
    monkeypatch.setattr(metric_inputs, "CELLS_AT_ONCE", 25)
    expected = (a[:, None, :] != b[None, :, :]).sum(axis=2)
    assert hamming_distance(pack_codes(a), pack_codes(b)).tolist() == expected.tolist()


def test_zero_is_packed_as_minus_one():
    assert pack_codes([[0.0, 0.5, -0.5]]).tolist() == pack_codes([[-1, 1, -1]]).tolist()


def test_histograms_count_everything_once():
    rng = np.random.default_rng(0)
    distances, relevance = rng.integers(0, 9, (6, 50)).astype(np.uint8), rng.random((6, 50)) < 0.3
    histograms = distance_histograms(distances, relevance)
    for d in range(9):
        assert histograms.all[:, d].tolist() == (distances == d).sum(axis=1).tolist()
        assert histograms.relevant[:, d].tolist() == ((distances == d) & relevance).sum(axis=1).tolist()


def test_expected_map_does_not_see_the_order_of_the_database():
    rng = np.random.default_rng(0)
    distances, relevance = rng.integers(0, 17, (8, 200)), rng.random((8, 200)) < 0.2
    moved = rng.permutation(200)
    first, second = hamming_map(distances, relevance), hamming_map(distances[:, moved], relevance[:, moved])
    assert first.per_query.tolist() == second.per_query.tolist()


def test_flipping_a_bit_of_both_sides_changes_nothing():
    rng = np.random.default_rng(1)
    a, b = rng.choice([-1, 1], (4, 24)), rng.choice([-1, 1], (9, 24))
    before = hamming_distance(pack_codes(a), pack_codes(b))
    a[:, 3], b[:, 3] = -a[:, 3], -b[:, 3]
    assert hamming_distance(pack_codes(a), pack_codes(b)).tolist() == before.tolist()


def test_perfect_and_collapsed_codes():
    labels = np.repeat(np.arange(4), 250)
    relevance = labels[::50, None] == labels
    assert hamming_map(np.where(relevance, 0, 3), relevance) == 1
    assert hamming_map(np.full(relevance.shape, 5), relevance) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hamming_distance(QUERY, DATABASE), "pack_codes"),
        (lambda: hamming_distance(pack_codes(QUERY), pack_codes(np.ones((2, 9)))), "bytes"),
        (lambda: hamming_map(DISTANCES - 1, RELEVANCE), "whole numbers >= 0"),
        (lambda: hamming_map(DISTANCES * 0.5, RELEVANCE), "whole numbers >= 0"),
        (lambda: hamming_radius_precision(DISTANCES, RELEVANCE, -1), "radius"),
        (lambda: pack_codes([1, -1]), "matrix"),
        (lambda: hamming_map(DISTANCES, RELEVANCE * 0), "nothing to average"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
