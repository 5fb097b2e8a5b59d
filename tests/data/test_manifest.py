"""datasets/manifest.toml is valid, and its files can be got."""

from __future__ import annotations

import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from xmr_lib.data.flickr_files import FLICKR8K, FLICKR30K
from xmr_lib.data.manifest import get, read_manifest
from xmr_lib.data.pascal_sentence import FILES as PASCAL_FILES
from xmr_lib.data.wikipedia import FILES
from xmr_lib.errors import InvalidInput, MissingData, UnknownName


def write(folder: Path, files: str) -> Path:
    path = folder / "manifest.toml"
    path.write_text(f"[toy]\npage = 'the toy page'\nlicence = 'none'\nfiles = [{files}]\n", encoding="utf-8")
    return path


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    path = tmp_path / "mirror.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pictures/one.txt", "1")
    return path


def test_the_committed_manifest() -> None:
    manifest = read_manifest()
    assert {file.name for file in manifest["wikipedia"].files} == set(FILES)
    assert all(len(file.sha256 or "") == 64 for file in manifest["wikipedia"].files)
    assert {file.name for file in manifest["pascal_sentence"].files} == set(PASCAL_FILES)
    assert {"ImageList/Imagelist.txt", "NUS_WID_Tags/AllTags1k.txt"} <= {f.name for f in manifest["nus_wide"].files}
    assert any(file.unpack for file in manifest["coco"].files)
    for release in (FLICKR8K, FLICKR30K):
        files = {file.name for file in manifest[release.name].files}
        assert {release.tokens, release.karpathy, release.pictures[0], *release.lists.values()} <= files
    for source in manifest.values():
        assert source.page
        assert source.licence
        for file in source.files:
            assert file.url == "" or file.url.endswith(file.name)


def test_get_downloads_and_unpacks(tmp_path: Path, mirror: Path) -> None:
    checksum = sha256(mirror.read_bytes()).hexdigest()
    entry = f'{{ name = "a.zip", url = "{mirror.as_uri()}", sha256 = "{checksum}", unpack = true }}'
    path = write(tmp_path, entry)
    assert get("toy", tmp_path / "out", path=path) == [tmp_path / "out" / "a.zip"]
    assert (tmp_path / "out" / "pictures" / "one.txt").read_text(encoding="utf-8") == "1"


def test_get_goes_to_the_data_folder(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path / "data"))
    path = write(tmp_path, f'{{ name = "a.zip", url = "{mirror.as_uri()}", sha256 = "unknown" }}')
    assert get("toy", path=path) == [tmp_path / "data" / "toy" / "a.zip"]


def test_optional_files_come_only_when_asked_for(tmp_path: Path, mirror: Path) -> None:
    path = write(tmp_path, f'{{ name = "a.zip", url = "{mirror.as_uri()}", optional = true }}')
    assert get("toy", tmp_path / "out", path=path) == []
    assert len(get("toy", tmp_path / "out", optional=True, path=path)) == 1


def test_files_without_an_address_name_the_page(tmp_path: Path) -> None:
    path = write(tmp_path, '{ name = "a.mat" }')
    with pytest.raises(MissingData, match=r"Get a\.mat by hand from the toy page and put it in"):
        get("toy", tmp_path, path=path)
    (tmp_path / "a.mat").write_bytes(b"here")
    assert get("toy", tmp_path, path=path) == [tmp_path / "a.mat"]
    path = write(tmp_path, '{ name = "b.mat", optional = true }')
    assert get("toy", tmp_path, optional=True, path=path) == []


def test_wrong_names_and_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownName, match="coco, flickr30k, flickr8k, iapr_tc12, mirflickr25k, nus_wide, pascal_sentence, wikipedia"
    ):
        get("cocoa", tmp_path)
    with pytest.raises(MissingData, match="clone of the course"):
        read_manifest(tmp_path / "absent.toml")
    for content in ("[toy", "[toy]\npage = 'x'", "toy = 3", "[toy]\npage='x'\nlicence='y'\nfiles=[{nam='z'}]"):
        (tmp_path / "bad.toml").write_text(content, encoding="utf-8")
        with pytest.raises(InvalidInput, match="not a valid manifest"):
            read_manifest(tmp_path / "bad.toml")
