"""Similarity of sets and the competition of slots, of exercise 07: the tasks with what helps."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import sets_mistakes as mistake
from xmr_lib.course.tasks.sees import holds, not_finite
from xmr_lib.course.tasks.sets_by_hand import set_similarity, slot_steps
from xmr_lib.course.tasks.sets_cases import set_cases, slot_cases

SIMILARITY = Task(
    id="07.set_similarity",
    signature="set_similarity(c (p, q) cosines, alpha 0 to infinity) -> value, slope (p, q)",
    difficulty=3,
    minutes=30,
    reference=set_similarity,
    cases=set_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's smooth_chamfer, which takes the log of a sum and leaves the slope to autograd. The "
            "task asks for set_similarity: the log of a mean, both limits, and the slope by hand.",
            arguments=("cosines", "alpha"),
        ),
        Diagnosis(
            "the library's function",
            "this is the library's set_similarity, which gives the value of a named similarity. The task asks for "
            "set_similarity: the log of a mean for every alpha, both limits, and the slope by hand.",
            arguments=("cosines", "kind", "alpha"),
        ),
        Diagnosis(
            "alpha 0",
            "1/alpha is infinite at alpha = 0. The limit is the mean: the value is the mean cosine, and every pair has "
            "the same slope.",
            sees=mistake.at(0.0),
        ),
        Diagnosis(
            "alpha infinite",
            "inf times a cosine, or inf - inf, is not a number. The limit is the maximum: for np.isinf(alpha) take the "
            "largest of each row and column; equal ones share the slope.",
            sees=mistake.at(float("inf")),
        ),
        Diagnosis(
            "overflow",
            "exp of a large number overflows. Subtract the largest exponent of each row (or column) first and add it "
            "again after the log.",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "log of the sum",
            "this is the log of the sum, as in the lesson: a set of q equal vectors gets log(q)/alpha for nothing. "
            "Here it is the log of the mean.",
            mistake.sets(counted=False),
        ),
        Diagnosis(
            "rows only",
            "only the rows are there. The columns look for their best partners too: the other half.",
            mistake.sets(rows=1.0, columns=0.0),
        ),
        Diagnosis(
            "columns only",
            "only the columns are there. The rows look for their best partners too: the other half.",
            mistake.sets(rows=0.0, columns=1.0),
        ),
        Diagnosis(
            "not halved",
            "the two halves are summed. Take their mean: the slopes of all pairs together are 1.",
            mistake.sets(rows=1.0, columns=1.0),
        ),
        Diagnosis(
            "summed over the set",
            "the soft maxima are summed over the members of a set. Take their mean, so that sets of different sizes "
            "can be compared.",
            mistake.sets(reduce=np.sum, spread=lambda cosines, axis: 1.0),
        ),
        Diagnosis(
            "slope of the sum",
            "the value is right, the slope forgets that the soft maxima are averaged: divide the shares of the rows by "
            "p and those of the columns by q.",
            mistake.sets(spread=lambda cosines, axis: 1.0),
        ),
        Diagnosis(
            "p and q exchanged",
            "the shares of the p rows are divided by q, those of the q columns by p. There are p soft maxima over "
            "rows: divide their shares by p.",
            mistake.wrong_axes,
        ),
        Diagnosis(
            "not divided by alpha",
            "the log is not divided by alpha, so the value is not on the scale of a cosine.",
            mistake.sets(value_factor=lambda alpha: 1.0 if alpha == 0 or np.isinf(alpha) else alpha),
        ),
        Diagnosis(
            "slope times alpha",
            "the slope is alpha times too large: the alpha of the exponent and the 1/alpha in front of the log cancel.",
            mistake.sets(slope_factor=lambda alpha: 1.0 if alpha == 0 or np.isinf(alpha) else alpha),
        ),
        Diagnosis(
            "alpha not used",
            "alpha is not used in the exponent.",
            mistake.sets(alpha_of=lambda alpha: alpha if alpha == 0 or np.isinf(alpha) else 1.0),
        ),
        Diagnosis(
            "always the maximum",
            "this is the Chamfer similarity, with hard maxima, at every alpha.",
            mistake.sets(alpha_of=lambda alpha: float("inf")),
        ),
        Diagnosis(
            "one soft maximum over all pairs",
            "all pairs compete in one soft maximum, and at alpha infinite one pair decides. Every row and every column "
            "has a soft maximum of its own.",
            mistake.all_pairs,
        ),
        Diagnosis(
            "first of the ties",
            "at alpha infinite the first of two equal cosines gets the whole slope (argmax). The limit shares it "
            "equally.",
            mistake.first_of_ties,
        ),
    ),
    nudge="What is 1/alpha log of the mean of exp(alpha c) when all c are equal? When alpha is huge, which c still "
    "matters? And in how many soft maxima does one cosine stand?",
    hint="Write a helper for one axis that gives the soft maximum and its softmax. The slope of the soft maximum along "
    "a cosine is its softmax; then average over rows, over columns, and halve. Treat alpha 0 and infinite apart.",
    outline="For axis 1 and 0: top = max; alpha 0: mean and 1/count; infinite: top and (c == top) / number of winners; "
    "else top + log(mean(exp(alpha (c - top)))) / alpha and the softmax. value = half the mean of the row part + half "
    "that of the column part; slope = row shares / (2 p) + column shares / (2 q).",
)


SLOTS = Task(
    id="07.slot_steps",
    signature="slot_steps(slots (k, d), tokens (n, d), real (n,) bool, steps) -> slots (k, d), weights (k, n)",
    difficulty=3,
    minutes=30,
    reference=slot_steps,
    cases=slot_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's slot_shares, one line of the competition. The task asks for slot_steps: several "
            "steps, slots that move, and slots that hold nothing.",
            arguments=("scores", "mask"),
        ),
        Diagnosis(
            "the lesson's function",
            "this is the lesson's slot_weights, one line of the competition. The task asks for slot_steps: several "
            "steps, slots that move, and slots that hold nothing.",
            arguments=("shares",),
        ),
        Diagnosis(
            "padding at minus infinity",
            "a padded token has minus infinity for every slot, and a softmax over nothing but minus infinity is not a "
            "number. Let the softmax be, then set the columns of the padding to 0.",
            sees=mistake.broken_with(padding=True),
        ),
        Diagnosis(
            "empty slot or overflow",
            "exp of scores in the thousands overflows (subtract the largest of each column), and a slot that gets "
            "nothing divides 0 by 0. It stays where it is, with weights 0.",
            sees=mistake.broken_with(padding=False),
        ),
        Diagnosis(
            "softmax over tokens",
            "the softmax runs over the tokens, as in ordinary attention, so several slots may look at the same token. "
            "Slots compete: for each token the shares of the slots sum to 1.",
            mistake.slots(compete=lambda scores: mistake.softmax(scores, 1)),
        ),
        Diagnosis(
            "padding takes part",
            "padded tokens are shared out like real ones. Set their columns to 0 before the rows are divided.",
            mistake.slots(hide=lambda shares, real: shares),
        ),
        Diagnosis(
            "padding takes part",
            "padded tokens are shared out like real ones. Set their columns to 0 before the rows are divided.",
            mistake.slots(hide=lambda shares, real: np.where(real, shares, 1 / len(shares))),
        ),
        Diagnosis(
            "padding hidden too late",
            "the rows were divided by their sums first and the padding set to 0 afterwards, so the weights of a slot "
            "no longer sum to 1. Hide first, divide then.",
            mistake.hidden_after,
        ),
        Diagnosis(
            "not divided by the row sums",
            "each slot takes the sum of its shares. Divide every row by its sum: a mean of tokens, however many a slot "
            "has won.",
            mistake.slots(renormalise=False),
        ),
        Diagnosis(
            "added to the slot",
            "the mean is added to the old slot, as the lesson's network does. Here it takes the slot's place.",
            mistake.slots(update=lambda slot, heard: slot + heard),
        ),
        Diagnosis(
            "one after the other",
            "slots move one after the other, and the second competes with the moved first. All shares of a step belong "
            "to the slots before it.",
            mistake.one_after_the_other,
        ),
        Diagnosis(
            "not divided by the root of d",
            "the scores are plain dot products. Divide them by the root of d.",
            mistake.slots(scores_of=lambda s, x: s @ x.T),
        ),
        Diagnosis(
            "divided by d",
            "the scores are divided by d. Divide them by its root.",
            mistake.slots(scores_of=lambda s, x: s @ x.T / s.shape[1]),
        ),
        Diagnosis(
            "empty slot at zero",
            "a slot that gets nothing went to zero. It stays where it is; only its weights are 0.",
            mistake.slots(empty=np.zeros_like),
        ),
        Diagnosis(
            "one step only",
            "only one step was done. The moved slots compete again.",
            mistake.slots(count=lambda steps: 1),
        ),
        Diagnosis(
            "shares for weights",
            "the slots are right, but the shares came back before they were divided by the row sums. Return the "
            "weights, whose rows sum to 1.",
            mistake.slots(report=lambda weights, shares: shares),
        ),
    ),
    nudge="Each token has one unit of attention to give away. Who are the candidates? What should a slot be that got "
    "half of one token and all of another? And a slot that got nothing?",
    hint="scores = slots @ tokens.T / sqrt(d); a softmax down each column; zero the columns of the padding; then "
    "divide each row by its sum, where that is not 0.",
    outline="Repeat: s = slots @ tokens.T / sqrt(d); e = exp(s - s.max(axis=0)); shares = e / e.sum(axis=0) * real; "
    "total = shares.sum(axis=1, keepdims=True); weights = shares / np.where(total > 0, total, 1); slots = "
    "np.where(total > 0, weights @ tokens, slots).",
)
