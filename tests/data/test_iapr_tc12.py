"""IAPR TC-12 on small files of the official form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.official_files import TRAVELS, place, text_of, write_iapr
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.iapr_files import description
from xmr_lib.data.iapr_tc12 import split_words
from xmr_lib.data.tagged_labels import TaggedLabels
from xmr_lib.errors import InvalidInput, MissingData, UnknownName

SIZES = (3, 10, 4)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    return write_iapr(tmp_path)


def kept() -> list[int]:
    return [i for i in range(1, TRAVELS + 1) if i not in (5, 6)]


def test_pictures_descriptions_and_labels_belong_together(folder: Path) -> None:
    data = load_dataset("iapr_tc12", sizes=SIZES)
    assert isinstance(data, PairedDataset)
    assert data.metadata["id"].tolist() == kept()
    assert data.class_names == ("sky-blue", "palm tree")  # label 3 is on no photograph that is here
    assert data.labels is not None
    assert data.labels[:, 0].all()
    assert data.labels[:, 1].tolist() == [i % 3 == 0 for i in kept()]
    for row, i in enumerate(kept()):
        assert data.captions[row] == text_of(i).replace("\n", " ")
        assert data.images[row].size == (i, 4)
    assert {name: len(rows) for name, rows in data.splits.items()} == {
        "train": 10,
        "validation": 4,
        "query": 3,
        "database": len(kept()) - 3,
    }


def test_words_are_the_most_frequent_ones(folder: Path) -> None:
    data = load_dataset("iapr_tc12", layout="text", words=5, sizes=SIZES)
    assert isinstance(data, TaggedLabels)
    assert data.tag_names == ("a", "café", "thing", "hill", "lake")  # ties by name
    assert data.tags[:, 4].tolist() == [i % 2 == 1 for i in kept()]
    pictures = load_dataset("iapr_tc12", words=5, sizes=SIZES)
    np.testing.assert_array_equal(pictures.metadata["words"], data.tags)
    assert pictures.metadata["word_column"]["lake"] == 4


def test_names_of_labels_may_be_absent(folder: Path) -> None:
    (folder / "wlist.txt").unlink()
    assert load_dataset("iapr_tc12", sizes=SIZES).class_names == ("label 7", "label 200")


def test_the_version_follows_the_content(folder: Path) -> None:
    before = load_dataset("iapr_tc12", sizes=SIZES).version
    assert load_dataset("iapr_tc12", sizes=SIZES, seed=1).version == before
    path = folder / "annotations_complete_eng" / f"{place(1)}.eng"
    path.write_bytes(path.read_bytes().replace(b"lake", b"pond"))
    assert load_dataset("iapr_tc12", sizes=SIZES).version != before


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<DESCRIPTION>a &amp; b</DESCRIPTION>", "a & b"),
        ("<description> two\r\n lines </description>", "two lines"),
        ("<DESCRIPTION></DESCRIPTION>", ""),
        ("<DESCRIPTION>open end", ""),
        ("", ""),
    ],
)
def test_descriptions(content: str, text: str) -> None:
    assert description(content) == text


def test_words() -> None:
    assert split_words("It's a 3-storey HOUSE; 'old' naïve_one") == [
        "it's",
        "a",
        "storey",
        "house",
        "old",
        "naïve",
        "one",
    ]


def test_missing_and_damaged_files_are_explained(folder: Path) -> None:
    labels = folder / "saiapr_tc-12/01/labels.txt"
    labels.write_text("25 1 7\n25 one 7\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"Line 2 of .*labels\.txt must be the numbers"):
        load_dataset("iapr_tc12", sizes=SIZES)
    for path in folder.glob("saiapr_tc-12/*/labels.txt"):
        path.unlink()
    with pytest.raises(MissingData, match=r"needs saiapr_tc-12/00/labels\.txt .*ImageCLEF"):
        load_dataset("iapr_tc12", sizes=SIZES)
    for path in folder.glob("annotations_complete_eng/*/*.eng"):
        path.unlink()
    with pytest.raises(MissingData, match=r"needs annotations_complete_eng/00/25\.eng"):
        load_dataset("iapr_tc12", sizes=SIZES)


def test_wrong_options(folder: Path) -> None:
    with pytest.raises(UnknownName, match="pictures, text"):
        load_dataset("iapr_tc12", layout="features")
    with pytest.raises(InvalidInput, match="words must be a whole number"):
        load_dataset("iapr_tc12", words=0)
    with pytest.raises(InvalidInput, match="There are 28 photographs of IAPR TC-12"):
        load_dataset("iapr_tc12")
