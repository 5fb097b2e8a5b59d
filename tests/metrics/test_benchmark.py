"""The benchmark runs from start to end and its implementations agree (speed is judged only at full size)."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "metrics.py"


@pytest.fixture
def benchmark():
    pytest.importorskip("torchmetrics")
    spec = importlib.util.spec_from_file_location("benchmark_metrics", SCRIPT)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    return benchmark


def test_quick_benchmark_agrees(benchmark, capsys):
    assert benchmark.main(["--quick"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("PASS") == 2
    assert printed.count("not judged") == 4


def test_a_wrong_result_fails_the_benchmark(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "one_loop", lambda similarity, relevance: 0.5)
    assert benchmark.main(["--quick"]) == 1
    assert "FAIL" in capsys.readouterr().out
