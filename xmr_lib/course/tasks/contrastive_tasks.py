"""Cross-entropy and several captions in exercise 06: the tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import contrastive_mistakes as mistake
from xmr_lib.course.tasks.contrastive_by_hand import any_right_loss, cross_entropy
from xmr_lib.course.tasks.contrastive_cases import cross_entropy_cases, several_captions_cases
from xmr_lib.course.tasks.sees import holds, not_finite

OF_THE_LESSON = ("logits", "positive", "smoothing")

CROSS_ENTROPY = Task(
    id="06.cross_entropy",
    signature="cross_entropy(logits (r, c), target (r,) column numbers) -> losses (r,), slope (r, c)",
    difficulty=2,
    minutes=15,
    reference=cross_entropy,
    cases=cross_entropy_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is a loss of the lesson, which needs torch and leaves the slope to autograd. The task asks for "
            "cross_entropy: one target per row, the losses and their slope, in numpy.",
            arguments=OF_THE_LESSON,
        ),
        Diagnosis(
            "losses only",
            "these are the losses. Return the slope of their mean along the logits as a second value.",
            sees=mistake.is_only_the_losses,
        ),
        Diagnosis(
            "averaged",
            "the first value is the mean of the losses. Return one loss per row; only the slope is that of the mean.",
            sees=mistake.is_averaged,
        ),
        Diagnosis(
            "overflow",
            "exp of a large logit overflows. Take the largest logit of each row away first: the softmax stays the "
            "same.",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "wrong axis",
            "the chances sum to 1 in every column. A row is a query here, so they must sum to 1 in every row: axis=1, "
            "keepdims=True.",
            mistake.entropy(axis=0),
        ),
        Diagnosis(
            "whole table",
            "the chances sum to 1 over the whole table. Every row has a softmax of its own: axis=1, keepdims=True.",
            mistake.entropy(axis=None),
        ),
        Diagnosis(
            "sign of the loss",
            "the losses are negative: a loss is MINUS the logarithm of the chance of the target.",
            mistake.entropy(losses=lambda x: -x),
        ),
        Diagnosis(
            "chances",
            "these are the chances of the targets. The loss is minus their logarithm.",
            mistake.entropy(losses=lambda x: np.exp(-x)),
        ),
        Diagnosis(
            "target not taken away",
            "the slope is softmax / r everywhere. At the target take 1 away first: raising the target's logit lowers "
            "the loss.",
            mistake.entropy(slope=lambda chance, onehot: chance / len(chance)),
        ),
        Diagnosis(
            "target only",
            "the slope is 0 beside the targets. Raising any other logit of the row raises the loss, by its chance.",
            mistake.entropy(slope=lambda chance, onehot: (chance - 1) * onehot / len(chance)),
        ),
        Diagnosis(
            "uphill",
            "the slope has the wrong sign: at the target it is negative, elsewhere positive.",
            mistake.entropy(slope=lambda chance, onehot: (onehot - chance) / len(chance)),
        ),
        Diagnosis(
            "slope of the sum",
            "this is the slope of the sum of the losses. Of their mean it is 1/r of that.",
            mistake.entropy(slope=lambda chance, onehot: chance - onehot),
        ),
    ),
    nudge="Write -log softmax out: a logarithm of a sum minus one logit. Which of the two parts does a logit that is "
    "not the target belong to, and what is its derivative there?",
    hint="shifted = logits - the largest of each row; log_chance = shifted - log of the sum of exp(shifted) in each "
    "row. The losses are entries of -log_chance; the slope is exp(log_chance) with 1 taken away at the targets.",
    outline="shifted with keepdims=True; log_chance (r, c); losses = -log_chance[np.arange(r), target]; slope = "
    "np.exp(log_chance), slope[np.arange(r), target] -= 1, divided by r; return both.",
)


SEVERAL_CAPTIONS = Task(
    id="06.several_captions",
    signature="any_right_loss(logits (n, m), image_instance (n,), caption_instance (m,)) -> float, 0 or more",
    difficulty=3,
    minutes=20,
    reference=any_right_loss,
    cases=several_captions_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is a loss of the lesson, which counts every right pair by itself. The task asks for "
            "any_right_loss: the right captions of an image share one chance.",
            arguments=OF_THE_LESSON,
        ),
        Diagnosis(
            "overflow",
            "exp of a large score overflows, or the logarithm of 0 is taken: a row without a right caption must be "
            "left out, and the others need log-sum-exp with the largest score taken away first.",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "each pair by itself",
            "this is the lesson's loss: each right pair against the wrong captions of its row. Here the chances of "
            "all right captions are added first, then comes one logarithm per image.",
            mistake.pairs_of_the_lesson,
        ),
        Diagnosis(
            "first caption only",
            "only the first right caption of each image counts, and the others are negatives. Add the chances of all "
            "right ones before the logarithm.",
            mistake.captions(mistake.first_right),
        ),
        Diagnosis(
            "mean of logarithms",
            "the logarithms of the right captions are averaged, so each must be likely. It is enough if ANY is: add "
            "the chances first, then take the logarithm.",
            mistake.captions(mistake.mean_of_right),
        ),
        Diagnosis(
            "mean of chances",
            "the chances of the right captions are averaged instead of added: the loss cannot fall below log k.",
            mistake.captions(
                lambda logits, right: mistake.log_of_right(logits, right) - np.log(np.maximum(right.sum(axis=1), 1))
            ),
        ),
        Diagnosis(
            "right captions missing below",
            "below the fraction stand the wrong captions only, so the loss can become negative. All captions stand "
            "there.",
            mistake.captions(
                mistake.log_of_right,
                lambda logits, right: mistake.log_sum(np.where(right, -1e30, logits))[:, 0],
            ),
        ),
        Diagnosis(
            "multiplied by 0",
            "the scores of the wrong captions were multiplied by 0, and exp(0) = 1 is added to the right ones. Give "
            "them minus infinity, or leave them out.",
            mistake.captions(lambda logits, right: mistake.log_sum(logits * right)[:, 0]),
        ),
        Diagnosis(
            "captions as queries",
            "the sums go over the images, as if the captions were the queries. Here every image looks through all "
            "captions: sum over the columns of a row.",
            mistake.from_captions,
        ),
        Diagnosis(
            "images without a caption count",
            "an image without a right caption counts 0 in the mean. Leave it out: divide by the number of images that "
            "have one.",
            mistake.captions(
                mistake.log_of_right, finish=lambda losses, known: float(losses[known].sum() / len(losses))
            ),
        ),
        Diagnosis(
            "summed",
            "the losses are summed over the images. Take their mean.",
            mistake.captions(mistake.log_of_right, finish=lambda losses, known: float(losses[known].sum())),
        ),
    ),
    nudge="In the lesson each right pair has its own loss. Here a row has one: how likely is it that one draw from the "
    "softmax of this row hits any of its right captions?",
    hint="right = image_instance[:, None] == caption_instance, (n, m). Two log-sum-exps per row: over all captions, "
    "and over the right ones (np.where(right, logits, -np.inf)). Their difference is the loss of the row.",
    outline="right (n, m); keep = right.any(axis=1); top = logits.max(axis=1, keepdims=True) so that nothing "
    "overflows; log of the sum over all minus log of the sum over the right ones, of the kept rows; mean.",
)
