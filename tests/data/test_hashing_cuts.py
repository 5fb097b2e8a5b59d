"""The roles of hashing: held-out queries, training rows first in the database, validation inside it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.hashing_cuts import hashing_cut, hashing_items, one_caption
from xmr_lib.errors import InvalidInput


@pytest.mark.parametrize(("n", "sizes"), [(100, (10, 50, 20)), (20_015, (2_000, 10_000, 2_000)), (10, (4, 5, 9))])
def test_roles(n: int, sizes: tuple[int, int, int]) -> None:
    roles = hashing_cut(n, sizes, seed=1)
    query, train, validation = (set(roles[name].tolist()) for name in ("query", "train", "validation"))
    database = roles["database"].tolist()
    assert (len(query), len(train)) == sizes[:2]
    assert len(validation) == min(sizes[2], n - sizes[0] - sizes[1])
    assert not train & validation
    assert database[: len(train)] == roles["train"].tolist() == sorted(train)
    assert sorted([*query, *database]) == list(range(n))
    assert validation <= set(database)


def test_the_seed_decides() -> None:
    again, other = (hashing_cut(50, (5, 20, 5), seed)["query"].tolist() for seed in (0, 1))
    assert hashing_cut(50, (5, 20, 5), 0)["query"].tolist() == again != other


def test_every_row_is_a_query_about_equally_often() -> None:
    count = np.zeros(20)
    for seed in range(400):
        count[hashing_cut(20, (5, 10, 2), seed)["query"]] += 1
    assert 60 < count.min() <= count.max() < 140  # 100 expected, deviation 9


def test_without_room_there_is_no_validation() -> None:
    assert "validation" not in hashing_cut(15, (5, 10, 5), 0)
    assert "validation" not in hashing_cut(20, (5, 10, 0), 0)


def test_refusals() -> None:
    with pytest.raises(InvalidInput, match=r"There are 14 cats, but 5 queries and 10 training rows.*\(1, 7, 1\)"):
        hashing_cut(14, (5, 10, 0), 0, "cats")
    with pytest.raises(InvalidInput, match="number of queries must be"):
        hashing_cut(14, (0, 10, 0), 0)


def paired() -> PairedDataset:
    """Ten images with three captions each, in mixed order; images 4 and 7 have no label, image 9 no caption."""
    labels = np.ones((10, 2), dtype=bool)
    labels[[4, 7]] = False
    owner = np.random.default_rng(0).permutation(np.repeat(np.arange(9), 3))
    seen = dict.fromkeys(range(10), 0)
    captions = []
    for image in owner.tolist():
        captions.append(f"{image}.{seen[image]}")
        seen[image] += 1
    return PairedDataset(
        *("toy", "1", [Image.new("RGB", (2, 2))] * 10, captions, owner),
        labels=labels,
        metadata={"id": np.arange(10)},
    )


def test_items_have_a_label_and_one_of_their_own_captions() -> None:
    drawn = set()
    for seed in range(20):
        data = hashing_items(paired(), (2, 4, 1), seed)
        assert data.metadata["id"].tolist() == [0, 1, 2, 3, 5, 6, 8]
        assert data.caption_image.tolist() == list(range(7))
        for i, caption in enumerate(data.captions):
            assert caption == f"{data.metadata['id'][i]}.{data.metadata['caption_place'][i]}"
        drawn |= set(data.captions)
        assert data.split("train").n_captions == 4
    assert len(drawn) == 21  # every caption of the seven images is drawn some time
    versions = {hashing_items(paired(), (2, 4, 1), seed).version for seed in (0, 0, 1)}
    assert len(versions) == 2


def test_one_caption_each() -> None:
    data = paired().subset(np.arange(9))
    chosen = one_caption(data, seed=2)
    assert data.caption_image[chosen].tolist() == list(range(9))


def test_labels_are_needed() -> None:
    data = PairedDataset("toy", "1", [Image.new("RGB", (2, 2))], ["a"], [0])
    with pytest.raises(InvalidInput, match="Pass labels=True"):
        hashing_items(data, (1, 1, 0), 0)
