"""TEAM: CLIP proposes, then the words of the sentence check the best candidates patch by patch.

C.-W. Xie et al. "Token Embeddings Alignment for Cross-Modal Retrieval". ACM MM 2022.

Taxonomy: dual tower; real-valued vectors; late fusion of tokens, for the best candidates only.

A text's words T look at an image's patches V in L blocks, and block l gives a score s_l
(:mod:`xmr_lib.nn.token_alignment`). For each pair one wrong image I' and one wrong text T' are drawn, the likelier the
more CLIP's own scores take them for right (:mod:`xmr_lib.nn.hard_negatives`). With a second learnt scale z

    L = CLIP's loss + sum_l mean over pairs of -log softmax(z [s_l(I, T), s_l(I', T), s_l(I, T')])[0]

Retrieval ranks by CLIP's cosine, then orders the ``rerank`` best candidates of each query by sum_l s_l
(:mod:`xmr_lib.methods.rerank`).

What differs here. AdamW with warm-up and cosine instead of LAMB with steps. Several captions of an image are right
pairs of CLIP's loss, as in ``clip.py``; the blocks see ``aligned`` of them. The blocks begin as a look-up in CLIP's
common space, else they hardly learn in the minutes of the course. The paper's words come from BERT, which has read the
sentence; those of the course's bag of words have not, unless ``reading`` puts a small transformer over them.
``zeroed_logits`` brings back what the released code does: it multiplies the logits of the other captions of an image by
0 instead of leaving them out, so that each stays in the softmax as a wrong partner of weight exp(0) = 1.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.data.base import PairedDataset
from xmr_lib.data.pairing import IntArray
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix, cosine_similarity
from xmr_lib.methods.dual_tower.team_network import TeamNetwork
from xmr_lib.methods.rerank import PairScore, rerank, rerank_both
from xmr_lib.methods.towers import (
    COURSE_IMAGE,
    COURSE_TEXT,
    COURSE_TRAINING,
    ENCODE_ROWS,
    SMOKE_IMAGE,
    SMOKE_TEXT,
    SMOKE_TRAINING,
    Settings,
    TowerMethod,
    warm_up_then_cosine,
)
from xmr_lib.players import Player
from xmr_lib.processes import seeded

PAIRS_AT_ONCE = 1000
VIT_L_14: Settings = {"kind": "vit", "size": 224, "patch": 14, "width": 1024, "layers": 24, "heads": 16}
BERT_BASE: Settings = {"kind": "bert", "width": 768, "layers": 12, "heads": 12}
OF_THE_BLOCKS = ("width", "heads", "reading", "blocks", "align_dim", "ratio", "dropout")
OF_THE_LOSS = ("align_temperature", "layerwise", "aligned", "zeroed_logits")


class Alignment(NamedTuple):
    """How the words of a text look at an image, block by block.

    Attributes:
        words: t tokens, [BOS] and [EOS] among them.
        looks: (L, t, rows, columns) attention of each word on the grid of patches, mean over the heads; sums to 1.
        cosines: (L, t) how well each word found itself; their mean over the words is s_l.
    """

    words: list[str]
    looks: NDArray[np.float32]
    cosines: NDArray[np.float32]


class TEAM(TowerMethod):
    """Token embeddings alignment. The defaults are the paper's, with CLIP's ViT-L/14 and a BERT.

    ``similarity`` is for image queries; ``rankings``, which :func:`xmr_lib.evaluation.evaluate` uses, has both
    directions. A course-size fit starts from a trained CLIP: ``TEAM(...).fit(train, start=clip)``.

    Args:
        image, text: Settings of the towers, see :mod:`xmr_lib.nn.towers`.
        dim: Dimensions of the common space of whole images and texts.
        width, heads: Of the alignment blocks.
        reading: Transformer blocks over the words, for a text tower that knows no order.
        blocks: L, number of alignment blocks.
        align_dim: Dimensions of the space in which words are compared with what they found.
        ratio, dropout: Of the blocks.
        align_temperature: 1 / z at the start.
        layerwise: Every block has a loss and a part in the score; False: the last one only.
        aligned: How many of the ``captions`` of an image the blocks see in a step.
        zeroed_logits: As in the released code, see :func:`xmr_lib.methods.dual_tower.team_network.zeroed_info_nce`.
        rerank: Candidates per query in the second stage.
        temperature: Of CLIP's loss, at the start.
        epochs: Passes over the training images (how many the paper makes is not known to us).
        batch_size: Images per step; the paper's 240 are those of one process.
        captions: Captions per image and step.
        lr, weight_decay: Of AdamW.
        image_rate, text_rate: Factors on the learning rate of what CLIP has on that side: tower and projection.
        warm_up: Share of the training in which the learning rate rises.
        seed: First weights, order of the images, choice of the captions, wrong partners, dropout.
    """

    def __init__(
        self,
        image: Settings = VIT_L_14,
        text: Settings = BERT_BASE,
        dim: int = 768,
        width: int = 1024,
        heads: int = 16,
        reading: int = 0,
        blocks: int = 6,
        align_dim: int = 512,
        ratio: float = 2,
        dropout: float = 0.1,
        align_temperature: float = 0.07,
        layerwise: bool = True,
        aligned: int = 1,
        zeroed_logits: bool = False,
        rerank: int = 16,
        temperature: float = 0.07,
        epochs: int = 30,
        batch_size: int = 240,
        captions: int = 1,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        image_rate: float = 0.1,
        text_rate: float = 1.0,
        warm_up: float = 0.03,
        seed: int = 0,
    ) -> None:
        self.image, self.text, self.dim = image, text, dim
        self.width, self.heads, self.reading, self.blocks = width, heads, reading, blocks
        self.align_dim, self.ratio, self.dropout, self.align_temperature = align_dim, ratio, dropout, align_temperature
        self.layerwise, self.aligned, self.zeroed_logits, self.rerank = layerwise, aligned, zeroed_logits, rerank
        self.temperature, self.epochs, self.batch_size, self.captions = temperature, epochs, batch_size, captions
        self.lr, self.weight_decay, self.image_rate, self.text_rate = lr, weight_decay, image_rate, text_rate
        self.warm_up, self.seed = warm_up, seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``course``: two minutes on from the trained CLIP of the course; ``smoke``: one epoch from scratch."""
        if profile == "course":
            towers = {"image": COURSE_IMAGE, "text": COURSE_TEXT, "dim": 128}
            aligning = {"width": 64, "heads": 1, "blocks": 2, "align_dim": 128, "dropout": 0.0, "rerank": 8}
            steps = {"batch_size": 64, "captions": 2, "epochs": 6, "image_rate": 0.1, "text_rate": 0.1}
            return towers | aligning | dict(COURSE_TRAINING) | steps | {"align_temperature": 0.03}
        if profile == "smoke":
            towers = {"image": SMOKE_IMAGE, "text": SMOKE_TEXT, "dim": 32}
            aligning = {"width": 32, "heads": 2, "blocks": 2, "align_dim": 32, "dropout": 0.0, "rerank": 8}
            return towers | aligning | dict(SMOKE_TRAINING) | {"image_rate": 1.0}
        return {}

    def build(self, vocabulary: int, length: int) -> TeamNetwork:
        """See :class:`xmr_lib.methods.towers.TowerMethod`."""
        own = {name: getattr(self, name) for name in OF_THE_BLOCKS + OF_THE_LOSS}
        return TeamNetwork(self.image, self.text, vocabulary, length, self.dim, self.temperature, **own)

    def prepare(self, network: TeamNetwork, train: PairedDataset, pixels: Tensor, tokens: Tensor) -> None:
        """The blocks begin in the common space of the CLIP that the fit starts from."""
        with seeded(self.seed):
            network.begin_in_the_common_space()

    def players(self, network: Any) -> dict[str, Player]:
        """One AdamW; what CLIP has already, on either side, may learn more slowly than the blocks."""
        rates = {"image": self.image_rate, "text": self.text_rate}
        groups: dict[tuple[float, bool], list[Tensor]] = {}
        for name, weight in network.named_parameters():
            groups.setdefault((rates.get(name.split("_")[0], 1.0), weight.ndim > 1), []).append(weight)
        settings = [
            {"params": weights, "lr": self.lr * rate, "weight_decay": self.weight_decay if decays else 0.0}
            for (rate, decays), weights in groups.items()
        ]
        schedule = partial(warm_up_then_cosine, warm_up=self.warm_up)
        return {"all": Player(settings, self.lr, self.betas, schedule=schedule)}

    def stage_one(self, images: Any, texts: Any) -> Matrix:
        """(n, m) cosines of whole images and texts: the first stage alone."""
        return cosine_similarity(self.encode_image(images), self.encode_text(texts))

    def similarity(self, images: Any, texts: Any) -> Matrix:
        """(n, m) for image queries: the best candidates of each image scored by the blocks, the rest behind them."""
        return rerank(self.stage_one(images, texts), self._pair_score(images, texts), self.rerank)

    def rankings(self, images: Any, texts: Any) -> tuple[Matrix, Matrix]:
        """Both stages for image queries (n, m) and for text queries (m, n)."""
        return rerank_both(self.stage_one(images, texts), self._pair_score(images, texts), self.rerank)

    def score_pairs(self, images: Any, texts: Any) -> Matrix:
        """(p,) second-stage scores of p pictures and the p sentences at the same places.

        Raises:
            InvalidInput: Not equally many.
        """
        if len(images) != len(texts):
            raise InvalidInput(f"Pairs need as many texts as images, but there are {len(texts)} and {len(images)}.")
        return self._pair_score(images, texts)(np.arange(len(texts)), np.arange(len(texts)))

    def alignment(self, image: Any, text: str) -> Alignment:
        """Where each word of ``text`` looks in ``image`` (one picture), for a figure."""
        patches, (words, mask) = self._patches([image]), self._words([text])
        words, mask = words[:, : int(mask.sum())], mask[:, : int(mask.sum())]
        with torch.inference_mode():
            looks, cosines = self.model_.alignment.looks(words, mask, patches)
        grid = self.model_.image_tower.grid
        return Alignment(
            self.tokenizer_.tokens(self.tokenizer_.encode([text])[0].tolist()),
            looks[0].unflatten(2, (grid, grid)).cpu().numpy(),
            cosines[0].cpu().numpy(),
        )

    def _pair_score(self, images: Any, texts: Any) -> PairScore:
        """The blocks' scores by row numbers; every picture and every sentence goes through its tower once."""
        patches, (words, mask) = self._patches(images), self._words(texts)

        def score(image: IntArray, text: IntArray) -> Matrix:
            scores = np.empty(len(image), dtype=np.float32)
            # Pairs of one image together, since its keys and values are made once a part.
            for part in np.array_split(image.argsort(kind="stable"), -(-len(image) // PAIRS_AT_ONCE) or 1):
                pictures, row = np.unique(image[part], return_inverse=True)
                some = patches[torch.from_numpy(pictures).to(patches.device)]
                i, j = (torch.from_numpy(x).to(patches.device) for x in (row, text[part]))
                with torch.inference_mode():
                    scores[part] = self.model_.score(words, mask, some, j, i).float().cpu().numpy()
            return scores

        return score

    def _patches(self, images: Any) -> Tensor:
        """(n, v, w) as they enter the blocks."""
        self._check_fitted()
        pixels, device = self.pixels(images), next(self.model_.parameters()).device
        with torch.inference_mode():
            towers = [self.model_.image_tower(rows.to(device)).tokens for rows in pixels.split(ENCODE_ROWS)]
            return torch.cat([self.model_.patch_projection(tokens) for tokens in towers])

    def _words(self, texts: Any) -> tuple[Tensor, Tensor]:
        """(m, t, w) as they enter the blocks, and their mask (m, t)."""
        self._check_fitted()
        numbers = self.tokenizer_.encode(texts).to(next(self.model_.parameters()).device)
        with torch.inference_mode():
            parts = [self.model_.word_reader(*self.model_.text_tower(x)[:2]) for x in numbers.split(ENCODE_ROWS)]
            words = torch.cat([F.pad(x, (0, 0, 0, numbers.shape[1] - x.shape[1])) for x in parts])
        return words, numbers > 0
