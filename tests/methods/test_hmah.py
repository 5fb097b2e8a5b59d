"""HMAH: teacher, discriminator, students and fusion, by hand and by finite differences; what each protocol gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.hashing import HMAH
from xmr_lib.methods.hashing.hmah_network import (
    HMAHNetwork,
    affinity_loss,
    discriminator_loss,
    distillation,
    fuse,
    prior_loss,
)
from xmr_lib.metrics import mean_average_precision, shared_labels
from xmr_lib.nn.label_graph import label_affinity

SMALL: dict[str, Any] = {"bits": 8, "d_common": 16, "image_hidden": [16], "text_hidden": [16], "lr": 1e-3}
SMALL |= {"student_image_hidden": [16], "student_text_hidden": [16], "teacher_epochs": 3, "epochs": 3, "batch_size": 32}


@pytest.fixture(scope="module")
def data(generated: HashingSplits) -> PairedFeatures:
    return generated.train.subset(np.arange(100))


@pytest.fixture(scope="module")
def fitted(data: PairedFeatures) -> HMAH:
    return HMAH(**SMALL).fit(data)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    """Outputs in -1..1, float64."""
    return torch.tanh(torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))


def network(**changes: Any) -> HMAHNetwork:
    torch.manual_seed(0)
    return HMAH(**{**SMALL, **changes}).build(5, 6, 3)


def batch(b: int = 7) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    labels = (torch.rand(b, 3, generator=rng) < 0.4).float()
    image, text = torch.randn(b, 5, generator=rng), torch.randn(b, 6, generator=rng)
    return {"image": image, "text": text, "labels": labels, "image_index": torch.arange(b)}


# --- losses ---------------------------------------------------------------------------------------------------------


def test_affinity_loss_by_hand() -> None:
    codes = torch.tensor([[1.0, 1.0], [1.0, -1.0]])  # cosines 1, 0, 0, 1
    affinity = torch.tensor([[0.8, 0.5], [0.5, 0.4]])
    assert affinity_loss(codes, affinity).item() == pytest.approx((0.04 + 0.25 + 0.25 + 0.36) / 4)


def test_the_game_by_hand() -> None:
    real, made = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.5], [0.0]])
    assert discriminator_loss(real, made).item() == pytest.approx(0.5 + 0.125)
    assert prior_loss(made).item() == pytest.approx((0.25 + 1) / 2)
    assert prior_loss(torch.ones(3, 1)).item() == 0


def test_distillation_by_hand() -> None:
    teacher = torch.tensor([[0.9, 0.9, 0.9, -0.9], [0.9, -0.9, 0.9, -0.9]])
    signs = torch.tensor([[1.0, 1, 1, -1], [1, -1, 1, -1]])
    perfect = distillation(signs, signs, signs, teacher)
    assert perfect["signs"].item() == 0
    # cos(h) off the diagonal: of all bits 2/4, of the image half 0, of the text half 1; the students have 1/2
    assert perfect["cosines"].item() == pytest.approx(2 * 0.25 / 4 + 2 * 0.25 / 4)
    assert perfect["pairs"].item() == pytest.approx(0, abs=1e-12)
    halved = distillation(signs / 2, signs, signs, teacher)
    assert halved["signs"].item() == pytest.approx(0.25)
    assert halved["cosines"].item() == pytest.approx(perfect["cosines"].item())  # cosines do not see the length


def test_fusion_by_hand() -> None:
    fused = fuse(torch.ones(1, 3), -torch.ones(1, 3), torch.tensor([1.0, 0.5, 0.0]))
    assert fused.tolist() == [[1.0, 0.0, -1.0]]


def test_gradients_by_finite_differences() -> None:
    outputs = [uniform(4, 8, seed=k).requires_grad_() for k in range(3)]
    weight = torch.full((8,), 0.3, dtype=torch.float64, requires_grad=True)
    teacher, affinity = uniform(4, 8, seed=9), label_affinity((uniform(4, 3, seed=5) > 0).double())
    check = torch.autograd.gradcheck
    assert check(lambda h: affinity_loss(h, affinity), (outputs[0],))
    assert check(lambda v, t, f: tuple(distillation(v, t, f, teacher).values()), outputs)
    assert check(lambda v, t, w: tuple(distillation(v, t, fuse(v, t, w), teacher).values()), (*outputs[:2], weight))
    scores = [uniform(4, 1, seed=k).requires_grad_() for k in (1, 2)]
    assert check(discriminator_loss, scores)
    assert check(prior_loss, scores[:1])


# --- the networks ---------------------------------------------------------------------------------------------------


def test_each_part_of_the_teacher_hears_its_own_modality_or_both() -> None:
    teacher, rows = network().teacher.eval(), batch()
    before = teacher(rows["image"], rows["text"], rows["labels"])
    assert before.shape == (7, 8)
    other_text = teacher(rows["image"], rows["text"] + 1, rows["labels"])
    changed = (before != other_text).any(0).reshape(4, 2).any(1)
    assert changed.tolist() == [False, True, True, True]  # image intra does not hear a text
    other_image = teacher(rows["image"] + 1, rows["text"], rows["labels"])
    assert (before != other_image).any(0).reshape(4, 2).any(1).tolist() == [True, True, False, True]


def test_labels_decide_whom_an_item_hears() -> None:
    teacher, rows = network().teacher.eval(), batch(3)
    rows["labels"] = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    before = teacher(rows["image"], rows["text"], rows["labels"])
    rows["image"][1] += 1.0
    after = teacher(rows["image"], rows["text"], rows["labels"])
    assert not torch.equal(before[0], after[0])  # shares a label with item 1
    assert torch.equal(before[2], after[2])  # does not
    alone = network(graphs=False).teacher.eval()
    rows["labels"] = torch.ones(3, 3)
    before = alone(rows["image"], rows["text"], rows["labels"])
    rows["image"][1] += 1.0
    assert torch.equal(before[0], alone(rows["image"], rows["text"], rows["labels"])[0])


def test_every_player_moves_its_own_weights_only() -> None:
    net, rows = network(), batch()
    net.register_buffer("teacher_outputs", uniform(7, 8).float())
    own = {"discriminator": {"discriminator"}, "students": {"image_tower", "text_tower", "fusion"}}
    for player, parts in own.items():
        net.zero_grad()
        sum(net(rows, player, 0.0).values()).backward()
        assert {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None} == parts
    net.zero_grad()
    sum(net(rows, "teacher", 0.0).values()).backward()
    assert net.teacher.cross.weight.grad is not None
    assert all(p.grad is None for p in net.image_tower.parameters())


def test_the_three_losses_of_the_teacher_carry_their_weights() -> None:
    rows = batch()
    for name in ("affinity", "quantisation", "prior"):
        torch.manual_seed(3)
        once = network(**{f"{name}_weight": 1.0}).eval()(rows, "teacher", 0.0)[name]
        thrice = network(**{f"{name}_weight": 3.0}).eval()(rows, "teacher", 0.0)[name]
        assert thrice.item() == pytest.approx(3 * once.item(), rel=1e-5)


def test_batch_norm_stands_still_after_the_epoch_it_should() -> None:
    net = network(freeze_after=2, epochs=4)
    norms = [m for m in net.image_tower.modules() if isinstance(m, nn.BatchNorm1d)]
    for epoch, learning in ((0, True), (1, True), (2, False), (3, False)):
        net.train()
        assert all(norm.training == learning for norm in norms), epoch
        net.after_epoch((epoch + 1) / 4)
    never = network(freeze_after=None, epochs=2)
    never.after_epoch(1.0)
    assert all(m.training for m in never.train().image_tower.modules())


# --- the method -----------------------------------------------------------------------------------------------------


def test_codes_of_the_training_pairs(fitted: HMAH, data: PairedFeatures) -> None:
    assert fitted.teacher_codes_.shape == (100, 8)
    assert fitted.teacher_codes_.dtype == np.int8
    assert fitted.unified_codes_ is fitted.teacher_codes_
    model: Any = fitted.model_
    teacher = model.teacher.eval()
    first = torch.from_numpy(np.array_split(np.arange(100), 4)[0])  # the first batch in the order of the data
    with torch.no_grad():
        outputs = teacher(*(torch.from_numpy(np.float32(part))[first] for part in (data.image, data.text, data.labels)))
    assert np.array_equal(np.where(outputs.numpy() > 0, 1, -1), fitted.teacher_codes_[:25])


def test_fused_codes_are_signs_of_the_mixture(fitted: HMAH, data: PairedFeatures) -> None:
    image, text = fitted.image_outputs(data.image), fitted.text_outputs(data.text)
    model: Any = fitted.model_
    w = model.fusion.detach().numpy()
    assert np.array_equal(fitted.encode_pairs(data.image, data.text), np.where(w * image + (1 - w) * text > 0, 1, -1))
    with pytest.raises(InvalidInput, match="one pair"):
        fitted.encode_pairs(data.image[:3], data.text)


def test_history(fitted: HMAH) -> None:
    assert set(fitted.history_.terms) == {"signs", "cosines", "pairs"}
    terms = {"discriminator: prior", "teacher: affinity", "teacher: quantisation", "teacher: prior"}
    assert set(fitted.teacher_history_.terms) == terms
    assert fitted.teacher_history_.epochs == fitted.history_.epochs == 3
    assert fitted.history_.seconds > fitted.teacher_history_.seconds > 0


def test_switches(data: PairedFeatures) -> None:
    signs = HMAH(**SMALL, distil=False, prior_weight=0.0, shuffle=False).fit(data)
    assert set(signs.history_.terms) == {"signs"}
    assert not any(name.startswith("discriminator") for name in signs.teacher_history_.terms)


def test_save_and_load(fitted: HMAH, generated: HashingSplits, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    loaded, query = HMAH.load(tmp_path), generated.query
    assert np.array_equal(loaded.similarity(query.image, query.text), fitted.similarity(query.image, query.text))
    assert np.array_equal(loaded.teacher_codes_, fitted.teacher_codes_)
    pairs = query.image, query.text
    assert np.array_equal(loaded.encode_pairs(*pairs), fitted.encode_pairs(*pairs))
    assert loaded.teacher_history_.terms == fitted.teacher_history_.terms


def test_the_same_seed_gives_the_same_codes_and_another_seed_does_not(fitted: HMAH, data: PairedFeatures) -> None:
    again, other = HMAH(**SMALL).fit(data), HMAH(**SMALL, seed=1).fit(data)
    assert np.array_equal(again.teacher_codes_, fitted.teacher_codes_)
    assert np.array_equal(again.encode_image(data.image), fitted.encode_image(data.image))
    assert not np.array_equal(other.teacher_codes_, fitted.teacher_codes_)


def test_validation_chooses_an_epoch_of_the_students(data: PairedFeatures, generated: HashingSplits) -> None:
    method = HMAH(**SMALL).fit(data, generated.validation)
    assert len(method.history_.validation) == 3
    assert method.teacher_history_.validation == []


def test_bad_input(data: PairedFeatures, tmp_path: Path) -> None:
    for bits in (0, 6, 18):
        with pytest.raises(InvalidInput, match="bits"):
            HMAH(**{**SMALL, "bits": bits}).fit(data)
    with pytest.raises(InvalidInput, match="at least 2"):
        HMAH(**{**SMALL, "batch_size": 1}).fit(data)
    with pytest.raises(InvalidInput, match="learns from class labels"):
        HMAH(**SMALL).fit(replace(data, labels=None, class_names=()))
    method = HMAH(**SMALL)
    with pytest.raises(InvalidInput, match="checkpoint"):
        method.fit(data, checkpoint=tmp_path / "run.safetensors")
    with pytest.raises(InvalidInput, match="not fitted"):
        method.encode_pairs(data.image, data.text)


def test_empty_texts_and_one_class_are_legal(data: PairedFeatures) -> None:
    text = data.text.copy()
    text[::5] = 0
    one_class = np.ones((100, 1), dtype=bool)
    method = HMAH(**SMALL).fit(replace(data, text=text, labels=one_class, class_names=("all",)))
    assert set(np.unique(method.encode_text(text))) <= {-1, 1}


def test_presets() -> None:
    for profile in ("paper", "course", "smoke"):
        assert HMAH(32, **HMAH.preset(profile)).bits == 32


def test_teacher_above_students_on_known_items_and_fused_above_strict(generated: HashingSplits) -> None:
    method = HMAH(16, **{**HMAH.preset("course"), "teacher_epochs": 8, "epochs": 8}).fit(generated.train)
    report = {p: evaluate_hashing(method, generated, protocol=p) for p in ("strict", "fused")}
    for direction in ("i2t", "t2i"):
        fused, strict = (report[p].value("MAP", direction) for p in ("fused", "strict"))
        assert fused >= strict
        assert strict > 0.55  # chance: .45
    known = replace(generated, query=generated.train)
    teacher = _map_of(method.teacher_codes_, known)
    assert teacher >= evaluate_hashing(method, known, protocol="training").value("MAP")


def _map_of(codes: np.ndarray, splits: HashingSplits) -> float:
    """MAP of the training pairs as queries and as database, all by these codes."""
    distance = HMAH.distances(codes, codes)
    relevant = shared_labels(splits.train.labels, splits.train.labels) > 0
    return float(mean_average_precision(-distance, relevant))
