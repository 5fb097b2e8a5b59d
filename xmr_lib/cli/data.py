"""``xmr data``: list the data sets, look at one, prepare its features."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from xmr_lib.cli.common import SavePng, examples, save_figure
from xmr_lib.errors import InvalidInput

data_app = typer.Typer(
    help="List the data sets, look at one, or prepare its features.",
    epilog=examples("xmr data list", "xmr data show scenes --save scenes.png", "xmr data build emoji"),
    rich_markup_mode=None,
)

DatasetName = Annotated[str, typer.Argument(metavar="NAME", help="A name from `xmr data list`.", show_default=False)]


@data_app.command("list")
def data_list() -> None:
    """The data sets, and whether they are ready on this computer."""
    from xmr_lib.config import data_dir
    from xmr_lib.data.registry import REGISTRY

    for name, entry in REGISTRY.items():
        here = "ready, offline" if entry.offline else "files found" if (data_dir() / name).is_dir() else "needs files"
        print(f"{name:<17}{here:<16}{entry.summary}")


@data_app.command("show", epilog=examples("xmr data show emoji", "xmr data show scenes --save scenes.png"))
def data_show(name: DatasetName, save: SavePng = None) -> None:
    """Sizes, splits, classes and a few captions of a data set.

    Nothing is written, unless --save asks for a sheet of sample pictures.
    """
    from xmr_lib.data import load_dataset

    data: Any = load_dataset(name)
    print(f"{data.name}: {data.n_images:,} images, {data.n_captions:,} captions, {len(data.class_names)} classes")
    print("splits: " + ", ".join(f"{split} {len(rows):,}" for split, rows in data.splits.items()))
    if data.class_names:
        print("classes: " + ", ".join(data.class_names[:12]) + (", ..." if len(data.class_names) > 12 else ""))
    if not hasattr(data, "captions"):
        _, d_image = data.features.image.shape
        print(f"comes as features: {d_image} numbers per image, {data.features.text.shape[1]} per text")
        if save is not None:
            raise InvalidInput(f"{name} comes as features, so there is no picture to save. Leave out --save.")
        return
    for caption in _spread(data.n_captions, 5):
        print(f"  image {data.caption_image[caption]}: {data.captions[caption]}")
    if save is not None:
        from xmr_lib.plots import picture_grid

        chosen = _spread(data.n_images, 40)
        save_figure(
            picture_grid([data.images[i] for i in chosen], [data.captions[data.captions_of(i)[0]] for i in chosen]),
            save,
        )


@data_app.command("build", epilog=examples("xmr data build emoji", "xmr data build scenes --protocol single_label"))
def data_build(
    name: DatasetName,
    image: Annotated[str, typer.Option(metavar="ENCODER", help="Image encoder.")] = "efficientnet-lite0",
    text: Annotated[str, typer.Option(metavar="ENCODER", help="Text encoder: minilm, bow, lda.")] = "minilm",
    protocol: Annotated[
        str | None, typer.Option(metavar="PROTOCOL", help="Of scenes: multi_label (default), single_label.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="PROFILE", help="Size of scenes: smoke, course, paper; default XMR_PROFILE.")
    ] = None,
    hashing: Annotated[bool, typer.Option("--hashing", help="Of scenes: those of the hashing lessons.")] = False,
) -> None:
    """Compute the features of a data set once and keep them in the cache.

    Stopping it does no harm: a half-written file is never used.
    """
    from xmr_lib.data import PairedDataset, load_dataset

    if hashing:
        _build_hashing(name, profile)
        return
    options = {key: value for key, value in {"protocol": protocol, "profile": profile}.items() if value is not None}
    if options and name != "scenes":
        raise InvalidInput(f"--{next(iter(options))} is for scenes, the one data set made in several sizes and forms.")
    data = load_dataset(name, **options)
    if not isinstance(data, PairedDataset):
        print(f"{name} comes as features: there is nothing to build.")
        return
    from xmr_lib.encoders import encode_dataset

    start = time.perf_counter()
    features = encode_dataset(data, image=image, text=text)
    print(f"{features} in the cache after {time.perf_counter() - start:.0f} s.")


def _build_hashing(name: str, profile: str | None) -> None:
    """The pictures of ``hashing_splits("scenes")``; its captions become word counts, which need no cache."""
    if name != "scenes":
        raise InvalidInput("--hashing is for scenes; the other data sets of the hashing lessons need no building.")
    from xmr_lib.encoders.hashing_splits import hashing_splits

    start = time.perf_counter()
    splits = hashing_splits("scenes", profile)
    sizes = f"{splits.database.n_images} to search, {splits.query.n_images} queries"
    print(f"scenes for hashing: {sizes}, in the cache after {time.perf_counter() - start:.0f} s.")


def _spread(n: int, count: int) -> list[int]:
    """``count`` positions spread evenly over ``n``."""
    return [i * n // min(n, count) for i in range(min(n, count))]
