"""Slot attention: shares and weights, padding, order, iterations, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput
from xmr_lib.nn.slots import SlotAttention, sine_places, slot_shares, slot_weights


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def attention(slots: int = 3, iterations: int = 2, seed: int = 0) -> SlotAttention:
    torch.manual_seed(seed)
    return SlotAttention(width=6, dim=8, slots=slots, iterations=iterations, heads=2, head_width=4, ratio=2)


TOKENS = normal(4, 5, 6)
MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4, [True] * 4 + [False]])


def test_columns_of_the_shares_and_rows_of_the_weights_sum_to_1() -> None:
    shares = slot_shares(normal(2, 3, 4, 5), MASK[:2, None, None, :])  # (b, h, K, t)
    torch.testing.assert_close(shares.sum(-2), MASK[:2, None, :].expand(2, 3, 5).float())
    torch.testing.assert_close(slot_weights(shares).sum(-1), torch.ones(2, 3, 4))


def test_shares_by_hand() -> None:
    scores = torch.tensor([[0.0, 0.0, 7.0], [torch.log(torch.tensor(3.0)), 0.0, -9.0]])  # K = 2, t = 3
    shares = slot_shares(scores, torch.tensor([True, True, False]))
    torch.testing.assert_close(shares, torch.tensor([[0.25, 0.5, 0], [0.75, 0.5, 0]]))
    expected = torch.tensor([[1 / 3, 2 / 3, 0], [0.6, 0.4, 0]])
    torch.testing.assert_close(slot_weights(shares), expected, atol=1e-6, rtol=0)


def test_maps_of_the_module() -> None:
    seen = attention().look(TOKENS, MASK)
    assert seen.slots.shape == (4, 3, 8)
    assert seen.shares.shape == seen.weights.shape == (4, 3, 5)
    torch.testing.assert_close(seen.shares.sum(1), MASK.float())
    torch.testing.assert_close(seen.weights.sum(2), torch.ones(4, 3))
    assert (seen.weights[~MASK[:, None, :].expand(-1, 3, -1)] == 0).all()
    assert torch.equal(attention()(TOKENS, MASK), seen.slots)


def test_padding_does_not_matter() -> None:
    """Other values at the padding: identical to the last bit. More padding: equal up to the order of the sums."""
    module, changed = attention(), TOKENS.masked_fill(~MASK[..., None], 1e3)
    assert torch.equal(module(TOKENS, MASK), module(changed, MASK))
    longer, mask = torch.cat([TOKENS, normal(4, 7, 6, seed=1)], 1), torch.cat([MASK, torch.zeros(4, 7).bool()], 1)
    torch.testing.assert_close(module(longer, mask), module(TOKENS, MASK), atol=1e-6, rtol=0)
    torch.testing.assert_close(module(TOKENS[1:2, :3]), module(TOKENS, MASK)[1:2], atol=1e-6, rtol=0)


def test_a_row_without_tokens_is_finite() -> None:
    tokens = TOKENS.clone().requires_grad_()
    slots = attention()(tokens, torch.zeros(4, 5).bool())
    slots.sum().backward()
    assert torch.isfinite(slots).all()
    assert tokens.grad is not None
    assert (tokens.grad == 0).all()


def test_the_order_of_the_tokens_does_not_matter_and_that_of_the_slots_goes_through() -> None:
    module, order = attention(), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(module(TOKENS[:, order], MASK[:, order]), module(TOKENS, MASK), atol=1e-6, rtol=0)
    other = attention()
    with torch.no_grad():
        other.start.copy_(module.start[[2, 0, 1]])
    torch.testing.assert_close(other(TOKENS), module(TOKENS)[:, [2, 0, 1]], atol=1e-6, rtol=0)


def test_places() -> None:
    """With places the order of the tokens counts; the vectors of two places differ, and of far ones too."""
    places = sine_places(40, 6)
    assert places.shape == (40, 6)
    assert torch.cdist(places, places).add(torch.eye(40)).min() > 0.1
    assert (sine_places(3, 5)[:, 4] == 0).all()
    torch.manual_seed(0)
    module, order = SlotAttention(6, 8, heads=2, head_width=4, places=True), torch.tensor([3, 1, 4, 0, 2])
    assert (module(TOKENS[:, order]) - module(TOKENS)).abs().max() > 1e-3


def test_slots_compete() -> None:
    """In ordinary attention a slot's weights do not depend on the other slots; here they do."""
    module = attention()
    before = module.look(TOKENS).weights[:, 0]
    with torch.no_grad():
        module.start[1:] = normal(2, 8, seed=5)
    assert (module.look(TOKENS).weights[:, 0] - before).abs().max() > 1e-3


def test_one_slot_reads_the_mean() -> None:
    seen = attention(slots=1).look(TOKENS, MASK)
    torch.testing.assert_close(seen.weights[:, 0], MASK / MASK.sum(1, keepdim=True), atol=1e-6, rtol=0)


def test_iterations_share_their_weights() -> None:
    one, three = attention(iterations=1), attention(iterations=3)
    assert [p.shape for p in one.parameters()] == [p.shape for p in three.parameters()]
    assert not torch.allclose(one(TOKENS), three(TOKENS))
    # Two iterations by hand: start again from what one iteration gives before the last norm.
    two, first, second = attention(iterations=2), attention(iterations=1), attention(iterations=1)
    first.norm = nn.Identity()  # type: ignore[assignment]
    for item, start in enumerate(first(TOKENS).detach()):
        second.start.data = start
        torch.testing.assert_close(second(TOKENS[[item]]), two(TOKENS[[item]]), atol=1e-6, rtol=0)


def test_all_weights_learn() -> None:
    module = attention()
    (module(TOKENS, MASK) * normal(4, 3, 8, seed=2)).sum().backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 1e-5, name  # more than rounding


def test_finite_differences() -> None:
    module, tokens = attention().double(), TOKENS.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: module(x, MASK), (tokens,))


@pytest.mark.parametrize("change", [{"slots": 0}, {"iterations": 0}, {"heads": 0}, {"head_width": 0}])
def test_numbers_that_make_no_slots(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="at least 1"):
        SlotAttention(width=6, dim=8, **change)


@pytest.mark.parametrize("shape", [(4, 5, 7), (5, 6)])
def test_tokens_of_another_width(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"\(b, t, 6\)"):
        attention()(torch.zeros(shape))
