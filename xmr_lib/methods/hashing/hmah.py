"""HMAH: hierarchical message aggregation hashing, a teacher with labels and two students without.

W. Tan, L. Zhu, J. Li, H. Zhang, J. Han. "Teacher-Student Learning: Efficient Hierarchical Message Aggregation Hashing
for Cross-Modal Retrieval". IEEE Transactions on Multimedia 2022.

Taxonomy: dual encoders (the students), binary, supervised by labels, graph convolution and an adversarial prior in the
teacher, fused codes for the database.

Teacher. In a batch A = 2 sigmoid(L L^T) - 1. The code h has four parts of K/4 bits, each one graph convolution: images
among images, images with texts, texts among texts, texts with images. It minimises

    100 mean (cos(h_i, h_j) - A_ij)^2 + 0.001 mean (h - sgn h)^2 + mean (D(h) - 1)^2

against D, a least-squares discriminator that tells h from draws of N(0, I); one step of D, five of the teacher. It
needs labels, so it codes training pairs only.

Students. h_v, h_t from one modality each, f = w h_v + (1 - w) h_t. With B = sgn(h) and g(z) the cosines of the rows:

    mse(h_v, B) + mse(h_t, B) + mse(f, B)
      + mse(g(h_v), g(image half of h)) + mse(g(h_t), g(text half of h)) + mse(g(f), g(h)) + mse(cos(h_v, h_t), g(h))

Two databases. The released code compares the code of a query, from one modality, with sgn(f) of database items, from
both (``encode_pairs``, protocol "fused"). That is easier than cross-modal hashing; the strict protocol is here too.

Released code and this one. Layers, weights of the losses and rates are those of the released code as we know it, with
these differences. The students there see the batches in the order in which the teacher coded them; here the teacher's
codes are kept by row and students shuffle (``shuffle=False``: as there). The teacher codes without dropout and without
keeping gradients. "Row-normalised Gram matrix" is read as the cosines of the rows. The text towers begin with word
vectors there, with random weights here. The rate of w, a hundredth of the others', hardly moves it from .5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, check_positive
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.hashing.base import Codes, binary_codes, check_bits
from xmr_lib.methods.hashing.hmah_network import HMAHNetwork, fuse
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.methods.neural import FeatureNetwork
from xmr_lib.players import History, Player
from xmr_lib.training import train as run

TEACHER_STEPS = 5


class HMAH(NeuralHashing):
    """Hierarchical message aggregation hashing.

    Args:
        bits: Length of the codes, a multiple of 4.
        d_common: Columns of what goes into the graph convolutions.
        image_hidden, text_hidden: Hidden sizes of the teacher's towers.
        student_image_hidden, student_text_hidden: Hidden sizes of the students.
        dropout: Before the graph convolutions.
        affinity_weight, quantisation_weight, prior_weight: Of the teacher's losses; without the prior D has no part.
        graphs: False: every item listens to itself only, in all four parts.
        distil: False: the students learn the signs only, not the cosines.
        embedding_rate, fusion_rate: Factors on the learning rate of the first text layer and of w.
        freeze_after: Epochs of the students after which batch norm keeps its statistics; None: never.
        standardise: Scale every input feature to mean 0 and deviation 1 of the training pairs.
        teacher_epochs, epochs: Of the teacher, of the students.
        batch_size, lr: Adam.
        shuffle: False: the students see the pairs in the order of the data.
        patience: Epochs of the students without a better validation MAP before training stops; None: never.
        seed: Weights, dropout, draws of the prior, batches.

    Attributes:
        unified_codes_: (n, bits) int8 codes that the teacher gave the training pairs; it saw their labels.
        history_: Of the students. teacher_history_: Of teacher and discriminator.
    """

    teacher_history_: History

    def __init__(
        self,
        bits: int = 16,
        d_common: int = 512,
        image_hidden: Sequence[int] = (2048, 1024),
        text_hidden: Sequence[int] = (300, 512),
        student_image_hidden: Sequence[int] = (2048, 512),
        student_text_hidden: Sequence[int] = (300, 512),
        dropout: float = 0.5,
        affinity_weight: float = 100.0,
        quantisation_weight: float = 1e-3,
        prior_weight: float = 1.0,
        graphs: bool = True,
        distil: bool = True,
        embedding_rate: float = 10.0,
        fusion_rate: float = 0.01,
        freeze_after: int | None = 5,
        standardise: bool = False,
        teacher_epochs: int = 20,
        epochs: int = 20,
        batch_size: int = 1024,
        lr: float = 1e-4,
        shuffle: bool = True,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.d_common = d_common
        self.image_hidden = image_hidden
        self.text_hidden = text_hidden
        self.student_image_hidden = student_image_hidden
        self.student_text_hidden = student_text_hidden
        self.dropout = dropout
        self.affinity_weight = affinity_weight
        self.quantisation_weight = quantisation_weight
        self.prior_weight = prior_weight
        self.graphs = graphs
        self.distil = distil
        self.embedding_rate = embedding_rate
        self.fusion_rate = fusion_rate
        self.freeze_after = freeze_after
        self.standardise = standardise
        self.teacher_epochs = teacher_epochs
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.shuffle = shuffle
        self.patience = patience
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``: small towers, larger steps. ``smoke``: the same for a few epochs.

        ``course`` is one setting for all lengths, chosen by validation MAP on scenes (one seed). Scaling every feature
        costs there, and so do small batches: of 80 classes, few pairs of a small batch share one.
        """
        if profile == "paper":
            return {}
        course: dict[str, Any] = {"d_common": 128, "image_hidden": (256,), "text_hidden": (256,), "batch_size": 512}
        course |= {"student_image_hidden": (256,), "student_text_hidden": (256,), "embedding_rate": 1.0, "lr": 3e-3}
        epochs = {"teacher_epochs": 2, "epochs": 2} if profile == "smoke" else {"teacher_epochs": 15, "epochs": 15}
        return course | epochs

    @property
    def teacher_codes_(self) -> Codes:
        """The same as ``unified_codes_``."""
        return self.unified_codes_

    def build(self, d_image: int, d_text: int, n_classes: int) -> HMAHNetwork:
        """All networks with fresh weights for features of these sizes."""
        check_bits(self.bits, multiple_of=4)
        check_positive(self.teacher_epochs, "teacher_epochs")
        if self.batch_size < 2:
            raise InvalidInput("Batch norm needs batches of at least 2 pairs. Use batch_size=256, for example.")
        return HMAHNetwork(d_image, d_text, self)

    def players(self, network: Any) -> dict[str, Player]:
        """The students; the first text layer and w have learning rates of their own."""
        embedding = list(network.text_tower[1].parameters())
        rest = [*network.image_tower.parameters(), *network.text_tower[2:].parameters()]
        groups = [
            {"params": rest},
            {"params": embedding, "lr": self.lr * self.embedding_rate},
            {"params": [network.fusion], "lr": self.lr * self.fusion_rate},
        ]
        return {"students": Player(groups, self.lr)}

    def _teacher_players(self, network: Any) -> dict[str, Player]:
        embedding = list(network.teacher.text[1].parameters())
        first = {id(p) for p in embedding}
        rest = [p for p in network.teacher.parameters() if id(p) not in first]
        groups = [{"params": rest}, {"params": embedding, "lr": self.lr * self.embedding_rate}]
        return {
            "discriminator": Player(network.discriminator.parameters(), self.lr),
            "teacher": Player(groups, self.lr),
        }

    def _train(self, network: FeatureNetwork, batches: Any, check: PairedFeatures | None, **options: Any) -> History:
        """Teacher and discriminator in shuffled batches; the teacher's codes in the order of the data; the students."""
        if options.get("checkpoint") is not None:
            raise InvalidInput("HMAH trains twice and cannot go on from a checkpoint. Leave it out.")
        shuffled, in_order = copy(batches), copy(batches)
        shuffled.shuffle, in_order.shuffle = True, False
        turns = ["discriminator"] * bool(self.prior_weight) + ["teacher"] * TEACHER_STEPS
        self.teacher_history_ = run(
            network,
            shuffled,
            self._teacher_players(network),
            epochs=self.teacher_epochs,
            turns=turns,
            seed=self.seed,
            description=f"{self.name}, teacher",
            **options,
        )
        model: Any = network
        self.unified_codes_ = binary_codes(model.teach(in_order(0), in_order.n))
        history = super()._train(network, batches, check, **options)
        history.seconds += self.teacher_history_.seconds
        return history

    def encode_pairs(self, images: Any, texts: Any) -> Codes:
        """sgn(f) of pairs: (n, d_i), (n, d_t) features of the same n items -> (n, bits) int8 codes."""
        image, text = self.image_outputs(images), self.text_outputs(texts)
        if len(image) != len(text):
            raise InvalidInput(
                f"Row i of both matrices must be one pair, but there are {len(image)} images and {len(text)} texts."
            )
        model: Any = self.model_
        return binary_codes(fuse(image, text, model.fusion.detach().cpu().numpy()))  # type: ignore[arg-type]

    def _state(self) -> tuple[dict[str, Any], dict[str, Matrix]]:
        values, arrays = super()._state()
        return values | {"teacher_history_": vars(self.teacher_history_)}, arrays | {CODES: self.unified_codes_}

    def _set_state(self, values: Mapping[str, Any], arrays: Mapping[str, Matrix]) -> None:
        self.unified_codes_ = arrays[CODES].astype(np.int8)
        self.teacher_history_ = History(**values["teacher_history_"])
        super()._set_state(values, {name: array for name, array in arrays.items() if name != CODES})


CODES = "unified_codes_"
"""The array that is stored beside the weights."""
