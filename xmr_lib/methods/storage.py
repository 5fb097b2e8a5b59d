"""A fitted method in a folder: ``config.json`` (class, hyper-parameters) and ``fitted.safetensors`` (what was learnt).

Nothing is unpickled: the configuration is JSON and the arrays are safetensors. A method inside a method (SCM holds a CM
and an SM) is stored with it, its arrays under ``<attribute>.``; one among the hyper-parameters by its class and its own
hyper-parameters. A method that trains a network says itself what it stores: ``_state() -> (JSON values, arrays)`` and
``_set_state(values, arrays)``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from xmr_lib.errors import InvalidInput, MissingData
from xmr_lib.files import write_bytes_atomically, write_text_atomically

CONFIG, ARRAYS = "config.json", "fitted.safetensors"


def write_method(method: Any, folder: Path) -> None:
    """Store a fitted method; the configuration is written last, so a folder that has one is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    config, arrays = _describe(method)
    write_bytes_atomically(folder / ARRAYS, save(arrays))
    write_text_atomically(folder / CONFIG, json.dumps(config, indent=1) + "\n")


def read_method(cls: type, folder: Path) -> Any:
    """Read a method of class ``cls`` back.

    Raises:
        MissingData: The folder holds no stored method.
        InvalidInput: It holds another method, or its files are damaged.
    """
    if not (folder / CONFIG).is_file() or not (folder / ARRAYS).is_file():
        raise MissingData(f"There is no stored method in {folder}. Fit one and store it with method.save(folder).")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        arrays = load((folder / ARRAYS).read_bytes())
        stored = config["class"]
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InvalidInput(f"The stored method in {folder} is damaged. Fit it again and save it there.") from error
    if stored != cls.__name__:
        raise InvalidInput(f"The folder {folder} holds a {stored}, not a {cls.__name__}. Use {stored}.load(...).")
    try:
        return _rebuild(cls, config, arrays)
    except (RuntimeError, KeyError, TypeError) as error:  # arrays of another form, unknown parameters
        raise InvalidInput(
            f"The stored {stored} in {folder} does not fit this version of the class, or was changed. Fit it again and "
            "save it there."
        ) from error


def _fitted(method: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(method).items() if key.endswith("_") and not key.startswith("_")}


def _describe(method: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Configuration and arrays of a method, inner methods included."""
    config: dict[str, Any] = {**_settings(method), "methods": {}}
    arrays: dict[str, np.ndarray] = {}
    if hasattr(method, "_state"):
        config["state"], arrays = method._state()
        return config, arrays
    for key, value in _fitted(method).items():
        if hasattr(value, "get_params"):
            config["methods"][key], inner = _describe(value)
            arrays |= {f"{key}.{name}": array for name, array in inner.items()}
        else:
            arrays[key] = np.ascontiguousarray(value)
    return config, arrays


def _settings(method: Any) -> dict[str, Any]:
    """Class and hyper-parameters; of a hyper-parameter that is a method the same."""
    given = method.get_params().items()
    values = {key: _settings(value) if hasattr(value, "get_params") else value for key, value in given}
    return {"class": type(method).__name__, "parameters": values}


def _part(cls: Any, key: str, name: str) -> Any:
    """The class called ``name`` of the method inside a ``cls`` at ``key``, as ``cls.parts`` allows it."""
    allowed = cls.parts[key]
    return {each.__name__: each for each in ((allowed,) if isinstance(allowed, type) else allowed)}[name]


def _unfitted(cls: type, settings: dict[str, Any]) -> Any:
    """The method that :func:`_settings` described."""
    values = settings["parameters"].items()
    parts: Any = getattr(cls, "parts", {})
    return cls(**{key: _unfitted(_part(cls, key, v["class"]), v) if key in parts else v for key, v in values})


def _rebuild(cls: type, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """The method that :func:`_describe` described. Inner classes are those that ``cls.parts`` names."""
    method = _unfitted(cls, config)
    if "state" in config:
        method._set_state(config["state"], arrays)
        return method
    for key, value in arrays.items():
        if "." not in key:
            setattr(method, key, value)
    for key, inner in config["methods"].items():
        own = {name.removeprefix(f"{key}."): array for name, array in arrays.items() if name.startswith(f"{key}.")}
        setattr(method, key, _rebuild(_part(cls, key, inner["class"]), inner, own))
    return method
