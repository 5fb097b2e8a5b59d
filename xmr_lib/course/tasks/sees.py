"""Ways to recognise a mistake by the look of a result, for ``Diagnosis.sees``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmr_lib.course.task import Case


def holds(test: Callable[[NDArray[Any]], Any]) -> Callable[[Case, Any, Any], bool]:
    """Whether a number of the result, or of one of several results, passes a test such as ``np.isnan``."""

    def sees(case: Case, expected: Any, got: Any) -> bool:
        for part in got if isinstance(got, (tuple, list)) else (got,):
            try:
                if bool(np.any(test(np.asarray(part, dtype=float)))):
                    return True
            except (TypeError, ValueError):
                continue
        return False

    return sees


def not_finite(values: NDArray[Any]) -> Any:
    """Where a number is NaN or infinite."""
    return ~np.isfinite(values)
