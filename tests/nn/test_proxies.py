"""Proxy losses by hand and by finite differences; the margin against coding theory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from xmr_lib.errors import InvalidInput
from xmr_lib.nn.proxies import (
    KNOWN_DISTANCES,
    griesmer_distance,
    irrelevant_pair_loss,
    irrelevant_pairs,
    proxy_loss,
    proxy_margin,
)


def double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("bits", "margins"),
    [
        (16, [0, 0, 0, 0.25, 0.25]),
        (32, [-0.125, 0, 0, 0, 0.125]),
        (64, [-0.125, -0.03125, 0, 0, 0]),
        (128, [-0.125, -0.0625, 0, 0, 0]),
    ],
)
def test_margins_of_the_paper(bits: int, margins: list[float]) -> None:
    for q, margin in zip(range(3, 8), margins, strict=True):
        assert proxy_margin(bits, 2**q) == proxy_margin(bits, 2 ** (q - 1) + 1) == margin


def test_known_codes_do_not_break_griesmers_bound() -> None:
    """All but two of the linear codes of these sizes reach it."""
    below = {
        (bits, q): griesmer_distance(bits, q) - d
        for bits, row in KNOWN_DISTANCES.items()
        for q, d in row.items()
        if griesmer_distance(bits, q) != d
    }
    assert below == {(16, 6): 1, (32, 7): 1}


@pytest.mark.parametrize(("bits", "q"), [(3, 2), (4, 2), (5, 2), (6, 3), (7, 3)])
def test_griesmers_bound_is_the_best_linear_code_where_all_can_be_tried(bits: int, q: int) -> None:
    best = 0
    for rows in itertools.combinations(range(1, 2**bits), q):
        words = {0}
        for row in rows:
            words |= {word ^ row for word in words}
        if len(words) == 2**q:
            best = max(best, min(word.bit_count() for word in words if word))
    assert griesmer_distance(bits, q) == best


def test_the_margin_elsewhere() -> None:
    assert proxy_margin(64, 2) == -1  # a word and its complement
    assert proxy_margin(8, 80) == 0.5  # 128 words of even weight: distance 2
    assert proxy_margin(24, 20) == 0  # Griesmer: 12 + 6 + 3 + 2 + 1 = 24
    with pytest.raises(InvalidInput, match="at least 7 bits"):
        proxy_margin(6, 80)
    with pytest.raises(InvalidInput, match="n_classes"):
        proxy_margin(16, 0)


def test_proxy_loss_by_hand() -> None:
    proxies = double([2, 0], [0, 5])
    h = double([1, 0], [3, 4])  # cosines (1, 0) and (.6, .8)
    labels = double([1, 0], [1, 1])
    pull, push = (0 + 0.4 + 0.2) / 3, max(0.0, 0 - 0.5) / 1
    assert proxy_loss(h, proxies, labels, 0.5).item() == pytest.approx(pull + push)
    assert proxy_loss(h, proxies, labels, -0.5).item() == pytest.approx(pull + 0.5)
    none = proxy_loss(h, proxies, torch.ones(2, 2), 0.0).item()  # nothing to push away from
    assert none == pytest.approx((0 + 1 + 0.4 + 0.2) / 4)


def test_the_two_sums_have_their_own_counts() -> None:
    """Proxies that are far away already change the mean over the negatives, and nothing else."""
    h, labels = double([1, 0, 0]), double([1, 0])
    near, more = double([0, 1, 0], [1, 0, 0]), double([0, 1, 0], [1, 0, 0], [0, 0, 1])
    assert proxy_loss(h, near, labels, 0.0).item() == pytest.approx(1 + 1)
    assert proxy_loss(h, more, double([1, 0, 0]), 0.0).item() == pytest.approx(1 + 1 / 2)


def test_irrelevant_pairs_need_two_labels_on_both_sides() -> None:
    labels = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 1]])
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = True
    assert torch.equal(irrelevant_pairs(labels), expected)


def test_irrelevant_pair_loss_by_hand() -> None:
    labels = double([1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0])
    v, t = double([1, 0], [3, 4], [1, 0]), double([0, 1], [2, 0], [1, 0])
    # Z = {(0, 1), (1, 0)}: images .6 twice, texts 0 twice, image 0 to text 1: 1, image 1 to text 0: .8
    loss = irrelevant_pair_loss(v, t, labels, 0.1).item()
    assert loss == pytest.approx((0.5 + 0.5) / 2 + 0 + (0.9 + 0.7) / 2)


@pytest.mark.parametrize(
    "labels",
    [
        double([1, 0], [0, 1]),  # no item of several labels
        double([1, 1, 0], [0, 1, 1]),  # several labels, but all share one
    ],
)
def test_without_an_irrelevant_pair_the_term_is_zero(labels: Tensor) -> None:
    v = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    loss = irrelevant_pair_loss(v, v.detach(), labels, -1.0)
    loss.backward()
    assert loss.item() == 0
    assert v.grad is not None
    assert (v.grad == 0).all()


LABELS = double([1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 0, 0, 1])


@pytest.mark.parametrize(
    "loss",
    [
        lambda v, t, p: proxy_loss(v, p, LABELS, 0.1) + proxy_loss(t, p, LABELS, 0.1),
        lambda v, t, p: irrelevant_pair_loss(v, t, LABELS, -0.3),
    ],
)
def test_gradients_agree_with_finite_differences(loss: Callable[..., Tensor]) -> None:
    rng = torch.Generator().manual_seed(0)
    rows = [torch.randn(4, 5, dtype=torch.float64, generator=rng, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(loss, rows)


def test_losses_see_directions_only() -> None:
    rng = torch.Generator().manual_seed(0)
    v, t, p = (torch.randn(4, 5, dtype=torch.float64, generator=rng) for _ in range(3))
    assert math.isclose(proxy_loss(7 * v, 3 * p, LABELS, 0.0), proxy_loss(v, p, LABELS, 0.0))
    scaled = irrelevant_pair_loss(0.1 * v, 9 * t, LABELS, 0.0)
    assert math.isclose(scaled, irrelevant_pair_loss(v, t, LABELS, 0.0))


def test_a_row_of_zeros_has_a_finite_gradient() -> None:
    v = torch.zeros(4, 5, requires_grad=True)
    (
        proxy_loss(v, torch.randn(4, 5), LABELS.float(), 0.0) + irrelevant_pair_loss(v, v, LABELS.float(), -1.0)
    ).backward()
    assert v.grad is not None
    assert torch.isfinite(v.grad).all()
