"""ACMR: every loss by hand and by finite differences, the adversary at work, and what each released switch does."""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import UnknownName
from xmr_lib.methods.real_valued import ACMR
from xmr_lib.methods.real_valued.acmr import (
    RELEASED,
    ACMRNetwork,
    batch_hinge,
    invariance_loss,
    label_loss,
    modality_loss,
)
from xmr_lib.training import train

SMALL = {"d_common": 6, "image_hidden": (8,), "text_hidden": (8,), "epochs": 4, "batch_size": 16, "lr": 1e-2}
CLASSES = torch.tensor([0, 1, 0, 2, 1])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pairs(n: int = 48, seed: int = 0) -> PairedFeatures:
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    centres = 2 * np.random.default_rng(9).normal(size=(3, 7))
    image = centres[classes] + rng.normal(size=(n, 7))
    text = centres[classes][:, :5] + rng.normal(size=(n, 5))
    return PairedFeatures(image.astype(np.float32), text.astype(np.float32), labels=np.eye(3)[classes])


def batch(data: PairedFeatures) -> dict[str, Tensor]:
    classes = torch.from_numpy(data.labels.argmax(axis=1))
    return {"image": torch.from_numpy(data.image), "text": torch.from_numpy(data.text), "classes": classes}


def network(**changes: Any) -> ACMRNetwork:
    torch.manual_seed(0)
    return ACMR(**SMALL, **changes).build(7, 5, 3)


def gradients(net: ACMRNetwork, progress: float = 1.0) -> dict[str, Tensor]:
    net.zero_grad()
    sum(net(batch(pairs()), "all", progress).values()).backward()
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


# --- losses ---------------------------------------------------------------------------------------------------------


def test_modality_loss_by_hand() -> None:
    assert float(modality_loss(torch.zeros(4, 2), torch.zeros(4, 2))) == pytest.approx(log(2))
    # the image is right with 3/4, the text wrong with 1/4: -(ln 3/4 + ln 1/4) / 2
    right, wrong = torch.tensor([[log(3.0), 0.0]]), torch.tensor([[log(3.0), 0.0]])
    assert float(modality_loss(right, wrong)) == pytest.approx(-(log(0.75) + log(0.25)) / 2)


def test_label_loss_by_hand() -> None:
    image, text = torch.tensor([[log(3.0), 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [log(3.0), 0.0]])
    expected = (-log(0.75) - log(0.5)) / 2 + (-log(0.5) - log(0.25)) / 2
    assert float(label_loss(image, text, torch.tensor([0, 1]))) == pytest.approx(expected)


# Images at 0 and 2, texts at 1 and 4 on a line; d = [[1, 4], [1, 2]]. Classes 0 and 1.
LINE = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [4.0]]), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("form", "margin", "expected"),
    [
        # pull: (1 + 2) / 2; push, margin 2: max(0, 2 - 4) and max(0, 2 - 1), mean 1/2; both anchors give the same
        ("paper", 2.0, 2 * (1.5 + 0.5)),
        # image anchors: 2 + 1 - 4 < 0, 2 + 2 - 1 = 3; text anchors: 2 + 1 - 1 = 2, 2 + 2 - 4 = 0
        ("all", 2.0, 3 / 2 + 2 / 2),
        ("hardest", 2.0, 3 / 2 + 2 / 2),  # one negative per anchor: the same
    ],
)
def test_triplets_by_hand(form: str, margin: float, expected: float) -> None:
    assert float(invariance_loss(*LINE, margin, form)) == pytest.approx(expected, abs=1e-5)


def test_lam_weighs_the_negatives_of_the_paper_only() -> None:
    assert float(invariance_loss(*LINE, 2.0, "paper", lam=3.0)) == pytest.approx(2 * (1.5 + 3 * 0.5), abs=1e-5)


def test_triplets_by_loops() -> None:
    image, text = normal(5, 3), normal(5, 3, seed=1)
    d = torch.cdist(image, text)
    total = dict.fromkeys(("paper", "all", "hardest"), 0.0)
    for table in (d, d.T):
        pull, push, hinges, hardest = [], [], [], []
        for i in range(5):
            others = [k for k in range(5) if CLASSES[k] != CLASSES[i]]
            pull += [table[i, j] for j in range(5) if CLASSES[j] == CLASSES[i]]
            push += [max(0.0, 2 - float(table[i, k])) for k in others]
            mine = [max(0.0, 2 + float(table[i, i] - table[i, k])) for k in others]
            hinges += mine
            hardest.append(max(mine))
        total["paper"] += float(np.mean(pull)) + 0.5 * float(np.mean(push))
        total["all"] += float(np.mean(hinges))
        total["hardest"] += float(np.mean(hardest))
    for form, expected in total.items():
        assert float(invariance_loss(image, text, CLASSES, 2.0, form, lam=0.5)) == pytest.approx(expected)


def test_batch_hinge_by_hand() -> None:
    # On LINE: positives 1 + 4 = 5; image anchors meet the other text, 16 + 1, text anchors the other image, 1 + 16.
    hinge = batch_hinge(*LINE, torch.eye(2), torch.eye(2), margin=0.1)
    assert float(hinge) == pytest.approx(2 * (0.1 + 5 * 5 - 17))
    assert float(batch_hinge(LINE[0], LINE[0], LINE[2], torch.eye(2), torch.eye(2))) == 0  # one hinge: 0.1 - 8 < 0


def test_batch_hinge_takes_the_negative_whose_input_is_most_alike() -> None:
    text, raw = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])
    image = torch.zeros(3, 1)
    # Texts as inputs: for item 0 the most alike is 2, for 1 it is 2, for 2 it is 0. Negatives: 25 + 25 + 0.
    # Images as inputs, all alike: the first of another class, at distances |t_i - v_k|: 0 + 1 + 25.
    expected = (0.1 + 5 * 26 - 50) + (0.1 + 5 * 26 - 26)
    got = batch_hinge(image, text, torch.tensor([0, 1, 2]), torch.ones(3, 2), raw)
    assert float(got) == pytest.approx(expected)


@pytest.mark.parametrize("form", ["paper", "all", "hardest"])
def test_finite_differences(form: str) -> None:
    image, text = normal(5, 3).requires_grad_(), normal(5, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda v, t: invariance_loss(v, t, CLASSES, 2.0, form, 0.5), (image, text))


def test_finite_differences_of_the_other_losses() -> None:
    image, text = normal(5, 3).requires_grad_(), normal(5, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda v, t: label_loss(v, t, CLASSES), (image, text))
    assert torch.autograd.gradcheck(lambda v, t: modality_loss(v[:, :2], t[:, :2]), (image, text))
    raw = normal(5, 4, seed=2), normal(5, 4, seed=3)
    assert torch.autograd.gradcheck(lambda v, t: batch_hinge(v, t, CLASSES, *raw), (image, text))


@pytest.mark.parametrize("form", ["paper", "all", "hardest"])
def test_equal_embeddings_and_a_single_class_have_finite_gradients(form: str) -> None:
    image = torch.zeros(4, 3, requires_grad=True)
    for classes in (torch.zeros(4, dtype=torch.long), torch.tensor([0, 0, 1, 1])):
        invariance_loss(image, image.detach(), classes, 1.0, form).backward()
        assert torch.isfinite(image.grad).all()


def test_batch_hinge_of_a_single_class_only_pulls() -> None:
    image, text = normal(3, 2), normal(3, 2, seed=1)
    expected = 2 * (0.1 + 5 * float((image - text).square().sum()))
    assert float(batch_hinge(image, text, torch.zeros(3, dtype=torch.long), image, text)) == pytest.approx(expected)


# --- the adversary --------------------------------------------------------------------------------------------------


def test_reversed_gradient_is_minus_the_finite_difference() -> None:
    """Spec H4: moving an encoder weight changes the modality loss by minus the gradient it was given."""
    net = network(alpha=0.0, beta=0.0).double()
    data = {key: value.double() if value.is_floating_point() else value for key, value in batch(pairs()).items()}
    net.zero_grad()
    net(data, "all", 1.0)["modality"].backward()
    strength = 2 / (1 + np.exp(-10)) - 1
    for tower in (net.image_tower, net.text_tower):
        weight, step = tower[1].weight, 1e-6
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[0, 0] += sign * step
                values.append(float(net(data, "all", 1.0)["modality"]))
                weight[0, 0] -= sign * step
        slope = (values[0] - values[1]) / (2 * step)
        assert abs(slope) > 1e-4
        assert float(weight.grad[0, 0]) == pytest.approx(-strength * slope, rel=1e-5)


@pytest.mark.parametrize("adversary", ["reversed", "inert", "none"])
def test_who_moves_when_only_the_adversary_has_a_say(adversary: str) -> None:
    """The inertness test: it fails for the released demo, whose encoders never feel the discriminator."""
    method = ACMR(**SMALL, alpha=0.0, beta=0.0, adversary=adversary)
    net = network(alpha=0.0, beta=0.0, adversary=adversary)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train(net, lambda epoch: [batch(pairs())], method.players(net), epochs=3)
    moved = {name.split(".")[0] for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    expected = {
        "reversed": {"image_tower", "text_tower", "discriminator"},
        "inert": {"discriminator"},
        "none": set(),
    }
    assert moved == expected[adversary]


def test_the_strength_grows_with_the_progress() -> None:
    net = network(alpha=0.0, beta=0.0)
    norms = [float(gradients(net, p)["image_tower.1.weight"].norm()) for p in (0.0, 0.1, 1.0)]
    assert norms[0] == 0
    assert norms[1] == pytest.approx(norms[2] * (2 / (1 + np.exp(-1)) - 1) / (2 / (1 + np.exp(-10)) - 1), rel=1e-4)
    double = gradients(network(alpha=0.0, beta=0.0, strength=2.0))["image_tower.1.weight"]
    assert float(double.norm()) == pytest.approx(2 * norms[2], rel=1e-5)


def test_an_inert_adversary_is_no_adversary() -> None:
    """The first bug of the released demo: its encoders are those of the ablation without an adversary, bit for bit."""
    data = pairs()
    inert, none = (ACMR(**SMALL, adversary=name).fit(data) for name in ("inert", "none"))
    assert np.array_equal(inert.encode_image(data.image), none.encode_image(data.image))
    assert np.array_equal(inert.encode_text(data.text), none.encode_text(data.text))


def test_discriminator_accuracy_is_watched_on_validation() -> None:
    data, held_out = pairs(), pairs(30, seed=1)
    method = ACMR(**SMALL, adversary="inert").fit(data, held_out)
    watched = method.history_.watched["discriminator accuracy"]
    assert len(watched) == 4
    assert watched[method.history_.best_epoch] == method.discriminator_accuracy(held_out.image, held_out.text)
    assert not ACMR(**SMALL, adversary="none").fit(data, held_out).history_.watched


def test_discriminator_accuracy_by_hand() -> None:
    method = ACMR(**SMALL, adversary="inert").fit(pairs())

    class SaysImageWhenPositive(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x[:, 0], -x[:, 0]], dim=1)

    method.model_.discriminator = SaysImageWhenPositive()
    data = pairs()
    image, text = method.encode_image(data.image)[:, 0], method.encode_text(data.text)[:, 0]
    expected = ((image > 0).mean() + (text < 0).mean()) / 2
    assert method.discriminator_accuracy(data.image, data.text) == pytest.approx(expected)


# --- switches of the released demo ----------------------------------------------------------------------------------


def test_a_frozen_label_head_stays_bit_identical() -> None:
    for trained in (True, False):
        net = network(train_label_head=trained)
        before = net.label_head.weight.clone(), net.label_head.bias.clone()
        method = ACMR(**SMALL, train_label_head=trained)
        train(net, lambda epoch: [batch(pairs())], method.players(net), epochs=2)
        same = torch.equal(net.label_head.weight, before[0]) and torch.equal(net.label_head.bias, before[1])
        assert same is not trained


def test_a_linear_discriminator_is_one_linear_map() -> None:
    x = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
    for kind in ("linear", "relu"):
        net = network(discriminator=kind)
        with torch.no_grad():
            zero = net.discriminator(torch.zeros(1, 6))
            additive = torch.allclose(net.discriminator(2 * x) - zero, 2 * (net.discriminator(x) - zero), atol=1e-5)
        assert additive is (kind == "linear")


def test_ranking_by_distance_or_by_cosine() -> None:
    data = pairs()
    method = ACMR(**SMALL).fit(data)
    image, text = (torch.from_numpy(x) for x in (method.encode_image(data.image), method.encode_text(data.text)))
    np.testing.assert_allclose(method.similarity(data.image, data.text), -torch.cdist(image, text), atol=1e-4)
    method.ranking = "cosine"
    cosine = F.normalize(image) @ F.normalize(text).T
    np.testing.assert_allclose(method.similarity(data.image, data.text), cosine, atol=1e-5)


def test_without_shuffling_every_epoch_sees_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    forward = ACMRNetwork.forward

    def noting(self: ACMRNetwork, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        seen.append(batch["image_index"])
        return forward(self, batch, player, progress)

    monkeypatch.setattr(ACMRNetwork, "forward", noting)
    for shuffle in (False, True):
        seen.clear()
        ACMR(**SMALL, shuffle=shuffle).fit(pairs())
        assert torch.equal(torch.cat(seen[:3]), torch.cat(seen[3:6])) is not shuffle
        assert torch.equal(torch.cat(seen[:3]).sort().values, torch.arange(48))


def test_terms_and_weights() -> None:
    data = batch(pairs())
    one = network(gamma=1.0)(data, "all", 1.0)
    other = network(alpha=2.0, beta=3.0, gamma=0.5)(data, "all", 1.0)
    assert list(one) == ["label", "triplet", "weights", "modality"]
    for term, factor in {"label": 3.0, "triplet": 2.0, "weights": 0.5, "modality": 1.0}.items():
        assert float(other[term].detach()) == pytest.approx(factor * float(one[term].detach()), rel=1e-5)
    net = network(gamma=1.0)
    weights = [p for name, p in net.named_parameters() if "tower" in name and name.endswith("weight")]
    assert float(one["weights"].detach()) == pytest.approx(
        sum(sqrt(float(p.detach().square().sum())) for p in weights), rel=1e-5
    )
    assert "modality" not in network(adversary="none")(data, "all", 1.0)


def test_the_released_demo_runs() -> None:
    data = pairs()
    method = ACMR(**{**SMALL, **RELEASED}).fit(data, pairs(30, seed=1))
    assert method.history_.epochs == 4
    assert set(RELEASED) <= set(method.get_params())


@pytest.mark.parametrize("setting", ["adversary", "triplets", "discriminator", "ranking"])
def test_unknown_names(setting: str) -> None:
    with pytest.raises(UnknownName, match="'nothing'"):
        ACMR(**{**SMALL, setting: "nothing"}).fit(pairs())
