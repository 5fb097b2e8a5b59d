"""Inductive rows and the two players of a GAN, of exercise 05: the tasks with what helps."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import graph_mistakes as mistake
from xmr_lib.course.tasks.graph_by_hand import gan_losses, inductive_rows
from xmr_lib.course.tasks.graph_cases import gan_cases, inductive_cases
from xmr_lib.course.tasks.sees import holds, not_finite

INDUCTIVE = Task(
    id="05.inductive_rows",
    signature="inductive_rows(adjacency (n, n), n_train) -> (n - n_train, n)",
    difficulty=3,
    minutes=25,
    reference=inductive_rows,
    cases=inductive_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's normalised_adjacency, which treats all nodes alike. The task asks for "
            "inductive_rows: the rows of new items, which see training items only and change nothing for them.",
            arguments=("weights",),
        ),
        Diagnosis(
            "division by zero",
            "a degree is 0. Every item has a loop of weight 1, so every degree is at least 1.",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "the lesson's normalisation of everything",
            "these are the last rows of the lesson's normalised_adjacency of the whole graph. There new items see each "
            "other and raise the degrees of training items, so a result depends on who else is asked for.",
            mistake.whole_graph,
        ),
        Diagnosis(
            "new items see each other",
            "there are edges between new items. A new item sees training items and itself, so that it gets the same "
            "result alone and in company.",
            mistake.rows_of(each_other=True),
        ),
        Diagnosis(
            "new items see each other",
            "there are edges between new items, in the rows and in the degrees. A new item sees training items and "
            "itself, so that it gets the same result alone and in company.",
            mistake.rows_of(each_other=True, new_degree=lambda a, n: a[n:].sum(axis=1) + 1),
        ),
        Diagnosis(
            "training degrees changed",
            "the degrees of the training items count their edges to new items. They were fixed in training: count "
            "edges among training items only.",
            mistake.rows_of(train_degree=lambda a, n: a[:n].sum(axis=1) + 1),
        ),
        Diagnosis(
            "new degrees with new neighbours",
            "the degree of a new item counts its edges to other new items. Those edges are not there: sum over the "
            "training columns only.",
            mistake.rows_of(new_degree=lambda a, n: a[n:].sum(axis=1) + 1),
        ),
        Diagnosis(
            "all degrees from everything",
            "the degrees are sums over the whole graph. For all items, old and new, sum over the training columns "
            "only.",
            mistake.rows_of(
                train_degree=lambda a, n: a[:n].sum(axis=1) + 1, new_degree=lambda a, n: a[n:].sum(axis=1) + 1
            ),
        ),
        Diagnosis(
            "no loop",
            "the loop of the new item is missing: in the column of the item itself stands 1 / degree.",
            mistake.rows_of(loop=lambda degree: 0.0),
        ),
        Diagnosis(
            "loop not normalised",
            "the loop has weight 1, but it is normalised like every edge: 1 / (root of degree times root of degree).",
            mistake.rows_of(loop=lambda degree: 1.0),
        ),
        Diagnosis(
            "training degrees without loop",
            "the degrees of the training items lack their loop: A + I, so 1 + the sum of the edges.",
            mistake.rows_of(train_degree=lambda a, n: a[:n, :n].sum(axis=1)),
        ),
        Diagnosis(
            "random walk",
            "the rows are divided by their own degree only. The symmetric form divides by the roots of both degrees.",
            mistake.rows_of(power=(1.0, 0.0)),
        ),
        Diagnosis(
            "columns only",
            "the edges are divided by the degree of the training item only. The symmetric form divides by the roots of "
            "both degrees.",
            mistake.rows_of(power=(0.0, 1.0)),
        ),
        Diagnosis(
            "root forgotten",
            "the edges are divided by both degrees. Divide by their roots.",
            mistake.rows_of(power=(1.0, 1.0)),
        ),
        Diagnosis(
            "rows of the training items",
            "rows of training items came as well. Return those of the new items only, (n - n_train, n).",
            sees=lambda case, expected, got: isinstance(got, np.ndarray) and got.shape == case.arguments[0].shape,
        ),
        Diagnosis(
            "columns left out",
            "the columns of the new items are missing. The last of them hold the loops: the shape is (n - n_train, n).",
            sees=lambda case, expected, got: (
                isinstance(got, np.ndarray) and got.shape == (len(expected), case.arguments[1])
            ),
        ),
    ),
    nudge="Somebody asks for one picture today and for a hundred tomorrow. Which entries of the matrix, and which "
    "degrees, may differ between the two days?",
    hint="Degrees of all items, old and new, are 1 + the sum over the training columns only. The block of the new "
    "columns is diagonal.",
    outline="degree = 1 + adjacency[:, :n_train].sum(axis=1); rows = zeros (n - n_train, n); rows[:, :n_train] = "
    "adjacency[n_train:, :n_train] / sqrt(outer(new degrees, training degrees)); loops 1 / new degree.",
)


GAN = Task(
    id="05.gan_losses",
    signature="gan_losses(real (n,) logits, fake (m,) logits, smoothing) -> d_loss, g_loss, g_slope (m,)",
    difficulty=3,
    minutes=25,
    reference=gan_losses,
    cases=gan_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's inter_modal_loss, what one discriminator minimises with hard targets. The task asks "
            "for gan_losses: both players, a soft target for the real ones, and the slope the generator gets.",
            arguments=("real", "fake", "wrong"),
        ),
        Diagnosis(
            "the library's function",
            "this is the library's binary_cross_entropy, the mean for one target, 0 or 1. The task asks for "
            "gan_losses: both players, a target between 0 and 1, and the slope the generator gets.",
            arguments=("logits", "real"),
        ),
        Diagnosis(
            "overflow",
            "a logit in the thousands gives log(0) or exp of a large number. -log sigmoid(z) is np.logaddexp(0, -z), "
            "and sigmoid(-z) is exp(-np.logaddexp(0, z)).",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "smoothing forgotten",
            "the target of the real ones is 1. With smoothing it is 1 - smoothing.",
            mistake.gan(lambda s: 1.0),
        ),
        Diagnosis(
            "both sides smoothed",
            "the fakes have a soft target too. Only the real ones are smoothed: a fake target above 0 would praise "
            "fakes that are already believed.",
            mistake.gan(fake_target=lambda s: s),
        ),
        Diagnosis(
            "smoothing exchanged",
            "the target of the real ones is the smoothing itself. It is 1 - smoothing.",
            mistake.gan(lambda s: s),
        ),
        Diagnosis(
            "halved smoothing",
            "the target of the real ones is 1 - smoothing / 2. It is 1 - smoothing.",
            mistake.gan(lambda s: 1 - s / 2),
        ),
        Diagnosis(
            "generator smoothed",
            "the generator's target is smoothed. Only the discriminator's target for real ones is soft.",
            mistake.gan(
                generator=lambda fake, s: mistake.targets(fake, 1 - s),
                slope=lambda fake, s: mistake.sigmoid(fake) - (1 - s),
            ),
        ),
        Diagnosis(
            "saturating generator",
            "the generator minimises log(1 - D), the form of the minimax game. Where the discriminator is sure of a "
            "fake, its slope is nearly 0: the generator learns nothing when it needs it most. Take -log D.",
            mistake.gan(
                generator=lambda fake, s: -mistake.softplus(fake), slope=lambda fake, s: -mistake.sigmoid(fake)
            ),
        ),
        Diagnosis(
            "saturating slope",
            "the loss -log D is right, but the slope is that of log(1 - D). The slope of log(1 + exp(-z)) is "
            "-sigmoid(-z).",
            mistake.gan(slope=lambda fake, s: -mistake.sigmoid(fake)),
        ),
        Diagnosis(
            "slope of the discriminator",
            "this is the slope of the discriminator's loss along the fakes. The generator wants the opposite: fakes "
            "that are taken for real.",
            mistake.gan(slope=lambda fake, s: mistake.sigmoid(fake)),
        ),
        Diagnosis(
            "slope upside down",
            "the slope has the wrong sign: the generator's loss falls when a fake's logit rises.",
            mistake.gan(slope=lambda fake, s: mistake.sigmoid(-fake)),
        ),
        Diagnosis(
            "slope not averaged",
            "the slope is m times too large. The loss is a mean over the m fakes: divide by m.",
            mistake.gan(average=lambda m: 1.0),
        ),
        Diagnosis(
            "players exchanged",
            "real and fake are exchanged in the discriminator's loss.",
            mistake.gan(lambda s: 0.0, lambda s: 1 - s),
        ),
        Diagnosis(
            "halved",
            "the discriminator's loss is half of what the text asks for: the two means are added.",
            mistake.gan(combine=lambda real, fake: (real.mean() + fake.mean()) / 2),
        ),
        Diagnosis(
            "one mean for both",
            "real and fake are put into one mean, so the larger group counts more. Take two means and add them.",
            mistake.gan(combine=lambda real, fake: np.concatenate([real, fake]).mean()),
        ),
        Diagnosis(
            "summed",
            "the discriminator's loss is summed over the items. Take the mean of each group.",
            mistake.gan(combine=lambda real, fake: real.sum() + fake.sum()),
        ),
    ),
    nudge="-log sigmoid(z) and -log(1 - sigmoid(z)) are the same function, mirrored. What is it for z = 0, for z = "
    "3000, for z = -3000?",
    hint="Both are log(1 + exp(...)), so np.logaddexp(0, ...). A target t between mixes them: t * logaddexp(0, -z) + "
    "(1 - t) * logaddexp(0, z).",
    outline="d_loss = mean of the mixture with t = 1 - smoothing over real + mean of logaddexp(0, fake); g_loss = "
    "mean of logaddexp(0, -fake); g_slope = -exp(-logaddexp(0, fake)) / m.",
)
