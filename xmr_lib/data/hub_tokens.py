"""The tokenizer of a checkpoint from the hub, in the form our towers read: 0 is padding and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from xmr_lib.data.tokens import PAD, CaptionTokenizer, check_sentences
from xmr_lib.errors import InvalidInput, check_positive


class HubTokenizer(CaptionTokenizer):
    """A foreign tokenizer whose numbers all move up by one, so that 0 is free.

    CLIP's number 0 is the exclamation mark, and CLIP pads with the end token; BERT's 0 is padding. Moved up by one,
    both follow the rule of every text tower here: a token is padding if and only if it is 0. The table of word vectors
    of such a checkpoint gets a row of zeros in front (:mod:`xmr_lib.methods.dual_tower.hub`).

    Args:
        tokenizer: With the rule that adds its begin and end tokens. It is copied.
        length: Longest text in tokens, these two included; longer ones are cut before the end token.
        size: Number of tokens the checkpoint has vectors for. Default: of the tokenizer. One more for padding is added.

    Raises:
        InvalidInput: The tokenizer has more tokens than ``size``.
    """

    def __init__(self, tokenizer: Tokenizer, length: int, size: int | None = None) -> None:
        self.tokenizer, self.length = Tokenizer.from_str(tokenizer.to_str()), check_positive(length, "length")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(length)
        known = int(self.tokenizer.get_vocab_size())
        self._size = known if size is None else size
        if known > self._size:
            raise InvalidInput(
                f"The tokenizer has {known} tokens, but the checkpoint has vectors for {self._size}. They do not "
                "belong together: take both from one checkpoint."
            )

    @property
    def size(self) -> int:
        """Number of tokens, padding included."""
        return self._size + 1

    def encode(self, captions: Sequence[str]) -> Tensor:
        """m captions -> (m, length) int64: the checkpoint's numbers plus one, then padding.

        Raises:
            InvalidInput: Not a list of strings.
        """
        captions = check_sentences(captions)
        numbers = np.full((len(captions), self.length), PAD, dtype=np.int64)
        for row, found in zip(numbers, self.tokenizer.encode_batch(captions), strict=True):
            row[: len(found.ids)] = np.asarray(found.ids) + 1
        return torch.from_numpy(numbers)

    def tokens(self, numbers: Sequence[int]) -> list[str]:
        """The tokens behind numbers, padding left out."""
        return [str(self.tokenizer.id_to_token(int(number) - 1)) for number in numbers if int(number) != PAD]

    def to_json(self) -> str:
        """Everything, as text; :meth:`from_json` reads it."""
        return json.dumps({"hub": self._size, "tokenizer": json.loads(self.tokenizer.to_str())})

    @classmethod
    def from_json(cls, text: str, length: int) -> HubTokenizer:
        """The tokenizer that :meth:`to_json` wrote."""
        stored = json.loads(text)
        return cls(Tokenizer.from_str(json.dumps(stored["tokenizer"])), length, stored["hub"])


def read_tokenizer(text: str, length: int) -> CaptionTokenizer:
    """The tokenizer behind a text that ``to_json`` wrote, ours or a checkpoint's."""
    kind = HubTokenizer if "hub" in json.loads(text) else CaptionTokenizer
    return kind.from_json(text, length)
