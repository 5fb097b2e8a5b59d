"""Fit once, load ever after: fitted methods kept in the cache folder of this computer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from xmr_lib.config import cache_dir, fits
from xmr_lib.errors import InvalidInput, MissingData

M = TypeVar("M")


def stored_at(method: Any, train: Any, validation: Any = None, start: Any = None) -> Path:
    """The folder of this fit: named after the method, its version, its settings, the data and its start."""
    key = {
        "class": type(method).__qualname__,
        "version": getattr(method, "version", 1),
        "parameters": method.get_params(),
        "train": train.version,
        "validation": None if validation is None else validation.version,
        "start": None if start is None else _weights(start),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return cache_dir() / "models" / f"{type(method).__name__}-{digest}"


def fit_or_load(method: M, train: Any, validation: Any = None, *, start: Any = None, again: bool = False) -> M:
    """A fitted copy of ``method``: loaded where the same fit was stored before, else trained and stored.

    The same fit means: the same class and version of it, the same hyper-parameters (seed included), the same version
    of the data, and the same start. ``history_.seconds`` of a loaded method is the time its training took.

    Args:
        method: Unfitted (or its fit is ignored); it stays as it is.
        train, validation: Data sets with a ``version``.
        start: See :meth:`xmr_lib.methods.towers.TowerMethod.fit`.
        again: Train even where a stored fit exists, and replace it.

    Raises:
        MissingData: ``XMR_FITS=load`` is set, and the fit is not stored.
    """
    chosen: Any = method
    folder = stored_at(chosen, train, validation, start)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # of two processes that want the same fit one trains, the other waits
        if not again:
            try:
                found: M = type(chosen).load(folder)
                return found
            except MissingData:
                pass
            except InvalidInput:  # damaged, or of an older version of the class: train again
                pass
        if fits() == "load":
            raise MissingData(
                f"This fit of {type(chosen).__name__} is not stored on this computer, and XMR_FITS=load forbids "
                "to train it here. Run `make models`, or unset XMR_FITS."
            )
        options = {} if start is None else {"start": start}
        fitted = chosen.clone().fit(train, validation, **options)
        fitted.save(folder)
        result: M = fitted
        return result


def stored_fit(method: M, pairs: Any, seed: int, start: Any = None) -> M:
    """How :func:`xmr_lib.evaluation.compare` fits with stored fits: ``fit=stored_fit``.

    Methods in closed form take seconds and are fitted anew.

    Args:
        method: Unfitted, with its seed set. pairs: It trains on ``pairs.train`` for all its epochs.
        seed: For ``start``.
        start: An unfitted method, itself fitted (or loaded) with this seed first:
            ``fit=functools.partial(stored_fit, start=CLIP(**CLIP.preset("course")))``.
    """
    if not hasattr(method, "epochs"):
        fitted: M = method.fit(pairs.train)  # type: ignore[attr-defined]
        return fitted
    begin = None if start is None else fit_or_load(start.clone(seed=seed), pairs.train)
    return fit_or_load(method, pairs.train, start=begin)


def stored_training(method: M, pairs: Any, seed: int) -> M:
    """Fit as :func:`xmr_lib.evaluation.compare` does by default, but keep what trains in epochs.

    Epochs are chosen on ``pairs.validation`` where there is one. Methods in closed form take seconds and are fitted
    anew.
    """
    if hasattr(method, "epochs"):
        return fit_or_load(method, pairs.train, pairs.validation)
    fitted: M = method.fit(pairs.train, pairs.validation)  # type: ignore[attr-defined]
    return fitted


def _weights(method: Any) -> str:
    """A short hash of what a fitted method has learnt."""
    _, arrays = method._state()
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()[:16]
