"""Masked modelling on both sides: hide words or patches, and predict them with the help of the other side.

H. Lu et al. "COTS". CVPR 2022, token-level interaction: a masked word is predicted from its hidden state and the
*global* feature of the paired picture, the visual token of a masked patch from its hidden state and the global feature
of the paired text. So the towers learn from each other's details, and stay apart at inference.

The paper takes visual tokens from a discrete VAE trained on many pictures. Its stand-in here is k-means on raw
patches: 256 centres, the nearest one's number is the token.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.data.tokens import MASK, SPECIAL
from xmr_lib.errors import InvalidInput

PATCH_PIXELS = 8
KMEANS_PATCHES = 20_000


def random_places(allowed: Tensor, share: float) -> Tensor:
    """Choose ``round(share * allowed places)`` of every row, but at least one where there is any.

    Args:
        allowed: (b, t) bool. share: 0..1.

    Returns:
        (b, t) bool, drawn with torch's random numbers.
    """
    count = allowed.sum(1)  # (b,)
    wanted = (share * count).round().clamp(min=1).minimum(count)  # (b,)
    draw = torch.rand(allowed.shape, device=allowed.device).masked_fill(~allowed, 2.0)
    return draw.argsort(1).argsort(1) < wanted[:, None]  # the place in the order is the rank


def mask_text(text: Tensor, share: float = 0.15) -> tuple[Tensor, Tensor]:
    """Put [MASK] in the place of some words; special tokens (padding, unknown, begin, end) stay.

    Args:
        text: (b, length) int64.

    Returns:
        The masked text, and (b, length) bool: where it is masked.
    """
    places = random_places(text >= len(SPECIAL), share)
    return text.masked_fill(places, MASK), places


def mask_image(pixels: Tensor, grid: int, colour: Tensor, share: float = 0.4) -> tuple[Tensor, Tensor]:
    """Paint some cells of a grid in one colour, before the tower sees the picture.

    Hiding cells only after the convolutions would not do: the cells beside them have already looked into them.

    Args:
        pixels: (b, 3, h, w) uint8. grid: Cells per side; one cell is what one token of the tower stands for.
        colour: (3,) uint8, for example the mean colour of the training pictures.

    Returns:
        The painted pictures, and (b, grid * grid) bool: which cells are painted, row by row.
    """
    places = random_places(torch.ones(len(pixels), grid**2, dtype=torch.bool, device=pixels.device), share)
    cells = places.view(-1, 1, grid, grid)  # (b, 1, grid, grid)
    painted = cells.repeat_interleave(pixels.shape[2] // grid, 2).repeat_interleave(pixels.shape[3] // grid, 3)
    return torch.where(painted, colour.view(3, 1, 1), pixels), places


def cut_cells(pixels: Tensor, grid: int, places: Tensor | None = None) -> Tensor:
    """The cells of a grid as vectors: each shrunk to at most 8 x 8 pixels, values 0..1.

    Args:
        pixels: (b, 3, h, w) uint8. places: (b, grid * grid) bool, which cells, p in all. Default: every one.

    Returns:
        (p, 3 * side * side) float32, side = min(8, h / grid), picture by picture, cells row by row.
    """
    side = min(PATCH_PIXELS, pixels.shape[2] // grid)
    cells = pixels.unflatten(3, (grid, -1)).unflatten(2, (grid, -1)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    chosen = cells.flatten(0, 1) if places is None else cells[places]  # (p, 3, h / grid, w / grid)
    return F.adaptive_avg_pool2d(chosen.float() / 255, side).flatten(1)


class VisualCodes(nn.Module):
    """Numbers for patches: which of the k-means centres is nearest. What a masked patch is to be recognised as.

    Args:
        codes: Number of centres. size: Of the pictures in pixels. grid: Cells per side.
    """

    centres: Tensor
    colour: Tensor

    def __init__(self, codes: int, size: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        side = min(PATCH_PIXELS, size // grid)
        self.register_buffer("centres", torch.zeros(codes, 3 * side**2))
        self.register_buffer("colour", torch.zeros(3, dtype=torch.uint8))

    def learn(self, pixels: Tensor, seed: int = 0) -> None:
        """Find the centres, and the mean colour, of training pictures (n, 3, size, size) uint8.

        Raises:
            InvalidInput: Fewer patches than codes.
        """
        from sklearn.cluster import MiniBatchKMeans

        draw = torch.Generator().manual_seed(seed)
        some = torch.randperm(len(pixels), generator=draw)[: max(1, 2 * KMEANS_PATCHES // self.grid**2)]
        cells = cut_cells(pixels[some], self.grid)  # (cells, 3 * side * side)
        cells = cells[torch.randperm(len(cells), generator=draw)[:KMEANS_PATCHES]]
        if len(cells) < len(self.centres):
            raise InvalidInput(
                f"{len(self.centres)} visual codes cannot be learnt from {len(cells)} patches. Ask for fewer codes, or "
                "pass more pictures."
            )
        means = MiniBatchKMeans(len(self.centres), random_state=seed, n_init=1, batch_size=2048).fit(cells.numpy())
        self.centres.copy_(torch.from_numpy(means.cluster_centers_))
        self.colour.copy_(pixels[some].float().mean((0, 2, 3)).round())

    def forward(self, pixels: Tensor, places: Tensor | None = None) -> Tensor:
        """(b, 3, h, w) uint8 -> (b, grid * grid) int64; with ``places`` (b, grid * grid) bool: of these cells, (p,)."""
        cells = cut_cells(pixels, self.grid, places)
        # |x - c|^2 = |x|^2 - 2 x.c + |c|^2, and |x|^2 does not change which c is nearest
        nearest = (self.centres.square().sum(1) - 2 * cells @ self.centres.T).argmin(1)
        return nearest.view(len(pixels), -1) if places is None else nearest


class TokenPredictor(nn.Module):
    """Scores of every word (or visual code) for a masked place.

    It sees the hidden state of the masked token, the pooled vector of the masked input, and the global feature of the
    other side. A transformer's hidden state knows its neighbours already; the state of a word in a bag of words knows
    nothing, and there the pooled vector is all that tells of the other words. Both are normalised first, since towers
    differ in the size of what they give.

    Args:
        width: Of hidden states and pooled vectors. other: Of the other side's feature.
        hidden: Of the layer between. classes: Words or codes.
    """

    def __init__(self, width: int, other: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.state = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden))
        self.pooled = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden, bias=False))
        self.other = nn.Linear(other, hidden, bias=False)
        nn.init.normal_(self.other.weight, std=2.0)  # the feature has unit length: its entries are small
        self.scores = nn.Sequential(nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, states: Tensor, pooled: Tensor, other: Tensor, places: Tensor) -> Tensor:
        """Scores at the masked places only.

        Args:
            states: (b, t, width). pooled: (b, width). other: (b, other). places: (b, t) bool, p of them True.

        Returns:
            (p, classes), row by row.
        """
        row = places.nonzero(as_tuple=True)[0]  # (p,)
        return self.scores(self.state(states[places]) + (self.pooled(pooled) + self.other(other))[row])


def masked_loss(scores: Tensor, truth: Tensor, places: Tensor) -> Tensor:
    """Cross-entropy at the masked places, averaged per row.

    Args:
        scores: (p, classes), p masked places, row by row. truth: (p,) int64. places: (b, t) bool.

    Returns:
        (b,); 0 for a row without a masked place.

    Example: two classes with equal scores cost log 2, in a row with two masked places as in a row with one.
        >>> masked_loss(torch.zeros(3, 2), torch.tensor([0, 1, 1]), torch.tensor([[True, True], [False, True]]))
        tensor([0.6931, 0.6931])
    """
    row = places.nonzero(as_tuple=True)[0]  # (p,)
    losses = F.cross_entropy(scores, truth, reduction="none")  # (p,)
    summed = losses.new_zeros(len(places)).index_add(0, row, losses)  # (b,)
    return summed / places.sum(1).clamp(min=1)


@contextmanager
def running_statistics(network: nn.Module) -> Iterator[None]:
    """Inside, batch norms use their running statistics and leave them as they are; other layers go on as they were.

    Pictures with painted cells have other means than whole ones. Were they to move the statistics, whole pictures would
    be normalised by wrong ones at inference.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()
