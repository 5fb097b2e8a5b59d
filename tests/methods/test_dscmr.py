"""DSCMR: its three terms by hand and by finite differences, the shared layer, and what fit, save and bad input do."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.real_valued import DSCMR
from xmr_lib.methods.real_valued.dscmr import discrimination, invariance, label_regression

SMALL: dict[str, Any] = {"hidden": 16, "d_common": 8, "lr": 3e-3, "epochs": 6, "batch_size": 30}


@pytest.fixture(scope="module")
def data() -> PairedFeatures:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 120)
    image, text = 2 * rng.normal(size=(3, 6))[classes], 2 * rng.normal(size=(3, 4))[classes]
    return PairedFeatures(
        image + rng.normal(size=image.shape), text + rng.normal(size=text.shape), labels=np.eye(3)[classes]
    )


def double(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_label_regression_by_hand() -> None:
    onehot = double([1, 0], [0, 1])
    image, text = double([1, 0], [3, 5]), double([0.4, 0.8], [0, 1])
    assert label_regression(image, text, onehot).item() == pytest.approx((0 + 5) / 2 + (1 + 0) / 2)
    assert label_regression(image, text, onehot, "batch").item() == pytest.approx(5 / 2 + 1 / 2)


def test_invariance_by_hand() -> None:
    u, v = double([3, 4], [1, 1]), double([0, 0], [1, 1])
    assert invariance(u, v).item() == pytest.approx(2.5)
    assert invariance(u, v, "batch").item() == pytest.approx(2.5)
    assert invariance(v, v).item() == 0


def test_discrimination_by_hand() -> None:
    u, classes = double([2, 0], [0, 3]), torch.tensor([0, 1])
    same, other = math.log(1 + math.exp(0.5)) - 0.5, math.log(2)
    assert discrimination(u, u, classes).item() == pytest.approx(3 * (2 * same + 2 * other) / 4)
    orthogonal = double([1, 0, 0, 0], [0, 1, 0, 0]), double([0, 0, 1, 0], [0, 0, 0, 1])
    between = math.log(2)  # every cosine of an image and a text is 0: S does not matter
    assert discrimination(*orthogonal, classes).item() == pytest.approx(2 * (2 * same + 2 * other) / 4 + between)


def test_discrimination_equals_a_loop_over_pairs() -> None:
    rng = np.random.default_rng(1)
    u, v, y = rng.normal(size=(7, 5)), rng.normal(size=(7, 5)), rng.integers(0, 3, 7)
    total = 0.0
    for a, b in ((u, u), (u, v), (v, v)):
        for i in range(7):
            for j in range(7):
                g = 0.5 * a[i] @ b[j] / np.linalg.norm(a[i]) / np.linalg.norm(b[j])
                p = 1 / (1 + np.exp(-g))
                total -= math.log(p if y[i] == y[j] else 1 - p) / 49
    ours = discrimination(torch.from_numpy(u), torch.from_numpy(v), torch.from_numpy(y))
    assert ours.item() == pytest.approx(total)


def test_discrimination_ignores_the_length_and_can_never_be_small() -> None:
    """G is between -1/2 and 1/2, so even a perfect space leaves a loss: softplus(-1/2) per pair."""
    y = torch.tensor([0, 1])
    u = double([1, 0], [-1, 0])
    assert discrimination(u, u, y).item() == pytest.approx(3 * math.log(1 + math.exp(-0.5)))
    assert discrimination(1e4 * u, 1e-4 * u, y).item() == pytest.approx(discrimination(u, u, y).item())


def test_gradients_agree_with_finite_differences() -> None:
    rng = torch.Generator().manual_seed(0)
    u, v = (torch.randn(5, 4, dtype=torch.float64, generator=rng, requires_grad=True) for _ in range(2))
    classes = torch.tensor([0, 1, 1, 2, 0])
    onehot = torch.nn.functional.one_hot(classes, 4).double()
    assert torch.autograd.gradcheck(lambda a, b: discrimination(a, b, classes), (u, v))
    for norms in ("sample", "batch"):
        assert torch.autograd.gradcheck(lambda a, b, n=norms: label_regression(a, b, onehot, n), (u, v))
        assert torch.autograd.gradcheck(lambda a, b, n=norms: invariance(a, b, n), (u, v))


def test_no_gradient_is_nan_where_the_partners_meet() -> None:
    u = torch.randn(4, 3, requires_grad=True)
    invariance(u, u * 1.0).backward()
    assert u.grad is not None
    assert (u.grad == 0).all()


def test_the_last_layer_is_one_object() -> None:
    network = DSCMR(**SMALL).build(6, 4, 3)
    assert network.image_tower[-1] is network.text_tower[-1]
    names = [name for name, _ in network.named_parameters()]
    assert len(names) == 8  # two first layers, one last layer, the label head: weight and bias each
    apart = DSCMR(**SMALL, share=False).build(6, 4, 3)
    assert apart.image_tower[-1] is not apart.text_tower[-1]


@pytest.mark.parametrize("share", [True, False])
def test_the_last_layers_after_training(data: PairedFeatures, share: bool) -> None:
    network = DSCMR(**SMALL, share=share).fit(data).model_
    equal = torch.equal(network.image_tower[-1].weight, network.text_tower[-1].weight)
    assert equal is share


def test_the_defaults_are_those_of_the_paper() -> None:
    method = DSCMR(**DSCMR.preset("paper"))
    shape = [p.shape for p in method.build(4096, 300, 20).image_tower.parameters()]
    assert shape == [(2048, 4096), (2048,), (1024, 2048), (1024,)]
    assert (method.alpha, method.beta, method.lr, method.beta1) == (1e-3, 1e-1, 1e-4, 0.5)
    assert (method.batch_size, method.epochs) == (100, 500)


def test_terms_of_weight_zero_are_left_out(data: PairedFeatures) -> None:
    assert set(DSCMR(**SMALL).fit(data).history_.terms) == {"J1 labels", "J2 discrimination", "J3 invariance"}
    assert set(DSCMR(**SMALL, alpha=0.0, beta=0.0).fit(data).history_.terms) == {"J1 labels"}
    assert set(DSCMR(**SMALL, label_weight=0.0, beta=0.0).fit(data).history_.terms) == {"J2 discrimination"}


def test_all_weights_zero_is_refused(data: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="nothing to learn"):
        DSCMR(**SMALL, alpha=0.0, beta=0.0, label_weight=0.0).fit(data)


@pytest.mark.parametrize("changes", [{}, {"norms": "batch"}, {"shuffle": False}, {"standardise": True}])
def test_learns_the_classes(data: PairedFeatures, changes: dict[str, Any]) -> None:
    method = DSCMR(**(SMALL | {"epochs": 12} | changes)).fit(data, data)
    report = evaluate(method, data, metrics=["MAP"])
    assert report.value("MAP") > report.chance["i2t"]["MAP"] + 0.3


def test_same_seed_same_similarities(data: PairedFeatures) -> None:
    one, two, other = (DSCMR(**SMALL, seed=s).fit(data).similarity(data.image, data.text) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("share", [True, False])
def test_stored_and_read_back(data: PairedFeatures, tmp_path: Path, share: bool) -> None:
    method = DSCMR(**SMALL, share=share, standardise=True).fit(data, data)
    method.save(tmp_path)
    again = DSCMR.load(tmp_path)
    assert again.get_params() == method.get_params()
    assert (again.model_.image_tower[-1] is again.model_.text_tower[-1]) is share  # type: ignore[index]
    np.testing.assert_array_equal(again.similarity(data.image, data.text), method.similarity(data.image, data.text))


def test_bad_input(data: PairedFeatures) -> None:
    with pytest.raises(InvalidInput, match="DSCMR learns from class labels"):
        DSCMR(**SMALL).fit(replace(data, labels=None))
    with pytest.raises(InvalidInput, match="exactly one class per image"):
        DSCMR(**SMALL).fit(replace(data, labels=np.ones((120, 3))))
    with pytest.raises(InvalidInput, match="same class"):
        DSCMR(**SMALL).fit(replace(data, labels=np.eye(3)[np.zeros(120, int)]))
    with pytest.raises(InvalidInput, match="must pair one to one"):
        PairedFeatures(data.image, data.text[:-1], labels=data.labels)
    with pytest.raises(InvalidInput, match="NaN"):
        DSCMR(**SMALL).fit(data).encode_image(np.full((2, 6), np.nan))
    with pytest.raises(UnknownName, match="batch, sample"):
        DSCMR(**SMALL, norms="mean").fit(data)


def test_batches_of_a_single_class(data: PairedFeatures) -> None:
    order = np.argsort(np.asarray(data.labels).argmax(1), kind="stable")
    method = DSCMR(**(SMALL | {"batch_size": 10}), shuffle=False).fit(data.subset(order))
    assert np.isfinite(method.similarity(data.image, data.text)).all()


def test_several_captions_per_image(data: PairedFeatures) -> None:
    five = PairedFeatures(data.image, np.repeat(data.text, 5, 0), np.repeat(np.arange(120), 5), labels=data.labels)
    assert DSCMR(**SMALL).fit(five, five).similarity(five.image, five.text).shape == (120, 600)
