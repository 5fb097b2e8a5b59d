"""Where things live and how large a run is: four environment variables, read in one place.

``XMR_PROFILE``    smoke | course | paper (default course)
``XMR_CACHE_DIR``  features and generated data (default: the user's cache folder)
``XMR_FITS``       train | load (default train): what to do about a fit that is not stored yet
``XMR_DATA_DIR``   benchmark data sets in their official layout, ``<XMR_DATA_DIR>/<name>/...``
"""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from xmr_lib.errors import check_choice

PROFILES = ("smoke", "course", "paper")


def profile(name: str | None = None) -> str:
    """The active profile: ``name`` if given, else ``XMR_PROFILE``, else ``"course"``.

    Raises:
        UnknownName: The name is not one of ``smoke``, ``course``, ``paper``.
    """
    return check_choice(name or os.environ.get("XMR_PROFILE") or "course", PROFILES, "profile")


def fits() -> str:
    """``"train"``: train what is not stored and store it; ``"load"``: say that it is missing. From ``XMR_FITS``.

    Raises:
        UnknownName: Another value.
    """
    return check_choice(
        os.environ.get("XMR_FITS") or "train", ("train", "load"), "way to treat missing fits (XMR_FITS)"
    )


def cache_dir() -> Path:
    """Folder for everything that can be built again; created on first use."""
    folder = Path(os.environ.get("XMR_CACHE_DIR") or user_cache_path("xmr")).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def data_dir() -> Path:
    """Folder that holds benchmark data sets, one sub-folder each; it need not exist."""
    return Path(os.environ.get("XMR_DATA_DIR") or cache_dir() / "datasets").expanduser()
