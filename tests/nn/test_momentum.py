"""Momentum copies and paired queues: the average by hand, slots that stay paired, keys without gradient."""

from __future__ import annotations

import copy
from math import log

import pytest
import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput
from xmr_lib.nn.batch_norm import BatchNorm
from xmr_lib.nn.momentum import EMPTY, MomentumCopy, PairedQueue, key_logits, symmetric_kl


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# --- the copy -------------------------------------------------------------------------------------------------------


def test_average_by_hand() -> None:
    source = nn.Linear(1, 1, bias=False)
    slow = MomentumCopy(copy.deepcopy(source))
    nn.init.constant_(source.weight, 8.0)
    slow.copy_from(source)
    for weight, expected in ((0.0, 6.0), (4.0, 5.5), (5.5, 5.5)):  # 3/4 * 8 + 1/4 * 0; 3/4 * 6 + 1/4 * 4; no move
        nn.init.constant_(source.weight, weight)
        slow.update(source, 0.75)
        assert float(slow.network.weight) == expected


def test_weights_of_the_past_count_as_the_docstring_says() -> None:
    source, m = nn.Linear(1, 1, bias=False), 0.9
    slow = MomentumCopy(copy.deepcopy(source))
    nn.init.zeros_(slow.network.weight)
    past = [3.0, -1.0, 2.0, 5.0]
    for weight in past:
        nn.init.constant_(source.weight, weight)
        slow.update(source, m)
    expected = sum((1 - m) * m**t * weight for t, weight in enumerate(reversed(past)))
    assert float(slow.network.weight) == pytest.approx(expected, abs=1e-6)


def test_a_source_may_hold_more_than_the_copy() -> None:
    source = nn.ModuleDict({"tower": nn.Linear(2, 2), "head": nn.Linear(2, 3)})
    slow = MomentumCopy(nn.ModuleDict({"tower": nn.Linear(2, 2)}))
    slow.copy_from(source)
    assert torch.equal(slow.network["tower"].weight, source["tower"].weight)


def test_batch_norm_of_the_copy_averages_statistics_and_never_looks_at_the_batch() -> None:
    source = nn.Sequential(BatchNorm(2))
    slow = MomentumCopy(copy.deepcopy(source))
    source.train()
    slow.train()  # asked for, not done
    assert not slow.network[0].training
    source(3 + torch.rand(4, 2, 5, 5))
    slow.update(source, 0.5)
    torch.testing.assert_close(slow.network[0].running_mean, source[0].running_mean / 2)
    assert int(slow.network[0].num_batches_tracked) == 1  # a counter is copied

    pictures = torch.rand(4, 2, 5, 5)
    torch.testing.assert_close(slow.network(pictures)[:1], slow.network(pictures[:1]))
    assert not torch.allclose(source(pictures)[:1], source(pictures[:1]))  # in training the batch shows through


def test_the_copy_gets_no_gradient() -> None:
    slow = MomentumCopy(nn.Linear(2, 2))
    assert not any(p.requires_grad for p in slow.parameters())


# --- the queue ------------------------------------------------------------------------------------------------------


def keys(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None]


def test_slots_stay_paired_around_the_end() -> None:
    queue = PairedQueue(5, 1)
    for first in (1, 4, 7):  # 3 pairs each: the third wraps around
        numbers = range(first, first + 3)
        queue.enqueue(keys(*numbers), -keys(*numbers), torch.tensor(list(numbers)))
        assert torch.equal(queue.image, -queue.text)
        filled = queue.instance != EMPTY
        assert torch.equal(queue.image[filled, 0].long(), queue.instance[filled])
    assert queue.instance.tolist() == [6, 7, 8, 9, 5]
    assert int(queue.pointer) == 4


def test_more_keys_than_slots_leave_the_last_ones() -> None:
    queue = PairedQueue(3, 1)
    queue.enqueue(keys(0, 1, 2, 3, 4), keys(0, 1, 2, 3, 4), torch.arange(5))
    assert sorted(queue.instance.tolist()) == [2, 3, 4]


def test_empty_slots_and_slots_of_the_same_thing_are_no_negatives() -> None:
    queue = PairedQueue(4, 1)
    assert len(queue) == 4
    assert not queue.negatives(torch.tensor([0, 7])).any()
    queue.enqueue(keys(1, 2, 3), keys(1, 2, 3), torch.tensor([7, 0, 7]))
    expected = [[True, False, True, False], [False, True, False, False], [True, True, True, False]]
    assert queue.negatives(torch.tensor([0, 7, 5])).tolist() == expected


def test_a_queue_is_part_of_the_state() -> None:
    queue, other = PairedQueue(3, 2), PairedQueue(3, 2)
    queue.enqueue(torch.ones(2, 2), torch.ones(2, 2), torch.tensor([4, 5]))
    other.load_state_dict(queue.state_dict())
    assert other.instance.tolist() == [4, 5, EMPTY]
    assert int(other.pointer) == 2


def test_unpaired_keys_are_refused() -> None:
    with pytest.raises(InvalidInput, match="2 image keys, 3 text keys and 2 instance numbers"):
        PairedQueue(4, 1).enqueue(keys(1, 2), keys(1, 2, 3), torch.arange(2))
    with pytest.raises(InvalidInput, match="size of the queue"):
        PairedQueue(0, 1)


# --- losses over the queue ------------------------------------------------------------------------------------------


def test_logits_by_hand() -> None:
    query, own = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 1.0], [1.0, 1.0]])
    queue, negatives = torch.tensor([[1.0, 1.0], [-1.0, 0.5]]), torch.tensor([[True, True], [False, True]])
    logits = key_logits(query, own, queue, negatives, 10.0)
    assert logits.tolist() == [[30.0, 10.0, -10.0], [20.0, -torch.inf, 10.0]]


def test_no_gradient_flows_into_keys_and_the_queue_may_move_on_before_the_backward_pass() -> None:
    query, own = normal(3, 4).requires_grad_(), normal(3, 4, seed=1).requires_grad_()
    queue = PairedQueue(6, 4).double()
    queue.enqueue(normal(6, 4, seed=2), normal(6, 4, seed=3), torch.arange(6))
    negatives = queue.negatives(torch.tensor([0, 1, 9]))
    before = queue.text.clone()
    loss = nn.functional.cross_entropy(
        key_logits(query, own, queue.text, negatives, 2.0), torch.zeros(3, dtype=torch.long)
    )
    queue.enqueue(normal(6, 4, seed=4), normal(6, 4, seed=5), torch.arange(6))
    loss.backward()
    assert own.grad is None
    assert torch.autograd.gradcheck(lambda q: key_logits(q, own, before, negatives, 2.0).softmax(1), (query,))


def test_symmetric_kl_by_hand_and_by_torch() -> None:
    a, b = torch.tensor([[3.0, 1.0]]).log(), torch.tensor([[1.0, 3.0]]).log()
    assert float(symmetric_kl(a, b)) == pytest.approx(3 / 4 * log(3) - 1 / 4 * log(3))
    x, y = normal(5, 7), normal(5, 7, seed=1)
    kl = nn.KLDivLoss(reduction="none", log_target=True)
    p, q = x.log_softmax(1), y.log_softmax(1)
    torch.testing.assert_close(symmetric_kl(x, y), (kl(q, p).sum(1) + kl(p, q).sum(1)) / 2)


def test_symmetric_kl_is_symmetric_and_zero_for_equal_distributions_only() -> None:
    x, y = normal(5, 7), normal(5, 7, seed=1)
    torch.testing.assert_close(symmetric_kl(x, y), symmetric_kl(y, x))
    torch.testing.assert_close(symmetric_kl(x, x + 3), torch.zeros(5, dtype=torch.float64))  # the same after softmax
    assert (symmetric_kl(x, y) > 0).all()


def test_symmetric_kl_with_candidates_ruled_out() -> None:
    x, y = normal(4, 5), normal(4, 5, seed=1)
    out = torch.tensor([False, True, False, False, True])
    expected = symmetric_kl(x[:, ~out], y[:, ~out])

    def masked(a: Tensor, b: Tensor) -> Tensor:
        return symmetric_kl(a.masked_fill(out, -torch.inf), b.masked_fill(out, -torch.inf))

    torch.testing.assert_close(masked(x, y), expected)
    assert torch.autograd.gradcheck(masked, (x.requires_grad_(), y.requires_grad_()))
    only = torch.tensor([[1.0, -torch.inf]])
    assert float(symmetric_kl(only, only)) == 0  # an empty queue: nothing to disagree about
