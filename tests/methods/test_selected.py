"""A method chosen on validation: the right one wins, test pairs are never seen, seeds are handed on."""

import numpy as np
import pytest

from xmr_lib.data import PairedFeatures, Splits
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation import compare, evaluate
from xmr_lib.methods.base import Method
from xmr_lib.methods.selected import Selected
from xmr_lib.methods.subspace import CM, SCM, SM


class Fixed(Method):
    """A ranking with a known quality: the true label similarity, mixed with noise."""

    def __init__(self, noise=0.0, seed=0):
        self.noise = noise
        self.seed = seed

    def fit(self, train, validation=None):
        self.fitted_ = True
        return self

    def similarity(self, images, texts):
        rng = np.random.default_rng(self.seed)
        return (images @ texts.T) + self.noise * rng.normal(size=(len(images), len(texts)))


def pairs(n=60, seed=0):
    labels = np.eye(3)[np.random.default_rng(seed).integers(0, 3, n)]
    return PairedFeatures(labels, labels, labels=labels)


def test_the_best_on_validation_is_kept():
    selected = Selected([Fixed(5.0), Fixed(0.1), Fixed(1.0)]).fit(pairs(), pairs(seed=1))
    assert selected.best_.noise == 0.1
    assert selected.scores_.argmax() == 1
    test = pairs(seed=2)
    np.testing.assert_array_equal(
        selected.similarity(test.image, test.text), selected.best_.similarity(test.image, test.text)
    )
    assert selected.scores_[1] == evaluate(selected.best_, pairs(seed=1), metrics=["MAP"]).value("MAP")


def test_options_stay_unfitted_and_get_the_seed():
    options = [Fixed(1.0), CM(1)]
    selected = Selected(options, seed=7).fit(pairs(), pairs(seed=1))
    assert not hasattr(options[0], "fitted_")
    assert not hasattr(options[1], "image_mean_")
    assert Selected([Fixed(1.0)], seed=7).fit(pairs(), pairs(seed=1)).best_.seed == 7
    assert len(selected.scores_) == 2


def test_in_a_comparison():
    rng = np.random.default_rng(0)
    data = [
        PairedFeatures(p.image + rng.normal(size=(60, 3)), p.text, labels=p.labels)
        for p in map(pairs, [60] * 3, range(3))
    ]
    methods = {"SM": Selected([SM(0.01), SM(1.0)]), "SCM": Selected([SCM(2, C=1.0), SCM(1, C=1.0)])}
    table = compare(methods, lambda seed: Splits(*data), [0, 1])
    assert [row[0] for row in table.rows()] == ["SM", "SCM"]
    assert isinstance(table.fitted["SCM"][0].best_, SCM)
    assert methods["SM"].name == "SM"


def test_bad_input(tmp_path):
    with pytest.raises(InvalidInput, match="nothing to choose from"):
        Selected([]).fit(pairs(), pairs())
    with pytest.raises(InvalidInput, match="needs validation pairs"):
        Selected([Fixed()]).fit(pairs())
    with pytest.raises(InvalidInput, match="not fitted"):
        Selected([Fixed()]).similarity(pairs().image, pairs().text)
    with pytest.raises(InvalidInput, match=r"best_\.save"):
        Selected([Fixed()]).fit(pairs(), pairs()).save(tmp_path)
