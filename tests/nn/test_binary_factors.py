"""Binary factors: each step by hand, against brute force, and never uphill."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import sparse

from xmr_lib.errors import InvalidInput
from xmr_lib.nn.binary_factors import (
    Graph,
    first_bits,
    graph_cost,
    independent_sets,
    neighbour_graph,
    prepare_view,
    reconstruction_basis,
    sweep_bits,
    update_bit,
    view_cost,
    view_weights,
)


def problem(n: int = 40, bits: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Graph]:
    """A view, codes, a graph."""
    rng = np.random.default_rng(seed)
    view = prepare_view(rng.normal(size=(n, 7)))
    return view, first_bits([view], bits, seed), neighbour_graph(view, 3, 3)


def dense(*edges: tuple[int, int, float], n: int = 3) -> sparse.csr_array:
    matrix = np.zeros((n, n))
    for i, j, w in edges:
        matrix[i, j] = matrix[j, i] = w
    return sparse.csr_array(matrix)


# --- views and graphs -----------------------------------------------------------------------------------------------


def test_a_view_has_mean_0_and_squared_norm_n() -> None:
    view = prepare_view(np.random.default_rng(0).normal(3, 5, size=(30, 4)).astype(np.float32))
    assert np.allclose(view.mean(axis=0), 0)
    assert np.square(view).sum() == pytest.approx(30)
    with pytest.raises(InvalidInput, match="equal"):
        prepare_view(np.full((5, 2), 0.1))


def test_neighbours_by_hand() -> None:
    # directions at 0, 10, 90 and 180 degrees
    angles = np.deg2rad([0.0, 10.0, 90.0, 180.0])
    graph = neighbour_graph(np.stack([np.cos(angles), np.sin(angles)], axis=1), near=1, far=1)
    near, far = graph.near.toarray(), graph.far.toarray()
    assert near.tolist() == [[0, 1, 0, 0], [1, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 0.5, 0]]
    # farthest: 0 -> 180, 10 -> 180, 90 -> (0 or 180, a tie), 180 -> 0
    assert far[0, 3] >= 1.0
    assert far[1, 3] == 0.5
    assert far.sum() == near.sum() == 4


def test_a_graph_is_symmetric_without_loops_and_sums_to_n() -> None:
    _, _, graph = problem()
    for edges in graph:
        assert (edges != edges.T).nnz == 0
        assert np.all(edges.diagonal() == 0)
        assert edges.sum() == pytest.approx(40)
    assert np.allclose(graph.signed().toarray(), graph.near.toarray() - graph.far.toarray())


def test_empty_halves_and_too_many_neighbours() -> None:
    view, _, _ = problem(n=10)
    assert neighbour_graph(view, 3, 0).far.nnz == 0
    assert neighbour_graph(view, 0, 3).near.nnz == 0
    assert neighbour_graph(view, 5, 4).near.nnz > 0
    for near, far in ((5, 5), (10, 0), (-1, 2)):
        with pytest.raises(InvalidInput, match="Use fewer neighbours"):
            neighbour_graph(view, near, far)


def test_ties_are_drawn_and_not_won_by_the_first_rows() -> None:
    # 60 texts of one word each, 30 words: all but one other text are equally far
    words = np.eye(30)[np.arange(60) % 30]
    chosen_by = neighbour_graph(words, 0, 5).far.sum(axis=0)
    assert chosen_by[:5].sum() < 3 * chosen_by[30:35].sum()
    again = neighbour_graph(words, 0, 5).far
    assert (again != neighbour_graph(words, 0, 5).far).nnz == 0
    assert (again != neighbour_graph(words, 0, 5, seed=1).far).nnz > 0


def test_rows_of_zeros_are_legal() -> None:
    view = np.random.default_rng(0).random((12, 4))
    view[:3] = 0
    graph = neighbour_graph(view, 2, 2)
    assert np.isfinite(graph.near.toarray()).all()
    assert graph.near.sum() == pytest.approx(12)


# --- costs ----------------------------------------------------------------------------------------------------------


def test_graph_cost_by_hand() -> None:
    codes = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])  # distances 01: 1, 02: 2, 12: 1
    graph = Graph(near=dense((0, 1, 1.0)), far=dense((0, 2, 0.5), (1, 2, 1.0)))
    # near: 2 (both ways) x 2 x 1 x 1 = 4; far: 2 x 2 x (0.5 (2 - 2) + 1 (2 - 1)) = 4
    assert graph_cost(graph, codes) == pytest.approx(8)
    assert graph_cost(graph, np.ones((3, 2))) == pytest.approx(2 * 2 * (0.5 * 2 + 1 * 2))  # all agree: only far pays


def test_graph_cost_is_the_laplacian_form_up_to_a_constant() -> None:
    _, codes, graph = problem()
    a = graph.signed().toarray()
    laplacian = np.diag(a.sum(axis=1)) - a
    constant = 2 * codes.shape[1] * graph.far.sum()
    assert graph_cost(graph, codes) == pytest.approx(np.trace(codes.T @ laplacian @ codes) + constant)


@pytest.mark.parametrize("seed", range(5))
def test_a_cost_is_never_negative(seed: int) -> None:
    view, codes, graph = problem(seed=seed)
    assert view_cost(view, codes, reconstruction_basis(view, codes), graph, beta=10.0) >= 0
    assert graph_cost(graph, np.ones_like(codes)) >= 0


def test_the_basis_is_least_squares() -> None:
    view, codes, _ = problem()
    expected = np.linalg.lstsq(codes, view, rcond=None)[0]
    assert np.allclose(reconstruction_basis(view, codes), expected, atol=1e-6)
    twice = np.repeat(codes, 2, axis=1)  # B'B singular: still finite
    assert np.isfinite(reconstruction_basis(view, twice)).all()


def test_the_weights_minimise_over_the_simplex() -> None:
    for delta in (1.5, 2.0, 4.0):
        weights = view_weights([1.0, 3.0], delta)
        grid = np.linspace(0, 1, 100_001)
        best = grid[np.argmin(grid**delta * 1 + (1 - grid) ** delta * 3)]
        assert weights[0] == pytest.approx(best, abs=2e-5)
        assert weights.sum() == pytest.approx(1)
    assert view_weights([0.0, 0.0], 2.0).tolist() == [0.5, 0.5]
    with pytest.raises(InvalidInput, match="delta"):
        view_weights([1.0, 2.0], 1.0)


# --- bits -----------------------------------------------------------------------------------------------------------


def test_independent_sets_hold_every_item_once_and_no_edge() -> None:
    _, _, graph = problem(n=60)
    edges = graph.near + graph.far
    sets = independent_sets(edges)
    assert sorted(np.concatenate(sets)) == list(range(60))
    for rows in sets:
        assert edges[rows][:, rows].nnz == 0


@pytest.mark.parametrize("beta", [0.0, 0.05, 1.0])
def test_one_set_at_a_time_is_the_item_by_item_loop(beta: float) -> None:
    _, codes, graph = problem(n=60, seed=3)
    bit, pull = codes[:, 0], np.random.default_rng(1).normal(scale=0.3, size=60)
    edges, a = graph.signed(), graph.signed().toarray()
    sets = independent_sets(edges)
    expected = bit.copy()
    for i in np.concatenate(sets):
        expected[i] = 1.0 if pull[i] + beta * (a[i] @ expected) > 0 else -1.0
    assert np.array_equal(update_bit(bit, pull, edges, beta, sets), expected)


def test_flipping_all_items_at_once_would_not_be_the_same() -> None:
    """Two items that want to agree swap for ever when both move at once; one after the other they meet."""
    pair = dense((0, 1, 1.0), n=2)
    start = np.array([1.0, -1.0])
    assert np.array_equal(np.sign(pair @ start), -start)
    met = update_bit(start, np.zeros(2), pair, 1.0, independent_sets(pair))
    assert met[0] == met[1]


def test_a_tie_keeps_the_bit() -> None:
    bit = np.array([1.0, -1.0, 1.0])
    assert np.array_equal(update_bit(bit, np.zeros(3), dense(), 1.0, [np.arange(3)]), bit)


def test_with_one_bit_and_no_graph_the_update_is_the_best_of_all_codes() -> None:
    rng = np.random.default_rng(2)
    view, u = rng.normal(size=(6, 3)), rng.normal(size=(1, 3))
    new = update_bit(np.ones(6), view @ u[0], sparse.csr_array((6, 6)), 0.0, [np.arange(6)])
    costs = {code: np.square(view - np.outer(code, u)).sum() for code in product((-1.0, 1.0), repeat=6)}
    assert tuple(new) == min(costs, key=costs.__getitem__)


@pytest.mark.parametrize("beta", [0.0, 0.01, 0.1, 1.0])
def test_no_bit_of_a_sweep_raises_the_objective(beta: float) -> None:
    view, codes, graph = problem(n=50, bits=6, seed=4)
    basis, edges = reconstruction_basis(view, codes), graph.signed()
    sets = independent_sets(edges)
    before = view_cost(view, codes, basis, graph, beta)
    target, gram = view @ basis.T, basis @ basis.T
    for k in range(6):
        others = gram[k].copy()
        others[k] = 0
        codes[:, k] = update_bit(codes[:, k], target[:, k] - codes @ others, edges, beta, sets)
        after = view_cost(view, codes, basis, graph, beta)
        assert after <= before + 1e-9
        before = after


def test_a_sweep_is_all_bits_in_turn_and_leaves_its_input_alone() -> None:
    view, codes, graph = problem()
    basis, edges = reconstruction_basis(view, codes), graph.signed()
    sets, kept = independent_sets(edges), codes.copy()
    new = sweep_bits(codes, view @ basis.T, basis @ basis.T, edges, 0.01, sets)
    assert np.array_equal(codes, kept)
    assert set(np.unique(new)) == {-1.0, 1.0}
    assert view_cost(view, new, basis, graph, 0.01) < view_cost(view, codes, basis, graph, 0.01)
