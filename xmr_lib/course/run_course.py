"""Run the course: execute every lesson into ``build/course/`` and write HTML pages with an index.

``python -m xmr_lib.course.run_course [--profile smoke] [--lessons 00 01] [--force]``

A lesson is skipped when its notebook, the library and the profile are those of the last good run. The first error
stops the run and names the lesson, the cell and the error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode
from rich.console import Console
from rich.table import Table

import xmr_lib
from xmr_lib.config import PROFILES, profile
from xmr_lib.course.execute import execute
from xmr_lib.course.notebooks import fill_notebook, run_record
from xmr_lib.course.pages import Row, lesson_page, write_index
from xmr_lib.course.source import (
    course_root,
    dumps,
    find_sources,
    outputs_of,
    read_notebook,
    read_script,
    sha256,
    title_of,
    to_notebook,
)
from xmr_lib.errors import InvalidInput, MissingData, XmrError
from xmr_lib.files import write_text_atomically
from xmr_lib.progress import progress


def library_hash() -> str:
    """SHA-256 over every Python file of the library: a lesson runs again when any of them changed."""
    folder = Path(xmr_lib.__file__).parent
    files = sorted(path for path in folder.rglob("*.py"))
    return sha256("\n".join(f"{path.relative_to(folder).as_posix()} {sha256(read_script(path))}" for path in files))


def run_lesson(source: Path, folder: Path, name: str, library: str, force: bool = False) -> tuple[Row, bool]:
    """Execute one lesson unless the copy in ``folder`` is up to date.

    Args:
        source: ``notebooks/src/NN_topic.py``; the lesson runs in the folder above.
        folder: Where the executed copy and its page go.
        name: The profile.
        library: Hash of the library, see :func:`library_hash`.
        force: Execute in any case.

    Returns:
        The line for the index, and whether the lesson was executed now.

    Raises:
        LessonFailed: A cell raised.
    """
    script = read_script(source)
    key = sha256(f"{sha256(script)} {library} {name}")
    target, page = folder / f"{source.stem}.ipynb", folder / f"{source.stem}.html"
    old = _finished(target, page, key)
    if old is not None and not force:
        return _row(source.stem, old), False
    done = execute(to_notebook(script), source.stem, profile=name, cwd=source.parent.parent)
    record = run_record(name, done.seconds)
    fill_notebook(done.notebook, record)
    done.notebook.metadata["xmr"] = record | {"key": key}
    title = title_of(done.notebook) or source.stem
    write_text_atomically(page, lesson_page(done.notebook, title, source.parent.parent))
    write_text_atomically(target, dumps(done.notebook))
    return _row(source.stem, done.notebook), True


def _finished(target: Path, page: Path, key: str) -> NotebookNode | None:
    if not (target.exists() and page.exists()):
        return None
    try:
        notebook = read_notebook(target)
    except InvalidInput:
        return None
    return notebook if notebook.metadata.get("xmr", {}).get("key") == key else None


def _row(stem: str, notebook: NotebookNode) -> Row:
    figures = sum("image/png" in output.get("data", {}) for _, _, output in outputs_of(notebook))
    return Row(stem, title_of(notebook) or stem, notebook.metadata["xmr"]["seconds"], figures)


def run_course(root: Path, name: str, lessons: Sequence[str] = (), force: bool = False) -> list[tuple[Row, bool]]:
    """Run lessons and write ``build/course``.

    Args:
        root: The course folder.
        name: The profile.
        lessons: Which ones; empty: all.
        force: Run even what is up to date.

    Returns:
        For every lesson its line and whether it was executed now.
    """
    sources = find_sources(root / "notebooks" / "src", lessons)
    if not sources:
        raise MissingData("There are no lessons in notebooks/src yet, so there is nothing to run.")
    folder, library = root / "build" / "course", library_hash()
    results = []
    for source in (bar := progress(sources, desc="course", unit="lesson", delay=0, leave=True)):
        bar.set_postfix_str(source.stem)
        results.append(run_lesson(source, folder, name, library, force))
    rows = [_row(path.stem, read_notebook(path)) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    write_index(folder / "index.html", rows, name)
    return results


def print_times(results: list[tuple[Row, bool]], name: str) -> None:
    """Print the table of times."""
    table = Table(title=f"The course, profile {name}")
    for column in ("lesson", "title"):
        table.add_column(column)
    for column in ("figures", "time"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row, executed in results:
        note = "executed" if executed else "up to date"
        table.add_row(row.stem, row.title, str(row.figures), f"{row.seconds:.1f} s", note)
    table.add_section()
    table.add_row("all", "", str(sum(r.figures for r, _ in results)), f"{sum(r.seconds for r, _ in results):.1f} s", "")
    Console().print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m xmr_lib.course.run_course``; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m xmr_lib.course.run_course", description="Execute the lessons into build/course."
    )
    parser.add_argument("--profile", choices=PROFILES, help="size of the run (default: XMR_PROFILE, else course)")
    parser.add_argument("--lessons", nargs="+", default=[], metavar="NN", help="lessons by number or name")
    parser.add_argument("--force", action="store_true", help="run even what is up to date")
    options = parser.parse_args(arguments)
    try:
        root, name = course_root(), profile(options.profile)
        results = run_course(root, name, options.lessons, options.force)
    except XmrError as error:
        print(error, file=sys.stderr)
        return 1
    print_times(results, name)
    print(f"Open {(root / 'build' / 'course' / 'index.html').as_uri()} in a browser.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
