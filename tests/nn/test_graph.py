"""Graphs against hand-worked numbers, dense matrices and scikit-learn; local graphs never look at other new items."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.autograd import gradcheck

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.nn import LocalGraphs, graph_convolution, nearest_rows, normalised_adjacency
from xmr_lib.nn.graph import random_rows


def rows(n=40, d=6, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


def graphs(k=4, n=40, **options):
    graph = LocalGraphs(k, **options)
    graph.learn(rows(n))
    return graph


def test_normalised_adjacency_by_hand():
    # a path a - b - c of weight 1: degrees with the self-loops 2, 3, 2
    a = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=torch.float64)
    s = 6**-0.5
    expected = torch.tensor([[1 / 2, s, 0], [s, 1 / 3, s], [0, s, 1 / 2]], dtype=torch.float64)
    torch.testing.assert_close(normalised_adjacency(a), expected)


def test_normalised_adjacency_has_largest_eigenvalue_one():
    w = torch.rand(12, 12, dtype=torch.float64)
    w = (w + w.T).fill_diagonal_(0)
    values = torch.linalg.eigvalsh(normalised_adjacency(w))
    assert values[-1].item() == pytest.approx(1.0)
    assert values[0] >= -1 - 1e-12


def test_no_edges_give_the_identity():
    torch.testing.assert_close(normalised_adjacency(torch.zeros(3, 3)), torch.eye(3))


def test_graph_convolution_by_hand():
    x, w = torch.tensor([[4.0, 0.0], [0.0, 6.0]]), torch.tensor([[1.0], [-1.0]])
    # A_hat X = [[2, 3], [2, 3]]; times W: -1 for both; ReLU: 0. With -W: 1.
    half = torch.full((2, 2), 0.5)
    assert graph_convolution(half, x, w).tolist() == [[0.0], [0.0]]
    assert graph_convolution(half, x, -w).tolist() == [[1.0], [1.0]]


def test_gradients():
    torch.manual_seed(0)
    a = torch.rand(4, 4, dtype=torch.float64, requires_grad=True)
    x = torch.rand(4, 3, dtype=torch.float64, requires_grad=True)
    w = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(normalised_adjacency, (a,))
    assert gradcheck(lambda a, x, w: graph_convolution(normalised_adjacency(a), x, w), (a, x, w))


@pytest.mark.parametrize("own", [False, True])
def test_nearest_rows_equal_scikit_learn(own):
    gallery = rows()
    queries = gallery if own else rows(7, seed=1)
    found, cosines = nearest_rows(queries, gallery, 5, torch.arange(40) if own else None)
    reference = NearestNeighbors(n_neighbors=5 + own, metric="cosine", algorithm="brute").fit(gallery.numpy())
    distance, index = reference.kneighbors(queries.numpy())
    np.testing.assert_array_equal(found.numpy(), index[:, int(own) :])
    np.testing.assert_allclose(cosines.numpy(), 1 - distance[:, int(own) :], atol=1e-6)


def test_scale_does_not_matter_and_zeros_do_no_harm():
    gallery = rows()
    scaled = gallery * torch.linspace(0.1, 9, 40)[:, None]
    assert torch.equal(nearest_rows(gallery, gallery, 3)[0], nearest_rows(3 * gallery, scaled, 3)[0])
    assert nearest_rows(torch.zeros(1, 6), gallery, 2)[1].tolist() == [[0.0, 0.0]]


def test_many_queries_in_chunks_equal_one_by_one(monkeypatch):
    monkeypatch.setattr("xmr_lib.nn.graph.LOOK_UP_ROWS", 3)
    gallery, queries = rows().double(), rows(10, seed=1).double()
    together = nearest_rows(queries, gallery, 4)
    single = [nearest_rows(queries[i : i + 1], gallery, 4) for i in range(10)]
    assert torch.equal(together[0], torch.cat([s[0] for s in single]))
    assert nearest_rows(queries[:0], gallery, 4)[0].shape == (0, 4)


def test_random_rows_are_different_never_oneself_and_do_not_depend_on_the_place():
    gallery = rows()
    index, cosines = random_rows(gallery, gallery, 39, torch.arange(40))
    for i, row in enumerate(index.tolist()):
        assert sorted(row) == [j for j in range(40) if j != i]
    expected = torch.cosine_similarity(gallery[3].double(), gallery[index[3, 0]].double(), dim=0)
    torch.testing.assert_close(cosines[3, 0].double(), expected)
    queries = rows(6, seed=1)
    straight = random_rows(queries, gallery, 3)[0]
    assert torch.equal(straight.flip(0), random_rows(queries.flip(0), gallery, 3)[0])
    assert not torch.equal(straight, random_rows(queries, gallery, 3, seed=1)[0])
    assert not torch.equal(straight, nearest_rows(queries, gallery, 3)[0])


def dense(graph, extra=None):
    """A_hat of the training rows (and of new ones, which nobody points at), by the definition."""
    x = graph.rows if extra is None else torch.cat([graph.rows, extra])
    n, total = len(graph.rows), len(x)
    unit = torch.nn.functional.normalize(x.double(), dim=1)
    cosine = (unit @ unit.T)[:, :n].clone()
    cosine[range(n), range(n)] = -torch.inf
    a = torch.zeros(total, total, dtype=torch.float64)
    for i in range(total):
        for j in cosine[i].argsort(descending=True)[: graph.k].tolist():
            a[i, j] = (cosine[i, j] / graph.tau).exp()
    return normalised_adjacency(a)


@pytest.mark.parametrize("tau", [1.0, 0.3])
def test_local_graphs_are_rows_of_the_dense_matrix(tau):
    graph, new, values = graphs(tau=tau), rows(5, seed=1), rows(45, 3, seed=2)
    a_hat = dense(graph, new)
    mixed = graph.training_edges(torch.arange(40)).mix(values[:40], values[:40])
    torch.testing.assert_close(mixed, (a_hat[:40, :40] @ values[:40].double()).float())
    mixed_new = graph.look_up(new).mix(values[40:], values[:40])
    torch.testing.assert_close(mixed_new, (a_hat[40:] @ values.double()).float())


@pytest.mark.parametrize("neighbours", ["true", "random"])
def test_new_items_do_not_see_each_other(neighbours):
    graph, new, values = graphs(neighbours=neighbours), rows(9, seed=1), rows(40, 3, seed=2)
    before = graph.state_dict()
    together = graph.look_up(new).mix(new[:, :3], values)
    order = torch.randperm(9)
    torch.testing.assert_close(graph.look_up(new[order]).mix(new[order, :3], values), together[order], atol=0, rtol=0)
    alone = torch.cat([graph.look_up(new[i : i + 1]).mix(new[i : i + 1, :3], values) for i in range(9)])
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)
    assert all(torch.equal(value, before[key]) for key, value in graph.state_dict().items())


def test_ties_do_not_depend_on_rounding():
    gallery = rows(200, 3).repeat(4, 1)  # every row four times: all cosines are tied
    graph = LocalGraphs(3)
    graph.learn(gallery)
    new = rows(64, 3, seed=1)
    together = graph.look_up(new).index
    assert torch.equal(together, torch.cat([graph.look_up(new[i : i + 1]).index for i in range(64)]))


def test_no_neighbours_give_the_identity():
    graph = graphs(k=0)
    new = rows(3, seed=1)
    assert torch.equal(graph.look_up(new).mix(new, graph.rows), new)
    assert graph.training_edges(torch.tensor([1])).index.shape == (1, 0)


def test_the_last_answer_is_not_given_to_another_question():
    graph, a, b = graphs(), rows(5, seed=1), rows(5, seed=2)
    first = graph.look_up(a)
    assert graph.look_up(a.clone()) is first
    assert not torch.equal(graph.look_up(b).index, first.index)
    graph.learn(rows(40, seed=3))
    assert not torch.equal(graph.look_up(b).weight, first.weight)


def test_edges_are_stored_with_the_model():
    graph, other = graphs(), LocalGraphs(4)
    other.load_state_dict(graph.state_dict())
    new = rows(5, seed=1)
    assert torch.equal(other.look_up(new).weight, graph.look_up(new).weight)


def test_bad_input():
    with pytest.raises(InvalidInput, match="smaller k"):
        graphs(k=40)
    with pytest.raises(InvalidInput, match="tau above 0"):
        LocalGraphs(3, tau=0.0)
    with pytest.raises(UnknownName, match="kind of neighbours"):
        LocalGraphs(3, neighbours="near")
