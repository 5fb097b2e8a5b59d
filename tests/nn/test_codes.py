"""Signs, shared labels and the pair likelihood against numbers worked by hand, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from xmr_lib.nn.codes import label_similarity, pair_likelihood, quantisation_error, sign_codes


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_a_code_never_holds_a_zero() -> None:
    outputs = torch.tensor([[0.0, -0.0, 1e-30, -1e-30, 5.0, -5.0]])
    assert sign_codes(outputs).tolist() == [[-1, -1, 1, -1, 1, -1]]
    assert set(torch.sign(outputs).unique().tolist()) == {-1, 0, 1}, "what sign_codes is there to avoid"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_codes_keep_the_type_and_pass_no_gradient(dtype: torch.dtype) -> None:
    outputs = drawn(3, 4).to(dtype).requires_grad_()
    codes = sign_codes(outputs)
    assert codes.dtype == dtype
    assert not codes.requires_grad


def test_similarity_is_sharing_at_least_one_label() -> None:
    a = torch.tensor([[1.0, 0, 0], [0, 1, 1], [0, 0, 0]])
    b = torch.tensor([[1.0, 1, 0], [0, 0, 1]])
    assert label_similarity(a, b).tolist() == [[1, 0], [1, 1], [0, 0]]
    assert torch.equal(label_similarity(a, b), label_similarity(b, a).T)
    assert label_similarity(a.double(), b.double()).dtype == torch.float64


def test_pair_likelihood_by_hand() -> None:
    # Theta = <f, g> / 2: (2, 0) . (1, 1) / 2 = 1;  (2, 0) . (0, 3) / 2 = 0;  (2, 0) . (-1, 0) / 2 = -1
    f, g = torch.tensor([[2.0, 0.0]]).double(), torch.tensor([[1.0, 1.0], [0.0, 3.0], [-1.0, 0.0]]).double()
    e = float(np.e)
    alike = pair_likelihood(f, g, torch.ones(1, 3).double())[0].tolist()
    assert alike == pytest.approx([np.log(1 + 1 / e), np.log(2), np.log(1 + e)])  # -log sigmoid(Theta)
    other = pair_likelihood(f, g, torch.zeros(1, 3).double())[0].tolist()
    assert other == pytest.approx([np.log(1 + e), np.log(2), np.log(1 + 1 / e)])  # -log (1 - sigmoid(Theta))


def test_pair_likelihood_is_the_cross_entropy_of_theta() -> None:
    f, g = drawn(5, 3), drawn(7, 3, seed=1)
    similarity = torch.from_numpy(np.random.default_rng(2).integers(0, 2, (5, 7)).astype(float))
    reference = torch.nn.functional.binary_cross_entropy_with_logits(f @ g.T / 2, similarity, reduction="none")
    torch.testing.assert_close(pair_likelihood(f, g, similarity), reference)


@pytest.mark.parametrize("theta", [200.0, -200.0])
def test_nothing_overflows_where_all_128_outputs_are_large(theta: float) -> None:
    f = torch.full((1, 128), 200 * 2 / 128, requires_grad=True)  # float32
    g = torch.full((2, 128), float(np.sign(theta)))
    loss = pair_likelihood(f, g, torch.tensor([[1.0, 0.0]]))
    expected = [0.0, 200.0] if theta > 0 else [200.0, 0.0]
    assert loss[0].tolist() == pytest.approx(expected)
    assert not torch.isfinite(torch.log(1 + torch.exp(torch.tensor(200.0)))), "the direct formula does overflow"
    loss.sum().backward()
    assert f.grad is not None
    assert torch.isfinite(f.grad).all()


def test_gradients_equal_finite_differences() -> None:
    similarity = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]).double()
    f, g = drawn(2, 4).requires_grad_(), drawn(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda f, g: pair_likelihood(f, g, similarity), (f, g))
    assert torch.autograd.gradcheck(quantisation_error, (f,))


def test_gradient_of_the_likelihood_by_hand() -> None:
    """d/df = (sigmoid(Theta) - S) g / 2: a similar pair is pulled, by less the nearer it is."""
    f, g = drawn(1, 3).requires_grad_(), drawn(1, 3, seed=1)
    pair_likelihood(f, g, torch.ones(1, 1).double()).sum().backward()
    torch.testing.assert_close(f.grad, (torch.sigmoid(f.detach() @ g.T / 2) - 1) * g / 2)


def test_quantisation_error_by_hand() -> None:
    assert quantisation_error(torch.tensor([[1.0, -1.0]])).item() == 0
    assert quantisation_error(torch.tensor([[0.0, 3.0]])).item() == pytest.approx((1 + 4) / 2)  # sgn(0) = -1
