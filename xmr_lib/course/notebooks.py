"""Build the lessons: ``notebooks/src/NN_topic.py`` -> ``notebooks/NN_topic.ipynb``, executed.

``python -m xmr_lib.course.notebooks build [NN ...] [--force]``  builds what is stale
``python -m xmr_lib.course.notebooks build --check``             says what is stale, exit 1 if anything is

A built notebook remembers what it was made from, in ``metadata.xmr``: the hash of the source, one hash per code
cell, the hash of its outputs, the profile, the date, the seconds and the versions of the libraries. So a check needs
no execution, an edited text cell is taken over without running the lesson again, and an edited code cell, or outputs
changed by hand, are found.

The source may hold the line ``<!-- last-verified -->``. In the notebook the date and the versions follow it, closed by
``<!-- /last-verified -->``; a comparison of source and notebook looks at the text without them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import re
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from xmr_lib.config import PROFILES
from xmr_lib.course.execute import LessonFailed, describe_figures, execute, output_problems
from xmr_lib.course.source import (
    code_cells,
    code_hashes,
    course_root,
    dumps,
    find_sources,
    name_cells,
    read_notebook,
    read_script,
    sha256,
    to_notebook,
)
from xmr_lib.errors import InvalidInput, XmrError
from xmr_lib.files import write_text_atomically
from xmr_lib.progress import progress

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "matplotlib", "xmr-course")
MARK = "<!-- last-verified -->"
FILLED = re.compile(r"<!-- last-verified -->.*?<!-- /last-verified -->", flags=re.S)
LIMIT_BYTES = 1_000_000


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries a lesson's numbers depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def run_record(profile: str, seconds: float) -> dict[str, Any]:
    """When, how long, at what size and with which libraries a lesson has just run."""
    return {
        "profile": profile,
        "executed_on": datetime.date.today().isoformat(),
        "seconds": round(seconds, 1),
        "versions": library_versions(),
    }


def outputs_hash(notebook: NotebookNode) -> str:
    """SHA-256 over all outputs and execution counts."""
    kept = [(cell.execution_count, cell.outputs) for cell in code_cells(notebook)]
    return sha256(json.dumps(kept, sort_keys=True, ensure_ascii=False))


def verified_line(record: dict[str, Any]) -> str:
    """The sentence that follows ``<!-- last-verified -->``."""
    versions = record["versions"]
    shown = ", ".join(f"{name} {versions[name]}" for name in ("numpy", "torch") if name in versions)
    return (
        f"Last verified on {record['executed_on']}: {record['seconds']:.0f} s, profile {record['profile']}, "
        f"Python {versions['python']}, {shown}."
    )


def fill_verified(text: str, record: dict[str, Any]) -> str:
    """Write the sentence behind every mark; a line that already says "verified" is not told so twice.

    >>> record = {"executed_on": "2026-01-31", "seconds": 12, "profile": "course"}
    >>> record["versions"] = {"python": "3.12", "numpy": "2.1"}
    >>> fill_verified("Verified: <!-- last-verified -->", record)
    'Verified: <!-- last-verified -->2026-01-31: 12 s, profile course, Python 3.12, numpy 2.1.<!-- /last-verified -->'
    """
    lines = []
    for line in text.split("\n"):
        before, mark, after = line.partition(MARK)
        if mark:
            sentence = verified_line(record)
            if "verified" in before.lower():
                sentence = sentence.removeprefix("Last verified on ")
            line = f"{before}{MARK}{sentence}<!-- /last-verified -->{after}"
        lines.append(line)
    return "\n".join(lines)


def fill_notebook(notebook: NotebookNode, record: dict[str, Any]) -> None:
    """Write the last-verified sentence into the text of a notebook."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = fill_verified(cell.source, record)


def unfill_verified(text: str) -> str:
    """The text as it stands in the source."""
    return FILLED.sub(MARK, text)


def source_problems(script: str, built: NotebookNode) -> list[str]:
    """Why a built notebook does not belong to a source, one reason each; empty when it does.

    Args:
        script: The text of the source.
        built: The notebook, as read from its file.
    """
    record = built.metadata.get("xmr")
    if not record:
        return ["it was not made by the builder (no record of its source)"]
    fresh = to_notebook(script)
    reasons = []
    theirs = [(cell.cell_type, unfill_verified(cell.source), cell.metadata) for cell in built.cells]
    ours = [(cell.cell_type, cell.source, cell.metadata) for cell in fresh.cells]
    if len(theirs) != len(ours):
        reasons.append(f"it has {len(theirs)} cells, the source has {len(ours)}")
    else:
        changed = [str(i) for i, (a, b) in enumerate(zip(theirs, ours, strict=True), start=1) if a != b]
        if changed:
            reasons.append(f"these cells differ from the source: {', '.join(changed[:10])}")
    if record.get("source_sha256") != sha256(script) and not reasons:
        reasons.append("it was made from another version of the source")
    if record.get("code_sha256") != code_hashes(fresh):
        reasons.append("its stored outputs were made by other code")
    if record.get("outputs_sha256") != outputs_hash(built):
        reasons.append("its outputs were changed after the build")
    return reasons


def check_lesson(source: Path, target: Path) -> list[str]:
    """Sentences about one lesson that is not up to date; empty when it is. Nothing is executed."""
    build = f"Run: python -m xmr_lib.course.notebooks build {source.stem[:2]}"
    if not target.exists():
        return [f"{target.name} is not built yet. {build}"]
    try:
        built = read_notebook(target)
    except InvalidInput as error:
        return [str(error)]
    said = [f"{target.name} is stale: {reason}. {build}" for reason in source_problems(read_script(source), built)]
    profile = built.metadata.get("xmr", {}).get("profile", "course")
    if profile == "smoke":
        said.append(f"{target.name} shows the numbers of the smoke profile, but its text speaks of course. {build}")
    if target.stat().st_size >= LIMIT_BYTES:
        said.append(
            f"{target.name} is {target.stat().st_size / 1e6:.1f} MB; a notebook stays under 1 MB. {_largest(built)}"
        )
    said += [f"{target.name}: {problem}" for problem in output_problems(built)]
    return said


def _largest(notebook: NotebookNode) -> str:
    sizes = [(len(json.dumps(cell.outputs)), i) for i, cell in enumerate(notebook.cells, 1) if "outputs" in cell]
    size, number = max(sizes, default=(0, 0))
    return f"The largest outputs, {size / 1e6:.1f} MB, are those of cell {number}: make the picture smaller."


def build_lesson(source: Path, target: Path, profile: str = "course", force: bool = False) -> str:
    """Bring one notebook up to date.

    Args:
        source: ``notebooks/src/NN_topic.py``.
        target: ``notebooks/NN_topic.ipynb``; kept as it is when the lesson fails.
        profile: What the lesson runs with.
        force: Execute even when nothing changed (after a change of the library).

    Returns:
        ``"fresh"`` (nothing to do), ``"text"`` (text taken over, outputs kept) or ``"executed"``.

    Raises:
        LessonFailed: A cell raised, or its outputs break a rule (stderr, blank plot, size).
    """
    script = read_script(source)
    notebook = to_notebook(script)
    old = _read_or_none(target)
    record = dict(old.metadata.get("xmr", {})) if old else {}
    if old and not force and record.get("profile") == profile:
        if not source_problems(script, old):
            return "fresh"
        if record.get("code_sha256") == code_hashes(notebook) and record.get("outputs_sha256") == outputs_hash(old):
            for new_cell, old_cell in zip(code_cells(notebook), code_cells(old), strict=True):
                new_cell.outputs, new_cell.execution_count = old_cell.outputs, old_cell.execution_count
            describe_figures(notebook)
            _finish(notebook, target, record | {"source_sha256": sha256(script)})
            return "text"
    done = execute(notebook, source.stem, profile=profile, cwd=target.parent)
    record = {"source_sha256": sha256(script), "code_sha256": code_hashes(notebook)}
    _finish(done.notebook, target, record | run_record(profile, done.seconds))
    return "executed"


def _finish(notebook: NotebookNode, target: Path, record: dict[str, Any]) -> None:
    """Check the outputs, write the record and the last-verified line, replace the file in one step."""
    problems = output_problems(notebook)
    if problems:
        raise LessonFailed(f"Lesson {target.stem} ran, but is not kept: {problems[0]}")
    name_cells(notebook)  # from the text of the source, before the last-verified line is filled
    fill_notebook(notebook, record)
    notebook.metadata = NotebookNode(to_notebook("# %%\n").metadata)
    notebook.metadata["xmr"] = record | {"outputs_sha256": outputs_hash(notebook)}
    text = dumps(notebook)
    if len(text.encode("utf-8")) >= LIMIT_BYTES:
        raise LessonFailed(f"Lesson {target.stem} ran, but is over 1 MB and not kept. {_largest(notebook)}")
    write_text_atomically(target, text)


def _read_or_none(path: Path) -> NotebookNode | None:
    try:
        return read_notebook(path) if path.exists() else None
    except InvalidInput:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m xmr_lib.course.notebooks``; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m xmr_lib.course.notebooks", description="Build the lessons.")
    parser.add_argument("command", choices=["build"])
    parser.add_argument("lessons", nargs="*", metavar="NN", help="lessons by number or name; default: all")
    parser.add_argument("--check", action="store_true", help="execute nothing; exit 1 if a notebook is not up to date")
    parser.add_argument("--force", action="store_true", help="execute even what is up to date")
    parser.add_argument("--profile", choices=PROFILES, default="course", help="size of the run (default: course)")
    options = parser.parse_args(arguments)
    try:
        folder = course_root() / "notebooks"
        sources = find_sources(folder / "src", options.lessons)
        if options.check:
            said = [line for path in sources for line in check_lesson(path, folder / f"{path.stem}.ipynb")]
            said += _orphans(folder, options.lessons)
            print("\n".join(said) or f"All {len(sources)} notebooks belong to their sources.")
            return 1 if said else 0
        for path in (bar := progress(sources, desc="lessons", unit="lesson", delay=0, leave=True)):
            state = build_lesson(path, folder / f"{path.stem}.ipynb", options.profile, options.force)
            bar.write(f"{path.stem}: {state}")
    except LessonFailed as error:
        print(error, file=sys.stderr)
        return 1
    except XmrError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _orphans(folder: Path, only: Sequence[str]) -> list[str]:
    """Built notebooks whose source is gone."""
    if only:
        return []
    known = {path.stem for path in find_sources(folder / "src")}
    return [
        f"{path.name} has no source in {folder.name}/src. Delete it, or bring the source back."
        for path in sorted(folder.glob("*.ipynb"))
        if path.stem not in known
    ]


if __name__ == "__main__":
    raise SystemExit(main())
