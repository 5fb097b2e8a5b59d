"""Exercise 09: references against autograd and the library, functions of the lesson pasted as they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from xmr_lib.course import check
from xmr_lib.course.task import all_tasks, get_task
from xmr_lib.course.tasks.hashing_mistakes import sweeps
from xmr_lib.methods.hashing.base import binary_codes
from xmr_lib.methods.hashing.dchuc import dcc_step, dchuc_objective
from xmr_lib.methods.hashing.dcmh import dcmh_objective, dcmh_terms
from xmr_lib.metrics import mean_average_precision
from xmr_lib.metrics.hamming import (
    average_precision_from_histograms,
    distance_histograms,
    hamming_distance,
    hamming_map,
    hamming_radius_precision,
    pack_codes,
)
from xmr_lib.nn.codes import pair_likelihood, quantisation_error, sign_codes

PASTED: list[tuple[str, Callable[..., Any]]] = [
    ("09.pair_loss", pair_likelihood),
    ("09.pair_loss", dcmh_objective),
    ("09.pair_loss", dcmh_terms),
    ("09.sign_gap", sign_codes),
    ("09.sign_gap", quantisation_error),
    ("09.sign_gap", binary_codes),
    ("09.tied_ap", pack_codes),
    ("09.tied_ap", hamming_distance),
    ("09.tied_ap", distance_histograms),
    ("09.tied_ap", average_precision_from_histograms),
    ("09.tied_ap", hamming_map),
    ("09.tied_ap", hamming_radius_precision),
    ("09.code_sweep", dcc_step),
    ("09.code_sweep", dchuc_objective),
]


@pytest.mark.parametrize(("task_id", "function"), PASTED, ids=lambda value: getattr(value, "__name__", value))
def test_functions_of_the_lesson_pasted_as_they_are(
    task_id: str, function: Callable[..., Any], is_known_as_pasted: Callable[..., None]
) -> None:
    is_known_as_pasted(task_id, function)


def test_every_task_knows_a_function_of_its_lesson() -> None:
    assert {task_id for task_id, _ in PASTED} == {task_id for task_id in all_tasks() if task_id.startswith("09")}


def test_pair_loss_is_what_autograd_gives() -> None:
    def by_autograd(f, g, s, w):
        f, g = (torch.tensor(x, requires_grad=True) for x in (f, g))
        value = (torch.tensor(w) * pair_likelihood(f, g, torch.tensor(s))).sum() / w.sum()
        value.backward()
        return value.item(), f.grad.numpy(), g.grad.numpy()

    result = check("09.pair_loss", by_autograd)
    assert result, result


@pytest.mark.parametrize("text", ["log(p + 1e-12)", "log(sigmoid)", "exp / (1 + exp)"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_unsafe_likelihoods_are_known(text: str) -> None:
    """Three ways to write the loss that are right for small theta; the message names the cause of each."""

    def unsafe(f, g, s, w):
        theta, share = f @ g.T / 2, w / w.sum()
        p = np.exp(theta) / (1 + np.exp(theta)) if text.startswith("exp") else 1 / (1 + np.exp(-theta))
        small = 1e-12 if "1e-12" in text else 0.0
        value = -(share * (s * np.log(p + small) + (1 - s) * np.log(1 - p + small))).sum()
        return value, (share * (p - s)) @ g / 2, (share * (p - s)).T @ f / 2

    assert check("09.pair_loss", unsafe).diagnosis == ("clipped" if "1e-12" in text else "overflow")


def test_new_codes_are_the_best_of_all_and_cost_the_gap_and_the_quarrel() -> None:
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    codes, before, after, gap = get_task("09.sign_gap").reference(f, g, np.ones((2, 3)), 0.3)
    every = [np.reshape(bits, (2, 3)) for bits in product((-1.0, 1.0), repeat=6)]
    losses = [0.3 * ((b - f) ** 2).mean() + 0.7 * ((b - g) ** 2).mean() for b in every]
    assert np.array_equal(every[int(np.argmin(losses))], codes)
    assert np.isclose(min(losses), after)
    assert np.isclose(losses[-1], before)
    assert np.isclose(after - gap, 0.21 * ((f - g) ** 2).mean())


def test_tied_ap_is_what_the_library_gives_under_three_rules() -> None:
    def by_library(queries, items, relevant, bits):
        a, b = (np.unpackbits(codes, axis=1)[:, :bits] for codes in (queries, items))
        near = -hamming_distance(pack_codes(a), pack_codes(b)).astype(int)
        return tuple(
            mean_average_precision(near, relevant, ties=rule, empty="zero").per_query
            for rule in ("pessimistic", "expected", "optimistic")
        )

    result = check("09.tied_ap", by_library)
    assert result, result


def test_sweep_without_weights_is_the_library_column_by_column() -> None:
    """With one modality twice the library's J is 2 (pairs) + gamma |V - U|^2 and terms that V does not move."""
    task = get_task("09.code_sweep")
    for case in task.cases():
        codes, outputs, rows, target, weights, gamma = case.arguments
        v, trail = task.reference(*case.arguments)
        assert (np.diff(trail) <= 1e-9 * trail[0]).all(), case.text
        if not (weights == 1).all():
            continue
        u, s, omega = torch.tensor(outputs), torch.tensor(target), torch.tensor(rows)
        ours, none = torch.tensor(codes), torch.zeros(len(codes), 1, dtype=torch.float64)
        w = torch.zeros(codes.shape[1], 1, dtype=torch.float64)
        objectives = []
        for k in range(-1, codes.shape[1]):
            if k >= 0:
                ours[:, k] = dcc_step(k, ours, u, u, w, s, none, omega, gamma=2 * gamma, beta=0.0)
            weights_of_j = {"gamma": 2 * gamma, "alpha": 0.0, "mu": 0.0, "eta": 0.0, "beta": 0.0}
            objectives.append(float(dchuc_objective(u, u, ours, w, s, none, omega, **weights_of_j)) / 2)
        assert np.array_equal(v, ours.numpy()), case.text
        np.testing.assert_allclose(trail, objectives)


def test_what_is_no_descent_lets_the_objective_rise() -> None:
    """A second sweep of all columns at once, with the own bit left in, or with the slip of the released code."""
    task = get_task("09.code_sweep")
    _, *rest = task.cases()[-1].arguments
    codes, _ = task.reference(*task.cases()[-1].arguments)
    assert (np.diff(task.reference(codes, *rest)[1]) <= 0).all()
    for wrong in (sweeps(at_once=True), sweeps(own=True), sweeps(others=2.0)):
        assert (np.diff(wrong(codes, *rest)[1]) > 1).any()
