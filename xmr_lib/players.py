"""Who plays in a training run, and what is written down about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Player:
    """Who moves which weights, and how: one AdamW optimiser (Adam, with ``weight_decay=0``).

    Only the players that own a weight change it, whatever the losses of the others depend on. (Buffers, such as the
    running statistics of a batch norm, are nobody's: every forward pass in training mode moves them.)

    Attributes:
        parameters: The weights this player may change; or groups of them, as in
            ``torch.optim``: ``{"params": ..., "lr": ...}``.
        lr: Learning rate.
        betas: Decay of the two moments of Adam.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of the gradient, or None.
        schedule: Factor on the learning rate from the progress of the training, 0..1. None: always 1.
    """

    parameters: Iterable[Any]
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    clip: float | None = None
    schedule: Callable[[float], float] | None = None

    def __post_init__(self) -> None:
        entries = [{**e, "params": list(e["params"])} if isinstance(e, dict) else e for e in self.parameters]
        object.__setattr__(self, "parameters", entries)  # network.parameters() can be gone through only once

    @property
    def weights(self) -> list[Tensor]:
        """All weights, groups or not."""
        return [p for entry in self.parameters for p in (entry["params"] if isinstance(entry, dict) else [entry])]

    def settings(self) -> dict[str, Any]:
        """What a checkpoint must agree with; a schedule is known by three of its values."""
        rates = None if self.schedule is None else [self.schedule(p) for p in (0.0, 0.5, 1.0)]
        values = {"lr": self.lr, "betas": self.betas, "weight_decay": self.weight_decay, "clip": self.clip}
        return values | {"schedule": rates, "weights": len(self.weights)}


@dataclass
class History:
    """What happened, epoch by epoch.

    Attributes:
        terms: Loss term -> its mean over the batches of every epoch; NaN for an epoch it did not occur in. With several
            players the names read ``"player: term"``.
        validation: The validation score after every epoch; empty without ``validate``.
        best_epoch: The epoch (from 0) whose weights were kept, or None: the last.
        seconds: Training time, validation included.
        stopped_early: Whether patience ran out.
        watched: Other numbers by epoch that nobody minimises, such as the accuracy of a discriminator.
    """

    terms: dict[str, list[float]] = field(default_factory=dict)
    validation: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float = 0.0
    stopped_early: bool = False
    watched: dict[str, list[float]] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """How many epochs ran."""
        return max((len(values) for values in self.terms.values()), default=0)

    def add(self, terms: Mapping[str, float]) -> None:
        """Append one epoch; all lists stay equally long."""
        before = self.epochs
        for name in {**self.terms, **terms}:
            self.terms.setdefault(name, [math.nan] * before).append(terms.get(name, math.nan))
