"""Rounds of several passes: every pair once per pass, other orders, turns that fit the passes."""

from __future__ import annotations

import numpy as np
import torch

from xmr_lib.data import PairedFeatures
from xmr_lib.data.batches import PairBatches
from xmr_lib.methods.hashing.passes import Passes, in_passes


def batches() -> PairBatches:
    rows = np.arange(20, dtype=np.float32)[:, None]
    return PairBatches(PairedFeatures(rows, rows), batch_size=7, seed=0)


def test_every_pass_sees_every_pair_once_and_in_its_own_order() -> None:
    one_round = Passes(batches(), 3)(epoch=2)
    seen = [batch["image_index"] for batch in one_round]
    assert len(one_round) == len(seen) == 9
    orders = [torch.cat(seen[start : start + 3]) for start in (0, 3, 6)]
    assert all(torch.equal(order.sort().values, torch.arange(20)) for order in orders)
    assert not torch.equal(orders[0], orders[1])
    again = [batch["image_index"] for batch in one_round]  # can be gone through twice
    assert all(torch.equal(a, b) for a, b in zip(seen, again, strict=True))


def test_rounds_go_on_where_the_last_one_ended() -> None:
    one_pass = batches()
    for number, batch in zip(range(3), Passes(one_pass, 3)(epoch=2), strict=False):
        assert torch.equal(batch["image"], list(one_pass(6))[number]["image"])


def test_each_player_has_whole_passes() -> None:
    turn = in_passes({"a": 2, "b": 1, "c": 4})
    per_pass = 5
    names = [turn(k / (7 * per_pass))[0] for k in range(7 * per_pass)]
    assert names == ["a"] * 10 + ["b"] * 5 + ["c"] * 20
