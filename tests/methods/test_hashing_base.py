"""Codes, distances and checks that all hashing methods share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.hashing.base import HashingMethod, binary_codes, check_bits, hashing_pairs
from xmr_lib.methods.hashing.linear import LinearHashing


class Thresholds(LinearHashing):
    """The first features themselves, centred: the smallest linear hash function."""

    def __init__(self, bits: int = 3) -> None:
        self.bits = bits

    def fit(self, train: PairedFeatures, validation: Any = None) -> Thresholds:
        self.centre(train)
        self.image_weights_ = np.eye(train.image.shape[1])[:, : self.bits]
        self.text_weights_ = np.eye(train.text.shape[1])[:, : self.bits]
        return self


def pairs(n: int = 20, **extra: Any) -> PairedFeatures:
    rng = np.random.default_rng(0)
    return PairedFeatures(rng.normal(size=(n, 5)) + 3, rng.normal(size=(n, 4)) - 2, **extra)


def test_codes_are_signs_without_a_zero() -> None:
    codes = binary_codes([[0.0, -0.0, 1e-300, -1e-300, 7, -7]])
    assert codes.dtype == np.int8
    assert codes.tolist() == [[-1, -1, 1, -1, 1, -1]]


@pytest.mark.parametrize("bits", [1, 3, 4])
def test_similarity_is_minus_the_hamming_distance(bits: int) -> None:
    data = pairs()
    method = Thresholds(bits).fit(data)
    a, b = method.encode_image(data.image[:7]).astype(int), method.encode_text(data.text).astype(int)
    similarity = method.similarity(data.image[:7], data.text)
    assert similarity.tolist() == (-(bits - a @ b.T) // 2).tolist()
    assert (similarity <= 0).all()
    assert (similarity >= -bits).all()
    assert similarity.dtype == np.int16


def test_outputs_are_centred_on_the_training_rows() -> None:
    data = pairs()
    method = Thresholds().fit(data)
    np.testing.assert_allclose(method.image_outputs(data.image), (data.image - data.image.mean(axis=0))[:, :3])
    np.testing.assert_allclose(method.text_outputs(data.text).mean(axis=0), 0, atol=1e-6)
    assert method.encode_text(data.text.mean(axis=0, keepdims=True).astype(np.float64)).shape == (1, 3)


@pytest.mark.parametrize("bits", [16, 11])
def test_stored_codes_are_eight_bits_to_a_byte(bits: int) -> None:
    rng = np.random.default_rng(0)
    data = PairedFeatures(rng.normal(size=(20, 16)), rng.normal(size=(20, 18)))
    method = Thresholds(bits).fit(data)
    for packed, codes in (
        (method.packed_image(data.image), method.encode_image(data.image)),
        (method.packed_text(data.text), method.encode_text(data.text)),
    ):
        assert (packed.dtype, packed.shape) == (np.uint8, (20, -(-bits // 8)))
        np.testing.assert_array_equal(np.unpackbits(packed, axis=1, count=bits), codes > 0)


def test_bad_features() -> None:
    method = Thresholds().fit(pairs())
    with pytest.raises(InvalidInput, match=r"text features must have shape \(rows, 4\)"):
        method.encode_text(np.zeros((2, 5)))
    with pytest.raises(InvalidInput, match="image features hold NaN"):
        method.encode_image(np.full((2, 5), np.nan))
    with pytest.raises(InvalidInput, match="not fitted yet"):
        Thresholds().similarity(np.zeros((1, 5)), np.zeros((1, 4)))


def test_there_are_no_codes_of_pairs_unless_a_method_makes_them() -> None:
    with pytest.raises(InvalidInput, match="one modality at a time"):
        Thresholds().fit(pairs()).encode_pairs(np.zeros((1, 5)), np.zeros((1, 4)))
    with pytest.raises(NotImplementedError):
        HashingMethod().image_outputs(np.zeros((1, 5)))


def test_training_pairs_are_checked() -> None:
    labelled = pairs(labels=np.eye(20))
    assert hashing_pairs(labelled, "X") is labelled
    assert hashing_pairs(pairs(), "X", labels=False).n_images == 20
    with pytest.raises(InvalidInput, match=r"has none\. Use CVH, CMFH"):
        hashing_pairs(pairs(), "X")
    with pytest.raises(InvalidInput, match="3 of 20 training pairs have no label"):
        hashing_pairs(pairs(labels=np.eye(20) * (np.arange(20) > 2)), "X")
    with pytest.raises(InvalidInput, match="there is 1"):
        hashing_pairs(pairs(1), "X", labels=False)


@pytest.mark.parametrize("caption_image", [np.arange(20)[::-1], np.repeat(np.arange(10), 2)])
def test_another_order_or_several_captions_are_refused(caption_image: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    data = PairedFeatures(
        rng.normal(size=(caption_image.max() + 1, 5)), rng.normal(size=(20, 4)), caption_image=caption_image
    )
    with pytest.raises(InvalidInput, match="Take one caption per image"):
        hashing_pairs(data, "X", labels=False)


def test_bits_are_checked() -> None:
    assert check_bits(16) == 16
    assert check_bits(16, multiple_of=8) == 16
    for bits, message in [(0, "at least 1"), (-4, "at least 1"), (2.5, "whole number"), (True, "whole number")]:
        with pytest.raises(InvalidInput, match=message):
            check_bits(bits)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="multiple of 8"):
        check_bits(12, multiple_of=8)
