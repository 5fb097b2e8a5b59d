"""Reading the official files of Flickr8k and Flickr30k: captions by image, lists of splits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xmr_lib.data.official_files import one_line, plain_name, read_lines, read_text
from xmr_lib.errors import InvalidInput

TOKEN_LINE = re.compile(r"(?P<name>[^\t]+)#(?P<number>\d+)\t(?P<caption>.*)")
"""``1000268201_693b08cb0e.jpg#0<tab>A child in a pink dress is climbing up a set of stairs in an entry way .``"""


@dataclass(frozen=True)
class Release:
    """What the authors published, by file name.

    Attributes:
        name: Also the folder below ``XMR_DATA_DIR``.
        title: For messages.
        tokens: The captions file.
        karpathy: Karpathy's file.
        pictures: Names under which the picture folder is found, the official one first.
        lists: Split -> file that lists its images; empty where the release has no such files.
        lemmas: The captions file with words in their base form, or empty.
    """

    name: str
    title: str
    tokens: str
    karpathy: str
    pictures: tuple[str, ...]
    lists: Mapping[str, str] = field(default_factory=dict)
    lemmas: str = ""

    def where(self, folder: Path) -> str:
        """Where the files come from and go to, as a sentence."""
        return (
            f"Get {self.title} by the request form of its page at the University of Illinois at Urbana-Champaign, and "
            f"{self.karpathy} from caption_datasets.zip; unpack them in {folder}, or set XMR_DATA_DIR to the folder "
            f"that holds {self.name}/."
        )

    def picture_folder(self, folder: Path) -> Path | None:
        """The folder with the photographs, or None when it is not here."""
        return next((folder / name for name in self.pictures if (folder / name).is_dir()), None)


FLICKR8K = Release(
    name="flickr8k",
    title="Flickr8k",
    tokens="Flickr8k.token.txt",
    karpathy="dataset_flickr8k.json",
    pictures=("Flicker8k_Dataset", "Flickr8k_Dataset", "images"),
    lists={
        "train": "Flickr_8k.trainImages.txt",
        "validation": "Flickr_8k.devImages.txt",
        "test": "Flickr_8k.testImages.txt",
    },
    lemmas="Flickr8k.lemma.token.txt",
)

FLICKR30K = Release(
    name="flickr30k",
    title="Flickr30k",
    tokens="results_20130124.token",
    karpathy="dataset_flickr30k.json",
    pictures=("flickr30k-images", "flickr30k_images", "images"),
)


def read_token_file(path: Path, remedy: str) -> dict[str, list[str]]:
    """File name -> captions by their number, in the order of the file.

    One name of Flickr8k is broken ("2258277193_586949ec62.jpg.1"); names that do not end in .jpg are left out.

    Raises:
        InvalidInput: A line is not of the form ``<name>.jpg#<number><tab><caption>``, or an image has a caption number
            twice.
    """
    numbered: dict[str, dict[int, str]] = {}
    # Split at "\n" alone: str.splitlines also cuts at rare characters that may stand inside a caption.
    for count, line in enumerate(read_text(path, remedy).split("\n"), start=1):
        if not line.strip():
            continue
        found = TOKEN_LINE.fullmatch(line.rstrip("\r"))
        if found is None:
            raise InvalidInput(
                f"Line {count} of {path} is not of the form <name>.jpg#<number><tab><caption>: {line[:60]!r}. The file "
                "is damaged; unpack it from its archive again."
            )
        if not found["name"].lower().endswith(".jpg"):
            continue
        captions = numbered.setdefault(_plain(found["name"], path), {})
        if int(found["number"]) in captions:
            raise InvalidInput(f"Line {count} of {path} repeats {found['name']}#{found['number']}; get the file again.")
        captions[int(found["number"])] = one_line(found["caption"])
    if not numbered:
        raise InvalidInput(f"{path} holds no captions; it is damaged. Unpack it from its archive again.")
    return {name: [captions[number] for number in sorted(captions)] for name, captions in numbered.items()}


def read_split_lists(release: Release, folder: Path) -> dict[str, str]:
    """File name -> split, in the order of the lists.

    Raises:
        MissingData: A list is not here.
        InvalidInput: An image stands in two lists.
    """
    split_of: dict[str, str] = {}
    for split, name in release.lists.items():
        for image in read_lines(folder / name, f"It comes with the captions. {release.where(folder)}"):
            if image and split_of.setdefault(image, split) != split:
                raise InvalidInput(
                    f"{image} stands in the lists of {split_of[image]} and {split}; get {name} from its archive again."
                )
    return split_of


def _plain(name: str, path: Path) -> str:
    try:
        return plain_name(name)
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}. Use the official file of that name.") from error
