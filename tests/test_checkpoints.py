"""A checkpoint file: what goes in comes out, half a file is never seen, and a foreign one is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from xmr_lib.checkpoints import check_fits, read_checkpoint, restore_optimiser, write_checkpoint
from xmr_lib.errors import InvalidInput


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.random.default_generator.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2, fused=True)
    for _ in range(3):
        optimiser.zero_grad()
        network(torch.randn(5, 3)).square().sum().backward()
        optimiser.step()
    return network, optimiser


def test_round_trip(tmp_path: Path) -> None:
    network, optimiser = trained()
    state = {"epoch": 2, "settings": {"lr": 0.1}, "history": {"terms": {"loss": [1 / 3, float("nan")]}}}
    write_checkpoint(tmp_path / "a" / "run", {"network": network.state_dict(), "best": {}}, {"a/b": optimiser}, state)
    groups, moments, again = read_checkpoint(tmp_path / "a" / "run")
    assert again["history"]["terms"]["loss"][0] == 1 / 3
    assert again["epoch"] == 2
    assert set(groups) == {"network"}
    for name, value in network.state_dict().items():
        assert torch.equal(groups["network"][name], value)
        assert groups["network"][name].dtype == value.dtype
    assert set(moments) == {"a/b"}  # a slash in a player's name is no separator

    fresh = torch.optim.AdamW([torch.zeros_like(p) for p in network.parameters()], 1e-2, fused=True)
    restore_optimiser(fresh, moments["a/b"])
    for number, values in optimiser.state_dict()["state"].items():
        for key, value in values.items():
            assert torch.equal(fresh.state_dict()["state"][number][key], value), (number, key)


def test_weights_that_share_memory_and_views(tmp_path: Path) -> None:
    tied = torch.arange(6.0).reshape(2, 3)
    write_checkpoint(tmp_path / "run", {"network": {"a": tied, "b": tied.T, "c": tied[0]}}, {}, {})
    groups = read_checkpoint(tmp_path / "run")[0]["network"]
    assert torch.equal(groups["b"], tied.T)
    assert torch.equal(groups["c"], tied[0])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    write_checkpoint(path, {"network": {"w": torch.ones(2)}}, {}, {"epoch": 0})
    content = path.read_bytes()

    def full_disk(*arguments: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("xmr_lib.files.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint(path, {"network": {"w": torch.zeros(2)}}, {}, {"epoch": 1})
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    with pytest.raises(TypeError):  # what JSON cannot hold is no checkpoint, and no loss of the old one
        write_checkpoint(path, {}, {}, {"epoch": torch.ones(1)})
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"no tensors", None, "tensors without a header", "odd optimiser keys"])
def test_no_checkpoint(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "run"
    if content is None:
        write_checkpoint(path, {"network": {"w": torch.ones(50)}}, {}, {"epoch": 0})
        path.write_bytes(path.read_bytes()[:-100])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        keys = {"tensors": "network/w", "odd": "optimiser/no number"}
        save_file({keys[content.split()[0]]: torch.ones(2)}, path, {"state": "{}"} if "odd" in content else None)
    with pytest.raises(InvalidInput, match=r"run is damaged or none of ours. Delete it to start again"):
        read_checkpoint(path)


def test_a_missing_file_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="damaged or none of ours"):
        read_checkpoint(tmp_path / "nothing")


def test_other_settings_and_other_weights_are_named() -> None:
    weights = {"w": torch.ones(2, 3)}
    groups, state = {"network": weights}, {"settings": {"seed": 0, "margin": 0.3}}
    path = Path("run")
    check_fits(path, groups, state, {"seed": 0, "margin": 0.3}, weights)
    with pytest.raises(InvalidInput, match=r"it has \{'margin': 0.3\}, but this run has \{'margin': 0.5\}"):
        check_fits(path, groups, state, {"seed": 0, "margin": 0.5}, weights)
    with pytest.raises(InvalidInput, match=r"\{'beta': None\}, but this run has \{'beta': 1\}"):
        check_fits(path, groups, state, {"seed": 0, "margin": 0.3, "beta": 1}, weights)
    for other in ({"w": torch.ones(3, 2)}, {"v": torch.ones(2, 3)}, {**weights, "b": torch.ones(1)}):
        with pytest.raises(InvalidInput, match="network of another form"):
            check_fits(path, groups, state, state["settings"], other)
