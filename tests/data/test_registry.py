"""load_dataset finds loaders by name and explains what it does not find."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmr_lib.data import dataset_names, load_dataset
from xmr_lib.data.registry import REGISTRY
from xmr_lib.errors import MissingData, UnknownName


def test_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UnknownName) as caught:
        load_dataset("emojis")
    message = str(caught.value)
    assert "no data set named 'emojis'" in message
    assert "Did you mean 'emoji'?" in message
    for name in dataset_names():
        assert name in message


def test_names_are_sorted_and_have_a_summary() -> None:
    assert dataset_names() == sorted(REGISTRY)
    assert all(entry.summary and "\n" not in entry.summary for entry in REGISTRY.values())


@pytest.mark.parametrize("name", [name for name, entry in REGISTRY.items() if not entry.offline])
def test_benchmarks_say_where_their_files_come_from(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path / "nothing"))
    with pytest.raises(MissingData) as caught:
        load_dataset(name)
    message = str(caught.value)
    assert str(tmp_path / "nothing" / name) in message
    assert "XMR_DATA_DIR" in message
    assert "Get " in message
    assert "\n" not in message


def test_options_reach_the_loader() -> None:
    with pytest.raises(UnknownName, match="2014, 2017"):
        load_dataset("coco", year="2020")
