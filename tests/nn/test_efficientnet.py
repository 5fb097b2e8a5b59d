"""EfficientNet: sizes against torchvision, one block by hand, stochastic depth, gradients. (Values against
transformers: ``tests/methods/test_hub.py``.)"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torchvision.models import efficientnet_b0, efficientnet_b4, efficientnet_b7

from xmr_lib.nn.efficientnet import B0, EfficientNet, Gate, InvertedBottleneck, rounded
from xmr_lib.nn.towers import image_tower

SMALL: dict[str, Any] = {"stages": [[3, 1, 1, 16, 1], [5, 2, 4, 24, 2]], "width_factor": 0.5, "depth_factor": 1}


def size(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(
    ("reference", "width", "depth"), [(efficientnet_b0, 1, 1), (efficientnet_b4, 1.4, 1.8), (efficientnet_b7, 2, 3.1)]
)
def test_as_many_weights_as_torchvision(reference: Any, width: float, depth: float) -> None:
    with torch.device("meta"):
        ours, theirs = EfficientNet(64, width, depth), reference().features[:-1]  # the last is the classifier's layer
    assert [size(block) for block in ours.blocks] == [size(block) for stage in theirs[1:] for block in stage]
    assert size(ours.stem) == size(theirs[0])
    assert ours.width == theirs[-1][-1].out_channels


def test_tower() -> None:
    tower = image_tower({"kind": "efficientnet", "size": 40, **SMALL}).eval()
    pixels = torch.randint(0, 256, (3, 3, 40, 40), dtype=torch.uint8)
    tokens, mask, pooled = tower(pixels)
    assert tokens.shape == (3, 10 * 10, tower.width)
    assert mask.shape == (3, 100)
    assert mask.all()
    torch.testing.assert_close(pooled, tokens.mean(1))
    assert len(B0) == 7


def test_odd_sizes_pad_both_sides() -> None:
    """Stride 2 on 5 pixels: 3 outputs with padding on both sides, 2 without; on 4 pixels always 2."""
    for side, odd, out in ((5, True, 3), (5, False, 2), (4, True, 2), (4, False, 2)):
        block = InvertedBottleneck(2, 2, 3, 1, 2, odd, 0.25, False, 0.0)
        assert block(torch.randn(2, 2, side, side)).shape == (2, 2, out, out)


def test_gate_by_hand() -> None:
    """Means 1 and 3; reduce to 1 + 3 - 4 = 0; silu(0) = 0; expand gives the biases 0 and ln 3: gates 1/2 and 3/4."""
    gate = Gate(2, 1)
    with torch.no_grad():
        gate.reduce.weight.fill_(1.0)
        gate.reduce.bias.fill_(-4.0)
        gate.expand.bias.copy_(torch.tensor([0.0, math.log(3)]))
    x = torch.tensor([[[[0.0, 2.0]], [[3.0, 3.0]]]])  # (1, 2, 1, 2)
    torch.testing.assert_close(gate(x), torch.tensor([[[[0.0, 1.0]], [[2.25, 2.25]]]]))


def test_block_adds_its_input_only_when_told() -> None:
    torch.manual_seed(0)
    block = InvertedBottleneck(4, 4, 3, 2, 1, False, 0.25, True, 0.0).eval()
    x = torch.randn(2, 4, 5, 5)
    with_input = block(x)
    block.residual = False
    torch.testing.assert_close(with_input - x, block(x))


def test_stochastic_depth_skips_whole_images_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    block = InvertedBottleneck(4, 4, 3, 2, 1, False, 0.25, True, 0.5)
    x = torch.randn(1, 4, 5, 5).expand(4000, 4, 5, 5)
    branch = block.train()(x) - x
    skipped = (branch == 0).flatten(1).all(1)
    assert ((branch != 0).flatten(1).any(1) == ~skipped).all()
    assert float(skipped.float().mean()) == pytest.approx(0.5, abs=0.03)
    block.skip = 0.0
    torch.testing.assert_close(branch.mean(0), (block(x) - x).mean(0), atol=0.1, rtol=0)
    block.skip = 0.5
    torch.testing.assert_close(block.eval()(x[:2]), block(x[:2]))


def test_drop_grows_with_depth() -> None:
    tower = EfficientNet(64, 1, 1, drop=0.16)
    assert [block.skip for block in tower.blocks] == pytest.approx([0.01 * i for i in range(16)])


def test_gradients_are_finite_differences() -> None:
    torch.manual_seed(0)
    block = InvertedBottleneck(2, 2, 3, 2, 1, False, 0.5, True, 0.0).double().train()
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x,), atol=1e-6)


@pytest.mark.parametrize(("channels", "expected"), [(32, 32), (35.2, 32), (11, 16), (3, 8), (32 * 1.4, 48), (640, 640)])
def test_rounded(channels: float, expected: int) -> None:
    assert rounded(channels) == expected
    assert rounded(channels) >= 0.9 * channels
