"""Dual towers in two processes: gradients, running statistics and training as in one; and the command line."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xmr_lib.methods.dual_tower import CLIP

pytestmark = pytest.mark.slow  # starting processes takes seconds
SCRIPT = Path(__file__).parent / "two_towers.py"
TORCHRUN = ["torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
ACCELERATE = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]


def start(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", **environment}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Number of processes -> the folder with their results."""
    if sys.platform == "win32":
        pytest.skip("torchrun needs a build of PyTorch with libuv, which Windows wheels lack")
    folders = {k: tmp_path_factory.mktemp(f"towers{k}") for k in (1, 2)}
    runpy.run_path(str(SCRIPT))["main"](folders[1])
    start("-m", *TORCHRUN, str(SCRIPT), str(folders[2]))
    return folders


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("method", ["clip", "align"])
@pytest.mark.parametrize("rows", [10, 5])
@pytest.mark.parametrize("rank", [0, 1])
def test_gradients_are_those_of_one_process(runs: dict[int, Path], method: str, rows: int, rank: int) -> None:
    """Also for 5 rows, which are shared as 3 and 2; the running statistics of the batch norms are among them."""
    one = load_file(runs[1] / f"{method}-{rows}-0.safetensors")
    two = load_file(runs[2] / f"{method}-{rows}-{rank}.safetensors")
    assert any("running_var" in name for name in one)
    for name, value in one.items():
        if not name.endswith("key.bias"):  # which moves nothing: the softmax forgets what all its inputs share
            assert value.abs().max() > 1e-4, f"{name}: a gradient of 0 would prove nothing"
    assert largest_difference(one, two) < 1e-5


def test_without_gathering_they_are_not(runs: dict[int, Path]) -> None:
    """The control: 5 images have 4 strangers as negatives, 10 have 9. One process does not notice."""
    whole, alone = (load_file(runs[1] / f"{run}-10-0.safetensors") for run in ("clip", "alone"))
    assert largest_difference(whole, alone) == 0
    assert largest_difference(whole, load_file(runs[2] / "alone-10-0.safetensors")) > 1e-2


def test_training_ends_at_the_same_weights(runs: dict[int, Path]) -> None:
    """Batches of 7 and 6 images. Adam makes a full step of any gradient, also of the rounding errors of a 0."""
    one = load_file(runs[1] / "trained-0.safetensors")
    two, other = (load_file(runs[2] / f"trained-{rank}.safetensors") for rank in (0, 1))
    assert largest_difference(two, other) == 0
    for name, value in one.items():
        if not name.endswith("key.bias"):
            assert (two[name] - value).float().abs().mean() < 1e-5, name
    similarities = [load_file(runs[k] / "similarity-0.safetensors")["similarity"] for k in (1, 2)]
    np.testing.assert_allclose(*similarities, atol=1e-4)


def test_accelerate_launch_trains_with_the_command_line(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("accelerate's launcher is torchrun")
    out, cache = tmp_path / "clip", str(tmp_path / "cache")
    command = ["xmr_lib.cli", "train", "clip", "scenes", "--profile", "smoke", "--device", "cpu", "--out", str(out)]
    done = start("-m", *ACCELERATE, "-m", *command, XMR_CACHE_DIR=cache)
    assert "in 2 processes" in done.stdout
    assert done.stdout.count("R@10") == 1, "only the main process prints"
    trained = CLIP.load(out)
    assert trained.history_.terms["contrastive"]
