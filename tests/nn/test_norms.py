"""The two forms of "mean norm": by hand, their ratio, and the gradient at zero."""

from __future__ import annotations

import pytest
import torch

from xmr_lib.errors import UnknownName
from xmr_lib.nn.norms import mean_norm

X = torch.tensor([[3.0, 4.0], [0.0, 12.0]], dtype=torch.float64)


def test_by_hand() -> None:
    assert mean_norm(X).item() == pytest.approx((5 + 12) / 2)
    assert mean_norm(X, "batch").item() == pytest.approx(13 / 2)


def test_equal_rows_differ_by_the_root_of_their_number() -> None:
    x = torch.ones(9, 4, dtype=torch.float64)
    assert (mean_norm(x) / mean_norm(x, "batch")).item() == pytest.approx(3.0)


@pytest.mark.parametrize("norms", ["sample", "batch"])
def test_the_gradient_agrees_with_finite_differences_and_is_zero_at_zero(norms: str) -> None:
    assert torch.autograd.gradcheck(lambda x: mean_norm(x, norms), X.clone().requires_grad_())
    zero = torch.zeros(3, 2, requires_grad=True)
    mean_norm(zero, norms).backward()
    assert zero.grad is not None
    assert (zero.grad == 0).all()


def test_another_form_is_refused() -> None:
    with pytest.raises(UnknownName, match="batch, sample"):
        mean_norm(X, "sum")
