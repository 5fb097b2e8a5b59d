"""Faults a learner meets, seen from outside: wrong use gets one sentence, a damaged cache repairs itself.

``make faults`` prints each command with its answer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def environment(folder: Path, **more: str) -> dict[str, str]:
    """An empty cache, no benchmark data, the smallest profile."""
    own = {"XMR_CACHE_DIR": str(folder / "cache"), "XMR_DATA_DIR": str(folder / "nothing"), "XMR_PROFILE": "smoke"}
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "PYTHONUTF8": "1", **own, **more}


def xmr(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line and show what it said."""
    command = [sys.executable, "-m", "xmr_lib.cli", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(folder, **more),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    settings = "".join(f"{name}={value} " for name, value in more.items())
    shown = " ".join(f'"{word}"' if " " in word or not word else word for word in arguments)
    print(f"\n$ {settings}xmr {shown}\n{(done.stdout + done.stderr).strip()}\n[exit {done.returncode}]")
    return done


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["search", ""], 2, "query is empty"),
        (["search", "red fruit", "-k", "-3"], 2, "at least 1"),
        (["search", "red fruit", "--dataset", "emojis"], 2, "Did you mean 'emoji'?"),
        (["search", "red fruit", "--image", "no-such.png"], 2, "Give either"),
        (["data", "show", "photographs"], 2, "The choices are"),
        (["data", "show", "wikipedia"], 1, "XMR_DATA_DIR"),
        (["data", "build", "emoji", "--text", "bert"], 2, "There is no text encoder named 'bert'"),
        (["run", "99"], 2, "99"),
        (["grade", "no-such.ipynb"], 2, "There is no file"),
        (["serch", "red fruit"], 2, "serch"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_one_clear_sentence(tmp_path: Path, arguments: list[str], status: int, words: str) -> None:
    done = xmr(tmp_path, *arguments)
    assert done.returncode == status
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_unknown_profile(tmp_path: Path) -> None:
    done = xmr(tmp_path, "run", "00", XMR_PROFILE="huge")
    assert done.returncode == 2
    assert "There is no profile named 'huge'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_killed_build_and_truncated_file(tmp_path: Path) -> None:
    """Kill a feature build half-way; build again; cut the file in half; build again."""
    build = ("data", "build", "scenes", "--text", "bow")  # the cheap text encoder keeps the test short
    features = tmp_path / "cache" / "features"
    command = [sys.executable, "-m", "xmr_lib.cli", *build]
    killed = subprocess.Popen(
        command, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(features.glob("*.lock")) and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert killed.poll() is None, "the build was over before it could be killed"
    killed.kill()
    killed.wait()
    assert list(features.glob("*.safetensors")) == []
    print(f"\n$ xmr {' '.join(build)}\n[killed while it was encoding; complete files in the cache: none]")

    done = xmr(tmp_path, *build)
    assert done.returncode == 0
    files = sorted(features.glob("*.safetensors"))
    assert len(files) == 2, "one for the pictures, one for the captions"
    before = [file.read_bytes() for file in files]

    captions = next(file for file in files if "bow" in file.name)
    os.truncate(captions, captions.stat().st_size // 2)
    print(f"\n[{captions.name} cut in half]")
    done = xmr(tmp_path, *build)
    assert done.returncode == 0
    assert "damaged" in done.stderr
    assert [len(file.read_bytes()) for file in files] == [len(content) for content in before]

    done = xmr(tmp_path, *build)
    assert done.returncode == 0
    assert done.stderr == ""
