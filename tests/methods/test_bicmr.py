"""Bi-CMR: its losses by hand and by finite differences, who moves, and what the threshold on the labels does."""

from __future__ import annotations

from functools import partial
from math import e, exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from xmr_lib.data import PairedFeatures
from xmr_lib.encoders.hashing_splits import hashing_splits
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing.bicmr import BiCMR
from xmr_lib.methods.hashing.bicmr_network import (
    BiCMRNetwork,
    adjusted_similarity,
    correlation_loss,
    labels_to_modalities,
    modalities_to_labels,
    multi_label_softmax,
    self_refinement,
)
from xmr_lib.metrics import label_cosine_relevance
from xmr_lib.nn.graded_relevance import label_cosine, threshold_similarity, with_code_bits
from xmr_lib.training import train

SMALL: dict[str, Any] = {
    "bits": 8,
    "image_hidden": (8,),
    "text_hidden": (8,),
    "label_hidden": (8,),
    "inner": 4,
    "epochs": 3,
    "batch_size": 16,
    "lr": 1e-2,
    "label_lr": 1e-2,
}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pairs(n: int = 48, seed: int = 0) -> PairedFeatures:
    rng = np.random.default_rng(seed)
    labels = rng.random((n, 4)) < 0.4
    labels[np.arange(n), np.arange(n) % 4] = True
    centres = 2 * np.random.default_rng(9).normal(size=(4, 7))
    image = labels @ centres + rng.normal(size=(n, 7))
    text = labels @ centres[:, :5] + rng.normal(size=(n, 5))
    return PairedFeatures(image.astype(np.float32), text.astype(np.float32), labels=labels)


def batch(data: PairedFeatures) -> dict[str, Tensor]:
    arrays = {"image": data.image, "text": data.text, "labels": data.labels}
    return {key: torch.from_numpy(np.asarray(value, dtype=np.float32)) for key, value in arrays.items()}


def network(**changes: Any) -> BiCMRNetwork:
    torch.manual_seed(0)
    return BiCMR(**{**SMALL, **changes}).build(7, 5, 4)


# --- losses ---------------------------------------------------------------------------------------------------------

# Two codes at a right angle, two that are equal, two that are opposite.
ANGLE = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
EQUAL = torch.tensor([[3.0, 0.0], [1.0, 0.0]])
OPPOSITE = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])


def test_modalities_to_labels_by_hand() -> None:
    pairs_ = modalities_to_labels(ANGLE, EQUAL, OPPOSITE, eta=0.9)
    # itself: exp(-1) (0.9 e + 0.1 e) = 1; the other: exp(0) (0.9 e + 0.1 / e)
    other = 0.9 * e + 0.1 / e
    assert pairs_.tolist() == [pytest.approx([1.0, other]), pytest.approx([other, 1.0])]


def test_labels_to_modalities_by_hand() -> None:
    pairs_ = labels_to_modalities(OPPOSITE, ANGLE, EQUAL)
    # image i, text j: cosines 1, 1 (row 0), 0, 0 (row 1). Itself: e (1/e + 1/e + ...); the other: 1/e (1 + 1/e + ...)
    expected = [
        [e * (1 / e + 1 / e + 1 / e), 1 / e * (1 + 1 / e + 1 / e)],
        [1 / e * (1 + 1 / e + 1), e * (1 / e + 1 / e + 1)],
    ]
    assert pairs_.tolist() == [pytest.approx(row) for row in expected]


def test_equal_codes_for_everything_cost_least_in_both_directions() -> None:
    """Neither direction pushes any pair apart: what keeps the codes from collapsing is the correlation loss alone."""
    label, image, text = normal(6, 4), normal(6, 4, seed=1), normal(6, 4, seed=2)
    one = torch.ones(6, 4, dtype=torch.float64)
    assert (modalities_to_labels(one, image, text) <= modalities_to_labels(label, image, text) + 1e-12).all()
    assert (labels_to_modalities(label, one, one) <= labels_to_modalities(label, image, text) + 1e-12).all()


def test_self_refinement_by_hand() -> None:
    feature, refined = torch.tensor([[log(3.0), 0.0]]), torch.tensor([[0.0, 0.0]])  # (3/4, 1/4) against (1/2, 1/2)
    expected = (0.75 * log(1.5) + 0.25 * log(0.5)) / 2
    assert float(self_refinement(feature, refined)) == pytest.approx(expected, rel=1e-5)


def test_correlation_by_hand_and_by_its_five_terms() -> None:
    label, image, text = (torch.tensor([[x]]) for x in (2.0, 1.0, -1.0))
    # Theta: image 1, text -1, label with itself 2; similar: softplus(Theta) - Theta = log(1 + exp(-Theta))
    expected = 2 * log(1 + exp(-1)) + 2 * log(1 + exp(1)) + log(1 + exp(-2))
    assert float(correlation_loss(label, image, text, torch.ones(1, 1))) == pytest.approx(expected)
    label, image, text = normal(5, 3), normal(5, 3, seed=1), normal(5, 3, seed=2)
    similar = threshold_similarity((label > 0).double(), (label > 0).double(), 0.6)
    total = 0.0
    for a, b in ((image, label), (label, image), (text, label), (label, text), (label, label)):
        chance = torch.sigmoid(a @ b.T / 2)
        total -= float((similar * chance.log() + (1 - similar) * (1 - chance).log()).mean())
    assert float(correlation_loss(label, image, text, similar)) == pytest.approx(total)


def test_one_answer_to_all_pairs_earns_nothing_against_centred_label_codes() -> None:
    """All pairs dissimilar: outputs against the mean label code cost less than outputs of 0, unless it is taken out."""
    label, similar = normal(6, 4) + 0.5, torch.zeros(6, 6, dtype=torch.float64)
    same = -label.mean(dim=0).expand(6, 4)  # one output for every item
    nothing = torch.zeros(6, 4, dtype=torch.float64)
    gain = [
        float(correlation_loss(label, nothing, nothing, similar, centre))
        - float(correlation_loss(label, same, same, similar, centre))
        for centre in (False, True)
    ]
    assert gain[0] > 0.1
    assert gain[1] <= 0  # the mean of softplus is at least softplus of the mean, which is now softplus(0)


def test_centring_takes_the_mean_out_of_what_the_modalities_see() -> None:
    label, image, text = normal(5, 3), normal(5, 3, seed=1), normal(5, 3, seed=2)
    similar = (label @ label.T > 0).double()
    without = label - label.mean(dim=0)
    sides = correlation_loss(without, image, text, similar) - correlation_loss(without, 0 * image, 0 * text, similar)
    moved = correlation_loss(label, image, text, similar, True) - correlation_loss(
        label, 0 * image, 0 * text, similar, True
    )
    assert float(moved) == pytest.approx(float(sides))
    # the label net itself sees its codes as they are
    alone = correlation_loss(label, 0 * image, 0 * text, similar)
    assert float(correlation_loss(label, 0 * image, 0 * text, similar, True)) == pytest.approx(float(alone))


def test_softmax_for_several_labels_never_reaches_zero() -> None:
    logits = torch.tensor([[50.0, 50.0, 0.0]])
    assert float(multi_label_softmax(logits, torch.tensor([[1.0, 1.0, 0.0]]))) == pytest.approx(2 * log(2))
    assert float(multi_label_softmax(logits, torch.tensor([[0.0, 0.0, 1.0]]))) == pytest.approx(50 + log(2))


def test_finite_differences() -> None:
    label, image, text = (normal(4, 3, seed=seed).requires_grad_() for seed in range(3))
    similar = (normal(4, 4, seed=5) > 0).double()
    assert torch.autograd.gradcheck(modalities_to_labels, (label, image, text))
    assert torch.autograd.gradcheck(labels_to_modalities, (label, image, text))
    assert torch.autograd.gradcheck(self_refinement, (image, text))
    assert torch.autograd.gradcheck(lambda v, t: correlation_loss(label.detach(), v, t, similar), (image, text))
    assert torch.autograd.gradcheck(lambda v, t: correlation_loss(label.detach(), v, t, similar, True), (image, text))
    assert torch.autograd.gradcheck(lambda x: multi_label_softmax(x, similar[:, :3]), (image,))


# --- the similarity -------------------------------------------------------------------------------------------------


def test_the_small_factor_flips_exact_ties_only() -> None:
    """The released adjustment, factor 0.01: for all sets of up to 6 labels and any codes of 16 bits."""
    rng = np.random.default_rng(0)
    counts = range(1, 7)
    sets = [np.arange(12) < a for a in counts] + [(np.arange(12) >= 3) & (np.arange(12) < 3 + b) for b in counts]
    labels = torch.from_numpy(np.array(sets * 4)).float()
    outputs = torch.from_numpy(rng.normal(size=(len(labels), 16))).float()
    cosine = label_cosine(labels, labels)

    def flipped(threshold: float, factor: float) -> Tensor:
        described = with_code_bits(labels, outputs, factor)
        after = threshold_similarity(described, described, threshold)
        return after != threshold_similarity(labels, labels, threshold)

    assert not flipped(0.7, 0.01).any()  # no two such sets have a cosine of 0.7
    for threshold in (0.4, 0.5):  # 2 labels shared by 5 and 5, 1 by 1 and 4
        ties = flipped(threshold, 0.01)
        assert ties.any()
        assert float((cosine[ties] - threshold).abs().max()) < 1e-6
    says = flipped(0.4, 0.5)  # a factor that has a say
    assert float((cosine[says] - 0.4).abs().max()) > 0.05


@pytest.mark.parametrize("factor", [0.01, 0.5, 2.0])
def test_a_common_bit_is_no_common_label(factor: float) -> None:
    """Without a threshold the code bits beside the labels do not make all pairs similar."""
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    code = torch.ones(3, 8)  # every bit in common
    expected = [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    assert adjusted_similarity(labels, code, factor, None).tolist() == expected


def test_the_joint_pass_takes_shared_labels_where_there_is_no_threshold() -> None:
    data, terms = pairs(), {}
    for name, threshold in {"none": None, "just above 0": 1e-3}.items():
        net = network(threshold=threshold, factor=0.0 if threshold else 0.01)
        terms[name] = net(batch(data), "joint", 0.0)["correlation"].item()
    assert terms["none"] == pytest.approx(terms["just above 0"])


# --- who moves ------------------------------------------------------------------------------------------------------


def test_the_label_net_learns_alone_then_all_together() -> None:
    method = BiCMR(**{**SMALL, "warm_up": 2})
    turn = method.turns()
    assert [turn(share)[0] for share in (0.0, 0.5, 0.7, 0.99)] == ["label", "label", "joint", "joint"]
    for player, expected in {"label": {"label_net"}, "joint": {"label_net", "image_tower", "text_tower"}}.items():
        net = network()
        before = {name: value.clone() for name, value in net.state_dict().items()}
        train(net, lambda epoch: [batch(pairs())], method.players(net), epochs=2, turns=[player])
        moved = {name.split(".")[0] for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
        assert moved == expected


@pytest.mark.parametrize(
    ("term", "movers"),
    [
        ("modalities to labels", {"label_net"}),
        ("labels to modalities", {"image_tower", "text_tower"}),
        ("self refinement", {"image_tower", "text_tower"}),
        ("classes", {"image_tower", "text_tower"}),
        ("correlation", {"label_net", "image_tower", "text_tower"}),
    ],
)
def test_each_direction_moves_one_side(term: str, movers: set[str]) -> None:
    net = network()
    net(batch(pairs()), "joint", 0.0)[term].backward()
    moved = {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert moved == movers


def test_terms_and_weights() -> None:
    data = batch(pairs())
    one = network(ssr=1.0, m2l=1.0, l2m=1.0)(data, "joint", 0.0)
    many = network(ssr=2.0, m2l=3.0, l2m=4.0)(data, "joint", 0.0)
    mean = network(ssr=1.0, m2l=1.0, l2m=1.0, pairs="mean")(data, "joint", 0.0)
    for term, weight in {"self refinement": 2, "modalities to labels": 3, "labels to modalities": 4}.items():
        assert float(many[term].detach()) == pytest.approx(weight * float(one[term].detach()), rel=1e-5)
    for term in ("modalities to labels", "labels to modalities"):
        assert float(one[term].detach()) == pytest.approx(48 * float(mean[term].detach()), rel=1e-5)
    assert set(network(ssr=0.0, m2l=0.0, l2m=0.0)(data, "joint", 0.0)) == {"correlation", "classes"}


def test_rates_are_halved_down_to_a_floor() -> None:
    method = BiCMR(**{**SMALL, "epochs": 8, "halve_every": 2, "lr": 4e-6, "label_lr": 1.0})
    players = method.players(network())
    assert [players["joint"].schedule(k / 8) for k in range(8)] == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    assert players["label"].schedule(7 / 8) == 0.125
    assert BiCMR(**{**SMALL, "halve_every": None}).players(network())["joint"].schedule(0.9) == 1


# --- what Bi-CMR shows ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated() -> Any:
    return hashing_splits("generated")


@pytest.fixture(scope="module")
def fitted(generated: Any) -> dict[str, BiCMR]:
    settings = {**BiCMR.preset("course"), "threshold": 0.4, "epochs": 10}
    return {
        "cosine": BiCMR(**settings).fit(generated.train),
        "shared": BiCMR(**{**settings, "threshold": None}).fit(generated.train),
    }


def test_each_rule_of_similarity_learns_and_is_best_by_its_own_relevance(
    fitted: dict[str, BiCMR], generated: Any
) -> None:
    measures = {"cosine": partial(label_cosine_relevance, threshold=0.4), "shared": None}
    scores = {
        (trained, measured): evaluate_hashing(method, generated, relevance=relevance, name=trained).value("MAP")
        for trained, method in fitted.items()
        for measured, relevance in measures.items()
    }
    assert min(scores["cosine", "shared"], scores["shared", "shared"]) > 0.65  # chance is .45
    assert scores["cosine", "cosine"] > scores["shared", "cosine"]
    assert scores["cosine", "cosine"] > 0.55


def test_save_and_load(fitted: dict[str, BiCMR], generated: Any, tmp_path: Path) -> None:
    data = generated.validation
    fitted["cosine"].save(tmp_path)
    again = BiCMR.load(tmp_path)
    assert np.array_equal(again.similarity(data.image, data.text), fitted["cosine"].similarity(data.image, data.text))
    assert again.name == "Bi-CMR"


# --- housekeeping ---------------------------------------------------------------------------------------------------


def test_same_seed_same_codes() -> None:
    data = pairs()
    one, two, other = (BiCMR(**{**SMALL, "seed": seed}).fit(data) for seed in (0, 0, 1))
    assert np.array_equal(one.image_outputs(data.image), two.image_outputs(data.image))
    assert not np.array_equal(one.image_outputs(data.image), other.image_outputs(data.image))
    codes = one.encode_text(data.text)
    assert codes.dtype == np.int8
    assert set(np.unique(codes)) <= {-1, 1}


def test_a_batch_in_which_all_are_similar() -> None:
    data = pairs()
    alike = PairedFeatures(data.image, data.text, labels=np.ones((48, 1), dtype=bool))
    assert BiCMR(**SMALL).fit(alike).encode_image(data.image).shape == (48, 8)


def test_bad_input() -> None:
    data = pairs()
    with pytest.raises(InvalidInput, match="learns from class labels"):
        BiCMR(**SMALL).fit(PairedFeatures(data.image, data.text))
    for setting, value in {"threshold": 1.5, "factor": -1.0, "eta": 2.0, "warm_up": 0}.items():
        with pytest.raises(InvalidInput, match=setting):
            BiCMR(**{**SMALL, setting: value}).fit(data)
    with pytest.raises(UnknownName, match="'nothing'"):
        BiCMR(**{**SMALL, "pairs": "nothing"}).fit(data)
    with pytest.raises(InvalidInput, match="NaN"):
        BiCMR(**SMALL).fit(data).encode_text(np.full((2, 5), np.nan))
