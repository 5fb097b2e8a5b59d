"""The losses of AGREE on pictures, captions, and both with one entity hidden.

X. Wang et al. "AGREE: Aligning Cross-Modal Entities for Image-Text Retrieval Upon Vision-Language Pre-trained Models".
WSDM 2023; names and weights: :mod:`xmr_lib.methods.dual_tower.agree`. All embeddings have unit length. There are b
images with k captions each, E entity slots per caption, d dimensions and c classes of entities.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xmr_lib.nn.contrastive import same_instance, symmetric_info_nce


def ranking_loss(
    better: Tensor, worse: Tensor, counts: Tensor, scale: Tensor, margin: float = 0.0, detached: bool = False
) -> Tensor:
    """``sum max(0, margin - (better - worse))`` over the places that count, a scalar.

    The released form computes it from scaled cosines and divides by the scale, ``sum max(0, s x) / s``: the same value
    and the same gradient, unless ``s x`` is cut off from the graph before. Then the towers get none, and s gets
    ``-sum max(0, x) / s``, which pushes the scale up.

    Args:
        better, worse: Cosines, of one shape. counts: bool, of that shape.
        scale: s, a scalar.
        detached: The released form.

    Example: a gap of .2 is more than the margin, one of -.1 is .15 short of it.
        >>> better, worse = torch.tensor([0.5, 0.3]), torch.tensor([0.3, 0.4])
        >>> ranking_loss(better, worse, torch.tensor([True, True]), torch.tensor(10.0), margin=0.05)
        tensor(0.1500)
    """
    short = scale * (margin - (better - worse))
    if detached:
        short = short.detach()
    return (short.clamp_min(0) * counts).sum() / scale


def prompt_loss(
    image: Tensor, prompt: Tensor, entity: Tensor, shows: Tensor, scale: Tensor, count_empty: bool = False
) -> Tensor:
    """``L_prompt = 1/E sum_e CLIP(V, P_e)`` over the E entity slots, a scalar.

    Args:
        image: (b, d). prompt: (b, k, E, d), for each of the k captions of an image.
        entity: (b, k, E) class numbers, -1 in an empty slot.
        shows: (b, c), not 0 where the image shows the class: a right pair of every prompt for it.
        count_empty: The released form: every slot counts, also an empty one; the own image is the only right one.
    """
    captions, slots = entity.shape[1:]
    own = torch.eye(len(image), dtype=torch.bool, device=image.device).repeat_interleave(captions, 1)  # (b, b * k)
    total = image.sum() * 0
    for e in range(slots):
        texts, kinds = prompt[:, :, e].flatten(0, 1), entity[:, :, e].flatten()  # (b * k, d), (b * k,)
        right = own if count_empty else shows[:, kinds.clamp_min(0)] > 0  # (b, b * k)
        filled = torch.ones_like(kinds, dtype=torch.bool) if count_empty else kinds >= 0
        if filled.any():
            total = total + symmetric_info_nce(scale * image @ texts[filled].T, right[:, filled])
    return total / slots


def text_mask_loss(
    image: Tensor,
    text: Tensor,
    masked: Tensor,
    entity: Tensor,
    scale: Tensor,
    margin: float = 0.0,
    detached: bool = False,
) -> Tensor:
    """``L_mask = sum_e max(0, margin - (V'T - V'T_e))``: the caption above the caption with entity e hidden.

    Args:
        image: (b, d). text: (b, k, d). masked: (b, k, E, d). entity: (b, k, E), -1: an empty slot, which costs nothing.

    Returns:
        The sum over images and slots of the mean over the k captions.
    """
    whole, hidden = (image[:, None] * text).sum(-1), (image[:, None, None] * masked).sum(-1)  # (b, k), (b, k, E)
    better = whole[:, :, None].expand_as(hidden)
    return ranking_loss(better, hidden, entity >= 0, scale, margin, detached) / text.shape[1]


def object_loss(things: Tensor, prompt: Tensor, kind: Tensor, scale: Tensor) -> Tensor:
    """``L_da = CLIP(O, P_o)`` over the rows with an object; objects of one class are all right for its prompt.

    Args:
        things: (b, d) pictures of objects. prompt: (b, d). kind: (b,) class numbers, -1: no object.
    """
    there = kind >= 0
    if not there.any():
        return things.sum() * 0
    logits = scale * things[there] @ prompt[there].T
    return symmetric_info_nce(logits, same_instance(kind[there], kind[there]))


def object_mask_loss(
    things: Tensor,
    grey: Tensor,
    prompt: Tensor,
    kind: Tensor,
    scale: Tensor,
    margin: float = 0.0,
    detached: bool = False,
) -> Tensor:
    """``L_da-mask = sum max(0, margin - (O'P_o - O_o'P_o))``: the object above its place painted grey.

    Args:
        things, grey, prompt: (b, d) each. kind: (b,), -1: no object.
    """
    return ranking_loss((things * prompt).sum(-1), (grey * prompt).sum(-1), kind >= 0, scale, margin, detached)


def image_mask_loss(
    image: Tensor,
    grey: Tensor,
    text: Tensor,
    counts: Tensor,
    scale: Tensor,
    margin: float = 0.0,
    detached: bool = False,
) -> Tensor:
    """``L_vg-mask = sum max(0, margin - (V'T - V_e'T))``: the picture above the picture with entity e painted grey.

    Args:
        image, grey: (b, d). text: (b, k, d). counts: (b, k) bool, whether this caption names what is grey.

    Returns:
        The sum over images of the mean over the k captions.
    """
    better, worse = (image[:, None] * text).sum(-1), (grey[:, None] * text).sum(-1)  # (b, k)
    return ranking_loss(better, worse, counts, scale, margin, detached) / text.shape[1]
