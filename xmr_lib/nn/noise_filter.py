"""A filter for wrong pairs: drop those that look much less alike than pairs usually do.

H. Lu et al. "COTS: Collaborative Two-Stream Vision-Language Pre-Training Model for Cross-Modal Retrieval". CVPR 2022,
"adaptive momentum filter". The paper's formula was not at hand; this one keeps its purpose, a threshold that follows
the distribution of the similarities while they grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput, check_positive


class MomentumFilter(nn.Module):
    """Which pairs to keep, by the running mean and deviation of the similarities of pairs.

    With the cosines s_1..s_b of the pairs of a batch, as the momentum networks see them,

        mu <- .99 mu + .01 mean(s)      v <- .99 v + .01 var(s)      keep pair i if s_i >= mu - gamma sqrt(v)

    but never drop more than ``most`` of a batch: beyond that the lowest go. The first batch sets mu and v. Too early it
    drops pairs that are right but hard; call :meth:`keep` only after a warm-up, and :meth:`observe` from the start.

    Args:
        gamma: How many deviations below the mean a pair may lie; larger drops less.
        decay: Of the running values. most: Largest share of a batch that may be dropped.

    Raises:
        InvalidInput: A share outside 0..1 or a gamma that is not positive.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, gamma: float = 1.5, decay: float = 0.99, most: float = 0.3) -> None:
        super().__init__()
        if gamma <= 0 or not 0 <= decay < 1 or not 0 <= most <= 1:
            raise InvalidInput(
                f"The filter needs gamma > 0 (not {gamma}), decay in 0..1, 1 excluded (not {decay}), and most in 0..1 "
                f"(not {most})."
            )
        self.gamma, self.decay, self.most = gamma, decay, most
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("variance", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(self, similarity: Tensor) -> None:
        """Move mean and variance by a batch of similarities, (b,)."""
        weight = 1.0 if self.batches == 0 else 1 - self.decay
        self.mean.lerp_(similarity.mean().to(self.mean.dtype), weight)
        self.variance.lerp_(similarity.var(correction=0).to(self.variance.dtype), weight)
        self.batches += 1

    @torch.no_grad()
    def threshold(self) -> Tensor:
        """``mu - gamma sqrt(v)``, a scalar."""
        return self.mean - self.gamma * self.variance.sqrt()

    @torch.no_grad()
    def keep(self, similarity: Tensor) -> Tensor:
        """(b,) similarities -> (b,) bool: True for the pairs to learn from."""
        low = similarity < self.threshold()  # (b,)
        at_most = int(self.most * len(similarity))
        if int(low.sum()) > at_most:
            low = torch.zeros_like(low)
            low[similarity.argsort()[:at_most]] = True
        return ~low


class DropRecord(nn.Module):
    """How often each training caption was judged, and how often it was dropped.

    Args:
        captions: m, of the training set.
    """

    judged: Tensor
    dropped: Tensor

    def __init__(self, captions: int) -> None:
        super().__init__()
        check_positive(captions, "captions")
        self.register_buffer("judged", torch.zeros(captions, dtype=torch.int32))
        self.register_buffer("dropped", torch.zeros(captions, dtype=torch.int32))

    def add(self, caption: Tensor, keep: Tensor) -> None:
        """A batch: numbers of the captions (b,), and which of the pairs were kept (b,) bool."""
        self.judged.index_add_(0, caption, torch.ones_like(keep, dtype=torch.int32))
        self.dropped.index_add_(0, caption, (~keep).to(torch.int32))


@dataclass(frozen=True)
class FilterReport:
    """How good a filter's judgement was, where it is known which captions are wrong. All numbers are shares, 0..1.

    Attributes:
        precision: Of the pairs dropped: how many were wrong. NaN if none was dropped.
        recall: Of the wrong pairs judged: how many were dropped. NaN if none was judged.
        dropped: Of all pairs judged: how many were dropped.
        wrong: Of all pairs judged: how many were wrong. A filter that drops at random has this precision.
    """

    precision: float
    recall: float
    dropped: float
    wrong: float


def filter_report(judged: Any, dropped: Any, wrong: Any) -> FilterReport:
    """Precision and recall of what a filter dropped.

    Args:
        judged, dropped: (m,) how often each caption was judged and dropped (:class:`DropRecord`).
        wrong: (m,) bool, the captions known to be wrong.

    Raises:
        InvalidInput: Lengths differ, or no pair was judged.

    Example: two captions are wrong; one of them and one right caption were dropped, once each.
        >>> filter_report([1, 1, 1, 1], [1, 0, 1, 0], [True, True, False, False])
        FilterReport(precision=0.5, recall=0.5, dropped=0.5, wrong=0.5)
    """
    judged, dropped = np.asarray(judged, dtype=np.int64), np.asarray(dropped, dtype=np.int64)
    wrong = np.asarray(wrong, dtype=bool)
    if not judged.shape == dropped.shape == wrong.shape:
        raise InvalidInput(
            f"One number per caption is needed, but there are {judged.shape}, {dropped.shape} and {wrong.shape}."
        )
    if not judged.sum():
        raise InvalidInput("The filter has judged no pair yet. It starts after the warm-up; train for longer.")
    return FilterReport(
        precision=_share(dropped[wrong].sum(), dropped.sum()),
        recall=_share(dropped[wrong].sum(), judged[wrong].sum()),
        dropped=_share(dropped.sum(), judged.sum()),
        wrong=_share(judged[wrong].sum(), judged.sum()),
    )


def _share(part: int, whole: int) -> float:
    return float(part) / float(whole) if whole else float("nan")
