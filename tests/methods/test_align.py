"""ALIGN: the smoothed loss by hand and against torch, its floor, sigma, the schedule, fitting, storage, wrong input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.data.pixels import scene_splits
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.dual_tower import ALIGN, CLIP
from xmr_lib.methods.dual_tower.align import Sigma, smoothing_floor, warm_up_then_line


def network(smoothing: float = 0.1, temperature: float = 1.0) -> Any:
    settings = ALIGN.preset("smoke") | {"smoothing": smoothing, "temperature": temperature}
    return ALIGN(**settings).build(vocabulary=20, length=6)


def vectors(rows: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_loss_by_hand() -> None:
    """Equal cosines: each direction costs ln 2 for two pairs, and both are added."""
    same = torch.ones(2, 4) / 2
    assert network().contrastive(same, same, torch.arange(2)).item() == pytest.approx(2 * math.log(2), abs=1e-6)
    # Right pairs have cosine 1, wrong ones 0; sigma 1/2, so logits are 2 and 0; target .95 and .05.
    eye, total = torch.eye(2), math.log(math.exp(2) + 1)
    expected = 2 * (0.95 * (total - 2) + 0.05 * total)
    assert network(0.1, 0.5).contrastive(eye, eye, torch.arange(2)).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_loss_against_torch(smoothing: float) -> None:
    image, text, target = vectors(6, 0), vectors(6, 1), torch.arange(6)
    logits = image @ text.T / 0.3
    expected = F.cross_entropy(logits, target, label_smoothing=smoothing)
    expected = expected + F.cross_entropy(logits.T, target, label_smoothing=smoothing)
    found = network(smoothing, 0.3).contrastive(image, text, target)
    torch.testing.assert_close(found, expected)


def test_gradients_are_finite_differences() -> None:
    align = network(0.1, 0.3).double()
    sigma = align.temperature.sigma
    image, text = (vectors(4, seed).double().requires_grad_() for seed in (0, 1))
    instance = torch.tensor([0, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda *both: align.contrastive(*both, instance), (image, text))
    align.contrastive(image, text, instance).backward()
    values = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            sigma += step
            values.append(align.contrastive(image, text, instance).item())
    assert sigma.grad.item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.3])
def test_the_loss_has_a_floor(smoothing: float) -> None:
    """At logits that give the target back the loss is its entropy, and every step away costs."""
    k = 5
    gap = math.log((1 - smoothing + smoothing / k) / (smoothing / k))
    best = F.cross_entropy(gap * torch.eye(k), torch.arange(k), label_smoothing=smoothing)
    assert float(best) == pytest.approx(smoothing_floor(k, smoothing), abs=1e-6)
    for factor in (0.8, 1.2):
        assert F.cross_entropy(factor * gap * torch.eye(k), torch.arange(k), label_smoothing=smoothing) > best
    noise = torch.randn(200, k, k, generator=torch.Generator().manual_seed(0))
    losses = [float(F.cross_entropy(4 * x, torch.arange(k), label_smoothing=smoothing)) for x in noise]
    assert min(losses) > smoothing_floor(k, smoothing)
    assert smoothing_floor(k, 0.0) == 0.0


def test_training_never_goes_below_the_floor_and_smoothing_keeps_sigma_up() -> None:
    """Free vectors, one per item, learn their pairs by heart; then only sigma can lower the loss."""
    scales = {}
    for smoothing in (0.0, 0.1):
        align = network(smoothing, 0.2)
        image, text = (vectors(6, seed).clone().requires_grad_() for seed in (0, 1))
        optimiser = torch.optim.Adam([image, text, align.temperature.sigma], lr=0.02)
        for _ in range(200):
            loss = align.contrastive(F.normalize(image, dim=1), F.normalize(text, dim=1), torch.arange(6))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert loss.item() >= 2 * smoothing_floor(6, smoothing) - 1e-5
        scales[smoothing] = align.temperature().item()
    assert scales[0.1] < scales[0.0] / 3


def test_sigma() -> None:
    sigma = Sigma(0.5, minimum=0.1)
    assert sigma().item() == 2.0
    sigma().backward()
    assert sigma.sigma.grad is not None
    assert sigma.sigma.grad.item() == -4.0  # d(1/s)/ds = -1/s^2: learnt as it is, not as a logarithm
    with torch.no_grad():
        sigma.sigma.fill_(-3.0)
    assert sigma().item() == pytest.approx(10.0)
    with pytest.raises(InvalidInput, match=r"at least 0\.001"):
        Sigma(0.0)


def test_other_captions_of_an_image_are_no_negatives() -> None:
    align, image, text = network(), vectors(2, 0), vectors(4, 1)
    whole = align.contrastive(image, text, torch.arange(2))
    logits = image @ text.T
    rows = [
        F.cross_entropy(logits[i, [j, *others]][None], torch.tensor([0]), label_smoothing=0.1)
        for i, j, others in ((0, 0, (2, 3)), (0, 1, (2, 3)), (1, 2, (0, 1)), (1, 3, (0, 1)))
    ]
    columns = F.cross_entropy(logits.T, torch.tensor([0, 0, 1, 1]), label_smoothing=0.1)
    torch.testing.assert_close(whole, torch.stack(rows).mean() + columns)


def test_learning_rate_rises_and_falls_in_lines() -> None:
    values = [warm_up_then_line(x, 0.2) for x in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert values == pytest.approx([0.01, 0.5, 1.0, 0.5, 0.0])
    (player,) = ALIGN(**ALIGN.preset("smoke")).players(network()).values()
    assert player.schedule is not None
    assert player.schedule(1.0) == 0.0


def test_the_paper() -> None:
    align = ALIGN()
    json.dumps(align.get_params())
    with torch.device("meta"):
        towers = align.build(30_522, 64)
    assert towers.image_tower.width == 640
    assert towers.text_projection.weight.shape == (640, 1024)
    assert not list(towers.image_projection.parameters())
    assert align.get_params()["temperature"] == 1.0


@pytest.fixture(scope="module")
def fitted() -> ALIGN:
    return ALIGN(**ALIGN.preset("smoke")).fit(scene_splits("smoke").train)


def test_fit_encode_store(fitted: ALIGN, tmp_path: Path) -> None:
    test = scene_splits("smoke").test
    image, text = fitted.encode_image(test.images), fitted.encode_text(test.captions)
    assert image.shape == (test.n_images, fitted.model_.image_tower.width)
    np.testing.assert_allclose(np.linalg.norm(text, axis=1), 1, atol=1e-5)
    fitted.save(tmp_path)
    again = ALIGN.load(tmp_path)
    similarity = fitted.similarity(test.images, test.captions)
    np.testing.assert_array_equal(again.similarity(test.images, test.captions), similarity)
    np.testing.assert_allclose(similarity, image @ text.T, atol=1e-6)
    assert again.get_params() == fitted.get_params()


def test_same_seed_same_result(fitted: ALIGN) -> None:
    train, test = scene_splits("smoke").train, scene_splits("smoke").test
    twin = fitted.clone().fit(train)
    np.testing.assert_array_equal(twin.encode_text(test.captions), fitted.encode_text(test.captions))
    other = fitted.clone(seed=1).fit(train)
    assert not np.allclose(other.encode_text(test.captions), fitted.encode_text(test.captions))


def test_starts_from_another_method(fitted: ALIGN) -> None:
    """The towers of CLIP fit; its projection of the image has no place."""
    train = scene_splits("smoke").train
    clip = CLIP(**CLIP.preset("smoke")).fit(train)
    align = fitted.clone(lr=1e-9).fit(train, start=clip)
    ours, theirs = align.model_.state_dict(), clip.model_.state_dict()
    torch.testing.assert_close(ours["text_tower.words.weight"], theirs["text_tower.words.weight"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_wrong_smoothing(smoothing: float) -> None:
    with pytest.raises(InvalidInput, match=r"share in \[0, 1\)"):
        ALIGN(smoothing=smoothing)


def test_wrong_data() -> None:
    align = ALIGN(**ALIGN.preset("smoke"))
    features = PairedFeatures(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(InvalidInput, match="reads pictures and sentences"):
        align.fit(features)  # type: ignore[arg-type]
    lonely = load_dataset("emoji").subset(range(3))
    with pytest.raises(InvalidInput, match="no caption"):
        align.fit(PairedDataset("toy", "1", list(lonely.images), lonely.captions[:1], [0]))
