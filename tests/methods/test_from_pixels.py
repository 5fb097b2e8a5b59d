"""Hashing from pixels: who trains which tower, freezing, what sees the first features, storage, starts, wrong input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.clip_folder import clip_folder
from helpers.halves import TOWERS, two_halves
from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.encoders.hashing_pictures import HashingPictures, hashing_pictures, with_one_caption
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput, MissingData
from xmr_lib.evaluation import evaluate
from xmr_lib.evaluation.bits import compare_bits
from xmr_lib.evaluation.hashing import evaluate_hashing
from xmr_lib.methods.base import l2_normalise
from xmr_lib.methods.dual_tower import ALIGN, CLIP, DivE
from xmr_lib.methods.hashing import CVH, DCHMT, DCHUC, DCMH, DSPH, HMAH, SSAH, UDCMH, BiCMR, FromPixels
from xmr_lib.methods.hashing.from_pixels import DEEP
from xmr_lib.methods.hashing.pixel_network import Inputs, PixelNetwork, on_towers, tower_features
from xmr_lib.methods.stored import fit_or_load

VIT = {"kind": "vit", "size": 32, "patch": 16, "width": 16, "layers": 1, "heads": 2}  # no batch norm, no dropout
CONV = {"kind": "conv", "size": 32, "channels": [8], "layers": 1, "heads": 2}
BAG = {"kind": "bag", "width": 8, "hidden": 12}
HALVES: dict[str, Any] = {"start": None, **{key: TOWERS[key] for key in ("image", "text", "dim")}}
TINY: dict[str, Any] = {"start": None, "image": VIT, "text": BAG, "dim": 10}

MOVED = {
    "DCHMT": {"all": ["image", "text"]},
    "DSPH": {"all": ["image", "text"]},
    "UDCMH": {"all": ["image", "text"]},
    "HMAH": {"students": ["image", "text"]},
    "BiCMR": {"label": [], "joint": ["image", "text"]},
    "DCMH": {"image": ["image"], "text": ["text"]},
    "DCHUC": {"image": ["image"], "text": ["text"]},
    "SSAH": {"label": [], "discriminator": [], "image": ["image"], "text": ["text"]},
}

deep = pytest.mark.parametrize("cls", DEEP, ids=lambda cls: cls.__name__)


def small(cls: Any, **changes: Any) -> Any:
    """A deep system in its smallest preset, for one epoch."""
    return cls(**cls.preset("smoke") | {"bits": 8, "epochs": 1} | changes)


@pytest.fixture(scope="module")
def pictures() -> HashingPictures:
    return hashing_pictures("smoke")


@pytest.fixture(scope="module")
def few(pictures: HashingPictures) -> PairedDataset:
    return pictures.train.subset(np.arange(48))


@pytest.fixture(scope="module")
def clip(pictures: HashingPictures) -> CLIP:
    towers = {"image": CONV, "text": BAG, "dim": 10}
    return CLIP(**towers, epochs=1, batch_size=16, lr=1e-2).fit(pictures.train.subset(np.arange(60, 100)))


def weights(method: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in method.model_.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


# ---- who trains what


@deep
def test_gradients_reach_both_towers_of_every_system(cls: Any, few: PairedDataset, clip: CLIP) -> None:
    before = weights(clip)
    fitted = FromPixels(small(cls), tower_lr=1e-2).fit(few, few.subset(np.arange(20)), start=clip)
    moved = changed(before, weights(fitted.towers_))
    first_and_last = {"image_tower.stem.0.0.weight", "image_tower.position", "image_projection.weight"}
    assert moved >= first_and_last | {"text_tower.words.weight", "text_tower.hidden.0.weight", "text_projection.weight"}
    assert "temperature.log_scale" not in moved
    assert not changed(before, weights(clip))  # the start stays as it is
    assert fitted.image_outputs(few.images).shape == (48, 8)
    assert fitted.image_outputs(few.images).dtype == np.float32
    codes = fitted.encode_text(few.captions)
    assert codes.dtype == np.int8
    assert set(np.unique(codes)) <= {-1, 1}


def composed(cls: Any, few: PairedDataset, **changes: Any) -> tuple[Any, PixelNetwork, dict[str, Any], Any]:
    """A learner on towers, its network, the players and the features it starts from; nothing is trained."""
    fresh = FromPixels(small(cls, **changes), **TINY, freeze=True).fit(few)
    towers, first = fresh.towers_, fresh.features(few)
    rows = Inputs(towers.pixels(few.images), towers.tokenizer_.encode(few.captions))
    learner: Any = on_towers(small(cls, **changes), towers, rows, None, lambda player: player.lr / 100)
    learner.sizes_ = learner.sizes(first)
    network = learner._fresh_network()
    return learner, network, learner.players(network), first


@deep
def test_a_player_trains_the_towers_of_its_sides(cls: Any, few: PairedDataset) -> None:
    learner, network, players, _ = composed(cls, few)
    assert {name: list(sides) for name, sides in network.moved.items()} == MOVED[cls.__name__]
    plain = small(cls).players(network.network)
    for name, player in players.items():
        sides = MOVED[cls.__name__][name]
        parts = [getattr(network.towers, f"{side}_{part}") for side in sides for part in ("tower", "projection")]
        added = {id(weight) for part in parts for weight in part.parameters()}
        own = {id(weight) for weight in plain[name].weights}
        assert {id(weight) for weight in player.weights} == own | added
        assert (player.lr, player.betas, player.clip) == (plain[name].lr, plain[name].betas, plain[name].clip)
        if sides:
            assert player.parameters[-1]["lr"] == player.lr / 100
    assert learner.name == small(cls).name


def test_the_loss_is_the_methods_on_the_features_of_the_towers(few: PairedDataset) -> None:
    _, network, _, first = composed(DCHMT, few)
    labels = torch.from_numpy(np.asarray(few.labels, dtype=np.float32))
    pairs = torch.tensor([5, 0, 9, 30])
    batch = {"image": torch.zeros(4, 10), "text": torch.zeros(4, 10), "labels": labels[pairs], "image_index": pairs}
    terms = network(batch, "all", 0.0)
    image, text = (torch.from_numpy(side)[pairs].requires_grad_() for side in (first.image, first.text))
    expected = network.network({"image": image, "text": text, "labels": labels[pairs]}, "all", 0.0)
    for name, term in expected.items():
        torch.testing.assert_close(terms[name], term)
    sum(terms.values()).backward()
    sum(expected.values()).backward()
    pooled = network.towers.image_tower.pooled(network.inputs.image[pairs]).detach()  # (4, w)
    torch.testing.assert_close(network.towers.image_projection.weight.grad, image.grad.T @ pooled)


def test_who_only_looks_at_a_side_leaves_it_alone(few: PairedDataset) -> None:
    _, network, _, _ = composed(SSAH, few)
    labels = torch.from_numpy(np.asarray(few.labels, dtype=np.float32))
    batch = {"labels": labels[:6], "image_index": torch.arange(6)}
    for player, sides in MOVED["SSAH"].items():
        network.zero_grad()
        sum(network(batch, player, 0.0).values()).backward()
        for side in ("image", "text"):
            gradient = getattr(network.towers, f"{side}_projection").weight.grad
            assert (gradient is not None) == (side in sides), (player, side)


def test_an_image_pass_does_not_run_the_text_tower(few: PairedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    learner, network, _, first = composed(DCMH, few)
    learner.model_ = network
    learner._prepare(first)
    monkeypatch.setattr(network.towers.text_tower, "pooled", lambda rows: pytest.fail("the text tower ran"))
    labels = torch.from_numpy(np.asarray(few.labels, dtype=np.float32))
    network({"labels": labels[:6], "image_index": torch.arange(6)}, "image", 0.0)


@deep
def test_half_precision(cls: Any, few: PairedDataset) -> None:
    fitted = FromPixels(small(cls), **TINY).fit(few, precision="bf16")
    assert np.isfinite(fitted.image_outputs(few.images)).all()


# ---- frozen towers


@deep
def test_frozen_towers_give_the_method_on_features(cls: Any, few: PairedDataset, clip: CLIP) -> None:
    check = few.subset(np.arange(20))
    frozen = FromPixels(small(cls), freeze=True).fit(few, check, start=clip)
    assert not changed(weights(clip), weights(frozen.towers_))
    alone = small(cls).fit(frozen.features(few), frozen.features(check))
    np.testing.assert_array_equal(frozen.image_outputs(few.images), alone.image_outputs(frozen.features(few).image))
    np.testing.assert_array_equal(frozen.text_outputs(few.captions), alone.text_outputs(frozen.features(few).text))
    assert frozen.history_.terms == alone.history_.terms
    assert frozen.history_.watched == alone.history_.watched


@pytest.mark.parametrize("cls", [DCHMT, DCMH, SSAH], ids=lambda cls: cls.__name__)
def test_towers_without_a_rate_are_frozen_towers(cls: Any, few: PairedDataset) -> None:
    """The same numbers, once computed in advance and once batch by batch: no batch norm in these towers."""
    recipe = FromPixels(small(cls), **TINY)
    still, frozen = (recipe.clone(**change).fit(few) for change in ({"tower_lr": 0.0}, {"freeze": True}))
    assert not changed(weights(still.towers_), weights(frozen.towers_))
    np.testing.assert_allclose(still.image_outputs(few.images), frozen.image_outputs(few.images), atol=2e-3)
    for name, values in frozen.history_.terms.items():
        assert still.history_.terms[name] == pytest.approx(values, rel=1e-3)


def test_what_still_sees_the_first_features(few: PairedDataset, clip: CLIP) -> None:
    """The codes of UDCMH and the teacher of HMAH come before any tower moves."""
    for cls in (UDCMH, HMAH):
        moving, frozen = (
            FromPixels(small(cls), tower_lr=1e-2, freeze=freeze).fit(few, start=clip) for freeze in (False, True)
        )
        np.testing.assert_array_equal(moving.unified_codes_, frozen.unified_codes_)
        assert not np.allclose(moving.image_outputs(few.images), frozen.image_outputs(few.images))


# ---- features, measuring, learning


def test_features_are_embeddings_before_they_are_normalised(few: PairedDataset, clip: CLIP) -> None:
    fitted = FromPixels(small(DCHMT)).fit(few, start=clip)
    image, text = fitted.image_features(few.images), fitted.text_features(few.captions)
    np.testing.assert_allclose(l2_normalise(image), fitted.towers_.encode_image(few.images), atol=1e-6)
    np.testing.assert_allclose(l2_normalise(text), fitted.towers_.encode_text(few.captions), atol=1e-6)
    assert np.linalg.norm(image, axis=1).std() > 1e-3
    both = fitted.features(few)
    np.testing.assert_array_equal(both.image, image)
    np.testing.assert_array_equal(both.labels, few.labels)
    assert fitted.hashing_.certainty(image, text)["image"] > 0.5


def test_it_is_measured_like_any_hashing_method(pictures: HashingPictures) -> None:
    fitted = FromPixels(small(HMAH), **TINY).fit(pictures.train)
    parts = (fitted.features(part) for part in (pictures.train, pictures.validation, pictures.query, pictures.database))
    on_features = HashingSplits(*parts)
    for protocol in ("strict", "new items", "unified", "fused"):
        ours = evaluate_hashing(fitted, pictures, protocol=protocol)
        theirs = evaluate_hashing(fitted.hashing_, on_features, protocol=protocol)
        assert ours.value("MAP", "mean") == theirs.value("MAP", "mean")
        assert ours.method == theirs.method.replace("HMAH", "HMAH from pixels")


@pytest.mark.parametrize("cls", [DCHMT, DSPH], ids=lambda cls: cls.__name__)
def test_trained_towers_beat_random_ones(cls: Any) -> None:
    """On new pictures, where the towers start from random weights and may learn, or may not."""
    train, test = halves(0, 4), halves(1, 2)
    recipe = FromPixels(small(cls, bits=16, epochs=30, batch_size=32), **HALVES, tower_lr=1e-2)
    moving, frozen = (
        evaluate(recipe.clone(freeze=freeze).fit(train), test, metrics=["MAP"]) for freeze in (False, True)
    )
    for direction in ("i2t", "t2i"):
        assert moving.value("MAP", direction) > frozen.value("MAP", direction) + 0.02
    assert moving.value("MAP", "mean") > moving.chance["i2t"]["MAP"] + 0.2


def halves(seed: int, copies: int) -> PairedDataset:
    """Pictures of two colours, one caption each; eight labels: a colour on the left, a colour on the right."""
    data = two_halves(seed, copies)
    kind = np.arange(data.n_images) % 16
    labels = np.concatenate([np.eye(4)[kind // 4], np.eye(4)[kind % 4]], axis=1)
    return replace(with_one_caption(data, seed), labels=labels.astype(bool), instances=np.arange(data.n_images))


def test_validation_pairs_are_coded_by_the_towers_as_they_are(few: PairedDataset, pictures: HashingPictures) -> None:
    check = pictures.validation.subset(np.arange(20))
    fitted = FromPixels(small(DCHMT, epochs=2), **TINY, tower_lr=1e-2).fit(few, check)
    best = fitted.history_.best_epoch
    score = fitted.hashing_._validation_map(fitted.features(check))
    assert fitted.history_.validation[best] == pytest.approx(score, abs=1e-9)
    certainty = fitted.hashing_.watch(fitted.features(check))
    assert fitted.history_.watched["image certainty"][best] == pytest.approx(certainty["image certainty"], abs=1e-6)


# ---- parameters, seeds, storage


def test_parameters() -> None:
    paper = FromPixels(DCHMT(**DCHMT.preset("paper")), **FromPixels.preset("paper"))
    assert paper.start == "openai/clip-vit-base-patch32"
    assert (paper.bits, paper.epochs, paper.name) == (64, 100, "DCHMT from pixels")
    changed_one = paper.clone(bits=16, start=None, seed=3)
    assert (changed_one.bits, changed_one.start, changed_one.seed) == (16, None, 3)
    assert changed_one.method is not paper.method
    assert paper.bits == 64
    for profile in ("course", "smoke"):
        assert FromPixels(DCMH(), **FromPixels.preset(profile)).start is None
    with pytest.raises(InvalidInput, match="not fitted yet"):
        paper.encode_image([])


def test_rates_of_started_and_fresh_towers(few: PairedDataset, clip: CLIP, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def note(learner: Any, network: Any, batches: Any, check: Any, **options: Any) -> Any:
        rates.append(learner.players(network)["all"].parameters[-1]["lr"])
        raise KeyboardInterrupt

    monkeypatch.setattr(DCHMT, "_train", note)
    for method, start in (
        (FromPixels(small(DCHMT, lr=1e-3)), clip),
        (FromPixels(small(DCHMT, lr=1e-3), **TINY), None),
        (FromPixels(small(DCHMT), tower_lr=7e-4), clip),
    ):
        with pytest.raises(KeyboardInterrupt):
            method.fit(few, start=start)
        with pytest.raises(InvalidInput, match="not fitted yet"):  # an interrupted training leaves nothing
            method.image_features(few.images)
    assert rates == pytest.approx([1e-5, 1e-3, 7e-4])


def test_same_seed_same_codes(few: PairedDataset) -> None:
    recipe = FromPixels(small(DCHMT), **TINY)
    state = torch.random.get_rng_state()
    one, two, other = (recipe.clone(seed=seed).fit(few).image_outputs(few.images) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)
    assert torch.equal(state, torch.random.get_rng_state())
    by_method = FromPixels(small(DCHMT, seed=2), **TINY).fit(few)
    np.testing.assert_array_equal(by_method.image_outputs(few.images), other)


@deep
def test_stored_and_read_back(cls: Any, few: PairedDataset, clip: CLIP, tmp_path: Path) -> None:
    fitted = FromPixels(small(cls)).fit(few, start=clip)
    fitted.save(tmp_path)
    again = FromPixels.load(tmp_path)
    assert type(again.method) is type(again.hashing_) is cls
    assert again.method.get_params().keys() == fitted.method.get_params().keys()
    assert {**again.get_params(), "method": None} == {**fitted.get_params(), "method": None}
    np.testing.assert_array_equal(again.image_outputs(few.images), fitted.image_outputs(few.images))
    np.testing.assert_array_equal(again.text_outputs(few.captions), fitted.text_outputs(few.captions))
    assert again.history_ == fitted.history_
    assert hasattr(again, "unified_codes_") == hasattr(fitted, "unified_codes_") == (cls in (DCHUC, HMAH, UDCMH))
    if cls is HMAH:
        codes = (method.encode_pairs(few.images, few.captions) for method in (again, fitted))
        np.testing.assert_array_equal(*codes)


def test_a_stored_fit_is_known_by_its_start(
    few: PairedDataset, clip: CLIP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path))
    recipe = FromPixels(small(DCHMT))
    one = fit_or_load(recipe, few, start=clip)
    again = fit_or_load(recipe, few, start=clip)
    other = fit_or_load(recipe, few, start=clip.clone(seed=1).fit(few))
    np.testing.assert_array_equal(again.image_outputs(few.images), one.image_outputs(few.images))
    assert not np.allclose(other.image_outputs(few.images), one.image_outputs(few.images))
    assert len(list((tmp_path / "models").glob("FromPixels-*[!k]"))) == 2


def test_a_table_over_code_lengths(pictures: HashingPictures) -> None:
    table = compare_bits({"DCHMT": FromPixels(small(DCHMT), **TINY)}, lambda seed: pictures, [0, 1], bits=(8, 16))
    assert [table.fitted["DCHMT", bits][1].hashing_.bits for bits in (8, 16)] == [8, 16]
    assert [method.hashing_.seed for method in table.fitted["DCHMT", 8]] == [0, 1]


# ---- starts


def test_a_checkpoint_of_transformers(few: PairedDataset, tmp_path: Path) -> None:
    clip_folder(tmp_path, "quick_gelu", 8, 10, False)
    first = CLIP.from_pretrained(str(tmp_path))
    fitted = FromPixels(small(DCHMT), start=str(tmp_path)).fit(few)
    assert changed(weights(first), weights(fitted.towers_)) > {"image_tower.patches.weight"}
    gap = fitted.image_features(few.images) - FromPixels(small(DCHMT), freeze=True).fit(
        few, start=first
    ).image_features(few.images)
    assert 0 < np.abs(gap).max() < 0.5  # fine-tuned, not forgotten


def test_a_folder_of_ours_and_align(few: PairedDataset, clip: CLIP, tmp_path: Path) -> None:
    clip.save(tmp_path / "clip")
    by_name = FromPixels(small(DCHMT), start=str(tmp_path / "clip")).fit(few)
    given = FromPixels(small(DCHMT)).fit(few, start=clip)
    np.testing.assert_array_equal(by_name.image_outputs(few.images), given.image_outputs(few.images))
    align = ALIGN(image=CONV, text=BAG, epochs=1, batch_size=16).fit(few)
    fitted = FromPixels(small(DSPH)).fit(few, start=align)
    assert type(fitted.towers_) is ALIGN
    assert fitted.image_features(few.images).shape == fitted.text_features(few.captions).shape == (48, 8)


# ---- wrong input


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: PairedFeatures(np.ones((4, 3)), np.ones((4, 3))), "reads pictures and sentences"),
        (lambda d: replace(d, captions=[*d.captions] * 2, caption_image=[*range(48)] * 2), "one caption per image"),
        (lambda d: replace(d, labels=None, class_names=()), "learns from class labels"),
        (lambda d: d.subset([3]), "at least two"),
    ],
    ids=["features", "captions", "labels", "one pair"],
)
def test_wrong_pairs(spoil: Callable[[PairedDataset], Any], says: str, few: PairedDataset) -> None:
    method = FromPixels(small(DCHMT), **TINY)
    with pytest.raises(InvalidInput, match=says):
        method.fit(spoil(few))
    with pytest.raises(InvalidInput, match=says):
        method.fit(few, spoil(few))


def test_other_wrong_input(few: PairedDataset, clip: CLIP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="Take one of BiCMR, DCHMT"):
        FromPixels(CVH(8), **TINY).fit(few)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="tower_lr must be 0 or more"):
        FromPixels(small(DCHMT), **TINY, tower_lr=-1e-3).fit(few)
    with pytest.raises(MissingData, match="local model cache"):
        FromPixels(small(DCHMT), start=str(tmp_path / "nowhere")).fit(few)
    with pytest.raises(InvalidInput, match="not fitted yet"):
        FromPixels(small(DCHMT)).fit(few, start=clip.clone())
    with pytest.raises(InvalidInput, match="must be a fitted CLIP or ALIGN, or the name of one, not a DivE"):
        FromPixels(small(DCHMT)).fit(few, start=DivE())
    with pytest.raises(InvalidInput, match="cannot go on from a checkpoint"):
        FromPixels(small(DCMH), **TINY).fit(few, checkpoint=tmp_path / "run")
    (tmp_path / "config.json").write_text('{"class": "DCHMT"')
    with pytest.raises(InvalidInput, match="is damaged"):
        FromPixels(small(DCHMT), start=str(tmp_path)).fit(few)


def test_labels_are_not_needed_without_supervision(few: PairedDataset) -> None:
    fitted = FromPixels(small(UDCMH), **TINY).fit(replace(few, labels=None, class_names=()))
    assert fitted.encode_image(few.images).shape == (48, 8)


def test_several_processes_are_refused(few: PairedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    class Two:
        num_processes = 2

    monkeypatch.setattr("xmr_lib.methods.hashing.from_pixels.accelerator_for", lambda device: Two())
    with pytest.raises(InvalidInput, match="trains in one process"):
        FromPixels(small(BiCMR), **TINY).fit(few)


def test_it_goes_on_from_a_checkpoint(few: PairedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = FromPixels(small(DCHMT, epochs=2), **TINY, tower_lr=1e-2)
    whole = recipe.clone().fit(few)
    forward = PixelNetwork.forward

    def stop(network: Any, batch: Any, player: str, progress: float) -> Any:
        if progress >= 0.5:
            raise KeyboardInterrupt
        return forward(network, batch, player, progress)

    monkeypatch.setattr(PixelNetwork, "forward", stop)
    with pytest.raises(KeyboardInterrupt):
        recipe.clone().fit(few, checkpoint=tmp_path / "run")
    monkeypatch.setattr(PixelNetwork, "forward", forward)
    resumed = recipe.clone().fit(few, checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(resumed.image_outputs(few.images), whole.image_outputs(few.images))


def test_the_features_of_a_side(clip: CLIP, few: PairedDataset) -> None:
    rows = clip.tokenizer_.encode(few.captions[:3])
    assert tower_features(clip.model_, "text", rows).shape == (3, 10)
