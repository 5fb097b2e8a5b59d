"""CLIP: two towers, trained so that every picture finds its sentence among those of the batch.

A. Radford et al. "Learning Transferable Visual Models From Natural Language Supervision". ICML 2021.

Taxonomy: dual tower; one real-valued vector per item; no fusion but the dot product.

With unit vectors v_i, t_j and a learnable scale s = 1 / tau, at most 100:

    L = 1/2 [ CE(s V T', diagonal) + CE(s T V', diagonal) ]

What differs here. A batch may hold several captions of an image; each is a right pair, and the other captions of the
same image are left out of its negatives (:func:`xmr_lib.nn.contrastive.pair_losses`). With one caption per image this
is the paper's loss. The ``course`` towers are the ones that learn most in two minutes on two cores: convolutions with
one transformer block, and a bag of words. AdamW with warm-up and cosine as in the paper.
"""

from __future__ import annotations

from typing import Any, Self

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

VIT_B_32: Settings = {"kind": "vit", "size": 224, "patch": 32, "width": 768, "layers": 12, "heads": 12}
TEXT_BASE: Settings = {"kind": "transformer", "width": 512, "layers": 12, "heads": 8}


class CLIP(TowerMethod):
    """Contrastive language-image pre-training. The defaults are the paper's ViT-B/32.

    Args:
        image, text: Settings of the towers, see :mod:`xmr_lib.nn.towers`.
        dim: Dimensions of the common space.
        temperature: tau at the start.
        learn_temperature: False keeps it there.
        epochs: Passes over the training images.
        batch_size: Images per step. Every other image of the batch is a negative.
        captions: Captions per image and step.
        lr, weight_decay: Of AdamW.
        warm_up: Share of the training in which the learning rate rises.
        seed: First weights, order of the images, choice of the captions.
    """

    def __init__(
        self,
        image: Settings = VIT_B_32,
        text: Settings = TEXT_BASE,
        dim: int = 512,
        temperature: float = 0.07,
        learn_temperature: bool = True,
        epochs: int = 32,
        batch_size: int = 32_768,
        captions: int = 1,
        lr: float = 5e-4,
        weight_decay: float = 0.2,
        warm_up: float = 0.005,
        seed: int = 0,
    ) -> None:
        self.image, self.text, self.dim = image, text, dim
        self.temperature, self.learn_temperature = temperature, learn_temperature
        self.epochs, self.batch_size, self.captions = epochs, batch_size, captions
        self.lr, self.weight_decay, self.warm_up = lr, weight_decay, warm_up
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``course``: from scratch on ``scenes`` in two minutes; ``smoke``: one epoch of small towers."""
        if profile == "course":
            return {"image": COURSE_IMAGE, "text": COURSE_TEXT, "dim": 128, "epochs": 16, **COURSE_TRAINING}
        if profile == "smoke":
            return {"image": SMOKE_IMAGE, "text": SMOKE_TEXT, "dim": 32, **SMOKE_TRAINING}
        return {}

    @classmethod
    def from_pretrained(cls, name: str, **changes: Any) -> Self:
        """A fitted CLIP from a checkpoint in the form of ``transformers``.

        Args:
            name: Hub name (``"openai/clip-vit-base-patch32"``) or folder.
            changes: Hyper-parameters for later training (``epochs=1, batch_size=64, lr=1e-5``).

        Raises:
            MissingData: Neither in the local cache nor to be downloaded.
            InvalidInput: No CLIP, or of a form that is not known here.
        """
        from xmr_lib.methods.dual_tower.hub import read_clip

        method: Self = read_clip(cls, name, changes)
        return method

    def build(self, vocabulary: int, length: int) -> TwoTowers:
        """See :class:`xmr_lib.methods.towers.TowerMethod`."""
        network = TwoTowers(self.image, self.text, vocabulary, length, self.dim, self.temperature)
        network.temperature.log_scale.requires_grad_(self.learn_temperature)
        return network
