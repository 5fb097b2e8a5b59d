"""What the benchmarks share: one thread, CPU seconds, and demands that pass or fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import comb
from statistics import median
from time import process_time
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from xmr_lib.evaluation.tables import text_table

T = TypeVar("T")


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for every numeric library that is imported by now, so import all of them first."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with threadpool_limits(1):
        try:
            if torch:
                torch.set_num_threads(1)
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


def timed(name: str, function: Callable[[], T], repeats: int = 1) -> tuple[T, float]:
    """Result and best CPU time of some repeats; CPU seconds of all threads, so a second thread is no advantage."""
    best = float("inf")
    for _ in range(repeats):
        start = process_time()
        value = function()
        best = min(best, process_time() - start)
    print(f"  {name}: {best:.2f} s", file=sys.stderr, flush=True)
    return value, best


def cpu_seconds(function: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    start = process_time()
    function()
    return process_time() - start


def interleaved(sides: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of every side, once per repeat; the sides take turns, and another one begins each time.

    So whatever else the computer does meets all of them alike, and the times of one repeat can be compared.
    """
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats):
        for place in range(len(names)):
            name = names[(repeat + place) % len(names)]
            seconds[name].append(cpu_seconds(sides[name]))
        print(f"  repeat {repeat + 1} of {repeats} done", file=sys.stderr, flush=True)
    return seconds


def ratio_interval(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float, float]:
    """Median of the ratios within repeats, and a 95 % interval of the median.

    Between the k-th smallest and the k-th largest of n values lies the median, but for a chance of twice
    P(fewer than k of n coins show heads); k is the largest for which that is at most 5 %. Fewer than six values have no
    such k: then the interval is all of them.

    Example: of nine values the second smallest and the second largest.
        >>> ratio_interval([10, 11, 12, 13, 14, 15, 16, 17, 18], [10] * 9)
        (1.4, 1.1, 1.7)
    """
    ratios = sorted(a / b for a, b in zip(slow, fast, strict=True))
    n, k = len(ratios), 0
    while 2 * sum(comb(n, heads) for heads in range(k + 1)) <= 0.05 * 2**n:
        k += 1
    k = max(k, 1)
    return median(ratios), ratios[k - 1], ratios[n - k]


@dataclass(frozen=True)
class Demand:
    """One thing that must hold; ``judged`` is False where it is only shown (speed at a small size)."""

    what: str
    found: str
    wanted: str
    good: bool
    judged: bool = True

    @classmethod
    def equal(cls, what: str, apart: float, tolerance: float) -> Demand:
        """Results differ by ``tolerance`` at most."""
        return cls(what, f"{apart:.1e}", f"<= {tolerance:.0e}", apart <= tolerance)

    @classmethod
    def faster(cls, what: str, slow: float, fast: float, least: float, judged: bool) -> Demand:
        """``slow`` seconds are at least ``least`` times ``fast`` seconds."""
        found = slow / max(fast, 1e-9)
        return cls(what, f"{found:.1f} x", f">= {least:g} x", found >= least, judged)

    @classmethod
    def surely_faster(
        cls, what: str, slow: Sequence[float], fast: Sequence[float], least: float, judged: bool
    ) -> Demand:
        """Over interleaved repeats the whole interval of the ratio lies at ``least`` or above."""
        middle, low, high = ratio_interval(slow, fast)
        return cls(what, f"{middle:.2f} x ({low:.2f} to {high:.2f})", f">= {least:g} x", low >= least, judged)


def verdict(demands: Sequence[Demand]) -> int:
    """Print the demands as a table; 1 if one that is judged fails, else 0."""
    rows = [[d.what, d.found, d.wanted, ("PASS" if d.good else "FAIL") if d.judged else "not judged"] for d in demands]
    print("\n" + text_table(["", "found", "wanted", ""], rows))
    return int(any(d.judged and not d.good for d in demands))
