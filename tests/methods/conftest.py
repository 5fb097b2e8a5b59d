"""Data that several tests of methods measure on, made once per run."""

from __future__ import annotations

import pytest

from xmr_lib.encoders.hashing_splits import HashingSplits, hashing_splits
from xmr_lib.errors import MissingData


@pytest.fixture(scope="session")
def generated() -> HashingSplits:
    """The generator: 1,000 training rows of 12 classes, several per row."""
    return hashing_splits("generated")


@pytest.fixture(scope="session")
def wikipedia() -> HashingSplits:
    """The features of 2010, where XMR_DATA_DIR has them."""
    try:
        return hashing_splits("wikipedia")
    except MissingData as error:
        pytest.skip(f"the Wikipedia features are not here: {error}")
