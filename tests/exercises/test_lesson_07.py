"""Exercise 07: references against autograd and the library, functions of the lesson pasted as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from xmr_lib.course import check
from xmr_lib.course.practice_tokens import practice_tokens
from xmr_lib.course.task import all_tasks, get_task
from xmr_lib.methods.rerank import rerank
from xmr_lib.nn.set_similarity import average, chamfer, set_similarity, smooth_chamfer
from xmr_lib.nn.slots import slot_shares, slot_weights
from xmr_lib.nn.token_alignment import alignment_score

PASTED: list[tuple[str, Callable[..., Any]]] = [
    ("07.set_similarity", smooth_chamfer),
    ("07.set_similarity", set_similarity),
    ("07.slot_steps", slot_shares),
    ("07.slot_steps", slot_weights),
    ("07.token_scores", alignment_score),
    ("07.two_stages", rerank),
]


@pytest.mark.parametrize(("task_id", "function"), PASTED, ids=lambda value: getattr(value, "__name__", value))
def test_functions_of_the_lesson_pasted_as_they_are(
    task_id: str, function: Callable[..., Any], is_known_as_pasted: Callable[..., None]
) -> None:
    is_known_as_pasted(task_id, function)


def test_every_task_knows_a_function_of_its_lesson() -> None:
    assert {task_id for task_id, _ in PASTED} == {task_id for task_id in all_tasks() if task_id.startswith("07")}


def test_set_similarity_is_what_autograd_gives() -> None:
    """The library's log of the sum, less log(size) / alpha, is the log of the mean; its limits are the library's."""

    def by_autograd(c, alpha):
        cosines = torch.tensor(c, requires_grad=True)
        if alpha == 0:
            value = average(cosines)
        elif alpha == np.inf:
            value = chamfer(cosines)  # amax shares the gradient of ties equally
        else:
            value = smooth_chamfer(cosines, alpha) - (np.log(c.shape[0]) + np.log(c.shape[1])) / (2 * alpha)
        value.backward()
        return value.item(), cosines.grad.numpy()

    result = check("07.set_similarity", by_autograd)
    assert result, result


def test_slopes_of_every_alpha_sum_to_one() -> None:
    for case in get_task("07.set_similarity").cases():
        assert np.isclose(get_task("07.set_similarity").reference(*case.arguments)[1].sum(), 1)


def test_slots_are_what_the_library_shares_and_weighs() -> None:
    """The library adds 1e-7 to the sums; where no slot is nearly empty, that cannot be seen at 1e-6."""
    task = get_task("07.slot_steps")
    for case in task.cases()[:4]:
        slots, tokens, real, steps = (torch.tensor(x) if isinstance(x, np.ndarray) else x for x in case.arguments)
        for _ in range(steps):
            weights = slot_weights(slot_shares(slots @ tokens.T / slots.shape[1] ** 0.5, real))
            slots = weights @ tokens
        for ours, theirs in zip(task.reference(*case.arguments), (slots, weights), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_token_scores_are_what_torch_gives() -> None:
    def by_torch(words, real, patches, tau):
        keep = torch.tensor(real.copy())
        for row in keep:
            ends = row.nonzero()[[0, -1], 0]
            row[ends] = False
        w, v = torch.tensor(words), torch.tensor(patches)
        found = F.scaled_dot_product_attention(
            F.normalize(w, dim=-1)[None].expand(len(v), -1, -1, -1),
            F.normalize(v, dim=-1)[:, None].expand(-1, len(w), -1, -1),
            F.normalize(v, dim=-1)[:, None].expand(-1, len(w), -1, -1),
            scale=1 / tau,
        )  # (n, m, t, d)
        return np.stack([alignment_score(each, w, keep).numpy() for each in found])

    result = check("07.token_scores", by_torch)
    assert result, result


def test_two_stages_order_what_the_library_scores() -> None:
    def by_library(first, second, k):
        own = np.where(np.isfinite(second), second, 0.0)
        again = rerank(first, lambda i, j: own[i, j], k)
        place = np.argsort(np.argsort(-first, axis=1, kind="stable"), axis=1)
        return np.array([np.lexsort((p, -s)) for p, s in zip(place, again, strict=True)])

    result = check("07.two_stages", by_library)
    assert result, result


def test_practice_world_keeps_its_promises() -> None:
    """The same every time; two or three names between begin and end; words lie nearer to their own picture."""
    world, again = practice_tokens(30, seed=3), practice_tokens(30, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(world, again, strict=True))
    assert set(world.real.sum(axis=1)) == {4, 5}
    assert not world.words[~world.real].any()
    scores = get_task("07.token_scores").reference(world.words, world.real, world.patches[:5], 0.1)
    assert (scores[:, :5].argmax(axis=1) == np.arange(5)).mean() > 0.5
