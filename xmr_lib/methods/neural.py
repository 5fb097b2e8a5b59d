"""What the neural dual encoders on features share: build a network, train it on pairs, keep the best, store it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from xmr_lib.data.base import PairedFeatures
from xmr_lib.data.batches import PairBatches
from xmr_lib.data.labels import single_classes
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import DualEncoder, Matrix
from xmr_lib.metrics import mean_average_precision, relevance_from_labels
from xmr_lib.processes import seeded
from xmr_lib.training import Batch, History, Player, Turns, train

ENCODE_ROWS = 4096


class FeatureNetwork(nn.Module):
    """A network with two towers and a loss: ``forward(batch, player, progress)`` (see :mod:`xmr_lib.training`).

    Attributes:
        image_tower: (b, d_i) -> (b, d). text_tower: (b, d_t) -> (b, d).
    """

    image_tower: nn.Module
    text_tower: nn.Module

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Look at the training rows before training, for example to standardise features. Default: nothing."""

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """Loss terms of ``player`` on a batch of ``PairBatches``, at a progress of 0..1."""
        raise NotImplementedError

    def after_epoch(self, progress: float) -> None:
        """What changes between epochs, and not by gradient. Default: nothing."""

    def watch(self) -> dict[str, float]:
        """Numbers about the training to write down after every epoch (``history_.watched``). Default: none."""
        return {}


class NeuralDualEncoder(DualEncoder):
    """Base of the supervised methods of lessons 03 to 05.

    A subclass stores its hyper-parameters, among them ``epochs``, ``batch_size``, ``lr``, ``patience`` and ``seed``,
    and says how the network is built (:meth:`build`) and who plays (:meth:`players`, :meth:`turns`).

    Attributes:
        model_: The trained :class:`FeatureNetwork`.
        history_: Losses and validation MAP by epoch.
        sizes_: ``{"d_image": ..., "d_text": ..., "n_classes": ...}`` of the training data.
    """

    epochs: int
    batch_size: int
    lr: float
    patience: int | None
    seed: int
    shuffle: bool = True
    model_: FeatureNetwork
    history_: History
    sizes_: dict[str, int]
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": 3}

    def build(self, d_image: int, d_text: int, n_classes: int) -> FeatureNetwork:
        """A network with fresh weights for features of these sizes (see :meth:`sizes`)."""
        raise NotImplementedError

    def players(self, network: Any) -> dict[str, Player]:
        """Who trains what. Default: one player with all parameters."""
        return {"all": Player([p for p in network.parameters() if p.requires_grad], self.lr)}

    def turns(self) -> Turns | None:
        """The order of play within a batch, as in :func:`xmr_lib.training.train`. Default: each player once."""
        return None

    def batches(self, train: PairedFeatures) -> PairBatches:
        """The training pairs, checked, in batches. Default: with one class per image."""
        return PairBatches(train, self.batch_size, self.seed, single_classes(train, self.name), self.shuffle)

    def sizes(self, train: PairedFeatures) -> dict[str, int]:
        """What :meth:`build` must know of the training data."""
        n_classes = 0 if train.labels is None else train.labels.shape[1]
        return {"d_image": train.image.shape[1], "d_text": train.text.shape[1], "n_classes": n_classes}

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None, **options: Any) -> Self:
        """Train on the pairs and classes of ``train``; what was learnt before is forgotten.

        Args:
            train: Pairs with exactly one class per image.
            validation: Scored after every epoch (category MAP, mean of both directions); the weights of the best epoch
                are kept, and training stops after ``patience`` epochs without a better one. Without it training runs
                all its epochs and keeps the last weights.
            options: ``device``, ``precision`` and ``checkpoint`` as of :func:`xmr_lib.training.train`.

        Raises:
            InvalidInput: No labels, several classes per image, one class in all, an image without caption, validation
                pairs without labels or of another size, or a checkpoint of another run.
            TrainingDiverged: A loss became NaN or infinite. The method is then unfitted.
        """
        batches = self.batches(train)
        sizes = self.sizes(train)
        check = None
        if validation is not None:
            check = _validation_pairs(validation, sizes["d_image"], sizes["d_text"], self.seed)
        try:
            self.sizes_ = sizes
            self.model_ = network = self._fresh_network()
            network.learn_scaling(train.image, train.text)
            self._prepare(train)
            self.history_ = self._train(network, batches, check, **options)
        except BaseException:  # also an interrupt from the keyboard: half-trained weights are nobody's result
            self._forget()
            raise
        return self

    def _forget(self) -> None:
        """Unfitted again."""
        for key in [key for key in vars(self) if key.endswith("_") and not key.startswith("_")]:
            delattr(self, key)

    def _fresh_network(self) -> FeatureNetwork:
        """The network with weights drawn from ``seed``; global random numbers stay as they are."""
        with seeded(self.seed):
            return self.build(**self.sizes_)

    def _prepare(self, train: PairedFeatures) -> None:
        """Called between building and training. Default: nothing."""

    def _train(
        self,
        network: FeatureNetwork,
        batches: Callable[[int], Iterable[Batch]],
        check: PairedFeatures | None,
        **options: Any,
    ) -> History:
        return train(
            network,
            batches,
            self.players(network),
            epochs=self.epochs,
            turns=self.turns(),
            after_epoch=network.after_epoch,
            validate=None if check is None else lambda: self._validation_map(check),
            patience=None if check is None else self.patience,
            watch=lambda: {**network.watch(), **({} if check is None else self.watch(check))},
            seed=self.seed,
            settings=self.get_params(),
            description=self.name,
            **options,
        )

    def watch(self, validation: PairedFeatures) -> dict[str, float]:
        """Numbers about the validation pairs to write down after every epoch (``history_.watched``). Default: none."""
        return {}

    def _validation_map(self, data: PairedFeatures) -> float:
        similarity = self.similarity(data.image, data.text)
        relevant = relevance_from_labels(data.labels, data.caption_labels)
        image_query = mean_average_precision(similarity, relevant)
        return float(image_query + mean_average_precision(similarity.T, relevant.T)) / 2

    def encode_image(self, images: Any) -> Matrix:
        """(n, d_i) image features -> (n, d) float32 embeddings."""
        self._check_fitted()
        return self._encode(images, "image")

    def encode_text(self, texts: Any) -> Matrix:
        """(m, d_t) text features -> (m, d) float32 embeddings."""
        self._check_fitted()
        return self._encode(texts, "text")

    def _encode(self, features: Any, side: str) -> Matrix:
        matrix = np.asarray(features, dtype=np.float32)
        d = self.sizes_[f"d_{side}"]
        if matrix.ndim != 2 or matrix.shape[1] != d:
            raise InvalidInput(
                f"The {side} features must have shape (rows, {d}) as in training, but it is {matrix.shape}."
            )
        if not np.isfinite(matrix).all():
            raise InvalidInput(f"The {side} features hold NaN or infinity. Drop those rows or mend the encoder.")
        tower = self.model_.image_tower if side == "image" else self.model_.text_tower
        device = next(self.model_.parameters()).device
        with torch.inference_mode():
            parts = [tower(rows.to(device)).cpu() for rows in torch.from_numpy(matrix).split(ENCODE_ROWS)]
        return np.concatenate([part.numpy() for part in parts])

    def _state(self) -> tuple[dict[str, Any], dict[str, Matrix]]:
        """What :mod:`xmr_lib.methods.storage` stores: plain values and arrays."""
        arrays = {name: tensor.cpu().numpy() for name, tensor in self.model_.state_dict().items()}
        return {"sizes_": self.sizes_, "history_": vars(self.history_)}, arrays

    def _set_state(self, values: Mapping[str, Any], arrays: Mapping[str, Matrix]) -> None:
        self.sizes_, self.history_ = dict(values["sizes_"]), History(**values["history_"])
        self.model_ = self._fresh_network()
        self.model_.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        self.model_.eval()


def _validation_pairs(data: PairedFeatures, d_image: int, d_text: int, seed: int) -> PairedFeatures:
    """Validation pairs, checked before the first epoch; one fixed caption each, so that a score stays cheap."""
    if data.labels is None:
        raise InvalidInput("The validation pairs have no labels, so there is no MAP on them. Pass labelled ones.")
    if (data.image.shape[1], data.text.shape[1]) != (d_image, d_text):
        raise InvalidInput(
            f"The validation features have {data.image.shape[1]} and {data.text.shape[1]} columns, but the training "
            f"features {d_image} and {d_text}. Encode both with the same encoders."
        )
    if data.n_captions <= data.n_images:
        return data
    batch = next(iter(PairBatches(data, data.n_images, seed, shuffle=False)(0)))
    return PairedFeatures(data.image, batch["text"].numpy(), None, None, data.labels, data.class_names, data.name)
