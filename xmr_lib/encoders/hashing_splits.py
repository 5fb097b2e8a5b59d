"""Data sets for hashing, as features in the four roles of the papers: train, validation, query, database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from xmr_lib.config import profile as active_profile
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.data.hashing_cuts import one_caption
from xmr_lib.encoders.anchors import RBFAnchors
from xmr_lib.encoders.features import encode_images
from xmr_lib.encoders.text import BagOfWords
from xmr_lib.errors import check_choice

SCENES = {"smoke": (200, 60, 60, 180), "course": (3000, 500, 500, 2000), "paper": (10_000, 1000, 2000, 20_000)}
"""Profile -> training, validation, query and other database scenes."""

ANCHORS = 500


@dataclass(frozen=True)
class HashingSplits:
    """Pairs of one image and one text in their roles; row i of both matrices is one item.

    Attributes:
        train: What the hash functions are learnt from.
        validation: For choosing epochs and hyper-parameters, outside of all others; None where the training rows of a
            published split were not cut.
        query: Held out; its labels only measure.
        database: What is searched. Its first rows are the training pairs, as in most papers.
    """

    train: PairedFeatures
    validation: PairedFeatures | None
    query: PairedFeatures
    database: PairedFeatures

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.query.name.partition("/")[0]

    def without_training(self) -> PairedFeatures:
        """The database without the training pairs: items no hash function has seen (empty for Wikipedia)."""
        rest = np.arange(self.train.n_images, self.database.n_images)
        return self.database.subset(rest, f"{self.name}/database without training items")


def hashing_splits(name: str, profile: str | None = None, *, seed: int = 0, held_out: bool = False) -> HashingSplits:
    """A data set in the four roles.

    ``scenes``     EfficientNet-Lite0 features (1280) of the pictures and word counts of one caption each, drawn with
                   ``seed``; 80 classes, several per scene. course: 3,000 to train, a database of 5,000, 500 queries.
    ``wikipedia``  The features of 2010, both views lifted to similarities to 500 training rows; 10 classes, one each.
                   Database = the 2,173 training rows, queries = the 693 test rows.
    ``generated``  See :mod:`xmr_lib.data.generated`.

    Args:
        name: One of the three.
        profile: Number of scenes. Default: the active profile.
        seed: Of the captions, of the anchors, of the generated rows.
        held_out: Cut the training rows of Wikipedia in two, so that there is a validation part (then the training rows
            are fewer, and the database is still all of them).

    Raises:
        UnknownName: Another name.
        MissingData: The files of Wikipedia are not here.
    """
    loaders: dict[str, Callable[[], HashingSplits]] = {
        "scenes": lambda: _scenes(active_profile(profile), seed),
        "wikipedia": lambda: _wikipedia(seed, held_out),
        "generated": lambda: _generated(seed),
    }
    return loaders[check_choice(name, loaders, "data set for hashing")]()


def hashing_scenes(profile: str | None = None) -> PairedDataset:
    """The scenes of ``hashing_splits("scenes")`` with pictures and all captions, in the order of the parts."""
    sizes = SCENES[active_profile(profile)]
    return load_dataset("scenes", size=sum(sizes))


def _scenes(profile: str, seed: int) -> HashingSplits:
    data, (n_train, n_validation, n_query, n_rest) = hashing_scenes(profile), SCENES[profile]
    chosen = one_caption(data, seed)
    captions = [data.captions[j] for j in chosen]
    words = BagOfWords(captions[:n_train])
    features = PairedFeatures(
        encode_images(data),
        words.encode(captions),
        labels=data.labels,
        class_names=data.class_names,
        name="scenes",
    )
    ends = np.cumsum([n_train, n_validation, n_query, n_rest])
    train, validation, query, rest = np.split(np.arange(ends[-1]), ends[:-1])
    return HashingSplits(
        features.subset(train, "scenes/train"),
        features.subset(validation, "scenes/validation"),
        features.subset(query, "scenes/query"),
        features.subset(np.concatenate([train, rest]), "scenes/database"),
    )


def _wikipedia(seed: int, held_out: bool) -> HashingSplits:
    data = load_dataset("wikipedia", seed=seed)
    learnt = data.split("train")
    maps = [RBFAnchors(rows, ANCHORS, seed) for rows in (learnt.image, learnt.text)]
    lifted = replace(data.features, image=maps[0](data.features.image), text=maps[1](data.features.text))
    fit, validation = data.splits["fit"], data.splits["validation"]
    train = fit if held_out else data.splits["train"]
    rest = validation if held_out else validation[:0]
    return HashingSplits(
        lifted.subset(train, "wikipedia/train"),
        lifted.subset(validation, "wikipedia/validation") if held_out else None,
        lifted.subset(data.splits["query"], "wikipedia/query"),
        lifted.subset(np.concatenate([train, rest]), "wikipedia/database"),
    )


def _generated(seed: int) -> HashingSplits:
    data = load_dataset("generated", seed=seed)
    parts = {name: data.split(name) for name in ("train", "validation", "query", "database")}
    return HashingSplits(**parts)
