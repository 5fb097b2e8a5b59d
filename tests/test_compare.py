"""The form of every ablation: seeds go where they belong, tests stay unseen, and the table shows what was measured."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from xmr_lib.data.base import PairedFeatures, Splits
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation.compare import compare
from xmr_lib.methods.base import Method
from xmr_lib.methods.subspace import CM, SM
from xmr_lib.players import History


def splits(seed: int) -> Splits:
    rng = np.random.default_rng(seed)

    def part(n: int, name: str) -> PairedFeatures:
        classes = np.arange(n) % 3
        image, text = np.eye(3)[classes] + rng.normal(size=(n, 3)), np.eye(3)[classes] + rng.normal(size=(n, 3))
        return PairedFeatures(image, text, labels=np.eye(3)[classes], name=f"toy/{name}")

    return Splits(part(30, "train"), part(12, "validation"), part(15, "test"))


class Spy(Method):
    """Notes what it is fitted on; its similarity is right for images of the first ``good + seed`` items only."""

    def __init__(self, good: int = 5, seed: int = 0) -> None:
        self.good, self.seed = good, seed

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Spy:
        self.seen_ = (train.name, validation.name if validation is not None else None)
        return self

    def similarity(self, images: Any, texts: Any) -> np.ndarray:
        n = len(images)
        right = np.arange(n) % 3 == (np.arange(n) % 3)[:, None]
        return np.where((np.arange(n) < self.good + self.seed)[:, None], right, 0.0)


class Broken(Method):
    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Broken:
        raise InvalidInput("This cannot be.")


def test_seeds_and_splits_are_passed_on_and_the_test_pairs_are_not() -> None:
    asked = []

    def noted(seed: int) -> Splits:
        asked.append(seed)
        return splits(seed)

    methods = {"spy": Spy(good=6), "cm": CM(2)}
    found = compare(methods, noted, [0, 2, 5])
    assert asked == [0, 2, 5]
    assert [m.seed for m in found.fitted["spy"]] == [0, 2, 5]
    assert {m.seen_ for m in found.fitted["spy"]} == {("toy/train", "toy/validation")}
    assert [m.good for m in found.fitted["spy"]] == [6, 6, 6]
    assert not hasattr(methods["spy"], "seen_")  # copies were fitted
    assert len({id(m) for m in found.fitted["cm"]}) == 3
    np.testing.assert_array_equal(
        found.fitted["cm"][1].similarity(splits(2).test.image, splits(2).test.text),
        CM(2).fit(splits(2).train).similarity(splits(2).test.image, splits(2).test.text),
    )


def test_numbers_against_hand_calculation() -> None:
    found = compare({"spy": Spy(good=0)}, splits, [0, 5, 10])
    # 15 queries of which 0, 5, 10 are ranked perfectly and the others are one tie
    chance = found.reports["spy"][0].chance["i2t"]["MAP"]
    expected = np.array([0, 5, 10]) / 15 * (1 - chance) + chance
    np.testing.assert_allclose(found.values("spy", direction="i2t"), expected, atol=1e-9)
    measured = found.measured()["spy"]
    assert measured["i2t"] == pytest.approx(expected.mean())
    assert set(measured) == {"i2t", "t2i"}
    row = found.rows()[0]
    assert row[0] == "spy"
    assert row[1] == f"{100 * expected.mean():.1f} ± {100 * expected.std(ddof=1):.1f}"
    assert found.values("spy").tolist() == [r.value("MAP", "mean") for r in found.reports["spy"]]
    assert found.summary("spy") is not None


def test_the_time_of_fit_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.5, 100.0, 101.5])
    module = importlib.import_module("xmr_lib.evaluation.compare")  # the package has a function of that name
    monkeypatch.setattr(module, "perf_counter", lambda: next(clock))
    found = compare({"spy": Spy()}, splits, [0, 1])
    assert [r.seconds["fit"] for r in found.reports["spy"]] == [2.5, 1.5]
    assert all({"similarity", "metrics"} <= set(r.seconds) for r in found.reports["spy"])
    assert found.rows()[0][-1] == "2.0"


def test_the_table() -> None:
    found = compare({"CM": CM(2), "SM": SM()}, splits, [0, 1])
    text = str(found)
    assert text.splitlines()[0] == "MAP on toy/test"
    assert text.splitlines()[1].split() == ["i2t", "t2i", "mean", "s"]
    assert [line.split()[0] for line in text.splitlines()[3:6]] == ["CM", "SM", "chance"]
    assert text.count("±") == 6 + 1
    assert "mean ± standard deviation over seeds 0, 1" in text
    html = found._repr_html_()
    assert "<table" in html
    assert "±" in html
    assert "±" not in "".join(compare({"CM": CM(2)}, splits, [0]).rows()[0])  # one seed has no deviation


def test_other_metrics_come_along() -> None:
    found = compare({"SM": SM()}, splits, [0, 1], metrics=("MAP", "R@1"))
    assert found.values("SM", "R@1", "t2i").shape == (2,)
    assert found.rows("R@1")[0][1] != found.rows("MAP")[0][1]


def test_the_first_metric_is_that_of_the_table() -> None:
    found = compare({"SM": SM()}, splits, [0, 1], metrics=("R@1", "MAP"))
    assert str(found).splitlines()[0] == "R@1 on toy/test"
    assert found.rows() == found.rows("R@1")
    assert found.measured() == found.measured("R@1") != found.measured("MAP")


def test_another_way_to_fit() -> None:
    def fit(method: Any, pairs: Splits, seed: int) -> Any:
        fitted = method.clone(ridge=0.5).fit(pairs.train)
        fitted.history_ = History(seconds=10.0 + seed)
        return fitted

    found = compare({"CM": CM(2)}, splits, [3, 4], fit=fit)
    assert [method.ridge for method in found.fitted["CM"]] == [0.5, 0.5]
    assert [report.seconds["fit"] for report in found.reports["CM"]] == [13.0, 14.0]  # those of the stored training


def test_errors() -> None:
    for methods, seeds in (({}, [0]), ({"CM": CM(2)}, [])):
        with pytest.raises(InvalidInput, match="at least one method and one seed"):
            compare(methods, splits, seeds)
    with pytest.raises(InvalidInput, match="hold one twice"):
        compare({"CM": CM(2)}, splits, [0, 1, 0])
    for metrics in ((), "MAP"):
        with pytest.raises(InvalidInput, match="must be a list with at least one name"):
            compare({"CM": CM(2)}, splits, [0], metrics=metrics)
    with pytest.raises(UnknownName, match="no method in this comparison named 'DCCA'"):
        compare({"CM": CM(2)}, splits, [0]).values("DCCA")
    with pytest.raises(InvalidInput, match="This cannot be") as caught:
        compare({"CM": CM(2), "broken": Broken()}, splits, [3])
    assert caught.value.__notes__ == ["This happened in compare(): 'broken', seed 3."]


def test_fits_side_by_side_give_the_same_numbers() -> None:
    methods = {"SM": SM(0.1), "CM": CM(2)}
    alone, together = (compare(methods, splits, [0, 1], jobs=jobs) for jobs in (1, 2))
    assert list(together.reports) == ["SM", "CM"]
    for name in methods:
        np.testing.assert_allclose(together.values(name), alone.values(name), atol=1e-9)
        assert len(together.fitted[name]) == 2
    with pytest.raises(InvalidInput, match="n_components") as error:
        compare({"broken": CM(50)}, splits, [0], jobs=2)
    assert "'broken', seed 0" in str(error.value.__notes__)
