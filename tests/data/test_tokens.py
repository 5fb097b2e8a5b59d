"""The tokenizer: numbers by hand, cutting, unknown words, storage."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models

from xmr_lib.data.tokens import BEGIN, END, PAD, UNKNOWN, CaptionTokenizer
from xmr_lib.errors import InvalidInput, UnknownName

CAPTIONS = ["A red bus.", "A red, red swan over a bus!"]


def test_words() -> None:
    tokenizer = CaptionTokenizer.learn(CAPTIONS)
    assert tokenizer.size == 5 + 5  # a, red, bus, swan, over
    assert tokenizer.length == 7 + 2
    rows = tokenizer.encode([CAPTIONS[0], "RED whale"])
    assert rows.shape == (2, 9)
    assert tokenizer.tokens(rows[0].tolist()) == ["[BOS]", "a", "red", "bus", "[EOS]"]
    assert rows[0, 5:].tolist() == [PAD] * 4
    assert rows[1].tolist()[:4] == [BEGIN, int(rows[0, 2]), UNKNOWN, END]


def test_long_texts_are_cut_before_the_end() -> None:
    tokenizer = CaptionTokenizer.learn(CAPTIONS, length=4)
    assert tokenizer.tokens(tokenizer.encode(CAPTIONS[1:])[0].tolist()) == ["[BOS]", "a", "red", "[EOS]"]


def test_the_empty_text_and_no_texts() -> None:
    tokenizer = CaptionTokenizer.learn(CAPTIONS)
    assert tokenizer.encode([""])[0].tolist()[:3] == [BEGIN, END, PAD]
    assert tokenizer.encode([]).shape == (0, 9)


def test_rare_words_go_first_and_pieces_cover_them() -> None:
    few = CaptionTokenizer.learn(CAPTIONS, size=7)
    assert few.tokens(few.encode(["a red swan"])[0].tolist()) == ["[BOS]", "a", "red", "[UNK]", "[EOS]"]
    pieces = CaptionTokenizer.learn(CAPTIONS, kind="bpe", length=20)
    assert UNKNOWN not in pieces.encode(["swans over bread"])[0].tolist()  # made of letters that were seen
    assert pieces.tokens(pieces.encode(["red"])[0].tolist()) == ["[BOS]", "red</w>", "[EOS]"]


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_storage(kind: str) -> None:
    tokenizer = CaptionTokenizer.learn(CAPTIONS, kind=kind)
    again = CaptionTokenizer.from_json(tokenizer.to_json(), tokenizer.length)
    assert again.encode(CAPTIONS).equal(tokenizer.encode(CAPTIONS))
    assert again.size == tokenizer.size


def test_errors() -> None:
    with pytest.raises(InvalidInput, match="there are none"):
        CaptionTokenizer.learn([])
    with pytest.raises(UnknownName, match="no kind of tokenizer named 'letters'"):
        CaptionTokenizer.learn(CAPTIONS, kind="letters")
    with pytest.raises(InvalidInput, match="as its numbers 0 to 4"):
        CaptionTokenizer(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), 5)
    tokenizer = CaptionTokenizer.learn(CAPTIONS)
    for wrong in ("a red bus", [3], [None]):
        with pytest.raises(InvalidInput, match="must be a list of strings"):
            tokenizer.encode(wrong)  # type: ignore[arg-type]
