"""Token alignment: worked by hand, against torch's own attention, padding, pairs by number, finite differences."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import xmr_lib.nn.token_alignment as module
from xmr_lib.nn.token_alignment import TokenAlignment, WordReader, alignment_score
from xmr_lib.nn.transformer import Attention

W = 8


@pytest.fixture
def blocks() -> TokenAlignment:
    torch.manual_seed(0)
    network = TokenAlignment(W, heads=2, layers=3, dim=5)
    for weight in network.parameters():  # away from the look-up, where many terms are 0
        nn.init.normal_(weight, std=0.4)
    return network.eval()


def tokens(texts: int = 3, images: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Words of 2, 4 and 5 tokens (and so on), padding to 6, and patches."""
    generator = torch.Generator().manual_seed(1)
    words, patches = torch.randn(texts, 6, W, generator=generator), torch.randn(images, 7, W, generator=generator)
    length = torch.tensor([2, 4, 5]).repeat(texts)[:texts]
    return words, torch.arange(6) < length[:, None], patches


def test_score_by_hand() -> None:
    words = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], [[3.0, 4.0], [1.0, 0.0], [1.0, 0.0]]])
    found = torch.tensor([[[3.0, 0.0], [1.0, 0.0], [-1.0, -1.0]], [[4.0, 3.0], [-1.0, 0.0], [0.0, 0.0]]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    torch.testing.assert_close(alignment_score(found, words, mask), torch.tensor([(1 + 0 - 1) / 3, 24 / 25]))


def test_first_weights_are_a_look_up() -> None:
    """One word, two patches: it copies the patch it resembles with weight sigmoid(10 / sqrt 2), by hand."""
    network = TokenAlignment(2, heads=1, layers=1, dim=2).eval()
    block: Any = network.blocks[0]
    nn.init.zeros_(block.mlp[2].weight)
    nn.init.zeros_(block.among_words.out.weight)
    words, patches = torch.tensor([[[10.0, 0.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    near = 1 / (1 + math.exp(-10 / math.sqrt(2)))
    score = network(words, torch.ones(1, 1, dtype=torch.bool), patches)
    assert score.item() == pytest.approx(near / math.hypot(near, 1 - near), abs=1e-6)
    looks, cosines = network.looks(words, torch.ones(1, 1, dtype=torch.bool), patches)
    torch.testing.assert_close(looks, torch.tensor([[[[near, 1 - near]]]]))
    assert cosines.item() == pytest.approx(score.item(), abs=1e-6)


def same_attention(own: Attention) -> nn.MultiheadAttention:
    """torch's attention with the weights of ours."""
    theirs = nn.MultiheadAttention(W, 2, batch_first=True)
    parts = [own.query, own.key, own.value]
    joined = {f"in_proj_{name}": torch.cat([getattr(part, name) for part in parts]) for name in ("weight", "bias")}
    theirs.load_state_dict(joined | {f"out_proj.{name}": value for name, value in own.out.state_dict().items()})
    return theirs


def test_blocks_are_the_formulas_with_torchs_attention(blocks: TokenAlignment) -> None:
    words, mask, patches = tokens()
    found, expected = torch.zeros_like(words), []
    block: Any
    for block in blocks.blocks:
        normed = block.norm_1(found)
        asked = words + normed
        found = found + same_attention(block.among_words)(asked, asked, normed, key_padding_mask=~mask)[0]
        found = found + same_attention(block.to_image)(words + block.norm_2(found), patches, patches)[0]
        found = found + block.mlp[2](F.gelu(block.mlp[0](block.norm_3(found))))
        cosine = F.cosine_similarity(blocks.project_found(found), blocks.project_words(words), dim=-1)
        expected.append(torch.stack([row[real].mean() for row, real in zip(cosine, mask, strict=True)]))
    torch.testing.assert_close(blocks(words, mask, patches), torch.stack(expected, 1), atol=1e-5, rtol=1e-5)


def test_padding_does_not_matter(blocks: TokenAlignment) -> None:
    words, mask, patches = tokens()
    words.requires_grad_()
    scores = blocks(words, mask, patches)
    scores.sum().backward()
    assert words.grad is not None
    assert (words.grad[~mask] == 0).all()
    assert (words.grad[mask] != 0).all()
    other = torch.where(mask[:, :, None], words, 100.0)
    torch.testing.assert_close(blocks(other, mask, patches), scores)
    for row, length in enumerate(mask.sum(1).tolist()):
        one = slice(row, row + 1)
        alone = blocks(words[one, :length], mask[one, :length], patches[one])
        torch.testing.assert_close(alone, scores[one], atol=1e-5, rtol=1e-5)


def test_pairs_by_number_in_any_order_and_in_parts(blocks: TokenAlignment, monkeypatch: pytest.MonkeyPatch) -> None:
    words, mask, patches = tokens(6, 4)
    text, image = torch.tensor([5, 0, 3, 3, 1, 4, 0]), torch.tensor([0, 3, 3, 1, 2, 2, 3])
    expected = blocks(words[text], mask[text], patches[image])
    torch.testing.assert_close(blocks(words, mask, patches, text, image), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(expected[1], expected[6])
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 2)
    torch.testing.assert_close(blocks(words, mask, patches, text, image), expected, atol=1e-5, rtol=1e-5)


def test_at_first_the_words_have_nothing_to_tell(blocks: TokenAlignment) -> None:
    words, mask, _ = tokens()
    block: Any = blocks.blocks[0]
    with_zeros = block.talk(torch.zeros_like(words), words, mask)
    torch.testing.assert_close(block.talk(None, words, mask), with_zeros, atol=1e-5, rtol=1e-5)


def test_looks_belong_to_the_scores(blocks: TokenAlignment) -> None:
    words, mask, patches = tokens()
    looks, cosines = blocks.looks(words, mask, patches)
    assert looks.shape == (3, 3, 6, 7)
    torch.testing.assert_close(looks.sum(3), torch.ones(3, 3, 6))
    mean = (cosines * mask[:, None]).sum(2) / mask.sum(1)[:, None]
    torch.testing.assert_close(mean, blocks(words, mask, patches), atol=1e-5, rtol=1e-5)


def test_gradients_agree_with_finite_differences(blocks: TokenAlignment) -> None:
    blocks = blocks.double()
    words, mask, patches = tokens(2, 2)
    inputs = words.double().requires_grad_(), patches.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda w, v: blocks(w, mask, v), inputs)
    block: Any = blocks.blocks[1]
    weight = block.among_words.value.weight
    assert torch.autograd.gradcheck(lambda _: blocks(*inputs[:1], mask, inputs[1]), (weight,), eps=1e-6)


def test_dropout_only_in_training(blocks: TokenAlignment) -> None:
    words, mask, patches = tokens()
    assert torch.equal(blocks(words, mask, patches), blocks(words, mask, patches))
    blocks.train()
    assert not torch.allclose(blocks(words, mask, patches), blocks(words, mask, patches))


def test_the_reader_knows_order_only_when_it_reads() -> None:
    torch.manual_seed(0)
    words = torch.randn(1, 4, 6)
    mask, turned = torch.tensor([[True, True, True, False]]), words[:, [2, 1, 0, 3]]
    plain, reads = WordReader(6, W).eval(), WordReader(6, W, layers=1, length=4, heads=2).eval()
    torch.testing.assert_close(plain(turned, mask)[:, :3], plain(words, mask)[:, [2, 1, 0]])
    assert (reads(turned, mask)[:, :3] - reads(words, mask)[:, [2, 1, 0]]).abs().max() > 0.01
    other = torch.where(mask[:, :, None], words, 100.0)
    torch.testing.assert_close(reads(other, mask)[:, :3], reads(words, mask)[:, :3])
