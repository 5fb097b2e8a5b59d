"""Training what lessons load: which lessons, and what is said about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmr_lib.course import models

ROOT = Path(__file__).resolve().parents[2]


def course(folder: Path, *cells: str) -> Path:
    """A course of small lessons, one cell each."""
    source = folder / "notebooks" / "src"
    source.mkdir(parents=True)
    (folder / "xmr_lib").mkdir()
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    for number, cell in enumerate(cells):
        (source / f"{number:02d}_lesson.py").write_text(f"# %% [markdown]\n# # Lesson\n\n# %%\n{cell}\n")
    return folder


def test_which_lessons() -> None:
    names = [path.stem for path in models.lessons_with_stored_fits(ROOT / "notebooks" / "src")]
    assert "06_dual_tower_contrastive" in names
    assert "02_subspace_cca" not in names


@pytest.mark.notebook
def test_only_those_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = course(tmp_path, "1 / 0", "open('ran.txt', 'w').write('fit_or_load')")
    monkeypatch.setattr(models, "course_root", lambda: root)
    assert models.main(["--profile", "smoke"]) == 0
    assert (root / "notebooks" / "ran.txt").read_text() == "fit_or_load"
    assert "01_lesson: ready after" in capsys.readouterr().out
    (root / "notebooks" / "src" / "01_lesson.py").write_text("# %%\nfit_or_load\n")
    assert models.main(["--profile", "smoke"]) == 1
    assert "NameError" in capsys.readouterr().err
