"""Hamming search against a plain sort: any code length, ties by index, blocks that end anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmr_lib.errors import InvalidInput
from xmr_lib.metrics import pack_codes
from xmr_lib.search import hamming, hamming_ball, hamming_ranking, hamming_search


def codes(n: int, bits: int, seed: int = 0) -> np.ndarray:
    """(n, bits) random codes in {-1, +1}."""
    return np.random.default_rng(seed).choice([-1, 1], size=(n, bits))


def plain(queries: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All distances by the matrix product, sorted stably: the definition."""
    distances = (queries.shape[1] - queries @ items.T) // 2
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(distances, order, axis=1), order


def walk_in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few hundred codes pass through the blocks that are meant for millions."""
    for name, value in {"SMALL": 0, "BLOCK": 64, "FIRST_BLOCK": 8, "ROWS": 3, "RANKED_AT_ONCE": 500}.items():
        monkeypatch.setattr(hamming, name, value)


@pytest.mark.parametrize("bits", [1, 8, 12, 16, 24, 32, 64, 65, 128, 300])
@pytest.mark.parametrize("n", [1, 33, 500])
@pytest.mark.parametrize("small_steps", [False, True])
def test_against_a_plain_sort(bits: int, n: int, small_steps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if small_steps:
        walk_in_small_steps(monkeypatch)
    queries, items = codes(7, bits, 1), codes(n, bits, 2)
    distances, order = plain(queries, items)
    packed = pack_codes(queries), pack_codes(items)
    for k in sorted({1, min(3, n), n // 40 + 1, n}):
        found = hamming_search(*packed, k)
        np.testing.assert_array_equal(found.distances, distances[:, :k])
        np.testing.assert_array_equal(found.indices, order[:, :k])
    np.testing.assert_array_equal(hamming_ranking(*packed), order)
    for radius in (0, bits // 3, bits + 5):
        ball = hamming_ball(*packed, radius)
        for i in range(len(queries)):
            inside = distances[i] <= radius
            np.testing.assert_array_equal(ball.distances[i], distances[i][inside])
            np.testing.assert_array_equal(ball.indices[i], order[i][inside])


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_few_bits_many_ties(data: st.DataObject) -> None:
    n, bits = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 3))
    k = data.draw(st.integers(1, n))
    queries, items = codes(2, bits, data.draw(st.integers(0, 99))), codes(n, bits, data.draw(st.integers(0, 99)))
    with pytest.MonkeyPatch.context() as patch:
        walk_in_small_steps(patch)
        patch.setattr(hamming, "BLOCK", data.draw(st.integers(1, 20)))
        found = hamming_search(pack_codes(queries), pack_codes(items), k)
    np.testing.assert_array_equal(found.indices, plain(queries, items)[1][:, :k])


def test_the_nearest_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst order for the pruning: every block is nearer than all before it."""
    walk_in_small_steps(monkeypatch)
    items = np.ones((640, 64), dtype=int)
    for i in range(640):
        items[i, : 64 - i // 10] = -1
    found = hamming_search(pack_codes(np.ones((1, 64))), pack_codes(items), 15)
    assert found.indices[0].tolist() == [*range(630, 640), *range(620, 625)]


def test_an_item_finds_itself_first_in_a_large_database() -> None:
    items = pack_codes(codes(100_000, 64))
    found = hamming_search(items[[5, 77_777]], items, 10)
    assert found.indices[:, 0].tolist() == [5, 77_777]
    assert found.distances[:, 0].tolist() == [0, 0]
    assert (np.diff(found.distances.astype(int), axis=1) >= 0).all()


@pytest.mark.parametrize("bits", [16, 64, 128])
def test_faiss_finds_the_same_distances(bits: int) -> None:
    faiss = pytest.importorskip("faiss")
    queries, items = pack_codes(codes(20, bits, 1)), pack_codes(codes(70_000, bits, 2))
    index = faiss.IndexBinaryFlat(bits)
    index.add(items)
    np.testing.assert_array_equal(index.search(queries, 50)[0], hamming_search(queries, items, 50).distances)
    starts, _, inside = index.range_search(queries, 6 + 1)  # theirs is "nearer than"
    ball = hamming_ball(queries, items, 6)
    for i in range(len(queries)):
        assert sorted(inside[starts[i] : starts[i + 1]]) == sorted(ball.indices[i])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((codes(2, 8), pack_codes(codes(3, 8)), 1), "Pack"),
        ((pack_codes(codes(2, 16)), pack_codes(codes(3, 8)), 1), "equally long"),
        ((pack_codes(codes(2, 8)), pack_codes(codes(3, 8)), 4), "the database has 3 codes"),
        ((pack_codes(codes(2, 8)), pack_codes(codes(3, 8)), 0), "k"),
    ],
)
def test_bad_input_is_named(arguments: tuple, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        hamming_search(*arguments)


def test_no_query_no_answer() -> None:
    none, items = pack_codes(codes(2, 8))[:0], pack_codes(codes(3, 8))
    assert hamming_search(none, items, 2).indices.shape == (0, 2)
    assert hamming_ball(none, items, 2) == ([], [])


def test_a_negative_radius_is_named() -> None:
    with pytest.raises(InvalidInput, match="radius"):
        hamming_ball(pack_codes(codes(2, 8)), pack_codes(codes(3, 8)), -1)
