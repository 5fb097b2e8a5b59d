"""Reading IAPR TC-12: descriptions that look like XML and are not, and the labels of its segmented regions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

from xmr_lib.data.official_files import one_line, read_lines
from xmr_lib.errors import InvalidInput, MissingData

PICTURES = "images"
TEXTS = "annotations_complete_eng"
REGIONS = "saiapr_tc-12"
NAMES = "wlist.txt"

REMEDY = (
    "Get iaprtc12.tgz and the segmented SAIAPR TC-12 from the page of the photographic collection of ImageCLEF and "
    "unpack them in {folder}, so that it holds images/, annotations_complete_eng/, saiapr_tc-12/ and wlist.txt, or set "
    "XMR_DATA_DIR to the folder above."
)

DESCRIPTION = re.compile(r"<DESCRIPTION>(.*?)</DESCRIPTION>", re.DOTALL | re.IGNORECASE)


@dataclass
class Photo:
    """One photograph: its number, "00/25" for its place in the folders, its description, numbers of its labels."""

    number: int
    place: str
    description: str
    labels: set[int] = field(default_factory=set)


def description(content: str) -> str:
    """The text between the DESCRIPTION marks, on one line; empty where there is none.

    The files use ``&`` and ``<`` freely, so an XML reader refuses some of them.

    Example:
        >>> description("<DOC>\\n<DESCRIPTION>salt & pepper\\non a table;</DESCRIPTION>\\n</DOC>")
        'salt & pepper on a table;'
    """
    found = DESCRIPTION.search(content)
    return one_line(unescape(found[1])) if found else ""


def read_descriptions(folder: Path) -> dict[int, Photo]:
    """Number -> photograph, for all files ``annotations_complete_eng/<dd>/<number>.eng``, by number.

    Raises:
        MissingData: There is no such file.
    """
    files = sorted(folder.joinpath(TEXTS).glob("*/*.eng"), key=lambda path: (len(path.stem), path.stem))
    if not files:
        raise MissingData(f"IAPR TC-12 needs {TEXTS}/00/25.eng and so on in {folder}. {REMEDY.format(folder=folder)}")
    photos = {}
    for path in files:
        if path.stem.isdigit():
            text = description(path.read_bytes().decode("latin-1"))
            photos[int(path.stem)] = Photo(int(path.stem), f"{path.parent.name}/{path.stem}", text)
    return photos


def read_regions(folder: Path, photos: dict[int, Photo]) -> dict[int, str]:
    """Add the labels of ``saiapr_tc-12/<dd>/labels.txt``: lines of photograph, region and label number.

    Returns:
        Label number -> name, of the labels that some photograph in ``photos`` shows, by number; "label 7" where
        ``wlist.txt`` (number, tab, name) does not name it.

    Raises:
        MissingData: There is no such file.
        InvalidInput: A line is not three numbers.
    """
    remedy = REMEDY.format(folder=folder)
    files = sorted(folder.joinpath(REGIONS).glob("*/labels.txt"))
    if not files:
        raise MissingData(f"IAPR TC-12 needs {REGIONS}/00/labels.txt and so on in {folder}. {remedy}")
    for path in files:
        for place, line in enumerate(read_lines(path, remedy), start=1):
            parts = line.split()
            if parts and (len(parts) < 3 or not all(part.isdigit() for part in parts[:3])):
                raise InvalidInput(
                    f"Line {place} of {path} must be the numbers of a photograph, a region and a label, but it is "
                    f"{line[:40]!r}. Unpack SAIAPR TC-12 again."
                )
            if parts and int(parts[0]) in photos:
                photos[int(parts[0])].labels.add(int(parts[2]))
    used = sorted({label for photo in photos.values() for label in photo.labels})
    names = {}
    if folder.joinpath(NAMES).is_file():
        lines = (line.split(maxsplit=1) for line in read_lines(folder / NAMES, remedy) if line)
        names = {int(parts[0]): parts[1] for parts in lines if len(parts) == 2 and parts[0].isdigit()}
    return {label: names.get(label, f"label {label}") for label in used}
