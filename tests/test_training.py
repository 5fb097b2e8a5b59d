"""The loop: who moves which weights and how often, what is kept, what is refused, and going on after a break."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from xmr_lib.checkpoints import read_checkpoint
from xmr_lib.errors import InvalidInput, TrainingDiverged, UnknownName
from xmr_lib.training import History, Player, train

X = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))


def batches(epoch: int) -> Iterator[dict[str, Tensor]]:
    """Three batches of ten rows, in an order of their own in each epoch."""
    order = torch.randperm(30, generator=torch.Generator().manual_seed(epoch))
    for rows in order.split(10):
        yield {"x": X[rows]}


class Game(nn.Module):
    """An encoder with dropout and a critic that reads it; each player's loss depends on the weights of both."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3))
        self.critic = nn.Linear(8, 1)
        self.register_buffer("passes", torch.zeros(()))
        self.calls: list[str] = []

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        self.calls.append(player)
        self.passes += self.training
        score = self.critic(self.encoder(batch["x"]))
        if player == "critic":
            return {"far": (score - 1).square().mean()}
        return {"near": score.square().mean(), "size": 0.1 * self.encoder[0].weight.square().sum()}


def game(seed: int = 0) -> Game:
    torch.random.default_generator.manual_seed(seed)
    return Game()


def players(network: Game) -> dict[str, Player]:
    return {
        "encoder": Player(network.encoder.parameters(), 1e-2, schedule=lambda p: 1 - p, clip=1.0),
        "critic": Player([{"params": network.critic.parameters(), "lr": 2e-2}], 1e-2, weight_decay=0.01),
    }


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def score_of(network: Game) -> Callable[[], float]:
    """A validation score that rises for 27 forward passes (three epochs of nine), then falls."""

    def score() -> float:
        assert not network.training
        return -abs(float(network.passes) - 27)

    return score


def run(network: Game, epochs: int = 6, **options: Any) -> History:
    return train(network, batches, players(network), epochs=epochs, device="cpu", **options)


# --- steps and players ---------------------------------------------------------------------------------------------


def test_turns_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    network, steps = game(), []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: (steps.append(len(self.param_groups[0])), step(self)))
    run(network, epochs=2, turns=["critic", "encoder", "encoder", "encoder"])
    assert network.calls == ["critic", "encoder", "encoder", "encoder"] * 3 * 2
    assert len(steps) == 4 * 3 * 2
    network.calls.clear()
    run(network, epochs=1)
    assert network.calls == ["encoder", "critic"] * 3


@pytest.mark.parametrize(("mover", "other"), [("encoder", "critic"), ("critic", "encoder")])
def test_a_player_never_moves_the_weights_of_another(mover: str, other: str) -> None:
    network = game()
    before = weights(network)
    run(network, epochs=2, turns=[mover])  # its loss has a gradient for both
    after = weights(network)
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith(other), name  # passes: nobody's


def test_the_first_step_is_that_of_adam() -> None:
    network = nn.Linear(1, 1, bias=False)
    start = network.weight.detach().clone()
    network.forward = lambda batch, player, progress: {"loss": network.weight.sum() * 3}  # type: ignore[assignment]
    train(network, lambda e: [{"x": X}], {"all": Player(network.parameters(), 0.25)}, epochs=1, device="cpu")
    assert float(start - network.weight.detach()) == pytest.approx(0.25)  # lr * sign of the gradient


def test_clipping_holds_for_parameters_that_come_as_a_generator() -> None:
    """Betas 0: Adam divides the gradient by itself, so a clipped one shows only through eps; compare with none."""
    ends = {}
    for clip in (None, 1e-9):
        network = game()
        before = weights(network)["critic.weight"]
        player = Player((p for p in network.critic.parameters()), 1e-2, clip=clip)
        train(network, batches, {"critic": player}, epochs=1, device="cpu")
        ends[clip] = float((network.critic.weight.detach() - before).abs().max())
    assert ends[1e-9] < 0.5 * ends[None]


def test_the_schedule_multiplies_each_groups_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self: (rates.append([g["lr"] for g in self.param_groups]), step(self))
    )
    network = game()
    groups = [{"params": network.encoder.parameters()}, {"params": network.critic.parameters(), "lr": 10.0}]
    train(network, batches, {"all": Player(groups, 1.0, schedule=lambda p: 1 - p)}, epochs=2, device="cpu")
    np.testing.assert_allclose([r[0] for r in rates], 1 - np.arange(6) / 6)
    np.testing.assert_allclose([r[1] for r in rates], 10 * (1 - np.arange(6) / 6))


# --- history and selection -----------------------------------------------------------------------------------------


def test_the_history_holds_means_over_batches_and_turns() -> None:
    network = nn.Linear(1, 1)
    values = iter([1.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0, 40.0])

    def forward(batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        terms = {"loss": 0 * network.weight.sum() + next(values)}
        return terms | ({"late": terms["loss"] * 2} if progress >= 0.5 else {})

    network.forward = forward  # type: ignore[method-assign]
    all_of_it = {"all": Player(network.parameters(), 1e-3)}
    history = train(network, lambda e: [{"x": X}, {"x": X}], all_of_it, epochs=2, turns=["all", "all"], device="cpu")
    assert history.terms["loss"] == [4.0, 25.0]
    assert math.isnan(history.terms["late"][0])
    assert history.terms["late"][1] == 50.0
    assert history.epochs == 2
    assert history.best_epoch is None


def test_early_stopping_keeps_the_best_weights() -> None:
    network, seen, scores = game(), [], iter([0.1, 0.5, 0.5, 0.4, 0.3, 0.9])

    def validate() -> float:
        seen.append(weights(network))
        return next(scores)

    history = run(network, epochs=20, validate=validate, patience=3)
    assert history.validation == [0.1, 0.5, 0.5, 0.4, 0.3]  # three epochs without a better score after epoch 1
    assert (history.best_epoch, history.stopped_early, history.epochs) == (1, True, 5)
    assert equal(weights(network), seen[1])
    assert not equal(seen[1], seen[4])
    assert not network.training


def test_without_validation_the_last_weights_stay() -> None:
    short, long = game(), game()
    train(short, batches, {"e": Player(short.encoder.parameters(), 1e-2)}, epochs=1, device="cpu")
    history = train(long, batches, {"e": Player(long.encoder.parameters(), 1e-2)}, epochs=3, device="cpu")
    assert not equal(weights(short), weights(long))
    assert (history.best_epoch, history.validation, history.stopped_early) == (None, [], False)


def test_what_is_watched_is_written_down_and_survives_a_break(tmp_path: Path) -> None:
    def watcher(network: Game) -> Callable[[], dict[str, float]]:
        def watch() -> dict[str, float]:
            assert not network.training
            assert not torch.is_grad_enabled()
            return {"norm": float(network.critic.weight.norm())}

        return watch

    whole, half, path = game(), game(), tmp_path / "run"
    expected = run(whole, epochs=4, watch=watcher(whole)).watched
    assert len(set(expected["norm"])) == 4
    options: dict[str, Any] = {"epochs": 4, "device": "cpu", "checkpoint": path}
    with pytest.raises(Killed):
        train(half, broken_after(2), players(half), watch=watcher(half), **options)
    fresh = game(seed=99)
    assert run(fresh, epochs=4, checkpoint=path, watch=watcher(fresh)).watched == expected


def test_short_work_shows_no_bar(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    run(game(), epochs=2)
    assert capfd.readouterr().err == ""


# --- random numbers ------------------------------------------------------------------------------------------------


def test_seeds_and_the_random_numbers_outside() -> None:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    start = {seed: weights(game()) for seed in (0, 1)}
    torch.set_rng_state(states[2])
    ends = []
    for seed in (0, 0, 1):
        network = Game()
        network.load_state_dict(start[0])
        before = torch.get_rng_state()
        run(network, epochs=2, seed=seed, validate=lambda: float(torch.rand(())))  # draws inside are the run's own
        assert torch.equal(before, torch.get_rng_state())
        ends.append(weights(network))
    assert equal(ends[0], ends[1])
    assert not equal(ends[0], ends[2])  # dropout
    assert random.getstate() == states[0]
    np.testing.assert_equal(np.random.get_state(), states[1])  # noqa: NPY002


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_does_not_matter_here(threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        first, again = game(), game()
        run(first)
        run(again)
    finally:
        torch.set_num_threads(before)
    assert equal(weights(first), weights(again))
    assert all(torch.isfinite(value).all() for value in weights(first).values())


def test_bf16_runs_and_leaves_the_network_as_it_was() -> None:
    network, dtypes = game(), set()
    network.critic.register_forward_hook(lambda module, inputs, output: dtypes.add(output.dtype))
    history = run(network, epochs=2, precision="bf16")
    assert dtypes == {torch.bfloat16}
    assert all(np.isfinite(values).all() for values in history.terms.values())
    assert "forward" not in vars(network) or "autocast" not in repr(network.forward)
    assert network(next(batches(0)), "critic", 0.0)["far"].dtype == torch.float32
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    with pytest.raises(InvalidInput, match=r"fp16.* needs a GPU"):
        run(game(), precision="fp16")


# --- refusals ------------------------------------------------------------------------------------------------------


def test_wrong_arguments() -> None:
    network = game()
    with pytest.raises(UnknownName, match="no player named 'referee'"):
        run(network, turns=["encoder", "referee"])
    with pytest.raises(InvalidInput, match="patience needs a validation score"):
        run(network, patience=3)
    with pytest.raises(InvalidInput, match="epochs must be a whole number"):
        run(network, epochs=0)
    with pytest.raises(InvalidInput, match="'idle' owns no weights"):
        train(network, batches, {"idle": Player([], 1e-3)}, epochs=1, device="cpu")
    with pytest.raises(InvalidInput, match="epoch 1 has no batches"):
        train(network, lambda epoch: [], players(network), epochs=1, device="cpu")
    with pytest.raises(UnknownName, match="precision"):
        run(network, precision="fp8")


class Faulty(nn.Module):
    """One weight; what goes wrong is chosen."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.w, self.fault, self.count = nn.Parameter(torch.ones(2)), fault, 0

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        self.count += 1
        late = self.count == 6  # epoch 2, batch 3
        fine = self.w.square().sum()
        if self.fault == "empty":
            return {}
        if self.fault == "gradient" and late:
            return {"fine": fine, "root": (self.w * 0).norm() + (0 * self.w[0]).sqrt()}
        return {"fine": fine, "bad": fine * (math.nan if self.fault == "loss" and late else 1.0)}


def test_a_loss_that_is_not_finite_is_named() -> None:
    network = Faulty("loss")
    with pytest.raises(TrainingDiverged, match=r"^ACMR: the loss term 'bad' of player 'all' .* in epoch 2, batch 3\."):
        train(network, batches, {"all": Player([network.w], 1e-3)}, epochs=3, device="cpu", description="ACMR")
    assert torch.isfinite(network.w).all()


def test_a_gradient_that_is_not_finite_is_seen_at_the_end_of_the_epoch() -> None:
    network = Faulty("gradient")
    with pytest.raises(TrainingDiverged, match=r"the weights 'w' became NaN .* last batch of epoch 2"):
        train(network, batches, {"all": Player([network.w], 1e-3)}, epochs=2, device="cpu")


def test_no_terms_and_a_score_that_is_nan() -> None:
    network = Faulty("empty")
    with pytest.raises(InvalidInput, match="gave player 'all' no loss term in epoch 1, batch 1"):
        train(network, batches, {"all": Player([network.w], 1e-3)}, epochs=1, device="cpu")
    with pytest.raises(TrainingDiverged, match="validation score after epoch 1 is NaN"):
        run(game(), validate=lambda: math.nan)


# --- checkpoints ---------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for the end of the process."""


def broken_after(epochs: int) -> Callable[[int], Iterator[dict[str, Tensor]]]:
    """Batches that end the run in the middle of an epoch."""

    def until(epoch: int) -> Iterator[dict[str, Tensor]]:
        for number, batch in enumerate(batches(epoch)):
            if epoch == epochs and number == 1:
                raise Killed
            yield batch

    return until


@pytest.mark.parametrize("patience", [None, 3])
@pytest.mark.parametrize("break_at", [1, 3, 5])
def test_a_resumed_run_ends_as_if_it_had_not_stopped(tmp_path: Path, break_at: int, patience: int | None) -> None:
    path, whole = tmp_path / "run.safetensors", game()
    options: dict[str, Any] = {"turns": ["critic", "encoder", "critic"], "epochs": 8, "seed": 5, "patience": patience}
    expected = run(whole, validate=score_of(whole), **options)

    half = game()
    with pytest.raises(Killed):
        train(half, broken_after(break_at), players(half), validate=score_of(half), checkpoint=path, **options)
    fresh = game(seed=99)  # other start weights: everything must come from the file
    torch.rand(17)
    history = run(fresh, validate=score_of(fresh), checkpoint=path, **options)
    assert equal(weights(fresh), weights(whole))
    assert history.terms == expected.terms
    assert history.validation == expected.validation
    assert (history.best_epoch, history.stopped_early) == (expected.best_epoch, expected.stopped_early)
    assert expected.best_epoch == 2
    assert expected.epochs == (6 if patience else 8)

    last = game(seed=98)  # the run is over: nothing is trained, the result is there
    again = run(last, validate=score_of(last), checkpoint=path, **options)
    assert equal(weights(last), weights(whole))
    assert again == history
    assert last.calls == []


def test_bf16_resumes_to_the_same_weights(tmp_path: Path) -> None:
    path, whole, half = tmp_path / "run", game(), game()
    run(whole, epochs=4, precision="bf16")
    with pytest.raises(Killed):
        train(half, broken_after(2), players(half), epochs=4, precision="bf16", device="cpu", checkpoint=path)
    fresh = game(seed=99)
    run(fresh, epochs=4, precision="bf16", checkpoint=path)
    assert equal(weights(fresh), weights(whole))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"epochs": 7}, "epochs"),
        ({"turns": ["critic"]}, "turns"),
        ({"settings": {"margin": 0.2}}, "margin"),
        ({"description": "DSCMR"}, "DSCMR"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused_and_kept(tmp_path: Path, change: dict, named: str) -> None:
    path = tmp_path / "run"
    options = {"epochs": 2, "seed": 0, "settings": {"margin": 0.1}}
    run(game(), checkpoint=path, **options)
    content, network = path.read_bytes(), game()
    before = weights(network)
    with pytest.raises(InvalidInput, match=rf"belongs to another run.*{named}"):
        run(network, checkpoint=path, **{**options, **change})
    assert path.read_bytes() == content
    assert equal(weights(network), before)


def test_other_data_other_rates_and_another_network_are_refused(tmp_path: Path) -> None:
    path, network = tmp_path / "run", game()
    run(network, checkpoint=path, epochs=1)
    content = path.read_bytes()
    with pytest.raises(InvalidInput, match=r"another run.*batch"):
        train(network, lambda e: [{"x": X + 1}], players(network), epochs=1, device="cpu", checkpoint=path)
    for change in ({"lr": 1e-4}, {"clip": None}, {"schedule": None}):
        others = players(network)
        others["encoder"] = Player(
            **{"parameters": network.encoder.parameters(), "lr": 1e-2, "clip": 1.0, "schedule": lambda p: 1 - p}
            | change
        )
        with pytest.raises(InvalidInput, match=r"another run.*players"):
            train(network, batches, others, epochs=1, device="cpu", checkpoint=path)
    wide = game()
    wide.critic = nn.Linear(8, 2)
    before = weights(wide)
    with pytest.raises(InvalidInput, match="network of another form"):
        run(wide, epochs=1, checkpoint=path)
    assert equal(before, weights(wide))
    assert path.read_bytes() == content


def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "run"
    run(game(), checkpoint=path, epochs=1)
    path.write_bytes(path.read_bytes()[:-40])
    content = path.read_bytes()
    with pytest.raises(InvalidInput, match="damaged or none of ours"):
        run(game(), checkpoint=path, epochs=1)
    assert path.read_bytes() == content


ENDLESS = """
import sys, torch
from pathlib import Path
from torch import nn
from xmr_lib.training import Player, train

network = nn.Linear(300, 300)
forward = network.forward
network.forward = lambda batch, player, progress: {"loss": forward(batch["x"]).square().mean()}
train(network, lambda epoch: [{"x": torch.ones(2, 300)}], {"all": Player(network.parameters(), 1e-4)},
      epochs=10**6, device="cpu", checkpoint=Path(sys.argv[1]))
"""


def test_a_killed_process_leaves_a_readable_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)])
    try:
        until = time.monotonic() + 60
        while not path.is_file() and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.3)  # some epochs of about a millisecond, most of it spent writing
    finally:
        process.kill()
        process.wait()
    groups, optimisers, state = read_checkpoint(path)
    assert len(state["history"]["terms"]["loss"]) == state["epoch"] + 1
    assert float(optimisers["all"][0]["step"]) == state["epoch"] + 1
    assert torch.isfinite(groups["network"]["weight"]).all()
    assert load_file(path)  # plain safetensors: other tools read it too
