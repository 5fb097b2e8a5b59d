"""``xmr train``: train a dual tower, or a deep hashing system, on pictures and captions, and store it."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xmr_lib.cli.common import examples
from xmr_lib.errors import InvalidInput

if TYPE_CHECKING:
    from xmr_lib.data.base import PairedDataset
    from xmr_lib.methods.hashing import FromPixels

HASHING = {"coco": {"protocol": "hashing"}, "nus_wide": {"protocol": "TC-21", "layout": "pictures"}}
SCENE_SIZE = 96  # scenes are drawn no smaller for towers that scale pictures down themselves

EPILOG = examples(
    "xmr train clip scenes --out clip                    from scratch, then: CLIP.load('clip')",
    "xmr train align scenes --profile smoke --epochs 3",
    "xmr train clip coco --start openai/clip-vit-base-patch32 --epochs 1 --batch-size 64 --lr 1e-5",
    "xmr train dchmt scenes --bits 32 --start clip --out dchmt    then: FromPixels.load('dchmt')",
    "torchrun --standalone --nproc-per-node 2 -m xmr_lib.cli train clip scenes",
    "accelerate launch --multi_gpu --num_processes 2 -m xmr_lib.cli train clip scenes",
)

MethodName = Annotated[
    str,
    typer.Argument(
        metavar="METHOD", help="A dual tower (clip, align, ...) or deep hashing (dchmt, dcmh, ...).", show_default=False
    ),
]
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
Bits = Annotated[int | None, typer.Option("--bits", min=1, help="Hashing: length of the codes.")]
TowerRate = Annotated[
    float | None, typer.Option("--tower-lr", min=0, help="Hashing: largest learning rate of the two towers.")
]
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
    bits: Bits = None,
    tower_lr: TowerRate = None,
    device: Device = "auto",
    precision: Precision = "no",
    checkpoint: Checkpoint = None,
) -> None:
    """Train a dual tower or a deep hashing system on pictures and captions.

    The settings are the method's preset of the profile, on the training split; printed is the recall, or the MAP of the
    codes, on the validation split. A hashing system learns together with the two towers under it, which come from
    --start, or in the smoke and course profiles from scratch. Dual towers can be started by torchrun or accelerate:
    several processes share every batch and give the weights that one process would, on one machine or several, on GPUs
    or the CPU.
    """
    from xmr_lib.config import profile as active_profile

    if "WORLD_SIZE" in os.environ:  # else torch warns in every process that no weight went without a gradient
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    name = active_profile(profile)
    cls = _method(method)
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidInput(f"--out names a folder, but {out} is a file. Choose another name.")
    given = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "bits": bits}
    settings = cls.preset(name) | {key: value for key, value in given.items() if value is not None}
    if hashing := _is_hashing(cls):
        chosen, first = _from_pixels(cls(**settings), name, seed, tower_lr, start)
    elif bits is not None or tower_lr is not None:
        raise InvalidInput(
            f"--bits and --tower-lr are for hashing, and {cls.__name__} is a dual tower. Leave them out."
        )
    else:
        chosen, first = _dual_tower(cls, settings | {"seed": seed}, start)
    size = (chosen if first is None else first).image["size"]
    training, validation = (_hashing_splits if hashing else _splits)(dataset, name, size, seed)
    options: dict[str, Any] = {"device": device, "precision": precision, "checkpoint": checkpoint}
    chosen.fit(training, **options | ({} if first is None else {"start": first}))
    from xmr_lib.processes import is_main_process, leave, world_size

    processes = world_size()
    leave()
    if not is_main_process():
        return
    if out is not None:
        chosen.save(out)
    print(
        f"{chosen.name}{f', {chosen.bits} bits' if hashing else ''}: {training.n_images:,} images, "
        f"{training.n_captions:,} captions, epochs: {chosen.epochs}, "
        f"{chosen.history_.seconds:.0f} s" + (f" in {processes} processes" if processes > 1 else "")
    )
    from xmr_lib.evaluation import evaluate

    print(evaluate(chosen, validation, metrics=["MAP"] if hashing else ["R@1", "R@5", "R@10"]))
    if out is not None:
        print(f"Saved {out}. In Python: {type(chosen).__name__}.load({str(out)!r}).")


def _method(name: str) -> Any:
    """The class of a dual tower or of a deep hashing system, by its name in any case."""
    from xmr_lib.errors import check_choice
    from xmr_lib.methods import dual_tower
    from xmr_lib.methods.hashing.from_pixels import DEEP

    classes = [*(getattr(dual_tower, each) for each in dual_tower.__all__), *DEEP]
    names = {each.__name__.lower(): each for each in classes}
    return names[check_choice(name.lower(), names, "dual tower or deep hashing system")]


def _is_hashing(cls: Any) -> bool:
    from xmr_lib.methods.hashing.base import HashingMethod

    return issubclass(cls, HashingMethod)


def _dual_tower(cls: Any, settings: dict[str, Any], start: str | None) -> tuple[Any, Any]:
    """The method, unfitted, and the fitted one that it starts from, whose towers it then has, or None."""
    from xmr_lib.methods.dual_tower.hub import open_tower

    if start is None:
        return cls(**settings), None
    first = open_tower(start, cls)
    towers = {"image", "text", "dim"} & inspect.signature(cls).parameters.keys()
    return cls(**settings | {key: value for key, value in first.get_params().items() if key in towers}), first


def _from_pixels(
    method: Any, profile: str, seed: int, tower_lr: float | None, start: str | None
) -> tuple[FromPixels, Any]:
    """The hashing method on its towers, unfitted, and the dual tower that they come from, or None: fresh ones."""
    from xmr_lib.methods.dual_tower.hub import open_tower
    from xmr_lib.methods.hashing import FromPixels

    chosen = FromPixels(method, **FromPixels.preset(profile) | {"tower_lr": tower_lr, "seed": seed})
    if start is not None:
        chosen = chosen.clone(start=start)
    return chosen, None if chosen.start is None else open_tower(chosen.start)


def _splits(name: str, profile: str, size: int, seed: int) -> tuple[PairedDataset, PairedDataset]:
    """Training and validation pairs."""
    if name == "scenes":
        from xmr_lib.data.pixels import scene_splits

        scenes = scene_splits(profile, size)
        return scenes.train, scenes.validation
    data = _pictures(name, **HASHING.get(name, {}))
    return data.split("train"), data.split("validation")


def _hashing_splits(name: str, profile: str, size: int, seed: int) -> tuple[PairedDataset, PairedDataset]:
    """The same with labels, and with one caption per image, drawn with ``seed``."""
    if name == "scenes":
        from xmr_lib.encoders.hashing_pictures import hashing_pictures

        scenes: Any = hashing_pictures(profile, seed=seed, size=max(size, SCENE_SIZE))
        return scenes.train, scenes.validation
    data = _pictures(name, **HASHING.get(name, {}))
    if data.labels is None:
        raise InvalidInput(f"Hashing is measured by labels, and {name} comes without. Take scenes or mirflickr25k.")
    from xmr_lib.encoders.hashing_pictures import with_one_caption

    data = data if data.n_captions == data.n_images else with_one_caption(data, seed)
    return data.split("train"), data.split("validation")


def _pictures(name: str, **options: str) -> PairedDataset:
    """A data set with pictures."""
    from xmr_lib.data import PairedDataset, load_dataset

    data: Any = load_dataset(name, **options)
    if not isinstance(data, PairedDataset):
        raise InvalidInput(f"{name} comes as features, but pictures are wanted. Take scenes, emoji or coco.")
    return data
