"""The Flickr loaders on files of the official format, and on the real captions of Flickr8k when they are there."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xmr_lib.data import load_dataset
from xmr_lib.data.flickr import load_flickr8k, load_flickr30k
from xmr_lib.errors import InvalidInput, MissingData

REAL = Path(os.environ.get("XMR_DATA_DIR", "")) / "flickr8k" / "Flickr8k.token.txt"
needs_real = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not REAL.is_file(),
    reason="set XMR_DATA_DIR to a folder with flickr8k/Flickr8k.token.txt",
)
NAMES = [f"{i}_ab.jpg" for i in range(10)]
SPLITS = {"train": NAMES[:5], "dev": [NAMES[6]], "test": [NAMES[8], NAMES[7]]}  # 5_ab and 9_ab are in no list


def token_lines(names: list[str], word: str = "caption") -> str:
    """Captions of an image need not stand in the order of their numbers."""
    return "".join(f"{name}#{j}\t{word} {j} of  {name} .\n" for name in names for j in (1, 0, 2, 3, 4))


def write_pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("L" if name == NAMES[1] else "RGB", (8, 6), 10 * int(name[0])).save(folder / name)


@pytest.fixture
def eight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten images of which the second is grey and the third has no file; one broken name as in the release."""
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    folder = tmp_path / "flickr8k"
    write_pictures(folder / "Flicker8k_Dataset", [name for name in NAMES if name != NAMES[2]])
    (folder / "Flickr8k.token.txt").write_text(
        token_lines(NAMES) + "3_ab.jpg.1#0\ta broken name .\n", encoding="utf-8", newline=""
    )
    (folder / "Flickr8k.lemma.token.txt").write_text(token_lines(NAMES, "lemma"), encoding="utf-8")
    for split, names in SPLITS.items():
        (folder / f"Flickr_8k.{split}Images.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def thirty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten images with official captions."""
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path))
    folder = tmp_path / "flickr30k"
    write_pictures(folder / "flickr30k-images", NAMES)
    (folder / "results_20130124.token").write_text(token_lines(NAMES), encoding="utf-8")
    return folder


def write_karpathy(path: Path, splits: dict[str, str]) -> None:
    images = [
        {
            "filename": name,
            "split": split,
            "imgid": number,
            "sentids": [5 * number + j for j in range(5)],
            "sentences": [{"raw": f"karpathy {j} of {name}", "tokens": []} for j in range(5)],
        }
        for number, (name, split) in enumerate(splits.items())
    ]
    path.write_text(json.dumps({"dataset": path.stem, "images": images}), encoding="utf-8")


def files_of(data: Any, split: str) -> list[str]:
    return [data.metadata["file"][i] for i in data.splits[split]]


def test_captions_pictures_and_splits_stay_together(eight: Path) -> None:
    data = load_flickr8k()
    assert data.metadata["file"] == [name for name in NAMES if name != NAMES[2]]
    assert data.n_captions == 5 * data.n_images == 45
    for row, name in enumerate(data.metadata["file"]):
        told = [data.captions[j] for j in data.captions_of(row)]
        assert told == [f"caption {j} of {name} ." for j in range(5)]  # by number, white space clean
        assert data.images[row].mode == "RGB"
        assert data.images[row].size == (8, 6)
    assert files_of(data, "train") == [NAMES[0], NAMES[1], NAMES[3], NAMES[4]]
    assert files_of(data, "validation") == [NAMES[6]]
    assert files_of(data, "test") == [NAMES[8], NAMES[7]]  # the order of the list
    assert data.labels is None


def test_the_registry_knows_both(eight: Path, tmp_path: Path) -> None:
    assert load_dataset("flickr8k", captions_per_image=1).n_captions == 9
    write_pictures(tmp_path / "flickr30k" / "images", NAMES)
    (tmp_path / "flickr30k" / "results_20130124.token").write_text(token_lines(NAMES), encoding="utf-8")
    assert load_dataset("flickr30k").name == "flickr30k"


def test_missing_pictures_can_be_kept_for_text(eight: Path) -> None:
    data = load_flickr8k(missing="keep")
    assert data.n_images == 10
    with pytest.raises(MissingData, match=r"2_ab\.jpg is not here"):
        data.images[2]
    for path in (eight / "Flicker8k_Dataset").iterdir():
        path.unlink()
    with pytest.raises(MissingData, match="holds none of the photographs"):
        load_flickr8k()
    (eight / "Flicker8k_Dataset").rmdir()
    with pytest.raises(MissingData, match=r'Flicker8k_Dataset with the photographs.*missing="keep"'):
        load_flickr8k()
    assert load_flickr8k(missing="keep").n_images == 10


def test_limit_seed_and_captions_per_image(eight: Path) -> None:
    drawn = [load_flickr8k(limit=4, seed=seed, captions_per_image=2) for seed in range(4)]
    assert all((data.n_images, data.n_captions) == (4, 8) for data in drawn)
    assert all(data.metadata["file"] == sorted(data.metadata["file"]) for data in drawn)
    assert len({tuple(data.metadata["file"]) for data in drawn}) > 1
    assert drawn[2].version == load_flickr8k(limit=4, seed=2, captions_per_image=2).version
    assert len({data.version for data in [*drawn, load_flickr8k()]}) > 2


def test_lemmas(eight: Path) -> None:
    assert load_flickr8k(lemmas=True).captions[0] == f"lemma 0 of {NAMES[0]} ."
    write_karpathy(eight / "dataset_flickr8k.json", dict.fromkeys(NAMES, "train"))
    assert load_flickr8k(lemmas=True).captions[0] == f"lemma 0 of {NAMES[0]} ."
    (eight / "Flickr8k.lemma.token.txt").unlink()
    with pytest.raises(MissingData, match=r"needs Flickr8k\.lemma\.token\.txt in"):
        load_flickr8k(lemmas=True)


def test_without_the_lists_the_official_captions_are_no_benchmark(eight: Path) -> None:
    (eight / "Flickr_8k.devImages.txt").unlink()
    with pytest.raises(MissingData, match=r"Flickr_8k\.devImages\.txt is not here\. It comes with the captions"):
        load_flickr8k()


def test_karpathy_file_gives_splits_and_captions(thirty: Path) -> None:
    splits = dict(zip(reversed(NAMES), ["test", "val", "train", "test"] + ["train"] * 6, strict=True))
    write_karpathy(thirty / "dataset_flickr30k.json", splits)
    data = load_flickr30k()
    assert files_of(data, "test") == [NAMES[9], NAMES[6]]
    assert files_of(data, "validation") == [NAMES[8]]
    assert list(data.split("validation").captions) == [f"karpathy {j} of {NAMES[8]}" for j in range(5)]
    (thirty / "results_20130124.token").unlink()
    assert load_flickr30k().version == data.version  # his file alone is enough


def test_without_karpathy_flickr30k_is_cut_by_seed(thirty: Path) -> None:
    data = load_flickr30k()
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [8, 1, 1]
    assert sorted(np.concatenate(list(data.splits.values()))) == list(range(10))
    assert any(load_flickr30k(seed=seed).splits["test"] != data.splits["test"] for seed in range(1, 6))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0_ab.jpg 0 a caption", r"Line 51 of .*\.token is not of the form"),
        ("0_ab.jpg#0\tagain", r"Line 51 of .* repeats 0_ab\.jpg#0"),
        ("../x.jpg#0\tout of the folder", "not a plain file name"),
    ],
)
def test_a_damaged_captions_file_is_explained(thirty: Path, line: str, message: str) -> None:
    path = thirty / "results_20130124.token"
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=message):
        load_flickr30k()


def test_an_empty_captions_file_is_explained(thirty: Path) -> None:
    (thirty / "results_20130124.token").write_text("\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="holds no captions"):
        load_flickr30k()


def test_rare_characters_do_not_cut_a_caption(thirty: Path) -> None:
    path = thirty / "results_20130124.token"
    path.write_text("0_ab.jpg#0\tone\u2028two\x85three\r\n", encoding="utf-8", newline="")
    assert list(load_flickr30k().captions) == ["one two three"]


def test_an_image_in_two_lists_is_explained(eight: Path) -> None:
    with (eight / "Flickr_8k.testImages.txt").open("a", encoding="utf-8") as stream:
        stream.write(NAMES[0] + "\n")
    with pytest.raises(InvalidInput, match=r"0_ab\.jpg stands in the lists of train and test"):
        load_flickr8k()


@pytest.mark.parametrize("change", ["split", "sentences", "path", "twice"])
def test_a_damaged_karpathy_file_is_explained(thirty: Path, change: str) -> None:
    path = thirty / "dataset_flickr30k.json"
    write_karpathy(path, dict.fromkeys(NAMES, "train"))
    content = json.loads(path.read_text(encoding="utf-8"))
    entry = content["images"][0]
    if change == "split":
        entry["split"] = "dev"
    elif change == "sentences":
        del entry["sentences"]
    elif change == "path":
        entry["filename"] = "../0_ab.jpg"
    else:
        content["images"].append(entry)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"dataset_flickr30k\.json (is not in the format|names an image more than)"):
        load_flickr30k()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"missing": "ignore"}, "drop, keep"), ({"captions_per_image": 0}, "at least 1"), ({"limit": 0}, "at least 1")],
)
def test_wrong_options_are_explained(eight: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_flickr8k(**options)


def test_pictures_can_travel_to_another_process(eight: Path) -> None:
    assert pickle.loads(pickle.dumps(load_flickr8k().images))[0].size == (8, 6)


@needs_real
def test_real_captions_of_flickr8k() -> None:
    data = load_dataset("flickr8k", missing="keep")
    assert (data.n_images, data.n_captions) == (8091, 40455)
    assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 6000, "validation": 1000, "test": 1000}
    assert data.captions[0] == "A child in a pink dress is climbing up a set of stairs in an entry way ."
    test = data.split("test")
    assert test.metadata["file"][0] == "3385593926_d3e9c21170.jpg"  # the first line of the list
    assert test.captions[test.captions_of(0)[0]] == "The dogs are in the snow in front of a fence ."
    words = [len(caption.split()) for caption in data.captions]
    assert np.mean(words) == pytest.approx(11.8, abs=0.05)
    lower = [caption.lower() for caption in data.captions]
    assert len(set(lower)) == 40170  # the same words were written about different photographs
