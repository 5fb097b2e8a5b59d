"""The filter for wrong pairs: its running values by hand, its limit, and the report on what it dropped."""

from __future__ import annotations

from math import isnan, sqrt

import pytest
import torch

from xmr_lib.errors import InvalidInput
from xmr_lib.nn.noise_filter import DropRecord, FilterReport, MomentumFilter, filter_report


def test_running_values_by_hand() -> None:
    judge = MomentumFilter(gamma=2.0)
    judge.observe(torch.tensor([0.2, 0.6]))  # the first batch sets them: mean .4, variance .04
    assert float(judge.mean) == pytest.approx(0.4)
    assert float(judge.variance) == pytest.approx(0.04)
    judge.observe(torch.tensor([0.9, 0.9, 0.9, 0.9]))
    assert float(judge.mean) == pytest.approx(0.99 * 0.4 + 0.01 * 0.9)
    assert float(judge.variance) == pytest.approx(0.99 * 0.04)
    assert float(judge.threshold()) == pytest.approx(0.405 - 2 * sqrt(0.0396), abs=1e-6)


def test_keep_by_hand() -> None:
    judge = MomentumFilter(gamma=1.0)
    judge.observe(torch.tensor([0.2, 0.6]))  # threshold .4 - .2
    assert judge.keep(torch.tensor([0.5, 0.1, 0.21, 0.19, 0.9, 0.4, 0.3])).tolist() == [1, 0, 1, 0, 1, 1, 1]


@pytest.mark.parametrize("size", [1, 3, 10, 128])
def test_never_more_than_thirty_percent(size: int) -> None:
    judge = MomentumFilter()
    judge.observe(torch.tensor([0.8, 0.9]))
    similarity = torch.linspace(0, 0.5, size)  # all far below the threshold
    keep = judge.keep(similarity)
    assert int((~keep).sum()) == int(0.3 * size)
    assert (similarity[~keep].tolist() or [0.0])[-1] <= similarity[keep].min()  # the lowest go


def test_a_larger_gamma_keeps_more() -> None:
    similarity = torch.randn(100, generator=torch.Generator().manual_seed(0))
    kept = []
    for gamma in (1.0, 1.5, 2.0, 4.0):
        judge = MomentumFilter(gamma)
        judge.observe(similarity)
        kept.append(int(judge.keep(similarity).sum()))
    assert kept == sorted(kept)
    assert kept[0] < kept[-1] == 100


def test_the_threshold_survives_a_checkpoint() -> None:
    judge, other = MomentumFilter(), MomentumFilter()
    judge.observe(torch.tensor([0.2, 0.6]))
    other.load_state_dict(judge.state_dict())
    judge.observe(torch.tensor([0.0, 0.1]))
    other.observe(torch.tensor([0.0, 0.1]))
    assert torch.equal(judge.threshold(), other.threshold())


@pytest.mark.parametrize("settings", [{"gamma": 0.0}, {"decay": 1.0}, {"most": 1.5}])
def test_bad_settings(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="gamma > 0"):
        MomentumFilter(**settings)


def test_record_and_report_by_hand() -> None:
    record = DropRecord(4)
    record.add(torch.tensor([0, 1, 3]), torch.tensor([False, True, False]))
    record.add(torch.tensor([0, 2]), torch.tensor([False, False]))
    assert record.judged.tolist() == [2, 1, 1, 1]
    assert record.dropped.tolist() == [2, 0, 1, 1]
    # captions 0 and 1 are wrong: dropped 2 of 4 times rightly; of 3 judgements of wrong ones 2 dropped them
    report = filter_report(record.judged, record.dropped, [True, True, False, False])
    assert report == FilterReport(precision=2 / 4, recall=2 / 3, dropped=4 / 5, wrong=3 / 5)


def test_report_without_drops_or_without_judgements() -> None:
    report = filter_report([1, 1], [0, 0], [True, False])
    assert isnan(report.precision)
    assert report.recall == 0
    with pytest.raises(InvalidInput, match="judged no pair yet"):
        filter_report([0, 0], [0, 0], [True, False])
    with pytest.raises(InvalidInput, match="One number per caption"):
        filter_report([1, 1], [0, 0], [True])
