"""Which towers learn most in one minute, and in two and a half? Candidates for CLIP, equal CPU seconds of training.

    python benchmarks/clip_search.py                 60 CPU seconds per candidate; seven minutes
    python benchmarks/clip_search.py --seconds 150 --only "bag of words | 5"    another budget, some candidates
    python benchmarks/clip_search.py --quick         one second each on a few scenes: it runs; nothing is judged

Every candidate is trained from scratch on the 10,000 training scenes, in batches of 128 images, on one thread, until
its budget is spent (the learning rate follows the budget: warm-up, then a cosine to 0). Counted are the CPU seconds of
the training steps, without drawing and scoring. R@1 is that of 1,000 validation scenes with five captions each; the
test scenes are not touched. One seed: differences of a point or two mean nothing.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from dataclasses import dataclass
from time import process_time
from typing import Any

import torch
from _timing import Demand, one_thread, verdict

from xmr_lib.data.base import PairedDataset, Splits
from xmr_lib.data.pixels import pixel_tensor, scene_splits
from xmr_lib.evaluation import evaluate
from xmr_lib.evaluation.tables import text_table
from xmr_lib.methods.dual_tower import CLIP
from xmr_lib.methods.towers import COURSE_IMAGE, COURSE_TEXT, COURSE_TRAINING, warm_up_then_cosine

COURSE = "conv, 1 block | bag of words | 5"


@dataclass(frozen=True)
class Outcome:
    """What a candidate reached: steps taken, CPU seconds of one, first and last loss, R@1 both ways."""

    steps: int
    seconds: float
    first: float
    last: float
    i2t: float
    t2i: float

    @property
    def mean(self) -> float:
        """Mean R@1 of both directions."""
        return (self.i2t + self.t2i) / 2


def candidates() -> dict[str, CLIP]:
    """Picture tower | text tower | captions per picture and step -> an unfitted CLIP.

    Transformers on raw patches get half the learning rate of the others, 1e-3.
    """
    patches = {"kind": "vit", "size": 96, "patch": 16, "width": 128, "layers": 3, "heads": 4, "mean": (0.5,) * 3}
    causal = {"kind": "transformer", "width": 128, "layers": 2, "heads": 4, "ratio": 2}
    course: dict[str, Any] = {"image": COURSE_IMAGE, "text": COURSE_TEXT, "dim": 128, **COURSE_TRAINING}
    return {
        "patches, 3 blocks | causal, 2 blocks | 1": CLIP(
            **course | {"image": patches, "text": causal, "captions": 1, "lr": 1e-3}
        ),
        "patches, 3 blocks | bag of words | 5": CLIP(**course | {"image": patches, "lr": 1e-3}),
        "conv, no block | bag of words | 5": CLIP(**course | {"image": {**COURSE_IMAGE, "layers": 0}}),
        COURSE: CLIP(**course),
        "conv, 1 block | bag of words | 1": CLIP(**course | {"captions": 1}),
        "conv, 1 block | causal, 2 blocks | 5": CLIP(**course | {"text": causal}),
    }


def train(method: CLIP, data: PairedDataset, seconds: float) -> list[tuple[float, float]]:
    """Fit ``method`` in place until the CPU seconds are spent; (seconds so far, loss) after every step."""
    method.tokenizer_ = method.learn_tokenizer(data.captions)
    network = method.model_ = method._fresh_network()
    pixels = pixel_tensor(data.images, method.image["size"])
    batches = method.batches(data, pixels, method.tokenizer_.encode(data.captions))
    player = method.players(network)["all"]
    optimiser = torch.optim.AdamW(player.parameters, player.lr, player.betas, fused=True)
    log: list[tuple[float, float]] = []
    epoch, spent = 0, 0.0
    network.train()
    while spent < seconds:
        for batch in batches(epoch):
            start = process_time()
            for group in optimiser.param_groups:
                group["lr"] = method.lr * warm_up_then_cosine(min(spent / seconds, 1.0), method.warm_up)
            loss = network(batch, "all", 0.0)["contrastive"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            spent += process_time() - start
            log.append((spent, loss.item()))
            if spent >= seconds:
                break
        epoch += 1
    network.eval()
    return log


def try_one(method: CLIP, scenes: Splits, seconds: float) -> Outcome:
    """Train for the budget, score on validation."""
    log = train(method, scenes.train, seconds)
    report = evaluate(method, scenes.validation, metrics=["R@1"])
    tail = [loss for _, loss in log[-20:]]
    return Outcome(
        *(len(log), log[-1][0] / len(log), log[0][1], sum(tail) / len(tail)),
        *(float(report.i2t["R@1"]), float(report.t2i["R@1"])),
    )


def guessing(method: CLIP, rows: int) -> float:
    """The loss when all similarities are equal: mean of log(candidates) in both directions."""
    return (math.log((rows - 1) * method.captions + 1) + math.log(rows)) / 2


def search(scenes: Splits, seconds: float, only: str, judged: bool) -> int:
    """The candidates whose names contain ``only``; 1 if a demand is missed, else 0."""
    results, lines, off = {}, [], 0.0
    for name, method in ((name, method) for name, method in candidates().items() if only in name):
        results[name] = found = try_one(method, scenes, seconds)
        off = max(off, abs(found.first / guessing(method, min(method.batch_size, scenes.train.n_images)) - 1))
        cells = [f"{found.steps:,}", f"{1e3 * found.seconds:.0f}", f"{found.first:.2f}", f"{found.last:.2f}"]
        lines.append([*name.split(" | "), *cells, f"{100 * found.i2t:.1f}", f"{100 * found.t2i:.1f}"])
        print(f"  {name}: {100 * found.mean:.1f}", file=sys.stderr, flush=True)
    head = ["pictures", "text", "captions", "steps", "ms / step", "first loss", "last", "R@1 i2t", "t2i"]
    title = f"{scenes.train.n_images:,} training scenes, {seconds:g} CPU seconds each, one thread; R@1 on validation, %"
    print(text_table(head, lines, title))
    best = max(results, key=lambda name: results[name].mean)
    print(f"\nBest at this budget: {best}")
    demands = [Demand("first loss against that of guessing, relative", f"{off:.2f}", "<= 0.25", off <= 0.25)]
    others = [found.mean for name, found in results.items() if "patches" in name or "causal" in name]
    if COURSE in results and others:
        ours, theirs = results[COURSE].mean, max(others)
        found_points = f"{100 * (ours - theirs):+.1f} points"
        demands.append(
            Demand("the course's towers against patches, causal", found_points, "> 0", ours > theirs, judged)
        )
    return verdict(demands)


def main(arguments: list[str] | None = None) -> int:
    """Run all candidates on one thread, print two tables, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of training per candidate")
    parser.add_argument("--only", default="", help="only candidates whose names contain this")
    parser.add_argument("--quick", action="store_true", help="one second each on a few scenes; nothing is judged")
    chosen = parser.parse_args(arguments)
    os.environ["TQDM_DISABLE"] = "1"
    with one_thread():
        scenes = scene_splits("smoke" if chosen.quick else "course")
        return search(scenes, 1.0 if chosen.quick else chosen.seconds, chosen.only, judged=not chosen.quick)


if __name__ == "__main__":
    sys.exit(main())
