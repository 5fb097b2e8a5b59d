"""Models by hub name: the same sentence for everyone whose computer cannot reach the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.error import URLError

from xmr_lib.errors import MissingData

T = TypeVar("T")


OFFLINE = "use an encoder that works offline: efficientnet-lite0 for pictures, minilm, bow or lda for text"


def load_from_hub(name: str, load: Callable[[], T], instead: str = OFFLINE) -> T:
    """Call ``load``; turn the many ways a download can fail into one :class:`MissingData`, which says what to do."""
    try:
        return load()
    except (OSError, URLError, ValueError) as error:
        raise MissingData(
            f"The model {name!r} is neither in the local model cache nor could it be downloaded "
            f"({type(error).__name__}). Check its name and your connection (and unset HF_HUB_OFFLINE), or {instead}."
        ) from error


def weights_digest(net: Any) -> str:
    """A short hash of all weights of a torch module: a folder or hub name alone does not tell which weights it held."""
    digest = hashlib.sha256()
    for tensor in net.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
