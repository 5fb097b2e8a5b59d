"""What a training run needs from ``accelerate``: a device, and an understanding between several processes.

Started plainly there is one process, and everything here costs nothing. There are k of them, each with a copy of the
network, when the same command line is started in one of these ways (here with k = 2):

    torchrun --standalone --nproc-per-node 2 -m xmr_lib.cli train clip scenes
    accelerate launch --multi_gpu --num_processes 2 -m xmr_lib.cli train clip scenes

Both start two processes; each takes a GPU of its own, or, where there is none, they share the CPU. (The name
``--multi_gpu`` misleads: it is what makes ``accelerate launch`` start several processes. With ``--cpu`` it starts one,
whatever ``--num_processes`` says.) On several machines, for example two with four GPUs each, the command is started on
each of them, r = 0 or 1, and finds the others through the first:

    torchrun --nnodes 2 --node-rank r --nproc-per-node 4 --master-addr FIRST --master-port 29500 -m xmr_lib.cli ...
    accelerate launch --multi_gpu --num_machines 2 --machine_rank r --num_processes 8 --main_process_ip FIRST
        --main_process_port 29500 -m xmr_lib.cli ...                                              (all on one line)

Every process sees the same batches and takes the rows r, r + k, r + 2k, ... of each; after every backward pass the
gradients are averaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as distributed
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
        device: ``"auto"`` (a GPU where there is one; several processes without CUDA share the CPU) or ``"cpu"``.
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
    # Told nothing, accelerate would let each of several processes without CUDA train on its own.
    cpu = device == "cpu" or (int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.cuda.is_available())
    try:
        accelerator = Accelerator(cpu=cpu, mixed_precision=precision, kwargs_handlers=[wrapper])
    except ValueError as error:
        raise InvalidInput(f"precision={precision!r} does not work here: {error} Use 'bf16' or 'no'.") from error
    if precision == "fp16" and accelerator.device.type == "cpu":  # accelerate would quietly compute in float32
        raise InvalidInput("precision='fp16' needs a GPU, and there is none. Use 'bf16' or 'no'.")
    return accelerator


def own_share(batch: Batch, accelerator: Accelerator) -> tuple[Batch, float]:
    """This process's rows of a batch, on its device, and the weight of a mean over them.

    With weight = rows here * processes / rows in all, the average over the processes of weighted means over rows is
    the mean over all rows, also where the rows do not divide evenly. A term without rows (a weight penalty) keeps its
    value too, since the weights average 1. A term that compares rows with each other sees this process's rows only,
    unless it gathers the others first (:func:`gather_rows`).

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


def world_size() -> int:
    """How many processes share this run."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def is_main_process() -> bool:
    """Whether this process is the one that prints and writes; true where there is only one."""
    return int(os.environ.get("RANK", "0")) == 0


def leave() -> None:
    """The end of the joint work: from here on every process is on its own.

    The wrapper that averages gradients sends a last message without waiting for it; a process that ends meanwhile is
    aborted. So all wait for each other here.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def sum_over_processes(x: Tensor) -> Tensor:
    """The sum of ``x`` over all processes, in each of them; gradients flow back to every one."""
    if world_size() == 1:
        return x
    summed: Tensor = _Sum.apply(x)
    return summed


class _Sum(torch.autograd.Function):
    """Every process's ``x`` is in every process's sum: its gradient is the sum of the gradients of all of them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        summed = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed


def gather_rows(x: Tensor) -> Tensor:
    """The rows of all processes in the order of the undivided batch (:func:`own_share`), gradients included.

    A loss that compares rows, computed on the gathered rows in every process, has the gradient of one process with the
    whole batch: each process gets what all copies of the loss say about its own rows, and the training loop averages.
    Rows are added into a matrix of zeros, so that shares may differ by a row; this moves about twice the bytes of an
    all-gather.

    Args:
        x: (rows here, ...) of any type.

    Returns:
        (rows of all processes, ...); ``x`` itself where there is one process.
    """
    world = world_size()
    if world == 1:
        return x
    total = int(sum_over_processes(torch.tensor(len(x), device=x.device)))
    whole = x.new_zeros(total, *x.shape[1:])
    whole[distributed.get_rank() :: world] = x
    return sum_over_processes(whole)


def own_rows(total: int) -> range:
    """Which of ``total`` gathered rows (:func:`gather_rows`) are this process's own."""
    world = world_size()
    return range(distributed.get_rank() if world > 1 else 0, total, world)


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
