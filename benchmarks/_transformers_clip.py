"""The peer of ``towers.py``: CLIPModel of transformers with the sizes of ours, and a plain loop around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from xmr_lib.methods.dual_tower import CLIP
from xmr_lib.methods.dual_tower.hub import CLIP_NAMES, renamed
from xmr_lib.nn.encoded import Pixels, trim

END = 3  # the end-of-text number of our tokenizers; their model finds the same token by it


def clip_model(method: CLIP, vocabulary: int, length: int) -> Any:
    """A CLIPModel with fresh weights and the towers that ``method`` builds (a ViT and a causal transformer).

    Its attention is PyTorch's fused kernel ("sdpa"), as in ours.
    """
    from transformers import CLIPConfig, CLIPModel

    image, text = method.image, method.text
    vision = {
        "image_size": image["size"],
        "patch_size": image["patch"],
        "hidden_size": image["width"],
        "intermediate_size": 4 * image["width"],
        "num_hidden_layers": image["layers"],
        "num_attention_heads": image["heads"],
        "hidden_act": "quick_gelu",
    }
    words = {
        "vocab_size": vocabulary,
        "max_position_embeddings": length,
        "hidden_size": text["width"],
        "intermediate_size": 4 * text["width"],
        "num_hidden_layers": text["layers"],
        "num_attention_heads": text["heads"],
        "hidden_act": "quick_gelu",
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": END,
    }
    config = CLIPConfig(text_config=words, vision_config=vision, projection_dim=method.dim)
    config._attn_implementation = "sdpa"
    return CLIPModel(config)


def give_weights(theirs: nn.Module, ours: nn.Module) -> None:
    """Copy the weights of a CLIPModel into our network; every weight has its place, only pixel scaling has none."""
    found = dict(renamed(theirs.state_dict(), CLIP_NAMES, "the peer"))
    missing, unexpected = ours.load_state_dict(found, strict=False)
    assert all(".pixels." in name for name in missing), missing
    assert not unexpected, unexpected


def weight_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices only, for both sides."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def plain_loss(model: Any, batch: Mapping[str, Tensor], pixels: Pixels, mask: bool) -> Tensor:
    """The loss of CLIPModel on a batch of ``CaptionBatches`` with one caption per image.

    Args:
        model: From :func:`clip_model`.
        batch: As our network takes it.
        pixels: Scales the pictures; part of our tower, so it is counted on both sides.
        mask: Pass an attention mask, as its documentation does. Without it the result is the same (a causal tower
            never looks at the padding behind the end token) and the attention a little faster.
    """
    text = trim(batch["text"].flatten(0, 1))  # padded to the longest of the batch
    out = model(
        input_ids=text,
        attention_mask=(text > 0).long() if mask else None,
        pixel_values=pixels(batch["image"]),
        return_loss=True,
    )
    loss: Tensor = out.loss
    return loss


def train_plain(
    model: Any,
    batches: Iterable[Mapping[str, Tensor]],
    pixels: Pixels,
    *,
    lr: float,
    betas: tuple[float, float],
    weight_decay: float,
    mask: bool,
    fused: bool,
    device: str = "cpu",
    autocast: bool = False,
) -> list[float]:
    """The usual loop; the loss of every step."""
    model.to(device)
    pixels = deepcopy(pixels).to(device)
    optimiser = torch.optim.AdamW(weight_groups(model, weight_decay), lr, betas, fused=fused or None)
    model.train()
    losses = []
    for batch in batches:
        here = {name: batch[name].to(device) for name in ("image", "text")}
        context: AbstractContextManager[Any] = torch.autocast(device, torch.bfloat16) if autocast else nullcontext()
        with context:
            loss = plain_loss(model, here, pixels, mask)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return torch.stack(losses).tolist()
