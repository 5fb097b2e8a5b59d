"""MATLAB 7.3 files: axes turned back, strings, sparse matrices, and nothing followed out of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.sparse import csc_matrix

from xmr_lib.data.hdf5_files import hdf5_row, hdf5_shapes, is_hdf5, read_hdf5
from xmr_lib.data.official_files import read_matlab
from xmr_lib.errors import InvalidInput

REMEDY = "Get it again."


@pytest.fixture
def path(tmp_path: Path, write_v73: Callable) -> Path:
    path = tmp_path / "a.mat"
    write_v73(
        path,
        {
            "x": np.arange(6.0).reshape(2, 3),
            "pixels": np.arange(2 * 4 * 3 * 5, dtype=np.uint8).reshape(2, 4, 3, 5),
            "names": np.array(["im1.jpg", "im22.jpg"]),
            "cells": ["a dog", "", "été"],
            "bags": csc_matrix([[0, 2.0], [0, 0], [1, 0]]),
            "none": np.zeros((0, 3)),
        },
    )
    return path


def test_it_is_a_matlab_file_with_a_header_before_it(path: Path) -> None:
    assert path.read_bytes().startswith(b"MATLAB 7.3 MAT-file")
    assert is_hdf5(path)
    assert not is_hdf5(path.parent / "absent.mat")
    assert not is_hdf5(Path(__file__))


def test_arrays_come_in_the_axes_of_matlab(path: Path) -> None:
    with h5py.File(path) as file:
        assert file["x"].shape == (3, 2)  # reversed in the file
    found = read_matlab(path, ["x", "pixels", "none"], REMEDY)
    assert found["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["pixels"].shape == (2, 4, 3, 5)
    assert found["pixels"][1, 2, 0, 3] == (1 * 4 * 3 * 5 + 2 * 3 * 5 + 0 * 5 + 3) % 256
    assert found["none"].shape == (0, 3)


def test_strings_and_sparse_matrices(path: Path) -> None:
    found = read_matlab(path, ["names", "cells", "bags"], REMEDY)
    assert found["names"].tolist() == ["im1.jpg", "im22.jpg"]
    assert found["cells"].tolist() == ["a dog", "", "été"]
    assert found["bags"].tolist() == [[0, 2], [0, 0], [1, 0]]


def test_what_h5py_wrote_is_not_turned(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file["x"] = np.arange(6.0).reshape(2, 3)
        file["words"] = ["sea", "sky"]
    found = read_hdf5(tmp_path / "b.mat", ["x", "words"], REMEDY)
    assert found["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["words"].tolist() == ["sea", "sky"]


def test_one_row_without_the_rest(path: Path) -> None:
    shapes = hdf5_shapes(path, REMEDY)
    assert shapes["pixels"] == (5, 3, 4, 2)
    whole = read_hdf5(path, ["pixels"], REMEDY)["pixels"]
    np.testing.assert_array_equal(hdf5_row(path, "pixels", 0, 3), whole[..., 3].T)
    np.testing.assert_array_equal(hdf5_row(path, "pixels", -1, 1), whole[1].T)
    assert not any(name.startswith("#") for name in shapes)


def test_absent_arrays_and_damaged_files_are_explained(path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"a\.mat does not hold z\. Get it again\."):
        read_matlab(path, ["x", "z"], REMEDY)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidInput, match=r"MATLAB 7\.3 .*damaged or incomplete. Get it again"):
        read_matlab(path, ["x"], REMEDY)
    with pytest.raises(InvalidInput, match="damaged or incomplete"):
        hdf5_shapes(path, REMEDY)


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = [1, 2, 3]
    (tmp_path / "raw").write_bytes(bytes(24))
    with h5py.File(tmp_path / "c.mat", "w") as file:
        file["link"] = h5py.ExternalLink("secret.h5", "/x")
        file["soft"] = h5py.SoftLink("/elsewhere")
        file.create_dataset("outside", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)])
    for key in ("link", "outside"):
        with pytest.raises(InvalidInput, match=f"{key} in .* points to another place"):
            read_hdf5(tmp_path / "c.mat", [key], REMEDY)
    with pytest.raises(InvalidInput, match="points to another place"):
        hdf5_shapes(tmp_path / "c.mat", REMEDY)
