"""The progress bar shows when somebody watches, and is silent on request."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xmr_lib.progress import progress

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("value", "silent"), [("1", True), ("0", False), ("", False), (None, False)])
def test_silent_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str | None, silent: bool
) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if value is not None:
        monkeypatch.setenv("TQDM_DISABLE", value)
    assert list(progress(range(3), desc="letters", delay=0)) == [0, 1, 2]
    assert ("letters" in capsys.readouterr().err) != silent


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with progress(total=2) as bar:
        bar.update(2)
    assert capsys.readouterr().err == ""


def test_the_library_has_no_other_bar() -> None:
    users = [p.name for p in (ROOT / "xmr_lib").rglob("*.py") if re.search(r"\btqdm\.\w+ import", p.read_text("utf-8"))]
    assert users == ["progress.py"]
