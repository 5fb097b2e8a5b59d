"""Bag of visual words: how pictures were described before deep networks.

G. Csurka, C. Dance, L. Fan, J. Willamowski, C. Bray. "Visual Categorization with Bags of Keypoints". ECCV Workshop
2004. There (and in Rasiwasia et al. 2010) a picture is cut into SIFT descriptors; here into small colour patches on a
regular grid, which needs no other library. Each patch is replaced by the nearest of ``words`` cluster centres, and the
picture by the histogram of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.encoders.base import Features, batches
from xmr_lib.errors import InvalidInput

FIT_PATCHES = 30_000
"""The vocabulary is learnt from so many patches, drawn at random."""


class BagOfVisualWords:
    """Histogram of visual words; the vocabulary comes from training pictures.

    Args:
        fit_on: Training pictures.
        words: Size of the vocabulary (128 in Rasiwasia et al. 2010).
        patch: Side of a square patch in pixels; patches overlap by half.
        size: Every picture is scaled to this side first.
        seed: Start of the clustering.

    Raises:
        InvalidInput: No training picture.
    """

    name = "bovw"

    def __init__(
        self, fit_on: Sequence[Image.Image], words: int = 128, patch: int = 8, size: int = 64, seed: int = 0
    ) -> None:
        from sklearn.cluster import MiniBatchKMeans

        if len(fit_on) == 0:
            raise InvalidInput("The bag of visual words learns its vocabulary from pictures, but fit_on holds none.")
        self.dim, self.patch, self.size = words, patch, size
        patches = np.concatenate([self.patches(image) for image in fit_on])  # (pictures x patches, 3 patch^2)
        chosen = np.random.default_rng(seed).permutation(len(patches))[:FIT_PATCHES]
        self._clusters = MiniBatchKMeans(words, random_state=seed, n_init=1, batch_size=4096).fit(patches[chosen])
        digest = hashlib.sha256(np.round(self._clusters.cluster_centers_, 4).tobytes()).hexdigest()[:12]
        self.fingerprint = f"bovw-{words}-{patch}-{size}-{digest}-v1"

    def patches(self, image: Image.Image) -> NDArray[np.float32]:
        """All patches of one picture, half overlapping: (patches, 3 x patch x patch), values 0..1."""
        scaled = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = np.asarray(scaled, dtype=np.float32) / np.float32(255)  # (size, size, 3)
        windows = np.lib.stride_tricks.sliding_window_view(pixels, (self.patch, self.patch), axis=(0, 1))
        step = self.patch // 2
        cut: NDArray[np.float32] = windows[::step, ::step].reshape(-1, 3 * self.patch**2)
        return cut

    def encode(self, images: Sequence[Image.Image]) -> Features:
        """n pictures -> (n, words); every row sums to 1."""
        rows = []
        for batch in batches(images, 64, "pictures"):
            patches = np.stack([self.patches(image) for image in batch])  # (b, patches, 3 patch^2)
            found = self._clusters.predict(patches.reshape(-1, patches.shape[2])).reshape(len(batch), -1)
            rows += [np.bincount(words, minlength=self.dim) / len(words) for words in found]
        return np.array(rows, dtype=np.float32)
