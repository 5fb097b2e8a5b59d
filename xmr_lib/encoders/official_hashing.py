"""The official data sets of hashing papers as features: MIRFlickr-25K, NUS-WIDE, IAPR TC-12, MS COCO.

The roles are those of :func:`xmr_lib.data.hashing_cuts.hashing_cut`. Photographs become EfficientNet-Lite0 features
(1280). A text of tags becomes a row of zeros and ones over the official tags (MIRFlickr-25K 1,386, NUS-WIDE 1,000); a
sentence becomes a bag of the most frequent words of the *training* sentences.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.data.features import FeatureDataset
from xmr_lib.data.hashing_cuts import DRAWN
from xmr_lib.data.iapr_tc12 import WORDS
from xmr_lib.data.nus_wide_hashing import SIZES
from xmr_lib.encoders.features import encode_images
from xmr_lib.encoders.text import BagOfWords
from xmr_lib.errors import check_choice

OPTIONS: dict[str, tuple[str, ...]] = {
    "mirflickr25k": ("items", "sizes"),
    "nus_wide": ("protocol", "layout", "image", "sizes"),
    "iapr_tc12": ("words", "sizes"),
    "coco": ("words", "year", "parts", "captions_per_image", "limit", "sizes"),
}
"""Data set -> what may be asked for. ``words`` is explained below, all others in the ``load`` of the data set."""

COCO_WORDS = 2_000


def official_features(name: str, seed: int = 0, **options: Any) -> FeatureDataset:
    """One official data set, row i one image with one text.

    Args:
        name: A key of :data:`OPTIONS`.
        seed: Of the roles, and of the drawn captions of COCO.
        options: As of the loader, and ``words``: how many words of the training texts IAPR TC-12 (2,912) and COCO
            (2,000) count. NUS-WIDE comes by default as ``protocol="TC-21", layout="features"``, its low-level features;
            ``layout="pictures"`` encodes the photographs, and ``protocol="10.5k"`` has nothing else.

    Returns:
        Image and text (n, d) float32, labels (n, c); splits "train", "validation", "query", "database".

    Raises:
        UnknownName: No such data set, option, protocol or layout.
        MissingData: A file is not below ``XMR_DATA_DIR``; the message tells where it comes from and where it goes.
        InvalidInput: A file is damaged, or there are fewer rows than ``sizes`` asks for.
    """
    known = OPTIONS[check_choice(name, OPTIONS, "official data set for hashing")]
    for option in options:
        check_choice(option, known, f"option of {name} (its files lie below XMR_DATA_DIR)")
    words = options.pop("words", {"iapr_tc12": WORDS, "coco": COCO_WORDS}.get(name))
    if name == "nus_wide":
        options = _of_nus_wide(**options)
    if name == "coco":
        options["protocol"] = "hashing"
    data = load_dataset(name, seed=seed, **options)
    return data if isinstance(data, FeatureDataset) else _encoded(data, words)


def _of_nus_wide(protocol: str = "TC-21", layout: str | None = None, **others: Any) -> dict[str, Any]:
    """The options with defaults for hashing; what gives no two views is refused."""
    check_choice(protocol, SIZES, "hashing protocol of NUS-WIDE")
    layouts = ("pictures",) if protocol == "10.5k" else ("features", "pictures")
    check_choice(layout or layouts[0], layouts, f"layout of NUS-WIDE {protocol} with images")
    return {"protocol": protocol, "layout": layout or layouts[0], **others}


def _encoded(data: PairedDataset, words: int | None) -> FeatureDataset:
    """Pictures and texts as features, in the order and the roles of ``data``; caption i is that of image i."""
    pictures = replace(data, version=data.version.partition(DRAWN)[0])  # whatever captions were drawn: encoded once
    if words is None:
        texts, how = np.asarray(data.metadata["tags"], dtype=np.float32), "tags"  # (n, t) zeros and ones
    else:
        counts = BagOfWords([data.captions[i] for i in data.splits["train"]], words)
        texts, how = counts.encode(data.captions), counts.fingerprint  # (n, words)
    image = encode_images(pictures)  # (n, 1280)
    pairs = PairedFeatures(image, texts, labels=data.labels, class_names=data.class_names, name=data.name)
    return FeatureDataset(data.name, f"{data.version}-{how}", pairs, data.splits, data.metadata)
