"""AGREE's losses by hand and by finite differences; who gets a gradient from them, live and detached."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.nn.contrastive import symmetric_info_nce
from xmr_lib.nn.entity_losses import (
    image_mask_loss,
    object_loss,
    object_mask_loss,
    prompt_loss,
    ranking_loss,
    text_mask_loss,
)

S = torch.tensor(2.0, dtype=torch.float64)


def double(*rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def unit(*shape: int, seed: int = 0) -> Tensor:
    draws = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return F.normalize(draws, dim=-1)


def test_ranking_by_hand() -> None:
    better, worse = double(0.5, 0.3, 0.1), double(0.3, 0.4, 0.9)
    counts = torch.tensor([True, True, False])
    assert ranking_loss(better, worse, counts, S).item() == pytest.approx(0.1)
    assert ranking_loss(better, worse, counts, S, margin=0.05).item() == pytest.approx(0.15)
    assert ranking_loss(better, worse, counts, S, margin=0.25).item() == pytest.approx(0.05 + 0.35)
    assert ranking_loss(better, worse, ~counts, S).item() == pytest.approx(0.8)
    assert ranking_loss(better, worse, counts & False, S).item() == 0


def test_ranking_live_and_detached_have_one_value_and_different_gradients() -> None:
    better, worse, scale = (
        double(0.3, 0.9).requires_grad_(),
        double(0.5, 0.1).requires_grad_(),
        S.clone().requires_grad_(),
    )
    counts = torch.tensor([True, True])
    live = ranking_loss(better, worse, counts, scale, 0.05)
    by_hand = (double(-1, 0), double(1, 0), double(0)[0])
    for found, expected in zip(torch.autograd.grad(live, (better, worse, scale)), by_hand, strict=True):
        torch.testing.assert_close(found, expected)
    detached = ranking_loss(better, worse, counts, scale, 0.05, detached=True)
    assert detached.item() == pytest.approx(live.item())
    for_better, for_worse, for_scale = torch.autograd.grad(detached, (better, worse, scale), allow_unused=True)
    assert for_better is for_worse is None
    assert for_scale.item() == pytest.approx(-0.25 / 2)  # -sum max(0, x) / s


def test_text_mask_by_hand() -> None:
    """One image, two captions, two slots; only the first slot of the first caption and both of the second count."""
    image = double([1, 0])
    text = double([[0.6, 0.8], [0, 1]])
    masked = double([[[0.7, 0], [9, 9]], [[0.2, 0], [-0.5, 0]]])
    entity = torch.tensor([[[3, -1], [0, 1]]])
    assert text_mask_loss(image, text, masked, entity, S).item() == pytest.approx((0.1 + 0.2 + 0) / 2)
    assert text_mask_loss(image, text, masked, entity, S, margin=0.05).item() == pytest.approx((0.15 + 0.25) / 2)


def test_image_mask_by_hand() -> None:
    image, grey = double([1, 0], [0, 1]), double([0.5, 0], [0, 2])
    text = double([[1, 0], [-1, 0]], [[0, 1], [0, 1]])
    counts = torch.tensor([[True, True], [True, False]])
    assert image_mask_loss(image, grey, text, counts, S).item() == pytest.approx((0 + 0.5 + 1) / 2)
    assert image_mask_loss(image, grey, text, counts, S, margin=0.6).item() == pytest.approx((0.1 + 1.1 + 1.6) / 2)


def test_object_mask_by_hand() -> None:
    things, grey, prompt = double([0.5, 0], [0, 0.5], [0, 0]), double([0, 0], [0, 1], [5, 5]), double(*[[1, 1]] * 3)
    kind = torch.tensor([2, 2, -1])
    assert object_mask_loss(things, grey, prompt, kind, S).item() == pytest.approx(0.5)
    assert object_mask_loss(things, grey, prompt, kind, S, margin=1).item() == pytest.approx(0.5 + 1.5)


def test_object_by_hand() -> None:
    """Two things with orthogonal unit prompts: CLIP's loss. Of one class: no negatives, no cost. None: no cost."""
    eye = torch.eye(2, dtype=torch.float64)
    expected = math.log(1 + math.exp(-2))
    assert object_loss(eye, eye, torch.tensor([4, 7]), S).item() == pytest.approx(expected)
    three = torch.cat([eye, double([5, 5])])
    assert object_loss(three, three, torch.tensor([4, 7, -1]), S).item() == pytest.approx(expected)
    assert object_loss(eye, eye, torch.tensor([4, 4]), S).item() == pytest.approx(0)
    assert object_loss(eye, eye, torch.tensor([-1, -1]), S).item() == 0


def test_prompt_by_hand() -> None:
    """Slot 0: two prompts, each right for its image: log(1 + e^-2). Slot 1: one prompt, right for image 0 only."""
    image = torch.eye(2, dtype=torch.float64)
    prompt = double([[[1, 0], [1, 0]]], [[[0, 1], [0, 0]]])  # (2, 1, 2, 2)
    entity = torch.tensor([[[0, 1]], [[2, -1]]])
    shows = torch.tensor([[1, 1, 0], [0, 0, 1]])
    full = math.log(1 + math.exp(-2))
    alone = (0 + full) / 2  # image 0 has nothing else to choose from; the prompt could choose image 1
    assert prompt_loss(image, prompt, entity, shows, S).item() == pytest.approx((full + alone) / 2)


def test_pictures_that_show_the_entity_are_right_pairs_of_its_prompt() -> None:
    image, prompt = torch.eye(2, dtype=torch.float64), double([[[1, 0]]], [[[0, 1]]])
    entity, shows = torch.tensor([[[0]], [[1]]]), torch.tensor([[1, 1], [1, 1]])
    assert prompt_loss(image, prompt, entity, shows, S).item() == pytest.approx(0)  # nothing is wrong for anything


def test_empty_slots_cost_nothing_unless_they_count() -> None:
    image, prompt = unit(3, 4), unit(3, 1, 2, 4, seed=1)
    shows = torch.ones(3, 5).triu().to(torch.uint8)
    empty = torch.full((3, 1, 2), -1)
    assert prompt_loss(image, prompt, empty, shows, S).item() == 0
    released = prompt_loss(image, prompt, empty, shows, S, count_empty=True)
    eye = torch.eye(3, dtype=torch.bool)
    by_slot = [symmetric_info_nce(S * image @ prompt[:, 0, e].T, eye) for e in range(2)]
    assert released.item() == pytest.approx(float(sum(by_slot)) / 2)
    assert text_mask_loss(image, prompt[:, :, 0], prompt, empty, S, margin=0.3).item() == 0


def test_the_vector_of_an_empty_slot_does_not_matter() -> None:
    image, prompt, other = unit(3, 4), unit(3, 1, 2, 4, seed=1), unit(3, 1, 2, 4, seed=2)
    entity = torch.tensor([[[0, -1]], [[1, 2]], [[-1, -1]]])
    shows = F.one_hot(torch.arange(3), 3)
    mixed = torch.where((entity >= 0)[..., None], prompt, other)
    for loss in (
        lambda p: prompt_loss(image, p, entity, shows, S),
        lambda p: text_mask_loss(image, unit(3, 1, 4, seed=3), p, entity, S, 0.3),
    ):
        assert loss(prompt).item() > 0
        assert loss(prompt).item() == pytest.approx(loss(mixed).item())


def losses(detached: bool = False) -> dict[str, tuple[Callable[..., Tensor], list[Tensor]]]:
    """Every loss as a function of embeddings and scale, with the embeddings."""
    entity = torch.tensor([[[0, -1], [1, 2]], [[1, -1], [-1, -1]], [[2, 0], [0, -1]]])
    shows, kind = torch.tensor([[1, 1, 1], [0, 1, 0], [1, 0, 1]]), torch.tensor([0, -1, 2])
    v, t, m = unit(3, 4), unit(3, 2, 4, seed=1), unit(3, 2, 2, 4, seed=2)
    counts = torch.tensor([[True, False], [True, True], [False, True]])
    margin = {"margin": 1.5, "detached": detached}  # so large that every place costs something
    return {
        "prompt": (lambda a, b, s: prompt_loss(a, b, entity, shows, s), [v, m]),
        "text_mask": (lambda a, b, c, s: text_mask_loss(a, b, c, entity, s, **margin), [v, t, m]),
        "object": (lambda a, b, s: object_loss(a, b, kind, s), [v, unit(3, 4, seed=4)]),
        "object_mask": (
            lambda a, b, c, s: object_mask_loss(a, b, c, kind, s, **margin),
            [v, unit(3, 4, seed=5), unit(3, 4, seed=6)],
        ),
        "image_mask": (lambda a, b, c, s: image_mask_loss(a, b, c, counts, s, **margin), [v, unit(3, 4, seed=7), t]),
    }


@pytest.mark.parametrize("name", losses())
def test_finite_differences(name: str) -> None:
    loss, embeddings = losses()[name]
    inputs = [x.clone().requires_grad_() for x in (*embeddings, S)]
    assert torch.autograd.gradcheck(loss, inputs)


@pytest.mark.parametrize("name", ["text_mask", "object_mask", "image_mask"])
def test_ranking_losses_reach_the_embeddings_live_and_only_the_scale_detached(name: str) -> None:
    for detached in (False, True):
        loss, embeddings = losses(detached)[name]
        inputs = [x.clone().requires_grad_() for x in (*embeddings, S)]
        *gradients, of_scale = torch.autograd.grad(loss(*inputs), inputs, allow_unused=True)
        if detached:
            assert all(gradient is None for gradient in gradients)
            assert of_scale.abs() > 0
        else:
            assert all(gradient.abs().sum() > 0 for gradient in gradients)
            assert of_scale.item() == pytest.approx(0, abs=1e-9)  # a ranking does not depend on the scale
