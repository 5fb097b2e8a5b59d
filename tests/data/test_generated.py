"""The generated data set: the recipe, the shares it promises, its roles."""

from __future__ import annotations

import numpy as np
import pytest

from xmr_lib.data import load_dataset
from xmr_lib.data.generated import load
from xmr_lib.errors import InvalidInput
from xmr_lib.evaluation.hashing import density


def test_shapes_and_roles() -> None:
    data = load_dataset("generated")
    assert data.features.image.shape == (2400, 128)
    assert data.features.text.shape == (2400, 200)
    assert data.labels is not None
    assert data.labels.shape == (2400, 12)
    assert len(data.class_names) == 12
    roles = {name: rows.tolist() for name, rows in data.splits.items()}
    assert {name: len(rows) for name, rows in roles.items()} == {
        "query": 400,
        "database": 2000,
        "train": 1000,
        "validation": 500,
    }
    assert not set(roles["query"]) & set(roles["database"])
    assert not set(roles["train"]) & set(roles["validation"])
    assert roles["database"][:1000] == roles["train"]
    assert set(roles["validation"]) < set(roles["database"])


def test_values_are_what_the_recipe_says() -> None:
    data = load()
    image, text, labels = data.features.image, data.features.text, data.labels
    assert labels is not None
    assert (image.dtype, text.dtype) == (np.float32, np.float32)
    assert np.abs(image).max() <= 1
    assert set(np.unique(text)) == {0, 1}
    assert labels.any(axis=1).all()
    assert np.corrcoef(labels.mean(axis=0), np.linspace(0.32, 0.08, 12))[0, 1] > 0.95
    assert labels[:, 0].mean() > labels[:, -1].mean() + 0.15


def test_chance_is_that_of_the_reference_runs() -> None:
    data = load()
    assert density(data.split("query").labels, data.split("database").labels) == pytest.approx(0.446, abs=0.02)


def test_the_views_share_what_the_labels_say_and_nothing_else() -> None:
    """Each view predicts the labels; what is left after the labels is not shared by the views."""
    data = load()
    labels = np.column_stack([np.ones(2400), data.labels])
    views = [data.features.image, data.features.text]
    explained = []
    for view in views:
        weights = np.linalg.lstsq(np.column_stack([np.ones(2400), view])[:1200], labels[:1200, 1:], rcond=None)[0]
        guess = np.column_stack([np.ones(2400), view])[1200:] @ weights
        explained.append([np.corrcoef(guess[:, c], labels[1200:, c + 1])[0, 1] for c in range(12)])
    assert np.mean(explained[0]) > 0.5
    assert np.mean(explained[1]) > 0.35
    rest = [view - labels @ np.linalg.lstsq(labels, view, rcond=None)[0] for view in views]
    rest = [part / part.std(axis=0) for part in rest]
    correlations = rest[0].T @ rest[1] / 2400
    assert correlations.std() == pytest.approx(1 / np.sqrt(2400), rel=0.1)


def test_the_seed_decides() -> None:
    first, again, other = load(n=48), load(n=48), load(n=48, seed=1)
    np.testing.assert_array_equal(first.features.text, again.features.text)
    assert first.features.version == again.features.version != other.features.version
    assert first.version == again.version != other.version


@pytest.mark.parametrize("options", [{"n": 23}, {"classes": 1}, {"n": 0}, {"n": 2.5}])
def test_refusals(options: dict) -> None:
    with pytest.raises(InvalidInput, match="at least"):
        load(**options)


def test_small_sizes_still_have_all_roles() -> None:
    data = load(n=24, classes=2, d_image=3, d_text=4)
    assert all(len(rows) >= 4 for rows in data.splits.values())
    assert data.features.image.shape == (24, 3)
