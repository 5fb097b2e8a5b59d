"""Code lengths in one table, every MAP of one ranking, real outputs beside bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders.hashing_splits import HashingSplits
from xmr_lib.errors import InvalidInput, UnknownName
from xmr_lib.evaluation.bits import BitsComparison, compare_bits
from xmr_lib.evaluation.hashing import evaluate_hashing, hashing_task
from xmr_lib.evaluation.map_variants import every_map, real_valued_map
from xmr_lib.methods.hashing.base import HashingMethod
from xmr_lib.methods.stored import stored_fit
from xmr_lib.metrics import DENOMINATORS, map_at_k, mean_average_precision

SEEDS = [0, 3]


class Random(HashingMethod):
    """Random projections, the same for both sides, which live in one space here."""

    def __init__(self, bits: int = 8, scale: float = 1.0, seed: int = 0) -> None:
        self.bits, self.scale, self.seed = bits, scale, seed

    def fit(self, train: PairedFeatures, validation: PairedFeatures | None = None) -> Random:
        self.weights_ = np.random.default_rng(self.seed).normal(size=(train.image.shape[1], self.bits))
        return self

    def image_outputs(self, images: Any) -> np.ndarray:
        return self.scale * np.asarray(images) @ self.weights_

    text_outputs = image_outputs


def splits(seed: int) -> HashingSplits:
    rng = np.random.default_rng(seed)
    labels = np.eye(4, dtype=bool)[rng.integers(0, 4, 90)]
    labels[:30] |= np.eye(4, dtype=bool)[rng.integers(0, 4, 30)]
    sides = [2.0 * labels - 1 + rng.normal(size=labels.shape) for _ in range(2)]
    data = PairedFeatures(*sides, labels=labels, name="toy")
    ends = {"train": (20, 60), "query": (0, 20), "database": (20, 90)}
    return HashingSplits(validation=None, **{n: data.subset(np.arange(*e), f"toy/{n}") for n, e in ends.items()})


@pytest.fixture(scope="module")
def found() -> BitsComparison:
    methods = {"A": Random(), "B": lambda bits: Random(bits, scale=float(bits))}
    return compare_bits(methods, splits, SEEDS, bits=(2, 8, 16), metrics=["MAP", "P@H<=2"])


def test_every_cell_is_the_fit_it_says(found: BitsComparison) -> None:
    assert found.names == ["A", "B"]
    assert found.bits == (2, 8, 16)
    for b in found.bits:
        alone = [evaluate_hashing(Random(b, seed=s).fit(splits(s).train), splits(s)).value("MAP", "i2t") for s in SEEDS]
        np.testing.assert_allclose(found.values("A", b, direction="i2t"), alone)
        assert [m.scale for m in found.fitted["B", b]] == [b, b]  # the recipe was asked with the length
        assert [m.bits for m in found.fitted["B", b]] == [b, b]
    np.testing.assert_allclose(found.values("A", 16), found.values("B", 16))  # the scale moves no sign
    mean, deviation = found.curves("t2i")["A"]
    cells = [found.values("A", b, "MAP", "t2i") for b in found.bits]
    np.testing.assert_allclose(mean, [x.mean() for x in cells])
    np.testing.assert_allclose(deviation, [x.std(ddof=1) for x in cells])
    chances = [report.chance["i2t"]["MAP"] for report in found.reports["A", 2]]
    assert found.chance("i2t") == pytest.approx(np.mean(chances))


def test_the_table(found: BitsComparison) -> None:
    table = found.table()
    assert table.header == ["", "i2t 2", "i2t 8", "i2t 16", "t2i 2", "t2i 8", "t2i 16", "s"]
    assert [row[0] for row in table.rows] == ["A", "B", "chance"]
    x = 100 * found.values("A", 8, direction="t2i")
    assert table.rows[0][5] == f"{x.mean():.1f} ± {x.std(ddof=1):.1f}"
    assert table.rows[2][1] == table.rows[2][3] == f"{100 * found.chance('i2t'):.1f}"
    assert "toy" in str(found)
    assert "seeds 0, 3" in str(found)
    assert "P@H<=2" in found.table("P@H<=2").title
    assert "<table>" in found._repr_html_()
    one = compare_bits({"A": Random()}, splits, [1], bits=[4])
    assert "±" not in str(one)
    assert one.curves()["A"][1] is None


def test_parts_join_and_missing_cells_stay_open(found: BitsComparison) -> None:
    part = compare_bits({"C": Random(scale=2.0)}, splits, SEEDS, bits=[8, 32])
    both = found | part
    assert both.bits == (2, 8, 16, 32)
    row = both.table().rows[2]
    assert row[0] == "C"
    assert [cell == "–" for cell in row[1:5]] == [True, False, True, False]
    assert list(both.curves()) == []  # none has all four lengths
    with pytest.raises(UnknownName, match="16 bits"):
        both.values("C", 16)
    with pytest.raises(UnknownName, match="D"):
        both.values("D", 16)
    with pytest.raises(InvalidInput, match="share a table"):
        found | replace(part, seeds=(0, 1))


@pytest.mark.parametrize("bits", [(), (8, 8)])
def test_bad_lengths(bits: tuple) -> None:
    with pytest.raises(InvalidInput, match="bits"):
        compare_bits({"A": Random()}, splits, SEEDS, bits=bits)


def test_a_protocol_without_its_codes_is_refused_with_the_method_named() -> None:
    with pytest.raises(InvalidInput, match="no codes of the training pairs"):
        compare_bits({"A": Random()}, splits, [0], bits=[4], protocol="unified")


def test_every_map_is_one_ranking() -> None:
    data = splits(0)
    method = Random(bits=8).fit(data.train)
    numbers = every_map(method, data, cutoffs=(5, 70, 500))
    task = hashing_task(method, data)
    relevance = task.shared > 0
    assert list(numbers.rows) == ["MAP", *(f"MAP@{k}/{d}" for k in (5, 70, 500) for d in DENOMINATORS)]
    ties = {"expected": "expected", "stored order": "index", "best": "optimistic", "worst": "pessimistic"}
    for direction in ("i2t", "t2i"):
        similarity = -task.distances[direction]
        for title, rule in ties.items():
            column = f"{direction} {title}"
            whole = mean_average_precision(similarity, relevance, ties=rule)
            assert numbers.value("MAP", column) == pytest.approx(whole)
            for d in DENOMINATORS:
                cut = map_at_k(similarity, relevance, 5, denominator=d, ties=rule)
                assert numbers.value(f"MAP@5/{d}", column) == pytest.approx(cut)
                for k in (70, 500):  # the size of the database, and more: all of it
                    assert numbers.value(f"MAP@{k}/{d}", column) == pytest.approx(whole)
        for name, row in numbers.rows.items():
            if not name.endswith("/hits"):  # a further hit can lower that one
                low, high = row[f"{direction} worst"], row[f"{direction} best"]
                assert low - 1e-9 <= row[f"{direction} expected"] <= high + 1e-9
                assert low - 1e-9 <= row[f"{direction} stored order"] <= high + 1e-9
    low, high = numbers.span("i2t expected")
    assert low == numbers.value("MAP@5/relevant", "i2t expected")
    assert high > low + 0.1
    assert "MAP@5/first_relevant" in str(numbers)
    assert numbers.table("t2i").header == ["", *(f"t2i {title}" for title in ties)]
    with pytest.raises(InvalidInput, match="No column"):
        numbers.span("x2y")


def test_real_outputs_beside_bits() -> None:
    data = splits(0)
    method = Random(bits=8).fit(data.train)
    numbers = real_valued_map(method, data)
    assert numbers.value("codes", "i2t") == pytest.approx(evaluate_hashing(method, data).value("MAP", "i2t"))
    relevance = hashing_task(method, data).shared > 0
    f, g = data.query.text @ method.weights_, data.database.image @ method.weights_
    assert numbers.value("outputs, inner product", "t2i") == pytest.approx(mean_average_precision(f @ g.T, relevance))
    half = mean_average_precision(f @ np.sign(g).T, relevance)
    assert numbers.value("outputs against codes", "t2i") == pytest.approx(half)
    assert numbers.value("codes", "mean") < numbers.value("outputs, cosine", "mean")
    with pytest.raises(UnknownName, match="unified"):
        real_valued_map(method, data, protocol="unified")


def test_outputs_that_are_bits_have_no_gap() -> None:
    class Bits(Random):
        def image_outputs(self, images: Any) -> np.ndarray:
            return np.where(np.asarray(images) @ self.weights_ > 0, 1.0, -1.0)

        text_outputs = image_outputs

    data = splits(0)
    numbers = real_valued_map(Bits(bits=8).fit(data.train), data)
    for direction in ("i2t", "t2i", "mean"):
        assert len({round(row[direction], 9) for row in numbers.rows.values()}) == 1


def test_a_later_run_loads_the_cells_it_has_and_trains_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XMR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(Random, "epochs", 1, raising=False)  # only what trains in epochs is stored
    first = compare_bits({"A": Random()}, splits, SEEDS, bits=[4], fit=stored_fit)
    trained = []
    plain = Random.fit

    def noted(self: Random, train: Any, validation: Any = None) -> Random:
        trained.append((self.bits, self.seed))
        return plain(self, train, validation)

    monkeypatch.setattr(Random, "fit", noted)
    whole = compare_bits({"A": Random()}, splits, SEEDS, bits=[4, 6], fit=stored_fit)
    assert trained == [(6, seed) for seed in SEEDS]
    np.testing.assert_array_equal(whole.values("A", 4), first.values("A", 4))
