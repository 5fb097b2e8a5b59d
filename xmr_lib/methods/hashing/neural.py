"""What the deep hashing methods share: towers on features, multi-label pairs, the one training loop."""

from __future__ import annotations

from typing import Any

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.batches import PairBatches
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.base import HashingMethod, hashing_pairs
from xmr_lib.methods.neural import NeuralDualEncoder


class NeuralHashing(HashingMethod, NeuralDualEncoder):
    """Base of the deep hashing methods; a batch holds multi-hot ``labels`` (b, c).

    The towers of the network give real outputs (b, bits); the code is their sign. ``fit(train, validation)`` keeps the
    epoch with the best validation MAP of the codes; without validation it trains all epochs. The queries of the test
    never choose an epoch, as they do in much released code.

    Rows that a network keeps of the training set (outputs, codes) are non-persistent buffers, so that what is stored
    does not grow with the training set; such a method does not go on from a checkpoint.
    """

    supervised: bool = True

    def batches(self, train: PairedFeatures) -> PairBatches:
        """The training pairs, checked, in batches with ``labels`` (supervised) and ``image_index``."""
        hashing_pairs(train, self.name, labels=self.supervised)
        labels = train.labels if self.supervised else None
        return PairBatches(train, self.batch_size, self.seed, None, self.shuffle, labels)

    def image_outputs(self, images: Any) -> Matrix:
        """(n, d_i) image features -> (n, bits) float32 outputs of the image tower."""
        return NeuralDualEncoder.encode_image(self, images)

    def text_outputs(self, texts: Any) -> Matrix:
        """(m, d_t) text features -> (m, bits) float32 outputs of the text tower."""
        return NeuralDualEncoder.encode_text(self, texts)
