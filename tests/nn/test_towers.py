"""Towers: shapes, what they may and may not see, settings, first weights, batch statistics."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.nn.batch_norm import BatchNorm
from xmr_lib.nn.towers import Pixels, TextTransformer, WordBag, image_tower, text_tower, trim

PIXELS = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TEXT = torch.tensor([[2, 5, 6, 7, 3, 0, 0], [2, 6, 5, 7, 3, 0, 0], [2, 8, 3, 0, 0, 0, 0]])
CONV = {"kind": "conv", "size": 32, "channels": [8, 16], "layers": 1, "heads": 2}
VIT = {"kind": "vit", "size": 32, "patch": 8, "width": 12, "layers": 2, "heads": 3}
TRANSFORMER = {"kind": "transformer", "width": 12, "layers": 2, "heads": 3}


@pytest.mark.parametrize("settings", [CONV, VIT], ids=["conv", "vit"])
def test_image_towers(settings: dict[str, Any]) -> None:
    tower = image_tower(settings).eval()
    tokens, mask, pooled = tower(PIXELS)
    assert tokens.shape == (3, 16, tower.width)
    assert mask.all()
    assert mask.shape == (3, 16)
    assert pooled.shape == (3, tower.width)
    alone = tower(PIXELS[1:2])
    torch.testing.assert_close(alone.pooled, pooled[1:2])  # in evaluation a picture does not see its batch
    assert not torch.equal(pooled[0], pooled[1])


def test_tokens_come_row_by_row() -> None:
    """Without blocks a token depends on its own patch: one bright corner moves the token of that corner."""
    tower = image_tower({**CONV, "layers": 0, "channels": [8]}).eval()
    changed = PIXELS.clone()
    changed[:, :, :4, 28:] = 255  # top right patch of 8 x 8
    differs = (tower(PIXELS).tokens != tower(changed).tokens).any(2).all(0)
    assert differs.nonzero().flatten().tolist() == [7]


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "bag", "width": 8, "hidden": 10},
        TRANSFORMER,
        {**TRANSFORMER, "causal": False, "pool": "first"},
        {**TRANSFORMER, "causal": False, "pool": "mean"},
    ],
    ids=["bag", "causal", "first", "mean"],
)
def test_text_towers(settings: dict[str, Any]) -> None:
    tower = text_tower(settings, 9, 7).eval()
    tokens, mask, pooled = tower(TEXT)
    assert tokens.shape == (3, 5, tower.width)  # padding columns are trimmed
    assert mask.sum(1).tolist() == [5, 5, 3]
    assert pooled.shape == (3, tower.width)
    torch.testing.assert_close(tower(TEXT[2:]).pooled, pooled[2:])  # padding changes nothing
    order_matters = settings["kind"] != "bag"
    assert torch.allclose(pooled[0], pooled[1], atol=1e-6) != order_matters


def test_a_causal_tower_reads_left_to_right() -> None:
    tower = text_tower(TRANSFORMER, 9, 7).eval()
    tokens, _, pooled = tower(TEXT[:1])
    changed = TEXT[:1].clone()
    changed[0, 3] = 8
    assert torch.equal(tower(changed).tokens[:, :3], tokens[:, :3])
    assert not torch.allclose(tower(changed).pooled, pooled)
    torch.testing.assert_close(pooled, tokens[:, 4])  # the end-of-text token


def test_errors() -> None:
    for build, message in (
        (lambda: image_tower({**CONV, "size": 30}), "multiple of 8"),
        (lambda: image_tower({**VIT, "patch": 5}), "5 does not divide 32"),
        (lambda: TextTransformer(9, 4, 12, 1, 3)(TEXT), "4 tokens at most, not 5"),
    ):
        with pytest.raises(InvalidInput, match=message):
            build()
    with pytest.raises(UnknownName, match="no kind of image tower named 'resnet'"):
        image_tower({"kind": "resnet"})
    with pytest.raises(UnknownName, match="no pooling of the text tower named 'max'"):
        text_tower({**TRANSFORMER, "pool": "max"}, 9, 7)


def test_small_parts() -> None:
    assert trim(TEXT).shape == (3, 5)
    assert trim(torch.zeros(2, 4, dtype=torch.long)).shape == (2, 1)
    white = Pixels()(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))
    torch.testing.assert_close(white, torch.ones(1, 3, 2, 2))
    per_channel = Pixels((0.1, 0.2, 0.3), (1.0, 2.0, 4.0))(torch.zeros(1, 3, 1, 1, dtype=torch.uint8))
    torch.testing.assert_close(per_channel.flatten(), torch.tensor([-0.1, -0.1, -0.075]))
    assert (WordBag(9).words.weight[0] == 0).all()


def test_first_weights_of_clip() -> None:
    tower = image_tower({**VIT, "width": 192, "layers": 8})
    block = tower.blocks[3]
    assert float(block.attention.query.weight.std()) == pytest.approx(192**-0.5, rel=0.05)
    assert float(block.mlp[2].weight.std()) == pytest.approx(192**-0.5 * 16**-0.5, rel=0.05)
    assert float(block.mlp[0].weight.std()) == pytest.approx(384**-0.5, rel=0.05)


def test_batch_norm_in_one_process_is_that_of_torch() -> None:
    own, reference = BatchNorm(4), nn.BatchNorm2d(4)
    x = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(own(x), reference(x))
    torch.testing.assert_close(own.running_var, reference.running_var)


def test_batch_norm_over_processes_is_that_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of several processes, with one that has all rows: sums over processes are then its own."""
    monkeypatch.setattr("xmr_lib.nn.batch_norm.world_size", lambda: 2)
    own, reference = BatchNorm(4), nn.BatchNorm2d(4)
    x = 3 + torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    y = x.clone().requires_grad_()
    x.requires_grad_()
    out, expected = own(x), reference(y)
    torch.testing.assert_close(out, expected)
    (out.square() * out.detach().sin()).sum().backward()
    (expected.square() * expected.detach().sin()).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(own.running_mean, reference.running_mean)
    torch.testing.assert_close(own.running_var, reference.running_var)
    assert int(own.num_batches_tracked) == 1


@pytest.mark.parametrize(
    ("settings", "inputs"),
    [
        (CONV, PIXELS),
        (VIT, PIXELS),
        ({**VIT, "layers": 1}, PIXELS),
        ({**VIT, "layers": 0}, PIXELS),
        ({"kind": "bag", "width": 8, "hidden": 10}, TEXT),
        (TRANSFORMER, TEXT),
        ({**TRANSFORMER, "layers": 0}, TEXT),
        ({**TRANSFORMER, "pool": "first"}, TEXT),
        ({**TRANSFORMER, "causal": False}, TEXT),
        ({**TRANSFORMER, "causal": False, "pool": "first"}, TEXT),
        ({**TRANSFORMER, "causal": False, "pool": "mean"}, TEXT),
    ],
)
def test_pooled_alone_is_the_same_with_the_same_gradients(settings: dict[str, Any], inputs: torch.Tensor) -> None:
    build = {"conv": image_tower, "vit": image_tower}.get(settings["kind"], lambda each: text_tower(each, 9, 7))
    tower = build(settings).eval()
    results = []
    for vectors in (tower(inputs).pooled, tower.pooled(inputs)):
        tower.zero_grad()
        (vectors * torch.arange(vectors.numel()).view_as(vectors).sin()).sum().backward()
        results.append({name: p.grad.clone() for name, p in tower.named_parameters() if p.grad is not None})
        results[-1]["pooled"] = vectors.detach()
    whole, alone = results
    assert whole.keys() == alone.keys()
    for name, value in whole.items():
        torch.testing.assert_close(alone[name], value, atol=1e-5, rtol=1e-4, msg=name)
