"""Checkpoints of transformers in our towers: the same similarities, tokens and pixels; then saving and fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AlignConfig,
    AlignModel,
    BertTokenizer,
    CLIPImageProcessor,
    CLIPTokenizer,
    EfficientNetImageProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil

from helpers.clip_folder import CLIP_WORDS, clip_folder, shake
from xmr_lib.data.base import PairedDataset
from xmr_lib.errors import InvalidInput, MissingData
from xmr_lib.methods.dual_tower import ALIGN, CLIP
from xmr_lib.methods.dual_tower.hub import scaling_of
from xmr_lib.processes import seeded

BERT_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "cat", "dog", "!", "on", "the", "##s", "mat"]
TEXTS = ["!", "red cat!", "a cat", "red red red red cat", "a b c d e f g h i j k l m n o p q r s t u v w x y z"]


def pictures(*sizes: tuple[int, int]) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    coarse = [Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)) for _ in sizes]
    return [image.resize(size) for image, size in zip(coarse, sizes, strict=True)]


def align_folder(folder: Path, stretch: float, odd: list[int], scaling: dict[str, Any]) -> Any:
    """A small random ALIGN with its tokenizer and image processor."""
    stages = {
        "kernel_sizes": [3, 5, 3],
        "strides": [1, 2, 2],
        "expand_ratios": [1, 4, 2],
        "num_block_repeats": [1, 2, 1],
    }
    channels = {"in_channels": [32, 16, 24], "out_channels": [16, 24, 48], "width_coefficient": stretch}
    vision = stages | channels | {"depth_coefficient": 1.5, "hidden_dim": 64, "depthwise_padding": odd}
    blocks = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
    text = blocks | {"vocab_size": len(BERT_WORDS) + 3, "max_position_embeddings": 100}
    last = AlignModel(AlignConfig(vision_config=vision, text_config=text)).vision_model.encoder.blocks[-1]
    config = AlignConfig(
        vision_config=vision,
        text_config=text,
        projection_dim=last.projection.project_conv.out_channels,
        temperature_init_value=0.05,
    )
    with seeded(0):
        model = shake(AlignModel(config))
    model.vision_model.train()
    with torch.no_grad():
        for _ in range(5):  # running statistics that fit the weights: else every picture looks alike after a few norms
            model.vision_model(torch.randn(8, 3, 40, 40, generator=torch.Generator().manual_seed(0)))
    model.eval()
    model.save_pretrained(folder)
    BertTokenizer(vocab={token: number for number, token in enumerate(BERT_WORDS)}).save_pretrained(folder)
    EfficientNetImageProcessor(**scaling).save_pretrained(folder)
    return model


SQUASH = {"size": {"height": 46, "width": 46}, "crop_size": {"height": 33, "width": 33}, "do_center_crop": True}
LIKE_ALIGN = {
    **SQUASH,
    "rescale_factor": 1 / 127.5,
    "rescale_offset": True,
    "do_normalize": False,
    "include_top": False,
}
CLIPS = [("quick_gelu", 8, 10, True), ("gelu", 16, 24, False), ("relu", 32, 7, False)]
ALIGNS: list[tuple[float, list[int], dict[str, Any]]] = [
    (0.5, [], LIKE_ALIGN | {"resample": 2}),
    (1.0, [2], {"size": {"height": 40, "width": 40}}),  # means and deviations of ImageNet, divided twice
]


def processed(folder: Path, kind: Any, images: list[Image.Image]) -> torch.Tensor:
    result: torch.Tensor = kind.from_pretrained(folder)(images=images, return_tensors="pt")["pixel_values"]
    return result


def same(
    ours: Any, theirs: Any, pixels: torch.Tensor, tokens: dict[str, torch.Tensor], images: Any, texts: Any
) -> None:
    with torch.inference_mode():
        expected = theirs(pixel_values=pixels, **tokens)
        scale = ours.model_.temperature()
    cosines = ours.similarity(images, texts)
    assert np.ptp(cosines) > 5e-3, "vectors that are all alike would prove nothing"
    np.testing.assert_allclose(cosines, (expected.image_embeds @ expected.text_embeds.T).numpy(), atol=1e-5)
    np.testing.assert_allclose(float(scale) * cosines, expected.logits_per_image.numpy(), atol=1e-5 * float(scale))


@pytest.mark.parametrize(("act", "patch", "dim", "legacy"), CLIPS)
def test_clip(act: str, patch: int, dim: int, legacy: bool, tmp_path: Path) -> None:
    theirs = clip_folder(tmp_path, act, patch, dim, legacy)
    ours = CLIP.from_pretrained(str(tmp_path), epochs=1)
    images = pictures((32, 32), (40, 57), (100, 33))
    pixels, reader = processed(tmp_path, CLIPImageProcessorPil, images), CLIPTokenizer.from_pretrained(tmp_path)
    assert ours.encode_image(images).shape == (3, dim)
    for texts in (TEXTS, *([text] for text in TEXTS)):  # together and each of its own length: "!" is CLIP's number 0
        tokens = reader(texts, padding=True, truncation=True, max_length=12, return_tensors="pt")
        same(ours, theirs, pixels, dict(tokens), images, texts)
    assert ours.model_.temperature().item() == pytest.approx(float(np.exp(3.0)), rel=1e-5)


@pytest.mark.parametrize(("stretch", "odd", "scaling"), ALIGNS)
def test_align(stretch: float, odd: list[int], scaling: dict[str, Any], tmp_path: Path) -> None:
    theirs = align_folder(tmp_path, stretch, odd, scaling)
    ours = ALIGN.from_pretrained(str(tmp_path))
    images = pictures((64, 64), (40, 57), (100, 50))
    pixels = processed(tmp_path, EfficientNetImageProcessorPil, images)
    reader = BertTokenizer.from_pretrained(tmp_path)
    for texts in (["a cat", "the red cats on the mat!", "dog", "zebra " * 90], ["a cat"], ["red"]):
        tokens = reader(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
        same(ours, theirs, pixels, dict(tokens), images, texts)
    assert ours.model_.temperature().item() == pytest.approx(20.0, rel=1e-5)


def test_random_token_numbers_and_pixels(tmp_path: Path) -> None:
    """Below the tokenizer: any numbers, moved up by one."""
    theirs = clip_folder(tmp_path, "quick_gelu", 8, 10, False)
    ours = CLIP.from_pretrained(str(tmp_path))
    generator = torch.Generator().manual_seed(1)
    numbers = torch.randint(0, len(CLIP_WORDS), (40, 12), generator=generator)
    numbers[:, 11] = CLIP_WORDS["<|endoftext|>"]
    pixels = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=generator)
    with torch.inference_mode():
        network = ours.model_
        text, image = network.embed_text(numbers + 1), network.embed_image(pixels)
        expected = theirs(pixel_values=network.image_tower.pixels(pixels), input_ids=numbers)
    torch.testing.assert_close(image @ text.T, expected.image_embeds @ expected.text_embeds.T, atol=1e-5, rtol=0)


def test_store_and_fine_tune(tmp_path: Path) -> None:
    clip_folder(tmp_path / "hub", "quick_gelu", 8, 10, True)
    found = CLIP.from_pretrained(str(tmp_path / "hub"), epochs=1, batch_size=4, lr=1e-3)
    images = pictures(*[(32, 32)] * 8)
    data = PairedDataset("toy", "1", images, [f"a {letter} cat" for letter in "abcdefgh"], np.arange(8))
    before = found.similarity(images, data.captions)
    found.save(tmp_path / "stored")
    again = CLIP.load(tmp_path / "stored")
    np.testing.assert_array_equal(again.similarity(images, data.captions), before)
    assert again.tokenizer_.tokens(again.tokenizer_.encode(["red!"])[0].tolist()) == [
        *("<|startoftext|>", "red</w>", "!</w>", "<|endoftext|>")
    ]
    tuned = found.clone().fit(data, start=found)
    assert tuned.tokenizer_ is found.tokenizer_
    assert 0 < np.abs(tuned.similarity(images, data.captions) - before).max() < 0.5, "a step away from where it began"
    np.testing.assert_array_equal(found.similarity(images, data.captions), before)
    tuned.save(tmp_path / "tuned")
    np.testing.assert_array_equal(
        CLIP.load(tmp_path / "tuned").similarity(images, data.captions), tuned.similarity(images, data.captions)
    )


def test_align_fine_tunes(tmp_path: Path) -> None:
    align_folder(tmp_path, 0.5, [], LIKE_ALIGN)
    found = ALIGN.from_pretrained(str(tmp_path), epochs=1, batch_size=4, lr=1e-4)
    images = pictures(*[(40, 40)] * 4)
    data = PairedDataset("toy", "1", images, ["a cat", "the dog", "red", "on the mat"], np.arange(4))
    tuned = found.clone().fit(data, start=found)
    assert np.isfinite(tuned.history_.terms["contrastive"]).all()


def test_what_is_not_a_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="train one from scratch"):
        CLIP.from_pretrained(str(tmp_path / "nowhere"))
    clip_folder(tmp_path, "gelu", 8, 10, False)
    with pytest.raises(InvalidInput, match="type 'clip', not 'align'"):
        ALIGN.from_pretrained(str(tmp_path))
    CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(tmp_path)
    with pytest.raises(InvalidInput, match="another size"):
        CLIP.from_pretrained(str(tmp_path))


def test_pictures_that_are_not_made_square_are_refused() -> None:
    with pytest.raises(InvalidInput, match="squares"):
        scaling_of({"size": {"shortest_edge": 224}, "do_resize": True, "do_center_crop": False}, "this")
