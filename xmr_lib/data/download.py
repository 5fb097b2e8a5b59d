"""Getting official files: :func:`fetch` one file, :func:`extract` an archive. Nothing half-done is left behind.

A file appears under its name only when it is complete and its checksum agrees; an archive that tries to write
outside its folder, or holds links, is refused before anything is written.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from xmr_lib.errors import InvalidInput, MissingData
from xmr_lib.progress import progress

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


def fetch(url: str, sha256: str | None, target: Path | str, size: int | None = None) -> Path:
    """Download one file, or copy it from a local mirror; does nothing when it is already there and right.

    Args:
        url: ``http(s)://...``, or ``file://...`` or a path for a mirror in the class room.
        sha256: The known checksum (64 hexadecimal digits), or None where the authors published none: then only the
            length announced by the server is checked, and a file that is already there is taken as it is.
        target: Where the file goes; its folder is created.
        size: The known number of bytes, or None.

    Returns:
        ``target`` as a path.

    Raises:
        MissingData: The network, the server or the mirror does not give the file.
        InvalidInput: What came has another size or checksum; it was deleted.
    """
    import pooch
    import requests

    target = Path(target)
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InvalidInput(f"A SHA-256 checksum has 64 hexadecimal digits, but it is {sha256!r}. Pass None if unknown.")
    by_hand = f"You can also get it with a browser and save it as {target}."
    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}" if sha256 else None,
            fname=target.name,
            path=target.parent,
            downloader=_downloader(url, size),
        )
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise MissingData(
            f"{url} could not be downloaded: no connection, or it broke off ({type(error).__name__}). "
            f"Check the network and start again; nothing half-done was kept. {by_hand}"
        ) from error
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else "an error"
        raise MissingData(
            f"The server answered {code} for {url}; the address may have changed. See the card under datasets/ for "
            f"the page it is listed on. {by_hand}"
        ) from error
    except FileNotFoundError as error:
        raise MissingData(
            f"There is no file {error.filename}, named by {url!r}. Check the path of the mirror."
        ) from error
    except InvalidInput:
        raise
    except (ValueError, requests.RequestException) as error:
        raise InvalidInput(
            f"What came from {url} was not kept: {error} Start again; if it repeats, the file was replaced or damaged "
            "at its source."
        ) from error
    target.chmod(0o644)  # temporary files are private to one user; data folders are often shared
    return target


def _downloader(url: str, size: int | None) -> Callable[[str, str, Any], None]:
    """What pooch calls to fill its temporary file: HTTP with a progress bar or a local copy, then the size check."""
    parts = urlsplit(url)

    def download(address: str, output: str, owner: Any) -> None:
        if parts.scheme in ("http", "https"):
            import pooch

            # pooch sets the real total; a tqdm bar without any total has no truth value
            with progress(total=1, desc=Path(parts.path).name, unit="B", unit_scale=True) as bar:
                # identity: a .tar.gz must arrive as it is, not unpacked on the way
                get = pooch.HTTPDownloader(progressbar=bar, timeout=30, headers={"Accept-Encoding": "identity"})
                get(address, output, owner)
        elif parts.scheme == "file":
            shutil.copyfile(url2pathname(parts.path), output)
        elif len(parts.scheme) <= 1:  # a plain path; one letter is a Windows drive
            shutil.copyfile(address, output)
        else:
            raise InvalidInput(f"{address!r} must start with http://, https:// or file://, or be a path.")
        got = os.path.getsize(output)
        if size is not None and got != size:
            raise InvalidInput(f"{address} gave {got:,} bytes instead of {size:,}; it was not kept. Start again.")

    return download


@dataclass(frozen=True)
class _Member:
    """One regular file of an archive."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def extract(archive: Path | str, folder: Path | str, max_bytes: int | None = None) -> list[Path]:
    """Unpack a zip or tar archive (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz) into ``folder``.

    All names and sizes are checked before the first byte is written. Files are unpacked beside their place and moved
    when the whole archive is through, so a broken archive adds nothing; files of the same name are replaced.

    Args:
        archive: The archive.
        folder: Where it goes; created if need be.
        max_bytes: The most it may unpack to. Default: the free space of the disk.

    Returns:
        The paths of the files, in the order of the archive.

    Raises:
        MissingData: There is no such archive.
        InvalidInput: It is not a zip or tar archive, damaged, too large, or holds a path out of the folder, a link or
            a device.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise MissingData(f"There is no archive {archive}. Download it first.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _members(archive) as members, tempfile.TemporaryDirectory(prefix=".unpack-", dir=folder) as workshop:
            total = sum(member.size for member in members)
            limit = shutil.disk_usage(folder).free if max_bytes is None else max_bytes
            if total > limit:
                raise InvalidInput(
                    f"{archive.name} unpacks to {total:,} bytes, but at most {limit:,} are allowed or free. "
                    "Make room, or pass a larger max_bytes if the size is right."
                )
            with progress(total=total, desc=f"unpacking {archive.name}", unit="B", unit_scale=True) as bar:
                for member in members:
                    _write(member, Path(workshop, *member.path.parts), bar)
            for member in members:
                place = folder.joinpath(*member.path.parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(workshop, *member.path.parts), place)
    except _BROKEN as error:
        if isinstance(error, MissingData):
            raise
        raise InvalidInput(
            f"{archive} cannot be unpacked into {folder} ({type(error).__name__}: {error}). If it is damaged, delete "
            "it and download it again."
        ) from error
    return [folder.joinpath(*member.path.parts) for member in members]


def _write(member: _Member, place: Path, bar: Any) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, place.open("wb") as sink:
        while block := source.read(1 << 20):
            sink.write(block)
            bar.update(len(block))


@contextmanager
def _members(archive: Path) -> Iterator[list[_Member]]:
    """The regular files of an archive, after every name in it was judged."""
    members = []
    if tarfile.is_tarfile(archive):  # asked first: a tar may end in a zip, a zip cannot start as a tar
        with tarfile.open(archive) as tarred:
            for item in tarred:
                path = _safe(item.name, archive, item.isreg() or item.isdir())
                if item.isreg():
                    members.append(_Member(path, item.size, partial(_tar_stream, tarred, item)))
            yield members
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
                path = _safe(info.filename, archive, plain)
                if not info.is_dir():
                    members.append(_Member(path, info.file_size, partial(zipped.open, info)))
            yield members
    else:
        raise InvalidInput(f"{archive} is neither a zip nor a tar archive, or it is damaged. Download it again.")


def _tar_stream(tarred: tarfile.TarFile, item: tarfile.TarInfo) -> IO[bytes]:
    stream = tarred.extractfile(item)
    if stream is None:  # not a regular file; those were refused before
        raise tarfile.ReadError(f"{item.name} has no content")
    return stream


def _safe(name: str, archive: Path, plain: bool) -> PurePosixPath:
    """The path of one entry, if it stays inside the folder on every system; else the archive is refused."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not plain or path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        what = "a link or device" if not plain else "a path that leads out of its folder"
        raise InvalidInput(
            f"{archive} was refused: its entry {name!r} is {what}. Official archives hold no such thing."
        )
    return path
