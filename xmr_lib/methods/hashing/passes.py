"""Rounds of training: an epoch that goes over the pairs several times, with another player in every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor

from xmr_lib.data.batches import PairBatches


class Passes:
    """Batches of an epoch with several passes over the data. Called like :class:`PairBatches`.

    Args:
        batches: One pass. count: How many, each in an order of its own.
    """

    def __init__(self, batches: PairBatches, count: int) -> None:
        self.batches, self.count = batches, count

    def __call__(self, epoch: int) -> Round:
        """The batches of one epoch, counted from 0."""
        return Round(self.batches, range(epoch * self.count, (epoch + 1) * self.count))


class Round:
    """The batches of some passes, one after the other; made when they are asked for, so none waits in memory."""

    def __init__(self, batches: PairBatches, passes: range) -> None:
        self.batches, self.passes = batches, passes

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.passes) * len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for number in self.passes:
            yield from self.batches(number)


def in_passes(passes: Mapping[str, int]) -> Callable[[float], tuple[str, ...]]:
    """Whose turn it is, from the share of the epoch that is done: each player for its passes, in the given order.

    >>> turn = in_passes({"teacher": 1, "student": 2})
    >>> [turn(share) for share in (0.0, 0.3, 0.4, 0.99)]
    [('teacher',), ('teacher',), ('student',), ('student',)]
    """
    order = [name for name, count in passes.items() for _ in range(count)]
    return lambda share: (order[min(int(share * len(order) + 1e-9), len(order) - 1)],)
