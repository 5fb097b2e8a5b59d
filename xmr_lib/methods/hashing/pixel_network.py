"""A hashing network on top of two towers that read pictures and sentences: what :class:`FromPixels` trains.

The hashing network stays as it is. Where its loss asks for the features of a batch, the towers compute them from the
pixels and tokens of the same pairs, with a gradient if it is the turn of a player that trains that tower.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.dual_tower.align import ALIGN
from xmr_lib.methods.dual_tower.clip import CLIP
from xmr_lib.methods.dual_tower.hub import open_tower
from xmr_lib.methods.hashing.alternating import SIDES
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.methods.neural import FeatureNetwork
from xmr_lib.methods.towers import TowerMethod, TwoTowers
from xmr_lib.players import History, Player
from xmr_lib.processes import Batch

TOWERS = (CLIP, ALIGN)


class Inputs(NamedTuple):
    """What the towers read: row i of both is one pair."""

    image: Tensor  # (n, 3, h, w) uint8
    text: Tensor  # (n, length) int64


def inputs_of(towers: TowerMethod, data: PairedDataset) -> Inputs:
    """Pixels and tokens as these towers read them."""
    return Inputs(towers.pixels(data.images), towers.tokenizer_.encode(data.captions))


def first_towers(start: TowerMethod | str | None, fresh: CLIP, captions: Sequence[str]) -> TowerMethod:
    """The towers that training begins with.

    Args:
        start: A fitted CLIP or ALIGN, which is copied, or its name (:func:`xmr_lib.methods.dual_tower.hub.open_tower`).
            None: ``fresh``.
        fresh: An unfitted CLIP. It gets a tokenizer for the words of ``captions``, and random weights.

    Raises:
        InvalidInput: Another kind of start, or an unfitted one. MissingData: Nothing of that name.
    """
    if start is None:
        fresh.tokenizer_ = fresh.learn_tokenizer(captions)
        fresh.model_, fresh.history_ = fresh._fresh_network().eval(), History()
        return fresh
    found = open_tower(start) if isinstance(start, str) else start
    if not isinstance(found, TOWERS):
        raise InvalidInput(f"start must be a fitted CLIP or ALIGN, or the name of one, not a {type(found).__name__}.")
    found._check_fitted()
    return deepcopy(found)


def tower_features(towers: TwoTowers, side: str, rows: Tensor) -> Tensor:
    """Projected, but not normalised, as the released code of DCHMT and DSPH takes them from CLIP.

    Args:
        towers: Of a dual tower. side: ``"image"`` or ``"text"``.
        rows: (b, 3, h, w) uint8 pixels, or (b, length) int64 tokens.

    Returns:
        (b, d). Divided by their length they are ``embed_image`` or ``embed_text`` of the dual tower.
    """
    if side == "image":
        features: Tensor = towers.image_projection(towers.image_tower.pooled(rows))
    else:
        features = towers.text_projection(towers.text_tower.pooled(rows))
    return features


def dataset_features(towers: TowerMethod, inputs: Inputs, data: Any) -> PairedFeatures:
    """The features of n pairs by the towers as they are, in evaluation mode, with the labels of ``data``."""
    image, text = (
        towers._in_parts(lambda rows, side=side: tower_features(towers.model_, side, rows), getattr(inputs, side))
        for side in SIDES
    )
    return PairedFeatures(image, text, labels=data.labels, class_names=data.class_names, name=data.name)


class PixelNetwork(FeatureNetwork):
    """A hashing network, and the towers that make its features.

    Everything that is asked of it and that it lacks (memories, codes, towers on features), the hashing network has.

    Args:
        network: Reads ``image`` (b, d_i) and ``text`` (b, d_t) of a batch. towers: Make them.
        inputs: Pixels and tokens of the training pairs. They stay on the CPU; rows go to the device of the batch.

    Attributes:
        moved: Player -> sides whose towers it trains. A player that is not listed gets the features of the batch.
    """

    def __init__(self, network: FeatureNetwork, towers: TwoTowers, inputs: Inputs) -> None:
        super().__init__()
        self.network, self.towers, self.inputs = network, towers, inputs
        self.moved: dict[str, Collection[str]] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)

    def features(self, side: str, pairs: Tensor) -> Tensor:
        """(b,) numbers of training pairs -> (b, d) features of one side, by the towers as they are now."""
        rows: Tensor = getattr(self.inputs, side)[pairs.cpu()]
        return tower_features(self.towers, side, rows.to(pairs.device))

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Of the hashing network: from the features that training starts with."""
        self.network.learn_scaling(image, text)

    def forward(self, batch: Batch, player: str, progress: float) -> dict[str, Tensor]:
        """Loss terms of ``player`` on a batch with ``image_index``."""
        if player in self.moved:
            batch = CurrentFeatures(batch, self, self.moved[player])
        terms: dict[str, Tensor] = self.network(batch, player, progress)
        return terms

    def after_epoch(self, progress: float) -> None:
        """Of the hashing network."""
        self.network.after_epoch(progress)

    def watch(self) -> dict[str, float]:
        """Of the hashing network."""
        return self.network.watch()


class CurrentFeatures(dict[str, Tensor]):
    """A batch whose ``image`` and ``text`` are computed when a loss asks for them, and only then.

    The image pass of DCMH never runs the text tower, for example.
    """

    def __init__(self, batch: Mapping[str, Tensor], network: PixelNetwork, moved: Collection[str]) -> None:
        super().__init__({key: value for key, value in batch.items() if key not in SIDES})
        self.network, self.moved = network, moved

    def __missing__(self, side: str) -> Tensor:
        if side not in SIDES:
            raise KeyError(side)
        with torch.set_grad_enabled(side in self.moved):
            rows = self[side] = self.network.features(side, self["image_index"])  # (b, d)
        return rows


class OnTowers(NeuralHashing):
    """What a hashing method does otherwise while its towers learn; :func:`on_towers` puts it in front of its class.

    Attributes:
        towers: They learn. train_inputs, check_inputs: Pixels and tokens of training and validation pairs.
        tower_rate: Player -> learning rate of the towers it trains; None: no tower moves.
    """

    towers: TowerMethod
    train_inputs: Inputs
    check_inputs: Inputs | None
    tower_rate: Any

    def _fresh_network(self) -> FeatureNetwork:
        return PixelNetwork(super()._fresh_network(), self.towers.model_, self.train_inputs)

    def players(self, network: Any) -> dict[str, Player]:
        """Who trains a part of the hashing network's image tower also trains the image tower, and so for text."""
        found = {}
        for name, player in super().players(network.network).items():
            owned = {id(weight) for weight in player.weights}
            sides = [
                side for side in SIDES if any(id(p) in owned for p in getattr(network, f"{side}_tower").parameters())
            ]
            found[name] = player
            if self.tower_rate is not None:
                network.moved[name] = sides
                found[name] = self._with_towers(player, sides)
        return found

    def _with_towers(self, player: Player, sides: Collection[str]) -> Player:
        net = self.towers.model_
        parts = [part for side in sides for part in (getattr(net, f"{side}_tower"), getattr(net, f"{side}_projection"))]
        weights = [weight for part in parts for weight in part.parameters()]
        if not weights:
            return player
        entries = list(player.parameters)
        groups = entries if isinstance(entries[0], dict) else [{"params": entries}]
        return replace(player, parameters=[*groups, {"params": weights, "lr": self.tower_rate(player)}])

    def _validation_map(self, data: PairedFeatures) -> float:
        return super()._validation_map(self._as_now(data))

    def watch(self, validation: PairedFeatures) -> dict[str, float]:
        """As the method, on the features of the validation pairs by the towers as they are now."""
        return super().watch(self._as_now(validation))

    def _as_now(self, data: PairedFeatures) -> PairedFeatures:
        if self.tower_rate is None or self.check_inputs is None:
            return data
        return dataset_features(self.towers, self.check_inputs, data)


def on_towers(
    method: NeuralHashing, towers: TowerMethod, train_inputs: Inputs, check_inputs: Inputs | None, tower_rate: Any
) -> NeuralHashing:
    """An unfitted copy of ``method`` whose ``fit`` on features also trains the towers that made them."""
    cls = type(method)
    copy: Any = type(cls.__name__, (OnTowers, cls), {})(**method.get_params())
    copy.towers, copy.train_inputs, copy.check_inputs, copy.tower_rate = towers, train_inputs, check_inputs, tower_rate
    fittable: NeuralHashing = copy
    return fittable
