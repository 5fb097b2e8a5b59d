"""Published numbers: complete, in range, and found by name."""

from __future__ import annotations

import pytest

from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.published import EVIDENCE, paper_table, published


def test_table_of_2010() -> None:
    rows = [row for row in published(dataset="wikipedia") if row.split == "test 693"]
    table = {(row.system, row.direction): row.value for row in rows}
    assert table["SCM", "i2t"] == 0.277
    assert table["CM", "average"] == 0.223
    assert {system for system, _ in table} >= {"random", "CM", "SM", "SCM"}


def test_every_row_is_complete() -> None:
    rows = published()
    keys = [(row.system, row.dataset, row.split, row.metric, row.direction) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert 0 < row.value <= 1, row
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
        if len(sides) == 2 and abs(row.value - sum(sides) / 2) > 0.0011:  # a sign of a bad memory: the note must say so
            assert row.evidence == "recalled", row
            assert row.note.startswith("the average is not the mean of its two sides"), row
        assert len(sides) in (0, 2), row


def test_numbers_of_different_features_have_different_splits() -> None:
    acmr = {row.split: (row.value, row.evidence) for row in published("ACMR") if row.direction == "average"}
    assert acmr["VGG features, test 200"] == (0.539, "recalled")
    assert acmr["VGG features, test 100"] == (0.673, "readme")  # as re-run by the authors of DSCMR
    for system in ("ACMR", "DSCMR", "CLIP4CMR", "CM-GANs"):
        for row in published(system):
            assert "features" in row.split, row
            assert row.evidence == "recalled" or "penghu-cs/DSCMR" in row.source, row


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


def test_the_default_split_is_the_one_of_most_measured_methods() -> None:
    ours = {"i2t": 0.6, "t2i": 0.6}
    assert "test 693\n" in str(paper_table("wikipedia", {"CM": ours, "SCM": ours, "ACMR": ours, "DSCMR": ours}))
    assert "VGG features, test 462\n" in str(paper_table("wikipedia", {"DSCMR": ours}))
    assert "VGG features, test 100\n" in str(paper_table("pascal_sentence", {"ACMR": ours, "DSCMR": ours}))
    assert "test 693\n" in str(paper_table("wikipedia", {"mine": ours}))


def test_a_named_split_compares_on_it_alone() -> None:
    ours = {"i2t": 0.3, "t2i": 0.2}
    table = paper_table("wikipedia", {"SCM": ours, "ACMR": ours}, split="shallow features, test 1566")
    assert table.rows[0] == ["SCM", "-", "-", "-", "-", "30.0", "20.0", "25.0", "-"]
    assert table.rows[1] == ["ACMR", "36.6", "27.7", "32.2", "recalled", "30.0", "20.0", "25.0", "-7.2"]
    assert "do not quote" in str(table)


def test_all_splits_stand_side_by_side_without_a_difference() -> None:
    ours = {"i2t": 0.3, "t2i": 0.2}
    table = paper_table("wikipedia", {"SCM": ours, "ACMR": ours, "CLIP4CMR": ours, "mine": ours}, split="all")
    assert [(row[0], row[-1]) for row in table.rows] == [
        ("SCM", "test 693"),
        ("ACMR", "VGG features, test 1566"),
        ("ACMR", "shallow features, test 1566"),
        ("CLIP4CMR", "CLIP features"),
        ("mine", "-"),
    ]
    assert table.rows[3][1:5] == ["-", "-", "58.3", "recalled"]  # only the average is known
    assert str(table).startswith("MAP on wikipedia\n")
    assert "compare rows of one split only" in str(table)


@pytest.mark.parametrize(
    ("measured", "options", "message"),
    [
        ({}, {}, "nothing to compare"),
        ({"CM": {"i2t": 0.2}}, {}, "'CM' lack t2i"),
        ({"CM": {"i2t": 0.2, "t2i": 0.2}}, {"metric": "R@1"}, "no metric with published numbers on wikipedia"),
        ({"CM": {"i2t": 0.2, "t2i": 0.2}}, {"split": "test 500"}, "no split with published numbers"),
    ],
)
def test_paper_table_says_what_is_wrong(
    measured: dict[str, dict[str, float]], options: dict[str, str], message: str
) -> None:
    with pytest.raises((InvalidInput, UnknownName), match=message):
        paper_table("wikipedia", measured, **options)
