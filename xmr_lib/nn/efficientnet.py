"""EfficientNet, ALIGN's image tower: depthwise convolutions between a widening and a narrowing, gated by channel.

M. Tan and Q. Le. "EfficientNet". ICML 2019; block: M. Sandler et al., CVPR 2018; gate: J. Hu et al., CVPR 2018:

    x -> 1 x 1 to e c channels -> k x k per channel -> y * sigmoid(W_2 silu(W_1 mean(y))) -> 1 x 1 to c channels (+ x)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.nn.batch_norm import BatchNorm
from xmr_lib.nn.encoded import Encoded, Pixels, Tower

Stage = Sequence[int]
B0: Sequence[Stage] = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Stages of the smallest one: kernel, stride, expansion, channels, blocks. The larger ones stretch this table."""


class EfficientNet(Tower):
    """Stem and stages of an EfficientNet; pooled is the mean over the last grid, without a layer after it.

    Args:
        size: Height and width of the images in pixels.
        width_factor, depth_factor: Stretch channels and blocks of every stage; 2.0 and 3.1 are B7, ALIGN's L7.
        stages: Rows of kernel, stride, expansion, channels, blocks, before stretching.
        divisor: Channels are rounded to multiples of it.
        squeeze: Width of the gate's inner layer, in units of the channels that enter a block.
        drop: Probability to skip the last block in training; it grows in a straight line from 0 at the first. (What is
            skipped is a whole image's branch: stochastic depth.)
        odd: Blocks, counted from 0, with stride 2 whose input has an odd size: they pad on both sides.
        mean, std: Normalisation of the pixels.

    Example: B0 on 224 pixels ends with 320 channels on a grid of 7 x 7.
        >>> b0 = EfficientNet(224, width_factor=1, depth_factor=1)
        >>> b0(torch.zeros(1, 3, 224, 224, dtype=torch.uint8)).tokens.shape
        torch.Size([1, 49, 320])
    """

    def __init__(
        self,
        size: int = 289,
        width_factor: float = 2.0,
        depth_factor: float = 3.1,
        stages: Sequence[Stage] = B0,
        divisor: int = 8,
        squeeze: float = 0.25,
        drop: float = 0.2,
        odd: Sequence[int] = (),
        mean: Sequence[float] = (0.5,) * 3,
        std: Sequence[float] = (0.5,) * 3,
    ) -> None:
        super().__init__()
        self.size = size
        self.pixels = Pixels(mean, std)
        channels = rounded(32 * width_factor, divisor)
        self.stem = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, channels, 3, 2, bias=False), norm(channels), nn.SiLU()
        )
        repeats = [math.ceil(depth_factor * stage[4]) for stage in stages]
        blocks: list[nn.Module] = []
        for (kernel, stride, expansion, out, _), count in zip(stages, repeats, strict=True):
            out = rounded(out * width_factor, divisor)
            for i in range(count):
                number, step = len(blocks), stride if i == 0 else 1
                skip = drop * number / sum(repeats)
                blocks.append(
                    InvertedBottleneck(channels, out, kernel, expansion, step, number in odd, squeeze, i > 0, skip)
                )
                channels = out
        self.blocks, self.width = nn.Sequential(*blocks), channels

    def forward(self, pixels: Tensor) -> Encoded:
        """(b, 3, h, w) uint8 -> tokens: the last grid, row by row; pooled: their mean."""
        x = self.blocks(self.stem(self.pixels(pixels))).flatten(2).transpose(1, 2)  # (b, grid * grid, w)
        return Encoded(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device), x.mean(1))


class InvertedBottleneck(nn.Module):
    """One block ("MBConv"): (b, c_in, h, w) -> (b, c_out, h / stride, w / stride).

    Args:
        c_in, c_out: Channels.
        kernel, stride: Of the convolution per channel.
        expansion: e; 1 leaves the widening out.
        odd: Pad a stride of 2 on both sides; else on the right and the bottom more than on the left and the top.
        squeeze: See :class:`EfficientNet`.
        residual: Add the input; true for all but the first block of a stage.
        skip: Probability to give an image back as it came, in training.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        expansion: int,
        stride: int,
        odd: bool,
        squeeze: float,
        residual: bool,
        skip: float,
    ) -> None:
        super().__init__()
        inner, half = expansion * c_in, kernel // 2
        self.widen = nn.Sequential()
        if expansion > 1:
            self.widen = nn.Sequential(nn.Conv2d(c_in, inner, 1, bias=False), norm(inner), nn.SiLU())
        before = half if stride == 1 or odd else half - 1
        self.each = nn.Sequential(
            nn.ZeroPad2d((before, half, before, half)),
            nn.Conv2d(inner, inner, kernel, stride, groups=inner, bias=False),
            norm(inner),
            nn.SiLU(),
        )
        self.gate = Gate(inner, max(1, int(squeeze * c_in)))
        self.narrow = nn.Sequential(nn.Conv2d(inner, c_out, 1, bias=False), norm(c_out))
        self.residual, self.skip = residual, skip

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = self.narrow(self.gate(self.each(self.widen(x))))
        if not self.residual:
            return y
        if self.training and self.skip:
            stays = torch.rand(len(y), 1, 1, 1, device=y.device) >= self.skip  # (b, 1, 1, 1)
            y = y * stays / (1 - self.skip)
        return x + y


class Gate(nn.Module):
    """Squeeze and excitation: the mean of all channels decides how much of each passes. (b, c, h, w) as it came.

    Args:
        channels: c. inner: Width of the layer between.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Linear(channels, inner), nn.Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        gate = torch.sigmoid(self.expand(F.silu(self.reduce(x.mean((2, 3))))))  # (b, c)
        return x * gate[:, :, None, None]


def rounded(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of ``divisor``, but never less than 90 % of ``channels``.

    Example: the multiple nearest to 11 is 8, but 8 is less than 90 % of it.
        >>> rounded(32 * 1.1), rounded(11), rounded(3)
        (32, 16, 8)
    """
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * channels else nearest + divisor


def norm(channels: int) -> BatchNorm:
    """The batch normalisation of EfficientNet: running statistics move by 1 % a batch."""
    return BatchNorm(channels, eps=1e-3, momentum=0.01)
