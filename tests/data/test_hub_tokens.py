"""A checkpoint's tokenizer: its numbers plus one, 0 for padding only, cut before the end token, stored as text."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from xmr_lib.data.hub_tokens import HubTokenizer, read_tokenizer
from xmr_lib.data.tokens import CaptionTokenizer
from xmr_lib.errors import InvalidInput

WORDS = {"!": 0, "<start>": 1, "<end>": 2, "red": 3, "cat": 4}


def foreign() -> Tokenizer:
    """Like CLIP's: number 0 is a word, and padding is the end token."""
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="<end>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    tokenizer.enable_padding(pad_id=2, pad_token="<end>", length=9)
    return tokenizer


def test_numbers_move_up_by_one_and_zero_is_padding() -> None:
    given = foreign()
    ours = HubTokenizer(given, length=5)
    assert ours.encode(["!", "red cat !", "red red red red", ""]).tolist() == [
        [2, 1, 3, 0, 0],
        [2, 4, 5, 1, 3],
        [2, 4, 4, 4, 3],
        [2, 3, 0, 0, 0],
    ]
    assert ours.size == 6
    assert ours.tokens([2, 1, 3, 0, 0]) == ["<start>", "!", "<end>"]
    assert len(given.encode("red").ids) == 9, "the given tokenizer stays as it was"


def test_stored_as_text() -> None:
    ours = HubTokenizer(foreign(), 5, size=10)
    again = read_tokenizer(ours.to_json(), 5)
    assert isinstance(again, HubTokenizer)
    assert again.size == 11
    assert again.encode(["red cat"]).equal(ours.encode(["red cat"]))
    own = CaptionTokenizer.learn(["a red cat"])
    back = read_tokenizer(own.to_json(), own.length)
    assert type(back) is CaptionTokenizer
    assert back.encode(["a cat"]).equal(own.encode(["a cat"]))


def test_wrong_input() -> None:
    with pytest.raises(InvalidInput, match="5 tokens, but the checkpoint has vectors for 4"):
        HubTokenizer(foreign(), 5, size=4)
    with pytest.raises(InvalidInput, match="list of strings"):
        HubTokenizer(foreign(), 5).encode("red")
