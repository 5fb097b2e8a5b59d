"""Eight objectives for one backbone: three on pairs of samples, five on samples and classes.

Symbols: u_i (image) and v_j (text) are unit vectors with classes y_i and y_j, m_ij = 1 where the classes are equal, n
is the number of images of the batch, c_k the unit vector that stands for class k (its prototype, or its row of W).

The class-wise losses look at one side at a time, ``x`` (b, d) with ``classes`` (b,); an objective adds both sides. All
squared distances are computed without a square root (see :func:`rooted_distances` for why).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from xmr_lib.nn import squared_distances
from xmr_lib.nn.norms import mean_norm


def contrastive_loss(distances: Tensor, same: Tensor, margin: float = 0.2) -> Tensor:
    """``1/n sum_ij [ m_ij d_ij + (1 - m_ij) max(0, margin - d_ij) ]``: pull equal classes, push others to the margin.

    Args:
        distances: (n, m) squared distances of images and texts. same: (n, m) bool, m_ij. margin: In squared distance.

    >>> d, same = torch.tensor([[0.5, 0.125]]), torch.tensor([[True, False]])
    >>> contrastive_loss(d, same, margin=0.25).item()
    0.625
    """
    return torch.where(same, distances, (margin - distances).clamp_min(0)).sum() / len(distances)


def modality_invariant_loss(distances: Tensor, same: Tensor) -> Tensor:
    """``1/n sum_ij m_ij d_ij``: the contrastive loss without its push; one point for everything makes it 0.

    Args:
        distances: (n, m) squared distances of images and texts. same: (n, m) bool, m_ij.

    >>> modality_invariant_loss(torch.tensor([[0.5, 0.125]]), torch.tensor([[True, False]])).item()
    0.5
    """
    return distances.masked_fill(~same, 0).sum() / len(distances)


def triplet_loss(distances: Tensor, same: Tensor, partner: Tensor, margin: float = 0.2) -> Tensor:
    """Hinge against all negatives, from both sides: ``1/n sum max(0, margin + d(anchor, partner) - d(anchor, other))``.

    Args:
        distances: (n, m) squared distances of images and texts.
        same: (n, m) bool; only items of another class are negatives.
        partner: (m,) the image of each text; an image without a text is a negative, but no anchor.
        margin: In squared distance.

    >>> d = torch.tensor([[0.25, 0.75], [0.5, 0.25]])
    >>> triplet_loss(d, torch.eye(2, dtype=torch.bool), torch.arange(2), margin=0.5).item()
    0.25
    """
    positive = distances[partner, torch.arange(len(partner), device=distances.device)]  # (m,)
    by_text = (margin + positive[None, :] - distances).masked_fill(same, 0)  # (n, m): anchor j, negatives i
    by_image = (margin + positive[:, None] - distances[partner]).masked_fill(same[partner], 0)  # (m, m)
    return (by_text.clamp_min(0).sum() + by_image.clamp_min(0).sum()) / len(distances)


def regression_loss(scores: Tensor, classes: Tensor) -> Tensor:
    """``1/b sum_i ||W x_i - onehot(y_i)||_2``. Scores W x (b, c), classes (b,).

    >>> regression_loss(torch.tensor([[0.4, 0.8]]), torch.tensor([0])).item()
    1.0
    """
    return mean_norm(scores - F.one_hot(classes, scores.shape[1]).to(scores.dtype))


def prototype_contrastive(x: Tensor, classes: Tensor, prototypes: Tensor) -> Tensor:
    """PCL: ``-1/b sum_i log softmax_k( -||x_i - c_k||^2 )[y_i]``.

    Args:
        x: (b, d) embeddings of one side. classes: (b,). prototypes: (c, d).

    Returns:
        A scalar, 0 or more; ``log c`` where all prototypes are equally far.
    """
    return F.cross_entropy(-squared_distances(x, prototypes), classes)


def proxy_nca(x: Tensor, classes: Tensor, prototypes: Tensor) -> Tensor:
    """``-1/b sum_i log [ exp(-d_iy) / sum_{k != y} exp(-d_ik) ]``: PCL without the positive in the denominator.

    Y. Movshovitz-Attias and others. "No Fuss Distance Metric Learning using Proxies". ICCV 2017.

    Args:
        x: (b, d) embeddings of one side. classes: (b,). prototypes: (c, d), at least two.

    Returns:
        A scalar; it is below 0 where the own prototype is nearest by far.
    """
    distances = squared_distances(x, prototypes)  # (b, c)
    own = F.one_hot(classes, len(prototypes)).bool()
    others = (-distances).masked_fill(own, -torch.inf).logsumexp(1)  # (b,)
    return (distances[own] + others).mean()


def proxy_anchor(x: Tensor, classes: Tensor, prototypes: Tensor, margin: float = 0.1, scale: float = 1.0) -> Tensor:
    """Every prototype is an anchor: the samples of its class should be near, all others far; s is the cosine.

        1/|P+| sum_{p in P+} log(1 + sum_{x of p} exp(-a (s(x, p) - margin)))
        + 1/c sum_p log(1 + sum_{x not of p} exp(a (s(x, p) + margin)))

    S. Kim and others. "Proxy Anchor Loss for Deep Metric Learning". CVPR 2020, equation 4.

    Args:
        x: (b, d) embeddings of one side. classes: (b,); P+ are the classes in the batch. prototypes: (c, d).
        margin: delta. scale: a; 1 in the released code of CLIP4CMR, 32 in the paper of the loss.
    """
    cosine = F.normalize(x, dim=1) @ F.normalize(prototypes, dim=1).T  # (b, c)
    own = F.one_hot(classes, len(prototypes)).bool()
    pull = (-scale * (cosine - margin)).masked_fill(~own, -torch.inf)
    push = (scale * (cosine + margin)).masked_fill(own, -torch.inf)
    near, far = (F.pad(z, (0, 0, 1, 0)).logsumexp(0) for z in (pull, push))  # (c,): a row of zeros is the "1 +"
    return near[own.any(0)].mean() + far.mean()


def rooted_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances the way the released code takes them, as the square of a square root: (n, d), (m, d) -> (n, m).

    The value is the same. The gradient is not: the slope of the root at 0 is infinite, times the slope of the square,
    which is 0, gives NaN. One pair of equal embeddings is enough to destroy all weights.

    >>> a = torch.ones(1, 2, requires_grad=True)
    >>> rooted_distances(a, torch.ones(1, 2)).sum().backward()
    >>> a.grad
    tensor([[nan, nan]])
    """
    return (a[:, None] - b[None, :]).square().sum(2).sqrt().square()
