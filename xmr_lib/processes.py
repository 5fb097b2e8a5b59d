"""What a training run needs from ``accelerate``: a device, and an understanding between several processes.

Started plainly there is one process, and everything here costs nothing. There are k of them, each with a copy of the
network, when a script is started by

    accelerate launch --multi_gpu --num_processes 2 script.py          one GPU each
    torchrun --standalone --nproc-per-node 2 script.py                 the same; without GPUs, on the CPU

(``accelerate launch --cpu`` starts one process only.) Every process sees the same batches and takes the rows r, r + k,
r + 2k, ... of each; after every backward pass the gradients are averaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, broadcast
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput, check_choice

Batch = dict[str, Tensor]
CPU = torch.device("cpu")


def accelerator_for(device: str = "auto", precision: str = "no") -> Accelerator:
    """An ``Accelerator`` that does not remember earlier ones in the same notebook.

    Args:
        device: ``"auto"`` (a GPU where there is one) or ``"cpu"``.
        precision: ``"no"`` (float32), ``"bf16"`` or, on a GPU, ``"fp16"``.

    Raises:
        UnknownName: Another device or precision.
        InvalidInput: This device cannot compute in that precision.
    """
    check_choice(device, ("auto", "cpu"), "device")
    check_choice(precision, ("no", "bf16", "fp16"), "precision")
    AcceleratorState._reset_state(reset_partial_state="WORLD_SIZE" not in os.environ)
    # A player's turn, or a loss term that is switched off, leaves some weights without a gradient.
    wrapper = DistributedDataParallelKwargs(find_unused_parameters=True)
    try:
        accelerator = Accelerator(cpu=device == "cpu", mixed_precision=precision, kwargs_handlers=[wrapper])
    except ValueError as error:
        raise InvalidInput(f"precision={precision!r} does not work here: {error} Use 'bf16' or 'no'.") from error
    if precision == "fp16" and accelerator.device.type == "cpu":  # accelerate would quietly compute in float32
        raise InvalidInput("precision='fp16' needs a GPU, and there is none. Use 'bf16' or 'no'.")
    return accelerator


def own_share(batch: Batch, accelerator: Accelerator) -> tuple[Batch, float]:
    """This process's rows of a batch, on its device, and the weight of a mean over them.

    With weight = rows here * processes / rows in all, the average over the processes of weighted means over rows is
    the mean over all rows, also where the rows do not divide evenly. A term without rows (a weight penalty) keeps its
    value too, since the weights average 1. A term that compares rows with each other sees this process's rows only.

    Raises:
        InvalidInput: Fewer rows than processes.
    """
    world, device = accelerator.num_processes, accelerator.device
    if world == 1:
        return (batch if device == CPU else {key: value.to(device) for key, value in batch.items()}), 1.0
    rows = len(next(iter(batch.values())))
    if rows < world:
        raise InvalidInput(f"A batch of {rows} rows cannot be shared by {world} processes. Take larger batches.")
    share = {key: value[accelerator.process_index :: world].to(device) for key, value in batch.items()}
    return share, len(next(iter(share.values()))) * world / rows


def means(values: Sequence[Sequence[Tensor]], accelerator: Accelerator) -> list[float]:
    """Mean of each list of scalars, over all processes."""
    stacked = torch.stack([torch.stack(list(row)).float().mean() for row in values])
    averaged: list[float] = accelerator.reduce(stacked, "mean").tolist()
    return averaged


def agree(value: float, accelerator: Accelerator) -> float:
    """The main process's value, in every process: decisions that follow from it cannot differ."""
    if accelerator.num_processes == 1:
        return value
    return float(broadcast(torch.tensor(value, dtype=torch.float64, device=accelerator.device)))


def share_buffers(network: nn.Module, accelerator: Accelerator) -> None:
    """The main process's buffers (running statistics of a batch norm), in every process."""
    if accelerator.num_processes > 1:
        for buffer in network.buffers():
            buffer.copy_(broadcast(buffer.clone()))


@contextmanager
def seeded(seed: int, device: torch.device = CPU) -> Iterator[None]:
    """Inside, torch draws from ``seed``; outside, its random numbers go on as if nothing had happened."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.random.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield
