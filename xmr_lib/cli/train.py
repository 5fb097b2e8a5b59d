"""``xmr train``: train a dual tower on pictures and captions and store it, in one process or in several."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xmr_lib.cli.common import examples
from xmr_lib.errors import InvalidInput

if TYPE_CHECKING:
    from xmr_lib.data.base import PairedDataset

EPILOG = examples(
    "xmr train clip scenes --out clip                    from scratch, then: CLIP.load('clip')",
    "xmr train align scenes --profile smoke --epochs 3",
    "xmr train clip coco --start openai/clip-vit-base-patch32 --epochs 1 --batch-size 64 --lr 1e-5",
    "torchrun --standalone --nproc-per-node 2 -m xmr_lib.cli train clip scenes",
    "accelerate launch --multi_gpu --num_processes 2 -m xmr_lib.cli train clip scenes",
)

MethodName = Annotated[str, typer.Argument(metavar="METHOD", help="A dual tower: clip, align, ...", show_default=False)]
DatasetName = Annotated[str, typer.Argument(metavar="DATASET", help="A data set with pictures, see `xmr data list`.")]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="smoke, course or paper.", show_default=False)
]
Seed = Annotated[int, typer.Option("--seed", help="First weights, order of the images, choice of the captions.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Store the trained method there.")]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="NAME", help="First weights: a folder of --out, or a checkpoint by hub name."),
]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the training images.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=2, help="Images per step, of all processes.")]
Rate = Annotated[float | None, typer.Option("--lr", help="Largest learning rate.")]
Device = Annotated[str, typer.Option("--device", help="auto (a GPU where there is one) or cpu.")]
Precision = Annotated[str, typer.Option("--precision", help="no (float32), bf16, or fp16 on a GPU.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", metavar="FILE", help="Written after every epoch; the same command goes on from it."),
]


def train(
    method: MethodName,
    dataset: DatasetName = "scenes",
    profile: Profile = None,
    seed: Seed = 0,
    out: Out = None,
    start: Start = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    device: Device = "auto",
    precision: Precision = "no",
    checkpoint: Checkpoint = None,
) -> None:
    """Train a dual tower on pictures and captions.

    The settings are the method's preset of the profile, on the training split; printed is the recall on the validation
    split. Started by torchrun or accelerate, several processes share every batch and give the weights that one process
    would: on one machine or several, on GPUs or the CPU.
    """
    from xmr_lib.config import profile as active_profile

    if "WORLD_SIZE" in os.environ:  # else torch warns in every process that no weight went without a gradient
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    name = active_profile(profile)
    cls = _tower(method)
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidInput(f"--out names a folder, but {out} is a file. Choose another name.")
    given = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
    settings = cls.preset(name) | {key: value for key, value in given.items() if value is not None} | {"seed": seed}
    options: dict[str, Any] = {"device": device, "precision": precision, "checkpoint": checkpoint}
    if start is not None:
        first = options["start"] = _first(cls, start)
        towers = {"image", "text", "dim"} & inspect.signature(cls).parameters.keys()
        settings |= {key: value for key, value in first.get_params().items() if key in towers}
    chosen = cls(**settings)
    training, validation = _splits(dataset, name, chosen.image["size"])
    chosen.fit(training, **options)
    from xmr_lib.processes import is_main_process, leave, world_size

    processes = world_size()
    leave()
    if not is_main_process():
        return
    if out is not None:
        chosen.save(out)
    print(
        f"{chosen.name}: {training.n_images:,} images, {training.n_captions:,} captions, epochs: {chosen.epochs}, "
        f"{chosen.history_.seconds:.0f} s" + (f" in {processes} processes" if processes > 1 else "")
    )
    from xmr_lib.evaluation import evaluate

    print(evaluate(chosen, validation, metrics=["R@1", "R@5", "R@10"]))
    if out is not None:
        print(f"Saved {out}. In Python: {chosen.name}.load({str(out)!r}).")


def _tower(name: str) -> Any:
    """The class of a dual tower by its name in any case."""
    from xmr_lib.errors import check_choice
    from xmr_lib.methods import dual_tower

    names = {each.lower(): each for each in dual_tower.__all__}
    return getattr(dual_tower, names[check_choice(name.lower(), names, "dual tower")])


def _first(cls: Any, name: str) -> Any:
    """The fitted method to start from: a folder of ``--out``, or a checkpoint (of CLIP, if ``cls`` has none)."""
    from xmr_lib.methods.dual_tower import CLIP

    config = Path(name) / "config.json"
    stored = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    if "class" in stored:
        return _tower(stored["class"]).load(name)
    return getattr(cls, "from_pretrained", CLIP.from_pretrained)(name)


def _splits(name: str, profile: str, size: int) -> tuple[PairedDataset, PairedDataset]:
    """Training and validation pairs."""
    from xmr_lib.data import PairedDataset, load_dataset

    if name == "scenes":
        from xmr_lib.data.pixels import scene_splits

        scenes = scene_splits(profile, size)
        return scenes.train, scenes.validation
    data: Any = load_dataset(name)
    if not isinstance(data, PairedDataset):
        raise InvalidInput(f"{name} comes as features, and a dual tower reads pictures. Take scenes, emoji or coco.")
    return data.split("train"), data.split("validation")
