"""TEAM: both losses, the released code's zeroed logits, hard negatives, two stages, storage, seeds, two processes."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from xmr_lib.data.base import PairedDataset
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation import evaluate, evaluate_similarity
from xmr_lib.methods.bidirectional_rerank import top_k
from xmr_lib.methods.dual_tower import CLIP, TEAM
from xmr_lib.methods.dual_tower.team_network import TeamNetwork, zeroed_info_nce
from xmr_lib.nn.contrastive import symmetric_info_nce

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 230), "white": (250, 250, 250)}
IMAGE = {"kind": "conv", "size": 16, "channels": [8], "layers": 1, "heads": 2}
TEXT = {"kind": "bag", "width": 16, "hidden": 16}
TOWERS: dict[str, Any] = {"image": IMAGE, "text": TEXT, "dim": 16, "batch_size": 32, "captions": 2, "warm_up": 0.1}
SMALL = TOWERS | {"width": 16, "heads": 2, "reading": 1, "blocks": 2, "align_dim": 16, "dropout": 0.0, "rerank": 4}


def halves(seed: int = 0, copies: int = 3) -> PairedDataset:
    """Sixteen kinds of pictures, one colour on the left, one on the right; two captions each."""
    rng = np.random.default_rng(seed)
    images, captions = [], []
    for left in list(COLOURS) * copies:
        for right in COLOURS:
            array = np.zeros((16, 16, 3))
            array[:, :8], array[:, 8:] = COLOURS[left], COLOURS[right]
            images.append(Image.fromarray(np.clip(array + rng.normal(0, 20, array.shape), 0, 255).astype(np.uint8)))
            captions += [f"{left} before {right}", f"a {left} side and then {right}"]
    n = len(images)
    return PairedDataset("halves", f"{seed}-{copies}", images, captions, np.repeat(np.arange(n), 2), np.arange(n) % 16)


@pytest.fixture(scope="module")
def clip() -> CLIP:
    return CLIP(**TOWERS, epochs=25, lr=1e-2).fit(halves())


@pytest.fixture(scope="module")
def team(clip: CLIP) -> TEAM:
    return method(epochs=30).fit(halves(), start=clip)


def method(**changes: Any) -> TEAM:
    return TEAM(**{**SMALL, "epochs": 2, "lr": 1e-2, "text_rate": 0.1, **changes})


def unseen() -> PairedDataset:
    return halves(seed=1, copies=1)


def test_it_learns_and_recall_at_the_number_of_candidates_stays(team: TEAM) -> None:
    data = unseen()
    report = evaluate(team, data, metrics=["R@1", "R@4", "R@8"])
    before = evaluate_similarity(team.stage_one(data.images, data.captions), data, metrics=["R@1", "R@4", "R@8"])
    for direction in ("i2t", "t2i"):
        for metric in ("R@4", "R@8"):
            assert report.value(metric, direction) == before.value(metric, direction)
    assert report.value("R@1", "i2t") != before.value("R@1", "i2t")
    terms = team.history_.terms["alignment"]
    assert terms[-1] < 0.8 * terms[0] < 0.8 * 2 * np.log(3) * 2  # at first about log 3 for each of the two blocks


def test_rankings_and_similarity(team: TEAM) -> None:
    data = unseen()
    i2t, t2i = team.rankings(data.images, data.captions)
    assert i2t.shape == t2i.T.shape == (16, 32)
    np.testing.assert_allclose(team.similarity(data.images, data.captions), i2t, atol=1e-5)
    before = team.stage_one(data.images, data.captions)
    for after, first in ((i2t, before), (t2i, before.T)):
        np.testing.assert_array_equal(np.sort(top_k(after, 4), axis=1), np.sort(top_k(first, 4), axis=1))


def test_score_pairs(team: TEAM) -> None:
    data = unseen()
    text = np.array([5, 0, 31, 7])
    image = data.caption_image[text]
    scores = team.score_pairs([data.images[int(i)] for i in image], [data.captions[int(j)] for j in text])
    assert scores.shape == (4,)
    assert (np.abs(scores) <= 2).all()  # two blocks, cosines
    whole = team.clone(rerank=99)
    vars(whole).update({key: value for key, value in vars(team).items() if key.endswith("_")})
    np.testing.assert_allclose(scores, whole.similarity(data.images, data.captions)[image, text], atol=1e-5)
    with pytest.raises(InvalidInput, match="there are 1 and 2"):
        team.score_pairs(data.images[:2], ["red before blue"])


def test_alignment_for_a_picture(team: TEAM) -> None:
    found = team.alignment(unseen().images[1], "red before green")
    assert found.words == ["[BOS]", "red", "before", "green", "[EOS]"]
    assert found.looks.shape == (2, 5, 4, 4)
    np.testing.assert_allclose(found.looks.sum((2, 3)), 1, atol=1e-5)
    score = team.score_pairs([unseen().images[1]], ["red before green"])
    np.testing.assert_allclose(found.cosines.mean(1).sum(), score[0], atol=1e-5)


def network(**changes: Any) -> TeamNetwork:
    torch.manual_seed(0)
    return method(**changes).build(20, 6)


def batch(instance: list[int], captions: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    b = len(instance)
    text = torch.randint(1, 20, (b, captions, 6), generator=generator)
    text[..., 4:] = 0
    image = torch.randint(0, 256, (b, 3, 16, 16), dtype=torch.uint8, generator=generator)
    return {"image": image, "text": text, "instance": torch.tensor(instance)}


def test_gradient_of_the_alignment_reaches_both_towers_and_nothing_passes_through_the_draw() -> None:
    model = network()
    model(batch([0, 1, 2, 3]), "all", 0.0)["alignment"].backward()
    for name, weight in model.named_parameters():
        moved = weight.grad is not None and bool((weight.grad != 0).any())
        if name.startswith(("image_tower.stem", "text_tower.words", "word_reader", "patch_projection")):
            assert moved, name
        if name.startswith(("image_projection", "text_projection", "temperature")):
            assert not moved, name  # they choose the wrong partners, and no more


def test_alignment_loss_by_hand() -> None:
    """Two images, a caption each: the other one is the only wrong partner, and the loss a softmax of three."""
    model = network(layerwise=True).eval()
    data = batch([0, 1], captions=1)
    image, text = model.image_tower(data["image"]), model.text_tower(data["text"].flatten(0, 1))
    patches, words = model.patch_projection(image.tokens), model.word_reader(text.tokens, text.mask)
    expected = 0.0
    for i, j in ((0, 1), (1, 0)):
        pairs = [(i, i), (j, i), (i, j)]  # (image, text): right, wrong image, wrong text
        scores = torch.cat([model.alignment(words[[t]], text.mask[[t]], patches[[v]]) for v, t in pairs])  # (3, L)
        expected += -(model.alignment_scale() * scores).log_softmax(0)[0].sum().item() / 2
    assert model(data, "all", 0.0)["alignment"].item() == pytest.approx(expected, abs=1e-5)
    model.layerwise = False
    assert model(data, "all", 0.0)["alignment"].item() < 0.75 * expected


def test_without_a_wrong_partner_the_alignment_costs_nothing() -> None:
    terms = network()(batch([7, 7, 7]), "all", 0.0)
    assert terms["alignment"].item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(terms["contrastive"])


def test_the_last_block_alone_counts_with_layerwise_off() -> None:
    words, mask, patches = torch.randn(3, 5, 16), torch.ones(3, 5, dtype=torch.bool), torch.randn(3, 16, 16)
    rows = torch.arange(3)
    model = network(layerwise=False).eval()
    scores = model.alignment(words, mask, patches)
    torch.testing.assert_close(model.score(words, mask, patches, rows, rows), scores[:, -1])
    model.layerwise = True
    torch.testing.assert_close(model.score(words, mask, patches, rows, rows), scores.sum(1))


def test_zeroed_logits_leave_a_wrong_partner_of_weight_one() -> None:
    """One image with three captions, one stranger: the image's sum holds exp(0) twice more."""
    logits = torch.tensor([[-1.0, -2.0, -3.0, -4.0], [0.5, 0.0, -1.0, 2.0]])
    positive = torch.tensor([[True, True, True, False], [False, False, False, True]])
    exps = logits.exp()
    first = torch.stack([-(exps[0, j] / (exps[0, j] + exps[0, 3] + 2)).log() for j in range(3)])
    second = -(exps[1, 3] / exps[1].sum()).log()
    by_image = (first.sum() + second) / 4
    by_text = -logits.T.log_softmax(1)[[0, 1, 2, 3], [0, 0, 0, 1]].mean()
    torch.testing.assert_close(zeroed_info_nce(logits, positive), (by_image + by_text) / 2)
    assert zeroed_info_nce(logits, positive) > symmetric_info_nce(logits, positive) + 0.1


def test_zeroed_logits_change_nothing_with_one_caption_and_much_with_several() -> None:
    plain, zeroed = (network(zeroed_logits=zeroed) for zeroed in (False, True))
    for captions, differs in ((1, False), (2, True)):
        losses = [model(batch([0, 1, 2, 3], captions), "all", 0.0)["contrastive"].item() for model in (plain, zeroed)]
        assert (losses[1] > losses[0] + 1e-4) is differs
        assert losses[1] >= losses[0] - 1e-6


def test_zeroed_logits_agree_with_finite_differences() -> None:
    logits = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    positive = torch.arange(3)[:, None] == torch.arange(6)[None, :] // 2
    assert torch.autograd.gradcheck(lambda x: zeroed_info_nce(x, positive), (logits,))


def test_the_blocks_begin_in_clips_common_space(clip: CLIP) -> None:
    """With blocks as wide as the space: turned, so that products of patches and words are those of CLIP."""
    started = method(epochs=1, lr=1e-12, reading=0).fit(halves(copies=1), start=clip).model_
    v, t = torch.randn(5, 8), torch.randn(5, 16)
    own = started.patch_projection(v) @ started.word_reader.projection(t).T
    torch.testing.assert_close(own, clip.model_.image_projection(v) @ clip.model_.text_projection(t).T)


def test_learning_rates_of_the_parts() -> None:
    model = network()
    groups = method(lr=1.0, image_rate=0.1, text_rate=0.5).players(model)["all"].parameters
    rates = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    for name, weight in model.named_parameters():
        assert rates[id(weight)] == {"image": 0.1, "text": 0.5}.get(name.split("_")[0], 1.0), name


def test_from_scratch_same_seed_storage(tmp_path: Path) -> None:
    data = halves(copies=1)
    one, two, other = (method(seed=seed, dropout=0.1).fit(data) for seed in (0, 0, 1))
    found = [m.similarity(data.images, data.captions) for m in (one, two, other)]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])
    assert set(one.history_.terms) == {"contrastive", "alignment"}
    one.save(tmp_path)
    again = TEAM.load(tmp_path)
    for stored, kept in zip(
        again.rankings(data.images, data.captions), one.rankings(data.images, data.captions), strict=True
    ):
        np.testing.assert_array_equal(stored, kept)
    assert again.get_params() == one.get_params()


@pytest.mark.parametrize("profile", ["smoke", "course"])
def test_presets(profile: str) -> None:
    method = TEAM(**TEAM.preset(profile))
    assert method.rerank == 8
    assert method.blocks == 2
    for name in ("image", "text", "dim"):  # so that a CLIP of the same preset is a start
        assert TEAM.preset(profile)[name] == CLIP.preset(profile)[name]


def test_the_defaults_are_those_of_the_paper() -> None:
    method = TEAM(**TEAM.preset("paper"))
    assert (method.blocks, method.width, method.heads, method.align_dim, method.ratio) == (6, 1024, 16, 512, 2)
    assert (method.dropout, method.rerank, method.batch_size, method.image_rate, method.lr) == (0.1, 16, 240, 0.1, 1e-3)
    with torch.device("meta"):
        blocks = method.build(30_522, 30).alignment.blocks
    assert len(blocks) == 6


def test_wrong_input() -> None:
    with pytest.raises(InvalidInput, match="not fitted yet"):
        method().rankings(halves(copies=1).images, ["red before blue"])
    with pytest.raises(InvalidInput, match="must divide 16"):
        method(heads=3).fit(halves(copies=1))
    other = CLIP(**{**TOWERS, "image": {**IMAGE, "channels": [12]}}, epochs=1).fit(halves(copies=1))
    with pytest.raises(InvalidInput, match="towers of this CLIP do not fit"):
        method().fit(halves(copies=1), start=other)


@pytest.mark.slow
def test_gradients_in_two_processes_are_those_of_one(tmp_path: Path) -> None:
    """A picture and a caption in each: the other process holds the only wrong partners, of another length."""
    if sys.platform == "win32":
        pytest.skip("torchrun needs a build of PyTorch with libuv, which Windows wheels lack")
    script = Path(__file__).parent.parent / "two_teams.py"
    runpy.run_path(str(script))["main"](tmp_path / "one.safetensors")
    launch = ["torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *launch, str(script), str(tmp_path / "two.safetensors")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (load_file(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert "alignment.blocks.1.mlp.0.weight" in one
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=1e-4, msg=name)
