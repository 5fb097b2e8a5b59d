"""What all hashing methods share: codes in {-1, +1}, packed bits, similarity = minus the Hamming distance.

A hash function gives ``bits`` real outputs for an item; the code is their sign, and never holds a 0. What is stored and
searched is the packed code, ``bits / 8`` bytes per item: ``packed_image`` and ``packed_text``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import DualEncoder, Matrix
from xmr_lib.metrics.hamming import hamming_distance, pack_codes

Codes = NDArray[Any]  # int8, -1 or +1
PackedCodes = NDArray[np.uint8]  # eight bits per byte


def binary_codes(outputs: Any) -> Codes:
    """(n, bits) real outputs -> (n, bits) int8 codes: +1 where the output is above 0, else -1; never 0.

    >>> binary_codes(np.array([[0.3, 0.0, -2.0]])).tolist()
    [[1, -1, -1]]
    """
    return np.where(np.asarray(outputs) > 0, 1, -1).astype(np.int8)


class HashingMethod(DualEncoder):
    """A dual encoder whose common space is {-1, +1}^bits.

    A subclass gives :meth:`image_outputs` and :meth:`text_outputs`. Two kinds of codes make retrieval easier than
    cross-modal hashing is, because they know more of a database item than one modality tells. A method that has them
    offers them under these names, and :mod:`xmr_lib.evaluation.hashing` prints them beside the strict protocol:

    ``unified_codes_``  (n, bits) int8, learnt for the n training pairs themselves (CMFH, DCHUC).
    ``encode_pairs``    codes of pairs from both modalities at once (HMAH).
    """

    bits: int
    unified_codes_: Codes

    def image_outputs(self, images: Any) -> Matrix:
        """(n, d_i) image features -> (n, bits) real outputs, whose signs are the codes."""
        raise NotImplementedError

    def text_outputs(self, texts: Any) -> Matrix:
        """(m, d_t) text features -> (m, bits) real outputs, whose signs are the codes."""
        raise NotImplementedError

    def encode_image(self, images: Any) -> Codes:
        """(n, d_i) image features -> (n, bits) int8 codes in {-1, +1}."""
        return binary_codes(self.image_outputs(images))

    def encode_text(self, texts: Any) -> Codes:
        """(m, d_t) text features -> (m, bits) int8 codes in {-1, +1}."""
        return binary_codes(self.text_outputs(texts))

    def packed_image(self, images: Any) -> PackedCodes:
        """(n, d_i) image features -> (n, ceil(bits / 8)) uint8: eight bits of the code per byte."""
        return pack_codes(self.encode_image(images))

    def packed_text(self, texts: Any) -> PackedCodes:
        """(m, d_t) text features -> (m, ceil(bits / 8)) uint8: eight bits of the code per byte."""
        return pack_codes(self.encode_text(texts))

    def encode_pairs(self, images: Any, texts: Any) -> Codes:
        """(n, d_i), (n, d_t) features of n pairs -> (n, bits) int8 codes made from both.

        Raises:
            InvalidInput: This method has no such codes.
        """
        raise InvalidInput(f"{self.name} codes one modality at a time. Use encode_image or encode_text.")

    def similarity(self, images: Any, texts: Any) -> NDArray[Any]:
        """Minus the Hamming distance of the codes, (n, m) int16, in -bits..0; computed on packed bits."""
        return -hamming_distance(self.packed_image(images), self.packed_text(texts)).astype(np.int16)

    @staticmethod
    def distances(query_codes: Any, database_codes: Any) -> NDArray[Any]:
        """(q, n) int16 Hamming distances of codes in {-1, +1}, by way of packed bits."""
        return hamming_distance(pack_codes(query_codes), pack_codes(database_codes)).astype(np.int16)


def hashing_pairs(train: PairedFeatures, method: str, *, labels: bool = True) -> PairedFeatures:
    """The training data of a hashing method, checked: row i of both matrices is one pair.

    Args:
        train: Pairs, one text per image, in one order. labels: The method learns from them.
        method: Who asks, as it reads in a sentence.

    Raises:
        InvalidInput: Several captions per image, fewer than two pairs, no labels, or images without a label.
    """
    n = train.n_images
    if train.n_captions != n or not np.array_equal(train.caption_image, np.arange(n)):
        raise InvalidInput(
            f"{method} codes pairs of one image and one text, but there are {n} images and {train.n_captions} captions "
            "(or another order). Take one caption per image, as hashing_splits does."
        )
    if n < 2:
        raise InvalidInput(f"{method} compares pairs, but there is {n}. Pass at least two.")
    if not labels:
        return train
    if train.labels is None:
        raise InvalidInput(f"{method} learns from class labels, but this data has none. Use CVH, CMFH or UDCMH.")
    if empty := int((train.labels.sum(axis=1) == 0).sum()):
        raise InvalidInput(f"{empty} of {n} training pairs have no label. Leave them out with subset().")
    return train


def check_bits(bits: int, multiple_of: int = 1) -> int:
    """The number of bits, checked.

    Raises:
        InvalidInput: Not a whole number of at least 1, or no multiple of ``multiple_of``.
    """
    if check_positive(bits, "bits") % multiple_of:
        raise InvalidInput(f"bits must be a multiple of {multiple_of}, but it is {bits}.")
    return bits
