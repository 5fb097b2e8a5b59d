"""A first retriever: pretrained encoders, CCA fitted on the training split, and an index of all pictures.

    retriever = Retriever.build("emoji")
    retriever.search("red fruit", k=5)

Everything it does is three lines of linear algebra: encode the query, project it into the common space, and sort the
pictures by the cosine of the angle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.data import PairedDataset, load_dataset
from xmr_lib.encoders import encode_dataset, load_image_encoder, load_text_encoder
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import DualEncoder, cosine_similarity
from xmr_lib.methods.subspace import CCA
from xmr_lib.plots import retrieval_grid
from xmr_lib.plots.style import as_picture

CHOSEN: dict[str, Any] = {"n_components": 300, "ridge": 1.0, "correlation_power": 1.0}
"""Settings of CCA that scored best on the validation split of emoji, seed 0: mean of R@1, R@5 and R@10 over both
directions, among 36 settings of :func:`xmr_lib.methods.subspace.try_cca`; lesson 02 shows how."""


def top_k(scores: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Positions of the ``k`` largest scores, best first; equal scores keep their order.

    Args:
        scores: (n,) one score per item, larger = better.
        k: How many positions; all of them when ``k`` is larger than n.

    >>> top_k(np.array([0.1, 0.9, 0.5]), 2).tolist()
    [1, 2]
    """
    return np.argsort(-scores, kind="stable")[:k]


@dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        image: Index of the picture in the data set.
        caption: Index of the caption in the data set.
        score: Cosine similarity to the query, -1..1.
        text: The caption.
        split: The split the picture belongs to ("test" means: never seen in training).
    """

    image: int
    caption: int
    score: float
    text: str
    split: str


class Retriever:
    """Text to pictures and pictures to text over one data set.

    Args:
        dataset: Pictures and captions with a ``train`` split.
        method: What maps both sides into the common space, fitted.
        image_encoder: ``encode(pictures) -> (n, d_i)``.
        text_encoder: ``encode(sentences) -> (m, d_t)``.
        image_features: (n, d_i) features of all pictures.
        text_features: (m, d_t) features of all captions.
    """

    def __init__(
        self,
        dataset: PairedDataset,
        method: DualEncoder,
        image_encoder: Any,
        text_encoder: Any,
        image_features: NDArray[Any],
        text_features: NDArray[Any],
    ) -> None:
        self.dataset = dataset
        self.method = method
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.image_index = method.encode_image(image_features)  # (n, d)
        self.text_index = method.encode_text(text_features)  # (m, d)
        self._split = {int(i): name for name, rows in dataset.splits.items() for i in rows}

    @classmethod
    def build(
        cls, dataset: str | PairedDataset = "emoji", seed: int = 0, method: DualEncoder | None = None
    ) -> Retriever:
        """Encode all pictures and captions (from the cache when it is warm) and fit on the training split.

        Args:
            dataset: Name of a data set with pictures, or the data set.
            seed: Split seed, when ``dataset`` is a name.
            method: An unfitted method. Default: CCA with the settings in ``CHOSEN``.

        Raises:
            UnknownName: No such data set.
            InvalidInput: The data set holds features only, so it has no pictures to show.
            MissingData: Its files are not here.
        """
        data = load_dataset(dataset, seed=seed) if isinstance(dataset, str) else dataset
        if not isinstance(data, PairedDataset):
            raise InvalidInput(
                f"The data set {data.name!r} holds features without pictures. Search in emoji or scenes."
            )
        image_encoder, text_encoder = load_image_encoder(), load_text_encoder()
        features = encode_dataset(data, image=image_encoder, text=text_encoder)
        method = CCA(**CHOSEN) if method is None else method
        method.fit(features.subset(data.splits["train"]))
        return cls(data, method, image_encoder, text_encoder, features.image, features.text)

    def search(self, text: str, k: int = 10) -> list[Hit]:
        """The ``k`` pictures closest to a typed query, best first.

        Raises:
            InvalidInput: The query is empty, or ``k`` is not at least 1.
        """
        if not isinstance(text, str) or not text.strip():
            raise InvalidInput("The query is empty. Type what the picture shows, for example 'red fruit'.")
        k = check_positive(k, "k")
        query = self.method.encode_text(self.text_encoder.encode([text]))  # (1, d)
        scores = cosine_similarity(self.image_index, query)[:, 0]  # (n,)
        return [self._hit(i, self.dataset.captions_of(i)[0], scores[i]) for i in top_k(scores, k)]

    def search_by_image(self, image: Any, k: int = 10) -> list[Hit]:
        """The ``k`` captions closest to a picture (``PIL.Image.Image`` or array; white where transparent), best first.

        Raises:
            InvalidInput: Not a picture, or ``k`` is not at least 1.
        """
        k = check_positive(k, "k")
        picture = Image.fromarray(as_picture(image))
        query = self.method.encode_image(self.image_encoder.encode([picture]))  # (1, d)
        scores = cosine_similarity(self.text_index, query)[:, 0]  # (m,)
        return [self._hit(self.dataset.caption_image[j], j, scores[j]) for j in top_k(scores, k)]

    def show(self, *queries: Any, k: int = 6) -> Figure:
        """The results of one or more queries (all texts, or all pictures) as a figure."""
        if not queries or len({isinstance(query, str) for query in queries}) > 1:
            raise InvalidInput("Pass one or more queries to show, all of them texts or all of them pictures.")
        if isinstance(queries[0], str):
            found = [self.search(query, k) for query in queries]
            pictures = [[self.dataset.images[hit.image] for hit in row] for row in found]
            titles = [[hit.text for hit in row] for row in found]
            return retrieval_grid(
                queries, pictures, None, titles=titles, scores=[[h.score for h in row] for row in found]
            )
        found = [self.search_by_image(query, k) for query in queries]
        texts = [[hit.text for hit in row] for row in found]
        return retrieval_grid(queries, texts, None, scores=[[hit.score for hit in row] for row in found])

    def _hit(self, image: int, caption: int, score: float) -> Hit:
        split = self._split.get(int(image), "none")
        return Hit(int(image), int(caption), float(score), self.dataset.captions[int(caption)], split)

    def __repr__(self) -> str:
        return (
            f"Retriever({self.dataset.name!r}: {len(self.image_index)} pictures, {len(self.text_index)} captions, "
            f"{self.image_index.shape[1]} dimensions, {self.method.name})"
        )
