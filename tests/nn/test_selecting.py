"""The selecting hash layer: two softmax probabilities per bit, and what their distances are."""

from __future__ import annotations

import torch

from xmr_lib.nn import squared_distances
from xmr_lib.nn.codes import sign_codes
from xmr_lib.nn.selecting import SelectingHash, both_values, certainty


def layer(weights: list[list[float]], bias: list[float]) -> SelectingHash:
    made = SelectingHash(len(weights[0]), len(weights) // 2).double()
    made.scores.weight.data, made.scores.bias.data = torch.tensor(weights).double(), torch.tensor(bias).double()
    return made


def test_outputs_by_hand() -> None:
    """Scores of one bit: 0 and log 3, so p = (1/4, 3/4) and the output is 1/2."""
    one_bit = layer([[0.0], [0.0]], [0.0, torch.tensor(3.0).log().item()])
    torch.testing.assert_close(one_bit(torch.zeros(1, 1).double()), torch.tensor([[0.5]]).double())


def test_the_sign_is_the_argmax() -> None:
    torch.manual_seed(0)
    select, x = SelectingHash(6, 5), torch.randn(40, 6)
    scores = select.scores(x).unflatten(1, (5, 2))  # two scores of a bit are neighbours
    assert torch.equal(sign_codes(select(x)), 2.0 * scores.argmax(2) - 1)


def test_it_is_tanh_of_half_the_difference() -> None:
    torch.manual_seed(0)
    select, x = SelectingHash(6, 5), torch.randn(40, 6)
    scores = select.scores(x).unflatten(1, (5, 2))
    torch.testing.assert_close(select(x), torch.tanh((scores[..., 1] - scores[..., 0]) / 2))


def test_both_values_are_the_probabilities() -> None:
    torch.manual_seed(0)
    select, x = SelectingHash(6, 5), torch.randn(3, 6)
    p = select.scores(x).unflatten(1, (5, 2)).softmax(2)
    torch.testing.assert_close(both_values(select(x)), torch.cat([p[..., 1], p[..., 0]], dim=1))


def test_distances_of_codes_are_twice_the_hamming_distance() -> None:
    a = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]])
    u = both_values(a)
    assert squared_distances(u, u).tolist() == [[0, 4], [4, 0]]


def test_certainty_has_its_limits() -> None:
    assert certainty(torch.zeros(3, 4)).item() == 0.5
    assert certainty(torch.tensor([[1.0, -1.0]])).item() == 1


def test_gradients_agree_with_finite_differences() -> None:
    torch.manual_seed(0)
    select, x = SelectingHash(4, 3).double(), torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda rows: both_values(select(rows)), (x,))
