"""The one training loop: for a single optimiser and for games of several players.

A network answers ``network(batch, player, progress)`` with the named terms that this player minimises. An ordinary
method has one player that owns all parameters. In an adversarial method each player owns its own part: a discriminator
takes its turn, then the encoders take theirs.

The loop runs on ``accelerate``: the same call trains on the CPU, on a GPU, or in several processes on one or
more machines (:mod:`xmr_lib.processes` says how to start them and how they share the work).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from xmr_lib.checkpoints import check_fits, read_checkpoint, restore_optimiser, write_checkpoint
from xmr_lib.errors import InvalidInput, TrainingDiverged, check_choice, check_positive
from xmr_lib.players import History, Player
from xmr_lib.processes import Batch, accelerator_for, agree, means, own_share, seeded, share_buffers
from xmr_lib.progress import progress as progress_bar

__all__ = ["Batch", "History", "Player", "Turns", "accelerator_for", "train"]

Turns = Sequence[str] | Callable[[float], Sequence[str]]


def train(
    network: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    players: Mapping[str, Player],
    *,
    epochs: int,
    turns: Turns | None = None,
    after_epoch: Callable[[float], None] | None = None,
    validate: Callable[[], float] | None = None,
    patience: int | None = None,
    watch: Callable[[], Mapping[str, float]] | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "no",
    checkpoint: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    description: str = "training",
) -> History:
    """Train ``network`` in place and give back its history; the network ends on the CPU, in evaluation mode.

    The same seed gives the same weights; random numbers outside stay as they are.

    Args:
        network: ``network(batch, player, progress)`` gives {term: scalar tensor}, weights included; their sum is
            minimised by the player whose turn it is.
        batches: Epoch number -> its batches, dicts of tensors with equal first dimensions. The same number must give
            the same batches, in every process.
        players: By name. ``{"all": Player(network.parameters(), lr=1e-3)}`` for an ordinary method.
        epochs: At most so many.
        turns: Whose turn it is, in order, for every batch; a name may come several times. Or a function of the share of
            the epoch that is done, 0..1, that gives the names for the next batch: alternating methods train one tower
            in the first half of an epoch and the other in the second. Default: each player once.
        after_epoch: Called with the progress, 0..1, after the last batch of every epoch: what is not learnt by gradient
            changes here (binary codes in closed form, for example).
        validate: Score of the network as it is now, larger = better, computed on validation pairs. The weights of the
            best epoch are kept.
        patience: Stop after so many epochs without a better score. None: never.
        watch: Other numbers to write down after every epoch, by name; they end in ``history.watched``.
        seed: Dropout and other draws inside the network; batches have their own.
        device, precision: See :func:`xmr_lib.processes.accelerator_for`.
        checkpoint: A file that is written after every epoch and that a later call goes on from, to the same weights
            as without the break (to the last bit on the same CPU, in float32 or bf16). Several machines need a shared
            folder for it.
        settings: What else makes this run what it is (JSON values): a checkpoint with other settings is refused.
        description: For the progress bar and for error messages.

    Raises:
        TrainingDiverged: A loss term, a weight or the validation score is NaN or infinite; the message names it.
        InvalidInput: An unknown player in ``turns``, a player without weights, patience without ``validate``, an epoch
            without batches, or a checkpoint that is damaged or of another run.
    """
    check_positive(epochs, "epochs")
    if patience is not None and validate is None:
        raise InvalidInput("patience needs a validation score. Pass validation pairs to fit, or patience=None.")
    turn = turns if callable(turns) else (lambda _, order=tuple(turns or players): order)
    for share in (0.0, 0.5, 1.0):
        for name in turn(share):
            check_choice(name, players, "player")
    loop = _Loop(network, players, turn, accelerator_for(device, precision), epochs, seed, description)
    start = 0
    if checkpoint is not None:
        own = {"patience": patience, "validated": validate is not None, "precision": precision}
        loop.settings = {**(settings or {}), **loop.settings, **own, "batch": _fingerprint(batches(0))}
        start = loop.resume(Path(checkpoint))
    with progress_bar(total=epochs, initial=start, desc=description) as bar:
        for epoch in range(start, epochs):
            if loop.history.stopped_early:
                break
            began = perf_counter()
            with seeded(loop.seed_of(epoch), loop.accelerator.device):
                loop.run_epoch(epoch, batches(epoch))
                if after_epoch is not None:
                    with torch.no_grad():
                        after_epoch((epoch + 1) / epochs)
                if validate is not None:
                    loop.keep_the_best(epoch, validate, patience)
                if watch is not None:
                    loop.look(watch)
            loop.history.seconds += perf_counter() - began
            if checkpoint is not None:
                loop.save(Path(checkpoint), epoch)
            # refresh=False: otherwise tqdm would show the bar at once, however short the work
            bar.set_postfix({name: f"{values[-1]:.3g}" for name, values in loop.history.terms.items()}, refresh=False)
            bar.update()
    return loop.finish()


class _Loop:
    """The state of one run; :func:`train` reads top to bottom with it."""

    def __init__(
        self,
        network: nn.Module,
        players: Mapping[str, Player],
        turns: Callable[[float], Sequence[str]],
        accelerator: Accelerator,
        epochs: int,
        seed: int,
        description: str,
    ) -> None:
        self.network, self.players, self.turns, self.accelerator = network, players, turns, accelerator
        self.epochs, self.seed, self.description = epochs, seed, description
        self.history = History()
        self.best: dict[str, Tensor] = {}
        self.settings: dict[str, Any] = {
            "training": description,
            "seed": seed,
            "epochs": epochs,
            "turns": turns(0.0) if turns(0.0) == turns(1.0) else [turns(0.0), turns(0.5), turns(1.0)],
            "players": {name: player.settings() for name, player in players.items()},
        }
        self.model = accelerator.prepare(network)
        self.optimisers = {name: self._optimiser(name, player) for name, player in players.items()}

    def _optimiser(self, name: str, player: Player) -> Any:
        """AdamW. Only fp16 needs accelerate's wrapper, which costs as much per step as AdamW on a small network."""
        if not player.weights:
            raise InvalidInput(f"Player {name!r} owns no weights. Give it some, or take it out of players().")
        fused = self.accelerator.device.type in ("cpu", "cuda")
        optimiser = torch.optim.AdamW(
            player.parameters, player.lr, player.betas, weight_decay=player.weight_decay, fused=fused
        )
        return optimiser if self.accelerator.scaler is None else self.accelerator.prepare(optimiser)

    def seed_of(self, epoch: int) -> int:
        """Draws inside the network depend on the seed, the epoch and the process: a resumed run repeats them."""
        return (self.seed * 100_003 + epoch) * 1_009 + self.accelerator.process_index

    def run_epoch(self, epoch: int, batches: Iterable[Batch]) -> None:
        """All batches of one epoch; the means of the terms go into the history."""
        batches = batches if isinstance(batches, Sized) else list(batches)
        if not len(batches):
            raise InvalidInput(f"{self.description}: epoch {epoch + 1} has no batches. Pass at least one pair.")
        self.model.train()
        seen: dict[str, list[Tensor]] = {}
        for number, batch in enumerate(batches):
            done = (epoch + number / len(batches)) / self.epochs
            share, weight = own_share(batch, self.accelerator)
            for name in self.turns(number / len(batches)):
                terms = self.model(share, name, done)
                if weight != 1.0:
                    terms = {term: value * weight for term, value in terms.items()}
                self._step(name, terms, done, f"epoch {epoch + 1}, batch {number + 1}")
                for term, value in terms.items():
                    key = term if len(self.players) == 1 else f"{name}: {term}"
                    seen.setdefault(key, []).append(value.detach())
        self.history.add(dict(zip(seen, means(list(seen.values()), self.accelerator), strict=True)))
        self._check_weights(epoch)
        share_buffers(self.network, self.accelerator)

    def _step(self, name: str, terms: Mapping[str, Tensor], done: float, when: str) -> None:
        player, optimiser = self.players[name], self.optimisers[name]
        if not terms:
            raise InvalidInput(f"{self.description}: the network gave player {name!r} no loss term in {when}.")
        first, *others = terms.values()
        loss = sum(others, first)
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
            self.accelerator.unscale_gradients(optimiser)
            nn.utils.clip_grad_norm_(player.weights, player.clip)
        optimiser.step()

    def _check_weights(self, epoch: int) -> None:
        """A loss can be finite and its gradient not; the weights tell."""
        bad = [name for name, weight in self.network.named_parameters() if not torch.isfinite(weight).all()]
        if bad:
            raise TrainingDiverged(
                f"{self.description}: the weights {bad[0]!r} became NaN or infinite in the last batch of epoch "
                f"{epoch + 1}, though every loss was finite. Look for a square root or a norm at 0, whose gradient is "
                "infinite, or lower the learning rate."
            )

    def keep_the_best(self, epoch: int, validate: Callable[[], float], patience: int | None) -> None:
        """Score the network; remember the weights of the best epoch so far, and whether patience has run out."""
        self.network.eval()
        with torch.no_grad():
            score = agree(float(validate()), self.accelerator)
        if math.isnan(score):
            raise TrainingDiverged(f"{self.description}: the validation score after epoch {epoch + 1} is NaN.")
        history = self.history
        history.validation.append(score)
        if history.best_epoch is None or score > history.validation[history.best_epoch]:
            history.best_epoch = epoch
            self.best = {key: value.detach().cpu().clone() for key, value in self.network.state_dict().items()}
        history.stopped_early = patience is not None and epoch - history.best_epoch >= patience

    def look(self, watch: Callable[[], Mapping[str, float]]) -> None:
        """Write down what is watched."""
        self.network.eval()
        with torch.no_grad():
            for name, value in watch().items():
                self.history.watched.setdefault(name, []).append(float(value))

    def save(self, checkpoint: Path, epoch: int) -> None:
        """Write the checkpoint, in the main process only; the others wait."""
        if self.accelerator.is_main_process:
            state = {"settings": self.settings, "epoch": epoch, "history": asdict(self.history)}
            groups = {"network": self.network.state_dict(), "best": self.best}
            write_checkpoint(checkpoint, groups, self.optimisers, state)
        self.accelerator.wait_for_everyone()

    def resume(self, checkpoint: Path) -> int:
        """Go on from the checkpoint where there is one; the first epoch to run."""
        self.settings = json.loads(json.dumps(self.settings, default=repr))  # as they read back: lists for tuples
        found = checkpoint.is_file()
        if agree(found, self.accelerator) != found:
            raise InvalidInput(f"Not every process sees the checkpoint {checkpoint}. Put it into a shared folder.")
        if not found:
            return 0
        groups, moments, state = read_checkpoint(checkpoint)
        check_fits(checkpoint, groups, state, self.settings, self.network.state_dict())
        self.network.load_state_dict(groups["network"])
        self.best = groups.get("best", {})
        for name, optimiser in self.optimisers.items():
            restore_optimiser(optimiser, moments.get(name, {}))
        self.history = History(**state["history"])
        return int(state["epoch"]) + 1

    def finish(self) -> History:
        """Put the best weights back."""
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        if self.best:
            self.network.load_state_dict(self.best)
        self.network.to("cpu").eval()
        return self.history


def _fingerprint(batches: Iterable[Batch]) -> str:
    """A short hash of the first batch: another data set, or another order of it, has another."""
    digest = hashlib.sha256()
    for key, value in sorted(next(iter(batches), {}).items()):
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
