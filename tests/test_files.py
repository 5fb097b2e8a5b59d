"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xmr_lib.files import write_bytes_atomically, write_text_atomically


def test_text_is_utf8_with_its_own_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text_atomically(path, "é\nb\n")
    assert path.read_bytes() == b"\xc3\xa9\nb\n"
    write_text_atomically(path, "")
    assert path.read_bytes() == b""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_write_keeps_the_old_file_and_leaves_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.bin"
    write_bytes_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk is full"):
        write_bytes_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
