"""DCMH: the loss by hand, against the closed-form gradient and by finite differences; memory, codes, fit and save."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits, hashing_splits
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing import CVH, UDCMH
from xmr_lib.methods.hashing.dcmh import DCMH, code_terms, dcmh_objective, dcmh_terms
from xmr_lib.nn.codes import sign_codes

SMALL: dict[str, Any] = {"bits": 8, "image_hidden": [16], "text_hidden": [16], "eta": 1e-3, "lr": 3e-3}
SMALL |= {"epochs": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def splits() -> HashingSplits:
    return hashing_splits("generated")


@pytest.fixture(scope="module")
def data(splits: HashingSplits) -> PairedFeatures:
    return splits.train.subset(np.arange(120))


def problem(n: int = 6, bits: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """F, G (n, bits), S (n, n) and B (n, bits), float64."""
    rng = torch.Generator().manual_seed(0)
    f, g = (torch.randn(n, bits, dtype=torch.float64, generator=rng) for _ in range(2))
    similarity = (torch.rand(n, n, generator=rng) < 0.4).double()
    return f, g, similarity, sign_codes(f + g)


def test_objective_by_hand() -> None:
    """Two pairs, one bit: Theta = [[1, -2], [-.5, 1]]."""
    f, g = torch.tensor([[1.0], [-0.5]]), torch.tensor([[2.0], [-4.0]])
    codes = torch.tensor([[1.0], [-1.0]])
    pairs = (np.log1p(np.exp([1.0, -2.0, -0.5, 1.0])) - [1.0, 0.0, 0.0, 1.0]).sum()
    quantisation = 0.0 + 0.25 + 1.0 + 9.0
    balance = 0.5**2 + 2.0**2
    found = dcmh_objective(f, g, torch.eye(2), codes, gamma=0.5, eta=0.1)
    assert found.item() == pytest.approx(pairs + 0.5 * quantisation + 0.1 * balance, abs=1e-5)


@pytest.mark.parametrize("side", ["image", "text"])
def test_the_gradient_of_a_batch_is_the_closed_form_of_the_paper(side: str) -> None:
    f, g, similarity, codes = problem()
    if side == "text":
        f, g, similarity = g, f, similarity.T
    gamma, eta, rows = 0.7, 0.3, torch.tensor([4, 1, 2])
    outputs = f[rows].clone().requires_grad_()
    rest = f.sum(0) - f[rows].sum(0)
    terms = dcmh_terms(outputs, g, similarity[rows], codes[rows], rest, gamma, eta)
    (gradient,) = torch.autograd.grad(sum(terms.values(), torch.zeros(())), outputs)
    theta = f @ g.T / 2
    closed = 0.5 * (torch.sigmoid(theta) - similarity) @ g + 2 * gamma * (f - codes) + 2 * eta * f.sum(0)
    torch.testing.assert_close(gradient * similarity[rows].numel(), closed[rows])


def test_the_terms_change_with_the_batch_as_the_objective_does() -> None:
    f, g, similarity, codes = problem()
    rows, gamma, eta = torch.tensor([0, 3]), 0.7, 0.3
    other = f.clone()
    other[rows] += 0.5

    def batch(side: Tensor) -> Tensor:
        rest = side.sum(0) - side[rows].sum(0)
        terms = dcmh_terms(side[rows], g, similarity[rows], codes[rows], rest, gamma, eta)
        return sum(terms.values(), torch.zeros(())) * similarity[rows].numel()

    whole = dcmh_objective(other, g, similarity, codes, gamma, eta) - dcmh_objective(
        f, g, similarity, codes, gamma, eta
    )
    torch.testing.assert_close(batch(other) - batch(f), whole)


@pytest.mark.parametrize("form", ["sum", "mean"])
def test_gradients_agree_with_finite_differences(form: str) -> None:
    f, g, similarity, codes = problem()
    f.requires_grad_()
    rest = torch.ones(4, dtype=torch.float64)

    def total(outputs: Tensor) -> Tensor:
        return torch.stack(list(dcmh_terms(outputs, g, similarity, codes, rest, 0.5, 0.2, form).values())).sum()

    assert torch.autograd.gradcheck(total, (f,))


def test_weights_of_the_two_forms() -> None:
    """The mean form with gamma K / n and eta K n / b is the sum form."""
    f, g, similarity, codes = problem()
    b, n, bits = 2, 6, 4
    arguments = f[:b], g, similarity[:b], codes[:b], f[b:].sum(0)
    total = dcmh_terms(*arguments, gamma=0.5, eta=0.2)
    mean = dcmh_terms(*arguments, gamma=0.5 * bits / n, eta=0.2 * bits * n / b, form="mean")
    for name, value in total.items():
        torch.testing.assert_close(mean[name], value)


def test_the_codes_minimise_the_objective() -> None:
    """sgn(F + G) beats every other code of every row: rows and bits are independent."""
    f, g, _, codes = problem()
    best = code_terms(f, codes, 1.0, 0.0) + code_terms(g, codes, 1.0, 0.0)
    for i in range(len(f)):
        for k in range(f.shape[1]):
            flipped = codes.clone()
            flipped[i, k] *= -1
            assert code_terms(f, flipped, 1.0, 0.0) + code_terms(g, flipped, 1.0, 0.0) >= best


def test_large_outputs_do_not_overflow() -> None:
    f = torch.full((2, 128), 30.0)
    terms = dcmh_terms(f, f, torch.eye(2), torch.ones(2, 128), torch.zeros(128))
    assert all(torch.isfinite(value) for value in terms.values())


def test_the_batches_of_an_epoch_are_an_image_pass_and_a_text_pass(data: PairedFeatures) -> None:
    method = DCMH(**SMALL)
    batches = list(method.batches(data)(0))
    turns: Any = method.turns()
    order = [turns(number / len(batches)) for number in range(len(batches))]
    assert order == [("image",)] * 4 + [("text",)] * 4
    for half in (batches[:4], batches[4:]):
        assert sorted(torch.cat([batch["image_index"] for batch in half]).tolist()) == list(range(120))


def test_memory_objective_and_codes_after_training(data: PairedFeatures) -> None:
    method = DCMH(**SMALL).fit(data)
    network: Any = method.model_
    f, g, labels = network.image_latest, network.text_latest, network.labels
    assert torch.equal(network.codes, sign_codes(f + g))
    similarity = (labels @ labels.T > 0).float()
    objective = dcmh_objective(f, g, similarity, network.codes, method.gamma, method.eta)
    assert method.history_.watched["J / n^2"][-1] == pytest.approx(float(objective) / 120**2, rel=1e-5)
    assert not f.requires_grad


def test_only_the_tower_whose_turn_it_is_learns(data: PairedFeatures) -> None:
    network = DCMH(**SMALL).build(data.image.shape[1], data.text.shape[1], 12)
    network.remember(torch.from_numpy(np.asarray(data.labels, dtype=np.float32)), torch.Generator().manual_seed(0))
    batch = next(iter(DCMH(**SMALL).batches(data)(0)))
    before = network.image_latest.clone()
    sum(network(batch, "image", 0.0).values()).backward()
    assert all(p.grad is None for p in network.text_tower.parameters())
    assert all(p.grad is not None for p in network.image_tower.parameters())
    rows = batch["image_index"]
    changed = (network.image_latest != before).any(1)
    assert sorted(changed.nonzero()[:, 0].tolist()) == sorted(rows.tolist())


def test_centred_outputs_of_the_other_side_earn_nothing_by_a_constant(data: PairedFeatures) -> None:
    """Move all texts by a constant: the images learn the same as before; in the paper's form they do not."""
    labels = torch.from_numpy(np.asarray(data.labels, dtype=np.float32))
    batch = next(iter(DCMH(**SMALL).batches(data)(0)))

    def slope(centre: bool, shift: float) -> Tensor:
        torch.manual_seed(0)
        network = DCMH(**SMALL, centre=centre).build(data.image.shape[1], data.text.shape[1], 12)
        network.remember(labels, torch.Generator().manual_seed(0))
        network.text_latest += shift
        network(batch, "image", 0.0)["pairs"].backward()
        first = next(network.image_tower.parameters()).grad
        assert first is not None
        return first

    assert torch.allclose(slope(True, 0.0), slope(True, 3.0), atol=1e-6)
    assert not torch.allclose(slope(False, 0.0), slope(False, 3.0), atol=1e-3)


@pytest.mark.parametrize("centre", [False, True])
def test_the_objective_falls_and_the_codes_find_the_labels(splits: HashingSplits, centre: bool) -> None:
    """Seeds 0 to 2 give about .71 / .69 (CVH about .53, chance .46)."""
    method = DCMH(**(DCMH.preset("course") | {"epochs": 8, "centre": centre})).fit(splits.train)
    watched = np.array(method.history_.watched["J / n^2"])
    assert (np.diff(watched) < 0).mean() > 0.8
    assert watched[-1] < 0.6 * watched[0]
    report = evaluate_hashing(method, splits)
    assert report.value("MAP") > report.chance["i2t"]["MAP"] + 0.15


def test_more_bits_are_better_and_labels_are_worth_a_tenth(splits: HashingSplits) -> None:
    """The paper's form: 64 bits above 16, and both a tenth above CVH; above UDCMH, which has no labels."""
    paper = DCMH(**DCMH.preset("course")).clone(centre=False)
    found = {bits: evaluate_hashing(paper.clone(bits=bits).fit(splits.train), splits).value("MAP") for bits in (16, 64)}
    assert found[64] > found[16] > evaluate_hashing(CVH(16).fit(splits.train), splits).value("MAP") + 0.1
    assert found[64] > evaluate_hashing(UDCMH(64).fit(splits.train), splits).value("MAP") + 0.05


def test_same_seed_same_codes(data: PairedFeatures) -> None:
    one, two, other = (DCMH(**SMALL, seed=s).fit(data).image_outputs(data.image) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("standardise", [False, True])
def test_stored_without_the_memory_and_read_back(data: PairedFeatures, tmp_path: Path, standardise: bool) -> None:
    method = DCMH(**SMALL, standardise=standardise).fit(data, data)
    stored: Any = method._state()[1]
    assert not any(len(array) == data.n_images for array in stored.values())
    method.save(tmp_path)
    again = DCMH.load(tmp_path)
    assert again.get_params() == method.get_params()
    assert again.history_.watched == method.history_.watched
    np.testing.assert_array_equal(again.similarity(data.image, data.text), method.similarity(data.image, data.text))


def test_codes_have_no_zero(data: PairedFeatures) -> None:
    codes = DCMH(**SMALL).fit(data).encode_text(data.text)
    assert codes.dtype == np.int8
    assert set(np.unique(codes)) <= {-1, 1}


def test_one_class_and_single_pairs_in_a_batch(data: PairedFeatures) -> None:
    same = replace(data, labels=np.ones((120, 1), dtype=bool), class_names=("all",))
    assert np.isfinite(DCMH(**SMALL).fit(same).image_outputs(data.image)).all()
    single = DCMH(**(SMALL | {"batch_size": 1, "epochs": 1})).fit(data.subset(np.arange(6)))
    assert np.isfinite(single.image_outputs(data.image)).all()


def test_bad_input(data: PairedFeatures, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="DCMH learns from class labels"):
        DCMH(**SMALL).fit(replace(data, labels=None))
    with pytest.raises(InvalidInput, match="no label"):
        DCMH(**SMALL).fit(replace(data, labels=np.zeros((120, 12), dtype=bool)))
    with pytest.raises(InvalidInput, match="one caption per image"):
        DCMH(**SMALL).fit(replace(data, text=np.repeat(data.text, 2, 0), caption_image=np.repeat(np.arange(120), 2)))
    with pytest.raises(InvalidInput, match="bits"):
        DCMH(**(SMALL | {"bits": 0})).fit(data)
    with pytest.raises(UnknownName, match="mean, sum"):
        DCMH(**SMALL, form="total").fit(data)
    with pytest.raises(InvalidInput, match="checkpoint"):
        DCMH(**SMALL).fit(data, checkpoint=tmp_path / "run")
    with pytest.raises(InvalidInput, match="NaN"):
        DCMH(**SMALL).fit(data).encode_image(np.full((2, data.image.shape[1]), np.nan))
    with pytest.raises(InvalidInput, match="not fitted"):
        DCMH(**SMALL).encode_image(data.image)


def test_presets() -> None:
    assert DCMH.preset("paper") == {}
    for profile in ("smoke", "course"):
        assert DCMH(**DCMH.preset(profile)).bits == 16
