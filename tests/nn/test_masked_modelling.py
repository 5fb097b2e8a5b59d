"""Masked modelling: what is hidden, what never is, visual tokens, and a loss at masked places only."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor, nn

from xmr_lib.data.tokens import BEGIN, END, MASK, PAD, UNKNOWN
from xmr_lib.errors import InvalidInput
from xmr_lib.nn.batch_norm import BatchNorm
from xmr_lib.nn.masked_modelling import (
    TokenPredictor,
    VisualCodes,
    cut_cells,
    mask_image,
    mask_text,
    masked_loss,
    random_places,
    running_statistics,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pictures(n: int, size: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=draw)


# --- what is masked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("places", "share", "expected"), [(20, 0.15, 3), (36, 0.4, 14), (3, 0.15, 1), (10, 0.0, 1)])
def test_share_of_every_row(places: int, share: float, expected: int) -> None:
    chosen = random_places(torch.ones(50, places, dtype=torch.bool), share)
    assert (chosen.sum(1) == expected).all()
    assert (chosen.sum(0) > 0).sum() > 0.5 * places  # all over the row


def test_rows_without_allowed_places_stay_whole() -> None:
    allowed = torch.tensor([[False, False, False], [False, True, False]])
    assert torch.equal(random_places(allowed, 0.5), allowed)


def test_special_tokens_are_never_masked() -> None:
    text = torch.tensor([[BEGIN, 9, UNKNOWN, 11, END, PAD], [BEGIN, END, PAD, PAD, PAD, PAD]])
    seen = torch.zeros_like(text, dtype=torch.bool)
    for _ in range(60):
        masked, places = mask_text(text, 0.5)
        assert torch.equal(masked[~places], text[~places])
        assert (masked[places] == MASK).all()
        seen |= places
    assert torch.equal(seen, torch.tensor([[0, 1, 0, 1, 0, 0], [0] * 6], dtype=torch.bool))


def test_painted_cells_are_the_cells_that_are_named() -> None:
    pixels, colour = pictures(5, 12), torch.tensor([1, 2, 3], dtype=torch.uint8)
    painted, places = mask_image(pixels, 3, colour, 0.4)
    assert painted.dtype == torch.uint8
    assert (places.sum(1) == 4).all()  # round(.4 * 9)
    for i in range(5):
        for cell in range(9):
            row, column = 4 * (cell // 3), 4 * (cell % 3)
            was, now = (x[i, :, row : row + 4, column : column + 4] for x in (pixels, painted))
            assert torch.equal(now, colour.view(3, 1, 1).expand(3, 4, 4) if places[i, cell] else was)


# --- visual tokens --------------------------------------------------------------------------------------------------


def test_cells_row_by_row() -> None:
    pixels = pictures(2, 8)
    cells = cut_cells(pixels, 2)
    assert cells.shape == (8, 48)
    torch.testing.assert_close(cells[1], pixels[0, :, :4, 4:].flatten().float() / 255)
    torch.testing.assert_close(cells[6], pixels[1, :, 4:, :4].flatten().float() / 255)
    places = torch.tensor([[True, False, False, True], [False, False, True, False]])
    torch.testing.assert_close(cut_cells(pixels, 2, places), cells[[0, 3, 6]])


def test_large_cells_are_shrunk() -> None:
    pixels = pictures(1, 32)
    cells = cut_cells(pixels, 2)  # cells of 16 pixels, shrunk to 8: means of 2 x 2
    assert cells.shape == (4, 192)
    torch.testing.assert_close(cells[0, 0], pixels[0, 0, :2, :2].float().mean() / 255)


def test_visual_tokens_are_the_nearest_centres_and_the_same_every_time() -> None:
    pixels = pictures(40, 12)
    codes, again = VisualCodes(6, 12, 3), VisualCodes(6, 12, 3)
    codes.learn(pixels, seed=1)
    again.learn(pixels, seed=1)
    assert torch.equal(codes.centres, again.centres)
    ids = codes(pixels[:4])
    assert ids.shape == (4, 9)
    torch.testing.assert_close(ids.flatten(), torch.cdist(cut_cells(pixels[:4], 3), codes.centres).argmin(1))
    places = torch.zeros(4, 9, dtype=torch.bool)
    places[1, 2] = places[3, 0] = True
    assert torch.equal(codes(pixels[:4], places), ids[places])
    torch.testing.assert_close(codes.colour.float(), pixels.float().mean((0, 2, 3)), atol=0.6, rtol=0)


def test_plain_cells_get_a_code_per_colour() -> None:
    colours = torch.tensor([0, 100, 250], dtype=torch.uint8)
    pixels = colours.repeat(10)[:, None, None, None].expand(30, 3, 6, 6).contiguous()
    codes = VisualCodes(3, 6, 2)
    codes.learn(pixels)
    ids = codes(pixels[:3])
    assert len(ids[:, 0].unique()) == 3
    assert (ids == ids[:, :1]).all()


def test_too_few_patches() -> None:
    with pytest.raises(InvalidInput, match="256 visual codes cannot be learnt from 36 patches"):
        VisualCodes(256, 12, 3).learn(pictures(4, 12))


# --- prediction -----------------------------------------------------------------------------------------------------


def test_loss_by_hand() -> None:
    places = torch.tensor([[True, True, False], [False, False, False], [False, True, False]])
    scores = torch.tensor([[3.0, 1.0], [1.0, 1.0], [1.0, 3.0]]).log()
    losses = masked_loss(scores, torch.tensor([0, 1, 0]), places)
    torch.testing.assert_close(losses, torch.tensor([(-log(3 / 4) + log(2)) / 2, 0.0, log(4)]))


def test_predictor_and_loss_look_at_masked_places_only() -> None:
    torch.manual_seed(0)
    predictor = TokenPredictor(4, 3, 5, 7).double()
    states, pooled, other = (normal(*s).requires_grad_() for s in ((3, 6, 4), (3, 4), (3, 3)))
    places = torch.zeros(3, 6, dtype=torch.bool)
    places[0, 1] = places[0, 4] = places[2, 5] = True

    def loss(states: Tensor, pooled: Tensor, other: Tensor) -> Tensor:
        return masked_loss(predictor(states, pooled, other, places), torch.tensor([3, 0, 6]), places)

    assert predictor(states, pooled, other, places).shape == (3, 7)
    loss(states, pooled, other).sum().backward()
    assert (states.grad[~places] == 0).all()
    assert (states.grad[places] != 0).any(1).all()
    assert (other.grad[1] == 0).all()  # a row without a masked place
    assert (other.grad[[0, 2]] != 0).any(1).all()  # the other side's feature learns too
    assert torch.autograd.gradcheck(loss, (states, pooled, other))


def test_each_masked_place_gets_the_context_of_its_own_row() -> None:
    predictor = TokenPredictor(4, 3, 5, 7).double()
    states, pooled, other = normal(2, 3, 4), normal(2, 4), normal(2, 3)
    places = torch.tensor([[True, False, True], [False, True, False]])
    together = predictor(states, pooled, other, places)
    alone = [predictor(states[i : i + 1], pooled[i : i + 1], other[i : i + 1], places[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_running_statistics_stay_as_they_are() -> None:
    tower = nn.Sequential(BatchNorm(3), nn.Dropout(0.5)).train()
    tower(torch.rand(4, 3, 2, 2))
    before, x = tower[0].running_mean.clone(), torch.rand(4, 3, 2, 2)
    with running_statistics(tower):
        torch.testing.assert_close(tower[0](x)[:1], tower[0](x[:1]))  # a picture's value does not depend on the others
        assert tower[1].training
    assert torch.equal(tower[0].running_mean, before)
    assert tower[0].training
    tower.eval()
    with running_statistics(tower):
        pass
    assert not tower[0].training  # what was in evaluation mode stays there
