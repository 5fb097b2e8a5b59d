"""fetch and extract: what arrives is right and complete, or nothing arrives."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from xmr_lib.data.download import extract, fetch
from xmr_lib.errors import InvalidInput, MissingData

CONTENT = bytes(range(256)) * 500
SHA = sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/good gives CONTENT, /short breaks off half-way, everything else is 404."""

    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        if not self.path.startswith(("/good", "/short")):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path.startswith("/good") else CONTENT[: len(CONTENT) // 2])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[str]:
    Handler.requests = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_good_download(server: str, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file.bin"
    assert fetch(f"{server}/good.bin", SHA, target, size=len(CONTENT)) == target
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_second_call_downloads_nothing(server: str, tmp_path: Path) -> None:
    for _ in range(2):
        fetch(f"{server}/good.bin", SHA.upper(), tmp_path / "file.bin")
    assert Handler.requests == 1


def test_a_wrong_file_on_disk_is_replaced(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"half of an older download")
    assert fetch(f"{server}/good.bin", SHA, target).read_bytes() == CONTENT


def test_unknown_checksum(server: str, tmp_path: Path) -> None:
    assert fetch(f"{server}/good.bin", None, tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "checksum", "size", "error", "message"),
    [
        ("good", "0" * 64, None, InvalidInput, "does not match"),
        ("good", None, 7, InvalidInput, "128,000 bytes instead of 7"),
        ("short", SHA, None, MissingData, "broke off"),
        ("short", None, None, MissingData, "broke off"),
        ("gone", SHA, None, MissingData, "answered 404"),
    ],
)
def test_a_bad_download_leaves_nothing_behind(
    server: str, tmp_path: Path, page: str, checksum: str | None, size: int | None, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        fetch(f"{server}/{page}", checksum, tmp_path / "file.bin", size)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_download_leaves_the_older_file_alone(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"older")
    with pytest.raises(MissingData):
        fetch(f"{server}/short", SHA, target)
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object, url: str, output: str, owner: object) -> None:
        Path(output).write_bytes(CONTENT[:1000])
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch("http://127.0.0.1/good", SHA, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(MissingData, match=r"no connection.*Check the network.*browser and save it as") as caught:
        fetch(f"http://127.0.0.1:{port}/good", SHA, tmp_path / "file.bin")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_local_mirror(tmp_path: Path) -> None:
    source = tmp_path / "mirror" / "a b.bin"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    assert fetch(source.as_uri(), SHA, tmp_path / "one.bin").read_bytes() == CONTENT
    assert fetch(str(source), SHA, tmp_path / "two.bin").read_bytes() == CONTENT
    with pytest.raises(MissingData, match=r"no file .*c\.bin"):
        fetch(str(source.with_name("c.bin")), SHA, tmp_path / "three.bin")


@pytest.mark.parametrize(("url", "checksum"), [("ftp://127.0.0.1/x", SHA), ("http://127.0.0.1/x", "abc")])
def test_wrong_arguments_are_explained(tmp_path: Path, url: str, checksum: str) -> None:
    with pytest.raises(InvalidInput, match=r"must start with|64 hexadecimal"):
        fetch(url, checksum, tmp_path / "file.bin")


# Archives


def make_zip(path: Path, entries: dict[str, bytes], link: str | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        if link is not None:
            info = zipfile.ZipInfo("link")
            info.create_system, info.external_attr = 3, 0o120777 << 16
            archive.writestr(info, link)
    return path


def make_tar(path: Path, entries: dict[str, bytes], link: tarfile.TarInfo | None = None) -> Path:
    mode = {"tar": "w", "gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[path.name.rsplit(".", 1)[-1]]
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link is not None:
            archive.addfile(link)
    return path


def make(path: Path, entries: dict[str, bytes]) -> Path:
    return make_zip(path, entries) if path.suffix == ".zip" else make_tar(path, entries)


KINDS = ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"]


@pytest.mark.parametrize("kind", KINDS)
def test_good_archives(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path / kind, {"folder/one.txt": b"1", "two.bin": CONTENT})
    target = tmp_path / "out"
    (target / "folder").mkdir(parents=True)
    (target / "folder" / "mine.txt").write_bytes(b"stays")
    (target / "folder" / "one.txt").write_bytes(b"older")
    assert extract(archive, target) == [target / "folder" / "one.txt", target / "two.bin"]
    assert (target / "folder" / "one.txt").read_bytes() == b"1"
    assert (target / "two.bin").read_bytes() == CONTENT
    assert sorted(p.name for p in target.rglob("*")) == ["folder", "mine.txt", "one.txt", "two.bin"]


EVIL = ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt", "C:evil.txt", "\\evil.txt"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EVIL)
def test_paths_out_of_the_folder_are_refused(tmp_path: Path, kind: str, name: str) -> None:
    archive = make(tmp_path / kind, {"good.txt": b"1", name: b"evil"})
    with pytest.raises(InvalidInput, match="was refused"):
        extract(archive, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted([kind, "out"])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = kind, "/etc"
    archive = make_tar(tmp_path / "a.tar", {"good.txt": b"1"}, link)
    with pytest.raises(InvalidInput, match="link or device"):
        extract(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_links_in_zip_are_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"good.txt": b"1"}, link="/etc")
    with pytest.raises(InvalidInput, match="link or device"):
        extract(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7])
def test_damaged_archives_add_nothing(tmp_path: Path, kind: str, keep: float) -> None:
    archive = make(tmp_path / kind, {"one.txt": b"1", "two.bin": CONTENT * 3})
    content = archive.read_bytes()
    archive.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InvalidInput, match=r"[Dd]ownload it again"):
        extract(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_flipped_byte_in_a_zip_is_noticed(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"one.txt": b"1" * 5000, "two.txt": b"2"})
    content = bytearray(archive.read_bytes())
    content[45] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(InvalidInput, match="damaged"):
        extract(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_too_large_archives_are_refused(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path / kind, {"one.bin": CONTENT, "two.bin": CONTENT})
    with pytest.raises(InvalidInput, match=r"256,000 bytes, but at most 200,000"):
        extract(archive, tmp_path / "out", max_bytes=200_000)
    assert list((tmp_path / "out").iterdir()) == []
    assert len(extract(archive, tmp_path / "out", max_bytes=256_000)) == 2


def test_what_is_no_archive_is_explained(tmp_path: Path) -> None:
    (tmp_path / "page.zip").write_text("<html>not found</html>", encoding="utf-8")
    with pytest.raises(InvalidInput, match="neither a zip nor a tar"):
        extract(tmp_path / "page.zip", tmp_path / "out")
    with pytest.raises(MissingData, match="no archive"):
        extract(tmp_path / "absent.zip", tmp_path / "out")


def test_a_file_where_a_folder_should_be_is_explained(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", {"one": b"1", "one/two": b"2"})
    with pytest.raises(InvalidInput, match="cannot be unpacked"):
        extract(archive, tmp_path / "out")
