"""Captions as token numbers, with the ``tokenizers`` library.

Numbers 0 to 4 are special: padding, an unknown word, the beginning and the end of a text, a masked word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from xmr_lib.errors import InvalidInput, check_choice, check_positive

SPECIAL = ("[PAD]", "[UNK]", "[BOS]", "[EOS]", "[MASK]")
PAD, UNKNOWN, BEGIN, END, MASK = range(5)


class CaptionTokenizer:
    """Lower-case words (or pieces of words) and back.

    Args:
        tokenizer: A ``tokenizers.Tokenizer`` whose numbers 0 to 4 are ``SPECIAL``; see :meth:`learn`.
        length: Longest text in tokens, begin and end included; longer ones are cut before the end token.
    """

    def __init__(self, tokenizer: Tokenizer, length: int) -> None:
        self.tokenizer, self.length = tokenizer, check_positive(length, "length")
        if length < 3 or [tokenizer.id_to_token(number) for number in range(5)] != list(SPECIAL):
            raise InvalidInput(
                f"A CaptionTokenizer needs a length of at least 3 and the tokens {', '.join(SPECIAL)} as its numbers "
                "0 to 4. Make one with CaptionTokenizer.learn(captions)."
            )

    @classmethod
    def learn(
        cls, captions: Iterable[str], size: int = 8192, kind: str = "words", length: int | None = None
    ) -> CaptionTokenizer:
        """Learn the vocabulary of the captions.

        Args:
            captions: Training captions only: a word of the test captions that is missing is an unknown word.
            size: Largest vocabulary; the rarest go first.
            kind: ``"words"``, or ``"bpe"``: byte-pair encoding, which cuts rare words into pieces.
            length: Default: of the longest caption.

        Raises:
            InvalidInput: No captions. UnknownName: Another kind.
        """
        captions = list(captions)
        if not captions:
            raise InvalidInput("A tokenizer learns from captions, but there are none. Pass the training captions.")
        check_choice(kind, ("words", "bpe"), "kind of tokenizer")
        settings: dict[str, Any] = {"vocab_size": size, "special_tokens": list(SPECIAL), "show_progress": False}
        if kind == "words":
            tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
            trainer: Any = trainers.WordLevelTrainer(**settings)
        else:
            tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"))
            trainer = trainers.BpeTrainer(end_of_word_suffix="</w>", **settings)
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("removed")]
        )
        tokenizer.train_from_iterator(captions, trainer)
        longest = max(len(row.ids) for row in tokenizer.encode_batch(captions))
        return cls(tokenizer, max(longest, 1) + 2 if length is None else length)

    @property
    def size(self) -> int:
        """Number of tokens, the special ones included."""
        return int(self.tokenizer.get_vocab_size())

    def encode(self, captions: Sequence[str]) -> Tensor:
        """m captions -> (m, length) int64: [BOS] words [EOS], then padding.

        Raises:
            InvalidInput: Not a list of strings.
        """
        captions = check_sentences(captions)
        numbers = np.full((len(captions), self.length), PAD, dtype=np.int64)
        for row, found in zip(numbers, self.tokenizer.encode_batch(captions), strict=True):
            ids = [BEGIN, *found.ids[: self.length - 2], END]
            row[: len(ids)] = ids
        return torch.from_numpy(numbers)

    def tokens(self, numbers: Sequence[int]) -> list[str]:
        """The tokens behind numbers, padding left out."""
        return [str(self.tokenizer.id_to_token(int(number))) for number in numbers if int(number) != PAD]

    def to_json(self) -> str:
        """Everything, as text; :meth:`from_json` reads it."""
        return str(self.tokenizer.to_str())

    @classmethod
    def from_json(cls, text: str, length: int) -> CaptionTokenizer:
        """The tokenizer that :meth:`to_json` wrote."""
        return cls(Tokenizer.from_str(text), length)


def check_sentences(captions: Any) -> list[str]:
    """The texts as a list.

    Raises:
        InvalidInput: Not a list of strings.
    """
    sentences = None if isinstance(captions, str) else list(captions)
    if sentences is None or not all(isinstance(sentence, str) for sentence in sentences):
        raise InvalidInput('The texts must be a list of strings, for example ["a red bus at night"].')
    return sentences
