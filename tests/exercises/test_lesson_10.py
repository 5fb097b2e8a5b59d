"""Exercise 10: references against autograd and the library, functions of the lesson pasted as they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from xmr_lib.course import check
from xmr_lib.course.task import all_tasks, get_task
from xmr_lib.course.tasks.unsupervised_mistakes import bits
from xmr_lib.methods.hashing import hmah_network, ssah_network
from xmr_lib.nn.binary_factors import Graph, graph_cost, sweep_bits, update_bit, view_cost
from xmr_lib.nn.codes import label_similarity
from xmr_lib.nn.graded_relevance import label_cosine, threshold_similarity
from xmr_lib.nn.label_graph import label_affinity

PASTED: list[tuple[str, Callable[..., Any]]] = [
    ("10.label_targets", label_similarity),
    ("10.label_targets", label_cosine),
    ("10.label_targets", threshold_similarity),
    ("10.label_targets", label_affinity),
    ("10.discrete_bit", update_bit),
    ("10.discrete_bit", sweep_bits),
    ("10.discrete_bit", graph_cost),
    ("10.discrete_bit", view_cost),
    ("10.code_game", hmah_network.discriminator_loss),
    ("10.code_game", hmah_network.prior_loss),
    ("10.code_game", ssah_network.discriminator_loss),
    ("10.code_game", ssah_network.fooling_loss),
]


@pytest.mark.parametrize(("task_id", "function"), PASTED, ids=lambda value: getattr(value, "__name__", value))
def test_functions_of_the_lesson_pasted_as_they_are(
    task_id: str, function: Callable[..., Any], is_known_as_pasted: Callable[..., None]
) -> None:
    is_known_as_pasted(task_id, function)


def test_every_task_knows_a_function_of_its_lesson() -> None:
    assert {task_id for task_id, _ in PASTED} == {task_id for task_id in all_tasks() if task_id.startswith("10")}


def test_targets_are_those_of_the_library() -> None:
    """The three similarities at the threshold that the task finds."""
    task = get_task("10.label_targets")
    for case in task.cases():
        a, b, share = case.arguments
        shared, strict, graded, threshold = task.reference(a, b, share)
        x, y = torch.tensor(a).double(), torch.tensor(b).double()
        assert np.array_equal(shared, label_similarity(x, y).numpy()), case.text
        assert np.array_equal(strict, threshold_similarity(x, y, threshold).numpy()), case.text
        everything = label_affinity(torch.cat([x, y]))[: len(a), len(a) :]
        np.testing.assert_allclose(graded, everything.numpy(), atol=1e-12)


def test_bit_is_what_the_library_gives_item_by_item() -> None:
    """Sets of one item each, in order, and a symmetric graph: its ``b'Ab`` is half of the two directions."""
    task = get_task("10.discrete_bit")
    for case in task.cases():
        k, codes, views, bases, weights, graph, beta = case.arguments
        edges = sparse.csr_array(graph + graph.T - 2 * np.diag(np.diag(graph))) / 2
        target = sum(w * view @ basis.T for w, view, basis in zip(weights, views, bases, strict=True))
        others = sum(w * basis @ basis.T for w, basis in zip(weights, bases, strict=True))[k].copy()
        others[k] = 0
        pull = target[:, k] - codes @ others
        sets = [np.array([i]) for i in range(len(codes))]
        bit, trail = task.reference(*case.arguments)
        assert np.array_equal(bit, update_bit(codes[:, k], pull, edges, beta, sets)), case.text
        assert all(b <= a + 1e-9 for a, b in pairwise(trail)), case.text


def test_objective_is_that_of_the_library_up_to_a_constant() -> None:
    task = get_task("10.discrete_bit")
    k, codes, views, bases, weights, graph, beta = task.cases()[4].arguments
    edges = (graph + graph.T) / 2
    parts = Graph(sparse.csr_array(np.maximum(edges, 0)), sparse.csr_array(np.maximum(-edges, 0)))
    bit, trail = task.reference(k, codes, views, bases, weights, graph, beta)
    after = codes.copy()
    after[:, k] = bit
    theirs = [
        beta * graph_cost(parts, b)
        + sum(w * view_cost(v, b, u, parts, 0.0) for w, v, u in zip(weights, views, bases, strict=True))
        for b in (codes, after)
    ]
    assert np.isclose(trail[-1] - trail[0], theirs[1] - theirs[0])


def test_items_at_once_can_raise_the_objective() -> None:
    """Two items that want to agree and swap signs for ever: the reason for one visit after the other."""
    task, empty = get_task("10.discrete_bit"), np.zeros((2, 1))
    given = 0, np.array([[1.0], [-1.0]]), (empty,), (np.zeros((1, 1)),), np.ones(1), 1 - np.eye(2), 1.0
    assert np.array_equal(task.reference(*given)[0], [-1, -1])
    assert np.array_equal(bits(at_once=True)(*given)[0], [-1, 1])


def test_game_is_what_autograd_gives() -> None:
    def by_autograd(h, prior, W, c, v):
        codes, last = torch.tensor(h, requires_grad=True), torch.tensor(v, requires_grad=True)

        def scores(x):
            return torch.relu(x @ torch.tensor(W).T + torch.tensor(c)) @ last

        judge = hmah_network.discriminator_loss(scores(torch.tensor(prior)), scores(codes))
        teacher = hmah_network.prior_loss(scores(codes))
        (slope_v,) = torch.autograd.grad(judge, last, retain_graph=True)
        (slope_h,) = torch.autograd.grad(teacher, codes)
        return judge.item(), teacher.item(), slope_v.numpy(), slope_h.numpy()

    result = check("10.code_game", by_autograd)
    assert result, result
