"""Data sets for hashing, as features in the four roles of the papers: train, validation, query, database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xmr_lib.config import profile as active_profile
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.hashing_cuts import one_caption
from xmr_lib.encoders.anchors import RBFAnchors
from xmr_lib.encoders.features import encode_images
from xmr_lib.encoders.official_hashing import OPTIONS, official_features
from xmr_lib.encoders.text import BagOfWords
from xmr_lib.errors import InvalidInput, UnknownName, check_choice

SCENES = {"smoke": (200, 60, 60, 180), "course": (3000, 500, 500, 2000), "paper": (10_000, 1000, 2000, 20_000)}
"""Profile -> training, validation, query and other database scenes."""

ANCHORS = 500


@dataclass(frozen=True)
class HashingSplits:
    """Pairs of one image and one text in their roles; row i of both matrices is one item.

    Attributes:
        train: What the hash functions are learnt from.
        validation: For choosing epochs and hyper-parameters; shares no item with ``train`` and ``query``. The scenes
            hold it outside of the database too; in ``generated``, in the official sets and in Wikipedia cut with
            ``held_out`` it is a part of the database. None where a published split has none.
        query: Held out; its labels only measure.
        database: What is searched. Its first rows are the training pairs, as in most papers.
    """

    train: PairedFeatures
    validation: PairedFeatures | None
    query: PairedFeatures
    database: PairedFeatures

    @classmethod
    def of(cls, data: FeatureDataset) -> HashingSplits:
        """The splits "train", "query", "database" and, where there is one, "validation" of a data set of features.

        So containers of other people's features take part:
        ``HashingSplits.of(load_hashing_container(path).features(sizes))``.

        Raises:
            UnknownName: A split is missing; the message lists those that are there.
        """
        train, query, database = (data.split(name) for name in ("train", "query", "database"))
        return cls(train, data.split("validation") if "validation" in data.splits else None, query, database)

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.query.name.partition("/")[0]

    def without_training(self) -> PairedFeatures:
        """The database without the training pairs: items no hash function has seen (empty for Wikipedia).

        Raises:
            InvalidInput: The first rows of the database are not the training pairs.
        """
        n = self.train.n_images
        if not _begins_with(self.database, self.train):
            raise InvalidInput(
                f"The database of {self.name} does not begin with its {n} training pairs, so it is not known which "
                "items are new. Put them first; if none of them is in the database, all items are new as they are."
            )
        return self.database.subset(
            np.arange(n, self.database.n_images), f"{self.name}/database without training items"
        )


def _begins_with(whole: Any, part: Any) -> bool:
    """Whether the first items of one data set are those of another, by all that both hold."""
    sides = ([getattr(data, name, None) for data in (whole, part)] for name in ("labels", "image", "text", "captions"))
    return all(np.array_equal(a[: part.n_images], b) for a, b in sides if a is not None and b is not None)


def hashing_splits(
    name: str, profile: str | None = None, *, seed: int = 0, held_out: bool = False, **options: Any
) -> HashingSplits:
    """A data set in the four roles.

    ``scenes``     EfficientNet-Lite0 features (1280) of the pictures and word counts of one caption each, drawn with
                   ``seed``; 80 classes, several per scene. course: 3,000 to train, a database of 5,000, 500 queries.
    ``wikipedia``  The features of 2010, both views lifted to similarities to 500 training rows; 10 classes, one each.
                   Database = the 2,173 training rows, queries = the 693 test rows.
    ``generated``  See :mod:`xmr_lib.data.generated`.
    ``mirflickr25k``, ``nus_wide``, ``iapr_tc12``, ``coco``
                   The official files in the sizes of hashing papers, see :mod:`xmr_lib.encoders.official_hashing`.

    Args:
        name: One of them.
        profile: Number of scenes; the other data sets have one size, the official ones that of ``sizes``.
            Default: the active profile.
        seed: Of the captions, of the anchors, of the generated rows, of the roles in official sets.
        held_out: Cut the training rows of Wikipedia in two, so that there is a validation part (then the training rows
            are fewer, and the database is still all of them). The other data sets have one in any case.
        options: Of official sets only, for example ``hashing_splits("nus_wide", protocol="TC-10")``:
            :data:`xmr_lib.encoders.official_hashing.OPTIONS`.

    Raises:
        UnknownName: Another name, or an option that this data set does not have.
        MissingData: The files of Wikipedia or of an official set are not here.
    """
    loaders: dict[str, Callable[[], HashingSplits]] = {
        "scenes": lambda: _scenes(active_profile(profile), seed),
        "wikipedia": lambda: _wikipedia(seed, held_out),
        "generated": lambda: HashingSplits.of(load_dataset("generated", seed=seed)),
    }
    check_choice(name, [*loaders, *OPTIONS], "data set for hashing")
    if name in OPTIONS:
        return HashingSplits.of(official_features(name, seed, **options))
    if options:
        raise UnknownName(f"{name} has no option {', '.join(options)}; only official data sets have options.")
    return loaders[name]()


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
