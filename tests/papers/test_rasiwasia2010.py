"""The table of Rasiwasia et al. (ACM MM 2010), reproduced on the features the authors released."""

import os

import numpy as np
import pytest

from xmr_lib.config import data_dir
from xmr_lib.data import load_dataset
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.base import Method
from xmr_lib.methods.subspace import CCA, CM, SCM

pytestmark = pytest.mark.skipif(
    not (os.environ.get("XMR_DATA_DIR") and (data_dir() / "wikipedia" / "raw_features.mat").exists()),
    reason="needs the official Wikipedia features in XMR_DATA_DIR/wikipedia",
)


@pytest.fixture(scope="module")
def wikipedia():
    return load_dataset("wikipedia")


class Random(Method):
    """A ranking drawn by lot."""

    def fit(self, train, validation=None):
        return self

    def similarity(self, images, texts):
        return np.random.default_rng(0).random((len(images), len(texts)))


def maps(method, wikipedia):
    report = evaluate(method.fit(wikipedia.split("train")), wikipedia.split("test"))
    return report.i2t["MAP"], report.t2i["MAP"]


def test_random(wikipedia):
    assert np.mean(maps(Random(), wikipedia)) == pytest.approx(0.118, abs=0.002)


def test_correlation_matching(wikipedia):
    assert np.mean(maps(CM(), wikipedia)) == pytest.approx(0.223, abs=0.01)


def test_semantic_correlation_matching(wikipedia):
    image_query, text_query = maps(SCM(), wikipedia)
    assert image_query == pytest.approx(0.277, abs=0.015)
    assert text_query == pytest.approx(0.226, abs=0.015)
    assert (image_query + text_query) / 2 == pytest.approx(0.252, abs=0.015)


def test_tenth_canonical_correlation_is_zero_up_to_the_ridge(wikipedia):
    """Topic proportions sum to one, so ten topics have nine degrees of freedom."""
    rho = CCA(10, ridge=1e-3).fit(wikipedia.split("train")).correlations_
    assert rho[8] > 0.2
    assert abs(rho[9]) < 1e-3
