"""A lesson source (a percent script) as a notebook: cells, identifiers, hashes, and where the files are.

``notebooks/src/NN_topic.py`` is what people edit; ``notebooks/NN_topic.ipynb`` is built from it. Exercises use the
same format. Jupytext reads the script but forgets cell identifiers, so they are derived from the cell's text here:
the same source gives the same notebook, byte for byte, and an inserted cell does not rename its neighbours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

import xmr_lib
from xmr_lib.errors import InvalidInput, MissingData, UnknownName

LESSON_FILE = re.compile(r"^\d\d_[a-z0-9_]+$")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}
KEPT_METADATA = ("tags", "nbgrader")


def course_root() -> Path:
    """The folder that holds ``notebooks/src``: the working directory, one above it, or the checkout of the library.

    Raises:
        MissingData: None of them has the lessons (a library installed without the repository).
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(xmr_lib.__file__).resolve().parents[1]):
        if (folder / "notebooks" / "src").is_dir():
            return folder
    raise MissingData(
        "The lessons are not here: no folder notebooks/src in this directory or above it. "
        "Clone the course repository and run the command inside it."
    )


def find_sources(folder: Path, only: Sequence[str] = ()) -> list[Path]:
    """The sources ``NN_topic.py`` of a folder, sorted; names with a leading underscore are templates and left out.

    Args:
        folder: ``notebooks/src`` or ``exercises/src``.
        only: Keep these, each named by number ("02") or by the whole stem ("02_subspace_cca"). Empty: all.

    Raises:
        UnknownName: A name in ``only`` fits no source; the message lists what there is.
    """
    found = [path for path in sorted(folder.glob("*.py")) if LESSON_FILE.match(path.stem)]
    chosen: set[Path] = set()
    for name in only:
        fits = [path for path in found if name in (path.stem, path.stem[:2])]
        if not fits:
            choices = ", ".join(path.stem for path in found) or "none yet"
            raise UnknownName(f"There is no source named {name!r} in {folder.name}. The choices are: {choices}.")
        chosen.update(fits)
    return [path for path in found if not only or path in chosen]


def sha256(text: str) -> str:
    """Hexadecimal SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_script(path: Path) -> str:
    """The text of a script with ``\\n`` line ends, so that a hash is the same on every system."""
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


def to_notebook(script: str) -> NotebookNode:
    """Turn a percent script into a notebook without outputs.

    Args:
        script: The text of a ``py:percent`` file.

    Returns:
        A version 4.5 notebook for the kernel ``python3``; cells keep their tags and nbgrader metadata and get
        identifiers made from their text.

    Raises:
        InvalidInput: The script holds no cell marker.

    >>> nb = to_notebook('# %% [markdown]\\n# # Hello\\n\\n# %% tags=["plot"]\\nx = 1\\n')
    >>> [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in nb.cells]
    [('markdown', '# Hello', None), ('code', 'x = 1', ['plot'])]
    """
    import jupytext

    if "# %%" not in script:
        raise InvalidInput("The source holds no cells. Start each cell with a line '# %%' or '# %% [markdown]'.")
    raw = jupytext.reads(script, fmt="py:percent")
    cells: list[NotebookNode] = []
    for cell in raw.cells:
        make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        metadata = {key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata}
        cells.append(make(cell.source, metadata=metadata))
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": LANGUAGE})
    name_cells(notebook)
    return notebook


def name_cells(notebook: NotebookNode) -> None:
    """Give every cell an identifier made from its type and text; equal cells are numbered."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        base = sha256(f"{cell.cell_type}\n{cell.source}")[:12]
        seen[base] = seen.get(base, 0) + 1
        cell["id"] = base if seen[base] == 1 else f"{base}-{seen[base]}"


def code_hashes(notebook: NotebookNode) -> list[str]:
    """One short hash per code cell, in order: what the outputs of a notebook depend on."""
    return [sha256(cell.source)[:16] for cell in code_cells(notebook)]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags_of(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """The cells that carry a tag."""
    return [cell for cell in notebook.cells if tag in tags_of(cell)]


def title_of(notebook: NotebookNode) -> str:
    """The first heading of level one, or an empty string."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := re.search(r"^# +(.+)$", cell.source, flags=re.M)):
            return match.group(1).strip()
    return ""


def caption_of(notebook: NotebookNode, index: int) -> str:
    """The caption of the figure that cell ``index`` draws: the paragraph that starts with ``*Figure`` in the Markdown
    cell after it, else before it; plain text, or an empty string.

    >>> nb = to_notebook('# %% tags=["plot"]\\nx\\n\\n# %% [markdown]\\n# *Figure 1. A line.*\\n')
    >>> caption_of(nb, 0)
    'Figure 1. A line.'
    """
    for cell in notebook.cells[index + 1 : index + 2] + notebook.cells[max(0, index - 1) : index]:
        if cell.cell_type == "markdown" and (
            match := re.search(r"^\*Figure.*?(?=\n\s*\n|\Z)", cell.source, re.M | re.S)
        ):
            return " ".join(re.sub(r"[*`]|\$", "", match.group()).split())
    return ""


def dumps(notebook: NotebookNode) -> str:
    """A notebook as text, always in the same way."""
    return nbformat.writes(notebook, version=4) + "\n"


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook file.

    Raises:
        InvalidInput: The file is not a notebook.
    """
    try:
        notebook: NotebookNode = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        for cell in notebook.cells:
            cell.source  # noqa: B018 - a cell without source is not a cell
    except Exception as error:
        raise InvalidInput(f"{path.name} cannot be read as a notebook ({error}). Build it again.") from error
    return notebook


def outputs_of(notebook: NotebookNode) -> Iterable[tuple[int, NotebookNode, Any]]:
    """Every output with the number of its cell (counted from 1 over all cells) and the cell."""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            for output in cell.outputs:
                yield number, cell, output
