"""Momentum contrast: a slow copy of a network, and a queue of the keys that it gave.

K. He et al. "Momentum Contrast for Unsupervised Visual Representation Learning". CVPR 2020; for two towers with a queue
each: H. Lu et al. "COTS". CVPR 2022.

A batch holds few negatives. A queue of earlier keys holds many, at no cost but memory; they must come from a network
that changes slowly, or the old keys would no longer be comparable with the new ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xmr_lib.errors import InvalidInput, check_positive

EMPTY = -1


class MomentumCopy(nn.Module):
    """A copy of a network that follows it slowly and never gets a gradient.

    After every step of the optimiser, with the weights w of the network and v of the copy,

        v <- m v + (1 - m) w

    so that v is the mean of the last weights, of which the one t steps ago counts (1 - m) m^t.

    Batch normalisation. The copy is always in evaluation mode: it normalises by running statistics, not by the batch,
    and these statistics are averaged by the same formula, since they describe the averaged weights better than the
    newest ones would. So a key depends on its own picture only: nothing about the other pictures of the batch leaks
    into it, and several processes need not exchange anything. (Other codes run the copy in training mode, and then must
    shuffle the batch between processes.)

    Args:
        network: The copy itself: a network of the same form as the one to follow. Its weights are frozen here.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> MomentumCopy:
        """Stays in evaluation mode, whatever mode is asked for."""
        return super().train(False)

    def copy_from(self, source: nn.Module) -> None:
        """Start from where ``source`` is now; it may hold more than the copy does."""
        self.update(source, 0.0)

    @torch.no_grad()
    def update(self, source: nn.Module, momentum: float) -> None:
        """One step of the average, for weights and running statistics; counters are copied.

        Args:
            source: The network to follow; its weights are found by their names.
            momentum: m, 0..1.
        """
        theirs = source.state_dict()
        for name, own in self.network.state_dict().items():  # the tensors themselves, not copies
            if own.is_floating_point():
                own.lerp_(theirs[name], 1 - momentum)
            else:
                own.copy_(theirs[name])


class PairedQueue(nn.Module):
    """Two queues of keys that stay paired: slot j of both comes from the same pair.

    A ring: new keys overwrite the oldest. The number of what a pair shows stands beside its slot, so that the keys of
    an image are never negatives for the image itself, however long ago they were made. Everything is a buffer: the
    queue travels with checkpoints and between processes.

    Args:
        size: Number of slots. dim: d, of the keys.

    Raises:
        InvalidInput: A number is not at least 1.
    """

    image: Tensor
    text: Tensor
    instance: Tensor
    pointer: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        check_positive(size, "size of the queue")
        check_positive(dim, "dimensions of the keys")
        self.register_buffer("image", torch.zeros(size, dim))
        self.register_buffer("text", torch.zeros(size, dim))
        self.register_buffer("instance", torch.full((size,), EMPTY))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        """Number of slots, empty ones included."""
        return len(self.instance)

    @torch.no_grad()
    def enqueue(self, image: Tensor, text: Tensor, instance: Tensor) -> None:
        """Put pairs of keys into the next slots, both sides into the same ones.

        With several processes pass the keys of all of them (``gather_rows``): every process must hold the same queue.

        Args:
            image, text: (b, d) keys, without gradient. More than there are slots: the last ones stay.
            instance: (b,) what each pair shows, 0 or more.

        Raises:
            InvalidInput: The three differ in length.
        """
        if not len(image) == len(text) == len(instance):
            raise InvalidInput(
                f"A queue takes pairs, but there are {len(image)} image keys, {len(text)} text keys and "
                f"{len(instance)} instance numbers."
            )
        new = min(len(instance), len(self))
        slots = (int(self.pointer) + torch.arange(new, device=instance.device)) % len(self)  # (new,)
        for own, value in ((self.image, image), (self.text, text), (self.instance, instance)):
            own[slots] = value[len(value) - new :].to(own.dtype)
        self.pointer.fill_((int(self.pointer) + new) % len(self))

    def negatives(self, instance: Tensor) -> Tensor:
        """(b, size) bool: which slots are negatives for rows that show ``instance`` (b,): filled, and another thing."""
        return (self.instance[None, :] != instance[:, None]) & (self.instance[None, :] != EMPTY)


def key_logits(query: Tensor, own_key: Tensor, queue_keys: Tensor, negatives: Tensor, scale: Tensor | float) -> Tensor:
    """Scores of queries against their own key and the keys of the queue, the own key first.

        l_i = s [ q_i . k_i ; q_i . Q_1 ; ... ; q_i . Q_size ]        -inf where slot j is no negative for row i

    ``cross_entropy(l, 0)`` is the contrastive loss of the queries. No gradient flows into keys.

    Args:
        query: (b, d). own_key: (b, d). queue_keys: (size, d). negatives: (b, size) bool. scale: s = 1 / tau.

    Returns:
        (b, 1 + size).

    Example: the first slot may be a negative, the second is empty or shows the same thing.
        >>> keys, query = torch.eye(2), torch.tensor([[1.0, 0.0]])
        >>> key_logits(query, query, keys, torch.tensor([[True, False]]), 2.0)
        tensor([[2., 2., -inf]])
    """
    own = (query * own_key.detach()).sum(1, keepdim=True)  # (b, 1)
    # clone: the queue moves on in place before the backward pass needs these keys
    others = query @ queue_keys.detach().clone().T  # (b, size)
    return torch.cat([scale * own, (scale * others).masked_fill(~negatives, -torch.inf)], 1)


def symmetric_kl(a: Tensor, b: Tensor) -> Tensor:
    """How far two distributions over the same candidates are apart, row by row.

        1/2 [ KL(p || q) + KL(q || p) ] = 1/2 sum_j (p_j - q_j) (log p_j - log q_j),   p = softmax(a), q = softmax(b)

    Args:
        a, b: (r, c) logits; -inf rules a candidate out and must stand at the same places in both.

    Returns:
        (r,) 0 or more; 0 exactly where the rows give the same distribution.

    Example: p = (3/4, 1/4), q = (1/4, 3/4): 1/2 (1/2 log 3 + 1/2 log 3)
        >>> symmetric_kl(torch.tensor([[3.0, 1.0]]).log(), torch.tensor([[1.0, 3.0]]).log())
        tensor([0.5493])
    """
    out = torch.isneginf(a)  # (r, c)
    log_p, log_q = (x.log_softmax(1).masked_fill(out, 0) for x in (a, b))  # 0, so that 0 * (-inf + inf) is no NaN
    p, q = (x.exp().masked_fill(out, 0) for x in (log_p, log_q))
    return ((p - q) * (log_p - log_q)).sum(1) / 2
