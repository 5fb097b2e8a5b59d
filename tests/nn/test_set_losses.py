"""Diversity, circular variance and the discrepancy of two clouds: by hand, by loops, by finite differences."""

from __future__ import annotations

from math import exp

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.nn.set_losses import circular_variance, diversity_loss, mmd_loss


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_diversity_by_hand() -> None:
    # Lengths do not count. Angles of 90, 180 and 90 degrees: squared distances 2, 4, 2.
    slots = torch.tensor([[[3.0, 0.0], [0.0, 0.5], [-1.0, 0.0]]])
    assert float(diversity_loss(slots)) == pytest.approx((2 * exp(-4) + exp(-8)) / 3)
    assert float(diversity_loss(torch.ones(2, 4, 3))) == pytest.approx(1)


def test_diversity_by_loops_and_finite_differences() -> None:
    slots = normal(3, 4, 5)
    unit, total = F.normalize(slots, dim=-1), 0.0
    for item in unit:
        pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
        total += sum(exp(-2 * float((item[a] - item[b]).square().sum())) for a, b in pairs) / len(pairs)
    assert float(diversity_loss(slots)) == pytest.approx(total / 3)
    assert torch.autograd.gradcheck(diversity_loss, (slots.requires_grad_(),))


def test_one_slot_costs_nothing_and_has_a_gradient_of_zero() -> None:
    slots = normal(3, 1, 5).requires_grad_()
    loss = diversity_loss(slots)
    loss.backward()
    assert loss == 0
    assert slots.grad is not None
    assert (slots.grad == 0).all()


def test_a_step_down_the_diversity_loss_spreads_the_set() -> None:
    slots = (torch.ones(5, 4, 6) + 0.1 * normal(5, 4, 6).float()).requires_grad_()
    before = circular_variance(F.normalize(slots, dim=-1)).detach()
    diversity_loss(slots).backward()
    assert slots.grad is not None
    after = circular_variance(F.normalize(slots - 10 * slots.grad, dim=-1)).detach()
    assert (after > before).all()


def test_circular_variance() -> None:
    sets = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    torch.testing.assert_close(circular_variance(sets), torch.tensor([0.0, 1.0, 1 - 0.5**0.5]))
    random = circular_variance(F.normalize(normal(50, 4, 3), dim=-1))
    assert random.min() >= 0
    assert random.max() <= 1


def test_discrepancy_by_loops_and_finite_differences() -> None:
    a, b = normal(4, 3), normal(5, 3, seed=1)

    def mean(x: Tensor, y: Tensor) -> float:
        return sum(exp(-0.5 * float((p - q).norm())) for p in x for q in y) / (len(x) * len(y))

    assert float(mmd_loss(a, b)) == pytest.approx(mean(a, a) + mean(b, b) - 2 * mean(a, b))
    assert torch.autograd.gradcheck(mmd_loss, (a.requires_grad_(), b.requires_grad_()))


def test_discrepancy_is_0_for_one_cloud_and_grows_with_the_distance() -> None:
    a = normal(20, 3)
    assert float(mmd_loss(a, a.flip(0))) == pytest.approx(0, abs=1e-12)
    near, far = float(mmd_loss(a, a + 0.5)), float(mmd_loss(a, a + 2))
    assert 0 < near < far


def test_equal_vectors_have_a_finite_gradient() -> None:
    """The distance itself has an infinite slope where two vectors coincide."""
    a = torch.ones(3, 4, requires_grad=True)
    loss = mmd_loss(a, torch.zeros(2, 4))
    loss.backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()
    assert (a.grad > 0).all()  # towards the other cloud
