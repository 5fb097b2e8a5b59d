"""The stack of layers and the scaling of inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from xmr_lib.errors import InvalidInput
from xmr_lib.nn import Standardise, feed_forward


def kinds(network: nn.Sequential) -> list[str]:
    return [type(layer).__name__ for layer in network]


def test_order_of_the_layers() -> None:
    assert kinds(feed_forward([4, 3])) == ["Linear"]
    assert kinds(feed_forward([4, 3], activate_last=True)) == ["Linear", "ReLU"]
    network = feed_forward([4, 8, 6, 2], nn.Tanh, norm=nn.LayerNorm, dropout=0.2)
    assert kinds(network) == ["Linear", "LayerNorm", "Tanh", "Dropout"] * 2 + ["Linear"]
    assert [layer.normalized_shape for layer in network if isinstance(layer, nn.LayerNorm)] == [(8,), (6,)]
    assert network(torch.zeros(5, 4)).shape == (5, 2)
    with pytest.raises(InvalidInput, match=r"sizes is \[4\]"):
        feed_forward([4])


def test_standardise() -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(500, 4)) * [1, 1e-3, 1e3, 0] + [0, 5, -1e4, 0.1]).astype(np.float32)
    scaling = Standardise(4)
    x = torch.from_numpy(rows)
    assert torch.equal(scaling(x), x)  # nothing learnt yet
    scaling.learn(rows)
    y = scaling(x)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(y.std(0, unbiased=False), [1, 1, 1, 0], atol=1e-3)  # the constant one becomes 0
    assert not list(scaling.parameters())
    again = Standardise(4)
    again.load_state_dict(scaling.state_dict())
    assert torch.equal(again(x), y)
