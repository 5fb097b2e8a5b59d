"""What the methods on pictures and sentences share: tokenizer, towers, training on batches, recall, storage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.caption_batches import CaptionBatches
from xmr_lib.data.hub_tokens import read_tokenizer
from xmr_lib.data.pixels import pixel_tensor
from xmr_lib.data.tokens import CaptionTokenizer
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import DualEncoder, Matrix
from xmr_lib.metrics import recall_at_k
from xmr_lib.nn.contrastive import Temperature, same_instance, symmetric_info_nce
from xmr_lib.nn.towers import Encoded, image_tower, text_tower
from xmr_lib.processes import gather_rows, seeded
from xmr_lib.training import History, Player, train

ENCODE_ROWS = 250

Settings = Mapping[str, Any]

COURSE_IMAGE: Settings = {"kind": "conv", "size": 96, "channels": [32, 64, 128], "layers": 1, "heads": 4, "ratio": 2}
COURSE_TEXT: Settings = {"kind": "bag", "width": 128, "hidden": 256}
"""The towers that learn most in two minutes on two cores (``benchmarks/clip_search.py``)."""

SMOKE_IMAGE: Settings = {"kind": "conv", "size": 96, "channels": [8, 16, 32], "layers": 1, "heads": 2, "ratio": 2}
SMOKE_TEXT: Settings = {"kind": "bag", "width": 32, "hidden": 32}

COURSE_TRAINING: Settings = {"batch_size": 128, "captions": 5, "lr": 2e-3, "weight_decay": 0.05, "warm_up": 0.03}
SMOKE_TRAINING: Settings = {"batch_size": 64, "captions": 2, "epochs": 1, "lr": 2e-3, "weight_decay": 0.05}


class TwoTowers(nn.Module):
    """An image tower and a text tower, projected into one space of unit vectors; the loss of CLIP.

    Args:
        image, text: Settings of the towers, see :mod:`xmr_lib.nn.towers`.
        vocabulary, length: Of the tokenizer.
        dim: d, of the common space. None: the width of the image tower, which is then not projected (ALIGN).
        temperature: At the start, see :class:`xmr_lib.nn.contrastive.Temperature`.
    """

    def __init__(
        self, image: Settings, text: Settings, vocabulary: int, length: int, dim: int | None, temperature: float = 0.07
    ) -> None:
        super().__init__()
        self.image_tower, self.text_tower = image_tower(image), text_tower(text, vocabulary, length)
        width = self.image_tower.width
        self.image_projection = nn.Identity() if dim is None else projection(width, dim)
        self.text_projection = projection(self.text_tower.width, dim or width)
        self.temperature: Any = Temperature(temperature)

    def embed_image(self, pixels: Tensor) -> Tensor:
        """(b, 3, h, w) uint8 -> (b, d), unit length."""
        return F.normalize(self.image_projection(self.image_tower.pooled(pixels)), dim=-1)

    def embed_text(self, text: Tensor) -> Tensor:
        """(b, length) int64 -> (b, d), unit length."""
        return F.normalize(self.text_projection(self.text_tower.pooled(text)), dim=-1)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """Loss terms on a batch of ``CaptionBatches``, see :mod:`xmr_lib.training`."""
        image = self.embed_image(batch["image"])  # (b, d)
        text = self.embed_text(batch["text"].flatten(0, 1))  # (b * k, d)
        return {"contrastive": self.contrastive(image, text, batch["instance"])}

    def contrastive(self, image: Tensor, text: Tensor, instance: Tensor) -> Tensor:
        """Symmetric InfoNCE over the rows of all processes.

        Args:
            image: (b, d). text: (b * k, d), the k captions of an image one after the other. instance: (b,).
        """
        logits, positive = self.gathered_logits(image, text, instance)
        return symmetric_info_nce(logits, positive)

    def gathered_logits(self, image: Tensor, text: Tensor, instance: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled cosines (B, B * k) of the rows of all processes, and which pairs are right (bool)."""
        captions = len(text) // len(image)
        image, instance = gather_rows(image), gather_rows(instance)  # (B, d), (B,)
        text = gather_rows(text.unflatten(0, (-1, captions))).flatten(0, 1)  # (B * k, d)
        positive = same_instance(instance, instance.repeat_interleave(captions))  # (B, B * k)
        return self.temperature() * image @ text.T, positive


def projection(width: int, dim: int) -> nn.Linear:
    """The linear map into the common space: no bias, CLIP's first weights."""
    layer = nn.Linear(width, dim, bias=False)
    nn.init.normal_(layer.weight, std=width**-0.5)
    return layer


class TowerMethod(DualEncoder):
    """Base of the methods that read pictures and sentences themselves (lessons 06 and 07).

    A subclass stores its hyper-parameters, among them those named below, and says how its network is built
    (:meth:`build`). The network has ``embed_image``, ``embed_text`` and ``forward`` as :class:`TwoTowers` has.

    Attributes:
        image: Settings of the image tower; ``image["size"]`` is the size of the pictures in pixels.
        version: Raise it when the same settings and data give other weights than before: it is part of the name of
            stored fits (:func:`xmr_lib.methods.stored.fit_or_load`).
        model_: The trained network. tokenizer_: A :class:`CaptionTokenizer`. history_: What happened, by epoch.
    """

    image: Settings
    text: Settings
    epochs: int
    batch_size: int
    captions: int
    lr: float
    weight_decay: float
    warm_up: float
    seed: int
    version: ClassVar[int] = 1
    betas: ClassVar[tuple[float, float]] = (0.9, 0.98)
    clip_gradient: ClassVar[float | None] = None
    model_: Any
    tokenizer_: CaptionTokenizer
    history_: History

    def build(self, vocabulary: int, length: int) -> nn.Module:
        """A network with fresh weights for a tokenizer of this size and texts of this length."""
        raise NotImplementedError

    def pixels(self, images: Any) -> Tensor:
        """Pictures as the image tower wants them: (n, 3, size, size) uint8, see :func:`xmr_lib.data.pixels.square`."""
        scaling = {key: self.image[key] for key in ("resize", "resample") if key in self.image}
        return pixel_tensor(images, self.image["size"], **scaling)

    def learn_tokenizer(self, captions: Any) -> CaptionTokenizer:
        """The tokenizer for these training captions. Default: their words."""
        return CaptionTokenizer.learn(captions)

    def prepare(self, network: Any, train: PairedDataset, pixels: Tensor, tokens: Tensor) -> None:
        """Called between building and training, with the training pairs. Default: nothing."""

    def batches(self, train: PairedDataset, pixels: Tensor, tokens: Tensor) -> Any:
        """Epoch number -> batches of that epoch."""
        return CaptionBatches(train, pixels, tokens, self.batch_size, self.captions, self.seed)

    def players(self, network: Any) -> dict[str, Player]:
        """Who trains what: one AdamW with warm-up and cosine; no weight decay on biases, norms and temperature."""
        free = [p for p in network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in free if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in free if p.ndim < 2], "weight_decay": 0.0},
        ]
        schedule = partial(warm_up_then_cosine, warm_up=self.warm_up)
        return {"all": Player(groups, self.lr, self.betas, clip=self.clip_gradient, schedule=schedule)}

    def watch(self, validation: PairedDataset) -> dict[str, float]:
        """Numbers to write down after every epoch (``history_.watched``). Default: none."""
        return {}

    def fit(
        self,
        train: PairedDataset,
        validation: PairedDataset | None = None,
        *,
        start: TowerMethod | None = None,
        **options: Any,
    ) -> Self:
        """Train on pictures and captions; what was learnt before is forgotten.

        Args:
            train: Pairs; every image has at least one caption. Labels are not looked at.
            validation: Scored after every epoch (R@1, mean of both directions); the weights of the best epoch are kept.
            start: A fitted method whose towers are the first weights (what has the same name and shape is taken over),
                and whose tokenizer is used. Default: from scratch.
            options: ``device``, ``precision`` and ``checkpoint`` as of :func:`xmr_lib.training.train`.

        Raises:
            InvalidInput: Features instead of pictures, an image without caption, or a checkpoint of another run.
            TrainingDiverged: A loss became NaN or infinite. The method is then unfitted.
        """
        check_pictures(train, self.name)
        if start is not None:
            start._check_fitted()
        pixels = self.pixels(train.images)
        try:
            self.tokenizer_ = self.learn_tokenizer(train.captions) if start is None else start.tokenizer_
            tokens = self.tokenizer_.encode(train.captions)
            self.model_ = network = self._fresh_network()
            if start is not None:
                take_over(network, start)
            self.prepare(network, train, pixels, tokens)
            check = None if validation is None else self._validation(validation)
            self.history_ = self._train(network, self.batches(train, pixels, tokens), check, validation, options)
        except BaseException:  # also an interrupt from the keyboard: half-trained weights are nobody's result
            for key in [key for key in vars(self) if key.endswith("_") and not key.startswith("_")]:
                delattr(self, key)
            raise
        return self

    def _fresh_network(self) -> Any:
        """The network with weights drawn from ``seed``; global random numbers stay as they are."""
        with seeded(self.seed):
            return self.build(self.tokenizer_.size, self.tokenizer_.length)

    def _train(self, network: Any, batches: Any, check: Any, validation: Any, options: Mapping[str, Any]) -> History:
        return train(
            network,
            batches,
            self.players(network),
            epochs=self.epochs,
            validate=check,
            watch=None if validation is None else lambda: self.watch(validation),
            seed=self.seed,
            settings=self.get_params(),
            description=self.name,
            **options,
        )

    def _validation(self, validation: PairedDataset) -> Any:
        """A function that scores the network on these pairs; pictures and captions are prepared once."""
        check_pictures(validation, self.name)
        pixels = self.pixels(validation.images)
        right = same_instance(
            torch.from_numpy(np.asarray(validation.instances)), torch.from_numpy(validation.caption_instances)
        ).numpy()

        def score() -> float:
            i2t, t2i = self.rankings(pixels, validation.captions)
            return float(recall_at_k(i2t, right, 1) + recall_at_k(t2i, right.T, 1)) / 2

        return score

    def encode_image(self, images: Any) -> Matrix:
        """n pictures (PIL, or uint8 pixels (n, 3, size, size)) -> (n, d) float32 embeddings of unit length."""
        self._check_fitted()
        return self._in_parts(self.model_.embed_image, self.pixels(images))

    def encode_text(self, texts: Any) -> Matrix:
        """m sentences -> (m, d) float32 embeddings of unit length."""
        self._check_fitted()
        return self._in_parts(self.model_.embed_text, self.tokenizer_.encode(texts))

    def image_tokens(self, images: Any) -> Encoded:
        """What the image tower says about n pictures, before the projection: tokens (n, t, w), mask, pooled (n, w)."""
        self._check_fitted()
        return self._encoded(self.model_.image_tower, self.pixels(images))

    def text_tokens(self, texts: Any) -> Encoded:
        """What the text tower says about m sentences, before the projection: tokens (m, t, w), mask, pooled (m, w)."""
        self._check_fitted()
        return self._encoded(self.model_.text_tower, self.tokenizer_.encode(texts))

    def _encoded(self, tower: Any, inputs: Tensor) -> Encoded:
        device = next(self.model_.parameters()).device
        with torch.inference_mode():
            return Encoded(*(part.cpu() for part in tower(inputs.to(device))))

    def _in_parts(self, function: Any, inputs: Tensor) -> Matrix:
        """``function`` on a few hundred rows at a time, without gradients, as one array."""
        device = next(self.model_.parameters()).device
        with torch.inference_mode():
            parts = [function(rows.to(device)).float().cpu().numpy() for rows in inputs.split(ENCODE_ROWS)]
        return np.concatenate(parts)

    def _state(self) -> tuple[dict[str, Any], dict[str, Matrix]]:
        """What :mod:`xmr_lib.methods.storage` stores: plain values and arrays."""
        arrays = {name: tensor.cpu().numpy() for name, tensor in self.model_.state_dict().items()}
        values = {"tokenizer": self.tokenizer_.to_json(), "length": self.tokenizer_.length}
        return values | {"history_": vars(self.history_)}, arrays

    def _set_state(self, values: Mapping[str, Any], arrays: Mapping[str, Matrix]) -> None:
        self.tokenizer_ = read_tokenizer(values["tokenizer"], values["length"])
        self.history_ = History(**values["history_"])
        self.model_ = self._fresh_network()
        self.model_.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        self.model_.eval()


def warm_up_then_cosine(progress: float, warm_up: float = 0.03) -> float:
    """Factor on the learning rate: up in a straight line, then down to 0 along a cosine.

    Args:
        progress: 0..1. warm_up: Share of the training that it takes.
    """
    if progress < warm_up:
        return max(progress / warm_up, 0.01)
    return (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))) / 2


def take_over(network: nn.Module, start: TowerMethod) -> list[str]:
    """Copy what has the same name and shape in the network of ``start``; the names that were copied.

    Raises:
        InvalidInput: Nothing fits, or not every weight of the two towers does.
    """
    own, theirs = network.state_dict(), start.model_.state_dict()
    fits = {name: value for name, value in theirs.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name.startswith(("image_tower.", "text_tower.")) and name not in fits]
    if missing:
        raise InvalidInput(
            f"The towers of this {start.name} do not fit: {missing[0]} is absent or of another size. Start from a "
            "method with the same image and text settings."
        )
    network.load_state_dict(fits, strict=False)
    return list(fits)


def check_pictures(data: Any, name: str) -> None:
    """Refuse features where pictures are wanted."""
    if not isinstance(data, PairedDataset):
        raise InvalidInput(
            f"{name} reads pictures and sentences, so it wants a PairedDataset such as load_dataset('scenes'), not a "
            f"{type(data).__name__}."
        )
