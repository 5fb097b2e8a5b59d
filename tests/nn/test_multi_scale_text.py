"""The multi-scale text block: windows by hand, the parts side by side."""

from __future__ import annotations

import pytest
import torch

from xmr_lib.errors import InvalidInput
from xmr_lib.nn.multi_scale_text import WINDOWS, MultiScaleText, window_means


def test_window_means_by_loops() -> None:
    x = torch.rand(3, 23, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for window in (1, 2, 5, 23, 50):
        expected = x.clone()
        for start in range(0, 23, window):
            part = x[:, start : start + window]
            expected[:, start : start + window] = part.mean(dim=1, keepdim=True)
        assert torch.allclose(window_means(x, window), expected)


def test_the_block_by_hand() -> None:
    block = MultiScaleText((2, 4))
    with torch.no_grad():
        block.weight.copy_(torch.tensor([1.0, -1.0]))
        block.bias.copy_(torch.tensor([0.5, 1.0]))
    x = torch.tensor([[0.0, 2.0, 4.0, 0.0, 1.0]])
    raw, two, four = [0, 2, 4, 0, 1], [1.5, 1.5, 2.5, 2.5, 1.5], [0, 0, 0, 0, 0]  # 1 - 1.5 < 0, 1 - 1 = 0
    assert block(x).tolist() == [[*raw, *two, *four]]
    assert block.width(5) == 15


def test_finite_differences() -> None:
    block = MultiScaleText((3, 2)).double()
    x = torch.rand(2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(block, (x,))
    assert sum(p.numel() for p in MultiScaleText().parameters()) == 2 * len(WINDOWS)


@pytest.mark.parametrize("windows", [(), (5, 0)])
def test_windows_of_one_word_or_more(windows: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="windows of 1 word or more"):
        MultiScaleText(windows)
