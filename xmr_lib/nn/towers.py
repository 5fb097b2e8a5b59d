"""Image and text towers: pixels or token numbers in, token vectors and one pooled vector out.

An image enters as uint8 ``(b, 3, h, w)``, a text as int64 token numbers ``(b, length)``, 0 = padding. Every tower
answers with :class:`Encoded` (:mod:`xmr_lib.nn.encoded`); a method projects ``pooled`` into its common space, and
methods that look closer (sets, token alignment, masked modelling) use ``tokens``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.nn.batch_norm import BatchNorm
from xmr_lib.nn.bert import Bert
from xmr_lib.nn.efficientnet import EfficientNet
from xmr_lib.nn.encoded import Encoded, Pixels, Tower, trim
from xmr_lib.nn.transformer import Block, masked_mean


class ConvTower(Tower):
    """A pyramid of strided convolutions, then transformer blocks on the small grid that is left.

    Convolutions with batch normalisation find shapes and colours within a hundred steps, where a transformer on raw
    patches is still at chance after a few hundred (``benchmarks/clip_search.py`` measures it).

    Args:
        size: Height and width of the images in pixels, a multiple of ``4 * 2 ** (len(channels) - 1)``.
        channels: Of the convolutions: 4 x 4 pixels at stride 4, then 3 x 3 at stride 2 each.
        layers: Transformer blocks after them. heads, ratio: Of these blocks.
    """

    def __init__(
        self, size: int = 96, channels: Sequence[int] = (32, 64, 128), layers: int = 1, heads: int = 4, ratio: float = 2
    ) -> None:
        super().__init__()
        stride = 4 * 2 ** (len(channels) - 1)
        if size % stride:
            raise InvalidInput(f"The image size must be a multiple of {stride} for {len(channels)} stages, not {size}.")
        self.grid, self.width = size // stride, channels[-1]
        stages = [_stage(3, channels[0], 4, 4, 0)]
        stages += [_stage(a, b, 3, 2, 1) for a, b in pairwise(channels)]
        self.pixels, self.stem = Pixels(), nn.Sequential(*stages)
        self.position = nn.Parameter(0.02 * torch.randn(self.grid**2, self.width))
        self.blocks = nn.ModuleList(Block(self.width, heads, ratio) for _ in range(layers))
        self.norm = nn.LayerNorm(self.width)

    def forward(self, pixels: Tensor) -> Encoded:
        """(b, 3, h, w) uint8 -> tokens of the grid, row by row; pooled is their mean."""
        x = self.stem(self.pixels(pixels)).flatten(2).transpose(1, 2) + self.position  # (b, grid * grid, w)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return Encoded(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device), x.mean(1))


def _stage(a: int, b: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    convolution = nn.Conv2d(a, b, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, BatchNorm(b), nn.ReLU())


class VisionTransformer(Tower):
    """CLIP's image tower: patches and a class token through pre-norm blocks; pooled is the class token.

    A. Dosovitskiy et al. "An Image is Worth 16x16 Words". ICLR 2021; as in A. Radford et al., ICML 2021, with a layer
    norm before and after the blocks.

    Args:
        size: Height and width of the images in pixels. patch: Of a patch; must divide ``size``.
        width, layers, heads, ratio, act: Of the blocks.
        mean, std: Normalisation of the pixels; default: as CLIP's released weights want it.
    """

    def __init__(
        self,
        size: int = 224,
        patch: int = 32,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        ratio: float = 4,
        act: str = "quick_gelu",
        mean: Sequence[float] = (0.48145466, 0.4578275, 0.40821073),
        std: Sequence[float] = (0.26862954, 0.26130258, 0.27577711),
    ) -> None:
        super().__init__()
        if size % patch:
            raise InvalidInput(f"The patches must tile the image, but {patch} does not divide {size} pixels.")
        self.grid, self.width = size // patch, width
        self.pixels = Pixels(mean, std)
        self.patches = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_token = nn.Parameter(width**-0.5 * torch.randn(width))
        self.position = nn.Parameter(width**-0.5 * torch.randn(self.grid**2 + 1, width))
        self.norm_in, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, ratio, act) for _ in range(layers))
        start_small(self.blocks, width)

    def forward(self, pixels: Tensor) -> Encoded:
        """(b, 3, h, w) uint8 -> tokens of the grid, row by row, without the class token; pooled is that token."""
        x = self._embedded(pixels)
        for block in self.blocks:
            x = block(x)
        x = self.norm_out(x)
        return Encoded(x[:, 1:], torch.ones(len(x), x.shape[1] - 1, dtype=torch.bool, device=x.device), x[:, 0])

    def pooled(self, pixels: Tensor) -> Tensor:
        """(b, w): the class token; the last block is computed for it alone (:meth:`Block.at`)."""
        x = self._embedded(pixels)
        return self.norm_out(last_at(self.blocks, x, torch.zeros(len(x), dtype=torch.int64, device=x.device)))

    def _embedded(self, pixels: Tensor) -> Tensor:
        """(b, 1 + grid * grid, w): class token and patches with their positions, normalised."""
        x = self.patches(self.pixels(pixels)).flatten(2).transpose(1, 2)  # (b, grid * grid, w)
        x = torch.cat([self.class_token.expand(len(x), 1, -1), x], 1) + self.position
        return self.norm_in(x)


class WordBag(Tower):
    """The mean of word vectors and a hidden layer: blind to the order of the words, and fast.

    Args:
        vocabulary: Number of tokens. length: Not used; every text tower takes it.
        width: Of a word vector. hidden: Of the pooled vector.
    """

    def __init__(self, vocabulary: int, length: int = 0, width: int = 128, hidden: int = 256) -> None:
        super().__init__()
        self.width = hidden
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.5)  # with torch's 1 the bags start too far apart, with .02 too close
        with torch.no_grad():
            self.words.weight[0] = 0
        self.hidden = nn.Sequential(nn.Linear(width, hidden), nn.ReLU())

    def forward(self, text: Tensor) -> Encoded:
        """(b, length) int64 -> tokens: the hidden vector of each word alone; pooled: that of the mean word vector."""
        text = trim(text)
        mask, words = text > 0, self.words(text)  # (b, t), (b, t, width)
        if text.numel() > len(self.words.weight):  # cheaper: the hidden vectors of the vocabulary, then look up
            tokens = F.embedding(text, self.hidden(self.words.weight), padding_idx=0)
        else:
            tokens = self.hidden(words)
        return Encoded(tokens, mask, self.hidden(masked_mean(words, mask)))

    def pooled(self, text: Tensor) -> Tensor:
        """(b, hidden), without a hidden vector for each word."""
        text = trim(text)
        pooled: Tensor = self.hidden(masked_mean(self.words(text), text > 0))
        return pooled


class TextTransformer(Tower):
    """CLIP's text tower: causal pre-norm blocks, pooled at the end-of-text token; or a bidirectional one.

    Args:
        vocabulary: Number of tokens. length: Longest text in tokens.
        width, layers, heads, ratio, act: Of the blocks.
        causal: A word sees only the words before it.
        pool: ``"end"``: the vector of the first ``end`` token (CLIP); ``"first"``: of the first token ([CLS] in
            ALIGN); ``"mean"``: of all tokens.
        end: Number of the end-of-text token.
        std: Of the initial word vectors.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int = 77,
        width: int = 512,
        layers: int = 12,
        heads: int = 8,
        ratio: float = 4,
        act: str = "quick_gelu",
        causal: bool = True,
        pool: str = "end",
        end: int = 3,
        std: float = 0.02,
    ) -> None:
        super().__init__()
        self.width, self.causal, self.end = width, causal, end
        self.pool = check_choice(pool, ("end", "first", "mean"), "pooling of the text tower")
        self.words = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(0.5 * std * torch.randn(length, width))
        nn.init.normal_(self.words.weight, std=std)
        self.blocks = nn.ModuleList(Block(width, heads, ratio, act) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        start_small(self.blocks, width)

    def forward(self, text: Tensor) -> Encoded:
        """(b, length) int64, 0 = padding -> tokens after the last norm, and the pooled vector.

        Raises:
            InvalidInput: Longer than this tower's positions.
        """
        text = trim(text)
        mask, x = text > 0, self._embedded(text)  # (b, t), (b, t, w)
        for block in self.blocks:
            # A causal tower pools before the padding, which comes last: no word looks at it.
            x = block(x, mask=None if self.causal else mask, causal=self.causal)
        x = self.norm(x)
        pooled = masked_mean(x, mask) if self.pool == "mean" else x.take_along_dim(self._place(text), 1).squeeze(1)
        return Encoded(x, mask, pooled)

    def pooled(self, text: Tensor) -> Tensor:
        """(b, w); where one token is pooled, the last block is computed for it alone (:meth:`Block.at`)."""
        if self.pool == "mean":
            return super().pooled(text)
        text = trim(text)
        place = self._place(text)  # (b, 1, 1)
        seen = torch.arange(text.shape[1], device=text.device) <= place.squeeze(2) if self.causal else text > 0
        return self.norm(last_at(self.blocks, self._embedded(text), place.flatten(), seen, self.causal))

    def _embedded(self, text: Tensor) -> Tensor:
        """(b, t, w): words with their positions."""
        if text.shape[1] > len(self.position):
            raise InvalidInput(f"This text tower reads {len(self.position)} tokens at most, not {text.shape[1]}.")
        words: Tensor = self.words(text) + self.position[: text.shape[1]]
        return words

    def _place(self, text: Tensor) -> Tensor:
        """(b, 1, 1): position of the token that is pooled; of several end tokens the first."""
        if self.pool == "first":
            return torch.zeros(len(text), 1, 1, dtype=torch.int64, device=text.device)
        return (text == self.end).int().argmax(1).view(-1, 1, 1)


def last_at(
    blocks: nn.ModuleList, x: Tensor, position: Tensor, seen: Tensor | None = None, causal: bool = False
) -> Tensor:
    """All blocks, the last one at one position of each row: (b, t, w), (b,) int64 -> (b, w).

    Args:
        blocks: A stack of :class:`Block`.
        x, position: The tokens, and which of them is wanted.
        seen: (b, t) bool, what that one may see in the last block; without ``causal`` all tokens see the same.
        causal: In the blocks before the last a token sees those before it.
    """
    stack: list[Any] = list(blocks)
    for block in stack[:-1]:
        x = block(x, mask=None if causal else seen, causal=causal)
    return stack[-1].at(x, position, seen) if stack else x.take_along_dim(position.view(-1, 1, 1), 1).squeeze(1)


def start_small(blocks: nn.ModuleList, width: int) -> None:
    """CLIP's first weights: the deeper the tower, the smaller the steps its blocks take."""
    inner, step = width**-0.5, width**-0.5 * (2 * max(len(blocks), 1)) ** -0.5
    for each in blocks:
        block: Any = each
        for layer in (block.attention.query, block.attention.key, block.attention.value):
            nn.init.normal_(layer.weight, std=inner)
        for layer in (block.attention.out, block.mlp[2]):
            nn.init.normal_(layer.weight, std=step)
        nn.init.normal_(block.mlp[0].weight, std=(2 * width) ** -0.5)


IMAGE_TOWERS: dict[str, type[nn.Module]] = {
    "conv": ConvTower,
    "vit": VisionTransformer,
    "efficientnet": EfficientNet,
}
TEXT_TOWERS: dict[str, type[nn.Module]] = {"bag": WordBag, "transformer": TextTransformer, "bert": Bert}


def image_tower(settings: Mapping[str, Any]) -> Any:
    """A fresh image tower: ``{"kind": "conv", "size": 96, ...}``; the other entries are its arguments.

    ``resize`` and ``resample`` say how pictures become pixels (:func:`xmr_lib.data.pixels.square`), before the tower.

    Raises:
        UnknownName: No such kind of tower.
    """
    kind = check_choice(settings.get("kind", ""), IMAGE_TOWERS, "kind of image tower")
    return IMAGE_TOWERS[kind](**{key: settings[key] for key in settings if key not in ("kind", "resize", "resample")})


def text_tower(settings: Mapping[str, Any], vocabulary: int, length: int) -> Any:
    """A fresh text tower: ``{"kind": "bag", "width": 128, ...}`` for so many tokens and texts so long.

    Raises:
        UnknownName: No such kind of tower.
    """
    kind = check_choice(settings.get("kind", ""), TEXT_TOWERS, "kind of text tower")
    return TEXT_TOWERS[kind](vocabulary, length, **{key: value for key, value in settings.items() if key != "kind"})
