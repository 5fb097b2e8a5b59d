"""Exercises: ``exercises/src/NN_topic.py`` (solutions, hidden tests) -> what students get. Nothing is executed.

``python -m xmr_lib.course.exercises build [NN ...]``        writes ``exercises/release`` and ``exercises/selfstudy``
``python -m xmr_lib.course.exercises build --check``         exit 1 when an edition is stale or leaks a solution
``python -m xmr_lib.course.exercises classroom FOLDER``      an nbgrader course with the instructor notebooks

In a source, a task's badge and its folded help stand as ``<!-- task: ID -->`` and ``<!-- help: ID -->`` and are filled
from the task (:mod:`xmr_lib.course.task`); a cell's nbgrader metadata is short: ``{"grade_id": ..., "points": 2}`` is a
graded test, ``{"grade_id": ..., "solution": true}`` an answer, ``{"grade_id": ..., "locked": true}`` given code.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from xmr_lib.course.source import course_root, dumps, find_sources, name_cells, read_script, to_notebook
from xmr_lib.course.task import get_task
from xmr_lib.errors import InvalidInput, XmrError
from xmr_lib.files import write_text_atomically

STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")  # as nbgrader writes it
SOLUTION, HIDDEN = "SOLUTION", "HIDDEN TESTS"
EDITIONS = ("release", "selfstudy")


def instructor(source: Path) -> NotebookNode:
    """The whole exercise: with solutions and hidden tests, full nbgrader metadata, badges and help filled in."""
    notebook = to_notebook(read_script(source))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"<!-- (task|help): (\S+) -->", _fill, cell.source)
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"] = full_metadata(dict(cell.metadata["nbgrader"]), cell.cell_type)
    notebook.metadata["xmr"] = {"exercise": source.stem, "edition": "instructor"}
    name_cells(notebook)
    return notebook


def full_metadata(short: dict[str, Any], cell_type: str) -> dict[str, Any]:
    """The nbgrader metadata of a cell, all fields written out.

    >>> full_metadata({"grade_id": "cca-basic", "points": 3}, "code")["locked"]
    True
    """
    graded, solution = "points" in short, bool(short.get("solution"))
    return {
        "cell_type": cell_type,
        "grade": graded,
        "grade_id": short["grade_id"],
        "locked": graded or not solution,
        **({"points": short["points"]} if graded else {}),
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }


def _fill(match: re.Match[str]) -> str:
    """The badge or the folded help of a task, as Markdown."""
    what, task = match.group(1), get_task(match.group(2))
    if what == "task":
        stars = "★" * task.difficulty + "☆" * (5 - task.difficulty)
        return f"**Difficulty** {stars} · **about {task.minutes} min** · task `{task.id}`\n\n`{task.signature}`"
    steps = (("Nudge", task.nudge), ("Hint", task.hint), ("Outline", task.outline))
    return "\n".join(f"<details><summary>{name}</summary>\n\n{text}\n\n</details>" for name, text in steps)


def cut_regions(text: str, name: str, replacement: Sequence[str] = ()) -> tuple[str, list[str]]:
    """Take the regions ``### BEGIN name`` ... ``### END name`` out of a cell.

    Args:
        text: The cell.
        name: ``SOLUTION`` or ``HIDDEN TESTS``.
        replacement: Lines that take the place of each region, indented as its first line.

    Returns:
        The text without the regions, and the regions.

    Raises:
        InvalidInput: A region is not closed, or opened twice.
    """
    kept: list[str] = []
    regions: list[list[str]] = []
    inside = False
    for line in text.split("\n"):
        begins, ends = f"BEGIN {name}" in line, f"END {name}" in line
        if (begins and inside) or (ends and not inside):
            raise InvalidInput(
                f"A region {name} is opened twice or closed twice near {line.strip()!r}. Pair the marks."
            )
        if begins:
            inside = True
            regions.append([])
            indent = line[: len(line) - len(line.lstrip())]
            kept += [indent + stub for stub in replacement]
        elif ends:
            inside = False
        elif inside:
            regions[-1].append(line)
        else:
            kept.append(line)
    if inside:
        raise InvalidInput(f"A region {name} is not closed. Add the line '### END {name}'.")
    return "\n".join(kept), ["\n".join(lines) for lines in regions]


def student(notebook: NotebookNode, edition: str) -> NotebookNode:
    """What a student gets: no solutions, no hidden tests.

    Args:
        notebook: From :func:`instructor`.
        edition: ``"release"``, or ``"selfstudy"`` with each solution folded below its cell.
    """
    result = copy.deepcopy(notebook)
    cells: list[NotebookNode] = []
    for cell in result.cells:
        cell.source, solutions = cut_regions(cell.source, SOLUTION, STUB)
        cell.source, _ = cut_regions(cell.source, HIDDEN)
        if cell.metadata.get("nbgrader", {}).get("locked"):
            cell.metadata.update(deletable=False, editable=False)
        cells.append(cell)
        if edition == "selfstudy":
            cells += [nbformat.v4.new_markdown_cell(_folded(solution)) for solution in solutions]
    result.cells = cells
    result.metadata["xmr"]["edition"] = edition
    name_cells(result)
    return result


def _folded(solution: str) -> str:
    from textwrap import dedent

    return f"<details><summary>Solution</summary>\n\n```python\n{dedent(solution)}\n```\n\n</details>"


def leaks(notebook: NotebookNode, source: NotebookNode) -> list[str]:
    """Sentences about solutions or hidden tests that stand in a student's notebook; folded solutions may.

    Args:
        notebook: The student's edition, as it is on disk.
        source: The instructor's notebook.
    """
    hidden = [
        (name, r) for cell in source.cells for name in (SOLUTION, HIDDEN) for r in cut_regions(cell.source, name)[1]
    ]
    visible = {
        line.strip()
        for cell in source.cells
        for line in cut_regions(cut_regions(cell.source, SOLUTION)[0], HIDDEN)[0].split("\n")
    }
    folded = notebook.metadata.get("xmr", {}).get("edition") == "selfstudy"
    said = []
    for number, cell in enumerate(notebook.cells, start=1):
        if folded and cell.source.startswith("<details><summary>Solution</summary>"):
            continue
        lines = {line.strip() for line in cell.source.split("\n")}
        if re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)", cell.source):
            said.append(f"Cell {number} holds the mark of a region that should have been taken out.")
        for name, region in hidden:
            secret = {line.strip() for line in region.split("\n") if len(line.strip()) > 12} - visible
            if found := sorted(secret & lines):
                said.append(f"Cell {number} shows a line of a {name.lower()} region: {found[0]!r}.")
    if any(cell.get("outputs") for cell in notebook.cells):
        said.append("It holds outputs; student notebooks are never executed.")
    return said


def editions(source: Path) -> dict[str, str]:
    """The text of both student notebooks, by edition.

    Raises:
        InvalidInput: A region is not closed, or an edition would leak.
    """
    whole = instructor(source)
    made = {}
    for edition in EDITIONS:
        notebook = student(whole, edition)
        if said := leaks(notebook, whole):
            raise InvalidInput(f"The {edition} edition of {source.stem} would leak. {said[0]}")
        made[edition] = dumps(notebook)
    return made


def check_exercise(source: Path, folder: Path) -> list[str]:
    """Sentences about editions below ``folder`` that are missing, stale or leak."""
    said = []
    run = f"Run: python -m xmr_lib.course.exercises build {source.stem[:2]}"
    for edition, text in editions(source).items():
        path = folder / edition / f"{source.stem}.ipynb"
        where = f"{edition}/{path.name}"
        if not path.exists():
            said.append(f"{where} is missing. {run}")
            continue
        stored = path.read_text(encoding="utf-8")
        if stored != text:
            said.append(f"{where} is not what its source gives. {run}")
            try:
                said += [f"{where}: {line}" for line in leaks(nbformat.reads(stored, as_version=4), instructor(source))]
            except Exception:
                said.append(f"{where} cannot be read as a notebook. {run}")
    return said


CONFIG = """c = get_config()
c.CourseDirectory.course_id = "xmr"
c.ExecutePreprocessor.timeout = 120
"""


def write_classroom(folder: Path, sources: Sequence[Path]) -> None:
    """Write an nbgrader course: a configuration and ``source/<exercise>/<exercise>.ipynb`` for every exercise."""
    write_text_atomically(folder / "nbgrader_config.py", CONFIG)
    for path in sources:
        write_text_atomically(folder / "source" / path.stem / f"{path.stem}.ipynb", dumps(instructor(path)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m xmr_lib.course.exercises``; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m xmr_lib.course.exercises", description="Build the exercises.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write the student editions")
    build.add_argument("exercises", nargs="*", metavar="NN", help="exercises by number or name; default: all")
    build.add_argument("--check", action="store_true", help="write nothing; exit 1 if an edition is stale or leaks")
    classroom = commands.add_parser("classroom", help="write an nbgrader course")
    classroom.add_argument("folder", type=Path, help="where the course goes")
    options = parser.parse_args(arguments)
    try:
        folder = course_root() / "exercises"
        sources = find_sources(folder / "src", getattr(options, "exercises", ()))
        if options.command == "classroom":
            write_classroom(options.folder, sources)
            print(f"Wrote {len(sources)} assignments. Next: cd {options.folder}, nbgrader generate_assignment NAME")
            return 0
        if options.check:
            said = [line for path in sources for line in check_exercise(path, folder)]
            print("\n".join(said) or f"All {len(sources)} exercises are up to date and leak nothing.")
            return 1 if said else 0
        for path in sources:
            for edition, text in editions(path).items():
                write_text_atomically(folder / edition / f"{path.stem}.ipynb", text)
            print(f"{path.stem}: release and self-study editions written")
    except XmrError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
