"""MATLAB files of version 7.3: HDF5 inside, with all axes reversed; read by h5py, as numbers and strings only.

MATLAB writes its arrays column by column, h5py reads row by row, so an array of MATLAB's shape (224, 224, 3, n) arrives
as (n, 3, 224, 224). MATLAB marks what it wrote with an attribute; here such arrays are turned back. A file may also
have been written by h5py itself: then nothing is reversed, and nothing is turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.errors import InvalidInput

MARK = "MATLAB_class"


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5; MATLAB puts a header of 512 bytes before it."""
    import h5py

    return path.is_file() and bool(h5py.is_hdf5(path))


def read_hdf5(path: Path, keys: Sequence[str], remedy: str) -> dict[str, NDArray[Any]]:
    """The named arrays of an HDF5 file, in the axes of MATLAB where MATLAB wrote them.

    Args:
        path: The file. keys: The arrays to read. remedy: What to do about a damaged file, as a sentence.

    Returns:
        Numbers as they are stored; sparse matrices filled; text (one string per row of characters, or per cell) as a
        (k,) array of ``str``.

    Raises:
        InvalidInput: The file is damaged, lacks one of the arrays, or keeps one of them in another file.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if absent := [key for key in keys if key not in file]:
                raise InvalidInput(f"{path} does not hold {', '.join(absent)}. {remedy}")
            return {key: _value(file, _local(path, file, key)) for key in keys}
    except InvalidInput:
        raise
    except Exception as error:  # a damaged binary file can fail in any way inside the parser
        raise InvalidInput(
            f"{path} cannot be read as a MATLAB 7.3 (HDF5) file ({type(error).__name__}); it is damaged or incomplete. "
            f"{remedy}"
        ) from error


def hdf5_shapes(path: Path, remedy: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape as stored (not reversed) of everything at the top of an HDF5 file; () for a group.

    Raises:
        InvalidInput: The file is damaged.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return {key: getattr(_local(path, file, key), "shape", ()) for key in file if not key.startswith("#")}
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(
            f"{path} cannot be read as a MATLAB 7.3 (HDF5) file ({type(error).__name__}); it is damaged or incomplete. "
            f"{remedy}"
        ) from error


def hdf5_row(path: Path, key: str, axis: int, row: int) -> NDArray[Any]:
    """One row of a large stored array along its first (0) or last (-1) axis, without reading the rest."""
    import h5py

    with h5py.File(path, "r") as file:
        found: NDArray[Any] = file[key][row] if axis == 0 else file[key][..., row]
        return found


def _local(path: Path, file: Any, key: str) -> Any:
    """The entry, if it lies in this file: a link or an array kept elsewhere could name any file of this disk."""
    import h5py

    link = file.get(key, getlink=True)
    entry = file[key] if isinstance(link, h5py.HardLink) else None
    if entry is None or (isinstance(entry, h5py.Dataset) and (entry.external or entry.is_virtual)):
        raise InvalidInput(f"{key} in {path} points to another place, which is not followed. Use the original file.")
    return entry


def _value(file: Any, entry: Any) -> NDArray[Any]:
    """One stored entry as an array in MATLAB's axes."""
    if "MATLAB_sparse" in entry.attrs:
        return _filled(entry)
    kind = entry.attrs.get(MARK, b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    stored = entry[()]
    if "MATLAB_empty" in entry.attrs:
        return np.zeros([int(size) for size in stored])
    if kind == "cell":
        return np.array([_string(file[reference]) for reference in stored.T.ravel()], dtype=str)
    if kind == "char":
        return np.array(["".join(map(chr, row)).rstrip() for row in np.atleast_2d(stored.T)], dtype=str)
    if stored.dtype == object:  # strings written by h5py
        return np.array([text.decode() if isinstance(text, bytes) else str(text) for text in stored.ravel()], dtype=str)
    turned: NDArray[Any] = stored.T if kind else stored
    return turned


def _string(entry: Any) -> str:
    """What one cell holds, as text; an empty cell is an empty string."""
    return "" if "MATLAB_empty" in entry.attrs else "".join(map(chr, np.asarray(entry[()]).T.ravel())).rstrip()


def _filled(group: Any) -> NDArray[Any]:
    """A sparse matrix, stored by columns, as a full one."""
    from scipy.sparse import csc_array

    rows, starts = int(group.attrs["MATLAB_sparse"]), group["jc"][()].astype(np.int64)
    empty = np.empty(0)
    data, places = (group[key][()] if key in group else empty for key in ("data", "ir"))
    full: NDArray[Any] = csc_array((data, places.astype(np.int64), starts), shape=(rows, len(starts) - 1)).toarray()
    return full
