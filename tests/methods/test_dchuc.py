"""DCHUC: the objective by hand, every closed-form step against it, the slip of the released code, fit and save."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits, hashing_splits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing.dchuc import DCHUC
from xmr_lib.methods.hashing.dchuc_steps import balance_ratio, dcc_step, dchuc_objective, drawn_pairs, label_ridge
from xmr_lib.nn.codes import label_similarity, sign_codes

SMALL: dict[str, Any] = {"bits": 8, "image_hidden": [16], "text_hidden": [16], "sample": 60, "rounds": 2, "mu": 1.0}
SMALL |= {"epochs": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def splits() -> HashingSplits:
    return hashing_splits("generated")


@pytest.fixture(scope="module")
def data(splits: HashingSplits) -> PairedFeatures:
    return splits.train.subset(np.arange(120))


def problem(n: int = 40, m: int = 15, bits: int = 16, classes: int = 4, seed: int = 0) -> dict[str, Any]:
    """Random arguments of the objective, float64."""
    rng = torch.Generator().manual_seed(seed)
    labels = (torch.rand(n, classes, generator=rng) < 0.3).double()
    omega = torch.randperm(n, generator=rng)[:m]
    u, g = (torch.tanh(torch.randn(m, bits, dtype=torch.float64, generator=rng)) for _ in range(2))
    similarity = label_similarity(labels[omega], labels)
    return {
        "u": u,
        "g": g,
        "codes": sign_codes(torch.randn(n, bits, dtype=torch.float64, generator=rng)),
        "w": torch.randn(bits, classes, dtype=torch.float64, generator=rng),
        "target": torch.where(similarity > 0, 1.0, -balance_ratio(similarity)).double(),
        "labels": labels,
        "omega": omega,
    }


def swept(p: dict[str, Any], slip: bool) -> list[float]:
    """J before and after each column of three sweeps over V, W after each sweep."""
    p = dict(p)
    values = [float(dchuc_objective(**p))]
    for _ in range(3):
        for k in range(p["codes"].shape[1]):
            codes = p["codes"].clone()
            codes[:, k] = dcc_step(k, **p, slip=slip)
            p["codes"] = codes
            values.append(float(dchuc_objective(**p)))
        p["w"] = label_ridge(*(p[name] for name in ("u", "g", "codes", "labels", "omega")))
        values.append(float(dchuc_objective(**p)))
    return values


def test_objective_by_hand() -> None:
    """Two pairs with one bit and one class, the second of them drawn."""
    value = dchuc_objective(
        u=torch.tensor([[0.5]]),
        g=torch.tensor([[-1.0]]),
        codes=torch.tensor([[1.0], [-1.0]]),
        w=torch.tensor([[2.0]]),
        target=torch.tensor([[-0.5, 1.0]]),
        labels=torch.tensor([[0.0], [1.0]]),
        omega=torch.tensor([1]),
        gamma=3.0,
        alpha=5.0,
        mu=7.0,
        eta=11.0,
        beta=13.0,
    )
    to_codes = 1.0**2 + 1.5**2 + 0.5**2 + 0.0**2
    each_other = (-0.5 - 1.0) ** 2
    quantisation = (-1.0 + 0.25) ** 2
    labels = (1.0 - 1.0) ** 2 + (-2.0 - 1.0) ** 2
    from_codes = 2.0**2 + (-2.0 - 1.0) ** 2
    by_hand = to_codes + 7 * each_other + 3 * quantisation + 5 * labels + 13 * from_codes + 11 * 4
    assert value.item() == pytest.approx(by_hand)


def test_the_targets_balance() -> None:
    similarity = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    assert balance_ratio(similarity) == 1.0
    r = balance_ratio(torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert 3 * 1 - 1 * r == 0
    assert balance_ratio(torch.ones(2, 2)) == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_no_column_raises_the_objective(seed: int) -> None:
    """48 columns and three ridges of each start."""
    values = np.array(swept(problem(seed=seed), slip=False))
    assert len(values) == 1 + 3 * 17
    assert (np.diff(values) <= 1e-9 * values[0]).all()
    assert values[-1] < values[0]


def test_with_the_slip_some_columns_raise_it() -> None:
    rises = [(np.diff(swept(problem(seed=seed), slip=True)) > 1e-6).sum() for seed in range(4)]
    assert min(rises) >= 1


def test_a_column_is_the_best_of_all_columns() -> None:
    """Flipping any bit of it costs; and in bit k the objective is linear, so no other column is better."""
    p = problem(n=12, m=5, bits=4)
    codes = p["codes"].clone()
    codes[:, 2] = dcc_step(2, **p)
    best = float(dchuc_objective(**(p | {"codes": codes})))
    for i in range(12):
        flipped = codes.clone()
        flipped[i, 2] *= -1
        assert float(dchuc_objective(**(p | {"codes": flipped}))) >= best


def test_a_column_has_no_zero_and_leaves_its_arguments() -> None:
    p = problem()
    nothing = p | {name: torch.zeros_like(p[name]) for name in ("u", "g", "w")}
    before = p["codes"].clone()
    assert set(dcc_step(0, **nothing).tolist()) == {-1.0}
    assert torch.equal(p["codes"], before)


def test_the_ridge_is_where_the_gradient_vanishes() -> None:
    p = problem()
    w = label_ridge(*(p[name] for name in ("u", "g", "codes", "labels", "omega"))).requires_grad_()
    (gradient,) = torch.autograd.grad(dchuc_objective(**(p | {"w": w})), w)
    assert gradient.abs().max() < 1e-9


def test_gradients_agree_with_finite_differences() -> None:
    p = problem(n=6, m=4, bits=3, classes=2)
    u, g = p["u"].requires_grad_(), p["g"].requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: dchuc_objective(**(p | {"u": a, "g": b})), (u, g))


def fresh_network(data: PairedFeatures, **changes: Any) -> Any:
    """An untrained network that remembers the pairs, its memory filled with the outputs of all of them."""
    method = DCHUC(**(SMALL | changes))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = method.build(**method.sizes(data)).eval()
    network.remember(torch.from_numpy(np.asarray(data.labels, dtype=np.float32)), torch.Generator().manual_seed(0))
    network.image_latest.copy_(network.image_tower(torch.from_numpy(data.image)).detach())
    network.text_latest.copy_(network.text_tower(torch.from_numpy(data.text)).detach())
    return network


@pytest.mark.parametrize("side", ["image", "text"])
def test_a_batch_has_the_gradient_of_the_objective(data: PairedFeatures, side: str) -> None:
    """With the whole of Omega as batch the terms, times N b, are J with the other modality as a constant."""
    network = fresh_network(data)
    m, omega = network.method, network.omega
    rows = {"image": torch.from_numpy(data.image), "text": torch.from_numpy(data.text)}
    batch = {key: value[omega] for key, value in rows.items()} | {"image_index": omega}
    tower = network.image_tower if side == "image" else network.text_tower
    weights = list(tower.parameters())
    terms = network(batch, side, 0.0)
    found = torch.autograd.grad(sum(terms.values()) * len(omega) * data.n_images, weights)
    outputs = {name: network.latest(name)[omega] for name in ("image", "text")}
    outputs[side] = tower(rows[side][omega])
    target, codes = network._target(omega), network.codes.float()
    options = {"gamma": m.gamma, "alpha": m.alpha, "mu": m.mu, "eta": m.eta, "beta": m.beta}
    objective = dchuc_objective(
        outputs["image"], outputs["text"], codes, network.label_map, target, network.labels, omega, **options
    )
    for ours, theirs in zip(found, torch.autograd.grad(objective, weights), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-2 * float(theirs.abs().max()))


def test_the_network_sweeps_as_the_functions_do(data: PairedFeatures) -> None:
    network = fresh_network(data, epochs=2)
    omega, codes = network.omega.clone(), network.codes.float()
    u, g, target, w = network.image_latest[omega], network.text_latest[omega], network._target(omega), network.label_map
    for k in range(8):
        codes[:, k] = dcc_step(k, codes, u, g, w, target, network.labels, omega)
    network.after_epoch(0.5)
    assert torch.equal(network.codes.float(), codes)
    torch.testing.assert_close(network.label_map, label_ridge(u, g, codes, network.labels, omega))
    assert torch.equal(network.omega, drawn_pairs(120, 60, 0, 1))  # those of the next epoch


def test_the_batches_are_of_the_drawn_pairs(data: PairedFeatures) -> None:
    method = DCHUC(**SMALL)
    batches: Any = list(method.batches(data)(1))
    assert len(batches) == 4 * 2  # two rounds of two passes
    turns: Any = method.turns()
    order = [turns(number / 8)[0] for number in range(8)]
    assert order == ["image", "image", "text", "text"] * 2
    omega = drawn_pairs(120, 60, 0, 1)
    seen = torch.cat([batch["image_index"] for batch in batches[:2]])
    assert sorted(seen.tolist()) == omega.tolist()
    for batch in batches:
        assert torch.equal(batch["image"], torch.from_numpy(data.image)[batch["image_index"]])
        assert torch.equal(batch["text"], torch.from_numpy(data.text)[batch["image_index"]])


def test_drawn_pairs_differ_by_epoch_and_are_distinct() -> None:
    one, two = drawn_pairs(50, 20, 0, 0), drawn_pairs(50, 20, 0, 1)
    assert len(set(one.tolist())) == 20
    assert one.tolist() != two.tolist()
    assert drawn_pairs(10, 20, 0, 0).tolist() == list(range(10))


def test_learns_and_the_unified_codes_are_the_easier_database(splits: HashingSplits) -> None:
    """Seeds 0 to 2, 15 epochs of the course preset: about .73 / .71 hashed, .79 / .75 unified; chance .46."""
    method = DCHUC(**(DCHUC.preset("course") | {"epochs": 8}))
    method.fit(splits.train)
    hashed, unified = (evaluate_hashing(method, splits, protocol=p) for p in ("training", "unified"))
    assert hashed.value("MAP") > hashed.chance["i2t"]["MAP"] + 0.1
    assert unified.value("MAP") > hashed.value("MAP") + 0.01
    assert len(method.history_.watched["J / (N m)"]) == 8


def test_unified_codes(data: PairedFeatures) -> None:
    method = DCHUC(**SMALL).fit(data)
    assert method.unified_codes_.shape == (120, 8)
    assert method.unified_codes_.dtype == np.int8
    assert set(np.unique(method.unified_codes_)) == {-1, 1}


def test_same_seed_same_codes(data: PairedFeatures) -> None:
    one, two, other = (DCHUC(**SMALL, seed=s).fit(data) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.image_outputs(data.image), two.image_outputs(data.image))
    np.testing.assert_array_equal(one.unified_codes_, two.unified_codes_)
    assert not np.array_equal(one.unified_codes_, other.unified_codes_)


def test_stored_and_read_back(data: PairedFeatures, tmp_path: Path) -> None:
    method = DCHUC(**SMALL, standardise=True).fit(data, data)
    stored: Any = method._state()[1]
    assert [name for name, array in stored.items() if len(array) == data.n_images] == ["codes"]
    method.save(tmp_path)
    again = DCHUC.load(tmp_path)
    assert again.get_params() == method.get_params()
    np.testing.assert_array_equal(again.unified_codes_, method.unified_codes_)
    np.testing.assert_array_equal(again.similarity(data.image, data.text), method.similarity(data.image, data.text))


def test_one_class_for_all(data: PairedFeatures) -> None:
    same = replace(data, labels=np.ones((120, 1), dtype=bool), class_names=("all",))
    assert np.isfinite(DCHUC(**SMALL).fit(same).image_outputs(data.image)).all()


def test_bad_input(data: PairedFeatures, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="DCHUC learns from class labels"):
        DCHUC(**SMALL).fit(replace(data, labels=None))
    with pytest.raises(InvalidInput, match="no label"):
        DCHUC(**SMALL).fit(replace(data, labels=np.zeros((120, 12), dtype=bool)))
    with pytest.raises(InvalidInput, match="bits"):
        DCHUC(**(SMALL | {"bits": 0})).fit(data)
    with pytest.raises(InvalidInput, match="sample"):
        DCHUC(**(SMALL | {"sample": 0})).fit(data)
    with pytest.raises(InvalidInput, match="checkpoint"):
        DCHUC(**SMALL).fit(data, checkpoint=tmp_path / "run")
    with pytest.raises(InvalidInput, match="NaN"):
        DCHUC(**SMALL).fit(data).encode_text(np.full((2, data.text.shape[1]), np.nan))
    with pytest.raises(InvalidInput, match="not fitted"):
        DCHUC(**SMALL).encode_image(data.image)


def test_presets() -> None:
    assert DCHUC.preset("paper") == {}
    for profile in ("smoke", "course"):
        assert DCHUC(**DCHUC.preset(profile)).bits == 16
