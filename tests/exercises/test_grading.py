"""Grading without a server: right points for honest notebooks, no points and no crash for the other kind."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xmr_lib.course.channel import Opaque, decode, encode, pack, unpack
from xmr_lib.course.exercises import STUB, instructor, student
from xmr_lib.course.grade_worker import plain_python
from xmr_lib.course.grading import GradeReport, GradingFailed, grade
from xmr_lib.course.sandbox import Gone, Sandbox, StudentError
from xmr_lib.course.source import find_sources
from xmr_lib.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {path.stem[:2]: path for path in find_sources(ROOT / "exercises" / "src")}
FIRST = SOURCES["01"]
RECALL = """def recall_at_k(similarity, relevance, k):
    top = np.argsort(-similarity, axis=1)[:, :k]
    hit = np.take_along_axis(relevance, top, axis=1).any(axis=1)
    return float(hit[relevance.any(axis=1)].mean())
"""
Notebook = dict[str, Any]


@pytest.fixture
def submit(tmp_path: Path) -> Callable[..., GradeReport]:
    """Write a notebook made from the release of exercise 01, changed by a function, and grade it."""

    def run(change: Callable[[Notebook], Any] = lambda nb: None, **limits: float) -> GradeReport:
        notebook = json.loads(json.dumps(student(instructor(FIRST), "release")))
        without_real_data(notebook)
        change(notebook)
        path = tmp_path / "anna.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
        return grade(path, **limits)

    return run


def without_real_data(notebook: Notebook) -> None:
    """Drop the last part, which loads pictures or runs for seconds: it is not graded."""
    start = max(i for i, cell in enumerate(notebook["cells"]) if cell["source"].startswith("## "))
    del notebook["cells"][start:]


def cell_of(notebook: Notebook, grade_id: str) -> dict[str, Any]:
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)


def answer(grade_id: str, source: str) -> Callable[[Notebook], None]:
    def change(notebook: Notebook) -> None:
        cell_of(notebook, grade_id)["source"] = source

    return change


def points(report: GradeReport) -> dict[str, float]:
    return {task.task: task.points for task in report.tasks}


def message(report: GradeReport, task: str) -> str:
    return next(line.message for line in report.tasks if line.task == task)


@pytest.mark.parametrize("number", SOURCES)
def test_perfect_submission(number: str, tmp_path: Path) -> None:
    path = tmp_path / "perfect.ipynb"
    path.write_text(json.dumps(instructor(SOURCES[number])), encoding="utf-8")
    report = grade(path)
    assert report.passed, report
    assert report.score == report.maximum > 0
    assert report.notes == ()
    assert f"perfect.ipynb: {report.maximum:g} of {report.maximum:g} points" in str(report)


@pytest.mark.parametrize("number", [number for number in SOURCES if number > "01"])
def test_untouched_release(number: str, tmp_path: Path) -> None:
    notebook = json.loads(json.dumps(student(instructor(SOURCES[number]), "release")))
    without_real_data(notebook)
    path = tmp_path / "untouched.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    report = grade(path)
    assert (report.score, report.notes) == (0, ())
    assert {task.message for task in report.tasks} == {"Not done yet."}


def test_untouched_submission(submit: Callable[..., GradeReport]) -> None:
    report = submit()
    assert report.score == 0
    assert not report.passed
    assert all(task.message == "Not done yet." for task in report.tasks)
    assert report.notes == ()


def test_partial_submission_and_its_message(submit: Callable[..., GradeReport]) -> None:
    report = submit(answer("recall_at_k", RECALL.replace("-similarity", "similarity")))
    assert points(report)["recall_at_k"] == 0
    assert "Likely cause: the ranking is upside down" in message(report, "recall_at_k")
    half = RECALL.replace("hit[relevance.any(axis=1)]", "hit")  # right on the table, wrong with an empty query
    report = submit(answer("recall_at_k", half))
    assert points(report)["recall_at_k"] == 2
    assert "queries without anything relevant" in message(report, "recall_at_k")


def test_changed_test_cells_are_restored(submit: Callable[..., GradeReport]) -> None:
    def change(notebook: Notebook) -> None:
        cell_of(notebook, "recall_at_k-basic")["source"] = "assert True"
        cell_of(notebook, "recall_at_k-more")["source"] = "pass"

    report = submit(change)
    assert points(report)["recall_at_k"] == 0
    assert "The cell 'recall_at_k-basic' was changed; the original was used." in report.notes


def test_missing_doubled_and_misplaced_cells(submit: Callable[..., GradeReport]) -> None:
    def change(notebook: Notebook) -> None:
        answer("recall_at_k", RECALL)(notebook)
        cells = notebook["cells"]
        cells.remove(cell_of(notebook, "recall_at_k-more"))
        cells.remove(cell_of(notebook, "setup"))
        cells.insert(0, cells.pop(cells.index(cell_of(notebook, "recall_at_k-basic"))))  # before the answer
        cells.append(dict(cell_of(notebook, "recall_at_k-basic")))

    report = submit(change)
    assert points(report)["recall_at_k"] == 4
    assert "Missing cells were restored: setup, recall_at_k-more." in report.notes


def test_notebook_without_any_nbgrader_metadata(submit: Callable[..., GradeReport]) -> None:
    """As after a round trip through a service that drops what it does not know."""

    def change(notebook: Notebook) -> None:
        answer("recall_at_k", RECALL)(notebook)
        for cell in notebook["cells"]:
            cell["metadata"] = {}

    assert points(submit(change))["recall_at_k"] == 4


ATTACKS = {
    "prints a score": """
import sys
print("recall_at_k 4 / 4")
sys.__stdout__.write("18 of 18 points")
""",
    "number that equals everything": """
class Yes(float):
    def __eq__(self, other): return True
    def __rsub__(self, other): return 0
def recall_at_k(similarity, relevance, k): return Yes(7)
""",
    "object that equals everything": """
class Yes:
    def __eq__(self, other): return True
    def __bool__(self): return True
def recall_at_k(similarity, relevance, k): return Yes()
""",
    "replaces the helpers of tests": """
import builtins
np.isclose = np.allclose = lambda *a, **k: True
builtins.AssertionError = Warning
""",
    "replaces the grader": """
import sys
import xmr_lib.course.grading as grading, xmr_lib.course.checker as checker
grading._run_test = lambda *a: ""
checker.check = lambda *a: True
sys.modules["numpy"].isclose = lambda *a: True
""",
    "writes into the channel": """
import os
for fd in range(3, 64):
    try:
        os.write(fd, b'{"id": 99, "result": true}\\n')
    except OSError:
        pass
""",
    "exits": "exit()",
    "exits in the function": "def recall_at_k(similarity, relevance, k): raise SystemExit(0)",
    "exits in repr": """
class Bad:
    def __repr__(self): raise SystemExit
def recall_at_k(similarity, relevance, k): return Bad()
""",
    "takes the names of the tests": "__name__ = 'tests'\nscores = points = 100",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_forgery_gains_nothing(name: str, submit: Callable[..., GradeReport]) -> None:
    report = submit(answer("recall_at_k", ATTACKS[name]))
    assert points(report)["recall_at_k"] == 0, report
    assert report.maximum == 18


def test_honest_tasks_survive_a_cell_that_kills_python(submit: Callable[..., GradeReport]) -> None:
    def change(notebook: Notebook) -> None:
        answer("recall_at_k", RECALL)(notebook)
        answer("eleven_point_ap", "import os\nos._exit(0)")(notebook)

    report = submit(change)
    assert points(report)["recall_at_k"] == 4
    assert any("'eleven_point_ap' was left out: it ended Python" in note for note in report.notes)


def test_endless_loops_are_stopped(submit: Callable[..., GradeReport]) -> None:
    """One at the top of a cell, one inside a function; the other task still gets its points."""

    def change(notebook: Notebook) -> None:
        answer("recall_at_k", RECALL)(notebook)
        answer("eleven_point_ap", "while True:\n    pass")(notebook)
        answer("map_at_k", "def map_at_k(similarity, relevance, k, denominator):\n    while True: pass")(notebook)

    begin = time.monotonic()
    report = submit(change, seconds=1.5)
    assert time.monotonic() - begin < 30
    assert points(report) == {"recall_at_k": 4, "eleven_point_ap": 0, "map_at_k": 0, "ndcg_at_k": 0}
    assert "endless loop" in message(report, "map_at_k")


def test_total_time_is_limited(submit: Callable[..., GradeReport]) -> None:
    def change(notebook: Notebook) -> None:
        loop = {"cell_type": "code", "metadata": {}, "source": "import time\ntime.sleep(60)"}
        notebook["cells"][1:1] = [dict(loop) for _ in range(20)]

    begin = time.monotonic()
    report = submit(change, seconds=1.0, total=4.0)
    assert time.monotonic() - begin < 30
    assert report.score == 0
    assert any(note.startswith("Stopped: ") or "more." in note for note in report.notes)


@pytest.mark.skipif(os.name != "posix", reason="memory limits need POSIX")
def test_memory_is_limited(submit: Callable[..., GradeReport]) -> None:
    hungry = "def recall_at_k(similarity, relevance, k):\n    return float(np.ones((200_000, 200_000)).sum())"
    report = submit(answer("recall_at_k", hungry))
    assert points(report)["recall_at_k"] == 0
    assert "Memory" in message(report, "recall_at_k")


@pytest.mark.skipif(os.name != "posix", reason="process groups need POSIX")
def test_children_of_the_student_are_ended(submit: Callable[..., GradeReport], tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    child = f"import time, pathlib\\ntime.sleep(3)\\npathlib.Path({str(mark)!r}).touch()"
    submit(answer("recall_at_k", f'import subprocess, sys\nsubprocess.Popen([sys.executable, "-c", "{child}"])'))
    time.sleep(4)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"cells": 3}',
        b'{"cells": [{"cell_type": "code"}]}',
        b"\xff\xfe\x00",
        b"[" * 5000,
    ],
)
def test_broken_files_get_a_report(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "01_task_data_metrics_anna.ipynb"
    path.write_bytes(content)
    report = grade(path)
    assert report.score == 0
    assert report.exercise == "01_task_data_metrics"
    assert "not a notebook" in report.notes[0]


def test_unknown_exercise_and_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "anything.ipynb"
    path.write_text('{"cells": []}')
    report = grade(path)
    assert (report.exercise, report.tasks, report.passed) == ("", (), False)
    assert "cannot be told" in report.notes[0]
    with pytest.raises(InvalidInput, match="There is no file"):
        grade(tmp_path / "none.ipynb")


def test_a_computer_that_cannot_grade_is_not_the_students_fault(
    submit: Callable[..., GradeReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*limits: float) -> None:
        raise Gone("it ended Python")

    monkeypatch.setattr("xmr_lib.course.grading.Sandbox", broken)
    with pytest.raises(GradingFailed, match="did not start"):
        submit()


def test_cell_that_raises_is_noted_and_magic_is_ignored(submit: Callable[..., GradeReport]) -> None:
    def change(notebook: Notebook) -> None:
        answer("recall_at_k", "%matplotlib inline\n!pip install x\n" + RECALL)(notebook)
        answer("ndcg_at_k", "1 / 0")(notebook)
        answer("map_at_k", "def map_at_k(:")(notebook)

    report = submit(change)
    assert points(report)["recall_at_k"] == 4
    assert any("'ndcg_at_k' raised ZeroDivisionError" in note for note in report.notes)
    assert any("'map_at_k' raised SyntaxError" in note for note in report.notes)
    assert "is not defined" in message(report, "map_at_k")
    assert plain_python("%%bash\nrm -r x") == "pass"


def test_stub_text_is_the_one_that_is_graded_as_not_done() -> None:
    assert STUB[1] == "raise NotImplementedError()"


@pytest.mark.parametrize(
    "value",
    [None, ..., True, 3, 2.5, float("inf"), "é", [1, (2, [3])], {"a": {"b": 1.5}}, np.float32(2), np.bool_(True), ()],
)
def test_values_cross(value: Any) -> None:
    back = decode(unpack(pack({"v": encode(value)}))["v"])
    assert type(back) is type(value)
    assert back == value


@pytest.mark.parametrize("array", [np.eye(3), np.zeros((0, 4)), np.arange(6).reshape(2, 3).T, np.array([True, False])])
def test_arrays_cross(array: Any) -> None:
    back = decode(unpack(pack({"v": encode(array)}))["v"])
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    back[...] = 0  # it can be changed


def test_behaviour_does_not_cross() -> None:
    class Yes(list):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    for value in (Yes(), object(), np.array([object()]), lambda: 0, {1: 2}):
        back = decode(encode(value))
        assert isinstance(back, Opaque)
        assert back != [1]
    for bad in ({"t": "array", "d": "O", "s": [1], "v": ""}, {"t": "?"}, [1], {"t": "list", "v": 3}):
        with pytest.raises(ValueError, match="unknown data"):
            decode(bad)


def test_sandbox_by_itself() -> None:
    box = Sandbox(memory=4_000_000_000, seconds=2, total=20)
    try:
        box.run("def add(a, b=1):\n    return a + b\nprint('noise')")
        assert box.call("add", (2,), {"b": 3}) == 5
        assert box.arguments_of("add") == ["a", "b"]
        with pytest.raises(StudentError, match="TypeError"):
            box.call("add", ("a",), {})
        with pytest.raises(StudentError, match="nothing is not defined"):
            box.call("nothing", (), {})
        with pytest.raises(Gone, match="within"):
            box.run("while True: pass")
    finally:
        box.close()
    assert box.process.poll() is not None
