"""Distances and triplet hinges: by hand, by loops, by finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from xmr_lib.nn import all_negative_triplets, hardest_negative_triplets, pull_and_push, squared_distances

D = torch.tensor([[1.0, 3.0, 2.0], [0.5, 2.0, 4.0], [9.0, 1.5, 1.0]], dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_squared_distances() -> None:
    a, b = normal(5, 3), normal(4, 3, seed=1)
    torch.testing.assert_close(squared_distances(a, b), torch.cdist(a, b).square())
    far = 1e3 + normal(6, 3)
    assert (squared_distances(far, far) >= 0).all()  # rounding would go below 0
    assert torch.autograd.gradcheck(squared_distances, (a.requires_grad_(), b.requires_grad_()))


def test_hardest_negatives_by_hand() -> None:
    # Classes 0, 0, 1: anchors 0 and 1 have column 2, anchor 2 has columns 0 and 1, of which 1 is nearer.
    # 0.5 + 1 - 2 < 0; 0.5 + 2 - 4 < 0; 0.5 + 1 - 1.5 = 0
    classes = torch.tensor([0, 0, 1])
    assert float(hardest_negative_triplets(D, classes, 0.5)) == 0
    # margin 2: 2 + 1 - 2 = 1; 2 + 2 - 4 = 0; 2 + 1 - 1.5 = 1.5
    assert float(hardest_negative_triplets(D, classes, 2.0)) == pytest.approx(2.5 / 3)


def test_hardest_negatives_by_loops_and_finite_differences() -> None:
    distances, classes = normal(7, 7).square(), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    total = 0.0
    for i in range(7):
        nearest = min(float(distances[i, k]) for k in range(7) if classes[k] != classes[i])
        total += max(0.0, 0.4 + float(distances[i, i]) - nearest)
    assert float(hardest_negative_triplets(distances, classes, 0.4)) == pytest.approx(total / 7)
    assert torch.autograd.gradcheck(lambda d: hardest_negative_triplets(d, classes, 0.4), (distances.requires_grad_(),))


def test_a_batch_of_one_class_costs_nothing_and_has_a_finite_gradient() -> None:
    distances = D.clone().requires_grad_()
    loss = hardest_negative_triplets(distances, torch.zeros(3, dtype=torch.long), 1.0)
    loss.backward()
    assert loss == 0
    assert (distances.grad == 0).all()


def test_all_negatives_by_hand() -> None:
    # Margin 2, classes 0, 0, 1: (0, 2): 2 + 1 - 2 = 1; (1, 2): 2 + 2 - 4 = 0; (2, 0): 2 + 1 - 9 < 0; (2, 1): 1.5
    assert float(all_negative_triplets(D, torch.tensor([0, 0, 1]), 2.0)) == pytest.approx(2.5 / 4)
    # One negative per anchor: the nearest is all there is.
    two, classes = D[:2, :2], torch.tensor([0, 1])
    assert float(all_negative_triplets(two, classes, 2.0)) == float(hardest_negative_triplets(two, classes, 2.0))


def test_pull_and_push_by_hand() -> None:
    # Same class: 1, 3, 0.5, 2 and 1; another: 2, 4, 9, 1.5, of which margin 2 leaves 0, 0, 0, 0.5
    classes = torch.tensor([0, 0, 1])
    assert float(pull_and_push(D, classes, 2.0)) == pytest.approx(7.5 / 5 + 0.5 / 4)
    assert float(pull_and_push(D, classes, 2.0, lam=8.0)) == pytest.approx(7.5 / 5 + 1)


@pytest.mark.parametrize("loss", [all_negative_triplets, pull_and_push])
def test_all_negatives_and_pull_and_push_by_finite_differences(loss: Callable[..., Tensor]) -> None:
    distances, classes = 1 + normal(7, 7).square(), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    assert torch.autograd.gradcheck(lambda d: loss(d, classes, 1.7), (distances.requires_grad_(),))


@pytest.mark.parametrize(("loss", "cost"), [(all_negative_triplets, 0.0), (pull_and_push, float(D.mean()))])
def test_a_batch_of_one_class_has_nothing_to_push(loss: Callable[..., Tensor], cost: float) -> None:
    distances = D.clone().requires_grad_()
    value = loss(distances, torch.zeros(3, dtype=torch.long), 1.0)
    value.backward()
    assert float(value.detach()) == pytest.approx(cost)
    assert torch.isfinite(distances.grad).all()
