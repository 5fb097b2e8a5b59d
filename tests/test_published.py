"""Published numbers: complete, in range, and found by name."""

from __future__ import annotations

import pytest

from xmr_lib.errors import UnknownName
from xmr_lib.published import EVIDENCE, published


def test_table_of_2010() -> None:
    table = {(row.system, row.direction): row.value for row in published(dataset="wikipedia")}
    assert table["SCM", "i2t"] == 0.277
    assert table["CM", "average"] == 0.223
    assert {system for system, _ in table} >= {"random", "CM", "SM", "SCM"}


def test_every_row_is_complete() -> None:
    rows = published()
    keys = [(row.system, row.dataset, row.split, row.metric, row.direction) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert 0 < row.value < 1, row
        assert row.direction in ("i2t", "t2i", "average"), row
        assert row.evidence in EVIDENCE, row
        assert row.source, row
        assert row.split, row
        assert row.metric, row


def test_averages_are_averages() -> None:
    rows = published()
    for row in (row for row in rows if row.direction == "average"):
        key = (row.system, row.dataset, row.split, row.metric)
        sides = [r.value for r in rows if (r.system, r.dataset, r.split, r.metric) == key and r.direction != "average"]
        assert row.value == pytest.approx(sum(sides) / 2, abs=0.0011), row


def test_filter_by_both_names() -> None:
    assert len(published("SM", "wikipedia")) == 3
    assert len(published("SM")) <= len(published())


@pytest.mark.parametrize("arguments", [{"system": "SMC"}, {"dataset": "wikipedia2"}])
def test_unknown_names_list_the_choices(arguments: dict[str, str]) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean .*The choices are"):
        published(**arguments)
