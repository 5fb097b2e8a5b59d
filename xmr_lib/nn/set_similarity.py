"""Similarities of two sets of vectors, each from the cosines of all their elements.

An image is a set S1 of K unit vectors x, a sentence a set S2 of K unit vectors y, and c(x, y) their cosine. D. Kim,
N. Kim, S. Kwak. "Improving Cross-Modal Retrieval with Set of Diverse Embeddings". CVPR 2023:

    average          mean_x mean_y c(x, y)
    MIL              max_x max_y c(x, y)
    Chamfer          1/2 [ mean_x max_y c(x, y) + mean_y max_x c(x, y) ]
    smooth Chamfer   1/2 [ mean_x 1/a log sum_y exp(a c(x, y)) + mean_y 1/a log sum_x exp(a c(x, y)) ]

Smooth Chamfer lies between Chamfer and Chamfer + log(K) / a, and tends to Chamfer as a grows. For K = 1 all four are
the cosine. They differ in who learns: the gradient of the average is spread evenly over all K * K pairs, that of MIL
falls on one pair, that of Chamfer on the best partner of every element, and that of smooth Chamfer on all pairs, the
better ones more. The weights sum to 1 in each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xmr_lib.errors import InvalidInput, check_choice

KINDS = ("smooth_chamfer", "chamfer", "mil", "average")
CHUNK = 2**22
"""Cosines that are held in memory at a time by :func:`chunked_set_similarity`: 16 MiB in float32."""


def set_cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all elements of all sets: (n, K, d), (m, L, d), both of unit length -> (n, m, K, L).

    Raises:
        InvalidInput: Not two stacks of sets in one space.
    """
    if a.ndim != 3 or b.ndim != 3 or a.shape[2] != b.shape[2]:
        raise InvalidInput(
            f"Sets are compared as (n, K, d) with (m, L, d), but the shapes are {tuple(a.shape)} and {tuple(b.shape)}. "
            "A single vector is a set of one: x[:, None, :]."
        )
    flat = a.flatten(0, 1) @ b.flatten(0, 1).T  # (n * K, m * L)
    return flat.unflatten(1, b.shape[:2]).unflatten(0, a.shape[:2]).transpose(1, 2)  # (n, m, K, L)


def smooth_chamfer(cosines: Tensor, alpha: float = 16.0) -> Tensor:
    """Smooth-Chamfer similarity, formula above: (..., K, L) -> (...).

    Args:
        cosines: Of the elements of the first set (rows) and the second (columns).
        alpha: Sharpness a; the paper takes 16.

    Example: each element has one equal and one orthogonal partner, 1 + log(1 + exp(-16)) / 16.
        >>> smooth_chamfer(torch.eye(2)).item()
        1.0

        With a dull alpha the second partner counts as well, log(e + 1):
        >>> round(smooth_chamfer(torch.eye(2), alpha=1.0).item(), 4)
        1.3133
    """
    forth = (alpha * cosines).logsumexp(-1).mean(-1)  # (...) every x looks at all y
    back = (alpha * cosines).logsumexp(-2).mean(-1)  # (...) every y looks at all x
    return (forth + back) / (2 * alpha)


def chamfer(cosines: Tensor) -> Tensor:
    """Chamfer similarity: every element takes its best partner. (..., K, L) -> (...).

    >>> chamfer(torch.tensor([[0.8, 0.2], [0.6, 0.0]])).item()  # ((.8 + .6) / 2 + (.8 + .2) / 2) / 2
    0.6000000238418579
    """
    return (cosines.amax(-1).mean(-1) + cosines.amax(-2).mean(-1)) / 2


def mil(cosines: Tensor) -> Tensor:
    """Multiple-instance learning: the best pair alone. (..., K, L) -> (...).

    Of several best pairs the first gets the gradient.

    >>> mil(torch.tensor([[0.5, 0.25], [-1.0, 0.0]])).item()
    0.5
    """
    return cosines.flatten(-2).max(-1).values


def average(cosines: Tensor) -> Tensor:
    """The mean of all pairs: the dot product of the two mean vectors, so no more than one vector can say.

    >>> average(torch.tensor([[0.5, 0.25], [-1.0, 0.25]])).item()
    0.0
    """
    return cosines.mean((-2, -1))


def set_similarity(cosines: Tensor, kind: str = "smooth_chamfer", alpha: float = 16.0) -> Tensor:
    """One of the similarities of this file, by name. (..., K, L) -> (...).

    Args:
        cosines: See :func:`smooth_chamfer`. kind: A name in ``KINDS``. alpha: For smooth Chamfer.

    Raises:
        UnknownName: Another kind.
    """
    if check_choice(kind, KINDS, "similarity of sets") == "smooth_chamfer":
        return smooth_chamfer(cosines, alpha)
    return {"chamfer": chamfer, "mil": mil, "average": average}[kind](cosines)


def chunked_set_similarity(
    a: Tensor, b: Tensor, kind: str = "smooth_chamfer", alpha: float = 16.0, chunk: int = CHUNK
) -> Tensor:
    """All sets of ``a`` against all of ``b``, without ever holding all n * m * K * L cosines.

    Args:
        a: (n, K, d). b: (m, L, d). Unit vectors.
        kind, alpha: See :func:`set_similarity`.
        chunk: Largest number of cosines in memory; at least one set of ``b`` is taken at a time.

    Returns:
        (n, m).
    """
    sets = max(1, chunk // max(1, a.shape[0] * a.shape[1] * b.shape[1]))
    return torch.cat([set_similarity(set_cosines(a, some), kind, alpha) for some in b.split(sets)], 1)
