"""Checkpoints of CLIP and ALIGN in the form of ``transformers``, read into our towers.

Every weight has one place in ours, so that both give the same similarities. What changes is names, and the numbers of
the tokens (:class:`xmr_lib.data.hub_tokens.HubTokenizer`): the table of word vectors gets a row of zeros in front.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xmr_lib.data.hub_tokens import HubTokenizer
from xmr_lib.encoders.hub import load_from_hub
from xmr_lib.errors import InvalidInput, check_choice
from xmr_lib.methods.dual_tower.hub_names import ALIGN_NAMES, CLIP_NAMES, renamed
from xmr_lib.methods.towers import TowerMethod
from xmr_lib.training import History

ALIGN_TOKENS = 64  # ALIGN's longest text in training; its table of positions has more rows


@dataclass(frozen=True)
class Checkpoint:
    """What was found under one name: configuration, weights, tokenizer, and how pictures are scaled."""

    name: str
    config: Any
    weights: Mapping[str, Tensor]
    tokenizer: Any
    scaling: Mapping[str, Any]

    def require(self, right: bool, what: str) -> None:
        """Refuse a form that is not known here."""
        if not right:
            raise InvalidInput(f"{self.name} has {what}, which our towers lack. Take a checkpoint of the usual form.")


def open_tower(name: str, cls: Any = None) -> TowerMethod:
    """A fitted dual tower by name: one of ours that was saved in a folder, else a checkpoint of ``transformers``.

    Args:
        name: Folder or hub name. cls: The class whose ``from_pretrained`` reads a checkpoint; CLIP's, if it has none.

    Raises:
        MissingData: Nothing of that name. InvalidInput: A folder of another method, or damaged.
    """
    from xmr_lib.methods import dual_tower

    config = Path(name) / "config.json"
    try:
        stored = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    except ValueError as error:
        raise InvalidInput(f"{config} is damaged. Save the method there again.") from error
    if "class" in stored:
        fitted: TowerMethod = getattr(dual_tower, check_choice(stored["class"], dual_tower.__all__, "dual tower")).load(
            name
        )
        return fitted
    read: TowerMethod = getattr(cls, "from_pretrained", dual_tower.CLIP.from_pretrained)(name)
    return read


def read_clip(cls: Any, name: str, changes: Mapping[str, Any]) -> Any:
    """See :meth:`xmr_lib.methods.dual_tower.clip.CLIP.from_pretrained`."""
    found = _open(name, "clip")
    vision, text = found.config.vision_config, found.config.text_config
    found.require(vision.layer_norm_eps == text.layer_norm_eps == 1e-5, "another eps in its layer norms")
    found.require(vision.image_size == found.scaling["size"], "pictures of another size than its image tower")
    image = {
        "kind": "vit",
        "patch": vision.patch_size,
        **_transformer(vision),
        **found.scaling,
    }
    # Configurations of before 2023 say 2, and mean the largest number, which is the tokenizer's.
    end = found.tokenizer.eos_token_id if text.eos_token_id == 2 else text.eos_token_id
    words = {"kind": "transformer", "end": end + 1, **_transformer(text)}
    method = cls(image=image, text=words, dim=found.config.projection_dim, **changes)
    return _fill(method, found, CLIP_NAMES, text.max_position_embeddings)


def read_align(cls: Any, name: str, changes: Mapping[str, Any]) -> Any:
    """See :meth:`xmr_lib.methods.dual_tower.align.ALIGN.from_pretrained`."""
    found = _open(name, "align")
    vision, text = found.config.vision_config, found.config.text_config
    found.require(vision.hidden_act in ("swish", "silu"), f"the activation {vision.hidden_act} in its image tower")
    found.require(vision.pooling_type == "mean", f"{vision.pooling_type} pooling in its image tower")
    found.require(vision.batch_norm_eps == 1e-3, "another eps in its batch norms")
    chained = [32, *vision.out_channels[:-1]] == list(vision.in_channels)
    found.require(chained, "stages of the image tower that do not follow each other")
    columns = (vision.kernel_sizes, vision.strides, vision.expand_ratios, vision.out_channels, vision.num_block_repeats)
    image = {
        "kind": "efficientnet",
        "width_factor": vision.width_coefficient,
        "depth_factor": vision.depth_coefficient,
        "stages": [list(stage) for stage in zip(*columns, strict=True)],
        "divisor": vision.depth_divisor,
        "squeeze": vision.squeeze_expansion_ratio,
        "drop": vision.drop_connect_rate,
        "odd": list(vision.depthwise_padding),
        **found.scaling,
    }
    words = {
        "kind": "bert",
        "types": text.type_vocab_size,
        "dropout": text.hidden_dropout_prob,
        "eps": text.layer_norm_eps,
        **_transformer(text),
    }
    method = cls(image=image, text=words, **changes)
    return _fill(method, found, ALIGN_NAMES, min(ALIGN_TOKENS, text.max_position_embeddings))


def _transformer(config: Any) -> dict[str, Any]:
    """Settings of blocks."""
    return {
        "width": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": config.num_attention_heads,
        "ratio": config.intermediate_size / config.hidden_size,
        "act": config.hidden_act,
    }


def _open(name: str, kind: str) -> Checkpoint:
    """Configuration, weights, tokenizer and scaling of pictures, from the hub, its cache or a folder."""
    from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()

    def load(part: Any, **options: Any) -> Any:
        return load_from_hub(name, lambda: part.from_pretrained(name, **options), "train one from scratch: fit(train)")

    config = load(AutoConfig)
    if config.model_type != kind:
        raise InvalidInput(
            f"{name} holds a model of type {config.model_type!r}, not {kind!r}. Take another checkpoint."
        )
    model, report = load(AutoModel, dtype=torch.float32, output_loading_info=True)
    if report["missing_keys"]:
        raise InvalidInput(f"The checkpoint {name} is incomplete: {min(report['missing_keys'])} is absent.")
    scaling = scaling_of(load(AutoImageProcessor).to_dict(), name)
    return Checkpoint(name, config, model.state_dict(), load(AutoTokenizer), scaling)


def scaling_of(processor: Mapping[str, Any], name: str) -> dict[str, Any]:
    """How pictures become pixels and pixels numbers, from the settings of an image processor of ``transformers``.

    Ours is ``(x / 255 - mean) / std``; theirs multiplies by ``rescale_factor``, takes off ``offset`` (0 or 1) and then
    normalises, each of them optional.

    Returns:
        ``size``, ``resize``, ``resample``, ``mean``, ``std`` as settings of an image tower.

    Raises:
        InvalidInput: Pictures that are not scaled, or not to squares.
    """
    before, crop = processor["size"], processor.get("crop_size") if processor.get("do_center_crop") else None
    resize = before.get("shortest_edge") or [before.get("height"), before.get("width")]
    height, width = (
        (crop["height"], crop["width"]) if crop else (resize if isinstance(resize, list) else (None, resize))
    )
    if not processor.get("do_resize") or height != width:
        raise InvalidInput(f"{name} does not scale its pictures to squares, as our image towers want. Take another.")
    factor = 255 * (processor["rescale_factor"] if processor.get("do_rescale") else 1)
    offset = 1.0 if processor.get("rescale_offset") else 0.0
    mean, std = (0.0,) * 3, (1.0,) * 3
    if processor.get("do_normalize"):
        mean, std = tuple(processor["image_mean"]), tuple(processor["image_std"])
    again = processor["image_std"] if processor.get("include_top") else (1.0,) * 3
    return {
        "size": height,
        "resize": resize,
        "resample": {2: "bilinear", 3: "bicubic"}.get(processor["resample"], "unknown"),
        "mean": [(m + offset) / factor for m in mean],
        "std": [s * a / factor for s, a in zip(std, again, strict=True)],
    }


def _fill(method: TowerMethod, found: Checkpoint, names: Mapping[str, str], length: int) -> TowerMethod:
    """Put the weights of the checkpoint into a fresh network."""
    backend: Any = getattr(found.tokenizer, "backend_tokenizer", None)
    found.require(backend is not None, "a tokenizer that is not of the library tokenizers")
    theirs = dict(renamed(found.weights, names, found.name))
    words = theirs["text_tower.words.weight"]  # (vocabulary, w)
    method.tokenizer_ = HubTokenizer(backend, length, len(words))
    theirs["text_tower.words.weight"] = torch.cat([torch.zeros_like(words[:1]), words])
    network = method._fresh_network()
    for key, own in network.state_dict().items():
        if key.endswith((".pixels.mean", ".pixels.std")):
            continue  # from the image processor, through the settings
        if key not in theirs:
            raise InvalidInput(f"The checkpoint {found.name} has nothing for our {key}. Take one of the usual form.")
        value = theirs.pop(key)
        value = value.flatten(1) if value.ndim == own.ndim + 2 else value  # a 1 x 1 convolution is a linear layer
        value = value[: len(own)] if key == "text_tower.positions.weight" else value
        found.require(value.shape == own.shape, f"a {key} of shape {tuple(value.shape)}, not {tuple(own.shape)}")
        own.copy_(value)
    found.require(not theirs, f"weights such as {min(theirs, default='')}")
    method.model_, method.history_ = network.eval(), History()
    return method
