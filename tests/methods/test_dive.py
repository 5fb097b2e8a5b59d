"""DivE: sets of vectors that learn partial captions, its loss by hand, its pictures, its storage."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from helpers.halves import TOWERS, two_halves
from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.caption_batches import CaptionBatches
from xmr_lib.data.pixels import pixel_tensor
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.dual_tower import CLIP, DivE
from xmr_lib.methods.dual_tower.dive_network import SetTowers
from xmr_lib.nn.set_losses import circular_variance, mmd_loss
from xmr_lib.nn.set_similarity import chamfer, set_cosines, smooth_chamfer

half_views = partial(two_halves, captions=("left{left}", "a picture that is right{right}"))
"""A caption names one half only."""


def method(**changes: Any) -> DivE:
    slots = {"iterations": 2, "heads": 2, "head_width": 8, "ratio": 1, "slot_rate": 1.0, "mean_share": 0.5}
    return DivE(**{**TOWERS, **slots, "epochs": 3, **changes})


def prepared(**changes: Any) -> tuple[SetTowers, dict[str, Tensor]]:
    """A fresh network and a batch of 16 images with 2 captions each; some show the same kind."""
    data, own = half_views(), method(**{"batch_size": 16, **changes})
    own.tokenizer_ = own.learn_tokenizer(data.captions)
    pixels, tokens = pixel_tensor(data.images, 16), own.tokenizer_.encode(data.captions)
    return own._fresh_network().train(), next(iter(CaptionBatches(data, pixels, tokens, 16, 2, 0)(0)))


@pytest.fixture(scope="module")
def fitted() -> DivE:
    return method(epochs=30).fit(half_views())


def test_it_learns(fitted: DivE) -> None:
    """Colours of new pictures are found. A caption fits 4 of the 16, so R@1 of a text query is 1/4 at best."""
    report = evaluate(fitted, half_views(seed=1, copies=1), metrics=["R@4"])
    assert report.value("R@4", "t2i") > 0.6  # chance: 1/4
    assert report.value("R@4", "i2t") > 0.6


def test_sets(fitted: DivE) -> None:
    data = half_views(seed=1, copies=1)
    image, text = fitted.encode_image(data.images), fitted.encode_text(data.captions)
    assert image.shape == (16, 4, 16)
    assert text.shape == (32, 4, 16)
    assert image.dtype == text.dtype == np.float32
    for side in (image, text):
        np.testing.assert_allclose(np.linalg.norm(side, axis=-1), 1, atol=1e-5)
    expected = smooth_chamfer(set_cosines(torch.from_numpy(image), torch.from_numpy(text)), 16.0).numpy()
    np.testing.assert_allclose(fitted.similarity(data.images, data.captions), expected, atol=1e-6)
    np.testing.assert_allclose(fitted.encode_image(data.images[3:4]), image[3:4], atol=1e-5)


def test_one_slot_is_one_vector() -> None:
    data = half_views(copies=1)
    one = method(n_slots=1, epochs=2).fit(data)
    image, text = one.encode_image(data.images)[:, 0], one.encode_text(data.captions)[:, 0]
    np.testing.assert_allclose(one.similarity(data.images, data.captions), image @ text.T, atol=1e-6)
    assert one.history_.terms["diversity"] == [0, 0]


def test_the_kind_of_similarity_is_used_in_training_and_afterwards() -> None:
    data = half_views(copies=1)
    fits = {kind: method(similarity_kind=kind).fit(data) for kind in ("smooth_chamfer", "chamfer", "mil", "average")}
    losses = {kind: fit.history_.terms["triplet"][-1] for kind, fit in fits.items()}
    assert len(set(losses.values())) == 4
    a, b = fits["chamfer"].encode_image(data.images), fits["chamfer"].encode_text(data.captions)
    expected = chamfer(set_cosines(torch.from_numpy(a), torch.from_numpy(b))).numpy()
    np.testing.assert_allclose(fits["chamfer"].similarity(data.images, data.captions), expected, atol=1e-6)


def test_elements_are_the_global_vector_plus_a_slot() -> None:
    network, batch = prepared()
    sets, seen = network.image_sets(batch["image"]), network.image_tower(batch["image"])
    whole = F.layer_norm(network.image_projection(seen.pooled), (16,))
    slots = network.image_slots(seen.tokens)
    torch.testing.assert_close(sets.slots, slots)
    torch.testing.assert_close(sets.elements[:, 2], F.normalize(whole + slots[:, 2], dim=-1))


def test_the_loss_by_loops() -> None:
    network, batch = prepared(mmd=0.5, diversity=0.25)
    terms = network(batch, "all", 0.9)
    image = network.embed_image(batch["image"])
    text = network.embed_text(batch["text"].flatten(0, 1))
    s, shown = smooth_chamfer(set_cosines(image, text)).tolist(), batch["instance"].tolist()
    owner = [shown[j // 2] for j in range(32)]  # what caption j describes
    assert len(set(shown)) < 16  # the batch holds two images of one kind: they are no negatives
    i2t, t2i = [], []
    for i in range(16):
        for j in (j for j in range(32) if owner[j] == shown[i]):
            i2t.append(max(0.0, 0.2 - s[i][j] + max(s[i][k] for k in range(32) if owner[k] != shown[i])))
            t2i.append(max(0.0, 0.2 - s[i][j] + max(s[k][j] for k in range(16) if shown[k] != owner[j])))
    assert terms["triplet"].item() == pytest.approx(np.mean(i2t) + np.mean(t2i), rel=1e-4)
    first = text.unflatten(0, (16, 2))[:, 0]  # one caption of each image
    assert terms["mmd"].item() == pytest.approx(0.5 * mmd_loss(image.flatten(0, 1), first.flatten(0, 1)).item())
    apart = []
    for sets in (network.image_sets(batch["image"]), network.text_sets(batch["text"].flatten(0, 1))):
        unit = F.normalize(sets.slots, dim=-1)
        pairs = [(a, b) for a in range(4) for b in range(a)]
        apart.append(np.mean([(-2 * (unit[:, a] - unit[:, b]).square().sum(-1)).exp().mean().item() for a, b in pairs]))
    assert terms["diversity"].item() == pytest.approx(0.25 * sum(apart), rel=1e-4)


def test_the_hinge_takes_the_mean_first_and_the_hardest_later() -> None:
    network, batch = prepared(mean_share=0.5)
    early, late = (float(network(batch, "all", progress)["triplet"]) for progress in (0.49, 0.5))
    assert early < late
    assert prepared(mmd=0, diversity=0)[0](batch, "all", 0.0).keys() == {"triplet"}


def test_contrastive_loss() -> None:
    network, batch = prepared(loss="contrastive")
    terms = network(batch, "all", 0.0)
    terms["contrastive"].backward()
    assert network.temperature.log_scale.grad is not None
    fit = method(loss="contrastive", epochs=15).fit(half_views())
    assert evaluate(fit, half_views(seed=1, copies=1), metrics=["R@4"]).value("R@4", "t2i") > 0.5


def test_the_diversity_term_spreads_the_sets() -> None:
    data = half_views(copies=2)
    spread = {}
    for weight in (0.0, 1.0):
        sets = method(epochs=15, diversity=weight).fit(data).encode_image(data.images)
        spread[weight] = float(circular_variance(torch.from_numpy(sets)).mean())
    assert spread[1.0] > spread[0.0] + 0.05


def test_maps_of_the_slots(fitted: DivE) -> None:
    data = half_views(seed=1, copies=1)
    maps = fitted.slot_maps(data.images[:3])
    assert maps.shape == (3, 4, 4, 4)
    np.testing.assert_allclose(maps.sum((2, 3)), 1, atol=1e-5)
    seen = fitted.image_tokens(data.images[:3])
    with torch.inference_mode():
        weights = fitted.model_.image_slots.look(seen.tokens).weights.numpy()
    np.testing.assert_allclose(maps[1, 2, 3], weights[1, 2, 12:16], atol=1e-6)  # row by row
    (words, short), (longer, _) = fitted.slot_words(["leftred", "a picture that is rightblue"])
    assert words == ["[BOS]", "leftred", "[EOS]"]
    assert longer[1:3] == ["a", "picture"]
    assert short.shape == (4, 3)
    np.testing.assert_allclose(short.sum(1), 1, atol=1e-5)  # nothing of it lies on the padding


def test_watched_variance() -> None:
    data = half_views(copies=1)
    fit = method(epochs=2).fit(data, data)
    watched = fit.history_.watched["circular variance image"]
    now = float(circular_variance(torch.from_numpy(fit.encode_image(data.images))).mean())
    assert watched[fit.history_.best_epoch or 0] == pytest.approx(now, abs=1e-6)


def test_learning_rates_of_towers_and_slots() -> None:
    own = method(tower_rate=0.25, slot_rate=0.5, lr=1e-2)
    network, _ = prepared()
    entries = own.players(network)["all"].parameters
    rates = {id(p): entry["lr"] for entry in entries for p in entry["params"]}
    assert rates[id(network.image_tower.stem[0][0].weight)] == 2.5e-3
    assert rates[id(network.text_slots.start)] == rates[id(network.image_projection.weight)] == 5e-3
    assert len(rates) == len(list(network.parameters()))
    assert {entry["weight_decay"] for entry in entries if entry["params"][0].ndim < 2} == {0}


def test_same_seed_storage_and_start(fitted: DivE, tmp_path: Path) -> None:
    data = half_views(seed=1, copies=1)
    one, two, other = (method(seed=seed).fit(data).encode_text(data.captions) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)
    fitted.save(tmp_path)
    loaded = DivE.load(tmp_path)
    before, after = (m.similarity(data.images, data.captions) for m in (fitted, loaded))
    np.testing.assert_array_equal(before, after)
    clip = CLIP(**TOWERS, epochs=1).fit(data)
    begun = method(epochs=1, lr=1e-9).fit(data, start=clip)  # hardly a step
    np.testing.assert_allclose(
        begun.text_tokens(data.captions).pooled, clip.text_tokens(data.captions).pooled, atol=1e-5
    )


def test_presets() -> None:
    for profile in ("course", "smoke", "paper"):
        own = DivE(**DivE.preset(profile))
        assert own.n_slots == 4
        assert own.alpha == 16
        assert own.loss == "triplet"
    assert DivE(**DivE.preset("smoke")).build(50, 12)(_batch(), "all", 0.0).keys() == {"triplet", "mmd", "diversity"}


def _batch() -> dict[str, Tensor]:
    text = torch.randint(1, 50, (3, 2, 12), generator=torch.Generator().manual_seed(0))
    return {"image": torch.zeros(3, 3, 96, 96, dtype=torch.uint8), "text": text, "instance": torch.tensor([0, 1, 1])}


def test_wrong_input(fitted: DivE) -> None:
    data = half_views(copies=1)
    features: Any = PairedFeatures(np.zeros((3, 2)), np.zeros((3, 2)))
    for change, message in (
        ({"similarity_kind": "hungarian"}, "no similarity of sets"),
        ({"loss": "softmax"}, "no loss of DivE"),
    ):
        with pytest.raises(UnknownName, match=message):
            method(**change).fit(data)
    with pytest.raises(InvalidInput, match="n_slots must be a whole number of at least 1"):
        method(n_slots=0).fit(data)
    with pytest.raises(InvalidInput, match="not fitted yet"):
        method().slot_maps(data.images)
    with pytest.raises(InvalidInput, match="not fitted yet"):
        method().slot_words(["leftred"])
    with pytest.raises(InvalidInput, match="wants a PairedDataset"):
        method().fit(features)
    with pytest.raises(InvalidInput, match="list of strings"):
        fitted.slot_words("leftred")


def test_a_batch_without_negatives_costs_no_hinge() -> None:
    """All images show the same thing: nothing to rank, and no NaN."""
    network, batch = prepared()
    terms = network({**batch, "instance": torch.zeros(16, dtype=torch.long)}, "all", 0.9)
    torch.stack(list(terms.values())).sum().backward()
    assert terms["triplet"] == 0
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def train_here(folder: Path) -> None:
    """What one process does, and each of two."""
    own = method(epochs=2, lr=1e-3, batch_size=22, mmd=0.1, diversity=0.1).fit(half_views(copies=2), device="cpu")
    save_file(own._state()[1], folder / f"dive-{os.environ.get('RANK', '0')}.safetensors")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs a build of PyTorch with libuv")
def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    """Batches of 16 images are shared; every process ranks all of them."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    modules = os.pathsep.join(sys.path)  # the processes find tests/helpers too
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": modules}
    for name, options in (("one", []), ("two", launch)):
        (tmp_path / name).mkdir()
        command = [sys.executable, *options, __file__, str(tmp_path / name)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    one = load_file(tmp_path / "one" / "dive-0.safetensors")
    for rank in (0, 1):
        two = load_file(tmp_path / "two" / f"dive-{rank}.safetensors")
        for key, value in one.items():
            if key.endswith("attention.key.bias"):  # moves all scores of a query alike: its gradient is rounding
                continue
            np.testing.assert_allclose(two[key], value, atol=1e-5, err_msg=key)


if __name__ == "__main__":
    train_here(Path(sys.argv[1]))
