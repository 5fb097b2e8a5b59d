"""Two processes on the CPU do what one does: equal weights, one history, one writer of the checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xmr_lib.processes import accelerator_for, agree, own_share, seeded

pytestmark = pytest.mark.slow  # starting processes takes seconds
SCRIPT = Path(__file__).parent / "two_processes.py"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Number of processes -> the folder with their results."""
    if sys.platform == "win32":
        pytest.skip("torchrun needs a build of PyTorch with libuv, which Windows wheels lack")
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    folders = {k: tmp_path_factory.mktemp(f"processes{k}") for k in (1, 2)}
    for k, folder in folders.items():
        command = [sys.executable, *(launch if k == 2 else []), str(SCRIPT), str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    return folders


@pytest.mark.parametrize("run", ["single", "game"])
@pytest.mark.parametrize("rank", [0, 1])
def test_same_weights_as_one_process(runs: dict[int, Path], run: str, rank: int) -> None:
    """``single`` has batches of 11 rows, which two processes share as 6 and 5: the weighted mean is exact there too."""
    one = load_file(runs[1] / f"{run}-0.safetensors")
    two = load_file(runs[2] / f"{run}-{rank}.safetensors")
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-5, err_msg=name)
    histories = [json.loads((runs[k] / f"{run}-{r}.json").read_text()) for k, r in ((1, 0), (2, rank))]
    for term, values in histories[0]["terms"].items():
        np.testing.assert_allclose(histories[1]["terms"][term], values, atol=1e-5)
    np.testing.assert_allclose(histories[1]["validation"], histories[0]["validation"], atol=1e-5)
    assert histories[1]["best_epoch"] == histories[0]["best_epoch"]


def test_processes_agree_to_the_last_bit_even_with_a_batch_norm(runs: dict[int, Path]) -> None:
    a, b = (load_file(runs[2] / f"norm-{rank}.safetensors") for rank in (0, 1))
    assert any("running" in name for name in a)
    for name in a:
        assert torch.equal(a[name], b[name]), name
    assert (runs[2] / "norm-0.json").read_text() == (runs[2] / "norm-1.json").read_text()


def test_only_the_main_process_writes_the_checkpoint(runs: dict[int, Path]) -> None:
    main, other = (json.loads((runs[2] / f"writes-{rank}.json").read_text()) for rank in (0, 1))
    assert main == ["single.checkpoint"] * 4 + ["game.checkpoint"] * 4 + ["norm.checkpoint"] * 4
    assert other == []


def test_fewer_rows_than_processes_are_refused_in_each(runs: dict[int, Path]) -> None:
    for rank in (0, 1):
        message = (runs[2] / f"refused-{rank}.txt").read_text()
        assert message == "A batch of 1 rows cannot be shared by 2 processes. Take larger batches."
    assert not list(runs[1].glob("refused*"))


def test_one_process_gets_the_batch_itself() -> None:
    accelerator = accelerator_for("cpu")
    batch = {"x": torch.ones(3, 2)}
    share, weight = own_share(batch, accelerator)
    assert share is batch
    assert weight == 1.0
    assert agree(0.25, accelerator) == 0.25


def test_seeded_draws() -> None:
    before = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(4)
    with seeded(3):
        assert torch.equal(torch.rand(4), first)
    assert torch.equal(torch.get_rng_state(), before)
