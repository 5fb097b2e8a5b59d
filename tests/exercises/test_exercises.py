"""Exercise sources and what is made of them: fresh, deterministic, without leaks; and the checks find what is not."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import nbformat
import pytest

from xmr_lib.course import exercises
from xmr_lib.course.exercises import (
    EDITIONS,
    STUB,
    check_exercise,
    cut_regions,
    editions,
    instructor,
    leaks,
    student,
)
from xmr_lib.course.source import code_cells, dumps, find_sources, read_script
from xmr_lib.course.task import all_tasks
from xmr_lib.errors import InvalidInput, UnknownName

ROOT = Path(__file__).resolve().parents[2]
SOURCES = find_sources(ROOT / "exercises" / "src")
SAMPLE = """# %% [markdown]
# # Sample
#
# <!-- task: 01.eleven_point_ap -->
#
# <!-- help: 01.eleven_point_ap -->

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

# %% nbgrader={"grade_id": "double", "solution": true}
def double(x):
    ### BEGIN SOLUTION
    twice_as_much = x + x
    return twice_as_much
    ### END SOLUTION

# %% nbgrader={"grade_id": "double-basic", "points": 2}
assert double(1) == 2
### BEGIN HIDDEN TESTS
assert double(21) == 42, "the answer"
### END HIDDEN TESTS
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "exercises" / "src" / "01_sample.py"
    path.parent.mkdir(parents=True)
    (tmp_path / "notebooks" / "src").mkdir(parents=True)
    path.write_text(SAMPLE, encoding="utf-8")
    return path


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_editions_are_fresh_and_leak_nothing(source: Path) -> None:
    assert check_exercise(source, ROOT / "exercises") == []
    whole = instructor(source)
    for edition in EDITIONS:
        stored = (ROOT / "exercises" / edition / f"{source.stem}.ipynb").read_text(encoding="utf-8")
        assert leaks(nbformat.reads(stored, as_version=4), whole) == []
        nbformat.validate(nbformat.reads(stored, as_version=4))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_task_of_an_exercise_is_complete(source: Path) -> None:
    """Badge, help, instant check, an answer cell with the task's signature, at least two graded test cells."""
    script, whole = read_script(source), instructor(source)
    for task in (task for task in all_tasks().values() if task.id.startswith(source.stem[:2])):
        name = task.id.split(".")[1]
        for piece in (f"<!-- task: {task.id} -->", f"<!-- help: {task.id} -->", f'check("{task.id}", {task.function})'):
            assert piece in script, piece
        marks = {
            cell.metadata["nbgrader"]["grade_id"]: cell for cell in code_cells(whole) if "nbgrader" in cell.metadata
        }
        function = next(n for n in ast.parse(marks[name].source).body if isinstance(n, ast.FunctionDef))
        arguments = [argument.arg for argument in function.args.args]
        assert (function.name, arguments) == (task.function, task.arguments)
        graded = [
            key for key, cell in marks.items() if key.startswith(f"{name}-") and cell.metadata["nbgrader"]["grade"]
        ]
        assert len(graded) >= 2
        assert any("BEGIN HIDDEN TESTS" in marks[key].source for key in graded)


def test_editions_are_deterministic(sample: Path) -> None:
    assert editions(sample) == editions(sample)


def test_what_a_student_gets(sample: Path) -> None:
    made = {name: json.loads(text) for name, text in editions(sample).items()}
    release = nbformat.reads(json.dumps(made["release"]), as_version=4)
    text = dumps(release)
    assert "twice_as_much" not in text
    assert "42" not in code_cells(release)[-1].source
    assert code_cells(release)[1].source == "def double(x):\n" + "\n".join(f"    {line}" for line in STUB)
    assert "★★☆☆☆" in release.cells[0].source
    assert release.cells[0].source.count("<details>") == 3
    assert "Solution" not in release.cells[0].source
    selfstudy = nbformat.reads(json.dumps(made["selfstudy"]), as_version=4)
    folded = [cell.source for cell in selfstudy.cells if cell.source.startswith("<details><summary>Solution")]
    assert len(folded) == 1
    assert "```python\ntwice_as_much = x + x\nreturn twice_as_much\n```" in folded[0]
    test_cell = code_cells(release)[-1]
    assert test_cell.metadata["nbgrader"]["points"] == 2
    assert (test_cell.metadata["editable"], test_cell.metadata["deletable"]) == (False, False)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("raise NotImplementedError()", "return x  # twice_as_much = x + x", None),  # not the same line: not found
        ("    raise NotImplementedError()", "    twice_as_much = x + x", "line of a solution region"),
        ("assert double(1) == 2", 'assert double(21) == 42, "the answer"', "line of a hidden tests region"),
        ("# YOUR CODE HERE", "### BEGIN SOLUTION", "mark of a region"),
    ],
)
def test_leaks_are_found(sample: Path, old: str, new: str, words: str | None) -> None:
    whole = instructor(sample)
    release = student(whole, "release")
    assert leaks(release, whole) == []
    for cell in release.cells:
        cell.source = cell.source.replace(old, new)
    said = leaks(release, whole)
    assert (said == []) if words is None else any(words in line for line in said), said


def test_a_solution_folded_into_the_release_is_a_leak(sample: Path) -> None:
    whole = instructor(sample)
    wrong = student(whole, "selfstudy")
    wrong.metadata["xmr"]["edition"] = "release"
    assert any("line of a solution region" in line for line in leaks(wrong, whole))


def test_outputs_in_a_release_are_named(sample: Path) -> None:
    whole = instructor(sample)
    release = student(whole, "release")
    code_cells(release)[0].outputs = [nbformat.v4.new_output("stream", text="42")]
    assert leaks(release, whole) == ["It holds outputs; student notebooks are never executed."]


def test_check_finds_stale_and_missing_editions(
    sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folder = sample.parents[1]
    monkeypatch.chdir(folder.parent)
    assert exercises.main(["build", "--check"]) == 1
    assert "release/01_sample.ipynb is missing" in capsys.readouterr().out
    assert exercises.main(["build"]) == 0
    assert exercises.main(["build", "--check"]) == 0
    path = folder / "release" / "01_sample.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("raise NotImplementedError()", "twice_as_much = x + x"))
    said = check_exercise(sample, folder)
    assert "is not what its source gives" in said[0]
    assert any("shows a line of a solution region" in line for line in said)
    path.write_text("{")
    assert any("cannot be read" in line for line in check_exercise(sample, folder))
    assert exercises.main(["build", "99"]) == 2


@pytest.mark.parametrize(
    "text",
    ["### BEGIN SOLUTION\nx", "### END SOLUTION", "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"],
)
def test_unpaired_regions_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        cut_regions(text, "SOLUTION")


def test_unknown_task_in_a_source_is_refused(sample: Path) -> None:
    sample.write_text(SAMPLE.replace("01.eleven_point_ap", "01.nothing"), encoding="utf-8")
    with pytest.raises(UnknownName):
        instructor(sample)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_release_is_what_nbgrader_would_make(source: Path) -> None:
    """The twin: nbgrader's own preprocessors give the same cells."""
    pytest.importorskip("nbgrader")
    from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions, LockCells

    theirs = instructor(source)
    for step in (LockCells(), ClearSolutions(), ClearHiddenTests()):
        theirs, _ = step.preprocess(theirs, {})
    ours = student(instructor(source), "release")
    assert [(c.cell_type, c.source) for c in ours.cells] == [(c.cell_type, c.source) for c in theirs.cells]
    for a, b in zip(code_cells(ours), code_cells(theirs), strict=True):
        assert a.metadata.get("nbgrader") == b.metadata.get("nbgrader")
        assert a.metadata.get("editable", True) == b.metadata.get("editable", True)
