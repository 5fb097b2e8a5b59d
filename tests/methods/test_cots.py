"""COTS: its losses by hand, what the queue and the filter do to a batch, and that none of it is needed afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from helpers.halves import TOWERS, two_halves
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.caption_batches import CaptionBatches
from xmr_lib.data.noise import mismatch_captions
from xmr_lib.data.pixels import pixel_tensor
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.dual_tower import CLIP, COTS
from xmr_lib.methods.dual_tower.cots_network import COTSNetwork, Pairs
from xmr_lib.nn.momentum import EMPTY


def method(**changes: Any) -> COTS:
    settings = {"temperature": 0.07, "momentum": 0.9, "queue": 48, "codes": 8, "hidden": 16, "epochs": 3}
    return COTS(**{**TOWERS, **settings, **changes})


def prepared(**changes: Any) -> tuple[COTSNetwork, list[dict[str, Tensor]]]:
    """A network that is ready to train, and the batches of an epoch: 16 images with 2 captions each."""
    data, own = two_halves(), method(**{"batch_size": 16, **changes})
    own.tokenizer_ = own.learn_tokenizer(data.captions)
    pixels, tokens = pixel_tensor(data.images, 16), own.tokenizer_.encode(data.captions)
    network = own._fresh_network()
    own.prepare(network, data, pixels, tokens)
    return network.train(), list(CaptionBatches(data, pixels, tokens, 16, 2, 0)(0))


@pytest.fixture(scope="module")
def start() -> CLIP:
    return CLIP(**TOWERS, epochs=30, warm_up=0.1).fit(two_halves())


@pytest.fixture(scope="module")
def fitted(start: CLIP) -> COTS:
    return method(hidden=64, lr=3e-2, epochs=40).fit(two_halves(), start=start)


# --- one step -------------------------------------------------------------------------------------------------------


def test_losses_by_loops() -> None:
    network, batches = prepared(w1=0.0, w2=0.5, gamma=None)
    network(batches[0], "all", 0.0)  # fills slots
    slow, queue, scale = network.partner.momentum.network, network.partner.queue, float(network.temperature())
    image_slots, text_slots, shown = queue.image.clone(), queue.text.clone(), queue.instance.clone()
    batch = batches[1]
    with torch.no_grad():
        terms = network(batch, "all", 0.0)
        network.partner.momentum.copy_from(network.partner.momentum.network)
        v = network.embed_image(batch["image"])
        instance, task = [], []
        for i in range(16):
            for j in range(2):
                text = batch["text"][i, j : j + 1]
                t = network.embed_text(text)[0]
                others = [s for s in range(48) if shown[s] not in (EMPTY, batch["instance"][i])]
                own_t, own_v = slow.embed_text(text), slow.embed_image(batch["image"][i : i + 1])
                i2t = scale * torch.cat([own_t, text_slots[others]]) @ v[i]
                t2i = scale * torch.cat([own_v, image_slots[others]]) @ t
                instance.append(-(i2t.log_softmax(0)[0] + t2i.log_softmax(0)[0]) / 2)
                p, q = i2t.softmax(0), t2i.softmax(0)
                task.append(((p - q) * (p / q).log()).sum() / 2)
    torch.testing.assert_close(terms["instance"], torch.stack(instance).mean(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(terms["task"], 0.5 * torch.stack(task).mean(), atol=1e-4, rtol=1e-4)


def test_the_task_term_is_zero_where_both_directions_answer_alike() -> None:
    network, _ = prepared()
    v = F.normalize(torch.randn(5, 16), dim=1)
    k = F.normalize(torch.randn(9, 16), dim=1)
    network.partner.queue.enqueue(k, k, torch.arange(9))
    numbers = torch.arange(5)
    i2t, t2i = network.answers(Pairs(v, v, v, v, numbers, numbers))
    assert i2t.shape == (5, 1 + 48)
    assert torch.equal(i2t, t2i)


def test_slots_hold_both_sides_of_a_pair() -> None:
    network, batches = prepared(gamma=None)
    for batch in batches[:2]:
        before = {name: value.clone() for name, value in network.partner.momentum.network.state_dict().items()}
        network(batch, "all", 0.0)
    for name, value in network.partner.momentum.network.state_dict().items():  # nothing has moved the towers but
        if "running" not in name and "num_batches" not in name:  # their statistics
            torch.testing.assert_close(value, before[name])
    queue, slow = network.partner.queue, network.partner.momentum.network
    last = batches[1]  # 32 pairs; the first batch filled slots 0 to 31, so they are in slots 32 to 47 and 0 to 15
    slots = (32 + torch.arange(32)) % 48
    assert torch.equal(queue.instance[slots], last["instance"].repeat_interleave(2))
    with torch.no_grad():
        torch.testing.assert_close(queue.image[slots], slow.embed_image(last["image"]).repeat_interleave(2, 0))
        torch.testing.assert_close(queue.text[slots], slow.embed_text(last["text"].flatten(0, 1)))


def test_the_copy_follows_after_the_step_of_the_optimiser() -> None:
    network, batches = prepared(momentum=0.75)
    own, slow = network.image_projection.weight, network.partner.momentum.network.image_projection.weight
    assert torch.equal(own, slow)
    with torch.no_grad():
        own += 4.0  # what an optimiser might do
    before = slow.clone()
    sum(network(batches[0], "all", 0.0).values()).backward()
    torch.testing.assert_close(slow, before + 1.0)
    assert slow.grad is None
    assert own.grad is not None


def test_weights_switch_terms_off() -> None:
    for changes, names in (
        ({}, {"instance", "words", "patches", "task"}),
        ({"w1": 0.0}, {"instance", "task"}),
        ({"w2": 0.0}, {"instance", "words", "patches"}),
    ):
        network, batches = prepared(**changes)
        assert set(network(batches[0], "all", 0.0)) == names


def test_a_dropped_pair_teaches_nothing_and_stays_out_of_the_queue() -> None:
    def losses(image: Tensor | None) -> tuple[dict[str, Tensor], COTSNetwork, Tensor]:
        network, batches = prepared(captions=1, filter_after=0.5)
        network.eval()  # no batch statistics, so that a picture can act on the losses only through its own pair
        full, batch = batches[0], dict(batches[1])
        network(full, "all", 0.0)
        judge = network.partner.filter
        judge.keep = lambda similarity: torch.arange(len(similarity)) >= 2  # image 0 with its two captions
        if image is not None:
            batch["image"] = torch.cat([image[None], batch["image"][1:]])
        torch.manual_seed(0)
        return network(batch, "all", 0.5), network, batch["text_index"]

    terms, network, caption = losses(None)
    others, _, _ = losses(torch.zeros(3, 16, 16, dtype=torch.uint8))
    for name, value in terms.items():
        torch.testing.assert_close(value, others[name])
    assert int(network.partner.queue.pointer) == (32 + 30) % 48
    assert network.partner.record.dropped.nonzero().flatten().tolist() == sorted(caption[0].tolist())
    assert int(network.partner.record.judged.sum()) == 32


def test_nothing_is_dropped_before_its_time() -> None:
    network, batches = prepared(filter_after=0.5)
    for batch in batches:
        network(batch, "all", 0.49)
    assert int(network.partner.filter.batches) == len(batches)  # it has watched
    assert int(network.partner.record.judged.sum()) == 0


# --- a whole fit ----------------------------------------------------------------------------------------------------


def test_it_trains_from_scratch() -> None:
    one = COTS(**{**method().get_params(), "epochs": 6}).fit(two_halves())
    for name in ("words", "patches"):
        assert one.history_.terms[name][-1] < one.history_.terms[name][0]
    assert one.history_.terms["instance"][-1] < one.history_.terms["instance"][1]  # the first has an empty queue


def test_what_is_stored_holds_no_momentum_copy_queue_or_filter(fitted: COTS, tmp_path: Path) -> None:
    data = two_halves(seed=1, copies=1)
    fitted.save(tmp_path)
    names = load_file(tmp_path / "fitted.safetensors").keys()
    assert not [name for name in names if "partner" in name or "momentum" in name or "queue" in name]
    loaded = COTS.load(tmp_path)
    assert loaded.model_.partner is None
    np.testing.assert_array_equal(*(m.similarity(data.images, data.captions) for m in (loaded, fitted)))
    assert torch.equal(*(m.guess_words(data.images, data.captions[::2]).guess for m in (loaded, fitted)))
    np.testing.assert_array_equal(loaded.dropped_, fitted.dropped_)
    again = COTS(**{**method().get_params(), "epochs": 1}).fit(data, start=loaded)
    assert again.tokenizer_ is loaded.tokenizer_


def test_predictors_are_not_asked_at_inference(fitted: COTS, tmp_path: Path) -> None:
    data = two_halves(seed=1, copies=1)
    fitted.save(tmp_path)
    loaded = COTS.load(tmp_path)
    for part in (loaded.model_.words, loaded.model_.patches, loaded.model_.codes):
        for value in part.state_dict().values():
            value.zero_()
    np.testing.assert_array_equal(*(m.similarity(data.images, data.captions) for m in (loaded, fitted)))


def test_the_same_seed_gives_the_same_weights(start: CLIP) -> None:
    data = two_halves(copies=1)
    before = torch.random.get_rng_state()
    one, two, other = (method(seed=seed).fit(data, start=start) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.encode_image(data.images), two.encode_image(data.images))
    assert one.history_.terms == two.history_.terms
    assert torch.equal(before, torch.random.get_rng_state())
    assert not np.allclose(one.encode_image(data.images), other.encode_image(data.images))


def test_going_on_from_a_checkpoint_takes_queue_and_copies_along(tmp_path: Path) -> None:
    data = two_halves(copies=2)

    class Interrupted(COTS):
        name = "COTS"

        def watch(self, validation: PairedDataset) -> dict[str, float]:
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 2:
                raise KeyboardInterrupt
            return {}

    with pytest.raises(KeyboardInterrupt):
        Interrupted(**method().get_params()).fit(data, data, checkpoint=tmp_path / "c.safetensors")
    rest = method().fit(data, data, checkpoint=tmp_path / "c.safetensors")
    whole = method().fit(data, data)
    np.testing.assert_array_equal(rest.encode_image(data.images), whole.encode_image(data.images))
    assert rest.history_.terms == whole.history_.terms


def test_a_picture_helps_to_guess_the_words_about_it(fitted: COTS) -> None:
    data = two_halves(seed=1, copies=1)
    order = np.random.default_rng(0).permutation(16)
    right = np.mean([fitted.guess_words(data.images, data.captions[::2], seed).accuracy for seed in range(3)])
    shuffled = [data.images[i] for i in order]
    wrong = np.mean([fitted.guess_words(shuffled, data.captions[::2], seed).accuracy for seed in range(3)])
    assert right > wrong + 0.2


def test_the_filter_finds_wrong_captions(start: CLIP) -> None:
    data, wrong = mismatch_captions(two_halves(), 0.15, seed=0)
    cots = method(lr=1e-3, epochs=6, gamma=1.0).fit(data, start=start)
    report = cots.filter_report(wrong)
    assert report.wrong == pytest.approx(0.15, abs=0.03)
    assert report.precision > 3 * report.wrong
    assert report.dropped <= 0.3


def test_guesses_and_gap_want_pairs(fitted: COTS) -> None:
    data = two_halves(seed=1, copies=1)
    guesses = fitted.guess_patches(data.images, data.captions[::2])
    assert guesses.places.shape == (16, 16)
    assert len(guesses.truth) == len(guesses.guess) == int(guesses.places.sum()) == 16 * 6  # round(.4 * 16)
    assert fitted.task_gap(data.images, data.captions[::2]) >= 0
    with pytest.raises(InvalidInput, match="16 and 32"):
        fitted.guess_words(data.images, data.captions)
    with pytest.raises(InvalidInput, match="not fitted"):
        method().task_gap(data.images, data.captions[::2])


def test_a_filter_that_never_judged_says_so(start: CLIP) -> None:
    data = two_halves(copies=1)
    with pytest.raises(InvalidInput, match="judged no pair"):
        method(gamma=None, epochs=1).fit(data, start=start).filter_report(np.zeros(32, dtype=bool))


@pytest.mark.parametrize("profile", ["smoke", "course", "paper"])
def test_presets(profile: str) -> None:
    assert COTS(**COTS.preset(profile)).get_params().keys() == COTS().get_params().keys()


# --- several processes ----------------------------------------------------------------------------------------------


def train_here(folder: Path) -> None:
    """What two processes run, and one: without masks, whose places each process draws for itself; and with them."""
    for name, w1 in (("plain", 0.0), ("masked", 1.0)):
        network = method(w1=w1, gamma=1.0, epochs=2, lr=1e-3).fit(two_halves(copies=2), device="cpu").model_
        arrays = {key: value.numpy() for key, value in network.state_dict().items()}
        save_file(arrays, folder / f"{name}-{os.environ.get('RANK', '0')}.safetensors")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs a build of PyTorch with libuv")
def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    modules = os.pathsep.join(sys.path)  # the processes find tests/helpers too
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": modules}
    found = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        command = [sys.executable, *(launch if processes == 2 else []), __file__, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found[processes] = {file.stem: load_file(file) for file in folder.iterdir()}
    for name in ("plain-0", "plain-1"):
        for key, value in found[1]["plain-0"].items():
            if key.endswith("attention.key.bias"):  # moves no softmax: its gradient is rounding, which AdamW scales up
                continue
            np.testing.assert_allclose(found[2][name][key], value, atol=1e-5, err_msg=key)
    for key, value in found[2]["masked-0"].items():
        np.testing.assert_array_equal(found[2]["masked-1"][key], value, err_msg=key)


if __name__ == "__main__":
    train_here(Path(sys.argv[1]))
