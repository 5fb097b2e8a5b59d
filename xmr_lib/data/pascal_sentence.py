"""Pascal Sentence (Rashtchian et al. 2010): 1,000 photographs of 20 classes, each with five sentences.

Two layouts below ``XMR_DATA_DIR/pascal_sentence``; real-valued methods compare on the first:

``features``  the matrices of the DSCMR release, 800 training and 100 test pairs::

    train_img.mat (800, 4096)   train_txt.mat (800, 300)   train_img_lab.mat (800, 1), classes 0..19
    test_img.mat  (100, 4096)   test_txt.mat  (100, 300)   test_img_lab.mat  (100, 1)

``pictures``  the photographs and sentences as they are usually copied from the web page, which has no archive::

    images/<class>/<id>.jpg   sentences/<class>/<id>.txt with one sentence per line

Sources: C. Rashtchian, P. Young, M. Hodosh, J. Hockenmaier. "Collecting Image Annotations Using Amazon's Mechanical
Turk". NAACL-HLT workshop 2010. Features: L. Zhen, P. Hu, X. Wang, D. Peng. "Deep Supervised Cross-Modal Retrieval".
CVPR 2019.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.config import data_dir
from xmr_lib.data.base import LazyImages, PairedDataset, PairedFeatures
from xmr_lib.data.features import FeatureDataset, stratified_cut
from xmr_lib.data.official_files import read_lines, read_matlab, read_picture
from xmr_lib.errors import InvalidInput, MissingData, check_choice

PARTS = ("train", "test")
KEYS = ("img", "txt", "img_lab")
FILES = tuple(f"{part}_{key}.mat" for part in PARTS for key in KEYS)

# Pairs per class in the DSCMR release, the same for all 20 classes.
N_CLASSES = 20
OFFICIAL_COUNTS = {"train": 40, "test": 5}

SENTENCES = 5

WHERE = (
    "Get the .mat files of data/pascal in the repository penghu-cs/DSCMR (or the photographs and sentences of the UIUC "
    'Pascal Sentence Dataset for layout="pictures") and put them in {folder}, or set XMR_DATA_DIR to the folder above '
    "pascal_sentence/."
)


def load(
    layout: str = "features",
    parts: Sequence[str] = PARTS,
    seed: int = 0,
    validation: float = 0.2,
    official: bool = True,
) -> FeatureDataset | PairedDataset:
    """Read the files below ``XMR_DATA_DIR/pascal_sentence``.

    Args:
        layout: "features" or "pictures".
        parts: For "features": which parts to read. ``("test",)`` reads the three test files only, for copies of the
            release that lack ``train_img.mat``.
        seed: Seed of the cuts.
        validation: For "features": share of the training rows that goes to "validation", the same in every class.
        official: Check the numbers of the release: 20 classes with 40 training and 5 test pairs each; five sentences
            per photograph. Turn off for files of your own in the same format.

    Returns:
        For "features" a :class:`FeatureDataset`, training rows first: image (900, 4096) and text (900, 300) float32,
        labels (900, 20) one-hot. The release numbers the classes and does not name them. Splits: "train" and "test" as
        released, "fit" and "validation" cut "train".

        For "pictures" a :class:`PairedDataset` with five captions per image, classes in the order of their names.
        Splits: "train", "validation", "test", 80 / 10 / 10 % of every class by ``seed``; no list of the papers' splits
        is published, so numbers on them compare with no paper to the digit.

    Raises:
        MissingData: A file is not there; the message tells where it comes from and where it goes.
        InvalidInput: A file is damaged, or the files do not fit together.
    """
    if check_choice(layout, ("features", "pictures"), "layout of Pascal Sentence") == "pictures":
        return _load_pictures(seed, official)
    if not parts:
        raise InvalidInput('parts must name at least one part, but it is empty. Use ("train", "test").')
    names = [part for part in PARTS if part in [check_choice(p, PARTS, "part of Pascal Sentence") for p in parts]]
    folder = _folder(names)
    read = {part: _read_part(folder, part) for part in names}
    classes = np.concatenate([read[part]["img_lab"] for part in names])
    n_classes = int(classes.max()) + 1
    if official:
        for part in names:
            _check_counts(part, read[part]["img_lab"])
    for key, side in (("img", "image"), ("txt", "text")):
        if len(widths := {read[part][key].shape[1] for part in names}) > 1:
            raise InvalidInput(
                f"Training and test rows of the {side} features differ in length ({sorted(widths)}). "
                "Use files of one release."
            )
    return FeatureDataset(
        name="pascal_sentence",
        version=f"dscmr-2019-{'+'.join(names)}",
        features=PairedFeatures(
            image=np.concatenate([read[part]["img"] for part in names]),
            text=np.concatenate([read[part]["txt"] for part in names]),
            labels=np.eye(n_classes, dtype=bool)[classes],
            class_names=tuple(f"class {number}" for number in range(n_classes)),
            name="pascal_sentence",
        ),
        splits=_splits(read, seed, validation),
    )


def _folder(parts: Sequence[str]) -> Path:
    """The data folder, after a check that the files of ``parts`` are in it."""
    folder = data_dir() / "pascal_sentence"
    missing = [name for name in FILES if name.split("_")[0] in parts and not (folder / name).is_file()]
    if missing:
        whole = [part for part in parts if not any(name.startswith(part) for name in missing)]
        rest = f' The other files are here: parts=("{whole[0]}",) reads them alone.' if whole else ""
        raise MissingData(
            f"Pascal Sentence needs {', '.join(missing)} in {folder}.{rest} {WHERE.format(folder=folder)}"
        )
    return folder


def _read_part(folder: Path, part: str) -> dict[str, NDArray[Any]]:
    """Image rows, text rows and class numbers (n,) of one part; each file holds one array under its own name."""
    remedy = "Get the file of the DSCMR release again."
    found = {}
    for key in KEYS:
        name = f"{part}_{key}"
        found[key] = read_matlab(folder / f"{name}.mat", [name], remedy)[name]
    labels = found["img_lab"]
    if labels.size != max(labels.shape, default=0) or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise InvalidInput(
            f"{part}_img_lab.mat must hold one class number from 0 for each row, but its shape is {labels.shape} and "
            f"its type {labels.dtype}. {remedy}"
        )
    found["img_lab"] = labels.reshape(-1).astype(np.int64)
    if len({len(array) for array in found.values()}) > 1:
        sizes = ", ".join(f"{part}_{key}.mat has {len(array)}" for key, array in found.items())
        raise InvalidInput(f"The files of one part must have the same rows, but {sizes}. Use files of one release.")
    return found


def _check_counts(part: str, classes: NDArray[np.int64]) -> None:
    counts = np.bincount(classes, minlength=N_CLASSES)
    if len(counts) != N_CLASSES or (counts != OFFICIAL_COUNTS[part]).any():
        raise InvalidInput(
            f"{part}_img_lab.mat holds {counts.tolist()} pairs per class, but the release holds "
            f"{OFFICIAL_COUNTS[part]} of each of {N_CLASSES} classes. Get the file again, or pass official=False for "
            "files of your own."
        )


def _splits(read: dict[str, dict[str, NDArray[Any]]], seed: int, validation: float) -> dict[str, NDArray[np.int64]]:
    splits, start = {}, 0
    for part, arrays in read.items():
        splits[part] = np.arange(start, start + len(arrays["img_lab"]))
        start += len(arrays["img_lab"])
    if "train" in read:  # training rows come first, so that their row numbers are their positions
        splits["fit"], splits["validation"] = stratified_cut(read["train"]["img_lab"], validation, seed)
    return splits


def _load_pictures(seed: int, official: bool) -> PairedDataset:
    """The layout ``images/<class>/<id>.jpg`` and ``sentences/<class>/<id>.txt``."""
    folder = data_dir() / "pascal_sentence"
    files = sorted(folder.glob("images/*/*.jpg"))
    if not files:
        raise MissingData(f"There is no images/<class>/<id>.jpg in {folder}. {WHERE.format(folder=folder)}")
    class_names = tuple(sorted({file.parent.name for file in files}))
    classes = np.array([class_names.index(file.parent.name) for file in files])
    told = [_sentences(folder / "sentences" / file.parent.name / f"{file.stem}.txt", official) for file in files]
    names = [f"{file.parent.name}/{file.name}" for file in files]
    captions = [sentence for sentences in told for sentence in sentences]
    train, held = stratified_cut(classes, 0.2, seed)
    first, second = stratified_cut(classes[held], 0.5, seed)
    return PairedDataset(
        name="pascal_sentence",
        version=f"pictures-{zlib.crc32(repr((names, captions)).encode()):08x}",
        images=LazyImages(partial(read_picture, where=WHERE.format(folder=folder)), files),
        captions=captions,
        caption_image=np.repeat(np.arange(len(files)), [len(sentences) for sentences in told]),
        labels=np.eye(len(class_names), dtype=bool)[classes],
        class_names=class_names,
        splits={"train": train, "validation": held[first], "test": held[second]},
        metadata={"file": names},
    )


def _sentences(path: Path, official: bool) -> list[str]:
    """The sentences of one photograph, empty lines left out."""
    lines = [line for line in read_lines(path, "Every photograph needs its file of sentences.") if line]
    if not lines or (official and len(lines) != SENTENCES):
        raise InvalidInput(
            f"{path} must hold {SENTENCES} sentences, one per line, but it holds {len(lines)}. Get it again"
            + (", or pass official=False for files of your own." if lines else ".")
        )
    return lines
