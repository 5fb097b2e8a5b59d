"""The baselines against a double loop, on their own training data, and on wrong use."""

import numpy as np
import pytest

from xmr_lib.data import PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.baselines import NearestNeighbourCaption, RandomRanking


def pairs(n=30, seed=0, captions=2):
    """n images with several captions each; images and captions come in unrelated orders."""
    rng = np.random.default_rng(seed)
    caption_image = rng.permutation(np.repeat(np.arange(n), captions))
    return PairedFeatures(rng.normal(size=(n, 6)), rng.normal(size=(n * captions, 5)), caption_image)


def naive(train, images, texts, k):
    """The definition, one pair at a time."""

    def cos(a, b):
        return float(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))

    mean = train.image.mean(axis=0)
    out = np.zeros((len(images), len(texts)))
    for i, x in enumerate(images):
        order = sorted(range(train.n_images), key=lambda j: -cos(x - mean, train.image[j] - mean))
        lent = []
        for j in order[:k]:
            its = [
                t / np.linalg.norm(t) for t, owner in zip(train.text, train.caption_image, strict=True) if owner == j
            ]
            lent.append(np.mean(its, axis=0))
        for j, t in enumerate(texts):
            out[i, j] = cos(np.mean(lent, axis=0), t)
    return out


@pytest.mark.parametrize("k", [1, 3, 30])
def test_equals_the_double_loop(k):
    train, new = pairs(), pairs(9, seed=1)
    fast = NearestNeighbourCaption(neighbours=k).fit(train).similarity(new.image, new.text)
    np.testing.assert_allclose(fast, naive(train, new.image, new.text, k), atol=1e-12)


def test_perfect_on_its_own_training_pictures_and_chance_on_unrelated_ones():
    train, new = pairs(200, captions=1), pairs(200, seed=1, captions=1)
    method = NearestNeighbourCaption().fit(train)
    assert evaluate(method, train, metrics=["R@1"]).value("R@1") == 1.0
    assert evaluate(method, new, metrics=["R@1"]).value("R@1") < 0.05


def test_finds_a_shared_structure():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3))
    x, y = z @ rng.normal(size=(3, 8)), z @ rng.normal(size=(3, 7))
    data = PairedFeatures(x, y)
    method = NearestNeighbourCaption(neighbours=3).fit(data.subset(np.arange(300)))
    report = evaluate(method, data.subset(np.arange(300, 400)), metrics=["R@10"])
    assert report.value("R@10") > 4 * report.chance["i2t"]["R@10"]


def test_two_drawings_share_one_caption():
    train = PairedFeatures(np.eye(4), np.eye(2, 3), caption_image=[0, 1], instances=[0, 1, 0, 1])
    lent = NearestNeighbourCaption().fit(train).encode_image(np.eye(4))
    np.testing.assert_allclose(lent, np.eye(2, 3)[[0, 1, 0, 1]])


def test_scale_and_shift_of_images_do_not_matter():
    train, new = pairs(), pairs(9, seed=1)
    moved = PairedFeatures(train.image * 3 + 7, train.text * 5, train.caption_image)
    a = NearestNeighbourCaption().fit(train).similarity(new.image, new.text)
    b = NearestNeighbourCaption().fit(moved).similarity(new.image * 3 + 7, new.text)
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_order_of_the_training_images_does_not_matter():
    train, new = pairs(), pairs(9, seed=1)
    mixed = train.subset(np.random.default_rng(2).permutation(train.n_images))
    a, b = (NearestNeighbourCaption(neighbours=2).fit(t).similarity(new.image, new.text) for t in (train, mixed))
    np.testing.assert_allclose(a, b, atol=1e-12)


def test_random_ranking_is_chance_and_repeats():
    data = pairs(300, captions=1)
    method = RandomRanking(seed=3).fit(data)
    report = evaluate(method, data, metrics=["R@10", "MedR"])
    assert report.value("R@10") == pytest.approx(10 / 300, abs=0.03)
    assert report.value("MedR") == pytest.approx(150, abs=25)
    again, other = (
        RandomRanking(3).similarity(data.image, data.text),
        RandomRanking(4).similarity(data.image, data.text),
    )
    assert (method.similarity(data.image, data.text) == again).all()
    assert (again != other).any()


def test_wrong_use_is_refused():
    train = pairs(5)
    with pytest.raises(InvalidInput, match="not fitted"):
        NearestNeighbourCaption().similarity(train.image, train.text)
    with pytest.raises(InvalidInput, match="neighbours"):
        NearestNeighbourCaption(neighbours=0).fit(train)
    with pytest.raises(InvalidInput, match="only 5 training images"):
        NearestNeighbourCaption(neighbours=6).fit(train)
    bare = PairedFeatures(np.eye(3), np.eye(2, 3), caption_image=[0, 1])
    with pytest.raises(InvalidInput, match="1 training images have no caption"):
        NearestNeighbourCaption().fit(bare)
