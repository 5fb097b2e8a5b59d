"""What every tower method promises: recall above chance, storage, seeds, starts, going on, wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.halves import TOWERS, two_halves
from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.errors import InvalidInput, MissingData, UnknownName
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.dual_tower import CLIP
from xmr_lib.methods.stored import fit_or_load, stored_at
from xmr_lib.methods.towers import take_over, warm_up_then_cosine


def method(**changes: Any) -> CLIP:
    return CLIP(**{**TOWERS, "epochs": 60, "warm_up": 0.1, **changes})


@pytest.fixture(scope="module")
def fitted() -> CLIP:
    return method().fit(two_halves())


def test_it_learns(fitted: CLIP) -> None:
    report = evaluate(fitted, two_halves(seed=1, copies=1), metrics=["R@1"])
    assert report.value("R@1", "i2t") > 0.8  # chance: 1/16
    assert report.value("R@1", "t2i") > 0.8
    assert fitted.history_.terms["contrastive"][0] > 1.5 > fitted.history_.terms["contrastive"][-1]


def test_shuffled_pairs_stay_at_chance() -> None:
    data = two_halves()
    order = np.random.default_rng(0).permutation(data.n_captions)
    wrong = PairedDataset("shuffled", "1", data.images, [data.captions[i] for i in order], data.caption_image)
    report = evaluate(method(epochs=10).fit(wrong), two_halves(seed=1, copies=1), metrics=["R@1"])
    assert report.value("R@1", "mean") < 0.35


def test_embeddings(fitted: CLIP) -> None:
    data = two_halves(seed=1, copies=1)
    image, text = fitted.encode_image(data.images), fitted.encode_text(data.captions)
    assert image.shape == (16, 16)
    assert text.shape == (32, 16)
    assert image.dtype == np.float32
    for side in (image, text):
        np.testing.assert_allclose(np.linalg.norm(side, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(fitted.similarity(data.images, data.captions), image @ text.T, atol=1e-6)
    np.testing.assert_allclose(fitted.encode_image(data.images[3:4]), image[3:4], atol=1e-5)
    assert fitted.image_tokens(data.images[:2]).tokens.shape == (2, 16, 8)
    assert fitted.text_tokens(["left red"]).tokens.shape == (1, 4, 16)


def test_the_same_seed_the_same_weights_and_untouched_random_numbers() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    data = two_halves(copies=1)
    one, two, other = (method(epochs=2, seed=seed).fit(data) for seed in (4, 4, 5))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(one.encode_image(data.images), two.encode_image(data.images))
    assert not np.allclose(one.encode_image(data.images), other.encode_image(data.images))


def test_storage(fitted: CLIP, tmp_path: Path) -> None:
    data = two_halves(seed=1, copies=1)
    fitted.save(tmp_path)
    loaded = CLIP.load(tmp_path)
    np.testing.assert_array_equal(*(m.similarity(data.images, data.captions) for m in (loaded, fitted)))
    assert loaded.history_ == fitted.history_
    assert loaded.get_params() == fitted.get_params()
    config = json.loads((tmp_path / "config.json").read_text())
    config["parameters"]["dim"] = 8
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInput, match="does not fit this version"):
        CLIP.load(tmp_path)


def test_validation_chooses_the_epoch() -> None:
    data = two_halves()
    one = method(epochs=6).fit(data, two_halves(seed=1, copies=1))
    assert len(one.history_.validation) == 6
    assert one.history_.best_epoch == int(np.argmax(one.history_.validation))


def test_going_on_from_a_checkpoint(tmp_path: Path) -> None:
    data = two_halves(copies=1)
    whole = method(epochs=4).fit(data)

    class Stop(Exception):
        pass

    class Interrupted(CLIP):
        @property
        def name(self) -> str:
            return "CLIP"

        def watch(self, validation: PairedDataset) -> dict[str, float]:
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 3:
                raise Stop
            return {}

    broken = Interrupted(**method(epochs=4).get_params())
    with pytest.raises(Stop):
        broken.fit(data, data, checkpoint=tmp_path / "c.safetensors")
    assert not hasattr(broken, "model_")
    rest = method(epochs=4).fit(data, data, checkpoint=tmp_path / "c.safetensors")
    without = method(epochs=4).fit(data, data)
    np.testing.assert_array_equal(rest.encode_image(data.images), without.encode_image(data.images))
    assert whole.history_.terms == without.history_.terms


def test_start(fitted: CLIP) -> None:
    data = two_halves(copies=1)
    same = method(epochs=1, lr=1e-9, seed=8).fit(data, start=fitted)  # hardly a step
    np.testing.assert_allclose(same.encode_text(data.captions), fitted.encode_text(data.captions), atol=1e-4)
    assert same.tokenizer_ is fitted.tokenizer_
    with pytest.raises(InvalidInput, match=r"towers of this CLIP do not fit: image_tower\."):
        method(image={**TOWERS["image"], "channels": [12]}, epochs=1).fit(data, start=fitted)
    with pytest.raises(InvalidInput, match="not fitted yet"):
        method(epochs=1).fit(data, start=method())
    other = method(dim=8)
    other.tokenizer_ = fitted.tokenizer_
    copied = take_over(other._fresh_network(), fitted)
    assert "image_projection.weight" not in copied  # another size of the space: the towers come, the projections not
    assert any(name.startswith("text_tower.") for name in copied)


def test_fit_or_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path))
    data, wanted = two_halves(copies=1), method(epochs=2)
    first = fit_or_load(wanted, data)
    assert not hasattr(wanted, "model_")
    trained: list[int] = []
    original = CLIP.fit
    monkeypatch.setattr(CLIP, "fit", lambda self, *a, **k: (trained.append(1), original(self, *a, **k))[1])
    second = fit_or_load(wanted, data)
    np.testing.assert_array_equal(first.encode_image(data.images), second.encode_image(data.images))
    assert second.history_.seconds == first.history_.seconds
    assert not trained
    fit_or_load(wanted, data, again=True)
    assert len(trained) == 1
    (stored_at(wanted, data) / "fitted.safetensors").write_bytes(b"damaged")
    fit_or_load(wanted, data)
    assert len(trained) == 2  # a damaged store is trained again
    monkeypatch.setenv("XMR_FITS", "load")
    fit_or_load(wanted, data)  # stored: still fine
    with pytest.raises(MissingData, match="Run `make models`"):
        fit_or_load(wanted.clone(seed=1), data)
    monkeypatch.setenv("XMR_FITS", "guess")
    with pytest.raises(UnknownName, match="XMR_FITS"):
        fit_or_load(wanted.clone(seed=1), data)
    folders = {stored_at(wanted, data), stored_at(wanted, two_halves(seed=2, copies=1)), stored_at(wanted, data, data)}
    folders |= {stored_at(wanted.clone(seed=1), data), stored_at(wanted, data, start=first)}
    monkeypatch.setattr(CLIP, "version", 99)
    assert len(folders | {stored_at(wanted, data)}) == 6


def test_wrong_input(fitted: CLIP) -> None:
    with pytest.raises(InvalidInput, match="not fitted yet"):
        method().encode_text(["red"])
    features = PairedFeatures(np.zeros((3, 2)), np.zeros((3, 2)))
    for wrong in ((features,), (two_halves(copies=1), features)):
        with pytest.raises(InvalidInput, match="wants a PairedDataset"):
            method(epochs=1).fit(*wrong)
    with pytest.raises(InvalidInput, match="list of strings"):
        fitted.encode_text("red")
    with pytest.raises(InvalidInput, match="must be PIL pictures"):
        fitted.encode_image([np.zeros((4, 4))])


def test_schedule() -> None:
    assert warm_up_then_cosine(0, 0.1) == 0.01
    assert warm_up_then_cosine(0.05, 0.1) == pytest.approx(0.5)
    assert warm_up_then_cosine(0.1, 0.1) == pytest.approx(1)
    assert warm_up_then_cosine(0.55, 0.1) == pytest.approx(0.5)
    assert warm_up_then_cosine(1, 0.1) == pytest.approx(0, abs=1e-12)
    assert warm_up_then_cosine(0, 0) == pytest.approx(1)


def test_no_weight_decay_on_biases_norms_and_temperature(fitted: CLIP) -> None:
    decayed, free = fitted.players(fitted.model_)["all"].parameters
    assert decayed["weight_decay"] == 0.01
    assert free["weight_decay"] == 0
    assert min(p.ndim for p in decayed["params"]) == 2
    assert any(p is fitted.model_.temperature.log_scale for p in free["params"])
    total = sum(p.numel() for p in fitted.model_.parameters())
    assert sum(p.numel() for group in (decayed, free) for p in group["params"]) == total


def test_fixed_temperature() -> None:
    data = two_halves(copies=1)
    fixed = method(epochs=1, learn_temperature=False, temperature=1.0).fit(data)
    assert float(fixed.model_.temperature()) == 1
    assert float(method(epochs=1).fit(data).model_.temperature()) != pytest.approx(1 / 0.07, rel=1e-6)
