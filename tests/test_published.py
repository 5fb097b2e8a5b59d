"""Published numbers: complete, in range, and found by name."""

from __future__ import annotations

import pytest

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.published import EVIDENCE, paper_table, published


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


def test_paper_table_sets_the_paper_beside_our_numbers() -> None:
    table = paper_table("wikipedia", {"SCM": {"i2t": 0.27, "t2i": 0.22}, "mine": {"i2t": 0.1, "t2i": 0.2}})
    assert table.rows[0] == ["SCM", "27.7", "22.6", "25.2", "recalled+rerun", "27.0", "22.0", "24.5", "-0.7"]
    assert table.rows[1] == ["mine", "-", "-", "-", "-", "10.0", "20.0", "15.0", "-"]
    assert str(table).startswith("MAP on wikipedia, test 693\n")
    assert "recalled+rerun: written down from memory" in str(table)
    assert "<td style='text-align:right'>27.7</td>" in table._repr_html_()


@pytest.mark.parametrize(
    ("measured", "options", "message"),
    [
        ({}, {}, "nothing to compare"),
        ({"CM": {"i2t": 0.2}}, {}, "'CM' lack t2i"),
        ({"CM": {"i2t": 0.2, "t2i": 0.2}}, {"metric": "R@1"}, "no metric with published numbers on wikipedia"),
        ({"CM": {"i2t": 0.2, "t2i": 0.2}}, {"split": "all"}, "no split with published numbers"),
    ],
)
def test_paper_table_says_what_is_wrong(
    measured: dict[str, dict[str, float]], options: dict[str, str], message: str
) -> None:
    with pytest.raises((InvalidInput, UnknownName), match=message):
        paper_table("wikipedia", measured, **options)
