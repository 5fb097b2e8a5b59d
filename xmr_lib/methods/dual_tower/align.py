"""ALIGN: a dual tower for captions of which many are wrong.

C. Jia et al. "Scaling Up Visual and Vision-Language Representation Learning With Noisy Text Supervision". ICML 2021.

Taxonomy: dual tower; one real-valued vector per item; no fusion but the dot product.

With unit vectors v_i, t_j, a learnable temperature sigma that starts at 1, and smoothing e = .1:

    L = CE_e(V T' / sigma, diagonal) + CE_e(T V' / sigma, diagonal)

CE_e moves a share e of the target from the right partner to all partners of the batch, evenly: no pair is trusted
fully, so a wrong caption pulls less. The target is then no longer certain, and the loss has a floor, its entropy
(:func:`smoothing_floor`): cosines can only differ by 2, so a sharper temperature stops paying early.

What differs from CLIP: the sum, not the mean, of both directions; sigma itself is learnt, not its logarithm; the text
is projected to the width of the image tower, the image not at all; EfficientNet and BERT with [CLS] as towers.

What differs here from the paper, which has no official code: AdamW for LAMB (made for batches of thousands), and other
captions of the same image are no negatives, as in :mod:`xmr_lib.methods.dual_tower.clip`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput
from xmr_lib.methods.towers import (
    COURSE_IMAGE,
    COURSE_TEXT,
    COURSE_TRAINING,
    SMOKE_IMAGE,
    SMOKE_TEXT,
    SMOKE_TRAINING,
    Settings,
    TowerMethod,
    TwoTowers,
)
from xmr_lib.nn.contrastive import symmetric_info_nce
from xmr_lib.training import Player

L7: Settings = {"kind": "efficientnet", "size": 289, "width_factor": 2.0, "depth_factor": 3.1}
BERT_LARGE: Settings = {"kind": "bert", "width": 1024, "layers": 24, "heads": 16}


class Sigma(nn.Module):
    """ALIGN's temperature, learnt as it is: the scale of the logits is 1 / sigma.

    Args:
        start: sigma at the start. minimum: Smallest sigma.

    Raises:
        InvalidInput: ``start`` is below the minimum.
    """

    def __init__(self, start: float = 1.0, minimum: float = 1e-3) -> None:
        super().__init__()
        if start < minimum:
            raise InvalidInput(f"The temperature must be at least {minimum}, but it is {start}. ALIGN starts at 1.")
        self.minimum, self.sigma = minimum, nn.Parameter(torch.tensor(float(start)))

    def forward(self) -> Tensor:
        """1 / sigma, a scalar. A step that went below the minimum is taken back."""
        with torch.no_grad():
            self.sigma.clamp_(min=self.minimum)
        return 1 / self.sigma


class AlignTowers(TwoTowers):
    """Both towers and the loss.

    Args:
        image, text, vocabulary, length: See :class:`xmr_lib.methods.towers.TwoTowers`.
        temperature: sigma at the start. smoothing: e.
    """

    def __init__(
        self, image: Settings, text: Settings, vocabulary: int, length: int, temperature: float, smoothing: float
    ) -> None:
        super().__init__(image, text, vocabulary, length, dim=None)
        self.text_projection = nn.Linear(self.text_tower.width, self.image_tower.width)
        self.temperature, self.smoothing = Sigma(temperature), smoothing

    def contrastive(self, image: Tensor, text: Tensor, instance: Tensor) -> Tensor:
        """The smoothed loss over the rows of all processes; see :meth:`TwoTowers.contrastive`."""
        logits, positive = self.gathered_logits(image, text, instance)
        return 2 * symmetric_info_nce(logits, positive, self.smoothing)


class ALIGN(TowerMethod):
    """A large-scale image and noisy-text embedding. The defaults are the paper's.

    Args:
        image, text: Settings of the towers, see :mod:`xmr_lib.nn.towers`. The common space has the width of the image
            tower.
        temperature: sigma at the start.
        smoothing: e, in [0, 1).
        epochs, batch_size, captions, lr, weight_decay, warm_up, seed: See
            :class:`xmr_lib.methods.dual_tower.clip.CLIP`; after warming up the learning rate falls in a straight line.

    Raises:
        InvalidInput: ``smoothing`` is outside [0, 1).
    """

    def __init__(
        self,
        image: Settings = L7,
        text: Settings = BERT_LARGE,
        temperature: float = 1.0,
        smoothing: float = 0.1,
        epochs: int = 11,
        batch_size: int = 16_384,
        captions: int = 1,
        lr: float = 1e-3,
        weight_decay: float = 1e-5,
        warm_up: float = 0.008,
        seed: int = 0,
    ) -> None:
        if not 0 <= smoothing < 1:
            raise InvalidInput(f"The smoothing is a share in [0, 1), not {smoothing}. ALIGN takes .1.")
        self.image, self.text = image, text
        self.temperature, self.smoothing = temperature, smoothing
        self.epochs, self.batch_size, self.captions = epochs, batch_size, captions
        self.lr, self.weight_decay, self.warm_up = lr, weight_decay, warm_up
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``course``: from scratch on ``scenes`` in two minutes; ``smoke``: one epoch of small towers.

        sigma starts where CLIP's does: from the paper's 1 it moves so little in so few steps that the towers hardly
        begin to learn. The text tower is CLIP's bag of words: in the same time a BERT of one layer hardly leaves
        chance.
        """
        if profile == "course":
            course = {"image": COURSE_IMAGE, "text": COURSE_TEXT, "temperature": 0.07, "epochs": 8}
            return {**course, **COURSE_TRAINING}
        if profile == "smoke":
            return {"image": SMOKE_IMAGE, "text": SMOKE_TEXT, "temperature": 0.07, **SMOKE_TRAINING}
        return {}

    @classmethod
    def from_pretrained(cls, name: str, **changes: Any) -> Self:
        """A fitted ALIGN from a checkpoint in the form of ``transformers``.

        Args:
            name: Hub name (``"kakaobrain/align-base"``) or folder.
            changes: Hyper-parameters for later training (``epochs=1, batch_size=64, lr=1e-5``).

        Raises:
            MissingData: Neither in the local cache nor to be downloaded.
            InvalidInput: No ALIGN, or of a form that is not known here.
        """
        from xmr_lib.methods.dual_tower.hub import read_align

        method: Self = read_align(cls, name, changes)
        return method

    def build(self, vocabulary: int, length: int) -> AlignTowers:
        """See :class:`xmr_lib.methods.towers.TowerMethod`."""
        return AlignTowers(self.image, self.text, vocabulary, length, self.temperature, self.smoothing)

    def players(self, network: Any) -> dict[str, Player]:
        """As in the other towers, but the learning rate falls in a straight line."""
        schedule = partial(warm_up_then_line, warm_up=self.warm_up)
        return {name: replace(player, schedule=schedule) for name, player in super().players(network).items()}


def warm_up_then_line(progress: float, warm_up: float) -> float:
    """Factor on the learning rate: up in a straight line, then down to 0 in another.

    Args:
        progress: 0..1. warm_up: Share of the training that it takes.
    """
    if progress < warm_up:
        return max(progress / warm_up, 0.01)
    return (1 - progress) / (1 - warm_up)


def smoothing_floor(candidates: int, smoothing: float) -> float:
    """The smallest value of a smoothed cross-entropy: the entropy of its target. L is at least twice this.

        H = -q ln q - (K - 1) (e/K) ln(e/K),    q = 1 - e + e/K

    Args:
        candidates: K, one right and K - 1 wrong partners. smoothing: e.

    Example: without smoothing a loss can reach 0; with .1 and 128 partners it cannot.
        >>> round(smoothing_floor(128, 0.0), 3), round(smoothing_floor(128, 0.1), 3)
        (0.0, 0.804)
    """
    rest = smoothing / candidates
    right = 1 - smoothing + rest
    wrong = (candidates - 1) * rest * math.log(rest) if rest else 0.0
    return -(right * math.log(right) + wrong) + 0.0  # + 0: no minus in front of a zero
