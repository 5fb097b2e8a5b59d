"""What the commands share: examples at the end of a help text, and writing a figure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from xmr_lib.errors import InvalidInput

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
    temporary = path.with_name(f".{path.stem}-{os.getpid()}.part.png")
    try:
        figure.savefig(temporary, dpi=120)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"Saved {path}.")
