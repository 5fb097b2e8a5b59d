"""InfoNCE: by hand, against torch's cross-entropy, and with several captions of an image."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput
from xmr_lib.nn.contrastive import Temperature, pair_losses, same_instance, symmetric_info_nce


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_by_hand() -> None:
    # Row 0: right 2, wrong 0 -> log(1 + e^-2); row 1: right 0, wrong 1 -> log(1 + e).
    logits = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    right = torch.eye(2, dtype=torch.bool)
    i2t = [math.log(1 + math.exp(-2)), math.log(1 + math.e)]
    torch.testing.assert_close(pair_losses(logits, right), torch.tensor(i2t))
    # Columns: right 2, wrong 1; right 0, wrong 0.
    t2i = [math.log(1 + math.exp(-1)), math.log(2)]
    assert float(symmetric_info_nce(logits, right)) == pytest.approx((sum(i2t) / 2 + sum(t2i) / 2) / 2)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_one_partner_each_is_cross_entropy(smoothing: float) -> None:
    logits, target = normal(6, 6), torch.arange(6)
    right = torch.eye(6, dtype=torch.bool)
    expected = F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(pair_losses(logits, right, smoothing), expected)
    both = F.cross_entropy(logits, target, label_smoothing=smoothing)
    both = (both + F.cross_entropy(logits.T, target, label_smoothing=smoothing)) / 2
    torch.testing.assert_close(symmetric_info_nce(logits, right, smoothing), both)


def test_other_captions_of_the_image_are_no_negatives() -> None:
    right = same_instance(torch.tensor([0, 1]), torch.tensor([0, 0, 1, 1]))
    assert right.tolist() == [[True, True, False, False], [False, False, True, True]]
    logits = normal(2, 4)
    before = pair_losses(logits, right)[0]  # image 0 with its first caption
    other = logits.clone()
    other[0, 1] += 50  # its second caption comes very close
    assert pair_losses(other, right)[0] == before
    by_hand = torch.log(1 + (logits[0, 2:] - logits[0, 0]).exp().sum())
    torch.testing.assert_close(before, by_hand)
    # Released code that multiplies the masked logits by 0 keeps a negative of weight exp(0) = 1.
    assert torch.log(2 + (logits[0, 2:] - logits[0, 0]).exp().sum()) > before


def test_gradients() -> None:
    logits = normal(4, 8).requires_grad_()
    right = same_instance(torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 1, 1, 2, 2, 0, 0]))
    for smoothing in (0.0, 0.2):
        assert torch.autograd.gradcheck(lambda x, s=smoothing: symmetric_info_nce(x, right, s), (logits,))
    (gradient,) = torch.autograd.grad(pair_losses(logits, right).sum(), logits)
    torch.testing.assert_close(gradient.sum(1), torch.zeros(4, dtype=torch.float64))  # only differences count


def test_a_batch_without_negatives_costs_nothing() -> None:
    everything = torch.ones(2, 3, dtype=torch.bool)
    logits = normal(2, 3).requires_grad_()
    loss = symmetric_info_nce(logits, everything)
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_loss_at_the_start_is_log_b() -> None:
    image, text = (F.normalize(normal(64, 512, seed=seed), dim=1) for seed in (0, 1))
    loss = symmetric_info_nce(1.0 * image @ text.T, torch.eye(64, dtype=torch.bool))
    assert float(loss) == pytest.approx(math.log(64), abs=0.01)


def test_floor_of_smoothing() -> None:
    # With smoothing e and B candidates no loss is below the entropy of the smoothed target.
    e, b = 0.1, 8
    right = torch.eye(b, dtype=torch.bool)
    hit, miss = 1 - e + e / b, e / b
    floor = -(hit * math.log(hit) + (b - 1) * miss * math.log(miss))
    best = torch.full((b, b), math.log(miss), dtype=torch.float64)
    best.fill_diagonal_(math.log(hit))
    assert float(symmetric_info_nce(best, right, e)) == pytest.approx(floor)
    assert float(symmetric_info_nce(100 * torch.eye(b, dtype=torch.float64), right, e)) > floor


def test_temperature() -> None:
    tau = Temperature(0.07)
    assert float(tau()) == pytest.approx(1 / 0.07)
    tau.log_scale.data += 10
    assert float(tau()) == pytest.approx(100, rel=1e-5)
    tau().backward()
    assert tau.log_scale.grad is not None
    assert float(tau.log_scale.grad) == pytest.approx(100, rel=1e-5)  # not stuck at the clamp
    assert not Temperature(1.0, learnable=False).log_scale.requires_grad
    with pytest.raises(InvalidInput, match="must be positive"):
        Temperature(0.0)
