"""Temperature and several processes in exercise 06: the tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import contrastive_mistakes as mistake
from xmr_lib.course.tasks.contrastive_by_hand import process_loss, temperature_step
from xmr_lib.course.tasks.contrastive_cases import gathered_cases, temperature_cases
from xmr_lib.course.tasks.contrastive_tasks import OF_THE_LESSON

TEMPERATURE = Task(
    id="06.temperature_step",
    signature="temperature_step(cosines (n, n), log_scale, rate, maximum) -> loss, new_log_scale (two floats)",
    difficulty=3,
    minutes=25,
    reference=temperature_step,
    cases=temperature_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is a loss of the lesson, on logits that are scaled already. The task asks for temperature_step: "
            "loss at this scale and a step of the scale, with its slope by hand.",
            arguments=OF_THE_LESSON,
        ),
        Diagnosis(
            "slope along s",
            "this is the slope along the scale s. What moves is log s, and d/d log s = s d/ds: the slope is the mean "
            "of (expected logit - own logit), with the scale inside.",
            mistake.temperature(factor=lambda s: 1 / s),
        ),
        Diagnosis(
            "slope multiplied twice",
            "the scale is in the slope twice. Along log s every logit l grows by l itself, and l = s cos holds the "
            "scale already.",
            mistake.temperature(factor=lambda s: s),
        ),
        Diagnosis(
            "not clamped",
            "the new scale lies above the maximum. Cut log s after the step, at log(maximum) and not at the maximum "
            "itself.",
            mistake.temperature(move=lambda x, step, maximum: x - step),
        ),
        Diagnosis(
            "stuck at the maximum",
            "a scale at the maximum never moves again. Cut after the step, so that it can fall.",
            mistake.temperature(
                move=lambda x, step, maximum: x if x >= np.log(maximum) else min(x - step, np.log(maximum))
            ),
        ),
        Diagnosis(
            "uphill",
            "the step goes up the slope. Subtract rate times slope.",
            mistake.temperature(move=lambda x, step, maximum: min(x + step, np.log(maximum))),
        ),
        Diagnosis(
            "one direction",
            "only the rows are queries. CLIP takes the mean of image-to-text and text-to-image: the table and its "
            "transpose.",
            mistake.temperature(both=lambda i2t, t2i: i2t),
        ),
        Diagnosis(
            "one direction",
            "only the columns are queries. CLIP takes the mean of image-to-text and text-to-image: the table and its "
            "transpose.",
            mistake.temperature(both=lambda i2t, t2i: t2i),
        ),
        Diagnosis(
            "summed",
            "the two directions are added, as in ALIGN. CLIP takes their mean.",
            mistake.temperature(both=lambda i2t, t2i: i2t + t2i),
        ),
        Diagnosis(
            "temperature for scale",
            "the cosines are divided by exp(log_scale). The scale multiplies them: s = exp(log_scale), tau = 1 / s.",
            mistake.temperature(scale=lambda x: float(np.exp(-x))),
        ),
        Diagnosis(
            "logarithm forgotten",
            "the cosines are multiplied by log_scale itself. The scale is exp(log_scale), so that it stays positive.",
            mistake.temperature(scale=lambda x: x),
        ),
        Diagnosis(
            "scale returned",
            "the second value is the new scale. Return its logarithm.",
            mistake.temperature(move=lambda x, step, maximum: np.exp(min(x - step, np.log(maximum)))),
        ),
        Diagnosis(
            "loss after the step",
            "this is the loss at the new scale. Return the loss from which the step starts.",
            mistake.loss_after_the_step,
        ),
    ),
    nudge="Every logit is s times a cosine. If log s grows a little, each logit grows in proportion to itself. Which "
    "rows want that, those whose partner is above or those whose partner is below what they expect?",
    hint="With p the softmax of a row of logits l and l_ii its partner: loss = log sum exp(l) - l_ii and d loss / "
    "d log s = sum_j p_j l_j - l_ii. The same for the columns; the mean of all 2n rows.",
    outline="For table in (cosines, cosines.T): logits = np.exp(log_scale) * table, stable softmax, add loss and slope "
    "of the rows; divide by 2n; return loss, min(log_scale - rate * slope, np.log(maximum)).",
)


GATHERED = Task(
    id="06.gathered_loss",
    signature="process_loss(images (k arrays (n_r, d)), texts (k arrays (n_r, d)), rank, scale) -> float",
    difficulty=4,
    minutes=30,
    reference=process_loss,
    cases=gathered_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is a loss of the lesson, for one process that sees everything. The task asks for process_loss: the "
            "part of the loss that belongs to the rows of one process.",
            arguments=OF_THE_LESSON,
        ),
        Diagnosis(
            "local negatives",
            "the rows are compared with those of their own process only. Gather the pictures and the sentences of all "
            "processes: more negatives are the reason to gather.",
            mistake.process(gathered=(False, False), weight=mistake.own_length),
        ),
        Diagnosis(
            "local negatives",
            "the rows are compared with those of their own process only, and weighted by k / B. Gather the "
            "pictures and the sentences of all processes: more negatives are the reason to gather.",
            mistake.process(gathered=(False, False)),
        ),
        Diagnosis(
            "only sentences gathered",
            "the sentences meet the pictures of their own process only. Gather both sides.",
            mistake.process(gathered=(False, True)),
        ),
        Diagnosis(
            "whole batch",
            "this is the loss of the whole batch: right as an average, but each process computes the same. Count the "
            "own rows only.",
            mistake.whole_batch,
        ),
        Diagnosis(
            "rows in another order",
            "the shares are put one below the other, but the partner is sought where it stands in the batch. Share r "
            "holds the rows r, r + k, r + 2k, ...: weave them, whole[r::k] = share.",
            mistake.process(order=lambda shares: np.concatenate(list(shares))),
        ),
        Diagnosis(
            "rank forgotten",
            "own row i is taken for row i of the gathered ones. Row i of process r is row r + i k of the batch.",
            mistake.process(place=mistake.first_place),
        ),
        Diagnosis(
            "rank forgotten",
            "own row i is taken for row i of the gathered ones. In shares put one below the other it comes after all "
            "rows of the processes before.",
            mistake.process(order=lambda shares: np.concatenate(list(shares)), place=mistake.first_place),
        ),
        Diagnosis(
            "wrong place",
            "the gathered rows are woven, but the partner is sought as if the shares stood one below the other. Row i "
            "of process r is row r + i k of the batch.",
            mistake.process(place=mistake.stacked_place),
        ),
        Diagnosis(
            "unequal shares",
            "this is the mean over the own rows, and the average over the processes is not the loss of the batch when "
            "one has more rows. Weight it: sum over own rows times k / B.",
            mistake.process(weight=mistake.own_length),
        ),
        Diagnosis(
            "part of the sum",
            "the sum over the own rows is divided by B only. The processes take an average, which divides by k again: "
            "multiply by k.",
            mistake.process(weight=lambda shares, rank: 1 / sum(map(len, shares))),
        ),
        Diagnosis(
            "not normalised",
            "the rows keep their lengths, so these are no cosines. Bring every row to length 1.",
            mistake.process(form=lambda x: x),
        ),
        Diagnosis(
            "one direction",
            "only the pictures are queries. The other half of the loss are the own sentences against all pictures.",
            mistake.process(directions=(1.0, 0.0)),
        ),
        Diagnosis(
            "one direction",
            "only the pictures are queries, and their loss is halved. The other half are the own sentences against "
            "all pictures.",
            mistake.process(directions=(0.5, 0.0)),
        ),
        Diagnosis(
            "summed",
            "the two directions are added. Take half of each.",
            mistake.process(directions=(1.0, 1.0)),
        ),
    ),
    nudge="Imagine the table of the whole batch. Which rows of it, and which columns, can process r fill alone once it "
    "has everybody's vectors? Where in these rows stands the right partner?",
    hint="B = rows in all, k = len(images). whole = np.empty((B, d)); whole[r::k] = share for every r. The own rows "
    "stand at r, r + k, ... of the batch, and there are their partners too.",
    outline="Rows at length 1; gather both sides; own = rows r::k; logits (n_r, B) of own pictures against all "
    "sentences and of own sentences against all pictures; sum of log-sum-exp minus logit of the partner, half of each; "
    "times k / B.",
)
