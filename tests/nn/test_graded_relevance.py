"""Similarity of label sets in degrees: against loops, against the metric of the same name, at exact ties."""

from __future__ import annotations

import numpy as np
import torch

from xmr_lib.metrics import label_cosine_relevance
from xmr_lib.nn.codes import label_similarity
from xmr_lib.nn.graded_relevance import label_cosine, threshold_similarity, with_code_bits


def rows(n: int, seed: int = 0) -> torch.Tensor:
    return (torch.rand(n, 6, generator=torch.Generator().manual_seed(seed)) < 0.4).float()


def test_cosine_by_loops() -> None:
    a, b = rows(5), rows(7, 1)
    a[0] = 0
    for i in range(5):
        for j in range(7):
            both = float(a[i] @ b[j])
            expected = both / np.sqrt(float(a[i].sum() * b[j].sum())) if both else 0.0
            assert abs(float(label_cosine(a, b)[i, j]) - expected) < 1e-6


def test_the_threshold_is_that_of_the_strict_metric() -> None:
    a, b = rows(40), rows(50, 1)
    for threshold in (0.3, 0.4, 0.5, 0.70710678, 1.0):
        wanted = label_cosine_relevance(a.numpy(), b.numpy(), threshold)
        assert np.array_equal(threshold_similarity(a, b, threshold).numpy() > 0, wanted)


def test_no_threshold_is_a_shared_label() -> None:
    a, b = rows(20), rows(20, 1)
    assert torch.equal(threshold_similarity(a, b, None), label_similarity(a, b))
    assert torch.equal(threshold_similarity(a, b, 1e-3), label_similarity(a, b))


def test_an_exact_tie_is_similar() -> None:
    one, four = torch.tensor([[1.0, 0, 0, 0]]), torch.ones(1, 4)
    assert threshold_similarity(one, four, 0.5).item() == 1
    assert threshold_similarity(one, four, 0.501).item() == 0


def test_code_bits_add_their_square() -> None:
    labels, outputs = rows(8), torch.randn(8, 5, generator=torch.Generator().manual_seed(3))
    described = with_code_bits(labels, outputs, 0.3)
    bits = (outputs > 0).float()
    assert torch.allclose(described @ described.T, labels @ labels.T + 0.09 * bits @ bits.T)
    assert torch.equal(with_code_bits(labels, outputs, 0.0)[:, :6], labels)
