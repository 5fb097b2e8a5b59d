"""AGREE: who learns from which term, its released forms, storage, seeds, several processes, data without entities."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from helpers.halves import COLOURS, TOWERS, two_halves
from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.pixels import pixel_tensor, with_pixels
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation import evaluate
from xmr_lib.evaluation.entity_margins import entity_margins
from xmr_lib.methods.dual_tower import AGREE, CLIP
from xmr_lib.methods.dual_tower.agree import WEIGHTS, EntityTowers

RANKING = ("text_mask", "object_mask", "image_mask")


def named_halves(seed: int = 0, copies: int = 4) -> PairedDataset:
    """Things with names and boxes: a colour on the left and one on the right."""
    data = two_halves(seed, copies, ("left {left} then right {right}", "a left {left} and right {right} picture"))
    kinds = [np.array(divmod(thing, 4)) for thing in data.instances.tolist()]
    return replace(
        data,
        class_names=tuple(COLOURS),
        labels=np.array([np.isin(np.arange(4), row) for row in kinds]),
        metadata={"boxes": [np.array([[0, 0, 8, 16], [8, 0, 8, 16]])] * data.n_images, "box_class": kinds},
    )


def method(**changes: Any) -> AGREE:
    return AGREE(**{**TOWERS, "epochs": 3, "margin": 0.05, "keep_statistics": True, **changes})


def prepared(**changes: Any) -> tuple[EntityTowers, dict[str, Tensor]]:
    """A fresh network and one of its batches."""
    data, own = named_halves(), method(**changes)
    own.tokenizer_ = own.learn_tokenizer(data.captions)
    pixels, tokens = pixel_tensor(data.images, 16), own.tokenizer_.encode(data.captions)
    return own._fresh_network().train(), next(iter(own.batches(data, pixels, tokens)(0)))


@pytest.fixture(scope="module")
def clip() -> CLIP:
    return CLIP(**TOWERS, epochs=20).fit(named_halves())


@pytest.fixture(scope="module")
def tuned(clip: CLIP) -> AGREE:
    return method().fit(named_halves(), start=clip)


def test_six_terms_with_the_released_weights() -> None:
    network, batch = prepared()
    terms = network(batch, "all", 0.0)
    assert set(terms) == set(WEIGHTS)
    torch.manual_seed(0)
    network.weights = dict.fromkeys(WEIGHTS, 1.0)
    plain = network(batch, "all", 0.0)
    for name, weight in {"main": 0.9, "prompt": 0.03, "text_mask": 0.1, "object": 0.03}.items():
        assert terms[name].item() == pytest.approx(weight * plain[name].item(), rel=1e-4)
    assert WEIGHTS["object_mask"] == 0.15
    assert WEIGHTS["image_mask"] == 0.1


@pytest.mark.parametrize("name", RANKING)
def test_a_ranking_term_moves_both_towers_live_and_only_the_scale_detached(name: str) -> None:
    for detached in (False, True):
        network, batch = prepared(weights={name: 1.0}, margin=1.0, detached=detached)
        terms = network(batch, "all", 0.0)
        assert set(terms) == {name}
        terms[name].backward()
        moved = {key for key, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        if detached:
            assert moved == {"temperature.log_scale"}
        else:
            assert {"image_tower.stem.0.0.weight", "text_tower.words.weight", "image_projection.weight"} <= moved
            assert "text_projection.weight" in moved


def test_the_detached_terms_have_the_values_of_the_live_ones() -> None:
    network, batch = prepared()
    live = network(batch, "all", 0.0)
    network.detached = True
    for name, value in network(batch, "all", 0.0).items():
        assert value.item() == pytest.approx(live[name].item(), rel=1e-4)


def test_whole_and_hidden_pictures_share_one_batch_norm() -> None:
    """Were the grey pictures normalised on their own, the ranking would learn the normalisation."""
    network, batch = prepared()
    calls = []
    network.image_tower.register_forward_hook(lambda tower, inputs, out: calls.append(len(inputs[0])))
    network(batch, "all", 0.0)
    assert calls == [4 * 32]
    network.weights = {"main": 1.0}
    network(batch, "all", 0.0)
    assert calls == [4 * 32, 32]


def test_the_main_term_alone_is_clip(clip: CLIP) -> None:
    own = method(weights={"main": 1.0}, keep_statistics=False).fit(named_halves(), start=clip)
    same = CLIP(**TOWERS, epochs=3, warm_up=own.warm_up).fit(named_halves(), start=clip)
    for name, value in same.model_.state_dict().items():
        torch.testing.assert_close(own.model_.state_dict()[name], value)


def test_it_keeps_what_clip_knew_and_prefers_whole_captions(clip: CLIP, tuned: AGREE) -> None:
    test = named_halves(seed=1, copies=1)
    # A bag of words does not tell left from right: about one in two at best; chance is 1/16.
    assert evaluate(tuned, test, metrics=["R@1"]).value("R@1", "i2t") > 0.3
    main = method(weights={"main": 1.0}).fit(named_halves(), start=clip)
    detached = method(detached=True).fit(named_halves(), start=clip)
    for hide in ("mask", "grey"):
        live, inert, alone = (entity_margins(each, test, hide) for each in (tuned, detached, main))
        assert live.fraction >= alone.fraction
        assert live.mean > alone.mean + 0.02 or live.fraction == 1
        assert live.mean > inert.mean or live.fraction == 1


def test_batch_norms_keep_their_statistics_on_demand(clip: CLIP, tuned: AGREE) -> None:
    moved = method(keep_statistics=False).fit(named_halves(), start=clip)
    name = "image_tower.stem.0.1.running_mean"
    before = clip.model_.state_dict()[name]
    assert torch.equal(tuned.model_.state_dict()[name], before)
    assert not torch.equal(moved.model_.state_dict()[name], before)


def test_ranking_sums_count_as_in_a_batch_of_so_many_rows() -> None:
    network, batch = prepared()
    sums = network(batch, "all", 0.0)
    network.ranking_rows = 8
    scaled = network(batch, "all", 0.0)
    for name, value in sums.items():
        share = 8 / 32 if name in RANKING else 1
        assert scaled[name].item() == pytest.approx(share * value.item(), rel=1e-4)


def test_empty_slots_count_in_the_released_form_only() -> None:
    network, batch = prepared()
    empty = {**batch, "entity": torch.full_like(batch["entity"], -1)}
    terms = network(empty, "all", 0.0)
    assert terms["prompt"] == terms["text_mask"] == terms["image_mask"] == 0
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    network.count_empty = True
    released = network({**empty, "prompt": torch.zeros_like(batch["prompt"])}, "all", 0.0)
    # All images meet the same text: log 32 one way; the other way at least that much, as the images differ.
    assert released["prompt"].item() >= 0.03 * np.log(32) - 1e-4


def test_data_without_boxes_have_four_terms_less(clip: CLIP) -> None:
    data = replace(named_halves(), metadata={}, class_names=(), labels=None)
    own = method(epochs=1).fit(data, start=clip)
    assert set(own.history_.terms) == {"main", "prompt", "text_mask"}
    assert own.history_.terms["prompt"] == [0]  # no word of the default list in these captions


def test_fit_store_load_and_the_same_seed_again(clip: CLIP, tuned: AGREE, tmp_path: Path) -> None:
    test = named_halves(seed=1, copies=1)
    tuned.save(tmp_path / "agree")
    loaded = AGREE.load(tmp_path / "agree")
    np.testing.assert_array_equal(
        loaded.similarity(test.images, test.captions), tuned.similarity(test.images, test.captions)
    )
    assert loaded.get_params() == tuned.get_params()
    again, other = method().fit(named_halves(), start=clip), method(seed=1).fit(named_halves(), start=clip)
    np.testing.assert_array_equal(again.encode_image(test.images), tuned.encode_image(test.images))
    assert not np.allclose(other.encode_image(test.images), tuned.encode_image(test.images))


def test_smoke_preset_from_scratch_and_from_clip() -> None:
    data = with_pixels(load_dataset("scenes", size=64), 96)
    clip = CLIP(**CLIP.preset("smoke")).fit(data)
    for start in (None, clip):
        own = AGREE(**AGREE.preset("smoke")).fit(data, start=start)
        assert set(own.history_.terms) == set(WEIGHTS)
        assert own.similarity(data.images[:3], data.captions[:4]).shape == (3, 4)
    with pytest.raises(InvalidInput, match="do not fit"):
        AGREE(**AGREE.preset("course")).fit(data, start=clip)


def test_the_tokenizer_knows_the_words_of_the_prompt() -> None:
    tokenizer = method().learn_tokenizer(["a dog"])
    assert {"a", "photo", "containing", "dog"} <= set(tokenizer.tokenizer.get_vocab())


@pytest.mark.parametrize("weights", [{"main": -1.0, "prompt": 1.0}, {"main": 0.0}, {}])
def test_weights_that_are_none(weights: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="weights must be 0 or more"):
        method(weights=weights).fit(named_halves())


def test_a_term_that_does_not_exist() -> None:
    with pytest.raises(UnknownName, match="term of AGREE"):
        method(weights={"mian": 1.0}).fit(named_halves())


def train_here(folder: Path) -> None:
    """What one process does, and each of two."""
    own = method(epochs=2, batch_size=22, ranking_rows=8, keep_statistics=False).fit(
        named_halves(copies=2), device="cpu"
    )
    save_file(own._state()[1], folder / f"agree-{os.environ.get('RANK', '0')}.safetensors")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs a build of PyTorch with libuv")
def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    modules = os.pathsep.join(sys.path)  # the processes find tests/helpers too
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": modules}
    for name, options in (("one", []), ("two", launch)):
        (tmp_path / name).mkdir()
        command = [sys.executable, *options, __file__, str(tmp_path / name)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    one = load_file(tmp_path / "one" / "agree-0.safetensors")
    for rank in (0, 1):
        two = load_file(tmp_path / "two" / f"agree-{rank}.safetensors")
        for key, value in one.items():
            if not key.endswith("key.bias"):  # its gradient is 0 but for rounding, which Adam makes as large as any
                np.testing.assert_allclose(two[key], value, atol=1e-5, err_msg=key)


if __name__ == "__main__":
    train_here(Path(sys.argv[1]))
