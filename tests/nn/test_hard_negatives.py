"""Hard negatives: never the same thing, as often as the softmax says, and what happens where nothing is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from xmr_lib.errors import InvalidInput
from xmr_lib.nn.contrastive import same_instance
from xmr_lib.nn.hard_negatives import sample_hard_negatives

DRAWS = 20_000


def frequencies(scores: list[float], same: list[bool]) -> Tensor:
    """(c,) how often each column of one row is drawn."""
    rows = torch.tensor(scores).expand(DRAWS, -1)
    drawn = sample_hard_negatives(rows, torch.tensor(same).expand(DRAWS, -1), torch.Generator().manual_seed(0))
    assert drawn.found.all()
    return torch.bincount(drawn.column, minlength=len(scores)) / DRAWS


def test_frequencies_are_the_softmax_over_the_wrong_columns() -> None:
    """Odds 1 : 2 : 6 beside a right column; four standard deviations of a frequency are at most 0.014."""
    found = frequencies([0.0, 5.0, np.log(2), np.log(6)], [False, True, False, False])
    torch.testing.assert_close(found, torch.tensor([1 / 9, 0, 2 / 9, 6 / 9]), atol=0.014, rtol=0)


def test_never_the_same_thing() -> None:
    generator = torch.Generator().manual_seed(1)
    instance = torch.randint(0, 4, (60,), generator=generator)
    same = same_instance(instance, instance)
    for _ in range(50):
        scores = 20 * torch.randn(60, 60, generator=generator) + 100 * same  # the right ones stand far above
        drawn = sample_hard_negatives(scores, same, generator)
        assert drawn.found.all()
        assert (instance[drawn.column] != instance).all()


def test_a_model_that_is_sure_still_finds_the_hardest() -> None:
    """exp(-200) is 0 in single precision: a softmax that holds the right column would leave the others nothing."""
    found = frequencies([0.0, -200.0, -201.0], [True, False, False])
    assert found[1].item() == pytest.approx(1 / (1 + np.exp(-1)), abs=0.014)


def test_without_any_likely_partner_the_draw_is_uniform() -> None:
    found = frequencies([1.0, -torch.inf, -torch.inf, -torch.inf], [True, False, False, False])
    torch.testing.assert_close(found, torch.tensor([0, 1 / 3, 1 / 3, 1 / 3]), atol=0.014, rtol=0)


def test_a_row_without_candidates_is_reported_and_hurts_no_other() -> None:
    same = torch.tensor([[True, True, True], [True, False, True]])
    drawn = sample_hard_negatives(torch.zeros(2, 3), same)
    assert drawn.found.tolist() == [False, True]
    assert drawn.column.tolist() == [0, 1]
    assert not sample_hard_negatives(torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool)).found.any()
    assert sample_hard_negatives(torch.zeros(3, 0), torch.zeros(3, 0, dtype=torch.bool)).column.tolist() == [0, 0, 0]


def test_no_gradient_flows_and_the_scores_stay() -> None:
    scores = torch.randn(4, 4, requires_grad=True)
    before = scores.detach().clone()
    drawn = sample_hard_negatives(scores, torch.eye(4, dtype=torch.bool))
    assert not drawn.column.requires_grad
    assert torch.equal(scores.detach(), before)


def test_the_same_generator_draws_the_same() -> None:
    scores, same = torch.randn(50, 50), torch.eye(50, dtype=torch.bool)
    draws = [sample_hard_negatives(scores, same, torch.Generator().manual_seed(s)).column for s in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_bad_input() -> None:
    with pytest.raises(InvalidInput, match=r"matrices of one shape, but they are \(2, 3\) and \(3, 2\)"):
        sample_hard_negatives(torch.zeros(2, 3), torch.zeros(3, 2, dtype=torch.bool))
    with pytest.raises(InvalidInput, match="hold NaN"):
        sample_hard_negatives(torch.full((2, 2), torch.nan), torch.eye(2, dtype=torch.bool))
