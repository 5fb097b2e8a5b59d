"""What every neural method promises, whatever its network: wrong input, storage, seeds, selection, going on."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import xmr_lib.methods.neural as neural
from xmr_lib.data.base import PairedFeatures
from xmr_lib.errors import InvalidInput, TrainingDiverged
from xmr_lib.methods import real_valued
from xmr_lib.methods.neural import NeuralDualEncoder
from xmr_lib.metrics import mean_average_precision, relevance_from_labels

METHODS = [getattr(real_valued, name) for name in real_valued.__all__]
METHODS = [cls for cls in METHODS if isinstance(cls, type) and issubclass(cls, NeuralDualEncoder)]
each = pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)


def pairs(n: int = 48, captions: int = 1, seed: int = 0) -> PairedFeatures:
    """Three classes that both sides show; feature sizes 9 and 5."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(3, 9))
    classes = rng.permutation(np.arange(n) % 3)
    of = np.repeat(np.arange(n), captions)
    image, text = 2 * centres[classes], 2 * centres[classes[of], :5]
    image, text = image + rng.normal(size=image.shape), text + rng.normal(size=text.shape)
    return PairedFeatures(image, text, of, labels=np.eye(3)[classes], class_names=("a", "b", "c"))


def made(cls: type, **changes: Any) -> Any:
    """A method in its smoke form, for two epochs; each class gets what its constructor takes."""
    method = cls(**cls.preset("smoke"))
    return method.clone(**{"epochs": 2, "batch_size": 16, **changes})


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return {cls.__name__: made(cls).fit(pairs(), pairs(30, seed=1)) for cls in METHODS}


# --- wrong input ---------------------------------------------------------------------------------------------------


@each
def test_wrong_training_data(cls: type) -> None:
    data, method = pairs(), made(cls)
    with pytest.raises(InvalidInput, match="must pair one to one"):
        PairedFeatures(data.image, data.text[:-1], labels=data.labels)
    with pytest.raises(InvalidInput, match="NaN or infinity"):
        PairedFeatures(np.where(data.image > 3, np.nan, data.image), data.text, labels=data.labels)
    for wrong, message in (
        (PairedFeatures(data.image, data.text), "learns from class labels, but this data has none"),
        (data.subset(data.labels[:, 0]), "All images have the same class"),
        (PairedFeatures(data.image, data.text, labels=data.labels | [True, False, False]), "none or several"),
        (PairedFeatures(data.image, data.text[1:], np.arange(1, 48), labels=data.labels), "1 of 48 images have no cap"),
        (data.subset([]), "There are no pairs"),
    ):
        with pytest.raises(InvalidInput, match=message):
            method.fit(wrong)
        with pytest.raises(InvalidInput, match="not fitted yet"):
            method.encode_image(data.image)


@each
def test_wrong_validation_data_is_refused_before_the_first_epoch(cls: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neural, "train", lambda *a, **b: pytest.fail("training began"))
    data, other = pairs(), pairs(20)
    with pytest.raises(InvalidInput, match="validation pairs have no labels"):
        made(cls).fit(data, PairedFeatures(other.image, other.text))
    with pytest.raises(InvalidInput, match="have 8 and 5 columns, but the training features 9 and 5"):
        made(cls).fit(data, PairedFeatures(other.image[:, :8], other.text, labels=other.labels))


@each
def test_wrong_features_to_encode(cls: type, fitted: dict[str, Any]) -> None:
    method, data = fitted[cls.__name__], pairs()
    for encode, size, side in ((method.encode_image, 9, "image"), (method.encode_text, 5, "text")):
        with pytest.raises(InvalidInput, match=rf"The {side} features must have shape \(rows, {size}\)"):
            encode(np.ones((3, size + 1)))
        with pytest.raises(InvalidInput, match=rf"The {side} features must have shape"):
            encode(np.ones(size))
        with pytest.raises(InvalidInput, match=f"The {side} features hold NaN or infinity"):
            encode(np.where(np.eye(4, size) > 0, np.nan, 0.0))
    with pytest.raises(InvalidInput, match="not fitted yet"):
        made(cls).encode_text(data.text)
    with pytest.raises(InvalidInput, match="not fitted yet"):
        made(cls).similarity(data.image, data.text)


@each
@pytest.mark.parametrize("n", [48, 2])
def test_batches_of_one_class_are_no_accident(cls: type, n: int) -> None:
    """Sorted by class and not shuffled, every batch of 16 has one class; with 2 images there is one batch of 2."""
    data = pairs(n)
    data = data.subset(np.argsort(data.labels.argmax(axis=1), kind="stable"))
    method = made(cls)
    method.shuffle = False
    if n <= getattr(method, "k", 0):  # a method that looks for k neighbours needs more images, and says so
        with pytest.raises(InvalidInput, match="there are 2"):
            method.fit(data)
        return
    method.fit(data)
    assert all(np.isfinite(values).all() for values in method.history_.terms.values())
    assert np.isfinite(method.similarity(data.image, data.text)).all()


# --- results -------------------------------------------------------------------------------------------------------


@each
def test_embeddings(cls: type, fitted: dict[str, Any]) -> None:
    method, data = fitted[cls.__name__], pairs(20, captions=2)
    image, text = method.encode_image(data.image), method.encode_text(data.text)
    assert image.dtype == text.dtype == np.float32
    assert image.shape[0] == 20
    assert text.shape == (40, image.shape[1])
    similarity = method.similarity(data.image, data.text)
    assert similarity.shape == (20, 40)
    alone = np.concatenate([method.encode_image(data.image[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, image, atol=1e-5)  # an item's embedding depends on no other item
    order = np.random.default_rng(0).permutation(20)
    np.testing.assert_allclose(method.similarity(data.image[order], data.text), similarity[order], atol=1e-5)
    assert not method.model_.training


@each
def test_several_captions_per_image(cls: type) -> None:
    method = made(cls).fit(pairs(captions=3), pairs(21, captions=2, seed=1))
    assert len(method.history_.validation) == 2
    assert method.history_.best_epoch in (0, 1)


@each
def test_the_kept_epoch_is_the_best_and_its_score_is_the_map(cls: type) -> None:
    validation = pairs(30, seed=1)
    method = made(cls, epochs=3).fit(pairs(), validation)
    history = method.history_
    assert history.best_epoch == int(np.argmax(history.validation))
    similarity = method.similarity(validation.image, validation.text)
    relevance = relevance_from_labels(validation.labels)
    directions = mean_average_precision(similarity, relevance), mean_average_precision(similarity.T, relevance.T)
    assert np.mean(directions) == pytest.approx(history.validation[history.best_epoch], abs=1e-6)


@each
def test_same_seed_same_result_and_nothing_outside_moves(cls: type, fitted: dict[str, Any]) -> None:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    data = pairs()
    again = made(cls).fit(data, pairs(30, seed=1))
    other = made(cls, seed=1).fit(data, pairs(30, seed=1))
    assert random.getstate() == states[0]
    np.testing.assert_equal(np.random.get_state(), states[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
    expected = fitted[cls.__name__].similarity(data.image, data.text)
    np.testing.assert_array_equal(again.similarity(data.image, data.text), expected)
    assert again.history_.terms == fitted[cls.__name__].history_.terms
    assert np.abs(other.similarity(data.image, data.text) - expected).max() > 1e-3


# --- hyper-parameters and storage ----------------------------------------------------------------------------------


@each
def test_presets_parameters_and_clones(cls: type) -> None:
    for profile in ("smoke", "course", "paper"):
        method = cls(**cls.preset(profile))
        assert cls.preset(profile).items() <= method.get_params().items()
        assert method.clone().get_params() == method.get_params()
        assert method.clone(seed=5).seed == 5
        assert method.seed == 0
        assert repr(method).startswith(cls.__name__ + "(")
    assert cls(**cls.preset("smoke")).epochs < cls(**cls.preset("course")).epochs
    assert cls().get_params() == cls(**cls.preset("paper")).get_params()


@each
def test_parameters_survive_json(cls: type) -> None:
    """JSON has no tuples: the lists it gives back must build the same method."""
    method, data = made(cls), pairs()
    again = cls(**json.loads(json.dumps(method.get_params())))
    np.testing.assert_array_equal(
        again.fit(data).similarity(data.image, data.text), method.fit(data).similarity(data.image, data.text)
    )


@each
def test_storage(cls: type, fitted: dict[str, Any], tmp_path: Path) -> None:
    method, data = fitted[cls.__name__], pairs(20, seed=2)
    method.save(tmp_path)
    again = cls.load(tmp_path)
    np.testing.assert_array_equal(again.similarity(data.image, data.text), method.similarity(data.image, data.text))
    assert again.history_ == method.history_
    assert again.sizes_ == method.sizes_
    config = json.loads((tmp_path / "config.json").read_text())
    config["state"]["sizes_"]["d_text"] += 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInput, match="does not fit this version of the class, or was changed"):
        cls.load(tmp_path)


@each
def test_a_failed_fit_leaves_an_unfitted_method(cls: type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    method, data = made(cls).fit(pairs()), pairs()

    def diverge(*arguments: Any, **options: Any) -> None:
        raise TrainingDiverged("NaN")

    monkeypatch.setattr(neural, "train", diverge)
    with pytest.raises(TrainingDiverged):
        method.fit(data)
    with pytest.raises(InvalidInput, match="not fitted yet"):
        method.similarity(data.image, data.text)
    with pytest.raises(InvalidInput, match="not fitted yet"):
        method.save(tmp_path)


@each
def test_fit_goes_on_from_a_checkpoint(cls: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, path = pairs(), tmp_path / "run"
    whole = made(cls, epochs=4).fit(data)

    batches = neural.PairBatches.__call__

    def interrupted(self: Any, epoch: int) -> Any:
        if epoch == 2:
            raise KeyboardInterrupt
        return batches(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(neural.PairBatches, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            made(cls, epochs=4).fit(data, checkpoint=path)
    resumed = made(cls, epochs=4).fit(data, checkpoint=path)
    np.testing.assert_array_equal(resumed.similarity(data.image, data.text), whole.similarity(data.image, data.text))
    assert resumed.history_.terms == whole.history_.terms
    with pytest.raises(InvalidInput, match="belongs to another run"):
        made(cls, epochs=4).fit(pairs(seed=3), checkpoint=path)
    with pytest.raises(InvalidInput, match=r"belongs to another run.*validated"):
        made(cls, epochs=4).fit(data, pairs(30, seed=1), checkpoint=path)
    with pytest.raises(InvalidInput, match=r"belongs to another run.*lr"):
        made(cls, epochs=4, lr=0.5).fit(data, checkpoint=path)


@each
def test_bf16(cls: type) -> None:
    data = pairs()
    method = made(cls).fit(data, device="cpu", precision="bf16")
    assert np.isfinite(method.similarity(data.image, data.text)).all()
