"""The bit that selects and the loss of distances, of exercise 11: the tasks with what helps."""

from __future__ import annotations

import math

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import differentiable_mistakes as mistake
from xmr_lib.course.tasks.differentiable_by_hand import code_distance_loss, selecting_bit
from xmr_lib.course.tasks.differentiable_cases import distance_cases, selecting_cases
from xmr_lib.course.tasks.sees import holds, not_finite

SELECTING = Task(
    id="11.selecting_bit",
    signature="selecting_bit(z (n, K, 2), along (n, K), temperature) -> bits (n, K), expected (n, K), slope (n, K, 2)",
    difficulty=2,
    minutes=25,
    reference=selecting_bit,
    cases=selecting_cases,
    diagnoses=(
        *(
            Diagnosis(
                "the lesson's function",
                f"this is {name} of the lesson, which leaves the slope to autograd. The task asks for selecting_bit: "
                "bits, expected bits and the slope by hand, with a temperature.",
                arguments=arguments,
            )
            for name, arguments in (("SelectingHash", ("d", "bits")), ("both_values or certainty", ("outputs",)))
        ),
        Diagnosis(
            "overflow",
            "exp of a large score overflows. Take the larger of the two scores away first, or use "
            "np.tanh((z1 - z0) / (2 temperature)).",
            sees=holds(not_finite),
        ),
        Diagnosis("zeros and ones", "the bits are 0 and 1. They are -1 and +1 here.", sees=mistake.zeros_and_ones),
        Diagnosis(
            "zero bits",
            "np.sign(0) is 0, and a code with a 0 in it is no code. Equal scores give -1.",
            sees=mistake.zero_bits,
        ),
        Diagnosis(
            "ties to +1",
            "equal scores give +1. They give -1 here: only a larger second score makes the bit +1.",
            mistake.selecting(choose=lambda gap: np.where(gap >= 0, 1.0, -1.0)),
        ),
        Diagnosis(
            "values exchanged",
            "the first score stands for +1. It is the second, z[..., 1].",
            mistake.selecting(plus=0),
        ),
        Diagnosis(
            "softmax over the bits",
            "the softmax runs over the bits, so that they compete. Each bit has a softmax of its own, over its two "
            "scores: the last axis.",
            mistake.selecting(axis=1),
        ),
        Diagnosis(
            "probability for expected bit",
            "the second result is the probability of +1. The expected bit is p1 - p0, between -1 and 1.",
            mistake.selecting(told=lambda p, expected: p[..., 1]),
        ),
        Diagnosis(
            "bits for expected bits",
            "the second result holds the bits again. The expected bit is p1 - p0, which has a slope.",
            mistake.selecting(told=lambda p, expected: np.where(expected > 0, 1.0, -1.0)),
        ),
        Diagnosis(
            "tanh of the difference",
            "this is tanh(z1 - z0), twice as steep. A softmax over two scores gives tanh of *half* their difference.",
            mistake.tanh_of_the_difference,
        ),
        Diagnosis(
            "temperature not used",
            "the temperature is not used. Scores are divided by it before the softmax.",
            mistake.selecting(scale=lambda temperature: 1.0, slope_scale=lambda temperature: 1.0),
        ),
        Diagnosis(
            "temperature multiplies",
            "the scores are multiplied by the temperature. Divide by it: a small one makes bits sure.",
            mistake.selecting(scale=float, slope_scale=float),
        ),
        Diagnosis(
            "temperature missing in the slope",
            "bits and expected bits are right, but the slope lacks 1/temperature: a score moves the softmax by that "
            "much.",
            mistake.selecting(slope_scale=lambda temperature: 1.0),
        ),
        Diagnosis(
            "slope of the probability",
            "the slope is that of p1, half of what it should be: p1 - p0 moves twice as fast, because p0 falls too.",
            mistake.selecting(factor=1.0),
        ),
        Diagnosis(
            "slope along one score",
            "only the second score has a slope. The first takes away what the second gives.",
            mistake.selecting(signs=(0.0, 1.0)),
        ),
        Diagnosis(
            "slopes of one sign",
            "both scores have the same slope. They pull in opposite directions: adding 1 to both changes nothing.",
            mistake.selecting(signs=(1.0, 1.0)),
        ),
        Diagnosis(
            "slope with the other sign",
            "the slope has the wrong sign: a larger second score makes the expected bit larger.",
            mistake.selecting(signs=(1.0, -1.0)),
        ),
        Diagnosis(
            "straight through",
            "the slope passes as if the bit were the score itself. Multiply it by the slope of the softmax, 2 p0 p1: a "
            "bit that is sure does not move.",
            mistake.selecting(curve=lambda p: np.full(p.shape[:2], 0.5)),
        ),
        Diagnosis(
            "along not used",
            "this is the slope of the expected bits themselves. What stands above has the slope `along` along them: "
            "multiply by it.",
            mistake.selecting(use_along=False),
        ),
    ),
    nudge="Two chances that sum to 1: how many numbers is that really? Which function of z1 - z0 is p1 - p0, and what "
    "is its slope where the bit is undecided, and where it is sure?",
    hint="p1 - p0 = tanh((z1 - z0) / (2 T)). Its slope along z1 is (1 - tanh^2) / (2 T), the same as 2 p0 p1 / T, and "
    "along z0 minus that. Multiply by `along`.",
    outline="gap = z[..., 1] - z[..., 0]; expected = np.tanh(gap / (2 * temperature)); bits = np.where(gap > 0, 1, "
    "-1); moved = along * (1 - expected**2) / (2 * temperature); slope = np.stack([-moved, moved], axis=2).",
)


DISTANCE = Task(
    id="11.distance_loss",
    signature="code_distance_loss(e (n, K), f (m, K), similar (n, m) 0 or 1, vartheta) -> value, slope_e (n, K), "
    "slope_f (m, K)",
    difficulty=3,
    minutes=35,
    reference=code_distance_loss,
    cases=distance_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is distance_loss of the lesson, of probabilities u, with a small number under the root and its slope "
            "left to autograd. The task asks for code_distance_loss: expected bits, an exact root, slopes by hand.",
            arguments=("u", "v", "similar", "vartheta", "distance"),
        ),
        Diagnosis(
            "slope at distance 0",
            "a distance of 0 was divided by. Square roots have no slope there: where d = 0 the slope of a dissimilar "
            "pair is 0, and a similar pair needs no root, because its loss is d^2.",
            sees=mistake.slope_not_finite,
        ),
        Diagnosis(
            "small number under the root",
            "a small number under the root keeps the slope finite, but it moves every distance, and most the small "
            "ones. Here the root is exact: treat d = 0 apart.",
            mistake.distances(eps=1e-6),
        ),
        Diagnosis(
            "distance not halved",
            "d is the distance of the expected bits. The probabilities are (1 + e)/2 and (1 - e)/2, so d^2 is half the "
            "squared distance of the bits.",
            mistake.distances(halved=False),
        ),
        Diagnosis(
            "tau without the 2",
            "tau is sqrt(K vartheta). Codes that differ in m bits are sqrt(2 m) apart, so it is sqrt(2 K vartheta).",
            mistake.distances(tau_of=lambda bits, vartheta: math.sqrt(bits * vartheta)),
        ),
        Diagnosis(
            "tau not rooted",
            "tau is 2 K vartheta, a squared distance. Take its root: d is a distance.",
            mistake.distances(tau_of=lambda bits, vartheta: 2 * bits * vartheta),
        ),
        Diagnosis(
            "vartheta times the largest distance",
            "tau is vartheta sqrt(2 K). vartheta is a share of the *bits*: it belongs under the root.",
            mistake.distances(tau_of=lambda bits, vartheta: vartheta * math.sqrt(2 * bits)),
        ),
        Diagnosis(
            "not squared",
            "d and tau - d are not squared. That is the variant l1 of the lesson.",
            mistake.distances(square=False),
        ),
        Diagnosis(
            "means of their own",
            "similar pairs are averaged over the similar ones, the others over the others. Both sums are divided by "
            "all n m pairs.",
            mistake.distances(kinds=mistake.similar_per_kind),
        ),
        Diagnosis(
            "summed",
            "the loss is a sum over the pairs. Divide by their number, n m.",
            mistake.distances(kinds=lambda s: (1, 1)),
        ),
        Diagnosis(
            "similar and dissimilar exchanged",
            "similar pairs are pushed apart, others pulled together.",
            mistake.distances(exchanged=True),
        ),
        Diagnosis(
            "pulled back",
            "pairs that are farther apart than tau are pulled back to it. They cost nothing: max(0, tau - d).",
            mistake.distances(hinge=False),
        ),
        Diagnosis(
            "slopes exchanged in sign",
            "both slopes have the wrong sign: a similar pair costs less when e moves towards f.",
            mistake.distances(signs=(-1.0, 1.0)),
        ),
        Diagnosis(
            "same sign for both",
            "the slope along f has the sign of that along e. What moves e away from f moves f away from e: opposite "
            "directions.",
            mistake.distances(signs=(1.0, 1.0)),
        ),
        Diagnosis(
            "factor 2 in the slopes",
            "the slopes are twice too large. d^2 = |e - f|^2 / 2, whose slope along e is e - f.",
            mistake.distances(factor=2.0),
        ),
        Diagnosis(
            "factor 1/2 in the slopes",
            "the slopes are half of what they should be. d^2 = |e - f|^2 / 2, whose slope along e is e - f.",
            mistake.distances(factor=0.5),
        ),
        Diagnosis(
            "dissimilar pairs without slope",
            "the value is right, but dissimilar pairs have no slope. They are pushed apart until d = tau.",
            mistake.distances(kept=(1.0, 0.0)),
        ),
    ),
    nudge="Write d^2 with e and f alone. Which of the two terms needs the root at all? And two equal codes that should "
    "be apart: in which direction would you push?",
    hint="away = e[:, None] - f; d = sqrt of half the sum of away^2. A similar pair has the slope away along e; "
    "another one closer than tau -(tau - d)/d away; minus these along f. Sum over partners, divide by n m.",
    outline="missing = np.maximum(tau - d, 0); value = np.mean(similar * d**2 + (1 - similar) * missing**2); pull = "
    "similar - (1 - similar) * missing / np.where(d > 0, d, 1), divided by n m; slope_e = (pull[..., None] * "
    "away).sum(axis=1); slope_f = -(pull[..., None] * away).sum(axis=0).",
)
