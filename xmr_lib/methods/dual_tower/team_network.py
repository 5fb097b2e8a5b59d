"""TEAM's network: CLIP's towers, the blocks of token alignment, and both losses. The method: ``team.py``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.methods.towers import Settings, TwoTowers
from xmr_lib.nn.contrastive import Temperature, pair_losses, symmetric_info_nce
from xmr_lib.nn.hard_negatives import sample_hard_negatives
from xmr_lib.nn.token_alignment import TokenAlignment, WordReader
from xmr_lib.processes import gather_rows, own_rows, world_size


class TeamNetwork(TwoTowers):
    """CLIP's towers, and blocks that let the words of a text look at the patches of an image.

    Args:
        image, text, vocabulary, length, dim, temperature: See :class:`xmr_lib.methods.towers.TwoTowers`.
        width, heads, reading: Of the words, see :class:`xmr_lib.nn.token_alignment.WordReader`, and of the blocks.
        blocks: How many. align_dim, ratio, dropout: See :class:`xmr_lib.nn.token_alignment.TokenAlignment`.
        align_temperature: 1 / scale of the blocks' scores at the start.
        layerwise: Every block has a loss and a part in the score; False: the last one only.
        aligned: How many captions of an image the blocks see in a step.
        zeroed_logits: CLIP's loss as :func:`zeroed_info_nce`.
    """

    image_projection: nn.Linear
    text_projection: nn.Linear

    def __init__(
        self,
        image: Settings,
        text: Settings,
        vocabulary: int,
        length: int,
        dim: int,
        temperature: float,
        *,
        width: int,
        heads: int,
        reading: int,
        blocks: int,
        align_dim: int,
        ratio: float,
        dropout: float,
        align_temperature: float,
        layerwise: bool,
        aligned: int,
        zeroed_logits: bool,
    ) -> None:
        super().__init__(image, text, vocabulary, length, dim, temperature)
        self.patch_projection = nn.Linear(self.image_tower.width, width)
        self.word_reader = WordReader(self.text_tower.width, width, reading, length, heads)
        self.alignment = TokenAlignment(width, heads, blocks, align_dim, ratio, dropout)
        self.alignment_scale = Temperature(align_temperature)
        self.length, self.layerwise, self.aligned, self.zeroed_logits = length, layerwise, aligned, zeroed_logits

    @torch.no_grad()
    def begin_in_the_common_space(self) -> None:
        """Patches and words enter the blocks through CLIP's projections (turned, and cut to the blocks' width)."""
        image, text = self.image_projection.weight, self.text_projection.weight  # (d, u) each, u of their towers
        dim, width = len(image), len(self.patch_projection.weight)
        turn = nn.init.orthogonal_(image.new_empty(width, dim), max(1, dim / width) ** 0.5)
        for entrance, weight in ((self.patch_projection, image), (self.word_reader.projection, text)):
            entrance.weight.copy_(turn @ weight)
            nn.init.zeros_(entrance.bias)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """Loss terms on a batch of ``CaptionBatches``, see :mod:`xmr_lib.training`."""
        image, text = self.image_tower(batch["image"]), self.text_tower(batch["text"].flatten(0, 1))
        one = F.normalize(self.image_projection(image.pooled), dim=-1)  # (b, d)
        other = F.normalize(self.text_projection(text.pooled), dim=-1)  # (b * k, d)
        logits, positive = self.gathered_logits(one, other, batch["instance"])  # (B, B * k)
        info_nce = zeroed_info_nce if self.zeroed_logits else symmetric_info_nce
        patches, words = self.patch_projection(image.tokens), self.word_reader(text.tokens, text.mask)
        return {
            "contrastive": info_nce(logits, positive),
            "alignment": self.alignment_loss(words, text.mask, patches, logits, positive),
        }

    def alignment_loss(self, words: Tensor, mask: Tensor, patches: Tensor, logits: Tensor, positive: Tensor) -> Tensor:
        """Every pair of this process against a hard wrong image and a hard wrong text of all processes, a scalar.

        Args:
            words: (b * k, t, w), the k captions of an image one after the other. mask: (b * k, t) bool.
            patches: (b, v, w).
            logits: (B, B * k) of all processes, by which the wrong partners are drawn. positive: (B, B * k) bool.
        """
        captions = len(words) // len(patches)
        patches = gather_rows(patches)  # (B, v, w)
        words, mask = self._gather_captions(words, mask, captions)  # (B * k, t, w), (B * k, t)
        own = torch.tensor(own_rows(len(patches)), device=patches.device)  # (b,)
        seen = min(self.aligned, captions)
        image = own.repeat_interleave(seen)  # (p,)
        text = (own[:, None] * captions + torch.arange(seen, device=own.device)).flatten()  # (p,)
        wrong_image = sample_hard_negatives(logits.T[text], positive.T[text])
        wrong_text = sample_hard_negatives(logits[image], positive[image])
        texts, images = torch.cat([text, text, wrong_text.column]), torch.cat([image, wrong_image.column, image])
        scores = self.alignment(words, mask, patches, texts, images).unflatten(0, (3, -1))  # (3, p, L)
        there = torch.stack([torch.ones_like(wrong_text.found), wrong_image.found, wrong_text.found])  # (3, p)
        three = (self.alignment_scale() * scores).masked_fill(~there[:, :, None], -torch.inf)
        per_block = -three.log_softmax(0)[0].mean(0)  # (L,)
        return per_block.sum() if self.layerwise else per_block[-1]

    def score(self, words: Tensor, mask: Tensor, patches: Tensor, text: Tensor, image: Tensor) -> Tensor:
        """(p,) scores of p pairs: the sum over the blocks that have a loss. Arguments: see ``TokenAlignment``."""
        scores = self.alignment(words, mask, patches, text, image)  # (p, L)
        return scores.sum(1) if self.layerwise else scores[:, -1]

    def _gather_captions(self, words: Tensor, mask: Tensor, captions: int) -> tuple[Tensor, Tensor]:
        """The texts of all processes, padded to one length first."""
        if world_size() == 1:
            return words, mask
        short = self.length - words.shape[1]
        padded = F.pad(words, (0, 0, 0, short)).unflatten(0, (-1, captions))  # (b, k, length, w)
        real = F.pad(mask, (0, short)).unflatten(0, (-1, captions))  # (b, k, length)
        return gather_rows(padded).flatten(0, 1), gather_rows(real.int()).flatten(0, 1).bool()


def zeroed_info_nce(logits: Tensor, positive: Tensor) -> Tensor:
    """CLIP's loss as TEAM's released code computes it: the other right columns of a row stay, with a logit of 0.

    Each adds exp(0) = 1 to the sum over the wrong columns of its row, so the loss is above
    :func:`xmr_lib.nn.contrastive.symmetric_info_nce` wherever an image comes with several captions.

    Args:
        logits: (n, m) scaled similarities. positive: (n, m) bool.

    Example: an image with two captions and nothing wrong: log 2 for the image, 0 for each caption.
        >>> zeroed_info_nce(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))
        tensor(0.3466)
    """
    return (_zeroed_losses(logits, positive).mean() + _zeroed_losses(logits.T, positive.T).mean()) / 2


def _zeroed_losses(logits: Tensor, positive: Tensor) -> Tensor:
    """``pair_losses`` with one more wrong column, of logit 0, for every other right column of the row."""
    others = (positive.sum(1) - 1).clamp(min=0)  # (r,)
    place = torch.arange(int(others.max()), device=logits.device)
    zeros = torch.where(place < others[:, None], 0.0, -torch.inf).to(logits)  # (r, most others)
    return pair_losses(torch.cat([logits, zeros], 1), F.pad(positive, (0, zeros.shape[1])))
