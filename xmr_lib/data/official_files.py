"""Reading what the authors of a benchmark publish, with a clear sentence where a file is absent or damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from xmr_lib.data.hdf5_files import is_hdf5, read_hdf5
from xmr_lib.errors import InvalidInput, MissingData


def read_matlab(path: Path, keys: Sequence[str], remedy: str) -> dict[str, NDArray[Any]]:
    """The named arrays of a MATLAB file, version 5 or 7.3 (HDF5); nothing is ever unpickled.

    Args:
        path: The file.
        keys: The arrays to read. Sparse ones are filled.
        remedy: What to do about a damaged file, as a sentence.

    Raises:
        InvalidInput: The file is damaged, or lacks one of the arrays.
    """
    from scipy.io import loadmat
    from scipy.sparse import issparse

    if is_hdf5(path):
        return read_hdf5(path, keys, remedy)
    try:
        content: dict[str, Any] = loadmat(path, variable_names=keys)
    except Exception as error:  # a damaged binary file can fail in any way inside the parser
        raise InvalidInput(
            f"{path} cannot be read as a MATLAB 5 file ({type(error).__name__}); it is damaged or incomplete. {remedy}"
        ) from error
    if absent := [key for key in keys if key not in content]:
        raise InvalidInput(f"{path} does not hold {', '.join(absent)}. {remedy}")
    return {key: content[key].toarray() if issparse(content[key]) else np.asarray(content[key]) for key in keys}


def matlab_names(path: Path, remedy: str) -> list[str]:
    """The names of the arrays in a MATLAB 5 file.

    Raises:
        InvalidInput: The file is damaged or of another kind.
    """
    from scipy.io import whosmat

    try:
        return [name for name, _, _ in whosmat(path)]
    except Exception as error:  # a damaged binary file can fail in any way inside the parser
        raise InvalidInput(
            f"{path} cannot be read as a MATLAB file ({type(error).__name__}); it is damaged or no such file. {remedy}"
        ) from error


def read_picture(path: Path, where: str) -> Image.Image:
    """One picture as RGB; some official files are grey.

    Args:
        path: The file.
        where: Where the pictures come from and go to, as a sentence.

    Raises:
        MissingData: The picture is not on this disk.
        InvalidInput: The file is not a readable picture.
    """
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except FileNotFoundError:
        raise MissingData(f"The picture {path} is not here. {where}") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InvalidInput(
            f"{path} is not a readable picture; it is damaged. Unpack it from its archive again."
        ) from error


def read_text(path: Path, remedy: str) -> str:
    """A text file; bytes that are no UTF-8 are read as Latin-1 (file names of old archives).

    Raises:
        MissingData: The file is not here.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingData(f"{path} is not here. {remedy}") from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_lines(path: Path, remedy: str) -> list[str]:
    """The lines of a text file (see :func:`read_text`), stripped.

    Raises:
        MissingData: The file is not here.
    """
    return [line.strip() for line in read_text(path, remedy).splitlines()]


def read_json(
    path: Path, keys: Sequence[str], remedy: str, hook: Callable[[dict[str, Any]], Any] | None = None
) -> dict[str, Any]:
    """A JSON file that holds a table with ``keys``.

    Args:
        path: The file.
        keys: What must be in it.
        remedy: What to do when the file is absent, as a sentence.
        hook: Applied to every table while reading, for example to drop what is large and not needed.

    Raises:
        MissingData: The file is not here.
        InvalidInput: It is not complete JSON, or lacks a key.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            content = json.load(stream, object_hook=hook)
    except FileNotFoundError:
        raise MissingData(f"{path} is not here. {remedy}") from None
    except ValueError as error:
        raise InvalidInput(f"{path} is not complete JSON; it is damaged. Unpack it from its archive again.") from error
    absent = [key for key in keys if not isinstance(content, dict) or key not in content]
    if absent:
        raise InvalidInput(f"{path} does not hold {', '.join(absent)}; use the official file of that name.")
    return dict(content)


def plain_name(file_name: str) -> str:
    """A file name that is only a name; a path in it could lead out of the picture folder.

    Raises:
        ValueError: It holds a path.
    """
    if Path(file_name).name != file_name or "\\" in file_name:
        raise ValueError(f"{file_name!r} is not a plain file name")
    return file_name


def one_line(caption: Any) -> str:
    """A caption with all white space made single spaces; some official captions hold line breaks."""
    return " ".join(str(caption).split())
