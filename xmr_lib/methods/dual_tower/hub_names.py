"""What the weights of CLIP and ALIGN are called in ``transformers``, and what they are called here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from xmr_lib.errors import InvalidInput


def _blocks(theirs: str, ours: str, parts: Mapping[str, str]) -> dict[str, str]:
    """Names inside numbered blocks; # stands for the number."""
    return {f"{theirs}.#.{part}": f"{ours}.#.{own}" for part, own in parts.items()}


CLIP_BLOCK = {
    "layer_norm1": "norm_1",
    "layer_norm2": "norm_2",
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.out_proj": "attention.out",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.2",
}
CLIP_NAMES = {
    "logit_scale": "temperature.log_scale",
    "visual_projection": "image_projection",
    "text_projection": "text_projection",
    "vision_model.embeddings.class_embedding": "image_tower.class_token",
    "vision_model.embeddings.patch_embedding": "image_tower.patches",
    "vision_model.embeddings.position_embedding.weight": "image_tower.position",
    "vision_model.pre_layrnorm": "image_tower.norm_in",  # it is spelt so
    "vision_model.post_layernorm": "image_tower.norm_out",
    "text_model.embeddings.token_embedding": "text_tower.words",
    "text_model.embeddings.position_embedding.weight": "text_tower.position",
    "text_model.final_layer_norm": "text_tower.norm",
    **_blocks("vision_model.encoder.layers", "image_tower.blocks", CLIP_BLOCK),
    **_blocks("text_model.encoder.layers", "text_tower.blocks", CLIP_BLOCK),
}

MBCONV = {
    "expansion.expand_conv": "widen.0",
    "expansion.expand_bn": "widen.1",
    "depthwise_conv.depthwise_conv": "each.1",
    "depthwise_conv.depthwise_norm": "each.2",
    "squeeze_excite.reduce": "gate.reduce",
    "squeeze_excite.expand": "gate.expand",
    "projection.project_conv": "narrow.0",
    "projection.project_bn": "narrow.1",
}
BERT_BLOCK = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.out",
    "attention.output.LayerNorm": "norm_1",
    "intermediate.dense": "mlp.0",
    "output.dense": "mlp.2",
    "output.LayerNorm": "norm_2",
}
ALIGN_NAMES = {
    "temperature": "temperature.sigma",
    "text_projection": "text_projection",
    "vision_model.embeddings.convolution": "image_tower.stem.1",
    "vision_model.embeddings.batchnorm": "image_tower.stem.2",
    "text_model.embeddings.word_embeddings": "text_tower.words",
    "text_model.embeddings.position_embeddings": "text_tower.positions",
    "text_model.embeddings.token_type_embeddings": "text_tower.types",
    "text_model.embeddings.LayerNorm": "text_tower.norm",
    "text_model.pooler": "",  # not used: ALIGN takes the first token as it is
    **_blocks("vision_model.encoder.blocks", "image_tower.blocks", MBCONV),
    **_blocks("text_model.encoder.layer", "text_tower.blocks", BERT_BLOCK),
}


def renamed(weights: Mapping[str, Tensor], names: Mapping[str, str], checkpoint: str) -> Iterator[tuple[str, Tensor]]:
    """The weights under our names; those whose new name is empty are left out.

    Raises:
        InvalidInput: A weight that no name stands for.
    """
    for key, value in weights.items():
        general = re.sub(r"\.(\d+)\.", ".#.", key, count=1)
        start = next((name for name in names if general == name or general.startswith(f"{name}.")), None)
        if start is None:
            raise InvalidInput(
                f"The checkpoint {checkpoint} holds a weight {key}, which our towers lack. Take another."
            )
        if names[start]:
            number = re.search(r"\.(\d+)\.", key)
            ours = names[start] + general.removeprefix(start)
            yield ours.replace("#", number.group(1) if number else ""), value
