"""CLIP4CMR: every objective by hand, by a loop and by finite differences; unit norms, frozen backbone, collapse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.real_valued import CLIP4CMR
from xmr_lib.methods.real_valued import objectives as loss
from xmr_lib.methods.real_valued.clip4cmr import CLASS_WISE, PAIR_WISE, THE_SIX, WITH_PROTOTYPES
from xmr_lib.nn import squared_distances

ALL = PAIR_WISE + CLASS_WISE
SMALL: dict[str, Any] = {"hidden": 16, "d_common": 8, "lr": 5e-3, "epochs": 8, "batch_size": 30, "patience": None}


@pytest.fixture(scope="module")
def data() -> PairedFeatures:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 120)
    image, text = 2 * rng.normal(size=(3, 6))[classes], 2 * rng.normal(size=(3, 4))[classes]
    return PairedFeatures(
        image + rng.normal(size=image.shape), text + rng.normal(size=text.shape), labels=np.eye(3)[classes]
    )


def double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


# Two images, three texts: classes 0, 1 and 0, 1, 1. Text 0 belongs to image 0, texts 1 and 2 to image 1.
D = double([0.1, 0.15, 0.9], [0.05, 0.3, 0.25])
SAME = torch.tensor([[True, False, False], [False, True, True]])


def test_contrastive_by_hand() -> None:
    pull, push = 0.1 + 0.3 + 0.25, (0.2 - 0.15) + 0 + (0.2 - 0.05)
    assert loss.contrastive_loss(D, SAME, 0.2).item() == pytest.approx((pull + push) / 2)


def test_modality_invariant_by_hand() -> None:
    assert loss.modality_invariant_loss(D, SAME).item() == pytest.approx((0.1 + 0.3 + 0.25) / 2)


def test_triplet_by_hand() -> None:
    by_text = (0.2 + 0.1 - 0.05) + (0.2 + 0.3 - 0.15) + 0  # text 0, 1, 2 against the image of the other class
    by_image = [(0.2 + 0.1 - 0.15) + 0, 0.2 + 0.3 - 0.05, 0.2 + 0.25 - 0.05]  # image 0; image 1 for texts 1 and 2
    value = loss.triplet_loss(D, SAME, torch.tensor([0, 1, 1]), 0.2)
    assert value.item() == pytest.approx((by_text + sum(by_image)) / 2)


def test_triplet_with_an_image_that_lost_its_text() -> None:
    """Image 1 has no text: it is a negative for text 0, but no anchor."""
    value = loss.triplet_loss(D[:, :1], SAME[:, :1], torch.tensor([0]), 0.2)
    assert value.item() == pytest.approx((0.2 + 0.1 - 0.05) / 2)


def test_regression_by_hand() -> None:
    scores = double([0.6, 0.8], [0.0, 1.0])
    assert loss.regression_loss(scores, torch.tensor([1, 1])).item() == pytest.approx((math.hypot(0.6, 0.2) + 0) / 2)


X, C, Y = double([1, 0], [0.6, 0.8]), double([1, 0], [0, 1], [-1, 0]), torch.tensor([0, 1])
DISTANCES = [[0, 2, 4], [0.8, 0.4, 3.2]]  # of X and C, in the head


def test_prototype_by_hand() -> None:
    terms = [d[y] + math.log(sum(math.exp(-z) for z in d)) for d, y in zip(DISTANCES, (0, 1), strict=True)]
    assert loss.prototype_contrastive(X, Y, C).item() == pytest.approx(sum(terms) / 2)
    equal = double([1, 0]).expand(3, 2)
    assert loss.prototype_contrastive(X, Y, equal).item() == pytest.approx(math.log(3))


def test_proxy_nca_by_hand() -> None:
    terms = [0 + math.log(math.exp(-2) + math.exp(-4)), 0.4 + math.log(math.exp(-0.8) + math.exp(-3.2))]
    assert loss.proxy_nca(X, Y, C).item() == pytest.approx(sum(terms) / 2)


def test_proxy_nca_is_pcl_without_the_positive() -> None:
    """PCL = log(exp(own) + others) - own and NCA = log(others) - own, so exp(PCL) = 1 + exp(NCA) for one sample."""
    for x, y in ((X[:1], Y[:1]), (X[1:], Y[1:])):
        pcl, nca = loss.prototype_contrastive(x, y, C), loss.proxy_nca(x, y, C)
        assert math.exp(pcl.item()) == pytest.approx(1 + math.exp(nca.item()))


@pytest.mark.parametrize(("margin", "scale"), [(0.1, 1.0), (0.1, 32.0), (0.3, 4.0)])
def test_proxy_anchor_equals_a_loop(margin: float, scale: float) -> None:
    rng = np.random.default_rng(2)
    x, c, y = rng.normal(size=(9, 4)), rng.normal(size=(5, 4)), rng.integers(0, 3, 9)  # classes 3 and 4 are absent
    cosine = (x / np.linalg.norm(x, axis=1)[:, None]) @ (c / np.linalg.norm(c, axis=1)[:, None]).T
    near = [np.log1p(np.exp(-scale * (cosine[y == p, p] - margin)).sum()) for p in range(5) if (y == p).any()]
    far = [np.log1p(np.exp(scale * (cosine[y != p, p] + margin)).sum()) for p in range(5)]
    ours = loss.proxy_anchor(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(c), margin, scale)
    assert ours.item() == pytest.approx(np.mean(near) + np.mean(far))


def class_wise(name: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    table: dict[str, Callable[..., Tensor]] = {
        "prototype": loss.prototype_contrastive,
        "proxy_nca": loss.proxy_nca,
        "proxy_anchor": loss.proxy_anchor,
        "regression": lambda x, y, c: loss.regression_loss(x @ c.T, y),
    }
    return table[name]


@pytest.mark.parametrize("name", ["prototype", "proxy_nca", "proxy_anchor", "regression"])
def test_class_wise_gradients_agree_with_finite_differences(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    x, c = (torch.randn(n, 3, dtype=torch.float64, generator=rng, requires_grad=True) for n in (5, 4))
    y = torch.tensor([0, 1, 1, 2, 0])  # class 3 is absent
    assert torch.autograd.gradcheck(lambda a, b: class_wise(name)(a, y, b), (x, c))


@pytest.mark.parametrize("name", ["contrastive", "invariance", "triplet"])
def test_pair_wise_gradients_agree_with_finite_differences(name: str) -> None:
    rng = torch.Generator().manual_seed(3)
    u, v = (torch.randn(n, 3, dtype=torch.float64, generator=rng, requires_grad=True) for n in (4, 2))
    y, kept = torch.tensor([0, 1, 1, 0]), torch.tensor([1, 3])
    same = y[:, None] == y[kept][None, :]
    value: dict[str, Callable[[Tensor], Tensor]] = {
        "contrastive": lambda d: loss.contrastive_loss(d, same, 6.0),
        "invariance": lambda d: loss.modality_invariant_loss(d, same),
        "triplet": lambda d: loss.triplet_loss(d, same, kept, 3.0),
    }
    assert torch.autograd.gradcheck(lambda a, b: value[name](squared_distances(a, b)), (u, v))


def test_rooted_distances_have_the_value_but_not_the_gradient() -> None:
    a, b = double([0, 0], [1, 2]).requires_grad_(), double([3, 4], [1, 2])
    rooted = loss.rooted_distances(a, b)
    torch.testing.assert_close(rooted, squared_distances(a, b))
    (gradient,) = torch.autograd.grad(rooted.sum(), a)
    assert torch.isnan(gradient[1]).all()  # row 1 meets an equal vector
    (gradient,) = torch.autograd.grad(squared_distances(a, b).sum(), a)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("objective", ALL)
def test_learns_the_classes_with_unit_vectors(data: PairedFeatures, objective: str) -> None:
    method = CLIP4CMR(objective, **SMALL).fit(data)
    for x in (method.encode_image(data.image), method.encode_text(data.text)):
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    if objective != "invariance":
        report = evaluate(method, data, metrics=["MAP"])
        assert report.value("MAP") > report.chance["i2t"]["MAP"] + 0.2


def test_the_six_of_the_study() -> None:
    assert set(THE_SIX) == {"contrastive", "invariance", "triplet", "regression", "cross_entropy", "prototype"}
    assert set(ALL) - set(THE_SIX) == {"proxy_nca", "proxy_anchor"}


def test_invariance_alone_collapses(data: PairedFeatures) -> None:
    """Statistical: the spread of the embeddings vanishes, and with it the MAP; three seeds."""
    spread, score = [], []
    for seed in range(3):
        settings = SMALL | {"epochs": 30, "lr": 1e-2, "dropout": 0.0, "seed": seed}
        fitted = [CLIP4CMR(objective, **settings).fit(data) for objective in ("invariance", "prototype")]
        spread.append([m.encode_image(data.image).var(axis=0).sum() for m in fitted])
        score.append([evaluate(m, data, metrics=["MAP"]).value("MAP") for m in fitted])
    narrow, wide = np.mean(spread, axis=0)
    assert narrow < 0.05 * wide
    assert np.mean(score, axis=0)[0] < np.mean(score, axis=0)[1] - 0.1


def test_nothing_but_the_heads_learns(data: PairedFeatures) -> None:
    """The frozen backbone is outside: features get no gradient, and training does not change them."""
    before = data.image.copy(), data.text.copy()
    method = CLIP4CMR("prototype", **SMALL).fit(data)
    np.testing.assert_array_equal(data.image, before[0])
    np.testing.assert_array_equal(data.text, before[1])
    batch = {"image": torch.randn(4, 6), "text": torch.randn(4, 4), "classes": torch.tensor([0, 1, 2, 0])}
    sum(method.model_(batch, "all", 0.0).values()).backward()  # type: ignore[union-attr]
    assert batch["image"].grad is None
    assert batch["text"].grad is None
    assert all(
        n.startswith(("image_tower", "text_tower", "class_vectors")) for n, _ in method.model_.named_parameters()
    )


@pytest.mark.parametrize("objective", WITH_PROTOTYPES)
@pytest.mark.parametrize("prototypes", ["fixed", "learned"])
def test_prototypes_move_only_when_they_are_learned(data: PairedFeatures, objective: str, prototypes: str) -> None:
    method = CLIP4CMR(objective, prototypes, **SMALL)
    fitted = method.clone().fit(data)
    start = fitted._fresh_network().class_vectors
    assert torch.equal(start, fitted.model_.class_vectors) is (prototypes == "fixed")


def test_class_weights_of_a_classifier_are_always_learned(data: PairedFeatures) -> None:
    assert CLIP4CMR("cross_entropy", "fixed", **SMALL).build(6, 4, 3).class_vectors.requires_grad
    assert not CLIP4CMR("triplet", "learned", **SMALL).build(6, 4, 3).class_vectors.requires_grad


def test_dividing_twice_changes_the_loss_by_the_batch_size(data: PairedFeatures) -> None:
    network = CLIP4CMR("prototype", **SMALL, dropout=0.0).build(6, 4, 3)
    batch = {"image": torch.randn(5, 6), "text": torch.randn(5, 4), "classes": torch.tensor([0, 1, 2, 0, 1])}
    once = network(batch, "all", 0.0)["prototype"].item()
    network.method.divide_twice = True
    assert network(batch, "all", 0.0)["prototype"].item() == pytest.approx(once / 5)


@pytest.mark.parametrize("objective", ALL)
def test_kept_texts(data: PairedFeatures, objective: str) -> None:
    """30 % of the texts: the loss sees 3 of 10, and none of the others reaches it."""
    network = CLIP4CMR(objective, **SMALL, keep_text=0.3).build(6, 4, 3)
    text = torch.randn(10, 4, requires_grad=True)
    batch = {"image": torch.randn(10, 6), "text": text, "classes": torch.arange(10) % 3}
    sum(network(batch, "all", 0.0).values()).backward()
    assert text.grad is not None
    assert (text.grad != 0).any(1).sum() <= 3
    score = evaluate(CLIP4CMR(objective, **SMALL, keep_text=0.3).fit(data), data, metrics=["MAP"]).value("MAP")
    assert 0 < score <= 1


def test_the_defaults_are_those_of_the_paper() -> None:
    method = CLIP4CMR(**CLIP4CMR.preset("paper"))
    shape = [p.shape for p in method.build(1024, 1024, 10).text_tower.parameters()]
    assert shape == [(256, 1024), (256,), (1024, 256), (1024,)]
    assert (method.lr, method.beta1, method.batch_size, method.epochs, method.patience) == (1e-4, 0.5, 300, 500, 10)
    assert (method.margin, method.dropout, method.prototypes) == (0.2, 0.1, "learned")


def test_same_seed_same_similarities(data: PairedFeatures) -> None:
    settings = SMALL | {"epochs": 3, "keep_text": 0.5}
    one, two, other = (CLIP4CMR(**settings, seed=s).fit(data).similarity(data.image, data.text) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("prototypes", ["fixed", "learned"])
def test_stored_and_read_back(data: PairedFeatures, tmp_path: Path, prototypes: str) -> None:
    method = CLIP4CMR("prototype", prototypes, **SMALL, standardise=True).fit(data, data)
    method.save(tmp_path)
    again = CLIP4CMR.load(tmp_path)
    assert again.get_params() == method.get_params()
    np.testing.assert_array_equal(again.similarity(data.image, data.text), method.similarity(data.image, data.text))
    torch.testing.assert_close(again.model_.class_vectors, method.model_.class_vectors)


def test_bad_input(data: PairedFeatures) -> None:
    with pytest.raises(UnknownName, match="no objective named 'hinge'"):
        CLIP4CMR("hinge", **SMALL).fit(data)
    with pytest.raises(UnknownName, match="fixed, learned"):
        CLIP4CMR("prototype", "random", **SMALL).fit(data)
    for keep in (0.0, 1.5):
        with pytest.raises(InvalidInput, match="above 0 and at most 1"):
            CLIP4CMR(**SMALL, keep_text=keep).fit(data)
    with pytest.raises(InvalidInput, match="CLIP4CMR learns from class labels"):
        CLIP4CMR(**SMALL).fit(replace(data, labels=None))
    with pytest.raises(InvalidInput, match="same class"):
        CLIP4CMR(**SMALL).fit(replace(data, labels=np.eye(3)[np.zeros(120, int)]))


@pytest.mark.parametrize("objective", ALL)
def test_batches_of_a_single_class(data: PairedFeatures, objective: str) -> None:
    order = np.argsort(np.asarray(data.labels).argmax(1), kind="stable")
    settings = SMALL | {"epochs": 2, "batch_size": 10}
    method = CLIP4CMR(objective, **settings, shuffle=False).fit(data.subset(order))
    assert np.isfinite(method.similarity(data.image, data.text)).all()
