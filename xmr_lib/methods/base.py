"""The one interface of every method in the course.

A method is fitted on pairs and then scores pictures against sentences:

``fit(train, validation=None) -> self``    ``similarity(images, texts) -> (n, m)``, larger = more alike.

A :class:`DualEncoder` also places both sides in a common space (``encode_image``, ``encode_text``).
Constructor arguments are hyper-parameters and are only stored; what is learnt ends in ``_``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput

Matrix = NDArray[np.floating[Any]]


class Method:
    """Base of all methods: parameters as in scikit-learn, a check that ``fit`` was called, storage in a folder.

    Attributes:
        parts: Classes of fitted attributes and hyper-parameters that are methods themselves, by name (see
            :meth:`load`); several, where it may be one of them.
    """

    parts: ClassVar[Mapping[str, type[Method] | Sequence[type[Method]]]] = {}

    def fit(self, train: Any, validation: Any = None) -> Self:
        """Learn from the pairs of ``train``; ``validation`` may be used to choose, never ``test``."""
        raise NotImplementedError

    def similarity(self, images: Any, texts: Any) -> Matrix:
        """(n, m) scores of every image against every text, larger = more alike."""
        raise NotImplementedError

    def rankings(self, images: Any, texts: Any) -> tuple[Matrix, Matrix]:
        """Scores for image queries (n, m) and for text queries (m, n): what :func:`xmr_lib.evaluation.evaluate` ranks.

        Default: :meth:`similarity` and its transpose. A method that ranks again among the best candidates of each query
        has no single matrix for both directions: a pair may be a candidate for its image and none for its text.
        """
        similarity = np.asarray(self.similarity(images, texts))
        return similarity, similarity.T

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """Constructor arguments for a profile (``smoke``, ``course``, ``paper``). Default: the paper's values."""
        return {}

    def get_params(self) -> dict[str, Any]:
        """Hyper-parameters by name, as scikit-learn gives them."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def clone(self, **changes: Any) -> Self:
        """An unfitted copy with the same hyper-parameters, some of them changed: ``acmr.clone(seed=1)``."""
        return type(self)(**{**self.get_params(), **changes})

    @property
    def name(self) -> str:
        """How tables and plots call this method."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    def save(self, path: str | Path) -> None:
        """Store the fitted method in a folder: safetensors and JSON, nothing pickled.

        Raises:
            InvalidInput: The method is not fitted.
        """
        from xmr_lib.methods.storage import write_method

        self._check_fitted()
        write_method(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a stored method; it gives the same similarities to the last digit.

        Raises:
            MissingData: The folder holds no stored method.
            InvalidInput: It holds a method of another class, or its files are damaged.
        """
        from xmr_lib.methods.storage import read_method

        method: Self = read_method(cls, Path(path))
        return method

    def _check_fitted(self) -> None:
        if not any(key.endswith("_") and not key.startswith("_") for key in vars(self)):
            raise InvalidInput(f"This {type(self).__name__} is not fitted yet. Call fit(train) first.")


class DualEncoder(Method):
    """A method that maps images and texts, each on its own, into one common space."""

    def encode_image(self, images: Any) -> Matrix:
        """(n, d) embeddings of images in the common space."""
        raise NotImplementedError

    def encode_text(self, texts: Any) -> Matrix:
        """(m, d) embeddings of texts in the common space."""
        raise NotImplementedError

    def similarity(self, images: Any, texts: Any) -> Matrix:
        """Cosine similarity of the embeddings, (n, m), in -1..1."""
        return cosine_similarity(self.encode_image(images), self.encode_text(texts))


def l2_normalise(x: Matrix, eps: float = 1e-12) -> Matrix:
    """Divide every row by its Euclidean norm; rows of zeros stay zero. (n, d) -> (n, d)."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), eps)


def cosine_similarity(a: Matrix, b: Matrix) -> Matrix:
    """Cosine of every row of ``a`` (n, d) with every row of ``b`` (m, d): (n, m), in -1..1."""
    if a.shape[1] != b.shape[1]:
        raise InvalidInput(
            f"The two sides must live in one space, but they have {a.shape[1]} and {b.shape[1]} dimensions."
        )
    return l2_normalise(a) @ l2_normalise(b).T
