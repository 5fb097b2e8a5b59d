"""The builder: source -> notebook, what is stale and why; and every lesson of the course belongs to its source."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from xmr_lib.course import notebooks
from xmr_lib.course.execute import LessonFailed, output_problems
from xmr_lib.course.notebooks import LIMIT_BYTES, build_lesson, check_lesson, fill_verified, unfill_verified
from xmr_lib.course.source import code_cells, dumps, find_sources, read_notebook, to_notebook
from xmr_lib.errors import InvalidInput, UnknownName

ROOT = Path(__file__).resolve().parents[2]
LESSONS = find_sources(ROOT / "notebooks" / "src")
GOOD = """# %% [markdown]
# # Sample
#
# Verified: <!-- last-verified -->

# %% tags=["parameters"]
PROFILE = None
SEED = 0

# %% tags=["plot"]
import matplotlib.pyplot as plt

plt.plot([1, 2])
plt.show()

# %%
print("seed", SEED)
"""


@pytest.fixture
def lesson(tmp_path: Path) -> tuple[Path, Path]:
    source = tmp_path / "notebooks" / "src" / "02_sample.py"
    source.parent.mkdir(parents=True)
    source.write_text(GOOD, encoding="utf-8")
    return source, tmp_path / "notebooks" / "02_sample.ipynb"


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_lesson_is_fresh(source: Path) -> None:
    target = ROOT / "notebooks" / f"{source.stem}.ipynb"
    assert check_lesson(source, target) == []
    assert target.stat().st_size < LIMIT_BYTES
    assert "xmr" in read_notebook(target).metadata


def test_no_notebook_without_source() -> None:
    assert notebooks._orphans(ROOT / "notebooks", []) == []


def test_conversion_is_deterministic_and_keeps_metadata() -> None:
    script = GOOD + '\n# %% nbgrader={"grade": true, "grade_id": "a-b", "points": 2} tags=["x"]\nassert True\n'
    notebook = to_notebook(script)
    nbformat.validate(notebook)
    assert dumps(notebook) == dumps(to_notebook(script))
    assert notebook.cells[-1].metadata == {
        "nbgrader": {"grade": True, "grade_id": "a-b", "points": 2},
        "tags": ["x"],
    }
    assert notebook.metadata.kernelspec.name == "python3"


def test_identifiers_are_unique_and_survive_an_inserted_cell() -> None:
    script = "# %%\nx = 1\n\n# %%\nx = 1\n\n# %%\ny = 2\n"
    before = [cell.id for cell in to_notebook(script).cells]
    after = [cell.id for cell in to_notebook("# %%\nz = 0\n\n" + script).cells]
    assert len(set(before)) == 3
    assert after[1:] == before


def test_windows_line_ends_give_the_same_notebook(tmp_path: Path) -> None:
    from xmr_lib.course.source import read_script

    unix, dos = tmp_path / "a.py", tmp_path / "b.py"
    unix.write_bytes(GOOD.encode())
    dos.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert dumps(to_notebook(read_script(unix))) == dumps(to_notebook(read_script(dos)))


def test_script_without_cells_is_refused() -> None:
    with pytest.raises(InvalidInput, match="holds no cells"):
        to_notebook("x = 1\n")


def test_only_known_lessons_can_be_chosen(lesson: tuple[Path, Path]) -> None:
    source, _ = lesson
    (source.parent / "_template.py").write_text("# %%\n", encoding="utf-8")
    assert find_sources(source.parent) == [source]
    assert find_sources(source.parent, ["02"]) == find_sources(source.parent, ["02_sample"]) == [source]
    with pytest.raises(UnknownName, match="02_sample"):
        find_sources(source.parent, ["99"])


def test_last_verified_line_goes_in_and_out() -> None:
    record = {"executed_on": "2026-01-31", "seconds": 9.6, "profile": "course", "versions": {"python": "3.12"}}
    text = "Time.\n\n<!-- last-verified -->\n\nMore."
    filled = fill_verified(text, record)
    assert "Last verified on 2026-01-31: 10 s, profile course, Python 3.12" in filled
    assert unfill_verified(filled) == text
    assert fill_verified("no mark", record) == "no mark"


@pytest.mark.notebook
def test_build_then_edit(lesson: tuple[Path, Path]) -> None:
    """One built lesson goes through everything that can happen to it: text edit, code edit, tampering, failure."""
    source, target = lesson
    assert "is not built yet" in check_lesson(source, target)[0]
    assert build_lesson(source, target) == "executed"
    assert check_lesson(source, target) == []
    built = read_notebook(target)
    assert "Verified: <!-- last-verified -->20" in built.cells[0].source
    assert output_problems(built) == []
    assert code_cells(built)[-1].outputs[0].text == "seed 0\n"
    assert set(built.metadata.xmr) >= {"source_sha256", "code_sha256", "profile", "executed_on", "seconds", "versions"}
    assert build_lesson(source, target) == "fresh"

    source.write_text(GOOD.replace("# # Sample", "# # Renamed"), encoding="utf-8")
    assert "cells differ from the source: 1." in check_lesson(source, target)[0]
    assert build_lesson(source, target) == "text"  # outputs are kept, nothing runs
    assert check_lesson(source, target) == []
    assert code_cells(read_notebook(target))[-1].outputs == code_cells(built)[-1].outputs

    kept = target.read_text(encoding="utf-8")
    tampered = json.loads(kept)
    tampered["cells"][-1]["outputs"][0]["text"] = ["seed 1\n"]
    target.write_text(json.dumps(tampered), encoding="utf-8")
    assert any("outputs were changed after the build" in line for line in check_lesson(source, target))

    # the code is edited in the source and in the notebook: cells agree, but the outputs are those of the old code
    edited = GOOD.replace("# # Sample", "# # Renamed").replace('"seed", SEED', '"SEED", SEED')
    forged = json.loads(kept)
    forged["cells"][-1]["source"] = ['print("SEED", SEED)']
    target.write_text(json.dumps(forged), encoding="utf-8")
    source.write_text(edited, encoding="utf-8")
    assert any("outputs were made by other code" in line for line in check_lesson(source, target))

    target.write_text(kept, encoding="utf-8")
    source.write_text(edited + "\n# %%\n1 / 0\n", encoding="utf-8")
    with pytest.raises(LessonFailed, match=r"02_sample stopped in cell \[4\] \('1 / 0'\) with ZeroDivisionError"):
        build_lesson(source, target)
    assert target.read_text(encoding="utf-8") == kept, "a lesson that fails must leave the old notebook"
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.notebook
def test_warnings_on_stderr_are_not_kept(lesson: tuple[Path, Path]) -> None:
    source, target = lesson
    source.write_text('# %%\nimport warnings\n\nwarnings.warn("old", UserWarning)\n', encoding="utf-8")
    with pytest.raises(LessonFailed, match="wrote on stderr"):
        build_lesson(source, target)
    assert not target.exists()


def test_damaged_notebook_is_named(lesson: tuple[Path, Path]) -> None:
    source, target = lesson
    target.write_text('{"cells": [', encoding="utf-8")
    assert "cannot be read as a notebook" in check_lesson(source, target)[0]
    target.write_text("{}", encoding="utf-8")
    assert "cannot be read as a notebook" in check_lesson(source, target)[0]


def test_check_command(
    lesson: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    source, _ = lesson
    monkeypatch.chdir(source.parents[2])
    assert notebooks.main(["build", "--check"]) == 1
    assert (
        "02_sample.ipynb is not built yet. Run: python -m xmr_lib.course.notebooks build 02" in capsys.readouterr().out
    )
    assert notebooks.main(["build", "07", "--check"]) == 2
    assert "There is no source named '07'" in capsys.readouterr().err
