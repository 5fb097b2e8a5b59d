"""The one progress bar of the course: quiet for short work, silent where nobody watches."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any


def progress(items: Iterable[Any] | None = None, **options: Any) -> Any:
    """A bar of tqdm, for a notebook or a terminal, that appears after two seconds and goes when the work is done.

    It is silent when the environment variable ``TQDM_DISABLE`` is set, as it is while notebooks are executed for
    storage (tqdm alone obeys that variable in a terminal, but not in a notebook), and in all of several processes but
    the first.

    Args:
        items: What to go through, or None for a bar that is moved by hand (then pass ``total``).
        options: As of ``tqdm.auto.tqdm``: ``desc``, ``unit``, ``total``, ...

    Example:
        >>> [letter.upper() for letter in progress("ab", desc="letters")]
        ['A', 'B']
    """
    from tqdm.auto import tqdm

    disable = os.environ.get("TQDM_DISABLE", "0") not in ("", "0") or os.environ.get("RANK", "0") != "0"
    return tqdm(items, **{"delay": 2, "leave": False, "disable": disable, **options})
