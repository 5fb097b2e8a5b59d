"""Forward the identity, backward the reversed gradient; and the strength that grows."""

from __future__ import annotations

import pytest
import torch

from xmr_lib.nn import reversal_strength, reverse_gradient


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 2.0])
def test_value_and_gradient(strength: float) -> None:
    x = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = reverse_gradient(x, strength)
    assert torch.equal(y, x)
    (plain,) = torch.autograd.grad(x.pow(3).sum(), x)
    (reversed_,) = torch.autograd.grad(y.pow(3).sum(), x)
    torch.testing.assert_close(reversed_, -strength * plain)


def test_one_backward_pass_serves_two_players() -> None:
    """The discriminator's gradient is its own; the encoder's is that of the opposite loss."""
    x = torch.tensor([2.0])
    encoder, discriminator = torch.tensor([3.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)
    (reverse_gradient(encoder * x) * discriminator).sum().backward()
    assert discriminator.grad.tolist() == [6.0]  # encoder * x
    assert encoder.grad.tolist() == [-10.0]  # - x * discriminator


def test_strength() -> None:
    values = [reversal_strength(p / 20) for p in range(21)]
    assert values[0] == 0
    assert values[-1] == pytest.approx(0.99990920, abs=1e-8)
    assert values == sorted(values)
    assert reversal_strength(0.5, steepness=2.0) == pytest.approx(torch.tensor(0.5).tanh().item())  # tanh(s p / 2)
