"""Can a fresh classifier tell images from texts in a common space? A judge that took no part in the training."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xmr_lib.errors import InvalidInput


def modality_probe(image: Any, text: Any, caption_image: Any = None, folds: int = 5, C: float = 1.0) -> float:
    """Cross-validated accuracy of a logistic regression that tells image embeddings from text embeddings.

    Items that belong together stay in one fold. Otherwise the partner of a held-out item, which lies close by and has
    the *other* label, would be in the training part, and the probe would do worse than guessing in a well mixed space.

    Args:
        image: (n, d) embeddings. text: (m, d) embeddings.
        caption_image: (m,) image of each text, or (p, 2) pairs of image and text where a text has several images
            (``np.column_stack(data.pairs())``). Default: text j belongs to image j.
        folds: Parts of the cross-validation.
        C: Inverse penalty of the logistic regression; embeddings are standardised first.

    Returns:
        Mean of the accuracies on both sides, 0..1: 0.5 for a mixed space, 1 for two separate clouds.

    Raises:
        InvalidInput: The two sides have different dimensions, or there are fewer groups than folds.
    """
    image, text = np.asarray(image), np.asarray(text)
    if image.ndim != 2 or text.ndim != 2 or image.shape[1] != text.shape[1]:
        raise InvalidInput(
            f"The two sides must be matrices with equal columns, but their shapes are {image.shape} and {text.shape}."
        )
    groups = _groups(len(image), len(text), caption_image)
    if len(np.unique(groups)) < folds:
        raise InvalidInput(f"{folds} folds need at least as many separate pairs. Pass more pairs or fewer folds.")
    side = np.r_[np.zeros(len(image)), np.ones(len(text))]
    judge = make_pipeline(StandardScaler(), LogisticRegression(C=C, class_weight="balanced", max_iter=300))
    scores = cross_val_score(
        judge, np.r_[image, text], side, groups=groups, cv=GroupKFold(folds), scoring="balanced_accuracy"
    )
    return float(scores.mean())


def _groups(n: int, m: int, caption_image: Any) -> np.ndarray:
    """(n + m,) number of the connected group of each image and text."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.arange(m) if caption_image is None else np.asarray(caption_image, dtype=np.int64)
    if pairs.ndim == 1:
        pairs = np.column_stack([pairs, np.arange(len(pairs))])
    if not len(pairs) or pairs.min() < 0 or pairs[:, 0].max() >= n or pairs[:, 1].max() >= m:
        raise InvalidInput(f"The pairs must point at {n} images and {m} texts, but some of them point elsewhere.")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], n + pairs[:, 1])), shape=(n + m, n + m))
    groups: np.ndarray = connected_components(links, directed=False)[1]
    return groups
