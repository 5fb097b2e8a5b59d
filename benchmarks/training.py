"""How fast is training? Our loop side by side with the way the released code trains, one thread, one run, same pairs.

    python benchmarks/training.py            ACMR and DSCMR on Wikipedia; some minutes
    python benchmarks/training.py --quick    small, generated features: results are checked, speed is shown, not judged

The peers are our own plain PyTorch loops (``_released.py`` beside this file says which facts they follow). Both sides
start from the same weights and meet the same batches in the same order: hidden layers, Adam settings, batch sizes and
losses are those of the released code, the input features are scaled to deviation 1 beforehand. So both walk the same
way, and only the time can differ. Without the files of Wikipedia, features of the same sizes are generated.

Times are CPU seconds, the best of five that alternate. "Validation" is the category MAP of 435 image and 435 text
queries: ours against the double loop of the released DSCMR. "s until then" counts training and a validation after every
epoch. The demands: equal losses on one batch, the same MAP after every epoch, and a training epoch, without validation,
not slower.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from time import process_time
from typing import Any

import numpy as np
from _released import ReleasedACMR, ReleasedDSCMR, score_as_released, train_as_released
from _timing import Demand, cpu_seconds, one_thread, verdict

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.batches import PairBatches
from xmr_lib.data.labels import single_classes
from xmr_lib.encoders.splits import supervised_splits
from xmr_lib.errors import MissingData
from xmr_lib.evaluation.tables import text_table
from xmr_lib.methods.neural import NeuralDualEncoder
from xmr_lib.methods.real_valued import ACMR, DSCMR
from xmr_lib.methods.real_valued.acmr import RELEASED

LOSS_TOLERANCE, SCORE_TOLERANCE = 1e-5, 5e-3
NOT_SLOWER = 0.95  # DSCMR's wide layers leave nothing to gain, and timings move by a few percent


@dataclass(frozen=True)
class Task:
    """One method in its released form, its peer, the validation MAP that is waited for, and epochs per timing."""

    ours: NeuralDualEncoder
    peer: Callable[[Any], Any]
    target: float
    epochs: int


@dataclass
class Side:
    """One side: seconds of a training epoch and of a validation, scores by epoch, seconds until the target."""

    epoch: float = float("inf")
    validation: float = float("inf")
    scores: list[float] = field(default_factory=list)
    to_target: float | None = None


def tasks(quick: bool) -> dict[str, Task]:
    """Released settings, no shuffling as there; DSCMR also in the sizes of the lesson."""
    small: dict[str, Any] = {"epochs": 2, "batch_size": 16} if quick else {}
    tiny: dict[str, Any] = {"hidden": 64, "d_common": 32} if quick else {}
    lesson = {"hidden": 512, "d_common": 128, "lr": 1e-3}
    acmr = ACMR(**{**RELEASED, "epochs": 60, **small})
    dscmr = DSCMR(**{"shuffle": False, "epochs": 10, **small, **tiny})
    in_lesson = DSCMR(**{"shuffle": False, "epochs": 10, **lesson, **small, **tiny})
    return {
        "ACMR": Task(acmr, ReleasedACMR, 0.0 if quick else 0.17, 1 if quick else 10),
        "DSCMR": Task(dscmr, ReleasedDSCMR, 0.0 if quick else 0.22, 1 if quick else 3),
        "DSCMR, lesson's sizes": Task(in_lesson, ReleasedDSCMR, 0.0 if quick else 0.22, 1 if quick else 10),
    }


def pairs(quick: bool) -> tuple[PairedFeatures, PairedFeatures, str]:
    """Training and validation pairs with scaled features, and where they are from."""
    try:
        if quick:
            raise MissingData("small features are generated")
        splits = supervised_splits("wikipedia", 0)
        train, validation, source = splits.train, splits.validation, "Wikipedia"
    except MissingData:
        n, m = (96, 40) if quick else (1738, 435)
        rng = np.random.default_rng(0)
        classes = rng.permutation(np.arange(n + m) % 10)
        image, text = (rng.normal(size=(10, d))[classes] + 2 * rng.normal(size=(n + m, d)) for d in (128, 10))
        whole = PairedFeatures(image, text, labels=np.eye(10)[classes])
        train, validation, source = whole.subset(np.arange(n)), whole.subset(np.arange(n, n + m)), "generated"
    moments = [(x.mean(axis=0), x.std(axis=0)) for x in (train.image, train.text)]

    def scaled(data: PairedFeatures) -> PairedFeatures:
        image, text = (
            ((x - mean) / deviation).astype(np.float32)
            for x, (mean, deviation) in zip((data.image, data.text), moments, strict=True)
        )
        return PairedFeatures(image, text, labels=data.labels)

    return scaled(train), scaled(validation), source


def way_of_ours(side: Side, task: Task, train: PairedFeatures, validation: PairedFeatures) -> None:
    """Fit with validation; scores and seconds until the target."""
    method, stamps = task.ours, [process_time()]
    method.watch = lambda pairs: stamps.append(process_time()) or {}  # type: ignore[method-assign]
    method.fit(train, validation)
    side.scores = method.history_.validation
    side.to_target = first_above(side.scores, task.target, stamps)


def way_of_peer(side: Side, task: Task, network: Any, train: PairedFeatures, validation: PairedFeatures) -> None:
    """The same for the plain loop."""
    stamps = [process_time()]
    for _ in train_as_released(network, train, task.ours, task.ours.epochs):
        side.scores.append(score_as_released(network, validation))
        stamps.append(process_time())
    side.to_target = first_above(side.scores, task.target, stamps)


def first_above(scores: list[float], target: float, stamps: list[float]) -> float | None:
    """Seconds until a score reached the target, or None."""
    reached = [number for number, score in enumerate(scores) if score >= target]
    return stamps[reached[0] + 1] - stamps[0] if reached else None


def loss_gap(network: Any, peer: Any, train: PairedFeatures, method: NeuralDualEncoder) -> float:
    """Relative difference of the summed loss on the first batch, with equal weights."""
    batch = next(iter(PairBatches(train, method.batch_size, classes=single_classes(train), shuffle=False)(0)))
    ours = float(sum(network(batch, "all", 0.0).values()).detach())
    theirs = float(sum(peer.losses(batch["image"], batch["text"], batch["classes"])).detach())
    return abs(ours - theirs) / max(1.0, abs(theirs))


def side_by_side(
    task: Task, train: PairedFeatures, validation: PairedFeatures, repeats: int
) -> tuple[Side, Side, float]:
    """Both sides of one task, and the gap of their losses with equal weights. Timings alternate; the best counts."""
    method = task.ours
    train = train.subset(np.arange(train.n_images // method.batch_size * method.batch_size))  # equal batches
    method.sizes_ = {"d_image": 128, "d_text": 10, "n_classes": 10}
    network = method._fresh_network()
    gap = loss_gap(network, task.peer(network), train, method)
    ours, theirs = Side(), Side()
    way_of_peer(theirs, task, task.peer(network), train, validation)  # these two also warm up
    way_of_ours(ours, task, train, validation)
    short = method.clone(epochs=task.epochs)
    for _ in range(repeats):
        peer = task.peer(network)
        spent = cpu_seconds(lambda peer=peer: list(train_as_released(peer, train, short, task.epochs)))
        theirs.epoch = min(theirs.epoch, spent / task.epochs)
        ours.epoch = min(ours.epoch, cpu_seconds(lambda: short.fit(train)) / task.epochs)
        theirs.validation = min(theirs.validation, cpu_seconds(lambda peer=peer: score_as_released(peer, validation)))
        ours.validation = min(ours.validation, cpu_seconds(lambda: method._validation_map(validation)))
    return ours, theirs, gap


def compare(quick: bool) -> int:
    """All rows side by side; 1 if a demand is missed, else 0."""
    train, validation, source = pairs(quick)
    lines, demands = [], []
    for name, task in tasks(quick).items():
        ours, theirs, gap = side_by_side(task, train, validation, repeats=1 if quick else 5)
        for who, side in (("xmr_lib", ours), ("plain loop", theirs)):
            reached = "not reached" if side.to_target is None else f"{side.to_target:.2f}"
            cells = [f"{1e3 * side.epoch:.0f}", f"{1e3 * side.validation:.0f}", f"{task.target:.2f}", reached]
            lines.append([f"{name}: {who}", *cells])
        apart = float(np.abs(np.subtract(ours.scores, theirs.scores)).max())
        demands += [
            Demand.equal(f"{name}: loss on one batch, relative", gap, LOSS_TOLERANCE),
            Demand.equal(f"{name}: MAP of every epoch", apart, SCORE_TOLERANCE),
            Demand.faster(f"{name}: a training epoch", theirs.epoch, ours.epoch, NOT_SLOWER, judged=not quick),
        ]
        print(f"  {name} done", file=sys.stderr, flush=True)
    title = f"{source}: {train.n_images:,} training pairs, features (128, 10), one thread"
    print(text_table(["", "ms / epoch", "ms / validation", "wanted MAP", "s until then"], lines, title))
    return verdict(demands)


def main(arguments: list[str] | None = None) -> int:
    """Run all rows on one thread, print two tables, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small size, results checked, speed not judged")
    quick = parser.parse_args(arguments).quick
    os.environ["TQDM_DISABLE"] = "1"
    with one_thread():
        return compare(quick)


if __name__ == "__main__":
    sys.exit(main())
