"""CM-GANs: losses by hand, wrong pairs from two sources, who moves which weights, the shared layer, storage."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from xmr_lib.data import PairedFeatures
from xmr_lib.data.batches import PairBatches
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.real_valued import CMGANs
from xmr_lib.methods.real_valued.cm_gans import (
    DISCRIMINATORS,
    GENERATORS,
    binary_cross_entropy,
    inter_modal_loss,
    intra_modal_loss,
    other_class_partners,
    wrong_pairs,
)
from xmr_lib.training import train

SMALL = {"width": 16, "d_width": 8, "norm": "layer", "rounds": 2, "epochs": 2, "batch_size": 32, "standardise": True}


def labelled(n=96, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.arange(n) % 3)
    centres = np.random.default_rng(99).normal(size=(3, 6)) * 2
    image = centres[classes] + rng.normal(size=(n, 6))
    text = centres[classes][:, :4] + rng.normal(size=(n, 4))
    return PairedFeatures(image.astype(np.float32), text.astype(np.float32), labels=np.eye(3)[classes])


def network_of(method, data=None):
    data = data or labelled()
    torch.manual_seed(0)
    network = method.build(6, 4, 3)
    network.learn_scaling(data.image, data.text)
    return network


def batch_of(data, size=32):
    return next(iter(PairBatches(data, size, classes=data.labels.argmax(1))(0)))


def snapshot(network):
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def test_binary_cross_entropy_by_hand():
    z = torch.tensor([0.0, math.log(3.0)])  # sigmoid: 1/2 and 3/4
    assert binary_cross_entropy(z, True).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert binary_cross_entropy(z, False).item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_binary_cross_entropy_stays_finite():
    z = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = binary_cross_entropy(z, True)
    loss.backward()
    assert loss.item() == pytest.approx(5e3)
    assert z.grad.tolist() == [-0.5, 0.0]


def test_discriminator_losses_by_hand():
    real, fake, wrong = torch.tensor([math.log(3.0)]), torch.tensor([0.0]), torch.tensor([-math.log(3.0)])
    assert intra_modal_loss(real, fake).item() == pytest.approx(math.log(4 / 3) + math.log(2))
    expected = math.log(4 / 3) + 0.5 * math.log(2) + 0.5 * math.log(4 / 3)
    assert inter_modal_loss(real, fake, wrong).item() == pytest.approx(expected)
    assert inter_modal_loss(real, fake, wrong[:0]).item() == pytest.approx(math.log(4 / 3) + 0.5 * math.log(2))


def test_losses_have_the_right_gradient():
    torch.manual_seed(0)
    a, b, c = (torch.randn(5, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert gradcheck(intra_modal_loss, (a, b))
    assert gradcheck(inter_modal_loss, (a, b, c))


def test_partners_have_another_class_and_all_come_up():
    classes = torch.tensor([0, 0, 1, 2, 2, 2])
    seen = set()
    for _ in range(200):
        items, partners = other_class_partners(classes)
        assert items.tolist() == list(range(6))
        assert (classes[items] != classes[partners]).all()
        seen |= set(zip(items.tolist(), partners.tolist(), strict=True))
    assert len(seen) == sum(a != b for a in classes.tolist() for b in classes.tolist())


def test_a_batch_of_one_class_has_no_wrong_pairs():
    items, partners = other_class_partners(torch.tensor([1, 1, 1]))
    assert len(items) == len(partners) == 0


def test_a_wrong_pair_has_two_sources():
    common, raw = torch.arange(4.0)[:, None], 10 * torch.arange(4.0)[:, None]  # row i: i and 10 i
    items, partners = torch.tensor([0, 1, 3]), torch.tensor([2, 3, 0])
    s, x = wrong_pairs(common, raw, items, partners)
    assert s[:, 0].tolist() == [2, 3, 0]  # E_I(i')
    assert x[:, 0].tolist() == [0, 10, 30]  # i
    assert (10 * s != x).all()
    s, x = wrong_pairs(common, raw, items, partners, "released")
    assert torch.equal(10 * s, x)  # both from i': no mismatch at all


@pytest.mark.parametrize(("form", "floor"), [("paper", 0.0), ("released", 0.9548)])
def test_released_wrong_pairs_put_a_floor_under_the_loss(form, floor):
    """(E(i'), i') looks like a real pair, so at best D answers 2/3 for both: -log 2/3 - 1/2 log 1/3 = .955."""
    real = torch.tensor(0.0, requires_grad=True)
    wrong = real if form == "released" else torch.tensor(0.0, requires_grad=True)
    optimiser = torch.optim.Adam({real, wrong}, lr=0.3)
    for _ in range(400):
        loss = inter_modal_loss(real[None], torch.tensor([-50.0]), wrong[None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() == pytest.approx(floor, abs=1e-3)


def test_the_shared_layer_is_one_object():
    network = network_of(CMGANs(**SMALL))
    assert network.image_tower[2] is network.text_tower[2]
    assert network.image_tower[1] is not network.text_tower[1]
    shared = {id(p) for p in network.image_tower[2].parameters()}
    players = CMGANs(**SMALL).players(network)
    for name, player in players.items():
        assert shared <= {id(p) for p in player.weights} or (
            name not in GENERATORS and not shared & {id(p) for p in player.weights}
        )


def test_every_weight_has_an_owner_and_only_the_shared_layer_has_two():
    network = network_of(CMGANs(**SMALL))
    owned = [id(p) for player in CMGANs(**SMALL).players(network).values() for p in player.weights]
    twice = {p for p in owned if owned.count(p) > 1}
    assert set(owned) == {id(p) for p in network.parameters()}
    assert twice == {id(p) for p in network.image_tower[2].parameters()}


def test_turns_of_the_paper():
    assert CMGANs().turns() == ("D_T", "D_I", "D_CT", "D_CI", *("G_I", "G_T") * 5)
    assert CMGANs(fused=True, rounds=2).turns() == ("D", "G", "G")


OWN = {
    "D_T": ("d_t.",),
    "D_I": ("d_i.",),
    "D_CT": ("d_ct.",),
    "D_CI": ("d_ci.",),
    "G_I": ("image_tower.", "decode_image.", "classify_image."),
    "G_T": ("text_tower.", "decode_text.", "classify_text.", "image_tower.2."),  # the shared layer's first name
}
OWN |= {"D": sum((OWN[d] for d in DISCRIMINATORS), ()), "G": OWN["G_I"] + OWN["G_T"]}


@pytest.mark.parametrize("name", [*DISCRIMINATORS, *GENERATORS, "D", "G"])
def test_a_turn_moves_the_player_s_own_weights_only(name):
    data = labelled()
    method = CMGANs(**SMALL, fused=name in "DG")
    network = network_of(method, data)
    before = snapshot(network)
    players = {name: method.players(network)[name]}
    train(network, PairBatches(data, 32, classes=data.labels.argmax(1)), players, epochs=1, device="cpu")
    moved = {key for key, value in network.named_parameters() if not torch.equal(value, before[key])}
    assert moved == {key for key in before if key.startswith(OWN[name])}


def test_discriminator_turns_send_no_gradient_to_the_generators():
    network = network_of(CMGANs(**SMALL))
    sum(network(batch_of(labelled()), "D", 0.0).values()).backward()
    assert all(p.grad is None for key, p in network.named_parameters() if not key.startswith("d_"))


def test_four_discriminators_as_one_player_take_the_same_steps():
    data, ends = labelled(), {}
    for fused in (False, True):
        method = CMGANs(**SMALL, fused=fused)
        network = network_of(method, data)
        players = {k: p for k, p in method.players(network).items() if k.startswith("D")}
        batches = PairBatches(data.subset(np.arange(96)), 96, classes=np.arange(96) % 2)  # two classes only
        torch.manual_seed(0)
        orders = ("D",) if fused else DISCRIMINATORS
        network.train()
        optimisers = {k: torch.optim.AdamW(p.weights, p.lr, p.betas, weight_decay=0) for k, p in players.items()}
        batch = next(iter(batches(0)))
        for _ in range(3):
            for name in orders:
                torch.manual_seed(1)  # the same wrong pairs in every turn
                loss = sum(network(batch, name, 0.0).values())
                optimisers[name].zero_grad()
                loss.backward()
                optimisers[name].step()
        ends[fused] = snapshot(network)
    for key, value in ends[True].items():
        torch.testing.assert_close(value, ends[False][key], atol=1e-6, rtol=1e-5)


def test_learns_with_labels():
    test = labelled(60, seed=2)
    method = CMGANs(**{**SMALL, "width": 64, "epochs": 25, "lr": 3e-3, "fused": True}).fit(
        labelled(), labelled(60, seed=1)
    )
    report = evaluate(method, test, metrics=["MAP"])
    assert report.value("MAP") > 0.5 > report.chance["i2t"]["MAP"] + 0.1


def test_discriminator_accuracy_by_hand():
    method, data = CMGANs(**SMALL).fit(labelled(), labelled(60, seed=1)), labelled(30, seed=2)
    n = method.model_
    assert set(method.history_.watched) == set(DISCRIMINATORS)
    with torch.no_grad():
        i = n.image_tower[0](torch.from_numpy(data.image))
        fake = n.decode_image(n.image_tower[1:](i))
        right = (torch.sigmoid(n.d_i(i)) > 0.5).sum() + (torch.sigmoid(n.d_i(fake)) < 0.5).sum()
        n.d_ct.layers[-1].weight.zero_()
        n.d_ct.layers[-1].bias.fill_(1.0)  # it calls everything real: right on real pairs, wrong on fake ones
    accuracy = method.discriminator_accuracy(data)
    assert accuracy["D_I"] == pytest.approx(right.item() / 60)
    assert accuracy["D_CT"] == 0.5


def test_terms_have_names_and_weights_switch_them_off():
    network = network_of(CMGANs(**SMALL, reconstruction=0.1))
    terms = network(batch_of(labelled()), "G", 0.0)
    assert set(terms) == {f"{g} {t}" for g in GENERATORS for t in ("inter", "intra", "label", "copy")}
    bare = network_of(CMGANs(**SMALL, inter_weight=0, intra_weight=0))
    assert set(bare(batch_of(labelled()), "G_T", 0.0)) == {"G_T label"}


def test_the_learning_rate_is_halved_every_hundred_epochs():
    method = CMGANs(epochs=400)
    rates = [method.players(network_of(method))["G_I"].schedule(p) for p in (0.0, 0.24, 0.26, 0.51, 0.99)]
    assert rates == [1.0, 1.0, 0.5, 0.25, 0.125]


@pytest.mark.parametrize("options", [{}, {"norm": "batch"}, {"fused": True, "wrong_pair": "released"}])
def test_save_and_load(tmp_path, options):
    test = labelled(30, seed=2)
    method = CMGANs(**{**SMALL, **options}).fit(labelled(), labelled(60, seed=1))
    method.save(tmp_path)
    again = CMGANs.load(tmp_path)
    np.testing.assert_array_equal(again.similarity(test.image, test.text), method.similarity(test.image, test.text))
    assert again.model_.image_tower[2] is again.model_.text_tower[2]
    assert again.history_ == method.history_


def test_same_seed_same_result():
    test = labelled(30, seed=2)
    a, b, c = (CMGANs(**SMALL, seed=s).fit(labelled()).encode_image(test.image) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)


def test_test_items_do_not_see_each_other():
    """No statistics of the test set: the released script z-scores the queries with them."""
    method, test = CMGANs(**{**SMALL, "norm": "batch"}).fit(labelled()), labelled(20, seed=2)
    alone = np.concatenate([method.encode_image(test.image[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, method.encode_image(test.image), atol=1e-6)


def test_bad_input():
    with pytest.raises(UnknownName, match="form of the wrong pair"):
        CMGANs(**SMALL, wrong_pair="code").fit(labelled())
    with pytest.raises(UnknownName, match="normalisation"):
        CMGANs(**{**SMALL, "norm": "group"}).fit(labelled())
    with pytest.raises(InvalidInput, match="rounds"):
        CMGANs(**{**SMALL, "rounds": 0}).fit(labelled())
    with pytest.raises(InvalidInput, match="same class"):
        CMGANs(**SMALL).fit(PairedFeatures(np.ones((9, 6)), np.ones((9, 4)), labels=np.eye(3)[[0] * 9]))


def test_a_batch_of_one_class_is_no_accident():
    network = network_of(CMGANs(**SMALL))
    batch = batch_of(labelled()) | {"classes": torch.zeros(32, dtype=torch.long)}
    assert all(torch.isfinite(value) for value in network(batch, "D", 0.0).values())


def test_presets():
    for profile in ("smoke", "course", "paper"):
        CMGANs(**CMGANs.preset(profile))
    assert CMGANs.preset("paper") == {}
