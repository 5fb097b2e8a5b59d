"""Features on disk: computed once, never half written, safe for two processes, rebuilt when damaged.

One safetensors file per key. The key is any JSON-able dictionary (data version, encoder, size, ...); its hash is part
of the file name. A file is written under a temporary name and renamed when complete, so a build that is killed
half-way leaves nothing that could be read. Every matrix carries its own checksum.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from xmr_lib.config import cache_dir
from xmr_lib.files import write_bytes_atomically

Arrays = dict[str, NDArray[Any]]


class FeatureCache:
    """A folder of feature matrices.

    Args:
        folder: Where the files go. Default: ``<cache_dir>/features``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_dir() / "features"

    def path(self, key: Mapping[str, Any]) -> Path:
        """The file that holds (or will hold) the matrices of ``key``."""
        text = json.dumps(key, sort_keys=True)
        label = "-".join(str(key[part]) for part in ("data", "encoder") if part in key)
        safe = "".join(c if c.isalnum() or c in "-._" else "_" for c in label)[:60]
        return self.folder / f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"

    def get(self, key: Mapping[str, Any], build: Callable[[], Mapping[str, NDArray[Any]]]) -> Arrays:
        """The matrices of ``key``: read from disk, or built and stored when they are absent or damaged.

        While one process builds, others that want the same key wait and then read the finished file.
        """
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            found = _read(path)
            if found is None:
                _write(path, dict(build()), key)
                found = _read(path)
        if found is None:  # the disk did not give back what was just written
            raise OSError(f"{path} cannot be read back after writing. Is the disk full or failing?")
        return found

    def has(self, key: Mapping[str, Any]) -> bool:
        """Whether a complete, undamaged file for ``key`` is there."""
        return _read(self.path(key), quiet=True) is not None


def _checksum(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _read(path: Path, quiet: bool = False) -> Arrays | None:
    """The matrices of one file; None when it is absent or damaged (with a warning unless ``quiet``)."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            sums = json.loads((file.metadata() or {})["checksums"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if {name: _checksum(array) for name, array in arrays.items()} == sums:
            return arrays
    except (SafetensorError, KeyError, ValueError, OSError):
        pass
    if not quiet:
        warnings.warn(f"The cached features in {path.name} are damaged; they are computed again.", stacklevel=3)
    return None


def _write(path: Path, arrays: Arrays, key: Mapping[str, Any]) -> None:
    metadata = {
        "key": json.dumps(key, sort_keys=True),
        "checksums": json.dumps({name: _checksum(array) for name, array in arrays.items()}),
    }
    payload = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=metadata)
    write_bytes_atomically(path, payload)
