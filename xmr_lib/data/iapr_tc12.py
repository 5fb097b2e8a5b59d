"""IAPR TC-12: 20,000 travel photographs, each with a description in full sentences; labels of its segmented regions.

Expected below ``XMR_DATA_DIR/iapr_tc12``::

    images/00/25.jpg ...                     the photographs
    annotations_complete_eng/00/25.eng ...   their descriptions
    saiapr_tc-12/00/labels.txt ...           photograph, region, label number: one region per line
    wlist.txt                                label number, tab, name; optional

Sources: M. Grubinger, P. Clough, H. Müller, T. Deselaers. "The IAPR TC-12 Benchmark". OntoImage 2006. H. J. Escalante
et al. "The Segmented and Annotated IAPR TC-12 Benchmark". Computer Vision and Image Understanding 114(4), 2010.
"""

from __future__ import annotations

import re
import zlib
from functools import partial

import numpy as np

from xmr_lib.config import data_dir
from xmr_lib.data.base import LazyImages, PairedDataset
from xmr_lib.data.hashing_cuts import Sizes, hashing_cut
from xmr_lib.data.iapr_files import PICTURES, REMEDY, read_descriptions, read_regions
from xmr_lib.data.mirflickr_files import common_tags
from xmr_lib.data.official_files import read_picture
from xmr_lib.data.tagged_labels import TaggedLabels, tag_matrix
from xmr_lib.errors import check_choice, check_positive

SIZES = (2_000, 10_000, 2_000)
WORDS = 2_912
"""Words of the descriptions that hashing papers count (reported; which ones is not published)."""


def load(
    layout: str = "pictures", words: int = WORDS, sizes: Sizes = SIZES, seed: int = 0
) -> PairedDataset | TaggedLabels:
    """Read the official files below ``XMR_DATA_DIR/iapr_tc12``: photographs with a description and a label.

    Args:
        layout: "pictures": photographs and descriptions. "text": words and labels only.
        words: Keep so many words, the most frequent ones.
        sizes: Queries, training rows, validation rows.
        seed: Of the roles; the papers drew their own and published none.

    Returns:
        By number: labels (n, c) multi-hot, a column for each label that occurs (reported: 255); splits "train" and
        "validation", both inside "database", and "query", outside of it. "pictures": a :class:`PairedDataset` with
        metadata "id", "file", "words" (n, w) bool and the dict "word_column". "text": :class:`TaggedLabels`, the words
        as tags, metadata "id".

    Raises:
        MissingData: A file is not there; the message tells where it comes from and where it goes.
        InvalidInput: A file is damaged, or there are fewer photographs than ``sizes`` asks for.
    """
    check_choice(layout, ("pictures", "text"), "layout of IAPR TC-12")
    check_positive(words, "words")
    folder = data_dir() / "iapr_tc12"
    found = read_descriptions(folder)
    names = read_regions(folder, found)
    photos = [photo for photo in found.values() if photo.labels and photo.description]
    splits = hashing_cut(len(photos), sizes, seed, "photographs of IAPR TC-12 with a label and a description")
    column = {label: j for j, label in enumerate(names)}
    labels = np.zeros((len(photos), len(names)), dtype=bool)
    for row, photo in zip(labels, photos, strict=True):
        row[[column[label] for label in photo.labels]] = True
    spoken = [split_words(photo.description) for photo in photos]
    vocabulary = common_tags(spoken, least=1)[:words]
    bags, ids = tag_matrix(spoken, vocabulary), np.array([photo.number for photo in photos])
    if layout == "text":
        return TaggedLabels(bags, labels, tuple(vocabulary), tuple(names.values()), "iapr_tc12", splits, {"id": ids})
    captions = [photo.description for photo in photos]
    files = [f"{photo.place}.jpg" for photo in photos]
    return PairedDataset(
        name="iapr_tc12",
        version=f"iapr_tc12-{zlib.crc32(repr((files, captions, labels.tobytes())).encode()):08x}",
        images=LazyImages(
            partial(read_picture, where=REMEDY.format(folder=folder)), [folder / PICTURES / file for file in files]
        ),
        captions=captions,
        caption_image=np.arange(len(photos)),
        labels=labels,
        class_names=tuple(names.values()),
        splits=splits,
        metadata={
            "id": ids,
            "file": files,
            "words": bags,
            "word_column": {word: j for j, word in enumerate(vocabulary)},
        },
    )


def split_words(text: str) -> list[str]:
    """Words in lower case, without digits and marks.

    Example:
        >>> split_words("Two children's bikes; a café")
        ['two', "children's", 'bikes', 'a', 'café']
    """
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower())
