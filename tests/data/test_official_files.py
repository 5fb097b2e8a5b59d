"""Official files are read whole or refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from xmr_lib.data.official_files import read_lines, read_matlab, read_picture
from xmr_lib.errors import InvalidInput, MissingData


def test_the_arrays_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"x": np.arange(6.0).reshape(2, 3), "y": np.ones((1, 1), dtype=np.int64)})
    found = read_matlab(path, ["x"], "Get it again.")
    assert list(found) == ["x"]
    assert found["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(InvalidInput, match=r"a\.mat does not hold z\. Get it again\."):
        read_matlab(path, ["x", "z"], "Get it again.")


@pytest.mark.parametrize("content", [b"", b"x", b"MATLAB 5.0 MAT-file" + bytes(200), b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"cannot be read|does not hold"):
        read_matlab(path, ["x"], "Get it again.")


def test_pictures_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (5, 3), 200).save(tmp_path / "grey.png")
    picture = read_picture(tmp_path / "grey.png", "Get them.")
    assert (picture.mode, picture.size, picture.getpixel((0, 0))) == ("RGB", (5, 3), (200, 200, 200))
    with pytest.raises(MissingData, match=r"none\.png is not here\. Get them\."):
        read_picture(tmp_path / "none.png", "Get them.")
    whole = (tmp_path / "grey.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match=r"half\.png is not a readable picture"):
        read_picture(tmp_path / "half.png", "Get them.")


def test_lines_of_any_system_and_encoding(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("b\\café.jpg\r\n\n two \n".encode())
    assert read_lines(path, "") == ["b\\café.jpg", "", "two"]
    path.write_bytes("café".encode("latin-1"))
    assert read_lines(path, "") == ["café"]
    with pytest.raises(MissingData, match=r"is not here\. Look again\."):
        read_lines(tmp_path / "none", "Look again.")
