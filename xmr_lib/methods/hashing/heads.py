"""Two hashing heads on frozen features, and how they are trained: what DCHMT and DSPH share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from torch import nn

from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork
from xmr_lib.methods.towers import warm_up_then_cosine
from xmr_lib.nn import Standardise
from xmr_lib.training import Player


class HashHeads(FeatureNetwork):
    """One head per modality, with or without scaling of the features in front.

    Args:
        d_image, d_text: Columns of the features.
        head: Columns of its input -> a fresh head.
        standardise: Scale every feature to mean 0 and deviation 1 of the training pairs.
    """

    def __init__(self, d_image: int, d_text: int, head: Callable[[int], nn.Module], standardise: bool) -> None:
        super().__init__()
        scaling = Standardise if standardise else nn.Identity
        self.image_tower = nn.Sequential(scaling(d_image), head(d_image))
        self.text_tower = nn.Sequential(scaling(d_text), head(d_text))

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features."""
        for tower, rows in ((self.image_tower, image), (self.text_tower, text)):
            if isinstance(tower[0], Standardise):  # type: ignore[index]
                tower[0].learn(rows)  # type: ignore[index]


def clip_style_adam(parameters: Iterable[Any], lr: float, weight_decay: float, warm_up: float) -> Player:
    """The optimiser of both papers: Adam with betas .9 and .98, decoupled weight decay, warm-up, cosine.

    The released code (BertAdam) also clips the gradient of every weight matrix at norm 1; here it is one norm for all.

    Args:
        parameters: Weights or groups of them. lr: Highest learning rate. weight_decay: Decoupled.
        warm_up: Share of the training, 0..1.
    """
    schedule = partial(warm_up_then_cosine, warm_up=warm_up)
    return Player(parameters, lr, (0.9, 0.98), weight_decay, clip=1.0, schedule=schedule)
