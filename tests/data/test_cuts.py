"""Cuts are complete, disjoint, seeded, and keep a published order."""

from __future__ import annotations

import numpy as np
import pytest

from xmr_lib.data.cuts import draw_rows, named_cut, random_cut
from xmr_lib.errors import InvalidInput


@pytest.mark.parametrize("n", [3, 10, 101])
def test_random_cut_holds_every_image_once(n: int) -> None:
    cut = random_cut(n, seed=3)
    assert sorted(np.concatenate(list(cut.values()))) == list(range(n))
    assert len(cut["test"]) == n - round(0.9 * n)
    assert all((np.diff(rows) > 0).all() for rows in cut.values())
    assert cut["test"].tolist() == random_cut(n, seed=3)["test"].tolist()


def test_named_cut_keeps_the_published_order_and_what_is_here() -> None:
    cut = named_cut({7: "test", 5: "validation", 3: "test", 9: "train", 1: "test"}, [1, 3, 5, 7, 8])
    assert {name: rows.tolist() for name, rows in cut.items()} == {"validation": [2], "test": [3, 1, 0]}


def test_draw_rows() -> None:
    assert draw_rows(4, None, 0).tolist() == draw_rows(4, 9, 0).tolist() == [0, 1, 2, 3]
    assert len(draw_rows(50, 10, 0)) == 10
    assert draw_rows(50, 10, 0).tolist() != draw_rows(50, 10, 1).tolist()
    with pytest.raises(InvalidInput, match="limit must be a whole number"):
        draw_rows(4, 0, 0)
