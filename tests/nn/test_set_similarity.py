"""Similarities of sets: by hand, by loops, their bounds, and who gets the gradient."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.nn.set_similarity import (
    KINDS,
    average,
    chamfer,
    chunked_set_similarity,
    mil,
    set_cosines,
    set_similarity,
    smooth_chamfer,
)

C = torch.tensor([[0.8, 0.2], [0.6, 0.0]], dtype=torch.float64)


def sets(n: int, k: int, d: int = 6, seed: int = 0) -> Tensor:
    x = torch.randn(n, k, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return F.normalize(x, dim=-1)


def gradient(kind: str, cosines: Tensor) -> Tensor:
    cosines = cosines.clone().requires_grad_()
    set_similarity(cosines, kind).sum().backward()
    assert cosines.grad is not None
    return cosines.grad


def test_cosines_are_those_of_every_pair_of_elements() -> None:
    a, b = sets(3, 2), sets(4, 5, seed=1)
    cosines = set_cosines(a, b)
    assert cosines.shape == (3, 4, 2, 5)
    assert float(cosines[2, 1, 0, 4]) == pytest.approx(float(a[2, 0] @ b[1, 4]))
    torch.testing.assert_close(cosines, torch.einsum("ikd,jld->ijkl", a, b))


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 2, 4), (3, 2, 5)), ((2, 3, 4), (3, 4))])
def test_single_vectors_and_two_spaces_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InvalidInput, match=r"\(n, K, d\)"):
        set_cosines(torch.zeros(shapes[0]), torch.zeros(shapes[1]))


def test_by_hand() -> None:
    assert float(average(C)) == pytest.approx(0.4)
    assert float(mil(C)) == 0.8
    assert float(chamfer(C)) == pytest.approx(((0.8 + 0.6) / 2 + (0.8 + 0.2) / 2) / 2)
    forth = (log(exp(1.6) + exp(0.4)) + log(exp(1.2) + exp(0.0))) / 2 / 2
    back = (log(exp(1.6) + exp(1.2)) + log(exp(0.4) + exp(0.0))) / 2 / 2
    assert float(smooth_chamfer(C, alpha=2.0)) == pytest.approx((forth + back) / 2)


def test_smooth_chamfer_by_loops_on_sets_of_two_sizes() -> None:
    a, b, alpha = sets(2, 3), sets(2, 4, seed=1), 16.0
    expected = torch.zeros(2, 2, dtype=torch.float64)
    for i in range(2):
        for j in range(2):
            forth = [log(sum(exp(alpha * float(x @ y)) for y in b[j])) for x in a[i]]
            back = [log(sum(exp(alpha * float(x @ y)) for x in a[i])) for y in b[j]]
            expected[i, j] = sum(forth) / (2 * alpha * 3) + sum(back) / (2 * alpha * 4)
    torch.testing.assert_close(smooth_chamfer(set_cosines(a, b), alpha), expected)


@pytest.mark.parametrize("alpha", [1.0, 16.0, 300.0])
@pytest.mark.parametrize("k", [1, 2, 4, 7])
def test_smooth_chamfer_lies_between_chamfer_and_chamfer_plus_log_k_over_alpha(alpha: float, k: int) -> None:
    cosines = set_cosines(sets(9, k), sets(8, k, seed=1))
    gap = smooth_chamfer(cosines, alpha) - chamfer(cosines)
    assert gap.min() >= -1e-12
    assert gap.max() <= log(k) / alpha + 1e-12


def test_smooth_chamfer_meets_both_bounds() -> None:
    alike, apart = torch.ones(4, 4, dtype=torch.float64), 2 * torch.eye(4, dtype=torch.float64) - 1
    assert float(smooth_chamfer(alike)) == pytest.approx(1 + log(4) / 16)  # all cosines equal: the upper bound
    assert float(smooth_chamfer(apart)) == pytest.approx(1, abs=1e-12)  # one good partner each: the lower
    torch.testing.assert_close(smooth_chamfer(C, alpha=1e4), chamfer(C), atol=1e-4, rtol=0)  # alpha -> infinity


@pytest.mark.parametrize("kind", KINDS)
def test_one_element_each_is_the_cosine(kind: str) -> None:
    a, b = sets(3, 1), sets(4, 1, seed=1)
    torch.testing.assert_close(set_similarity(set_cosines(a, b), kind), a[:, 0] @ b[:, 0].T)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_elements_and_of_the_two_sets_does_not_matter(kind: str) -> None:
    cosines = set_cosines(sets(3, 4), sets(5, 4, seed=1))
    expected = set_similarity(cosines, kind)
    torch.testing.assert_close(set_similarity(cosines[:, :, [2, 0, 3, 1]][..., [1, 3, 2, 0]], kind), expected)
    torch.testing.assert_close(set_similarity(cosines.transpose(-1, -2), kind), expected)


def test_who_gets_the_gradient() -> None:
    """The weights of the pairs sum to 1 in every similarity; only smooth Chamfer and the average reach all pairs."""
    cosines = set_cosines(sets(6, 4), sets(6, 4, seed=1))
    gradients = {kind: gradient(kind, cosines) for kind in KINDS}
    for kind, weights in gradients.items():
        torch.testing.assert_close(weights.sum((-1, -2)), torch.ones(6, 6, dtype=torch.float64), msg=kind)
    assert (gradients["smooth_chamfer"] > 0).all()
    assert ((gradients["mil"] > 0).sum((-1, -2)) == 1).all()
    assert (gradients["average"] == 1 / 16).all()
    reached = (gradients["chamfer"] > 0).sum((-1, -2))
    assert (reached >= 4).all()
    assert (reached <= 8).all()


def test_gradient_of_smooth_chamfer_is_a_softmax_both_ways() -> None:
    """Half of the weight from each side: softmax over the partners of x / 2K, plus the same for y."""
    expected = ((16 * C).softmax(-1) / 4 + (16 * C).softmax(-2) / 4)[None, None]
    torch.testing.assert_close(gradient("smooth_chamfer", C[None, None]), expected)


@pytest.mark.parametrize("kind", ["smooth_chamfer", "mil"])
def test_elements_that_learn(kind: str) -> None:
    a, b = sets(1, 4).requires_grad_(), sets(1, 4, seed=1)
    set_similarity(set_cosines(a, b), kind).sum().backward()
    assert a.grad is not None
    moved = (a.grad.abs().sum(-1) > 0).sum()
    assert int(moved) == {"smooth_chamfer": 4, "mil": 1}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences(kind: str) -> None:
    a, b = sets(2, 3).requires_grad_(), sets(3, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: set_similarity(set_cosines(x, y), kind), (a, b))


def test_sharp_alpha_does_not_overflow() -> None:
    cosines = set_cosines(sets(3, 4), sets(3, 4, seed=1)).float()
    assert torch.isfinite(smooth_chamfer(cosines, alpha=1e4)).all()  # exp(1e4) alone is infinite


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [1, 100, 2**22])
def test_chunked_is_the_same(kind: str, chunk: int) -> None:
    a, b = sets(5, 3), sets(11, 4, seed=1)
    expected = set_similarity(set_cosines(a, b), kind)
    torch.testing.assert_close(chunked_set_similarity(a, b, kind, chunk=chunk), expected)


def test_unknown_kind() -> None:
    with pytest.raises(UnknownName, match="smooth_chamfer"):
        set_similarity(C, "smooth-chamfer")
