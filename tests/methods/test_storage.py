"""A method stored and read back gives the same similarities; a damaged or foreign folder is named as such."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import InvalidInput, MissingData
from xmr_lib.methods.base import Method
from xmr_lib.methods.baselines import NearestNeighbourCaption
from xmr_lib.methods.subspace import CCA, CM, SCM, SM


@pytest.fixture(scope="module")
def data() -> PairedFeatures:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 90)
    centres = 3 * rng.normal(size=(3, 6))
    image, text = centres[classes], centres[classes][:, :4]
    return PairedFeatures(
        image + rng.normal(size=image.shape), text + rng.normal(size=text.shape), labels=np.eye(3)[classes]
    )


METHODS = [CCA(3, ridge=0.1, correlation_power=0.5), CM(2), SM(C=0.5), SCM(3, C=2.0), NearestNeighbourCaption(2)]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_round_trip(method: Method, data: PairedFeatures, tmp_path: Path) -> None:
    method.fit(data).save(tmp_path / "stored")
    again = type(method).load(tmp_path / "stored")
    assert type(again) is type(method)
    assert again.get_params() == method.get_params()
    np.testing.assert_array_equal(again.similarity(data.image, data.text), method.similarity(data.image, data.text))
    assert sorted(path.name for path in (tmp_path / "stored").iterdir()) == ["config.json", "fitted.safetensors"]


def test_an_unfitted_method_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not fitted yet"):
        CCA(3).save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_wrong_folders(data: PairedFeatures, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no stored method"):
        CCA.load(tmp_path)
    CM(2).fit(data).save(tmp_path)
    with pytest.raises(InvalidInput, match=r"holds a CM, not a SCM. Use CM.load"):
        SCM.load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "fitted.safetensors"])
def test_damaged_files(data: PairedFeatures, tmp_path: Path, name: str) -> None:
    CM(2).fit(data).save(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:20])
    with pytest.raises(InvalidInput, match="damaged"):
        CM.load(tmp_path)
