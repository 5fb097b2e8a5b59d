"""The one training loop: for a single optimiser and for games of several players.

A network answers ``network(batch, player, progress)`` with the named terms that this player minimises. An ordinary
method has one player that owns all parameters. In an adversarial method each player owns its own part: a discriminator
takes its turn, then the encoders take theirs.

The loop runs on ``accelerate``: the same call trains on the CPU, on a GPU, or, started by ``accelerate launch``, in
several processes on one or more machines. Every process sees the same batches and takes its share of the rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn

from xmr_lib.checkpoints import read_checkpoint, restore_optimiser, write_checkpoint
from xmr_lib.errors import InvalidInput, TrainingDiverged, check_choice, check_positive
from xmr_lib.progress import progress as progress_bar

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Player:
    """Who moves which weights, and how: one AdamW optimiser (Adam, with ``weight_decay=0``).

    Attributes:
        parameters: The weights this player may change; or groups of them, as in
            ``torch.optim``: ``{"params": ..., "lr": ...}``.
        lr: Learning rate.
        betas: Decay of the two moments of Adam.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of the gradient, or None.
        schedule: Factor on the learning rate from the progress of the training, 0..1. None: always 1.
    """

    parameters: Sequence[Any]
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    clip: float | None = None
    schedule: Callable[[float], float] | None = None


@dataclass
class History:
    """What happened, epoch by epoch.

    Attributes:
        terms: Loss term -> its mean in every epoch. With several players the names read ``"player: term"``.
        validation: The validation score after every epoch; empty without ``validate``.
        best_epoch: The epoch (from 0) whose weights were kept, or None: the last.
        seconds: Training time, validation included.
        stopped_early: Whether patience ran out.
    """

    terms: dict[str, list[float]] = field(default_factory=dict)
    validation: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float = 0.0
    stopped_early: bool = False

    @property
    def epochs(self) -> int:
        """How many epochs ran."""
        return max((len(values) for values in self.terms.values()), default=0)


def accelerator_for(device: str = "auto", precision: str = "no", players: int = 1) -> Accelerator:
    """An ``Accelerator`` that does not remember earlier ones in the same notebook.

    Args:
        device: ``"auto"`` (a GPU where there is one) or ``"cpu"``.
        precision: ``"no"`` (float32), ``"bf16"`` or ``"fp16"``.
        players: With more than one, parts of the network get no gradient in some turns, and torch must be told.
    """
    check_choice(device, ("auto", "cpu"), "device")
    check_choice(precision, ("no", "bf16", "fp16"), "precision")
    AcceleratorState._reset_state(reset_partial_state="WORLD_SIZE" not in os.environ)
    wrapper = DistributedDataParallelKwargs(find_unused_parameters=players > 1, broadcast_buffers=False)
    return Accelerator(cpu=device == "cpu", mixed_precision=precision, kwargs_handlers=[wrapper])


def train(
    network: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    players: Mapping[str, Player],
    *,
    epochs: int,
    turns: Sequence[str] | None = None,
    validate: Callable[[], float] | None = None,
    patience: int | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "no",
    checkpoint: Path | None = None,
    description: str = "training",
) -> History:
    """Train ``network`` in place and give back its history; the network ends on the CPU, in evaluation mode.

    Args:
        network: ``network(batch, player, progress)`` gives {term: scalar tensor}, weights included; their sum is
            minimised by the player whose turn it is.
        batches: Epoch number -> its batches, dicts of tensors with equal first dimensions.
        players: By name. ``{"all": Player(network.parameters(), lr=1e-3)}`` for an ordinary method.
        epochs: At most so many.
        turns: Whose turn it is, in order, for every batch; a name may come several times. Default: each player once.
        validate: Score of the network as it is now, larger = better, computed on validation pairs. The weights of the
            best epoch are kept.
        patience: Stop after so many epochs without a better score. None: never.
        seed: Dropout and other draws inside the network; batches have their own.
        device, precision: See :func:`accelerator_for`.
        checkpoint: A file that is written after every epoch and that a later call goes on from.
        description: For the progress bar and for error messages.

    Raises:
        TrainingDiverged: A loss term is NaN or infinite; the message names it.
        InvalidInput: An unknown player in ``turns``, patience without ``validate``, or a checkpoint of another run.
    """
    check_positive(epochs, "epochs")
    if patience is not None and validate is None:
        raise InvalidInput("patience needs a validation score. Pass validation pairs to fit, or patience=None.")
    turns = tuple(turns or players)
    for name in turns:
        check_choice(name, players, "player")
    loop = _Loop(network, players, accelerator_for(device, precision, len(players)), epochs, seed, description)
    start = loop.resume(checkpoint, epochs)
    with torch.random.fork_rng(), progress_bar(total=epochs, initial=start, desc=description) as bar:
        for epoch in range(start, epochs):
            if loop.history.stopped_early:
                break
            began = perf_counter()
            loop.run_epoch(epoch, batches(epoch), turns)
            if validate is not None:
                loop.keep_the_best(epoch, _score(network, validate), patience)
            loop.history.seconds += perf_counter() - began
            loop.save(checkpoint, epoch)
            bar.set_postfix({name: f"{values[-1]:.3g}" for name, values in loop.history.terms.items()})
            bar.update()
    return loop.finish()


def _score(network: nn.Module, validate: Callable[[], float]) -> float:
    network.eval()
    with torch.inference_mode():
        return float(validate())


class _Loop:
    """The state of one run; :func:`train` reads top to bottom with it."""

    def __init__(
        self,
        network: nn.Module,
        players: Mapping[str, Player],
        accelerator: Accelerator,
        epochs: int,
        seed: int,
        description: str,
    ) -> None:
        self.network, self.players, self.accelerator = network, players, accelerator
        self.epochs, self.seed, self.description = epochs, seed, description
        self.history = History()
        self.best: dict[str, Tensor] = {}
        self.model = accelerator.prepare(network)
        fused = accelerator.device.type in ("cpu", "cuda")
        self.optimisers = {
            name: accelerator.prepare(
                torch.optim.AdamW(
                    list(player.parameters), player.lr, player.betas, weight_decay=player.weight_decay, fused=fused
                )
            )
            for name, player in players.items()
        }

    def run_epoch(self, epoch: int, batches: Iterable[Batch], turns: Sequence[str]) -> None:
        """All batches of one epoch; the means of the terms go into the history."""
        torch.manual_seed((self.seed * 100_003 + epoch) * 1_009 + self.accelerator.process_index)
        self.model.train()
        sums: dict[str, Tensor] = {}
        count = 0
        batches = list(batches)
        for number, batch in enumerate(batches):
            done = (epoch + number / len(batches)) / self.epochs
            share = self._own_rows(batch)
            for name in turns:
                terms = self.model(share, name, done)
                self._step(name, terms, done, f"epoch {epoch + 1}, batch {number + 1}")
                for term, value in terms.items():
                    key = term if len(self.players) == 1 else f"{name}: {term}"
                    sums[key] = sums.get(key, 0) + value.detach() / turns.count(name)
            count += 1
        for key, value in sums.items():
            mean = self.accelerator.reduce(value / count, "mean")
            self.history.terms.setdefault(key, []).append(float(mean))

    def _own_rows(self, batch: Batch) -> Batch:
        """This process's share of a batch: every k-th row of k processes."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        return {key: value[rank::world].to(self.accelerator.device) for key, value in batch.items()}

    def _step(self, name: str, terms: Mapping[str, Tensor], done: float, when: str) -> None:
        player, optimiser = self.players[name], self.optimisers[name]
        loss = sum(terms.values(), torch.zeros((), device=self.accelerator.device))
        if not torch.isfinite(loss):
            bad = [term for term, value in terms.items() if not torch.isfinite(value)]
            raise TrainingDiverged(
                f"{self.description}: the loss term {' and '.join(bad or ['sum'])!r} of player {name!r} became NaN or "
                f"infinite in {when}. Lower the learning rate (it is {player.lr:g}), clip the gradient, or look for a "
                "square root or a logarithm at 0 in that term."
            )
        if player.schedule is not None:
            for group in optimiser.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * player.schedule(done)
        optimiser.zero_grad()
        self.accelerator.backward(loss)
        if player.clip is not None:
            self.accelerator.clip_grad_norm_(_flat(player.parameters), player.clip)
        optimiser.step()

    def keep_the_best(self, epoch: int, score: float, patience: int | None) -> None:
        """Remember the weights of the best epoch so far, and whether patience has run out."""
        history = self.history
        history.validation.append(score)
        if history.best_epoch is None or score > history.validation[history.best_epoch]:
            history.best_epoch = epoch
            self.best = {key: value.detach().cpu().clone() for key, value in self.network.state_dict().items()}
        history.stopped_early = patience is not None and epoch - history.best_epoch >= patience

    def _settings(self) -> dict[str, Any]:
        return {"seed": self.seed, "epochs": self.epochs, "players": {n: p.lr for n, p in self.players.items()}}

    def save(self, checkpoint: Path | None, epoch: int) -> None:
        """Write the checkpoint, in the main process only."""
        if checkpoint is not None and self.accelerator.is_main_process:
            state = {"settings": self._settings(), "epoch": epoch, "history": asdict(self.history)}
            groups = {"network": self.network.state_dict(), "best": self.best}
            write_checkpoint(checkpoint, groups, self.optimisers, state)

    def resume(self, checkpoint: Path | None, epochs: int) -> int:
        """Go on from the checkpoint where there is one; the first epoch to run."""
        if checkpoint is None or not checkpoint.is_file():
            return 0
        groups, optimisers, state = read_checkpoint(checkpoint)
        if state["settings"] != self._settings():
            raise InvalidInput(
                f"The checkpoint {checkpoint} belongs to a run with {state['settings']}, but this one has "
                f"{self._settings()}. Delete the file, or use the old settings."
            )
        self.network.load_state_dict(groups["network"])
        self.best = groups.get("best", {})
        for name, optimiser in self.optimisers.items():
            restore_optimiser(optimiser, optimisers.get(name, {}))
        self.history = History(**state["history"])
        return int(state["epoch"]) + 1

    def finish(self) -> History:
        """Put the best weights back."""
        if self.best:
            self.network.load_state_dict(self.best)
        self.network.to("cpu").eval()
        return self.history


def _flat(parameters: Sequence[Any]) -> list[Tensor]:
    """All tensors of a list of parameters or of parameter groups."""
    return [p for entry in parameters for p in (entry["params"] if isinstance(entry, dict) else [entry])]
