"""The label terms of exercise 04: the tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import dscmr_mistakes as mistake
from xmr_lib.course.tasks.dscmr_by_hand import label_regression_slope, pair_likelihood
from xmr_lib.course.tasks.dscmr_cases import likelihood_cases, regression_cases
from xmr_lib.course.tasks.sees import holds

REGRESSION = Task(
    id="04.label_regression",
    signature='label_regression_slope(scores (n, c), labels (n, c) one-hot, form "sample" or "batch") '
    "-> value, slope (n, c)",
    difficulty=2,
    minutes=20,
    reference=label_regression_slope,
    cases=regression_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's mean_norm, which gives the value and leaves the slope to autograd. The task asks for "
            "label_regression_slope: the value and its slope along the scores, by hand.",
            arguments=("x", "norms"),
        ),
        Diagnosis(
            "the library's function",
            "this is the library's label_regression, which gives the value for both sides and leaves the slope to "
            "autograd. The task asks for label_regression_slope: one side, its value and its slope.",
            arguments=("image_scores", "text_scores", "onehot", "norms"),
        ),
        Diagnosis(
            "zero error",
            "a row without error has length 0, and 0 / 0 is not a number. There the slope is 0: nothing is to be "
            "gained by moving.",
            sees=holds(np.isnan),
        ),
        Diagnosis(
            "squared norms",
            "the norms are squared, as in ordinary regression. DSCMR takes the norms themselves, so the slope of a row "
            "is 1/n long, however large its error is.",
            mistake.squared,
        ),
        Diagnosis(
            "forms exchanged",
            'the two forms are exchanged: "sample" is the mean of the n norms, "batch" one norm over all numbers, '
            "divided by n.",
            mistake.regression(form_of=lambda form: mistake.OTHER[form]),
        ),
        Diagnosis(
            "always the mean of norms",
            'both forms give the mean of the n norms. "batch" is one norm over all numbers of the batch, divided by n.',
            mistake.regression(form_of=lambda form: "sample"),
        ),
        Diagnosis(
            "always one norm",
            'both forms give one norm over the batch. "sample" takes the norm of every row, then their mean.',
            mistake.regression(form_of=lambda form: "batch"),
        ),
        Diagnosis(
            "softmax",
            "the scores went through a softmax. Label regression compares them with 0 and 1 as they are.",
            mistake.regression(prepare=mistake.softmax),
        ),
        Diagnosis(
            "not averaged",
            "value and slope are n times too large: both forms divide by n.",
            mistake.regression(value_factor=len, slope_factor=len),
        ),
        Diagnosis(
            "slope not averaged",
            "the value is right, the slope n times too large. It belongs to the same mean: divide by n.",
            mistake.regression(slope_factor=len),
        ),
        Diagnosis(
            "averaged over classes too",
            "value and slope are divided by n * c. The norm already sums over the classes: divide by n only.",
            mistake.regression(
                value_factor=lambda labels: 1 / labels.shape[1], slope_factor=lambda labels: 1 / labels.shape[1]
            ),
        ),
        Diagnosis(
            "uphill",
            "the slope points the other way. With error = scores - labels the norm grows along + error.",
            mistake.regression(slope_factor=lambda labels: -1.0),
        ),
        Diagnosis(
            "sum of absolute values",
            "this is the sum of the absolute errors. The norm is the root of the sum of squares.",
            mistake.regression(order=1),
        ),
    ),
    nudge="How does the length |r| of an arrow change when its tip moves a little? Along the arrow, across it? And "
    "what if the arrow has no length?",
    hint="The slope of |r| is r / |r|, an arrow of length 1. Whose |r| stands in the divisor: that of the row, or "
    "that of the whole batch?",
    outline='error = scores - labels; lengths = row norms (n, 1) for "sample", one number for "batch"; value = mean of '
    "the row norms, or the one norm / n; slope = error / length / n, with 0 where the length is 0.",
)


LIKELIHOOD = Task(
    id="04.multi_label_likelihood",
    signature="pair_likelihood(logits (n, m), labels_a (n, c) bool, labels_b (m, c) bool) -> float",
    difficulty=2,
    minutes=20,
    reference=pair_likelihood,
    cases=likelihood_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's discrimination, which takes embeddings and one class per item. The task asks for "
            "pair_likelihood: it takes logits of any size, and several labels per item.",
            arguments=("image", "text", "classes"),
        ),
        Diagnosis(
            "overflow",
            "exp of a large logit overflows. np.logaddexp(0, z) is log(1 + exp(z)) for z of any size.",
            sees=holds(np.isinf),
        ),
        Diagnosis(
            "no labels at all",
            "two items without labels have 0 of 0 labels in common, which is not a number. Their S is 0.",
            sees=holds(np.isnan),
        ),
        Diagnosis(
            "no labels at all",
            "two items without labels count as alike. Nothing is known about them: their S is 0.",
            mistake.likelihood(lambda a, b: np.where(mistake.either(a, b) == 0, 1.0, mistake.jaccard(a, b))),
        ),
        Diagnosis(
            "number of shared labels",
            "S is the number of shared labels and can be 2 or 3; the loss then has no lower bound. Divide by the "
            "number of labels that either item has.",
            mistake.likelihood(mistake.shared),
        ),
        Diagnosis(
            "shared or not",
            "S is 1 as soon as one label is shared. It is the share: shared labels / labels of either. (The product of "
            "two bool matrices is bool again; make them numbers first.)",
            mistake.likelihood(lambda a, b: (mistake.shared(a, b) > 0).astype(float)),
        ),
        Diagnosis(
            "the same labels or not",
            "S is 1 only when all labels agree. It is the share: shared labels / labels of either.",
            mistake.likelihood(lambda a, b: ((mistake.jaccard(a, b) == 1) | (mistake.either(a, b) == 0)).astype(float)),
        ),
        Diagnosis(
            "labels of one side",
            "the shared labels are divided by the labels of one item. Divide by those that either has, so that S is "
            "the same both ways.",
            mistake.likelihood(lambda a, b: mistake.shared(a, b) / np.maximum(mistake.counts(a, b)[0], 1)),
        ),
        Diagnosis(
            "labels of one side",
            "the shared labels are divided by the labels of one item. Divide by those that either has, so that S is "
            "the same both ways.",
            mistake.likelihood(lambda a, b: mistake.shared(a, b) / np.maximum(mistake.counts(a, b)[1], 1)),
        ),
        Diagnosis(
            "labels counted twice",
            "the shared labels are counted twice in the divisor: labels of either = labels of a + labels of b - "
            "shared.",
            mistake.likelihood(
                lambda a, b: mistake.shared(a, b) / np.maximum(mistake.counts(a, b)[0] + mistake.counts(a, b)[1], 1)
            ),
        ),
        Diagnosis(
            "all classes",
            "the shared labels are divided by the number of classes. Divide by the labels that either item has.",
            mistake.likelihood(lambda a, b: mistake.shared(a, b) / a.shape[1]),
        ),
        Diagnosis(
            "cosine of the labels",
            "S is the cosine of the label vectors. The task takes shared labels / labels of either.",
            mistake.likelihood(
                lambda a, b: (
                    mistake.shared(a, b) / np.sqrt(np.maximum(mistake.counts(a, b)[0] * mistake.counts(a, b)[1], 1))
                )
            ),
        ),
        Diagnosis(
            "sign",
            "similar pairs are pushed apart: the likelihood has - S z, so that a large logit is cheap where S is 1.",
            mistake.likelihood(mistake.jaccard, sign=-1.0),
        ),
        Diagnosis(
            "summed",
            "the loss is summed over the pairs. Take their mean.",
            mistake.likelihood(mistake.jaccard, reduce=np.sum),
        ),
        Diagnosis(
            "mean over rows only",
            "the loss is summed over one side and averaged over the other. Take the mean over all n * m pairs.",
            mistake.likelihood(mistake.jaccard, reduce=lambda x: x.sum(axis=1).mean()),
        ),
    ),
    nudge="Two pictures share a dog; one of them shows a cat as well. How similar should they be: 1, 2, or something "
    "between 0 and 1? And what is log(1 + exp(5000)), nearly?",
    hint="Both counts come from matrix products of 0/1 numbers: shared = a @ b.T, and labels of either = labels of a + "
    "labels of b - shared. For the rest there is np.logaddexp.",
    outline="a, b as floats; shared = a @ b.T; either = a.sum(1)[:, None] + b.sum(1) - shared; S = shared / "
    "np.maximum(either, 1); mean of np.logaddexp(0, z) - S * z.",
)
