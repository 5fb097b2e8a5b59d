"""A training run in one file: weights, optimisers, history. Safetensors with a JSON header; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from xmr_lib.errors import InvalidInput
from xmr_lib.files import write_bytes_atomically


def write_checkpoint(
    path: Path, tensors: Mapping[str, Mapping[str, Tensor]], optimisers: Mapping[str, Any], state: Mapping[str, Any]
) -> None:
    """Replace the checkpoint in one step: a run that is killed while writing leaves the last one whole.

    Args:
        path: The file.
        tensors: Group ("network", "best") -> name -> tensor.
        optimisers: Name -> torch optimiser.
        state: Anything JSON can hold (epoch, history, settings).
    """
    flat = {f"{group}/{name}": tensor for group, named in tensors.items() for name, tensor in named.items()}
    for name, optimiser in optimisers.items():
        for parameter, values in optimiser.state_dict()["state"].items():
            flat |= {f"optimiser/{name}/{parameter}/{key}": torch.as_tensor(value) for key, value in values.items()}
    flat = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in flat.items()}
    write_bytes_atomically(path, save(flat, metadata={"state": json.dumps(state)}))


def read_checkpoint(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any], dict[str, Any]]:
    """Read back what :func:`write_checkpoint` wrote.

    Returns:
        Groups of tensors; per optimiser its state by parameter number; the JSON state.

    Raises:
        InvalidInput: The file is damaged or no checkpoint.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    optimisers: dict[str, Any] = {}
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
            for key in file.keys():  # noqa: SIM118 - safe_open is not a mapping
                group, _, name = key.partition("/")
                if group == "optimiser":
                    player, parameter, field = name.rsplit("/", 2)
                    moments = optimisers.setdefault(player, {}).setdefault(int(parameter), {})
                    moments[field] = file.get_tensor(key)
                else:
                    groups.setdefault(group, {})[name] = file.get_tensor(key)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"The checkpoint {path} is damaged or none of ours. Delete it to start again from the first epoch."
        ) from error
    return groups, optimisers, state


def check_fits(
    path: Path,
    groups: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    settings: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> None:
    """Refuse the checkpoint of another run, before anything of this run has changed.

    Args:
        path: The file, for the message.
        groups, state: What :func:`read_checkpoint` gave.
        settings: Those of this run, as JSON gives them back.
        weights: ``state_dict`` of this run's network.

    Raises:
        InvalidInput: Other settings or other weights; the message says which.
    """
    stored = state.get("settings", {})
    apart = [key for key in {**settings, **stored} if stored.get(key) != settings.get(key)]
    if apart:
        then, now = ({key: values.get(key) for key in apart} for values in (stored, settings))
        raise InvalidInput(
            f"The checkpoint {path} belongs to another run: it has {then}, but this run has {now}. Go back to the old "
            "settings, or name another file; this one was left as it is."
        )
    stored_shapes = {name: tuple(tensor.shape) for name, tensor in groups.get("network", {}).items()}
    if stored_shapes != {name: tuple(tensor.shape) for name, tensor in weights.items()}:
        raise InvalidInput(
            f"The checkpoint {path} holds a network of another form than this one. Build the old network, or name "
            "another file; this one was left as it is."
        )


def restore_optimiser(optimiser: Any, moments: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Give a fresh optimiser the stored moments of its parameters."""
    described = optimiser.state_dict()
    described["state"] = {number: dict(values) for number, values in moments.items()}
    optimiser.load_state_dict(described)
