"""BERT: values against transformers, padding, order of the words, gradients, wrong input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.methods.dual_tower.hub_names import ALIGN_NAMES, renamed
from xmr_lib.nn.bert import PostNormBlock
from xmr_lib.nn.towers import text_tower

TEXT = torch.tensor([[5, 9, 2, 7, 0, 0], [3, 3, 8, 1, 4, 6]])


def tower(**settings: Any) -> Any:
    torch.manual_seed(0)
    defaults = {"kind": "bert", "width": 8, "layers": 2, "heads": 2, "std": 0.5}
    return text_tower(defaults | settings, vocabulary=12, length=7).eval()


def test_same_values_as_transformers() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
    theirs = BertModel(BertConfig(vocab_size=12, max_position_embeddings=7, **sizes)).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    ours = tower(ratio=2.5, pool="pooler")
    state = {f"text_model.{name}": value for name, value in theirs.state_dict().items()}
    weights = {name.removeprefix("text_tower."): value for name, value in renamed(state, ALIGN_NAMES, "BERT")}
    weights |= {f"pooler.{part}": theirs.state_dict()[f"pooler.dense.{part}"] for part in ("weight", "bias")}
    ours.load_state_dict(weights)
    types = torch.tensor([[0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 0]])
    for kinds in (None, types):
        expected = theirs(TEXT, attention_mask=(TEXT > 0).int(), token_type_ids=kinds)
        found = ours(TEXT, kinds)
        torch.testing.assert_close(found.pooled, expected.pooler_output, atol=1e-5, rtol=0)
        torch.testing.assert_close(found.tokens[found.mask], expected.last_hidden_state[found.mask], atol=1e-5, rtol=0)


@pytest.mark.parametrize("pool", ["first", "pooler", "mean"])
def test_padding_changes_nothing(pool: str) -> None:
    bert = tower(pool=pool)
    alone = bert(TEXT[:1, :4])
    beside = bert(torch.cat([TEXT, torch.zeros(2, 1, dtype=torch.int64)], 1))
    torch.testing.assert_close(alone.pooled[0], beside.pooled[0])
    assert beside.tokens.shape == (2, 6, 8)
    assert beside.mask.tolist() == (TEXT > 0).tolist()
    torch.testing.assert_close(alone.tokens[0], beside.tokens[0, :4])


def test_pooling() -> None:
    text = TEXT[1:]
    tokens = tower(pool="first")(text).tokens
    torch.testing.assert_close(tower(pool="first")(text).pooled, tokens[:, 0])
    torch.testing.assert_close(tower(pool="mean")(text).pooled, tokens.mean(1))


def test_every_word_sees_every_word_and_its_place() -> None:
    bert = tower()
    first = bert(torch.tensor([[5, 9, 2]])).tokens
    assert not torch.allclose(first[0, 0], bert(torch.tensor([[5, 9, 4]])).tokens[0, 0]), "the last word matters"
    assert not torch.allclose(first[0, 0], bert(torch.tensor([[5, 2, 9]])).tokens[0, 0]), "and so does the order"


def test_the_sum_is_normalised() -> None:
    """Post-norm: mean 0 and variance 1 after every block, whatever comes in."""
    block = PostNormBlock(8, 2)
    x = block(100 * torch.randn(3, 4, 8))
    torch.testing.assert_close(x.mean(2), torch.zeros(3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.var(2, unbiased=False), torch.ones(3, 4), atol=1e-4, rtol=0)


def test_dropout_only_in_training() -> None:
    bert = tower(dropout=0.5)
    assert torch.equal(bert(TEXT).pooled, bert(TEXT).pooled)
    assert not torch.equal(bert.train()(TEXT).pooled, bert(TEXT).pooled)


def test_gradients() -> None:
    torch.manual_seed(0)
    block = PostNormBlock(4, 2).double()
    mask = torch.tensor([[True, True, False], [True, True, True]])
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: block(x, mask)[mask], (x,))
    bert = tower(pool="pooler")
    bert(TEXT).pooled.square().sum().backward()
    assert (bert.words.weight.grad[0] == 0).all(), "padding learns nothing"
    for name, weight in bert.named_parameters():
        assert weight.grad is not None, name


def test_wrong_input() -> None:
    with pytest.raises(InvalidInput, match="reads 7 tokens at most, not 8"):
        tower()(torch.ones(1, 8, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="must divide 8"):
        tower(heads=3)
    with pytest.raises(UnknownName, match="pooling of BERT"):
        tower(pool="last")
