"""Graphs from labels, by hand."""

from __future__ import annotations

from math import exp

import pytest
import torch

from xmr_lib.nn.label_graph import cosines, cross_graph, label_affinity, row_normalised

LABELS = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def test_affinity_by_hand() -> None:
    one, two = 2 / (1 + exp(-1)) - 1, 2 / (1 + exp(-2)) - 1
    expected = torch.tensor([[two, one, 0], [one, one, 0], [0, 0, one]])
    assert torch.allclose(label_affinity(LABELS), expected, atol=1e-6)


def test_rows_sum_to_one_or_stay_zero() -> None:
    normal = row_normalised(torch.tensor([[1.0, 3.0], [0.0, 0.0]], requires_grad=True))
    assert normal.tolist() == [[0.25, 0.75], [0.0, 0.0]]
    normal.sum().backward()  # no NaN


def test_in_the_cross_graph_an_item_hears_itself_and_the_other_modality_only() -> None:
    graph = cross_graph(label_affinity(LABELS))
    assert graph.shape == (6, 6)
    assert torch.allclose(graph.sum(1), torch.ones(6))
    assert torch.count_nonzero(graph[:3, :3] - torch.diag(graph.diagonal()[:3])) == 0  # image to image: itself
    assert graph[0, 3] > graph[0, 4] > 0  # its own text (two labels), then a text with one shared label
    assert graph[0, 5] == 0
    assert torch.allclose(graph[:3, 3:], graph[3:, :3])


def test_an_item_without_a_label_hears_itself_only() -> None:
    graph = cross_graph(label_affinity(torch.zeros(2, 3)))
    assert torch.equal(graph, torch.eye(4))


def test_cosines_by_hand() -> None:
    a, b = torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    assert cosines(a, b)[0].tolist() == pytest.approx([0.6, 0.0])
    assert cosines(a).item() == pytest.approx(1.0)
