"""Draw the picture of the README: typed queries and the unseen emoji found for them. ``python docs/make_images.py``

The method is the one lesson 02 chooses on validation (split seed 0): CCA on encoders read at three depths. It is fitted
on training and validation emoji; only pictures of test emoji are searched.
"""

from pathlib import Path

import numpy as np

from xmr_lib import plots
from xmr_lib.data import load_dataset
from xmr_lib.encoders import encode_dataset, load_text_encoder
from xmr_lib.methods.subspace import CCA

QUERIES = ["something to eat", "a person doing sports", "telling the time", "a sad face"]
TARGET = Path(__file__).parent / "images" / "retrieval.png"


def main() -> None:
    """Write ``docs/images/retrieval.png``."""
    emoji = load_dataset("emoji", seed=0)
    features = encode_dataset(emoji, "efficientnet-lite0-levels", "minilm-layers")
    method = CCA(200, ridge=1.0, correlation_power=1.0).fit(features.subset(emoji.split_indices("train+validation")))
    unseen = emoji.split("test")
    scores = method.similarity(
        features.image[emoji.splits["test"]], load_text_encoder("minilm-layers").encode(QUERIES)
    )  # (pictures, queries)
    best = np.argsort(-scores, axis=0, kind="stable")[:6].T
    figure = plots.retrieval_grid(
        QUERIES,
        [[unseen.images[int(i)] for i in row] for row in best],
        None,
        titles=[[unseen.captions[unseen.captions_of(int(i))[0]] for i in row] for row in best],
        scores=[[scores[i, q] for i in row] for q, row in enumerate(best)],
    )
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, dpi=90, bbox_inches="tight")
    print(f"wrote docs/images/{TARGET.name}")


if __name__ == "__main__":
    main()
