"""What does training the towers bring to deep hashing? Frozen towers with a head against end to end, on scenes.

    python benchmarks/hashing_from_pixels.py                         DSPH, 32 bits, seed 0; three minutes
    python benchmarks/hashing_from_pixels.py --methods DSPH DCHMT --seeds 0 1 2      a quarter of an hour
    python benchmarks/hashing_from_pixels.py --quick                 a few scenes: it runs; MAP is shown, not judged

Both rows start from the same small CLIP, trained with the seed on 6,000 scenes of which none is in any role of the
hashing data (the CLIP of lesson 06 has seen the queries, so it would not do). It is stored in the cache. Then the
method learns on 3,000 scenes, with its course settings: once on the frozen features of the towers, once with the towers
learning, too. MAP is that of 500 queries in a database of 5,000, strict protocol, and of 500 validation pairs. The rate
of the towers is a tenth of the heads'; it was tried on validation pairs (seed 0), not tuned. Seconds are CPU seconds of
the fit, one thread, without drawing the pictures.
"""

from __future__ import annotations

import argparse
import os
import sys
from time import process_time
from typing import Any

import numpy as np
from _timing import Demand, one_thread, verdict

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.pixels import pixel_tensor, with_pixels
from xmr_lib.encoders.hashing_pictures import HashingPictures, hashing_pictures
from xmr_lib.encoders.hashing_splits import SCENES
from xmr_lib.evaluation import evaluate
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.evaluation.tables import text_table
from xmr_lib.methods import hashing
from xmr_lib.methods.dual_tower import CLIP
from xmr_lib.methods.hashing import FromPixels
from xmr_lib.methods.hashing.from_pixels import DEEP
from xmr_lib.methods.stored import fit_or_load

Scores = dict[str, float]
TOWER_LR, SIZE = 5e-4, 96


def other_scenes(profile: str) -> PairedDataset:
    """As many scenes as have a role in hashing, with all captions, and none of those."""
    n = sum(SCENES[profile])
    return with_pixels(load_dataset("scenes", size=2 * n).subset(np.arange(n, 2 * n), "scenes/others"), SIZE)


def clip(profile: str, seed: int) -> CLIP:
    """A CLIP that has seen other scenes; trained the first time, then loaded."""
    settings = CLIP.preset(profile) | ({"epochs": 8} if profile == "course" else {})
    return fit_or_load(CLIP(**settings | {"seed": seed}), other_scenes(profile))


def measure(method: FromPixels, pictures: HashingPictures, start: CLIP) -> Scores:
    """Fit and measure."""
    began = process_time()
    fitted = method.fit(pictures.train, start=start)
    seconds = process_time() - began
    validation = evaluate(fitted, pictures.validation, metrics=["MAP"]).value("MAP", "mean")
    report = evaluate_hashing(fitted, pictures)
    found = {"validation": validation, "i2t": report.value("MAP", "i2t"), "t2i": report.value("MAP", "t2i")}
    return found | {"seconds": seconds}


def gap_of_frozen(recipe: FromPixels, pictures: HashingPictures, start: CLIP) -> float:
    """Largest difference of the outputs: frozen towers against the method alone on their features, one epoch."""
    short = recipe.clone(freeze=True, epochs=1).fit(pictures.train, start=start)
    alone: Any = short.method.clone(seed=recipe.seed).fit(short.features(pictures.train))
    rows = short.features(pictures.query).image
    return float(np.abs(alone.image_outputs(rows) - short.image_outputs(pictures.query.images)).max())


def compare(profile: str, methods: list[str], bits: int, tower_lr: float, seeds: list[int]) -> int:
    """Two rows per method; 1 if a demand is missed, else 0."""
    demands, lines = [], []
    found: dict[tuple[str, bool], list[Scores]] = {}
    for seed in seeds:
        pictures, start = hashing_pictures(profile, seed=seed), clip(profile, seed)
        for part in (pictures.train, pictures.validation, pictures.query, pictures.database):
            pixel_tensor(part.images, SIZE)  # drawn before the clock starts, and kept
        for name in methods:
            cls = getattr(hashing, name)
            recipe = FromPixels(cls(**cls.preset(profile) | {"bits": bits}), tower_lr=tower_lr, seed=seed)
            for freeze in (True, False):
                scores = measure(recipe.clone(freeze=freeze), pictures, start)
                found.setdefault((name, freeze), []).append(scores)
                print(f"  {name}, seed {seed}, freeze={freeze}: {scores}", file=sys.stderr, flush=True)
            if seed == seeds[0]:
                gap = gap_of_frozen(recipe, pictures, start)
                demands.append(Demand.equal(f"{name}: frozen towers are the method on features", gap, 0))
    for (name, freeze), runs in found.items():
        columns = [[100 * run[key] for run in runs] for key in ("validation", "i2t", "t2i")]
        cells = [f"{np.mean(x):.1f}" + (f" ± {np.std(x, ddof=1):.1f}" if len(x) > 1 else "") for x in columns]
        seconds = np.mean([run["seconds"] for run in runs])
        lines.append([f"{name}: {'frozen towers' if freeze else 'end to end'}", *cells, f"{seconds:.0f}"])
    for name in methods:
        gains = [
            (moving["i2t"] + moving["t2i"] - frozen["i2t"] - frozen["t2i"]) / 2
            for frozen, moving in zip(found[name, True], found[name, False], strict=True)
        ]
        least = 100 * min(gains)
        what = f"{name}: MAP gained by training the towers, every seed"
        demands.append(Demand(what, f"{least:+.1f} points", "> 0", least > 0, profile == "course"))
    chosen = f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    title = f"MAP in percent, {bits} bits, {chosen}, towers' rate {tower_lr:g}, one thread"
    print(text_table(["", "validation", "i2t", "t2i", "s"], lines, title))
    return verdict(demands)


def main(arguments: list[str] | None = None) -> int:
    """Run all rows on one thread, print two tables, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--methods", nargs="+", default=["DSPH"], choices=[cls.__name__ for cls in DEEP])
    parser.add_argument("--bits", type=int, default=32)
    parser.add_argument("--tower-lr", type=float, default=TOWER_LR)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--quick", action="store_true", help="a few scenes; MAP is shown, not judged")
    chosen = parser.parse_args(arguments)
    os.environ["TQDM_DISABLE"] = "1"
    with one_thread():
        profile = "smoke" if chosen.quick else "course"
        return compare(profile, chosen.methods, chosen.bits, chosen.tower_lr, chosen.seeds)


if __name__ == "__main__":
    sys.exit(main())
