"""What the benchmarks share: one thread, CPU seconds, and demands that pass or fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import process_time
from typing import TypeVar

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


def verdict(demands: Sequence[Demand]) -> int:
    """Print the demands as a table; 1 if one that is judged fails, else 0."""
    rows = [[d.what, d.found, d.wanted, ("PASS" if d.good else "FAIL") if d.judged else "not judged"] for d in demands]
    print("\n" + text_table(["", "found", "wanted", ""], rows))
    return int(any(d.judged and not d.good for d in demands))
