"""Flickr8k and Flickr30k: photographs of people and animals doing things, with five sentences each.

Expected below ``XMR_DATA_DIR/flickr8k`` and ``XMR_DATA_DIR/flickr30k``::

    Flickr8k.token.txt (or Flickr8k.lemma.token.txt)     results_20130124.token
    Flickr_8k.trainImages.txt, .devImages.txt, .testImages.txt
    Flicker8k_Dataset/*.jpg (its official spelling)      flickr30k-images/*.jpg
    dataset_flickr8k.json, Karpathy's file, optional     dataset_flickr30k.json, the split of all papers

Karpathy's file alone is enough: it holds captions and splits.

Sources: M. Hodosh, P. Young, J. Hockenmaier, "Framing Image Description as a Ranking Task", JAIR 2013 (8k); P. Young et
al., "From Image Descriptions to Visual Denotations", TACL 2014 (30k); split: A. Karpathy and L. Fei-Fei, CVPR 2015.
"""

from __future__ import annotations

import json
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from xmr_lib.config import data_dir
from xmr_lib.data.base import LazyImages, PairedDataset
from xmr_lib.data.cuts import draw_rows, named_cut, random_cut
from xmr_lib.data.flickr_files import FLICKR8K, FLICKR30K, Release, read_split_lists, read_token_file
from xmr_lib.data.karpathy import read_karpathy_file
from xmr_lib.data.official_files import read_picture
from xmr_lib.errors import MissingData, check_choice, check_positive


def load_flickr8k(
    captions_per_image: int = 5, limit: int | None = None, seed: int = 0, missing: str = "drop", lemmas: bool = False
) -> PairedDataset:
    """Read Flickr8k: 8,091 photographs, 6,000 / 1,000 / 1,000 for training, validation and test.

    The remaining 1,091 photographs are in the data set and in no split.

    Args:
        captions_per_image: Use the first captions of each image.
        limit: Keep at most so many images, drawn with ``seed``, in the order of the file.
        seed: Seed of ``limit``.
        missing: "drop" leaves out images whose file is not on this disk; "keep" keeps them for work on text alone,
            and opening such a picture raises :class:`MissingData`.
        lemmas: Read ``Flickr8k.lemma.token.txt``, in which every word is in its base form ("child climb set stair").

    Returns:
        Images in the order of the captions file, no labels; metadata "file", the file name of each image.

    Raises:
        MissingData: Nothing usable is there; the message tells where it comes from and where it goes.
        InvalidInput: A file is damaged.
    """
    return _load(FLICKR8K, captions_per_image, limit, seed, missing, FLICKR8K.lemmas if lemmas else FLICKR8K.tokens)


def load_flickr30k(
    captions_per_image: int = 5, limit: int | None = None, seed: int = 0, missing: str = "drop"
) -> PairedDataset:
    """Read Flickr30k: 31,783 photographs, of which Karpathy's split uses 29,000 / 1,014 / 1,000.

    The release holds no lists of splits. Without ``dataset_flickr30k.json`` the images present are cut 80 / 10 / 10 %
    with ``seed``; such numbers compare with no paper.

    Args:
        captions_per_image, limit, missing: As in :func:`load_flickr8k`.
        seed: Seed of ``limit``, and of the cut without Karpathy's file.

    Returns, Raises: As in :func:`load_flickr8k`.
    """
    return _load(FLICKR30K, captions_per_image, limit, seed, missing, FLICKR30K.tokens)


def _load(
    release: Release, captions_per_image: int, limit: int | None, seed: int, missing: str, token_name: str
) -> PairedDataset:
    check_choice(missing, ("drop", "keep"), "way to treat missing pictures")
    check_positive(captions_per_image, "captions_per_image")
    folder = data_dir() / release.name
    captions, split_of = _captions_and_splits(release, folder, token_name)
    pictures = release.picture_folder(folder)
    files = list(captions)
    if missing == "drop":
        if pictures is None:
            raise MissingData(
                f"{folder} has no folder {release.pictures[0]} with the photographs. {release.where(folder)} For work "
                'on text alone pass missing="keep".'
            )
        on_disk = {path.name for path in pictures.iterdir()}
        files = [name for name in files if name in on_disk]
        if not files:
            raise MissingData(f"{pictures} holds none of the photographs of {token_name}. {release.where(folder)}")
    files = [files[i] for i in draw_rows(len(files), limit, seed)]
    told = [captions[name][:captions_per_image] for name in files]
    texts = [caption for each in told for caption in each]
    open_picture = partial(_open, pictures or folder / release.pictures[0], release.where(folder))
    return PairedDataset(
        name=release.name,
        version=f"{zlib.crc32(json.dumps([files, texts]).encode()):08x}",
        images=LazyImages(open_picture, files),
        captions=texts,
        caption_image=np.repeat(np.arange(len(files)), [len(each) for each in told]),
        splits=random_cut(len(files), seed) if split_of is None else named_cut(split_of, files),
        metadata={"file": files},
    )


def _captions_and_splits(
    release: Release, folder: Path, token_name: str
) -> tuple[dict[str, list[str]], dict[str, str] | None]:
    """File name -> captions, and file name -> split where a list of splits is here.

    Karpathy's file wins where it is present; lemmas are only in the release itself.
    """
    karpathy = folder / release.karpathy
    use_karpathy = karpathy.is_file() and token_name == release.tokens
    if not use_karpathy and not (folder / token_name).is_file():
        either = f" or {release.karpathy}" if token_name == release.tokens else ""
        raise MissingData(f"{release.title} needs {token_name}{either} in {folder}. {release.where(folder)}")
    if use_karpathy:
        images = read_karpathy_file(karpathy, "filename")
        return {name: row.captions for name, row in images.items()}, {name: row.split for name, row in images.items()}
    captions = read_token_file(folder / token_name, release.where(folder))
    return captions, read_split_lists(release, folder) if release.lists else None


def _open(folder: Path, where: str, name: str) -> Image.Image:
    return read_picture(folder / name, where)
