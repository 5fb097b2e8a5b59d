"""Reader for the .mat containers that hashing papers pass around: several layouts, one result.

A layout is known by the names of its arrays, in one file or in all the .mat files of one folder:

    DCMH        images YAll LAll (FLICKR-25K.mat); DJSRH: IAll YAll LAll, one array per file
    torchcmh    FAll YAll LAll, or imgs tags labels: names of pictures, tags, labels
    DADH        image text label
    DCHMT       index caption, and category or label: names of pictures, sentences, labels
    BMC, HMAH   I_tr I_te I_db, T_*, L_*: training rows, queries, database
    DLFH        XTest YTest testL, XDatabase YDatabase databaseL; VTest VDatabase are VGG features

The authors' files were not at hand: these names are those that their loaders ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.data.base import LazyImages, PairedFeatures
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.hashing_cuts import Sizes, hashing_cut
from xmr_lib.data.hashing_rows import aligned, distinct_rows, multi_hot, pixels, row_count
from xmr_lib.data.hdf5_files import hdf5_row, hdf5_shapes, is_hdf5
from xmr_lib.data.official_files import matlab_names, read_matlab
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput, MissingData

Names = tuple[tuple[str, ...], ...]
"""Alternatives for the image, the text and the label array."""

WHOLE: dict[str, Names] = {
    "DCMH": (("images", "IAll", "XAll"), ("YAll", "TAll"), ("LAll",)),
    "torchcmh": (("FAll", "imgs"), ("YAll", "tags"), ("LAll", "labels")),
    "DADH": (("image",), ("text",), ("label",)),
    "DCHMT": (("index",), ("caption",), ("category", "label")),
}
PARTS: dict[str, dict[str, Names]] = {
    "BMC": {
        role: ((f"I_{end}",), (f"T_{end}",), (f"L_{end}",))
        for role, end in {"query": "te", "train": "tr", "database": "db"}.items()
    },
    "DLFH": {
        "query": (("VTest", "XTest"), ("YTest",), ("testL",)),
        "database": (("VDatabase", "XDatabase"), ("YDatabase",), ("databaseL",)),
    },
}
REMEDY = "Get the file again from the authors of the method, or save the arrays under the names of a known layout."


@dataclass(frozen=True, eq=False)
class HashingContainer:
    """The content of a container; what it does not hold is None or empty.

    Attributes:
        name: Of the file or folder. layout: "DCMH", "torchcmh", "DADH", "DCHMT", "BMC" or "DLFH".
        labels: (n, c) multi-hot bool.
        image: (n, d) image features. pictures: n pictures, read one by one. files: n names of pictures.
        text: (n, t) text features. captions: n sentences.
        roles: "query", "train", "database" -> rows, where the container has roles. Training rows that stand in the
            database too are not repeated.
    """

    name: str
    layout: str
    labels: NDArray[np.bool_]
    image: NDArray[Any] | None = None
    pictures: Sequence[Any] | None = None
    files: Sequence[str] = ()
    text: NDArray[Any] | None = None
    captions: Sequence[str] = ()
    roles: Mapping[str, IntArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def features(self, sizes: Sizes | None = None, seed: int = 0) -> FeatureDataset:
        """Image and text features as a data set with splits.

        Args:
            sizes: Queries, training rows, validation rows, to be drawn with ``seed`` where the container has no roles.
            seed: Of the drawing.

        Raises:
            InvalidInput: The container holds pictures, names or sentences instead of features; or no roles, and no
                ``sizes`` are given.
        """
        if self.image is None or self.text is None:
            held = "pictures" if self.pictures is not None else "names of pictures" if len(self.files) else "sentences"
            raise InvalidInput(f"{self.name} holds {held} instead of features. Encode them, then make PairedFeatures.")
        if not self.roles and sizes is None:
            raise InvalidInput(
                f"{self.name} does not tell which rows are queries. Pass sizes=(queries, training rows, validation)."
            )
        pairs = PairedFeatures(self.image, self.text, labels=self.labels, name=self.name)
        splits = self.roles if sizes is None else hashing_cut(len(self), sizes, seed, f"rows in {self.name}")
        return FeatureDataset(self.name, pairs.version, pairs, splits)


def load_hashing_container(path: str | Path) -> HashingContainer:
    """Read one .mat file, or all the .mat files of one folder that make up one container; nothing is unpickled.

    MATLAB 5 and MATLAB 7.3 (HDF5) files are told apart by their content. Arrays may have their rows on the first or on
    the last axis: the axis is the one on which image, text and label arrays agree. Pictures stay in an HDF5 file and
    are read one at a time.

    Raises:
        MissingData: There is no such file, or no .mat file in the folder.
        InvalidInput: A file is damaged or holds no known layout, or its arrays do not fit together.
    """
    path = Path(path)
    holds = _where(path)
    for layout, names in WHOLE.items():
        if keys := _choose(names, holds):
            return HashingContainer(path.name, layout, **_read(path, holds, keys))
    for layout, roles in PARTS.items():
        if "query" in (here := {role: _choose(names, holds) for role, names in roles.items()}) and here["query"]:
            found = {role: keys for role, keys in here.items() if keys}
            if "database" in found:
                return _join(path, layout, {role: _read(path, holds, keys) for role, keys in found.items()})
    raise InvalidInput(
        f"{path} holds {', '.join(sorted(holds)[:12]) or 'no arrays'}, which is no known layout (known: "
        f"{', '.join([*WHOLE, *PARTS])}). {REMEDY}"
    )


def _where(path: Path) -> dict[str, Path]:
    """Array name -> the file that holds it."""
    files = sorted(path.glob("*.mat")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise MissingData(f"There is no {path if not path.is_dir() else path / '*.mat'}. {REMEDY}")
    holds: dict[str, Path] = {}
    for file in files:
        for name in hdf5_shapes(file, REMEDY) if is_hdf5(file) else matlab_names(file, REMEDY):
            if name in holds:
                raise InvalidInput(
                    f"Both {holds[name].name} and {file.name} hold {name}. Pass one file, or a folder with one set."
                )
            holds[name] = file
    return holds


def _choose(names: Names, holds: Mapping[str, Path]) -> tuple[str, ...]:
    """The names that are here, one for each array; empty where one array has none."""
    chosen = tuple(next((name for name in choices if name in holds), "") for choices in names)
    return chosen if all(chosen) else ()


def _read(path: Path, holds: Mapping[str, Path], keys: tuple[str, ...]) -> dict[str, Any]:
    """Image, text and labels of one part, row by row, as arguments of :class:`HashingContainer`."""
    image_key, text_key, label_key = keys
    image_file = holds[image_key]
    stored = hdf5_shapes(image_file, REMEDY)[image_key] if is_hdf5(image_file) else ()
    lazy = len(stored) == 4
    arrays = {key: read_matlab(holds[key], [key], REMEDY)[key] for key in keys if not (lazy and key == image_key)}
    shapes = {key: arrays[key].shape if key in arrays else stored for key in keys}
    n = row_count(shapes, path)
    labels, text = multi_hot(aligned(arrays[label_key], n), label_key, path), aligned(arrays[text_key], n)
    content: dict[str, Any] = {"labels": labels}
    content |= {"captions": text.tolist()} if text.dtype.kind == "U" else {"text": text}
    if lazy:
        axis = 0 if stored[0] == n else -1
        return content | {"pictures": LazyImages(partial(_stored_picture, image_file, image_key, axis), range(n))}
    image = aligned(arrays[image_key], n)
    if image.dtype.kind == "U":
        return content | {"files": image.tolist()}
    return content | ({"pictures": LazyImages(pixels, list(image))} if image.ndim == 4 else {"image": image})


def _stored_picture(path: Path, key: str, axis: int, row: int) -> Any:
    return pixels(hdf5_row(path, key, axis, row))


def _join(path: Path, layout: str, parts: dict[str, dict[str, Any]]) -> HashingContainer:
    """The parts below each other, queries first; training rows that stand in the database are found there."""
    kept = ["query", "database"]
    if "train" in parts:
        place = distinct_rows(parts["train"], parts["database"])
        kept += ["train"] if place is None else []
    start = np.cumsum([0, *(len(parts[role]["labels"]) for role in kept)])
    roles = {role: np.arange(start[i], start[i + 1]) for i, role in enumerate(kept)}
    if "train" in parts and "train" not in kept:
        roles["train"] = place + start[1]
        others = np.setdiff1d(roles["database"], roles["train"])
        roles["database"] = np.concatenate([roles["train"], others])
    fields = parts["query"].keys()
    for role in kept:
        widths = [{key: np.shape(parts[one][key])[1:] for key in fields} for one in ("query", role)]
        if parts[role].keys() != fields or widths[0] != widths[1]:
            raise InvalidInput(f"In {path} the {role} rows have other columns than the queries. {REMEDY}")
    content: dict[str, Any] = {key: np.concatenate([parts[role][key] for role in kept]) for key in fields}
    return HashingContainer(path.name, layout, **content, roles=roles)
