"""Exercises 03 to 05: references against autograd and the library, functions of the lessons pasted as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.course import check
from xmr_lib.course.practice import practice_pairs
from xmr_lib.course.task import all_tasks, get_task
from xmr_lib.methods.real_valued.acmr import invariance_loss, modality_loss
from xmr_lib.methods.real_valued.cm_gans import binary_cross_entropy, inter_modal_loss
from xmr_lib.methods.real_valued.dscmr import discrimination, invariance, label_regression
from xmr_lib.methods.real_valued.objectives import prototype_contrastive
from xmr_lib.nn import (
    LocalGraphs,
    all_negative_triplets,
    graph_convolution,
    hardest_negative_triplets,
    nearest_rows,
    normalised_adjacency,
    pull_and_push,
    reversal_strength,
    reverse_gradient,
)
from xmr_lib.nn.norms import mean_norm

PASTED: list[tuple[str, Callable[..., Any]]] = [
    ("03.reversal_schedule", reversal_strength),
    ("03.gradient_reversal", modality_loss),
    ("03.gradient_reversal", reverse_gradient),
    ("03.semi_hard_triplets", hardest_negative_triplets),
    ("03.semi_hard_triplets", all_negative_triplets),
    ("03.semi_hard_triplets", pull_and_push),
    ("03.semi_hard_triplets", invariance_loss),
    ("03.modality_probe", modality_loss),
    ("04.label_regression", mean_norm),
    ("04.label_regression", label_regression),
    ("04.multi_label_likelihood", discrimination),
    ("04.image_slope", discrimination),
    ("04.image_slope", invariance),
    ("04.prototypes", prototype_contrastive),
    ("05.neighbour_graph", nearest_rows),
    ("05.propagation", graph_convolution),
    ("05.propagation", normalised_adjacency),
    ("05.inductive_rows", normalised_adjacency),
    ("05.gan_losses", inter_modal_loss),
    ("05.gan_losses", binary_cross_entropy),
]


@pytest.mark.parametrize(("task_id", "function"), PASTED, ids=lambda value: getattr(value, "__name__", value))
def test_functions_of_the_lesson_pasted_as_they_are(
    task_id: str, function: Callable[..., Any], is_known_as_pasted: Callable[..., None]
) -> None:
    is_known_as_pasted(task_id, function)


def test_every_task_knows_a_function_of_its_lesson() -> None:
    assert {task_id for task_id, _ in PASTED} == {task_id for task_id in all_tasks() if "03" <= task_id < "06"}


def tensors(*arrays: Any) -> list[Tensor]:
    """Leaves in float64 that collect gradients."""
    return [torch.tensor(np.asarray(array, dtype=float), requires_grad=True) for array in arrays]


def test_players_are_what_autograd_gives_through_the_reversal_of_the_library() -> None:
    def by_autograd(x, weights, probe, bias, modality, slope, strength):
        w, a, b = tensors(weights, probe, bias)
        e = torch.tensor(x) @ w
        z = reverse_gradient(e, strength) @ a + b
        adversary = F.binary_cross_entropy_with_logits(z, torch.tensor(modality).double())
        ((torch.tensor(slope) * e).sum() + adversary).backward()
        return w.grad.numpy(), a.grad.numpy(), b.grad.item()

    result = check("03.gradient_reversal", by_autograd)
    assert result, result


def test_semi_hard_triplets_lie_between_the_easiest_and_the_hardest() -> None:
    task = get_task("03.semi_hard_triplets")
    for case in task.cases():
        anchors, others, classes, margin = case.arguments
        table = torch.cdist(torch.tensor(anchors), torch.tensor(others)).square()
        hardest = hardest_negative_triplets(table, torch.tensor(classes), margin).item()
        assert 0 <= task.reference(*case.arguments) <= hardest + 1e-9


def test_probe_is_the_nearest_centroid_of_scikit_learn() -> None:
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.neighbors import NearestCentroid

    task = get_task("03.modality_probe")
    for case in task.cases()[1:3]:  # without ties
        train, train_modality, test, test_modality = case.arguments
        guess = NearestCentroid().fit(train, train_modality).predict(test)
        assert np.isclose(task.reference(*case.arguments), balanced_accuracy_score(test_modality, guess))


def test_label_regression_is_what_autograd_gives() -> None:
    def by_autograd(scores, labels, form):
        (s,) = tensors(scores)
        value = mean_norm(s - torch.tensor(labels).double(), form)
        value.backward()
        return value.item(), s.grad.numpy()

    result = check("04.label_regression", by_autograd)
    assert result, result


def test_likelihood_of_single_labels_is_that_of_the_library() -> None:
    rng = np.random.default_rng(0)
    u, v, classes = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)), np.array([0, 1, 2, 1, 0, 2])
    labels, total = np.eye(3, dtype=bool)[classes], 0.0
    for a, b in ((u, u), (u, v), (v, v)):
        cosines = F.normalize(torch.tensor(a), dim=1) @ F.normalize(torch.tensor(b), dim=1).T
        total += get_task("04.multi_label_likelihood").reference(cosines.numpy() / 2, labels, labels)
    assert np.isclose(total, discrimination(torch.tensor(u), torch.tensor(v), torch.tensor(classes)).item())


def test_image_slope_is_what_autograd_gives() -> None:
    """J2 of the library also holds l(v, v), which has no slope along u."""

    def by_autograd(u, v, classes, alpha, beta):
        (leaf,) = tensors(u)
        other = torch.tensor(v)
        (alpha * discrimination(leaf, other, torch.tensor(classes)) + beta * invariance(leaf, other)).backward()
        return leaf.grad.numpy()

    result = check("04.image_slope", by_autograd)
    assert result, result


def test_neighbours_are_those_of_the_library() -> None:
    task = get_task("05.neighbour_graph")
    x, k = task.cases()[1].arguments  # without ties
    index, _ = nearest_rows(torch.tensor(x), torch.tensor(x), k, torch.arange(len(x)))
    chosen = np.zeros((len(x), len(x)))
    np.put_along_axis(chosen, index.numpy(), 1, axis=1)
    assert np.array_equal(task.reference(x, k), np.maximum(chosen, chosen.T))


def test_many_steps_reach_the_fixed_point() -> None:
    """H = restart (I - (1 - restart) P)^-1 X."""
    task = get_task("05.propagation")
    adjacency, x, _, restart = task.cases()[1].arguments
    p = adjacency / adjacency.sum(axis=1, keepdims=True)
    fixed = restart * np.linalg.solve(np.eye(len(x)) - (1 - restart) * p, x)
    np.testing.assert_allclose(task.reference(adjacency, x, 300, restart), fixed)


def test_inductive_rows_are_those_of_the_local_graphs_of_the_library() -> None:
    """The same edges, new to old, give the same entries of A_hat."""
    rng = np.random.default_rng(1)
    old, new = torch.tensor(rng.normal(size=(8, 3))), torch.tensor(rng.normal(size=(4, 3)))
    graphs = LocalGraphs(k=7, tau=0.5)  # all others, so that the training graph is symmetric
    graphs.learn(old)
    edges = graphs.look_up(new)
    everything = torch.cat([old, new])
    unit = F.normalize(everything, dim=1)
    adjacency = ((unit @ unit.T) / 0.5).exp().numpy() * (1 - np.eye(12))
    for b, left_out in enumerate(set(range(8)) - set(row.tolist()) for row in edges.index):
        for j in left_out:
            adjacency[8 + b, j] = adjacency[j, 8 + b] = 0.0
    rows = get_task("05.inductive_rows").reference(adjacency, 8)
    theirs = edges.mix(new, old).numpy()
    np.testing.assert_allclose(rows @ everything.numpy(), theirs, rtol=1e-6)


def test_gan_losses_are_what_torch_gives() -> None:
    def by_torch(real, fake, smoothing):
        r, f = tensors(real, fake)
        loss = F.binary_cross_entropy_with_logits
        judged = loss(r, torch.full_like(r, 1 - smoothing)) + loss(f, torch.zeros_like(f))
        wish = loss(f, torch.ones_like(f))
        (slope,) = torch.autograd.grad(wish, f)
        return judged.item(), wish.item(), slope.numpy()

    result = check("05.gan_losses", by_torch)
    assert result, result


@pytest.mark.parametrize("wikipedia", [False, True])
def test_practice_pairs(wikipedia: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Row beside row, one class each, scaled over the training pairs; emoji without the files of Wikipedia."""
    if not wikipedia:
        monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    seen, unseen = practice_pairs(n_words=50)
    if wikipedia and not seen.name.startswith("wikipedia"):
        pytest.skip("no files of Wikipedia in XMR_DATA_DIR")
    if not wikipedia:
        assert (seen.image.shape[1], seen.text.shape[1]) == (192, 50)
        assert seen.name.startswith("emoji")
    for part in (seen, unseen):
        assert part.n_images == part.n_captions
        assert (part.labels.sum(axis=1) == 1).all()
    for side in (seen.image, seen.text):
        np.testing.assert_allclose(side.mean(axis=0), 0, atol=1e-9)
        spread = side.std(axis=0)
        assert np.all(np.isclose(spread, 1) | (spread == 0))
        assert (spread == 0).mean() < 0.5
