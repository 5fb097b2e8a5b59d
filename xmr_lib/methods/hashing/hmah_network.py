"""The networks and losses of HMAH: a teacher on graphs of labels, its discriminator, two students and their fusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xmr_lib.methods.base import Matrix
from xmr_lib.methods.neural import FeatureNetwork
from xmr_lib.nn import Standardise, feed_forward
from xmr_lib.nn.codes import quantisation_error, sign_codes
from xmr_lib.nn.label_graph import cosines, cross_graph, label_affinity, row_normalised

if TYPE_CHECKING:
    from xmr_lib.methods.hashing.hmah import HMAH

PARTS = ("image intra", "image cross", "text intra", "text cross")


def affinity_loss(codes: Tensor, affinity: Tensor) -> Tensor:
    """Mean squared difference of the cosines of the codes from the affinity of the labels. (b, K), (b, b) -> scalar.

    >>> affinity_loss(torch.eye(2), torch.full((2, 2), 0.5)).item()
    0.25
    """
    return (cosines(codes) - affinity).square().mean()


def discriminator_loss(real: Tensor, made: Tensor) -> Tensor:
    """Least squares: scores of normal draws towards 1, scores of codes towards 0. (b, 1) each.

    >>> discriminator_loss(torch.tensor([[0.5]]), torch.tensor([[2.0]])).item()
    4.25
    """
    return (real - 1).square().mean() + made.square().mean()


def prior_loss(made: Tensor) -> Tensor:
    """The teacher's side of the game: scores of its codes towards 1. (b, 1) -> scalar.

    >>> prior_loss(torch.tensor([[0.5], [1.0]])).item()
    0.125
    """
    return (made - 1).square().mean()


def fuse(image: Tensor, text: Tensor, weight: Tensor) -> Tensor:
    """f = w h_v + (1 - w) h_t, bit by bit. (b, K), (b, K), (K,) -> (b, K).

    >>> fuse(torch.tensor([[1.0, 1.0]]), torch.tensor([[-1.0, -1.0]]), torch.tensor([0.75, 0.5])).tolist()
    [[0.5, 0.0]]
    """
    return weight * image + (1 - weight) * text


def distillation(image: Tensor, text: Tensor, fused: Tensor, teacher: Tensor) -> dict[str, Tensor]:
    """The seven terms of the students: the signs of the teacher's code, and the cosines between its codes.

    Args:
        image, text, fused: (b, K) outputs in -1..1. teacher: (b, K) h, whose first half is the image half.

    Returns:
        "signs": h_v, h_t and f against sgn(h). "cosines": the Gram matrices of h_v against that of the image half of h,
        of h_t against that of the text half, of f against that of h. "pairs": cos(h_v, h_t) against that of h.
    """
    signs, half, gram = sign_codes(teacher), teacher.shape[1] // 2, cosines(teacher)
    return {
        "signs": F.mse_loss(image, signs) + F.mse_loss(text, signs) + F.mse_loss(fused, signs),
        "cosines": affinity_loss(image, cosines(teacher[:, :half]))
        + affinity_loss(text, cosines(teacher[:, half:]))
        + affinity_loss(fused, gram),
        "pairs": F.mse_loss(cosines(image, text), gram),
    }


def tower(sizes: Sequence[int], standardise: bool) -> nn.Sequential:
    """(Scaling,) linear layers with batch norm and tanh after every one."""
    scaling = Standardise(sizes[0]) if standardise else nn.Identity()
    return nn.Sequential(scaling, *feed_forward(sizes, nn.Tanh, activate_last=True, norm=nn.BatchNorm1d))


class Teacher(nn.Module):
    """Both modalities and the labels of a batch -> codes in four parts, by one graph convolution each.

    ``adjacency (dropout(z) W)``, no activation, then a head with tanh. The image graph and the text graph have their
    own W; the cross graph has one W for both.
    """

    def __init__(self, d_image: int, d_text: int, method: HMAH) -> None:
        super().__init__()
        d, part = method.d_common, method.bits // 4
        self.image = tower([d_image, *method.image_hidden, d], method.standardise)
        self.text = tower([d_text, *method.text_hidden, d], method.standardise)
        self.intra_image, self.intra_text, self.cross = (nn.Linear(d, part, bias=False) for _ in range(3))
        self.heads = nn.ModuleList(nn.Linear(part, part) for _ in PARTS)
        self.dropout, self.graphs = nn.Dropout(method.dropout), method.graphs

    def forward(self, image: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        """(b, d_i), (b, d_t), (b, c) multi-hot -> (b, K) in -1..1, the parts in the order of :data:`PARTS`."""
        b = len(image)
        affinity = label_affinity(labels)
        if not self.graphs:
            affinity = torch.eye(b, dtype=image.dtype, device=image.device)
        own, both = row_normalised(affinity), cross_graph(affinity)
        z_image, z_text = self.image(image), self.text(text)  # (b, d) each
        mixed = both @ self.cross(self.dropout(torch.cat([z_image, z_text])))  # (2b, K/4)
        parts = (
            own @ self.intra_image(self.dropout(z_image)),
            mixed[:b],
            own @ self.intra_text(self.dropout(z_text)),
            mixed[b:],
        )
        return torch.cat([torch.tanh(head(part)) for head, part in zip(self.heads, parts, strict=True)], dim=1)


class HMAHNetwork(FeatureNetwork):
    """Teacher, discriminator and students. Players: ``"discriminator"``, ``"teacher"``, then ``"students"``.

    Attributes:
        image_tower, text_tower: The students. fusion: (K,) w.
        teacher_outputs: (n, K) h of the training pairs, once the teacher has coded them; not stored.
    """

    teacher_outputs: Tensor
    frozen = False

    def __init__(self, d_image: int, d_text: int, method: HMAH) -> None:
        super().__init__()
        self.method, bits = method, method.bits
        self.teacher = Teacher(d_image, d_text, method)
        self.discriminator = feed_forward([bits, 64, 32, 1])
        self.image_tower = tower([d_image, *method.student_image_hidden, bits], method.standardise)
        self.text_tower = tower([d_text, *method.student_text_hidden, bits], method.standardise)
        self.fusion = nn.Parameter(torch.full((bits,), 0.5))

    def learn_scaling(self, image: Matrix, text: Matrix) -> None:
        """Mean and deviation of the training features."""
        sides = ((self.image_tower, image), (self.text_tower, text))
        for net, rows in (*sides, (self.teacher.image, image), (self.teacher.text, text)):
            if isinstance(scaling := net[0], Standardise):  # type: ignore[index]
                scaling.learn(rows)

    def forward(self, batch: dict[str, Tensor], player: str, progress: float) -> dict[str, Tensor]:
        """The terms of a player."""
        if player == "students":
            image, text = self.image_tower(batch["image"]), self.text_tower(batch["text"])  # (b, K) each
            fused = fuse(image, text, self.fusion)
            terms = distillation(image, text, fused, self.teacher_outputs[batch["image_index"]])
            return terms if self.method.distil else {"signs": terms["signs"]}
        codes = self.teacher(batch["image"], batch["text"], batch["labels"])  # (b, K)
        if player == "discriminator":
            real = self.discriminator(torch.randn_like(codes))
            return {"prior": discriminator_loss(real, self.discriminator(codes.detach()))}
        m = self.method
        return {
            "affinity": m.affinity_weight * affinity_loss(codes, label_affinity(batch["labels"])),
            "quantisation": m.quantisation_weight * quantisation_error(codes),
            "prior": m.prior_weight * prior_loss(self.discriminator(codes)),
        }

    def after_epoch(self, progress: float) -> None:
        """From some epoch of the students on, batch norm keeps its statistics."""
        after = self.method.freeze_after
        self.frozen = after is not None and round(progress * self.method.epochs) >= after

    def train(self, mode: bool = True) -> Self:
        """As always, but frozen batch norms of the students stay in evaluation mode."""
        super().train(mode)
        if self.frozen:
            for module in (*self.image_tower.modules(), *self.text_tower.modules()):
                if isinstance(module, nn.BatchNorm1d):
                    module.eval()
        return self

    @torch.no_grad()
    def teach(self, batches: Any, n: int) -> Tensor:
        """The teacher codes all n training pairs, batch by batch, without dropout. (n, K) in -1..1."""
        self.eval()
        outputs = self.fusion.new_zeros(n, len(self.fusion))
        for batch in batches:
            outputs[batch["image_index"]] = self.teacher(batch["image"], batch["text"], batch["labels"])
        self.register_buffer("teacher_outputs", outputs, persistent=False)
        return outputs
