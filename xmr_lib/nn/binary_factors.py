"""Binary latent factors: two views explained by one matrix of bits, with a graph of near and far items.

F_m (n, d_m) is view m, B (n, K) in {-1, +1} the bits of both views, U_m (K, d_m) what each bit looks like in view m:

    c_m = ||F_m - B U_m||_F^2 + 2 beta [ sum_ij near_ij d_ij + sum_ij far_ij (K - d_ij) ]
    J   = sum_m a_m^delta c_m,      a_m >= 0, sum_m a_m = 1, delta > 1

d_ij is the Hamming distance of the codes of i and j: near items pay for every bit in which they differ, far items for
every bit in which they agree. With A = near - far and its Laplacian L = D - A the bracket is, up to the constant
K sum(far), 1/2 tr(B' L B); with the constant c_m is never negative, which the weights a_m need.

Each function lowers J in one of its unknowns, the others fixed. None of them relaxes a bit to a real number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from xmr_lib.errors import InvalidInput

Matrix = NDArray[np.floating[Any]]
DIGITS = 9  # cosines that agree to so many digits are ties; rounding noise must not choose neighbours


class Graph(NamedTuple):
    """Symmetric (n, n) sparse weights, 0 or more, zeros on the diagonal."""

    near: sparse.csr_array
    far: sparse.csr_array

    def signed(self) -> sparse.csr_array:
        """A = near - far."""
        return (self.near - self.far).tocsr()


def neighbour_graph(view: Matrix, near: int, far: int, seed: int = 0) -> Graph:
    """Every row pulls at its ``near`` most similar rows and pushes its ``far`` least similar ones (cosine).

    An edge counts 1/2 from either end, divided by the number of neighbours; all edges of a kind sum to n.

    Args:
        view: (n, d) features as they are, not centred: for word counts the farthest rows then share no word. A row of
            zeros has cosine 0 with all.
        near, far: How many; 0 leaves that half out. Together less than n.
        seed: Who wins a tie. Most texts share no word with most others; were the ties broken by row number, the first
            rows of the data would be everybody's farthest.

    Raises:
        InvalidInput: More neighbours than other rows.

    >>> neighbour_graph(np.array([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]]), 1, 0).near.toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.5, 0.0]]
    """
    n = len(view)
    if min(near, far) < 0 or near + far >= n:
        raise InvalidInput(
            f"{near} nearest and {far} farthest rows must be 0 or more and less than {n} together, for there are "
            f"{n} pairs. Use fewer neighbours or more pairs."
        )
    unit = view / np.maximum(np.linalg.norm(view, axis=1, keepdims=True), 1e-12)
    cosines = np.round(unit @ unit.T, DIGITS)  # (n, n)
    cosines += 10.0 ** (-DIGITS - 1) * np.random.default_rng(seed).random((n, n))  # below the last digit: ties only
    np.fill_diagonal(cosines, np.nan)  # sorted last: a row is not its own neighbour
    order = np.argsort(cosines, axis=1)[:, : n - 1]  # the least similar row first
    return Graph(_edges(order[:, n - 1 - near :]), _edges(order[:, :far]))


def _edges(index: NDArray[np.intp]) -> sparse.csr_array:
    """(n, r) neighbours of each row -> symmetrised (n, n) weights."""
    n, r = index.shape
    rows = np.repeat(np.arange(n), r)
    one_way = sparse.csr_array((np.full(n * r, 0.5 / max(r, 1)), (rows, index.ravel())), shape=(n, n))
    return (one_way + one_way.T).tocsr()


def prepare_view(features: Any) -> Matrix:
    """Centre a view and scale it to ||F||_F^2 = n, so that neither view is heavy by its size. (n, d) float64.

    >>> prepare_view(np.array([[1.0], [5.0]])).ravel().tolist()
    [-1.0, 1.0]
    """
    rows = np.asarray(features, dtype=np.float64)
    centred = rows - rows.mean(axis=0)
    norm = np.linalg.norm(centred)
    if norm <= 1e-9 * max(1.0, float(np.linalg.norm(rows))):
        raise InvalidInput("All rows of a view are equal, so there is nothing to code. Check the encoder.")
    return centred * np.sqrt(len(rows)) / norm


def first_bits(views: Sequence[Matrix], bits: int, seed: int) -> Matrix:
    """(n, bits) codes to start from: signs of random projections of both views."""
    stacked = np.concatenate(views, axis=1)  # (n, d_1 + d_2)
    drawn = np.random.default_rng(seed).normal(size=(stacked.shape[1], bits))
    return np.where(stacked @ drawn > 0, 1.0, -1.0)


def reconstruction_basis(view: Matrix, codes: Matrix, eps: float = 1e-8) -> Matrix:
    """The U step: (B'B + eps I)^-1 B' F, the best picture of each bit. (n, d), (n, bits) -> (bits, d).

    >>> reconstruction_basis(np.array([[2.0], [-2.0]]), np.array([[1.0], [-1.0]])).round(4).tolist()
    [[2.0]]
    """
    gram = codes.T @ codes + eps * np.eye(codes.shape[1])
    basis: Matrix = np.linalg.solve(gram, codes.T @ view)
    return basis


def graph_cost(graph: Graph, codes: Matrix) -> float:
    """2 sum_ij near_ij d_ij + 2 sum_ij far_ij (K - d_ij): what the codes (n, K) pay to the graph; 0 or more."""
    bits = codes.shape[1]
    agreements = [float(np.vdot(codes, edges @ codes)) for edges in graph]  # sum_ij w_ij (K - 2 d_ij)
    total_near, total_far = (float(edges.sum()) for edges in graph)
    return (bits * total_near - agreements[0]) + (bits * total_far + agreements[1])


def view_cost(view: Matrix, codes: Matrix, basis: Matrix, graph: Graph, beta: float) -> float:
    """c_m: the error of the reconstruction plus beta times what the graph costs; 0 or more."""
    return float(np.square(view - codes @ basis).sum()) + beta * graph_cost(graph, codes)


def view_weights(costs: Any, delta: float) -> Matrix:
    """The a step: the weights that minimise sum_m a_m^delta c_m on the simplex, a_m ~ c_m^(1 / (1 - delta)).

    Args:
        costs: (views,) c_m, above 0; the view with the smaller cost gets more weight.
        delta: Above 1; the larger, the more even.

    >>> view_weights([1.0, 3.0], delta=2.0).tolist()
    [0.75, 0.25]
    """
    if delta <= 1:
        raise InvalidInput(f"delta must be above 1, else one view gets all the weight, but it is {delta:g}. Use 2.")
    c = np.maximum(np.asarray(costs, dtype=np.float64), 1e-12)
    raw = (c / c.max()) ** (1 / (1 - delta))
    weights: Matrix = raw / raw.sum()
    return weights


def independent_sets(edges: sparse.csr_array) -> list[NDArray[np.intp]]:
    """Split the items so that no two of a set are neighbours (greedy colouring, the busiest items first).

    Items of one set do not see each other's flips, so flipping them all at once is the same as one after the other.

    Args:
        edges: (n, n) symmetric; what counts is where something is stored.

    >>> [s.tolist() for s in independent_sets(sparse.csr_array(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])))]
    [[1], [0, 2]]
    """
    pattern, n = edges.tocsr(), edges.shape[0]
    starts, others = pattern.indptr, pattern.indices
    colour = np.full(n, -1)
    for i in np.argsort(-np.diff(starts), kind="stable"):
        taken = set(colour[others[starts[i] : starts[i + 1]]].tolist())
        colour[i] = next(c for c in range(n) if c not in taken)
    return [np.flatnonzero(colour == c) for c in range(colour.max() + 1)]


def update_bit(
    bit: Matrix, pull: Matrix, edges: sparse.csr_array, beta: float, sets: Sequence[NDArray[np.intp]]
) -> Matrix:
    """One bit of all items, everything else fixed: b_i <- sgn(pull_i + beta (A b)_i), one independent set at a time.

    Later sets see the flips of the earlier ones. J as a function of this bit is ``-2 pull'b - beta b'Ab`` plus a
    constant, so no flip raises it; at a tie the bit stays.

    Args:
        bit: (n,) -1 or +1. pull: (n,) q, how the reconstruction wants each item. edges: A, (n, n), zero diagonal.
        beta: Weight of the graph. sets: Of :func:`independent_sets`; their order is the order of the visits.

    Returns:
        (n,) the new bit.

    >>> path = sparse.csr_array(np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    >>> update_bit(np.array([1.0, -1, 1]), np.array([0.5, 0, 0.5]), path, 1.0, [np.array([1]), np.array([0, 2])])
    array([1., 1., 1.])
    """
    new = bit.copy()
    for rows in sets:
        wish = pull[rows] + (beta * (edges[rows] @ new) if beta else 0.0)
        new[rows] = np.where(wish == 0, new[rows], np.where(wish > 0, 1.0, -1.0))
    return new


def sweep_bits(
    codes: Matrix, target: Matrix, gram: Matrix, edges: sparse.csr_array, beta: float, sets: Sequence[NDArray[np.intp]]
) -> Matrix:
    """The B step: every bit once, the others fixed. (n, K) -> (n, K).

    Args:
        codes: B. target: sum_m a_m^delta F_m U_m', (n, K). gram: sum_m a_m^delta U_m U_m', (K, K).
        edges: sum_m a_m^delta A_m. beta, sets: As in :func:`update_bit`.
    """
    new = codes.copy()
    for k in range(new.shape[1]):
        others = gram[k].copy()
        others[k] = 0.0  # b_k'b_k = n whatever the bit: only the other bits compete with it
        new[:, k] = update_bit(new[:, k], target[:, k] - new @ others, edges, beta, sets)
    return new
