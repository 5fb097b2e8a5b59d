"""Writes MATLAB 7.3 files as MATLAB does: a header of 512 bytes, reversed axes, marks on every array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.sparse import issparse

CLASS = {"f8": "double", "f4": "single", "u1": "uint8", "i8": "int64", "i4": "int32", "b1": "logical"}


@pytest.fixture
def write_v73() -> Callable[[Path, Mapping[str, Any]], None]:
    """The writer, for tests."""
    return _write


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Numbers, sparse matrices, arrays of strings (rows of characters) and lists of strings (cells)."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in arrays.items():
            if issparse(value):
                _sparse(file, name, value.tocsc())
            elif isinstance(value, list):
                _cells(file, name, value)
            else:
                _array(file, name, np.asarray(value))
    with open(path, "r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def _mark(entry: Any, kind: str) -> None:
    entry.attrs["MATLAB_class"] = np.bytes_(kind)


def _array(file: Any, name: str, value: Any) -> None:
    if value.dtype.kind == "U":
        width = max(map(len, value.ravel()))
        value = np.array([[ord(letter) for letter in text.ljust(width)] for text in value], dtype=np.uint16)
        kind = "char"
    else:
        kind = CLASS[value.dtype.str[1:]]
    if value.size == 0:
        entry = file.create_dataset(name, data=np.array(value.shape, dtype=np.uint64))
        entry.attrs["MATLAB_empty"] = np.uint8(1)
    else:
        entry = file.create_dataset(name, data=(value.astype(np.uint8) if kind == "logical" else value).T)
    _mark(entry, kind)


def _cells(file: Any, name: str, texts: list[str]) -> None:
    held = file.require_group("#refs#")
    references = []
    for text in texts:
        key = f"c{len(held)}"
        if text:
            entry = held.create_dataset(key, data=np.array([[ord(letter)] for letter in text], dtype=np.uint16))
        else:
            entry = held.create_dataset(key, data=np.zeros(2, dtype=np.uint64))
            entry.attrs["MATLAB_empty"] = np.uint8(1)
        _mark(entry, "char")
        references.append(entry.ref)
    entry = file.create_dataset(name, (1, len(texts)), h5py.ref_dtype)  # a column of cells
    entry[0] = references
    _mark(entry, "cell")


def _sparse(file: Any, name: str, matrix: Any) -> None:
    group = file.create_group(name)
    group.attrs["MATLAB_sparse"] = np.uint64(matrix.shape[0])
    group["data"], group["ir"], group["jc"] = matrix.data, matrix.indices, matrix.indptr
    _mark(group, "double")
