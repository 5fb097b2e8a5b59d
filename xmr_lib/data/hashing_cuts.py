"""The roles of hashing papers: queries that are held out, a database, and training rows inside the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput, check_positive

Sizes = Sequence[int]
"""Queries, training rows, validation rows."""

DRAWN = "-one-caption-"
"""In the version of a data set: what comes before says which pictures, the seed after it which captions were drawn."""


def hashing_cut(n: int, sizes: Sizes, seed: int, what: str = "items") -> dict[str, IntArray]:
    """Draw the roles of ``n`` rows with ``seed``; no paper published its own lists.

    Args:
        n: Number of rows.
        sizes: (queries, training rows, validation rows). Training and validation rows are part of the database, and
            share none; what is left for validation may be fewer rows, down to none.
        seed: Seed of the drawing.
        what: The rows, as they read in a sentence.

    Returns:
        "train", "validation" (left out if empty), "query", each sorted, and "database": all but the queries, the
        training rows first.

    Raises:
        InvalidInput: There are fewer rows than queries and training rows together.

    Example:
        >>> roles = hashing_cut(20, (4, 10, 5), seed=0)
        >>> {name: len(rows) for name, rows in roles.items()}
        {'train': 10, 'validation': 5, 'query': 4, 'database': 16}
        >>> (roles["database"][:10] == roles["train"]).all()
        np.True_
    """
    query, train, validation = sizes
    check_positive(query, "The number of queries")
    check_positive(train, "The number of training rows")
    if n < query + train:
        raise InvalidInput(
            f"There are {n} {what}, but {query} queries and {train} training rows were asked for. Pass smaller sizes, "
            "for example sizes=(queries, training rows, validation rows) = "
            f"({max(n // 10, 1)}, {max(n // 2, 1)}, {n // 10})."
        )
    order = np.random.default_rng([seed, n]).permutation(n)
    held, learnt, rest = order[:query], np.sort(order[query : query + train]), order[query + train :]
    roles = {"train": learnt, "validation": np.sort(rest[:validation]), "query": np.sort(held)}
    roles["database"] = np.concatenate([learnt, np.sort(rest)])
    return {name: rows for name, rows in roles.items() if len(rows)}


def one_caption(data: PairedDataset, seed: int = 0) -> IntArray:
    """(n,) one caption of each image, drawn: the text of an item in hashing."""
    rng = np.random.default_rng([seed, data.n_images])
    order = np.argsort(data.caption_image, kind="stable")
    count = np.bincount(data.caption_image, minlength=data.n_images)
    start = np.cumsum(count) - count
    drawn: IntArray = order[start + rng.integers(0, count)]
    return drawn


def hashing_items(data: PairedDataset, sizes: Sizes, seed: int) -> PairedDataset:
    """The images that carry a label, each with one drawn caption, in the roles of :func:`hashing_cut`.

    Metadata gains "caption_place" (n,): which of its captions in ``data`` an image kept, from 0.

    Raises:
        InvalidInput: ``data`` has no labels, or too few labelled images with a caption.
    """
    if data.labels is None:
        raise InvalidInput(f"Hashing compares by labels, but {data.name} was read without them. Pass labels=True.")
    count = np.bincount(data.caption_image, minlength=data.n_images)
    kept = data.subset(data.labels.any(axis=1) & (count > 0), data.name)
    splits = hashing_cut(kept.n_images, sizes, seed, "images with a label")
    chosen = one_caption(kept, seed)
    start = np.cumsum(np.bincount(kept.caption_image, minlength=kept.n_images))
    first = np.concatenate([[0], start[:-1]])
    place = np.argsort(np.argsort(kept.caption_image, kind="stable"))[chosen] - first
    return replace(
        kept,
        version=f"{kept.version}{DRAWN}{seed}",
        captions=[kept.captions[j] for j in chosen],
        caption_image=np.arange(kept.n_images),
        splits=splits,
        metadata={**kept.metadata, "caption_place": place},
    )
