"""The hinge with several captions per image: by hand, by loops, by finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from xmr_lib.nn.caption_triplets import caption_triplets, pair_hinges

# Two images, the first with captions 0 and 1, the second with caption 2.
S = torch.tensor([[0.9, 0.3, 0.8], [0.2, 0.6, 0.5]], dtype=torch.float64)
RIGHT = torch.tensor([[True, True, False], [False, False, True]])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_by_hand() -> None:
    # margin .2; pairs (0, 0): .2 - .9 + .8; (0, 1): .2 - .3 + .8; (1, 2): .2 - .5 + .6
    assert pair_hinges(S, RIGHT).tolist() == pytest.approx([0.1, 0.7, 0.3])
    # mean over the wrong columns of row 1: (max(0, .2 - .5 + .2) + .3) / 2
    assert pair_hinges(S, RIGHT, hardest=False).tolist() == pytest.approx([0.1, 0.7, 0.15])
    # captions: (0, 0): .2 - .9 + .2 < 0; (1, 0): .2 - .3 + .6; (2, 1): .2 - .5 + .8
    assert float(caption_triplets(S, RIGHT)) == pytest.approx(1.1 / 3 + (0 + 0.5 + 0.5) / 3)


@pytest.mark.parametrize("hardest", [True, False])
def test_by_loops_and_finite_differences(hardest: bool) -> None:
    similarity, instance = normal(4, 8), torch.tensor([0, 1, 1, 2])
    right = instance[:, None] == instance.repeat_interleave(2)[None, :]
    expected = []
    for i, j in right.nonzero().tolist():
        wrong = [float(similarity[i, k]) for k in range(8) if not right[i, k]]
        hinges = [max(0.0, 0.3 - float(similarity[i, j]) + score) for score in wrong]
        expected.append(max(hinges) if hardest else sum(hinges) / len(hinges))
    assert pair_hinges(similarity, right, 0.3, hardest).tolist() == pytest.approx(expected)
    similarity.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: caption_triplets(s, right, 0.3, hardest), (similarity,))


@pytest.mark.parametrize("hardest", [True, False])
def test_captions_of_the_same_image_are_never_negatives(hardest: bool) -> None:
    """Two rows show the same image: its other captions score highest and cost nothing."""
    similarity = torch.tensor([[0.9, 1.0, 0.0], [1.0, 0.9, 0.0], [0.0, 0.0, 0.9]])
    instance = torch.tensor([0, 0, 1])
    assert float(caption_triplets(similarity, instance[:, None] == instance[None, :], 0.2, hardest)) == 0


@pytest.mark.parametrize("hardest", [True, False])
def test_without_negatives_the_loss_is_0_and_its_gradient_finite(hardest: bool) -> None:
    similarity = torch.ones(2, 4, requires_grad=True)
    loss = caption_triplets(similarity, torch.ones(2, 4).bool(), 0.2, hardest)
    loss.backward()
    assert loss == 0  # and not NaN
    assert similarity.grad is not None
    assert (similarity.grad == 0).all()
