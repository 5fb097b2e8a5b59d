"""``datasets/manifest.toml``: which official files a data set needs, where they come from, what their checksums are."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xmr_lib.config import data_dir
from xmr_lib.data.download import extract, fetch
from xmr_lib.errors import InvalidInput, MissingData, check_choice

MANIFEST = Path(__file__).parents[2] / "datasets" / "manifest.toml"


@dataclass(frozen=True)
class OfficialFile:
    """One file as its authors publish it.

    Attributes:
        name: File name below ``<XMR_DATA_DIR>/<data set>/``.
        url: Its address, or "" where it has to be got by hand from the page.
        sha256: Its checksum, or None where none is known.
        size: Its number of bytes, or None.
        unpack: It is an archive, unpacked into the folder of the data set.
        optional: The loader works without it.
    """

    name: str
    url: str = ""
    sha256: str | None = None
    size: int | None = None
    unpack: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Source:
    """One data set of the manifest: the page it is published on, in words, its licence and its files."""

    name: str
    page: str
    licence: str
    files: tuple[OfficialFile, ...]


def read_manifest(path: Path = MANIFEST) -> dict[str, Source]:
    """The manifest by data set name.

    Raises:
        MissingData: There is no such file (it is part of the repository, not of an installed package).
        InvalidInput: It is not written as ``datasets/README.md`` says.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: _source(name, entry) for name, entry in content.items()}
    except FileNotFoundError:
        raise MissingData(f"There is no manifest {path}. Work in a clone of the course's repository.") from None
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"{path} is not a valid manifest ({error}). See datasets/README.md for its format."
        ) from error


def _source(name: str, entry: dict[str, Any]) -> Source:
    files = []
    for item in entry["files"]:
        item = dict(item)
        if item.get("sha256") == "unknown":
            del item["sha256"]
        files.append(OfficialFile(**item))
    return Source(name, entry["page"], entry["licence"], tuple(files))


def get(name: str, folder: Path | None = None, optional: bool = False, path: Path = MANIFEST) -> list[Path]:
    """Download and unpack the official files of one data set, as far as they have an address.

    Args:
        name: A data set of the manifest.
        folder: Where the files go. Default: ``<XMR_DATA_DIR>/<name>``.
        optional: Get the optional files too, as far as they have an address.
        path: The manifest.

    Returns:
        The files got (archives are kept, so that a second call does nothing but unpack).

    Raises:
        UnknownName: The manifest has no such data set.
        MissingData: A needed file has no address; the message names the page to get it from.
    """
    manifest = read_manifest(path)
    source = manifest[check_choice(name, manifest, "data set in the manifest")]
    folder = data_dir() / name if folder is None else folder
    wanted = [file for file in source.files if optional or not file.optional]
    absent = [file for file in wanted if not file.url and not (folder / file.name).exists()]
    by_hand = [file.name for file in absent if not file.optional]
    if by_hand:
        raise MissingData(f"Get {', '.join(by_hand)} by hand from {source.page} and put it in {folder}.")
    got = []
    for file in wanted:
        if file in absent:
            continue
        if file.url:
            got.append(fetch(file.url, file.sha256, folder / file.name, file.size))
        else:
            got.append(folder / file.name)
        if file.unpack:
            extract(got[-1], folder)
    return got
