"""Similarities to anchors: by hand, against scikit-learn, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

from xmr_lib.encoders.anchors import RBFAnchors, squared_distances
from xmr_lib.errors import InvalidInput


def test_by_hand() -> None:
    # rows 0 and 2, both anchors: squared distances 0, 4, 4, 0, so sigma^2 = half their mean = 1
    near = RBFAnchors([[0.0], [2.0]], count=2)
    assert near.sigma == pytest.approx(1)
    assert near([[0.0], [1.0], [2.0]]) == pytest.approx(
        np.array([[1, np.exp(-2)], [np.exp(-0.5), np.exp(-0.5)], [np.exp(-2), 1]])
    )


def test_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    rows, new = rng.normal(size=(60, 7)), rng.normal(size=(9, 7))
    near = RBFAnchors(rows, count=20, seed=3)
    gamma = 1 / euclidean_distances(rows, near.anchors, squared=True).mean()
    np.testing.assert_allclose(near(new), rbf_kernel(new, near.anchors, gamma=gamma), atol=1e-6)
    assert near(new).dtype == np.float32


def test_anchors_are_training_rows_drawn_without_repetition() -> None:
    rows = np.arange(40.0)[:, None]
    near = RBFAnchors(rows, count=15, seed=1)
    assert len(set(near.anchors.ravel())) == 15
    assert set(near.anchors.ravel()) <= set(rows.ravel())
    assert (near.anchors != RBFAnchors(rows, count=15, seed=2).anchors).any()
    assert (near.anchors == RBFAnchors(rows, count=15, seed=1).anchors).all()


def test_an_anchor_is_nearest_to_itself_and_everything_is_in_0_to_1() -> None:
    near = RBFAnchors(np.random.default_rng(0).normal(size=(30, 3)), count=30)
    table = near(near.anchors)
    assert (table.argmax(axis=1) == np.arange(30)).all()
    np.testing.assert_allclose(np.diag(table), 1, atol=1e-6)
    assert table.min() >= 0
    assert table.max() <= 1
    assert near(np.full((1, 3), 1e6)).max() == 0  # far away from everything


def test_scale_of_the_features_does_not_matter() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 3))
    np.testing.assert_allclose(RBFAnchors(rows, 10)(rows), RBFAnchors(1000 * rows, 10)(1000 * rows), atol=1e-5)


def test_two_columns_become_many_directions() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 2))
    lifted = RBFAnchors(rows, 50)(rows)
    assert np.linalg.matrix_rank(rows - rows.mean(axis=0)) == 2
    assert np.linalg.matrix_rank(lifted - lifted.mean(axis=0), tol=1e-4) >= 16


def test_distances_are_never_negative() -> None:
    rows = np.full((5, 3), 1e4) + 1e-6 * np.random.default_rng(0).normal(size=(5, 3))
    assert squared_distances(rows, rows).min() >= 0


def test_more_anchors_than_rows_are_refused() -> None:
    with pytest.raises(InvalidInput, match="There are 5 rows"):
        RBFAnchors(np.zeros((5, 2)), count=6)
    with pytest.raises(InvalidInput, match="at least 1"):
        RBFAnchors(np.zeros((5, 2)), count=0)
