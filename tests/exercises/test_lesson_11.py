"""Exercise 11: references against autograd and the library, functions of the lesson pasted as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from xmr_lib.course import check
from xmr_lib.course.task import all_tasks, get_task
from xmr_lib.course.tasks.differentiable_by_hand import best_distance
from xmr_lib.methods.hashing.dchmt import distance_loss
from xmr_lib.nn.proxies import griesmer_distance, irrelevant_pair_loss, proxy_loss, proxy_margin
from xmr_lib.nn.selecting import SelectingHash, both_values, certainty

PASTED: list[tuple[str, Callable[..., Any]]] = [
    ("11.selecting_bit", SelectingHash),
    ("11.selecting_bit", both_values),
    ("11.selecting_bit", certainty),
    ("11.distance_loss", distance_loss),
    ("11.proxy_loss", proxy_loss),
    ("11.proxy_loss", proxy_margin),
    ("11.proxy_loss", griesmer_distance),
    ("11.proxy_loss", irrelevant_pair_loss),
]


@pytest.mark.parametrize(("task_id", "function"), PASTED, ids=lambda value: getattr(value, "__name__", value))
def test_functions_of_the_lesson_pasted_as_they_are(
    task_id: str, function: Callable[..., Any], is_known_as_pasted: Callable[..., None]
) -> None:
    is_known_as_pasted(task_id, function)


def test_every_task_knows_a_function_of_its_lesson() -> None:
    assert {task_id for task_id, _ in PASTED} == {task_id for task_id in all_tasks() if task_id.startswith("11")}


def test_selecting_bit_is_what_autograd_gives() -> None:
    def by_autograd(z, along, temperature):
        leaf = torch.tensor(z, requires_grad=True)
        p = (leaf / temperature).softmax(dim=2)
        expected = p[..., 1] - p[..., 0]
        (expected * torch.tensor(along)).sum().backward()
        bits = torch.where(leaf[..., 1] > leaf[..., 0], 1.0, -1.0)
        return bits.numpy(), expected.detach().numpy(), leaf.grad.numpy()

    result = check("11.selecting_bit", by_autograd)
    assert result, result


def test_selecting_bit_is_the_layer_of_the_library() -> None:
    layer, x = SelectingHash(5, 3).double(), torch.randn(4, 5, dtype=torch.float64)
    z = layer.scores(x).detach().numpy().reshape(4, 3, 2)
    _, expected, _ = get_task("11.selecting_bit").reference(z, np.ones((4, 3)), 1.0)
    np.testing.assert_allclose(expected, layer(x).detach().numpy())


@pytest.mark.parametrize("place", range(7))
def test_distance_loss_is_that_of_the_library(place: int) -> None:
    """Its small number under the root moves distances of 0 most, and no slope there."""
    case = get_task("11.distance_loss").cases()[place]
    e, f, similar, vartheta = case.arguments
    a, b = (torch.tensor(x, requires_grad=True) for x in (e, f))
    value = distance_loss(both_values(a), both_values(b), torch.tensor(similar), vartheta)
    value.backward()
    ours = get_task("11.distance_loss").reference(*case.arguments)
    assert np.isclose(ours[0], value.item(), atol=5e-3), case.text
    for slope, leaf in zip(ours[1:], (a, b), strict=True):
        np.testing.assert_allclose(slope, leaf.grad.numpy(), atol=1e-4)


def test_plain_root_has_no_slope_at_zero() -> None:
    """Why the task says what the slope at distance 0 is."""
    e = torch.tensor([[0.5, -0.5]], dtype=torch.float64, requires_grad=True)
    torch.cdist(e, e.detach()).square().sum().backward()
    square = (e - e.detach()).square().sum(dim=1)
    (slope,) = torch.autograd.grad(square.sqrt().square().sum(), e)
    assert torch.isnan(slope).all()


def test_best_distance_is_that_of_the_library() -> None:
    for bits in (8, 12, 16, 32, 64):
        for q in (1, 3, 5, 7):
            assert best_distance(bits, 2**q) == griesmer_distance(bits, q)


def test_proxy_loss_is_what_autograd_gives() -> None:
    def by_autograd(outputs, proxies, labels):
        q = max(1, int(np.ceil(np.log2(len(proxies)))))
        margin = 1 - 2 * griesmer_distance(outputs.shape[1], q) / outputs.shape[1]
        leaf = torch.tensor(outputs, requires_grad=True)
        value = proxy_loss(leaf, torch.tensor(proxies), torch.tensor(labels), margin)
        value.backward()
        return margin, value.item(), leaf.grad.numpy()

    result = check("11.proxy_loss", by_autograd)
    assert result, result


def test_margin_is_that_of_the_library_where_a_code_reaches_the_bound() -> None:
    task = get_task("11.proxy_loss")
    for bits, classes in ((16, 24), (32, 24), (64, 24), (32, 8), (64, 80)):
        margin, *_ = task.reference(np.ones((1, bits)), np.ones((classes, bits)), np.ones((1, classes)))
        assert np.isclose(margin, proxy_margin(bits, classes)), (bits, classes)
