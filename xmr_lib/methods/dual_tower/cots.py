"""COTS: two towers that work together in training only: through keys, through masked tokens, through their answers.

H. Lu, N. Fei, Y. Huo, Y. Gao, Z. Lu, J.-R. Wen. "COTS: Collaborative Two-Stream Vision-Language Pre-Training Model for
Cross-Modal Retrieval". CVPR 2022.

Taxonomy: dual tower; one real-valued vector per item; no fusion but the dot product.

Three levels, with unit vectors v, t of a pair, keys v', t' of the momentum copies, and queues Q_V, Q_T of earlier keys
(:mod:`xmr_lib.nn.momentum`), tau = 1 / s:

    instance   p_i2t = softmax(s [v.t' ; v.Q_T]),  p_t2i = softmax(s [t.v' ; t.Q_V])
               L_inst = -1/2 (log p_i2t[own] + log p_t2i[own])
    token      L_MLM + L_MIM: masked words from the picture's v, masked patches from the sentence's t
               (:mod:`xmr_lib.nn.masked_modelling`)
    task       L_KL = 1/2 [ KL(p_i2t || p_t2i) + KL(p_t2i || p_i2t) ]: both queries should doubt the same pairs

    L = L_inst + w1 (L_MLM + L_MIM) + w2 L_KL

Pairs that look much less alike than others are left out (:mod:`xmr_lib.nn.noise_filter`). At inference there are two
towers and two projections; momentum copies, queues and the filter are thrown away after ``fit``, and the predictors of
masked tokens are kept only to look at what they say.

What differs here. Visual tokens come from k-means, not from a discrete VAE. With several captions of an image in a
batch each is a pair of its own. Slots that show the same thing as the query are not negatives. Pictures with painted
patches do not move the running statistics of batch norms. Dropped pairs do not enter the queue: an image and a caption
that do not belong together would make slot j of the two queues two different things.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.pixels import pixel_tensor
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.dual_tower.cots_network import COTSNetwork, Guesses
from xmr_lib.methods.towers import (
    COURSE_IMAGE,
    COURSE_TEXT,
    ENCODE_ROWS,
    SMOKE_IMAGE,
    SMOKE_TEXT,
    SMOKE_TRAINING,
    Settings,
    TowerMethod,
)
from xmr_lib.nn.masked_modelling import mask_image, mask_text
from xmr_lib.nn.momentum import symmetric_kl
from xmr_lib.nn.noise_filter import FilterReport, filter_report
from xmr_lib.players import Player
from xmr_lib.processes import seeded

VIT_B_16: Settings = {"kind": "vit", "size": 224, "patch": 16, "width": 768, "layers": 12, "heads": 12, "act": "gelu"}
BERT_BASE: Settings = {
    "kind": "transformer", "width": 768, "layers": 12, "heads": 12, "act": "gelu", "causal": False, "pool": "first",
}  # fmt: skip


class COTS(TowerMethod):
    """Collaborative two-stream pre-training. The defaults are the paper's as far as they could be recalled.

    Recalled, not checked: the towers, ``dim``, ``momentum``, ``temperature``, ``queue``. Chosen here, since no source
    was at hand: shares of masked tokens, weights, filter, and how it is trained.

    Args:
        image, text: Settings of the towers, see :mod:`xmr_lib.nn.towers`.
        dim: Dimensions of the common space.
        temperature: tau. It stays fixed, so that L_KL cannot be made small by making both distributions flat. After a
            start from another method it is that method's tau.
        momentum: m, of the copies.
        queue: Slots of each queue.
        w1, w2: Weights of the masked tokens and of the task level; 0 leaves a level out.
        text_share, image_share: Of masked words and patches.
        image_rows: Share of a batch's images whose patches are masked; the second pass through the image tower costs
            as much as the first.
        codes: Number of visual tokens. hidden: Of the predictors.
        gamma: Of the filter; None: no filter.
        filter_after: Share of the training before the filter starts to drop.
        epochs: Passes over the training images.
        batch_size: Images per step.
        captions: Captions per image and step.
        lr, weight_decay: Of AdamW.
        predictor_lr: Learning rate of the predictors, in units of ``lr``: they are new where the towers are not.
        warm_up: Share of the training in which the learning rate rises.
        seed: First weights, order of the images, choice of captions, masks, k-means.

    Attributes:
        judged_, dropped_: (m,) how often the filter judged and dropped each training caption.
    """

    judged_: Matrix
    dropped_: Matrix

    def __init__(
        self,
        image: Settings = VIT_B_16,
        text: Settings = BERT_BASE,
        dim: int = 256,
        temperature: float = 0.05,
        momentum: float = 0.995,
        queue: int = 12_800,
        w1: float = 1.0,
        w2: float = 1.0,
        text_share: float = 0.15,
        image_share: float = 0.4,
        image_rows: float = 1.0,
        codes: int = 256,
        hidden: int = 768,
        gamma: float | None = 1.5,
        filter_after: float = 0.2,
        epochs: int = 10,
        batch_size: int = 1024,
        captions: int = 1,
        lr: float = 1e-4,
        predictor_lr: float = 1.0,
        weight_decay: float = 0.02,
        warm_up: float = 0.05,
        seed: int = 0,
    ) -> None:
        self.image, self.text, self.dim, self.temperature = image, text, dim, temperature
        self.momentum, self.queue = momentum, queue
        self.w1, self.w2, self.text_share, self.image_share = w1, w2, text_share, image_share
        self.image_rows = image_rows
        self.codes, self.hidden = codes, hidden
        self.gamma, self.filter_after = gamma, filter_after
        self.epochs, self.batch_size, self.captions = epochs, batch_size, captions
        self.lr, self.predictor_lr, self.weight_decay, self.warm_up = lr, predictor_lr, weight_decay, warm_up
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``course``: two epochs of ``scenes`` after the course's CLIP (``start=``); ``smoke``: one of small towers."""
        if profile == "course":
            towers = {"image": COURSE_IMAGE, "text": COURSE_TEXT, "dim": 128, "hidden": 256}
            levels = {"temperature": 0.07, "momentum": 0.99, "queue": 1024, "w1": 0.3, "w2": 0.5, "image_rows": 0.5}
            steps = {"epochs": 2, "batch_size": 128, "captions": 2, "lr": 5e-4, "predictor_lr": 20.0}
            return {**towers, **levels, **steps, "weight_decay": 0.05}
        if profile == "smoke":
            towers = {"image": SMOKE_IMAGE, "text": SMOKE_TEXT, "dim": 32, "hidden": 32, "codes": 16}
            return {**towers, "temperature": 0.07, "momentum": 0.9, "queue": 128, **SMOKE_TRAINING}
        return {}

    def build(self, vocabulary: int, length: int) -> COTSNetwork:
        """See :class:`xmr_lib.methods.towers.TowerMethod`."""
        return COTSNetwork(self.get_params(), vocabulary, length)

    def prepare(self, network: Any, train: PairedDataset, pixels: Tensor, tokens: Tensor) -> None:
        """Visual codes from the training pictures; momentum copies that start where the towers are."""
        network.codes.learn(pixels, self.seed)
        with seeded(self.seed):
            network.find_partner(len(tokens))

    def players(self, network: Any) -> dict[str, Player]:
        """See :class:`xmr_lib.methods.towers.TowerMethod`; the predictors get their own learning rate."""
        everything = super().players(network)["all"]
        new = {id(p) for part in (network.words, network.patches) for p in part.parameters()}
        groups = []
        for group in everything.parameters:
            old = [p for p in group["params"] if id(p) not in new]
            fresh = [p for p in group["params"] if id(p) in new]
            groups += [{**group, "params": old}, {**group, "params": fresh, "lr": self.predictor_lr * self.lr}]
        return {"all": replace(everything, parameters=groups)}

    def _train(self, network: Any, *arguments: Any) -> Any:
        """Train, note what the filter dropped, and throw away what only training needed."""
        history = super()._train(network, *arguments)
        record = network.partner.record
        self.judged_, self.dropped_ = record.judged.numpy(), record.dropped.numpy()
        network.partner = None
        return history

    def filter_report(self, wrong: Any) -> FilterReport:
        """How good the filter was, for training captions known to be wrong: (m,) bool."""
        self._check_fitted()
        return filter_report(self.judged_, self.dropped_, wrong)

    def guess_words(self, images: Any, texts: Any, seed: int = 0) -> Guesses:
        """Mask words of n sentences and guess them, each sentence with the picture beside it.

        Args:
            images: n pictures. texts: n sentences. seed: Of the masks.

        Raises:
            InvalidInput: Not one sentence per picture.
        """
        pixels, tokens = self._side_by_side(images, texts)
        with seeded(seed):
            masked, places = mask_text(tokens, self.text_share)
        picture = torch.from_numpy(self.encode_image(pixels))
        return Guesses(masked, places, tokens[places], _best(self.model_.word_scores, picture, masked, places))

    def guess_patches(self, images: Any, texts: Any, seed: int = 0) -> Guesses:
        """Paint patches of n pictures and guess their visual tokens, each picture with the sentence beside it.

        Args, Raises: See :meth:`guess_words`.
        """
        pixels, _ = self._side_by_side(images, texts)
        network = self.model_
        with seeded(seed):
            painted, places = mask_image(pixels, network.codes.grid, network.codes.colour, self.image_share)
        sentence = torch.from_numpy(self.encode_text(texts))
        guess = _best(network.patch_scores, painted, sentence, places)
        return Guesses(painted, places, network.codes(pixels, places), guess)

    def task_gap(self, images: Any, texts: Any) -> float:
        """L_KL on n held-out pairs, each picture with the sentence beside it; the other pairs are the candidates.

        Raises:
            InvalidInput: Not one sentence per picture.
        """
        pixels, _ = self._side_by_side(images, texts)
        cosines = self.encode_image(pixels) @ self.encode_text(texts).T
        logits = self.model_.temperature().item() * torch.from_numpy(cosines)  # (n, n)
        return float(symmetric_kl(logits, logits.T).mean())

    def _side_by_side(self, images: Any, texts: Any) -> tuple[Tensor, Tensor]:
        self._check_fitted()
        pixels, tokens = pixel_tensor(images, self.image["size"]), self.tokenizer_.encode(texts)
        if len(pixels) != len(tokens):
            raise InvalidInput(f"Every picture needs its sentence, but there are {len(pixels)} and {len(tokens)}.")
        return pixels, tokens

    def _state(self) -> tuple[dict[str, Any], dict[str, Matrix]]:
        values, arrays = super()._state()
        return values, arrays | {"filter.judged": self.judged_, "filter.dropped": self.dropped_}

    def _set_state(self, values: Mapping[str, Any], arrays: Mapping[str, Matrix]) -> None:
        own = dict(arrays)
        self.judged_, self.dropped_ = own.pop("filter.judged"), own.pop("filter.dropped")
        super()._set_state(values, own)


def _best(scores: Any, *inputs: Tensor) -> Tensor:
    """(p,) the highest-scoring class at every masked place, a few hundred rows at a time."""
    with torch.inference_mode():
        parts = [scores(*rows).argmax(1) for rows in zip(*(x.split(ENCODE_ROWS) for x in inputs), strict=True)]
    return torch.cat(parts)
