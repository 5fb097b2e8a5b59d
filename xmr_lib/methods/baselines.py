"""Two baselines that train no network: what every other method of the course has to beat.

:class:`RandomRanking` knows nothing. :class:`NearestNeighbourCaption` looks for the most similar training picture and
takes over what was written about it; with bag-of-words captions it compares words, with sentence vectors meanings.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import DualEncoder, Matrix, Method, cosine_similarity, l2_normalise


class RandomRanking(Method):
    """Scores drawn at random: every order of the database is equally likely.

    Args:
        seed: Start of the random numbers. The same seed and the same sizes give the same scores.

    Example:
        >>> RandomRanking(seed=0).similarity(np.zeros((2, 5)), np.zeros((3, 4))).shape
        (2, 3)
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Nothing to learn."""
        return self

    def similarity(self, images: Any, texts: Any) -> Matrix:
        """(n, m) numbers in 0..1 that look at neither side."""
        return np.random.default_rng(self.seed).random((len(images), len(texts)))


class NearestNeighbourCaption(DualEncoder):
    """A picture borrows the caption of its nearest training picture, and texts are compared with texts.

    Image x: find the training images x_1 .. x_k with the largest cosine to x, both centred on the training mean, and
    take the mean of their caption vectors, t(x) = 1/k sum_j t_j. Then s(x, t) = cos(t(x), t).

    Nothing connects the two sides but the training pairs. On its own training pictures it is nearly perfect, because
    every picture is its own nearest neighbour: a good test of whether an evaluation leaks.

    Args:
        neighbours: k, how many training pictures lend their captions.

    Attributes:
        mean_: (1, d_i) mean of the training images.
        image_: (n, d_i) centred training images of unit length.
        text_: (n, d_t) for every training image the mean of the captions that are right for it, each of unit length.

    Raises:
        InvalidInput: ``neighbours`` is not a positive number, or exceeds the number of training images; a training
            image has no caption.

    Example:
        >>> train = PairedFeatures(np.array([[1.0, 0], [0, 1]]), np.array([[0.0, 2], [3, 0]]))
        >>> NearestNeighbourCaption().fit(train).similarity(np.array([[0.9, 0.2]]), np.array([[0.0, 1], [1, 0]]))
        array([[1., 0.]])
    """

    def __init__(self, neighbours: int = 1) -> None:
        self.neighbours = neighbours

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Self:
        """Keep the training images and what was written about each."""
        check_positive(self.neighbours, "neighbours")
        if self.neighbours > train.n_images:
            raise InvalidInput(
                f"neighbours is {self.neighbours}, but there are only {train.n_images} training images to borrow from."
            )
        image, caption = train.pairs()
        count = np.bincount(image, minlength=train.n_images)
        if (count == 0).any():
            raise InvalidInput(
                f"{int((count == 0).sum())} training images have no caption to lend. Drop them with subset()."
            )
        lent = np.zeros((train.n_images, train.text.shape[1]))
        np.add.at(lent, image, l2_normalise(train.text[caption].astype(np.float64)))
        self.text_ = lent / count[:, None]
        self.mean_ = train.image.mean(axis=0, keepdims=True)
        self.image_ = l2_normalise(train.image - self.mean_)
        return self

    def nearest(self, images: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(n, neighbours) indices of the training images most similar to each image, best first.

        Equal similarities keep the order of the training set.
        """
        self._check_fitted()
        scores = cosine_similarity(np.asarray(images) - self.mean_, self.image_)
        return np.argsort(-scores, axis=1, kind="stable")[:, : self.neighbours]

    def encode_image(self, images: Any) -> Matrix:
        """(n, d_t) borrowed caption vectors."""
        self._check_fitted()
        return np.asarray(self.text_[self.nearest(images)].mean(axis=1))

    def encode_text(self, texts: Any) -> Matrix:
        """(m, d_t) the text features themselves."""
        self._check_fitted()
        return np.asarray(texts, dtype=np.float64)
