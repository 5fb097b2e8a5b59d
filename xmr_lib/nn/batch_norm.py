"""Batch normalisation with the statistics of the whole batch, however many processes share it.

S. Ioffe and C. Szegedy. "Batch Normalization". ICML 2015. Two processes with half of a batch each would otherwise
normalise by different means, and their gradients would not be those of one process. (``torch.nn.SyncBatchNorm`` does
the same, on GPUs only.)
"""

from __future__ import annotations

from torch import Tensor, nn

from xmr_lib.processes import sum_over_processes, world_size


class BatchNorm(nn.BatchNorm2d):
    """As ``nn.BatchNorm2d``; in several processes mean and variance are those of all their rows together."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        count = sum_over_processes(x.new_tensor(x.numel() / x.shape[1]))
        mean = sum_over_processes(x.sum((0, 2, 3))) / count  # (c,)
        centred = x - mean[:, None, None]
        variance = sum_over_processes(centred.square().sum((0, 2, 3))) / count  # (c,)
        self._remember(mean.detach(), (variance * count / (count - 1)).detach())
        scale = self.weight * (variance + self.eps).rsqrt()  # (c,)
        return centred * scale[:, None, None] + self.bias[:, None, None]

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as torch does: with the unbiased variance."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        momentum = 0.1 if self.momentum is None else self.momentum
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)
