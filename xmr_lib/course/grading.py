"""``grade(path)``: points for a submitted exercise notebook, without a server.

The student's cells run in a process of their own (:mod:`xmr_lib.course.sandbox`); then the tests of the instructor's
source, hidden ones included, run here and call the student's functions. Test cells of the submission are never used:
changed, missing or invented ones make no difference. A notebook that is broken in any way gets a report, not a crash.

What it cannot know: whether an answer was copied. The library itself holds every solution.
"""

from __future__ import annotations

import ast
import json
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from nbformat import NotebookNode

from xmr_lib.course.checker import WRONG, check
from xmr_lib.course.exercises import instructor, student
from xmr_lib.course.sandbox import Gone, Remote, Sandbox, StudentError
from xmr_lib.course.source import code_cells, course_root, find_sources
from xmr_lib.course.task import all_tasks
from xmr_lib.errors import InvalidInput, MissingData, XmrError

MEMORY = 4_000_000_000
CELL_SECONDS, TOTAL_SECONDS = 30.0, 240.0
MAX_NOTES = 8
MAX_FILE = 50_000_000


class GradingFailed(XmrError, RuntimeError):
    """Nothing can be graded on this computer; that is not the student's doing."""


@dataclass(frozen=True)
class TaskScore:
    """Points of one task and, unless all were reached, why."""

    task: str
    points: float
    maximum: float
    message: str = ""


@dataclass(frozen=True)
class GradeReport:
    """What :func:`grade` found; prints as a table.

    Attributes:
        file: Name of the submission.
        exercise: Which exercise it answers; "" when that cannot be told.
        tasks: One line per task.
        notes: Anything else worth knowing: restored test cells, cells that raised.
        seconds: How long grading took.
    """

    file: str
    exercise: str
    tasks: tuple[TaskScore, ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def score(self) -> float:
        """Sum of the points."""
        return sum(task.points for task in self.tasks)

    @property
    def maximum(self) -> float:
        """Points that can be reached."""
        return sum(task.maximum for task in self.tasks)

    @property
    def passed(self) -> bool:
        """Whether every task has all its points."""
        return bool(self.tasks) and self.score == self.maximum

    def __str__(self) -> str:
        lines = [f"{self.file}: {self.score:g} of {self.maximum:g} points"]
        width = max((len(task.task) for task in self.tasks), default=0)
        for task in self.tasks:
            lines.append(f"  {task.task:<{width}}  {task.points:>4g} / {task.maximum:<4g} {task.message}".rstrip())
        return "\n".join([*lines, *(f"  Note: {note}" for note in self.notes)])


@dataclass
class Session:
    """The student's cells, run; started again without the guilty cell or function when the process is lost."""

    cells: list[tuple[str, str]]  # name as it reads in a note, source
    seconds: float
    total: float
    notes: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)  # function -> why it cannot be called any more
    over: str = ""  # why nothing can be run any more
    sandbox: Sandbox | None = None

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.total
        self.start()

    def start(self) -> None:
        """Run all cells in a fresh process; a cell that ends or blocks it is left out and the rest is run again."""
        while not self.over:
            self.close()
            left = self.deadline - time.monotonic()
            if left <= 0:
                self.over = f"the notebook took longer than {self.total:.0f} s in all"
                return
            guilty = None
            raised = []
            try:
                self.sandbox = Sandbox(MEMORY, self.seconds, left)
                for guilty, (name, source) in enumerate(self.cells):  # noqa: B007 - read when the process is lost
                    try:
                        self.sandbox.run(source)
                    except StudentError as error:
                        raised.append(f"{name} raised {error}.")
                    except NotImplementedError:
                        continue
            except Gone as error:
                if guilty is None:
                    if not self.notes and not self.lost and time.monotonic() < self.deadline:
                        raise GradingFailed(
                            f"The process for the student's code did not start: {error}. Try again; if it repeats, "
                            "xmr doctor tells what is wrong here."
                        ) from error
                    self.over = f"its process could not be started: {error}"
                    return
                self.notes.append(f"{self.cells[guilty][0]} was left out: {error}.")
                del self.cells[guilty]
                continue
            self.notes += [note for note in raised if note not in self.notes]
            return

    def call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call a function; one that does not come back is not called again."""
        if reason := self.over or self.lost.get(name):
            raise Gone(reason)
        assert self.sandbox is not None
        try:
            return self.sandbox.call(name, arguments, keywords)
        except Gone as error:
            self.lost[name] = f"{name} did not come back: {error}"
            self.start()
            raise Gone(self.lost[name]) from error

    def arguments_of(self, name: str) -> list[str]:
        """Names of a function's arguments."""
        assert self.sandbox is not None
        return self.sandbox.arguments_of(name)

    def close(self) -> None:
        """End the process."""
        if self.sandbox is not None:
            self.sandbox.close()
            self.sandbox = None


def grade(path: Path | str, *, seconds: float = CELL_SECONDS, total: float = TOTAL_SECONDS) -> GradeReport:
    """Grade one submission.

    Args:
        path: A notebook, made from ``exercises/release`` or ``exercises/selfstudy``.
        seconds: Limit for one cell or one call of a function.
        total: Limit for the whole notebook.

    Returns:
        The report; whatever is in the file, as long as the file exists.

    Raises:
        InvalidInput: There is no such file.
        MissingData: The exercise sources are not here.
        GradingFailed: No process can be started for the student's code.
    """
    path, begin = Path(path), time.monotonic()
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}. Give the path of an exercise notebook (.ipynb).")
    sources = {source.stem: source for source in find_sources(course_root() / "exercises" / "src")}
    if not sources:
        raise MissingData("The exercise sources are not here: exercises/src is empty. Grade inside the repository.")
    notes: list[str] = []
    cells, named = _read(path, notes)
    exercise = _which(path, cells, named, sources)
    if not exercise:
        notes.append(
            f"It cannot be told which exercise this is. Choices: {', '.join(sources)}. Name the file like one."
        )
        return GradeReport(path.name, "", (), tuple(notes))
    whole = instructor(sources[exercise])
    session = Session(_student_cells(cells, whole, notes), seconds, total)
    try:
        tasks = _run_tests(whole, exercise[:2], session)
    finally:
        session.close()
    notes += session.notes + ([f"Stopped: {session.over}."] if session.over else [])
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"... and {len(notes) - MAX_NOTES} more."]
    return GradeReport(path.name, exercise, tasks, tuple(notes), time.monotonic() - begin)


def _read(path: Path, notes: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Code cells (grade_id, source) of any file, and the exercise its metadata names; complaints go to the notes."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise ValueError(f"it is larger than {MAX_FILE // 1_000_000} MB")
        data = json.loads(path.read_text(encoding="utf-8"))
        found = []
        for cell in data["cells"]:
            if cell["cell_type"] != "code":
                continue
            source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            marks = (cell.get("metadata") or {}).get("nbgrader") or {}
            found.append({"id": str(marks.get("grade_id", "")), "source": source})
        named = (data.get("metadata") or {}).get("xmr") or {}
        return found, str(named.get("exercise", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        notes.append(f"The file is not a notebook ({type(error).__name__}: {str(error)[:120]}). Download it again.")
        return [], ""


def _which(path: Path, cells: list[dict[str, Any]], named: str, sources: dict[str, Path]) -> str:
    """The exercise: as the metadata says, else by the name of the file, else by its cells."""
    if named in sources:
        return named
    for stem in sources:
        if stem in path.stem or path.stem == stem[:2]:
            return stem
    ids = {cell["id"] for cell in cells} - {"", "setup"}
    for stem, source in sources.items():
        if ids & {cell.metadata["nbgrader"]["grade_id"] for cell in _marked(instructor(source))}:
            return stem
    return ""


def _marked(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in code_cells(notebook) if "nbgrader" in cell.metadata]


def _student_cells(cells: list[dict[str, Any]], whole: NotebookNode, notes: list[str]) -> list[tuple[str, str]]:
    """What runs in the student's process: given cells from the instructor, no tests, everything else as it is."""
    released = {c.metadata["nbgrader"]["grade_id"]: c.source for c in _marked(student(whole, "release"))}
    original = {c.metadata["nbgrader"]["grade_id"]: c for c in _marked(whole)}
    locked = {key for key, cell in original.items() if cell.metadata["nbgrader"]["locked"]}
    graded = {key for key in locked if original[key].metadata["nbgrader"]["grade"]}
    present = {cell["id"] for cell in cells}
    missing = [key for key in original if key in locked and key not in present]
    if cells and missing:
        notes.append(f"Missing cells were restored: {', '.join(missing)}.")
    result = [(f"The cell {key!r}", original[key].source) for key in missing if key not in graded]
    for number, cell in enumerate(cells, start=1):
        known = {original[cell["id"]].source.strip(), released[cell["id"]].strip()} if cell["id"] in locked else set()
        if known and cell["source"].strip() not in known:
            notes.append(f"The cell {cell['id']!r} was changed; the original was used.")
        if cell["id"] in graded:
            continue
        name = f"The cell {cell['id']!r}" if cell["id"] else f"Code cell {number}"
        result.append((name, original[cell["id"]].source if cell["id"] in locked else cell["source"]))
    return result


def _run_tests(whole: NotebookNode, lesson: str, session: Session) -> tuple[TaskScore, ...]:
    """Run the instructor's given cells and tests here, with the student's functions behind :class:`Remote`."""
    namespace: dict[str, Any] = {"__name__": "tests"}
    scores: dict[str, list[tuple[float, float, str]]] = {}
    for cell in _marked(whole):
        marks = cell.metadata["nbgrader"]
        if marks["solution"]:
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef):
                    namespace[node.name] = Remote(node.name, session)
        elif not marks["grade"]:
            exec(compile(cell.source, marks["grade_id"], "exec"), namespace)
        else:
            message = _run_test(cell.source, marks["grade_id"], namespace)
            reached = 0.0 if message else float(marks["points"])
            scores.setdefault(marks["grade_id"].split("-")[0], []).append((reached, float(marks["points"]), message))
    lines = []
    for task, parts in scores.items():
        messages = list(dict.fromkeys(message for _, _, message in parts if message))
        if messages and (cause := _cause(f"{lesson}.{task}", namespace)):
            messages.append(cause)
        lines.append(TaskScore(task, sum(p for p, _, _ in parts), sum(m for _, m, _ in parts), " ".join(messages)))
    return tuple(lines)


def _run_test(source: str, name: str, namespace: dict[str, Any]) -> str:
    """Run one test cell; return why it failed, or ""."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            exec(compile(source, name, "exec"), namespace)
    except AssertionError as error:
        return f"Failed: {error or name}."
    except NotImplementedError:
        return "Not done yet."
    except StudentError as error:
        return f"The function raised {error}."
    except Gone as error:
        return f"{str(error)[0].upper()}{str(error)[1:]}."
    except Exception as error:
        return f"The result could not be used ({type(error).__name__}: {str(error)[:120]})."
    return ""


def _cause(task_id: str, namespace: dict[str, Any]) -> str:
    """What the checker takes for the cause, or ""."""
    task = all_tasks().get(task_id)
    if task is None or task.function not in namespace:
        return ""
    try:
        answer = check(task_id, namespace[task.function])
    except Exception:
        return ""
    return next((line for line in answer.lines if answer.status == WRONG and line.startswith("Likely cause")), "")
