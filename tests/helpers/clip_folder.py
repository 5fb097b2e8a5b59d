"""A small CLIP of random weights in a folder, in the form of ``transformers``: what the hub would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

from xmr_lib.processes import seeded

LETTERS = [*"!abcdefghijklmnopqrstuvwxyz"]
BPE = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "re", "red</w>", "ca", "cat</w>"]
CLIP_WORDS = {token: number for number, token in enumerate([*BPE, "<|startoftext|>", "<|endoftext|>"])}


def shake(model: torch.nn.Module) -> Any:
    """Random values everywhere, so that no bias is 0 and no running variance 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point() and value.ndim:
                noise = torch.randn(value.shape, generator=generator)
                value.copy_(noise.abs() + 0.5 if name.endswith("running_var") else value + 0.2 * noise)
    return model.eval()


def clip_folder(folder: Path, act: str, patch: int, dim: int, legacy: bool) -> Any:
    """A small random CLIP with its tokenizer and image processor. ``legacy``: a configuration of before 2023."""
    blocks = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": act}
    end = CLIP_WORDS["<|endoftext|>"]
    vision = {"hidden_size": 24, "intermediate_size": 40, "image_size": 32, "patch_size": patch}
    text = {"hidden_size": 16, "intermediate_size": 64, "vocab_size": len(CLIP_WORDS), "max_position_embeddings": 12}
    special = {"eos_token_id": 2 if legacy else end, "bos_token_id": end - 1, "pad_token_id": 1}
    config = CLIPConfig(
        vision_config=blocks | vision,
        text_config=blocks | text | special,
        projection_dim=dim,
        logit_scale_init_value=3.0,
    )
    with seeded(0):
        model = shake(CLIPModel(config))
    model.save_pretrained(folder)
    merges = [("r", "e"), ("re", "d</w>"), ("c", "a"), ("ca", "t</w>")]
    CLIPTokenizer(vocab=CLIP_WORDS, merges=merges).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return model
