"""SSAH: its losses by hand and by finite differences, who moves what, and the adversary at work."""

from __future__ import annotations

from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from xmr_lib.data import PairedFeatures
from xmr_lib.encoders.hashing_splits import hashing_splits
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.methods.hashing.ssah import PLAYERS, RELEASED, SSAH
from xmr_lib.methods.hashing.ssah_network import (
    SSAHNetwork,
    discriminator_loss,
    fooling_loss,
    pair_loss,
)
from xmr_lib.metrics import mean_average_precision, relevance_from_labels
from xmr_lib.nn.codes import label_similarity
from xmr_lib.training import train

SMALL: dict[str, Any] = {
    "bits": 8,
    "semantic": 6,
    "image_hidden": (8,),
    "text_hidden": (8,),
    "label_hidden": (8,),
    "windows": (3, 2),
    "passes": (1, 1, 1, 1),
    "epochs": 3,
    "batch_size": 16,
    "lr": 1e-2,
    "discriminator_lr": 1e-2,
    "image_lr": 1e-2,
    "text_lr": 1e-2,
    "decay": 1.0,
    "eta": 0.5,
    "beta": 0.1,
}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pairs(n: int = 48, seed: int = 0) -> PairedFeatures:
    rng = np.random.default_rng(seed)
    labels = rng.random((n, 4)) < 0.4
    labels[np.arange(n), np.arange(n) % 4] = True
    centres = 2 * np.random.default_rng(9).normal(size=(4, 7))
    image = labels @ centres + rng.normal(size=(n, 7))
    text = (labels @ centres[:, :5] + rng.normal(size=(n, 5)) > 0).astype(float)
    return PairedFeatures(image.astype(np.float32), text.astype(np.float32), labels=labels)


def batch(data: PairedFeatures) -> dict[str, Tensor]:
    arrays = {"image": data.image, "text": data.text, "labels": data.labels}
    return {key: torch.from_numpy(np.asarray(value, dtype=np.float32)) for key, value in arrays.items()}


def network(**changes: Any) -> SSAHNetwork:
    torch.manual_seed(0)
    return SSAH(**{**SMALL, **changes}).build(7, 5, 4)


# Smaller nets and few rounds for the generated rows.
GENERATED: dict[str, Any] = {
    "semantic": 64,
    "image_hidden": (256,),
    "text_hidden": (256,),
    "label_hidden": (256,),
    "passes": (2, 1, 2, 2),
    "epochs": 8,
    "beta": 0.1,
    "delta": 0.1,
    "lr": 3e-3,
    "discriminator_lr": 1e-3,
    "image_lr": 1e-3,
    "text_lr": 1e-3,
}


def course(**changes: Any) -> SSAH:
    """The course preset with other sizes and rates."""
    return SSAH(**{**SSAH.preset("course"), **GENERATED, **changes})


def label_map(method: SSAH, query: Any, database: Any) -> float:
    distances = method.distances(method.encode_labels(query.labels), method.encode_labels(database.labels))
    return float(mean_average_precision(-distances, relevance_from_labels(query.labels, database.labels)))


def both_maps(method: SSAH, query: Any, database: Any) -> tuple[float, float]:
    relevant = relevance_from_labels(query.labels, database.labels)
    i2t = method.similarity(query.image, database.text)
    t2i = method.similarity(database.image, query.text).T
    return float(mean_average_precision(i2t, relevant)), float(mean_average_precision(t2i, relevant))


# --- losses ---------------------------------------------------------------------------------------------------------

# Theta = f g' / 2 = [[1, -1]]
F, G = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 3.0], [-1.0, 0.0]])


def test_pair_loss_by_hand() -> None:
    similar = torch.tensor([[1.0, 0.0]])
    # sp(1) - 1 = log(1 + e^-1) and sp(-1) = log(1 + e^-1)
    assert float(pair_loss(F, G, similar)) == pytest.approx(log(1 + exp(-1)))
    wrong = 1 - similar  # sp(1) - 0 and sp(-1) + 1
    assert float(pair_loss(F, G, wrong)) == pytest.approx((log(1 + exp(1)) + log(1 + exp(-1)) + 1) / 2)
    squares = (0.999 - log(1 + exp(1))) ** 2 + log(1 + exp(-1)) ** 2
    assert float(pair_loss(F, G, similar, "squared")) == pytest.approx(squares / 4, rel=1e-5)


def test_the_likelihood_is_that_of_a_coin_with_probability_sigmoid() -> None:
    f, g = normal(3, 4), normal(5, 4, seed=1)
    similar = (normal(3, 5, seed=2) > 0).double()
    chance = torch.sigmoid(f @ g.T / 2)
    expected = -(similar * chance.log() + (1 - similar) * (1 - chance).log()).mean()
    assert float(pair_loss(f, g, similar)) == pytest.approx(float(expected))


def test_nonnegative_features_cannot_push_a_dissimilar_pair_below_one_half() -> None:
    """Pitfall: with ReLU features Theta >= 0, so the feature term of a dissimilar pair never falls below ln 2."""
    f, g = normal(6, 4).relu(), normal(6, 4, seed=1).relu()
    assert float(pair_loss(f, g, torch.zeros(6, 6, dtype=torch.float64))) >= log(2)


def test_adversarial_losses_by_hand() -> None:
    label, modality = torch.tensor([log(3.0), log(3.0)]), torch.tensor([log(3.0)])  # D says "label" with 3/4
    assert float(discriminator_loss(label, modality)) == pytest.approx((-log(0.75) - log(0.25)) / 2)
    assert float(fooling_loss(modality)) == pytest.approx(-log(0.75))


@pytest.mark.parametrize("form", ["likelihood", "squared"])
def test_finite_differences(form: str) -> None:
    f, g = normal(3, 4).requires_grad_(), normal(5, 4, seed=1).requires_grad_()
    similar = (normal(3, 5, seed=2) > 0).double()
    assert torch.autograd.gradcheck(lambda a, b: pair_loss(a, b, similar, form), (f, g))
    assert torch.autograd.gradcheck(discriminator_loss, (f[:, 0], g[:, 0]))
    assert torch.autograd.gradcheck(fooling_loss, (f[:, 0],))


# --- who moves what -------------------------------------------------------------------------------------------------

OWNERS = {
    "label": {"label_net"},
    "discriminator": {"discriminators"},
    "image": {"image_tower"},
    "text": {"text_tower"},
}


@pytest.mark.parametrize("player", PLAYERS)
def test_a_player_moves_its_own_part_only(player: str) -> None:
    method, net = SSAH(**SMALL), network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train(net, lambda epoch: [batch(pairs())], method.players(net), epochs=2, turns=[player])
    moved = {name.split(".")[0] for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == OWNERS[player]


@pytest.mark.parametrize("side", ["image", "text"])
def test_labnet_is_a_constant_target(side: str) -> None:
    net = network()
    sum(net(batch(pairs()), side, 0.0).values()).backward()
    assert all(p.grad is None for p in net.label_net.parameters())
    other = net.text_tower if side == "image" else net.image_tower
    assert all(p.grad is None for p in other.parameters())


@pytest.mark.parametrize(("adversary", "reaches"), [("live", True), ("released", False)])
def test_whether_the_adversarial_term_reaches_the_nets(adversary: str, reaches: bool) -> None:
    """In the released code the term is there, and moves the discriminator, but gives the nets no gradient at all."""
    net = network(adversary=adversary)
    for side, tower in (("image", net.image_tower), ("text", net.text_tower)):
        net.zero_grad()
        net(batch(pairs()), side, 0.0)["fooling"].backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in tower.parameters()) is reaches
        assert all(p.grad is not None for p in net.discriminators[side].parameters())
    assert "fooling" not in network(adversary="off")(batch(pairs()), "image", 0.0)


def test_the_released_adversary_is_no_adversary() -> None:
    """Its codes are those of training without one, bit for bit; its discriminators are not."""
    data = pairs()
    released, off, live = (SSAH(**{**SMALL, "adversary": name}).fit(data) for name in ("released", "off", "live"))
    assert np.array_equal(released.image_outputs(data.image), off.image_outputs(data.image))
    assert np.array_equal(released.text_outputs(data.text), off.text_outputs(data.text))
    assert not np.array_equal(live.image_outputs(data.image), off.image_outputs(data.image))
    assert released.discriminators_on(data) != off.discriminators_on(data)


def test_released_steps_train_the_discriminator_towards_being_fooled() -> None:
    method, net, data = SSAH(**{**SMALL, **RELEASED}), network(**RELEASED), batch(pairs())
    losses = [float(net(data, "discriminator", 0.0)["modality"].detach())]
    train(net, lambda epoch: [data], method.players(net), epochs=20, turns=["image", "text"])
    losses.append(float(net(data, "discriminator", 0.0)["modality"].detach()))
    assert losses[1] > losses[0]


def test_terms_and_weights() -> None:
    data = batch(pairs())
    weights = {"alpha": 2.0, "beta": 3.0, "gamma": 4.0, "delta": 5.0, "eta": 6.0}
    terms = ("feature pairs", "quantisation", "code pairs", "fooling", "labels")
    one = network(**dict.fromkeys(weights, 1.0))(data, "image", 0.0)
    many = network(**weights)(data, "image", 0.0)
    assert set(one) == set(terms)
    for term, weight in zip(terms, weights.values(), strict=True):
        assert float(many[term].detach()) == pytest.approx(weight * float(one[term].detach()), rel=1e-5)
    assert set(network(alpha=0.0, beta=0.0, eta=0.0)(data, "label", 0.0)) == {"code pairs"}


def test_quantisation_target_by_hand() -> None:
    data = batch(pairs())
    shared, own = network(alpha=0.0, beta=1.0), network(alpha=0.0, beta=1.0, shared_codes=False)
    codes = [net(data[key]) for net, key in zip(_nets(shared), ("labels", "image", "text"), strict=True)]
    target = torch.where(sum(codes) > 0, 1.0, -1.0)
    expected = float((codes[1] - target).square().mean().detach())
    assert float(shared(data, "image", 0.0)["quantisation"].detach()) == pytest.approx(expected, rel=1e-5)
    alone = float((codes[1] - torch.where(codes[1] > 0, 1.0, -1.0)).square().mean().detach())
    assert float(own(data, "image", 0.0)["quantisation"].detach()) == pytest.approx(alone, rel=1e-5)
    assert alone < expected


def _nets(net: SSAHNetwork) -> tuple[Any, Any, Any]:
    return net.label_net, net.image_tower, net.text_tower


def test_a_round_is_labnet_discriminators_imgnet_txtnet() -> None:
    method = SSAH(**{**SMALL, "passes": (2, 1, 1, 1)})
    turn = method.turns()
    assert [turn(share)[0] for share in (0.0, 0.2, 0.39, 0.4, 0.6, 0.8, 0.99)] == [
        "label", "label", "label", "discriminator", "image", "text", "text",
    ]  # fmt: skip
    batches = method.batches(pairs())(0)
    assert len(batches) == len(list(batches)) == 5 * 3


def test_rates_fall_from_round_to_round() -> None:
    players = SSAH(**{**SMALL, "decay": 0.5, "epochs": 4}).players(network())
    assert [players["image"].schedule(p) for p in (0.0, 0.24, 0.25, 0.5, 0.99)] == [1.0, 1.0, 0.5, 0.25, 0.125]


def test_the_pupils_alone_see_centred_codes() -> None:
    plain, centred, data = network(), network(centre=True), batch(pairs())
    similar = label_similarity(data["labels"], data["labels"])
    anchor = plain.label_net(data["labels"])
    for player in PLAYERS:
        if player == "discriminator":
            continue
        before, after = (net(data, player, 0.0)["code pairs"].item() for net in (plain, centred))
        if player == "label":
            assert after == before
        else:
            tower = getattr(plain, f"{player}_tower")
            assert before == pytest.approx(pair_loss(tower(data[player]), anchor, similar).item(), rel=1e-5)
            seen = anchor - anchor.mean(dim=0)
            assert after == pytest.approx(pair_loss(tower(data[player]), seen, similar).item(), rel=1e-5)


def test_the_label_net_scales_its_input_where_the_others_do() -> None:
    data = pairs()
    method = SSAH(**{**SMALL, "standardise": True, "epochs": 1}).fit(data)
    net: Any = method.model_
    scaled = net.label_net.scaling(torch.from_numpy(data.labels.astype(np.float32)))
    assert scaled.mean(dim=0).abs().max() < 1e-5
    assert scaled.std(dim=0, correction=0).sub(1).abs().max() < 1e-5


# --- what SSAH shows ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated() -> Any:
    return hashing_splits("generated")


@pytest.fixture(scope="module")
def fitted(generated: Any) -> dict[str, SSAH]:
    return {name: course(adversary=name).fit(generated.train, generated.validation) for name in ("live", "off")}


def test_the_teacher_is_better_than_both_pupils(fitted: dict[str, SSAH], generated: Any) -> None:
    query, database = generated.query, generated.database
    for method in fitted.values():
        teacher, pupils = label_map(method, query, database), both_maps(method, query, database)
        assert teacher > max(pupils) + 0.05
        assert min(pupils) > 0.55  # chance is .45


def test_the_discriminator_wins_only_where_nobody_fools_it(fitted: dict[str, SSAH]) -> None:
    on, off = (fitted[name].history_.watched["discriminator loss"] for name in ("live", "off"))
    assert on[0] == pytest.approx(log(2), abs=0.15)
    assert min(on) > 0.2
    assert off[-1] < 0.1
    assert fitted["off"].history_.watched["discriminator accuracy"][-1] > 0.95


def test_save_and_load(fitted: dict[str, SSAH], generated: Any, tmp_path: Path) -> None:
    data = generated.validation
    fitted["live"].save(tmp_path)
    again = SSAH.load(tmp_path)
    assert np.array_equal(again.similarity(data.image, data.text), fitted["live"].similarity(data.image, data.text))
    assert np.array_equal(again.encode_labels(data.labels), fitted["live"].encode_labels(data.labels))


# --- housekeeping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, RELEASED, {"multi_scale": False, "standardise": True}])
def test_same_seed_same_codes(changes: dict[str, Any]) -> None:
    data = pairs()
    one, two, other = (SSAH(**{**SMALL, **changes, "seed": seed}).fit(data) for seed in (0, 0, 1))
    assert np.array_equal(one.image_outputs(data.image), two.image_outputs(data.image))
    assert not np.array_equal(one.image_outputs(data.image), other.image_outputs(data.image))
    codes = one.encode_text(data.text)
    assert codes.dtype == np.int8
    assert set(np.unique(codes)) <= {-1, 1}


def test_a_batch_in_which_all_are_similar() -> None:
    data = pairs()
    alike = PairedFeatures(data.image, data.text, labels=np.ones((48, 1), dtype=bool))
    codes = SSAH(**SMALL).fit(alike).encode_image(data.image)
    assert codes.shape == (48, 8)


def test_bad_input() -> None:
    data = pairs()
    with pytest.raises(InvalidInput, match="learns from class labels"):
        SSAH(**SMALL).fit(PairedFeatures(data.image, data.text))
    with pytest.raises(InvalidInput, match="four numbers of 1 or more"):
        SSAH(**{**SMALL, "passes": (1, 0, 1, 1)}).fit(data)
    fitted = SSAH(**SMALL).fit(data)
    with pytest.raises(InvalidInput, match=r"shape \(rows, 4\)"):
        fitted.encode_labels(np.ones((3, 5)))
    with pytest.raises(InvalidInput, match="NaN"):
        fitted.encode_image(np.full((2, 7), np.nan))
    with pytest.raises(InvalidInput, match="not fitted"):
        SSAH(**SMALL).encode_labels(data.labels)


@pytest.mark.parametrize("setting", ["adversary", "pairs"])
def test_unknown_names(setting: str) -> None:
    with pytest.raises(UnknownName, match="'nothing'"):
        SSAH(**{**SMALL, setting: "nothing"}).fit(pairs())
