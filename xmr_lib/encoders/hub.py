"""Models by hub name: the same sentence for everyone whose computer cannot reach the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from urllib.error import URLError

from xmr_lib.errors import MissingData

T = TypeVar("T")


def load_from_hub(name: str, load: Callable[[], T]) -> T:
    """Call ``load``; turn the many ways a download can fail into one :class:`MissingData`."""
    try:
        return load()
    except (OSError, URLError, ValueError) as error:
        raise MissingData(
            f"The model {name!r} is neither in the local model cache nor could it be downloaded "
            f"({type(error).__name__}). Check its name and your connection (and unset HF_HUB_OFFLINE), or use an "
            "encoder that works offline: efficientnet-lite0 for pictures, minilm, bow or lda for text."
        ) from error
