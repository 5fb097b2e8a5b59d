"""The benchmarks run from start to end and their implementations agree (speed is judged only at full size)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
PEERS = {"metrics": "torchmetrics", "hashing": "faiss"}  # packages that not everybody has


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A benchmark as a module, so that a row of it can be replaced."""
    monkeypatch.syspath_prepend(FOLDER)  # where python puts the folder of a script it runs
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "judged", "shown"),
    [
        ("metrics", 2, 4),
        ("cca", 1, 1),
        ("training", 6, 3),
        ("towers", 2, 2),
        ("clip_search", 1, 1),
        ("hashing", 4, 4),
        ("hashing_from_pixels", 1, 1),
    ],
)
def test_quick_run_as_a_reader_starts_it(name: str, judged: int, shown: int, tmp_path: Path) -> None:
    if name in PEERS:
        pytest.importorskip(PEERS[name])
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--quick"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("PASS") == judged
    assert done.stdout.count("not judged") == shown
    assert "one thread" in done.stdout


@pytest.mark.parametrize(
    ("name", "row", "wrong"),
    [
        ("metrics", "one_loop", 0.5),
        ("metrics", "expected_by_float_sort", 0.5),
        ("cca", "ours", np.array([0.9, 0.8, 0.7, 0.6])),
        ("training", "loss_gap", 1e-4),
        ("training", "score_as_released", 0.9),
        ("towers", "loss_gap", 1e-4),
        ("clip_search", "guessing", 99.0),
        ("towers", "way_gap", 1e-3),
        ("hashing", "product_search", np.zeros((60, 100))),
        ("hashing", "our_map", 0.5),
        ("hashing_from_pixels", "gap_of_frozen", 0.1),
    ],
)
def test_a_wrong_result_fails(
    name: str, row: str, wrong: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in PEERS:
        pytest.importorskip(PEERS[name])
    benchmark = load(name, monkeypatch)
    monkeypatch.setattr(benchmark, row, lambda *arguments: wrong)
    assert benchmark.main(["--quick"]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_slow_is_a_failure_only_when_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    timing = importlib.import_module("_timing")
    slow = {judged: timing.Demand.faster("", slow=1.9, fast=0.1, least=20.0, judged=judged) for judged in (True, False)}
    assert not slow[True].good
    assert timing.verdict([slow[True]]) == 1
    assert timing.verdict([slow[False]]) == 0
    assert timing.verdict([timing.Demand.faster("", slow=2.1, fast=0.1, least=20.0, judged=True)]) == 0


def test_the_interval_of_a_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine repeats: from the second smallest to the second largest, which all have to be fast enough."""
    monkeypatch.syspath_prepend(FOLDER)
    timing = importlib.import_module("_timing")
    ratios = [0.5, 1.1, 1.2, 1.2, 1.3, 1.4, 1.4, 1.5, 9.0]
    assert timing.ratio_interval(ratios, [1.0] * 9) == (1.3, 1.1, 1.5)
    assert timing.ratio_interval([3.0, 1.0], [1.0, 1.0]) == (2.0, 1.0, 3.0)
    assert timing.Demand.surely_faster("", ratios, [1.0] * 9, least=1.0, judged=True).good
    assert not timing.Demand.surely_faster("", ratios, [1.0] * 9, least=1.15, judged=True).good
    turns = timing.interleaved({"a": lambda: None, "b": lambda: sum(range(10_000))}, repeats=3)
    assert [len(times) for times in turns.values()] == [3, 3]
    assert min(turns["b"]) > max(turns["a"])


def test_the_way_on_a_gpu_runs_on_the_cpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    towers = load("towers", monkeypatch)
    many = towers.random_task(towers.SMALL_IMAGE, towers.SMALL_TEXT, dim=8, batch=4, batches=3)
    table = towers.on_device("cpu", many, many.first(1), size=64)
    assert "cpu, bfloat16, batch 4" in table
    assert table.count("%") == 2


def test_one_thread_is_one_thread_and_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    from threadpoolctl import threadpool_info

    monkeypatch.syspath_prepend(FOLDER)
    timing = importlib.import_module("_timing")
    before = [library["num_threads"] for library in threadpool_info()]
    with timing.one_thread():
        assert {library["num_threads"] for library in threadpool_info()} == {1}
    assert [library["num_threads"] for library in threadpool_info()] == before
