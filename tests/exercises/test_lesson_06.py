"""Exercise 06: references against autograd and the library, functions of the lesson pasted as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from xmr_lib.course import check
from xmr_lib.course.checker import WRONG
from xmr_lib.course.task import all_tasks, get_task
from xmr_lib.nn.contrastive import pair_losses, symmetric_info_nce

TASKS = [task_id for task_id in all_tasks() if task_id.startswith("06")]
PASTED = [(task_id, function) for task_id in TASKS for function in (pair_losses, symmetric_info_nce)]


@pytest.mark.parametrize(("task_id", "function"), PASTED, ids=lambda value: getattr(value, "__name__", value))
def test_functions_of_the_lesson_pasted_as_they_are(task_id: str, function: Callable[..., Any]) -> None:
    """None of them solves a task; the answer knows them and says what the task wants beyond the lesson."""
    result = check(task_id, function)
    assert (result.status, result.diagnosis) == (WRONG, "the lesson's function"), result
    assert f"The task asks for {get_task(task_id).function}: " in repr(result)


def test_cross_entropy_is_what_torch_gives() -> None:
    def by_torch(logits, target):
        leaf, right = torch.tensor(logits, requires_grad=True), torch.tensor(target)
        losses = F.cross_entropy(leaf, right, reduction="none")
        (slope,) = torch.autograd.grad(losses.mean(), leaf)
        return losses.detach().numpy(), slope.numpy()

    result = check("06.cross_entropy", by_torch)
    assert result, result


def test_any_right_caption_costs_at_most_the_worst_pair() -> None:
    """With one caption per image it is the loss of the library; with several it lies below the pairs' own losses."""
    task = get_task("06.several_captions")
    for case in task.cases():
        logits, image, caption = case.arguments
        right = torch.tensor(image[:, None] == caption[None, :])
        pairs = pair_losses(torch.tensor(logits), right).mean().item()
        ours = task.reference(*case.arguments)
        if len(caption) == len(image):
            assert np.isclose(ours, pairs)
        else:
            assert 0 <= ours < pairs


def test_temperature_step_is_what_autograd_gives() -> None:
    def by_autograd(cosines, log_scale, rate, maximum):
        x = torch.tensor(log_scale, dtype=torch.float64, requires_grad=True)
        loss = symmetric_info_nce(x.exp() * torch.tensor(cosines), torch.eye(len(cosines), dtype=torch.bool))
        (slope,) = torch.autograd.grad(loss, x)
        return loss.item(), min(log_scale - rate * slope.item(), np.log(maximum))

    result = check("06.temperature_step", by_autograd)
    assert result, result


def test_processes_together_have_the_loss_of_the_library() -> None:
    task = get_task("06.gathered_loss")
    for case in task.cases():
        images, texts, _, scale = case.arguments
        world, batch = len(images), sum(map(len, images))
        sides = []
        for shares in (images, texts):
            whole = np.empty((batch, shares[0].shape[1]))
            for rank, share in enumerate(shares):
                whole[rank::world] = share
            sides.append(F.normalize(torch.tensor(whole), dim=1))
        right = symmetric_info_nce(scale * sides[0] @ sides[1].T, torch.eye(batch, dtype=torch.bool)).item()
        reported = [task.reference(images, texts, rank, scale) for rank in range(world)]
        assert np.isclose(np.mean(reported), right)


def test_shares_that_are_changed_are_noticed() -> None:
    def changes(images, texts, rank, scale):
        for share in images:
            share /= np.linalg.norm(share, axis=1, keepdims=True)
        return 0.0

    assert check("06.gathered_loss", changes).diagnosis == "changes its input"
