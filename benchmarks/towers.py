"""How fast do two towers train? Our CLIP side by side with CLIPModel of transformers: same sizes, weights and batches.

    python benchmarks/towers.py            pictures of 96 pixels, towers of four blocks; about three minutes
    python benchmarks/towers.py --quick    tiny towers: results are checked, speed is shown, not judged

Both are a vision transformer and a causal text transformer of the same sizes with the same first weights. They meet the
same batches (one caption per picture, padded to the longest of the batch), the same loss and the same AdamW.

Ours runs in the training loop of the course with all it does; once more without its shortcut, the last block of a tower
at the pooled token alone, to show what that gives. The peer runs in a plain loop: as fast as it can be (fused AdamW, no
attention mask, which changes no result here), and as its documentation shows it. All fetch batches and scale the pixels
within the time.

Times are CPU seconds of an epoch, taken in turns; the demands look at the ratios within a turn. Demands: equal losses
with equal weights, the same losses over two epochs, and at least as many pairs per second.

"GFLOP / pair" counts the matrix products of one forward and backward pass; "of ceiling" is their rate as a share of
that of one large matrix product on the same thread. Where a CUDA GPU is at hand, the ViT-B/32 of the paper is trained
in bfloat16 as well, with the share of that card's bfloat16 ceiling; no demand is made there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from _timing import Demand, cpu_seconds, interleaved, one_thread, verdict
from _transformers_clip import END, clip_model, give_weights, plain_loss, train_plain, weight_groups
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.caption_batches import CaptionBatches
from xmr_lib.data.pixels import pixel_tensor
from xmr_lib.evaluation.tables import text_table
from xmr_lib.methods.dual_tower import CLIP
from xmr_lib.methods.dual_tower.clip import TEXT_BASE, VIT_B_32
from xmr_lib.players import Player
from xmr_lib.processes import seeded
from xmr_lib.training import train

LOSS_TOLERANCE, WAY_TOLERANCE = 1e-5, 1e-4
OURS, WHOLE = "xmr_lib", "xmr_lib, whole last blocks"
FASTEST, USUAL = "transformers, fastest", "transformers, as documented"

IMAGE = {"kind": "vit", "size": 96, "patch": 16, "width": 192, "layers": 4, "heads": 4}
TEXT = {"kind": "transformer", "width": 128, "layers": 4, "heads": 4}
SMALL_IMAGE = {"kind": "vit", "size": 48, "patch": 16, "width": 32, "layers": 2, "heads": 2}
SMALL_TEXT = {"kind": "transformer", "width": 32, "layers": 2, "heads": 2}


@dataclass
class Task:
    """Both networks with equal weights, and the batches both meet."""

    method: CLIP
    ours: nn.Module
    peer: Any
    batches: CaptionBatches

    @property
    def pixels(self) -> Any:
        """Scales pixels; without weights, so the peer may use it too."""
        tower: Any = self.ours.image_tower
        return tower.pixels

    def first(self, count: int) -> Task:
        """The same networks with the pairs of so many batches."""
        whole, n = self.batches, count * self.method.batch_size
        pairs = PairedFeatures(np.empty((n, 0)), np.empty((n, 0)))
        batches = CaptionBatches(pairs, whole.pixels[:n], whole.tokens[:n], self.method.batch_size, captions=1)
        return replace(self, batches=batches)

    def train_ours(self, epochs: int = 1, **options: Any) -> list[float]:
        """Our training loop; the mean loss of every epoch."""
        method = self.method
        groups = weight_groups(self.ours, method.weight_decay)
        players = {"all": Player(groups, method.lr, method.betas)}
        history = train(self.ours, self.batches, players, epochs=epochs, description="benchmark", **options)
        return history.terms["contrastive"]

    def train_peer(self, epochs: int = 1, *, mask: bool = False, fused: bool = True, **options: Any) -> list[float]:
        """The plain loop; the mean loss of every epoch."""
        method = self.method
        losses = train_plain(
            self.peer,
            (batch for epoch in range(epochs) for batch in self.batches(epoch)),
            self.pixels,
            lr=method.lr,
            betas=method.betas,
            weight_decay=method.weight_decay,
            mask=mask,
            fused=fused,
            **options,
        )
        return [float(np.mean(part)) for part in np.split(np.array(losses), epochs)]


def make_task(method: CLIP, data: Any, pixels: Tensor, tokens: Tensor, vocabulary: int) -> Task:
    """Networks and batches for pairs ``data`` with pixels (n, 3, size, size) and tokens (m, length)."""
    with seeded(0):
        ours, peer = method.build(vocabulary, tokens.shape[1]), clip_model(method, vocabulary, tokens.shape[1])
    give_weights(peer, ours)
    return Task(method, ours, peer, CaptionBatches(data, pixels, tokens, method.batch_size, captions=1))


def scenes_task(quick: bool) -> Task:
    """Real pictures and captions of ``scenes``."""
    image, text, n, batch = (SMALL_IMAGE, SMALL_TEXT, 32, 8) if quick else (IMAGE, TEXT, 384, 64)
    method = CLIP(image=image, text=text, dim=32 if quick else 128, batch_size=batch, captions=1, lr=5e-4)
    data = load_dataset("scenes", size=n, image_size=image["size"])
    tokenizer = method.learn_tokenizer(data.captions)
    pixels = pixel_tensor(data.images, image["size"])
    return make_task(method, data, pixels, tokenizer.encode(data.captions), tokenizer.size)


def whole_blocks(task: Task) -> Task:
    """The same task without our shortcut: the last blocks compute every token, as those of the peer do."""
    network: Any = deepcopy(task.ours)
    for tower in (network.image_tower, network.text_tower):
        tower.pooled = lambda inputs, tower=tower: tower(inputs).pooled
    return replace(task, ours=network)


def loss_gap(task: Task) -> float:
    """Relative difference of the losses on the first batch, with equal weights."""
    batch = next(iter(task.batches(0)))
    with torch.no_grad():
        ours = float(sum(task.ours(batch, "all", 0.0).values()))
        theirs = [float(plain_loss(task.peer, batch, task.pixels, mask)) for mask in (False, True)]
    return max(abs(ours - other) for other in theirs) / theirs[0]


def way_gap(task: Task, epochs: int = 2) -> float:
    """Largest relative difference of the mean losses of some epochs, each side trained by its own loop."""
    ours, theirs = task.train_ours(epochs), task.train_peer(epochs)
    return max(abs(a - b) / b for a, b in zip(ours, theirs, strict=True))


def flops_per_pair(loss: Callable[[], Tensor], pairs: int) -> float:
    """Floating-point operations in the matrix products of forward and backward, for one pair."""
    with FlopCounterMode(display=False) as counter:
        loss().backward()
    return counter.get_total_flops() / pairs


def flops_of_both(task: Task) -> dict[str, float]:
    """Side -> operations per pair."""
    batch = next(iter(task.batches(0)))
    pairs = len(batch["image"])
    return {
        OURS: flops_per_pair(lambda: sum(task.ours(batch, "all", 0.0).values()), pairs),
        WHOLE: flops_per_pair(lambda: sum(whole_blocks(task).ours(batch, "all", 0.0).values()), pairs),
        FASTEST: flops_per_pair(lambda: plain_loss(task.peer, batch, task.pixels, mask=False), pairs),
        USUAL: flops_per_pair(lambda: plain_loss(task.peer, batch, task.pixels, mask=True), pairs),
    }


def ceiling(size: int, seconds: Callable[[Callable[[], Any]], float] = cpu_seconds, **kind: Any) -> float:
    """Operations per second of one large matrix product.

    Args:
        size: Of the square matrices.
        seconds: Measures a call.
        kind: ``device`` and ``dtype`` of the matrices; float32 on the CPU without them.
    """
    a, b = torch.randn(size, size, **kind), torch.randn(size, size, **kind)
    return 2 * size**3 / min(seconds(lambda: a @ b) for _ in range(5))


def compare(quick: bool) -> int:
    """All sides in turns on one thread; 1 if a demand is missed, else 0."""
    task = scenes_task(quick)
    gaps = loss_gap(task), way_gap(task)  # these two also warm up
    sides: Mapping[str, Callable[[], Any]] = {
        OURS: task.train_ours,
        WHOLE: whole_blocks(task).train_ours,
        FASTEST: task.train_peer,
        USUAL: lambda: task.train_peer(mask=True, fused=False),
    }
    seconds = interleaved(sides, 2 if quick else 9)
    work, most = flops_of_both(task), ceiling(256 if quick else 2048)
    n = task.batches.n
    lines = []
    for name, times in seconds.items():
        rate = n / median(times)
        share = 100 * rate * work[name] / most
        ratio = median(other / own for other, own in zip(seconds[FASTEST], times, strict=True))
        lines.append([name, f"{rate:.0f}", f"{ratio:.2f} x", f"{work[name] / 1e9:.3f}", f"{share:.0f} %"])
    image, text = task.method.image, task.method.text
    title = (
        f"ViT {image['layers']} x {image['width']} on {image['size']} pixels, text {text['layers']} x {text['width']}, "
        f"batch {task.method.batch_size}, float32, one thread"
    )
    print(text_table(["", "pairs / s", "speed", "GFLOP / pair", "of ceiling"], lines, title))
    return verdict(
        [
            Demand.equal("loss with equal weights, relative", gaps[0], LOSS_TOLERANCE),
            Demand.equal("mean losses of two epochs, relative", gaps[1], WAY_TOLERANCE),
            Demand.surely_faster("against transformers, fastest", seconds[FASTEST], seconds[OURS], 1, not quick),
            Demand.surely_faster("against transformers, as documented", seconds[USUAL], seconds[OURS], 1, not quick),
        ]
    )


def random_task(image: Mapping[str, Any], text: Mapping[str, Any], dim: int, batch: int, batches: int) -> Task:
    """Random pixels, and texts of 8 to 32 tokens, in so many batches: speed does not look at content."""
    generator, n, vocabulary, length, size = torch.Generator().manual_seed(0), batch * batches, 49408, 77, image["size"]
    pixels = torch.randint(256, (n, 3, size, size), dtype=torch.uint8, generator=generator)
    tokens = torch.randint(5, vocabulary, (n, length), generator=generator)
    ends, place = torch.randint(7, 32, (n, 1), generator=generator), torch.arange(length)
    tokens = tokens.masked_fill(place == ends, END).masked_fill(place > ends, 0)
    method = CLIP(image=image, text=text, dim=dim, batch_size=batch, captions=1)
    return make_task(method, PairedFeatures(np.empty((n, 0)), np.empty((n, 0))), pixels, tokens, vocabulary)


def pairs_per_second(many: Task, few: Task, run: Callable[[Task], Any], seconds: Any, repeats: int = 5) -> float:
    """Speed over the batches that ``many`` has more than ``few``, the best of some repeats.

    The difference leaves out what happens once per run: moving the network, making the optimiser.
    """
    run(few)  # warms up
    spent = [seconds(lambda: run(many)) - seconds(lambda: run(few)) for _ in range(repeats)]
    return (many.batches.n - few.batches.n) / min(spent)


def on_device(device: str, many: Task, few: Task, size: int) -> str:
    """A table of both sides in bfloat16 on one device.

    Args:
        device: "cuda"; "cpu" tries the code where there is no GPU.
        many, few: The same networks with more and with fewer batches.
        size: Of the matrices whose product is the ceiling.
    """

    def seconds(function: Callable[[], Any]) -> float:
        start = perf_counter()
        function()
        if device == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - start

    work, most = flops_of_both(few), ceiling(size, seconds, device=device, dtype=torch.bfloat16)
    where = "auto" if device == "cuda" else device
    runs: dict[str, Callable[[Task], Any]] = {
        OURS: lambda task: task.train_ours(device=where, precision="bf16"),
        FASTEST: lambda task: task.train_peer(device=device, autocast=True),
    }
    lines = []
    for name, run in runs.items():
        rate = pairs_per_second(many, few, run, seconds)
        speed = rate * work[name]
        lines.append([name, f"{rate:,.0f}", f"{speed / 1e12:.2f}", f"{100 * speed / most:.0f} %"])
    card = torch.cuda.get_device_name() if device == "cuda" else device
    title = f"\n{card}, bfloat16, batch {many.method.batch_size}; ceiling {most / 1e12:.2f} TFLOP / s"
    return text_table(["", "pairs / s", "TFLOP / s", "of ceiling"], lines, title)


def main(arguments: list[str] | None = None) -> int:
    """Run all rows, print the tables, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="tiny towers, results checked, speed not judged")
    quick = parser.parse_args(arguments).quick
    os.environ["TQDM_DISABLE"] = "1"
    with one_thread():
        code = compare(quick)
    if torch.cuda.is_available():
        many = random_task(VIT_B_32, TEXT_BASE, dim=512, batch=256, batches=24)
        print(on_device("cuda", many, many.first(4), size=8192))
    else:
        print("\nno GPU here: speed in bfloat16 was not measured")
    return code


if __name__ == "__main__":
    sys.exit(main())
