"""Wikipedia featured articles (Rasiwasia et al. 2010): 2,866 text sections, each with one image, 10 classes.

The authors published features, and those are what the papers compare on: 128-d SIFT bag-of-words histograms for
the images and 10-d LDA topic proportions for the texts. Every row of both sums to one, so the text matrix has
rank 9 after centring: CCA finds at most nine correlations.

Source: N. Rasiwasia, J. Costa Pereira, E. Coviello, G. Doyle, G. Lanckriet, R. Levy, N. Vasconcelos.
"A New Approach to Cross-Modal Multimedia Retrieval". ACM Multimedia 2010.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xmr_lib.config import data_dir
from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.features import FeatureDataset, stratified_cut
from xmr_lib.data.official_files import read_matlab
from xmr_lib.errors import InvalidInput, MissingData

FEATURES = "raw_features.mat"
LISTS = {"train": "trainset_txt_img_cat.list", "test": "testset_txt_img_cat.list"}
CATEGORIES = "categories.list"
FILES = (FEATURES, *LISTS.values(), CATEGORIES)

# Sections per class, in the order of categories.list: 2,173 for training and 693 for testing.
OFFICIAL_COUNTS = {
    "train": (138, 272, 244, 248, 202, 178, 186, 144, 214, 347),
    "test": (34, 88, 96, 85, 65, 58, 51, 41, 71, 104),
}


def load(seed: int = 0, validation: float = 0.2, official: bool = True) -> FeatureDataset:
    """Read the official files below ``XMR_DATA_DIR/wikipedia``.

    Args:
        seed: Seed of the cut of the training rows into "fit" and "validation".
        validation: Share of the training rows that goes to "validation", the same in every class.
        official: Check that the class counts are those of the 2010 release. Turn off for files of your own in the
            same format.

    Returns:
        All rows (training rows first): image (2866, 128) and text (2866, 10) float64, labels (2866, 10) one-hot.
        Splits: "train" 2,173 and "test" 693 as published; "fit" and "validation" cut "train" for choosing
        hyper-parameters; for hashing "query" is "test" and "database" is "train".
        Metadata: "text_id" and "image_id", one string per row.

    Raises:
        MissingData: A file is not there; the message tells where it comes from and where it goes.
        InvalidInput: A file is damaged, or the files do not fit together.
    """
    folder = _folder()
    names = tuple(folder.joinpath(CATEGORIES).read_text(encoding="utf-8").split())
    rows = {part: _read_list(folder / file, len(names)) for part, file in LISTS.items()}
    classes = {part: np.array([row[2] for row in rows[part]], dtype=np.int64) for part in rows}
    matrices = _read_features(folder / FEATURES)
    for part, suffix in (("train", "tr"), ("test", "te")):
        for key in (f"I_{suffix}", f"T_{suffix}"):
            if len(matrices[key]) != len(rows[part]):
                raise InvalidInput(
                    f"{FEATURES} has {len(matrices[key])} rows in {key} but {LISTS[part]} has {len(rows[part])} lines; "
                    f"they must come from the same release. Unpack the official files into {folder} again."
                )
        counts = tuple(np.bincount(classes[part], minlength=len(names)).tolist())
        if official and counts != OFFICIAL_COUNTS[part]:
            raise InvalidInput(
                f"{LISTS[part]} holds {counts} sections per class, but the 2010 release holds {OFFICIAL_COUNTS[part]}. "
                "Unpack the official files again, or pass official=False for files of your own."
            )

    n_train, n = len(rows["train"]), len(rows["train"]) + len(rows["test"])
    train, test = np.arange(n_train), np.arange(n_train, n)
    fit, held_out = stratified_cut(classes["train"], validation, seed)
    both = np.concatenate([classes["train"], classes["test"]])
    return FeatureDataset(
        name="wikipedia",
        version="rasiwasia-2010",
        features=PairedFeatures(
            image=np.concatenate([matrices["I_tr"], matrices["I_te"]]),
            text=np.concatenate([matrices["T_tr"], matrices["T_te"]]),
            labels=np.eye(len(names), dtype=bool)[both],
            class_names=names,
            name="wikipedia",
        ),
        splits={
            "train": train,
            "test": test,
            "fit": fit,
            "validation": held_out,
            "query": test,
            "database": train,
        },
        metadata={
            "text_id": [row[0] for part in rows for row in rows[part]],
            "image_id": [row[1] for part in rows for row in rows[part]],
        },
    )


def _folder() -> Path:
    """The data folder, after a check that all four files are in it."""
    folder = data_dir() / "wikipedia"
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise MissingData(
            f"The Wikipedia data set needs {', '.join(missing)} in {folder}. Get wikipedia_dataset.zip from the page "
            '"A New Approach to Cross-Modal Multimedia Retrieval" of the Statistical Visual Computing Laboratory '
            "(SVCL, UC San Diego) and put its four files there, or set XMR_DATA_DIR to the folder above wikipedia/."
        )
    return folder


def _read_list(path: Path, n_classes: int) -> list[tuple[str, str, int]]:
    """Lines ``text_id <tab> image_id <tab> category`` as tuples; categories count from 1 in the file, from 0 here."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        parts = line.split("\t")
        if len(parts) != 3 or not parts[2].strip().isdigit() or not 1 <= int(parts[2]) <= n_classes:
            raise InvalidInput(
                f"Line {number} of {path} must read text_id, image_id and a category from 1 to {n_classes}, "
                f"separated by tabs, but it is {line[:80]!r}. Unpack the official file again."
            )
        rows.append((parts[0], parts[1], int(parts[2]) - 1))
    return rows


def _read_features(path: Path) -> dict[str, NDArray[np.float64]]:
    """The four matrices of ``raw_features.mat``, each checked: histograms, one per row."""
    keys = ("I_tr", "I_te", "T_tr", "T_te")
    matrices = read_matlab(path, keys, f"Unpack {FEATURES} of the official wikipedia_dataset.zip again.")
    for key, matrix in matrices.items():
        histogram = (
            matrix.ndim == 2
            and matrix.dtype.kind == "f"
            and np.isfinite(matrix).all()
            and (matrix >= 0).all()
            and np.allclose(matrix.sum(axis=1), 1.0, atol=1e-4)
        )
        if not histogram:
            raise InvalidInput(
                f"{key} in {path} must be a matrix whose rows are histograms (no negative value, sum 1), but it is "
                f"not (type {matrix.dtype}, shape {matrix.shape}). Use raw_features.mat of the official release."
            )
    if matrices["I_tr"].shape[1] != matrices["I_te"].shape[1] or matrices["T_tr"].shape[1] != matrices["T_te"].shape[1]:
        raise InvalidInput(f"Training and test rows of {path} differ in length. Use the official raw_features.mat.")
    return matrices
