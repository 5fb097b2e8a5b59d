"""Graphs of similar items: neighbours, normalised adjacency, graph convolution, and local graphs that never leak.

T. N. Kipf, M. Welling. "Semi-Supervised Classification with Graph Convolutional Networks". ICLR 2017.

    A_hat = D^-1/2 (A + I) D^-1/2,   D_ii = sum_j (A + I)_ij          X' = ReLU(A_hat X W)

:class:`LocalGraphs` keeps one graph over the training rows. An item from outside gets edges *to* training rows, and no
training row gets an edge to it: its result depends on nothing but itself and the training rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput, check_choice

NEIGHBOURS = ("true", "random")
LOOK_UP_ROWS = 1024
DIGITS = 9  # cosines that agree to so many digits are ties; rounding noise must not choose neighbours


def normalised_adjacency(weights: Tensor) -> Tensor:
    """``D^-1/2 (A + I) D^-1/2``: every node also listens to itself, and busy nodes count less.

    Args:
        weights: A, (n, n) edge weights, 0 or more, zeros on the diagonal.

    Returns:
        (n, n); symmetric when A is. Its largest eigenvalue is then 1. Without edges it is the identity.

    >>> normalised_adjacency(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    a = weights + torch.eye(len(weights), dtype=weights.dtype, device=weights.device)
    degree = a.sum(dim=1)  # (n,)
    return a / (degree[:, None] * degree[None, :]).sqrt()


def graph_convolution(adjacency: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """One layer, ``ReLU(A_hat X W)``: mix the neighbours, then transform.

    Args:
        adjacency: A_hat, (n, n) or some of its rows (b, n). x: (n, d) node features. weight: (d, h).

    Returns:
        (n, h) or (b, h).

    >>> graph_convolution(torch.full((2, 2), 0.5), torch.tensor([[2.0], [4.0]]), torch.tensor([[1.0]])).tolist()
    [[3.0], [3.0]]
    """
    return torch.relu(adjacency @ x @ weight)


def nearest_rows(queries: Tensor, gallery: Tensor, k: int, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The ``k`` rows of the gallery with the largest cosine, for every query.

    Args:
        queries: (b, d). gallery: (n, d).
        k: How many, at most n, or n - 1 with ``own``.
        own: (b,) the gallery row that is the query itself and must not be its neighbour; None: the queries are new.

    Returns:
        Their indices (b, k), nearest first, and their cosines (b, k). A row of zeros has cosine 0 with all. The
        arithmetic is that of the inputs; in float64 a query gives the same answer in whatever company it comes.

    >>> gallery = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> nearest_rows(torch.tensor([[3.0, 0.0]]), gallery, 2)[0].tolist()
    [[0, 2]]
    """
    unit = nn.functional.normalize(gallery, dim=1)
    found = []
    for start in range(0, len(queries), LOOK_UP_ROWS):
        rows = slice(start, start + LOOK_UP_ROWS)
        cosines = (nn.functional.normalize(queries[rows], dim=1) @ unit.T).round(decimals=DIGITS)  # (., n)
        if own is not None:
            cosines.scatter_(1, own[rows, None], -torch.inf)
        found.append(cosines.topk(k, dim=1))
    if not found:
        empty = queries.new_empty(0, k)
        return empty.long(), empty
    return torch.cat([f.indices for f in found]), torch.cat([f.values for f in found])


def random_rows(
    queries: Tensor, gallery: Tensor, k: int, own: Tensor | None = None, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """``k`` different gallery rows at random, as the control of :func:`nearest_rows` and with its arguments.

    The draw depends on ``seed`` and on the numbers in the query row, not on its place among the queries.
    """
    index = np.empty((len(queries), k), dtype=np.int64)
    for number, row in enumerate(queries.detach().float().cpu().numpy()):
        rng = np.random.default_rng([seed, zlib.crc32(row.tobytes())])
        choice = rng.choice(len(gallery) - (own is not None), size=k, replace=False)
        index[number] = choice if own is None else choice + (choice >= int(own[number]))  # skip the row itself
    chosen = torch.from_numpy(index).to(queries.device)
    unit, q = nn.functional.normalize(gallery, dim=1), nn.functional.normalize(queries, dim=1)
    cosines = [(q * unit[column]).sum(1) for column in chosen.T]
    return chosen, torch.stack(cosines, dim=1) if cosines else q.new_empty(len(q), 0)


@dataclass(frozen=True)
class Edges:
    """The rows of A_hat that belong to b items.

    Attributes:
        index: (b, k) gallery rows of the neighbours.
        weight: (b, k) their entries of A_hat.
        loop: (b,) the entry of the self-loop.
    """

    index: Tensor
    weight: Tensor
    loop: Tensor

    def mix(self, own: Tensor, gallery: Tensor) -> Tensor:
        """``A_hat X`` for these items: own rows (b, d) and gallery rows (n, d) -> (b, d)."""
        return self.loop[:, None] * own + torch.einsum("bk,bkd->bd", self.weight, gallery[self.index])


class LocalGraphs(nn.Module):
    """The graph of the training rows of one modality, and the edges of new items into it.

    ``A_ij = exp(cos(x_i, x_j) / tau)`` for the ``k`` neighbours j of item i, and a self-loop of 1. The degree of an
    item is the sum of its own row. The training rows and their edges are buffers: they are stored with the model.

    Args:
        k: Neighbours of each item. 0: no graph, A_hat = I.
        tau: Temperature of the edge weights.
        neighbours: ``"true"``, or ``"random"`` for the control.
        seed: Of the random neighbours.
    """

    rows: Tensor
    index: Tensor
    weight: Tensor
    loop: Tensor
    degree: Tensor

    def __init__(self, k: int, tau: float = 1.0, neighbours: str = "true", seed: int = 0) -> None:
        super().__init__()
        self.k, self.tau, self.seed = k, tau, seed
        self.neighbours = check_choice(neighbours, NEIGHBOURS, "kind of neighbours")
        if k < 0 or tau <= 0:
            raise InvalidInput(f"A graph needs k of at least 0 and tau above 0, but k={k} and tau={tau}.")
        for name in ("rows", "index", "weight", "loop", "degree"):
            self.register_buffer(name, torch.empty(0))
        self._last: tuple[Tensor, Edges] | None = None

    def learn(self, rows: Tensor) -> None:
        """Take the training rows (n, d) and connect each with its ``k`` neighbours among the others."""
        if self.k >= len(rows):
            raise InvalidInput(
                f"k={self.k} neighbours among the other training items need more than {self.k} items, but there are "
                f"{len(rows)}. Use a smaller k."
            )
        self._last = None
        index, affinity = self._neighbours(rows, rows, torch.arange(len(rows), device=rows.device))
        self.rows, self.degree = rows, 1 + affinity.double().sum(1)
        edges = self._edges(index, affinity, self.degree)
        self.index, self.weight, self.loop = edges.index, edges.weight, edges.loop

    def _neighbours(self, queries: Tensor, gallery: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
        """Neighbours (b, k) and A (b, k)."""
        if self.neighbours == "true":
            index, cosines = nearest_rows(queries, gallery, self.k, own)
        else:
            index, cosines = random_rows(queries, gallery, self.k, own, self.seed)
        return index, (cosines / self.tau).exp()

    def _edges(self, index: Tensor, affinity: Tensor, degree: Tensor) -> Edges:
        """Rows of D^-1/2 (A + I) D^-1/2."""
        weight = affinity / (degree[:, None] * self.degree[index]).sqrt()
        return Edges(index, weight.to(self.rows.dtype), (1 / degree).to(self.rows.dtype))

    def training_edges(self, items: Tensor) -> Edges:
        """Edges of the training items with these numbers, (b,)."""
        return Edges(self.index[items], self.weight[items], self.loop[items])

    def look_up(self, x: Tensor) -> Edges:
        """Edges of new items (b, d) to training rows. The last answer is kept: validation asks after every epoch."""
        if self._last is None or not torch.equal(self._last[0], x):
            index, affinity = self._neighbours(x.double(), self.rows.double(), None)
            self._last = x, self._edges(index, affinity, 1 + affinity.sum(1))
        return self._last[1]

    def _apply(self, *args: Any, **kwargs: Any) -> LocalGraphs:
        self._last = None  # it may sit on another device
        super()._apply(*args, **kwargs)
        return self

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Take buffers of the stored size: how many training rows there were is only known now."""
        accept_stored_sizes(self, state, prefix, ("rows", "index", "weight", "loop", "degree"))
        self._last = None
        super()._load_from_state_dict(state, prefix, *args)


def accept_stored_sizes(module: nn.Module, state: dict[str, Tensor], prefix: str, names: Sequence[str]) -> None:
    """Give the buffers of a module the shape and type of the stored ones, before they are loaded."""
    for name in names:
        if (stored := state.get(prefix + name)) is not None:
            setattr(module, name, torch.empty_like(stored, device=getattr(module, name).device))
