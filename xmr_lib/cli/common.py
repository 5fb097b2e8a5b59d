"""What the commands share: examples at the end of a help text, and writing a figure."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import typer

from xmr_lib.errors import InvalidInput
from xmr_lib.files import write_bytes_atomically

SavePng = Annotated[Path | None, typer.Option("--save", metavar="FILE.png", help="Also write a picture to this file.")]


def examples(*lines: str) -> str:
    r"""An epilog that keeps its lines (``\b`` switches off re-wrapping)."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure in one step."""
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"--save writes PNG files, but {path} does not end in .png.")
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"There is no folder {path.absolute().parent} to save in. Create it first.")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_bytes_atomically(path, picture.getvalue())
    print(f"Saved {path}.")
