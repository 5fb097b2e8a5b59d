"""Proxies: one learnt vector per class that items of the class move towards, and a margin from coding theory."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.errors import InvalidInput, check_positive

# bits K -> q -> the largest minimum distance known of a binary code of 2^q words of length K
KNOWN_DISTANCES = {
    16: {3: 8, 4: 8, 5: 8, 6: 6, 7: 6},
    32: {3: 18, 4: 16, 5: 16, 6: 16, 7: 14},
    64: {3: 36, 4: 33, 5: 32, 6: 32, 7: 32},
    128: {3: 72, 4: 68, 5: 64, 6: 64, 7: 64},
}


def griesmer_distance(bits: int, q: int) -> int:
    """The largest d with ``sum_{i < q} ceil(d / 2^i) <= bits``: no linear code of 2^q words is further apart.

    An upper bound: a code that reaches it need not exist. For (16, 6) the bound is 7 and the best code has 6.

    >>> griesmer_distance(32, 5), griesmer_distance(16, 6)
    (16, 7)
    """
    return max(d for d in range(bits + 1) if sum(math.ceil(d / 2**i) for i in range(q)) <= bits)


def proxy_margin(bits: int, n_classes: int) -> float:
    """zeta = 1 - 2 d / bits: the cosine of two code words that are as far apart as a code for all classes allows.

    Classes cannot all be further apart than the words of the best code, so the loss does not ask for more. The distance
    d comes from a table of known codes (16, 32, 64, 128 bits; 5 to 128 classes), elsewhere from Griesmer's bound.

    Args:
        bits: Length of the code. n_classes: Classes; they need 2^q words, q = ceil(log2 n_classes).

    Returns:
        In -1..1. Two classes: -1 (opposite codes).

    Raises:
        InvalidInput: Fewer words of this length than classes.

    Source: Y. Huo et al., TCSVT 34(1), 2024; J. H. Griesmer, IBM J. Res. Dev. 4, 1960.

    >>> proxy_margin(16, 24), proxy_margin(16, 80), proxy_margin(32, 80)
    (0.0, 0.25, 0.125)
    """
    q = max(1, math.ceil(math.log2(check_positive(n_classes, "n_classes"))))
    if q > check_positive(bits, "bits"):
        raise InvalidInput(f"{bits} bits have {2**bits} codes, too few for {n_classes} classes. Use at least {q} bits.")
    distance = KNOWN_DISTANCES.get(bits, {}).get(q) or griesmer_distance(bits, q)
    return 1 - 2 * distance / bits


def proxy_loss(outputs: Tensor, proxies: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Pull to the proxies of the item's labels, push from all others down to the margin.

        sum_{L_ic = 1} (1 - cos(h_i, p_c)) / #pos + sum_{L_ic = 0} max(0, cos(h_i, p_c) - margin) / #neg

    The two sums have their own counts: with 80 classes an item has some 77 proxies to leave and 3 to go to.

    Args:
        outputs: (b, bits). proxies: (c, bits). labels: (b, c) multi-hot. margin: In -1..1.

    Returns:
        A scalar, 0 or more. A sum over nothing counts as 0.

    >>> h, proxies = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    >>> proxy_loss(h, proxies, torch.tensor([[1.0, 0.0, 0.0]]), 0.5).item()  # (1 - 1) / 1 + (.5 + 0) / 2
    0.25
    """
    cosines = F.normalize(outputs, dim=1) @ F.normalize(proxies, dim=1).T  # (b, c)
    positive = labels > 0
    return _mean_where(1 - cosines, positive) + _mean_where((cosines - margin).clamp_min(0), ~positive)


def irrelevant_pairs(labels: Tensor) -> Tensor:
    """(b, b) bool, true where two items with two labels or more each share none.

    >>> irrelevant_pairs(torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 0]])).tolist()
    [[False, True, False], [True, False, False], [False, False, False]]
    """
    labels = labels.float()
    several = labels.sum(1) >= 2
    return (labels @ labels.T == 0) & several[:, None] & several[None, :]


def irrelevant_pair_loss(image: Tensor, text: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Push apart multi-label items that share no label, within each modality and across.

    Proxies alone cannot: an item of two classes sits between its two proxies, where an item of two others may be too.

        1/|Z| sum_Z [max(0, cos(v_i, v_j) - margin) + max(0, cos(t_i, t_j) - margin) + max(0, cos(v_i, t_j) - margin)]

    Args:
        image: (b, bits). text: (b, bits). labels: (b, c) multi-hot. margin: In -1..1.

    Returns:
        A scalar, 0 or more; 0 where the batch has no such pair (:func:`irrelevant_pairs`).
    """
    v, t, apart = F.normalize(image, dim=1), F.normalize(text, dim=1), irrelevant_pairs(labels)
    terms = [_mean_where((a @ b.T - margin).clamp_min(0), apart) for a, b in ((v, v), (t, t), (v, t))]
    return torch.stack(terms).sum()


def _mean_where(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values; 0 where none is chosen."""
    return (values * chosen).sum() / chosen.sum().clamp_min(1)
