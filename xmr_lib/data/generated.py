"""Two views made from labels: a data set of plain numbers, for tests and for looking at hashing without encoders.

The labels make both views, each with its own noise, so that everything the views share is what the labels say:

    L_ic = 1 with probability p_c, p from .32 down to .08 over the classes; an empty row gets one label at random
    X = tanh(0.5 L W + 1.6 E)                       image view, W and E standard normal
    Y_ij = 1 with probability .45 sigmoid(1.3 L U - 3.2 + 0.8 E')_ij     text view: tags that are present or not
"""

from __future__ import annotations

import numpy as np

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.features import FeatureDataset
from xmr_lib.errors import InvalidInput, check_positive

QUERIES = 1 / 6  # of all rows
TRAIN, VALIDATION = 0.5, 0.25  # of the database


def load(n: int = 2400, classes: int = 12, d_image: int = 128, d_text: int = 200, seed: int = 0) -> FeatureDataset:
    """Generate the rows.

    Args:
        n: Rows, at least 24. classes: Labels, at least 2. d_image, d_text: Columns of the views.
        seed: Of everything that is drawn.

    Returns:
        image (n, d_image) float32 in -1..1, text (n, d_text) float32 of zeros and ones, labels (n, classes) multi-hot.
        Splits: "query" the first sixth, "database" the rest; inside the database "train" is the first half and
        "validation" the quarter after it.

    Example:
        >>> load(n=240)
        FeatureDataset('generated': 240 images x 128, 240 captions x 200, 12 classes; splits: query 40, database 200, \
train 100, validation 50)
    """
    if check_positive(n, "n") < 24 or check_positive(classes, "classes") < 2:
        raise InvalidInput(f"The generator needs at least 24 rows and 2 classes, but n={n} and classes={classes}.")
    rng = np.random.default_rng(seed)
    labels = rng.random((n, classes)) < np.linspace(0.32, 0.08, classes)
    empty = np.flatnonzero(~labels.any(axis=1))
    labels[empty, rng.integers(0, classes, len(empty))] = True
    w = rng.normal(size=(classes, d_image))
    image = np.tanh(0.5 * labels @ w + 1.6 * rng.normal(size=(n, d_image)))
    u = 1.3 * rng.normal(size=(classes, d_text))
    chance = 1 / (1 + np.exp(-(labels @ u - 3.2 + 0.8 * rng.normal(size=(n, d_text)))))
    text = rng.random((n, d_text)) < 0.45 * chance
    queries = round(QUERIES * n)
    known = n - queries
    cuts = queries + np.array([0, round(TRAIN * known), round((TRAIN + VALIDATION) * known)])
    return FeatureDataset(
        name="generated",
        version=f"1-{n}-{classes}-{d_image}-{d_text}-{seed}",
        features=PairedFeatures(
            image=image.astype(np.float32),
            text=text.astype(np.float32),
            labels=labels,
            class_names=tuple(f"label {c}" for c in range(classes)),
            name="generated",
        ),
        splits={
            "query": np.arange(queries),
            "database": np.arange(queries, n),
            "train": np.arange(cuts[0], cuts[1]),
            "validation": np.arange(cuts[1], cuts[2]),
        },
    )
