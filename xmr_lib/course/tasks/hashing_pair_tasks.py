"""The likelihood of pairs and the price of the sign, of exercise 09: the tasks with what helps."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import hashing_mistakes as mistake
from xmr_lib.course.tasks.hashing_by_hand import pair_loss, sign_gap
from xmr_lib.course.tasks.hashing_cases import gap_cases, pair_cases
from xmr_lib.course.tasks.sees import holds, not_finite

PAIRS = Task(
    id="09.pair_loss",
    signature="pair_loss(f (n, K), g (m, K), s (n, m) 0 to 1, w (n, m)) -> value, slope_f (n, K), slope_g (m, K)",
    difficulty=3,
    minutes=30,
    reference=pair_loss,
    cases=pair_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's pair_likelihood, one number per pair, whose slope autograd finds. The task asks for "
            "pair_loss: the weighted mean, and both slopes by hand.",
            arguments=("f", "g", "similarity"),
        ),
        Diagnosis(
            "the library's function",
            "this is the library's dcmh_objective, a sum over all pairs with the terms of the codes. The task asks for "
            "pair_loss: the weighted mean of the pairs alone, and both slopes by hand.",
            arguments=("f", "g", "similarity", "codes", "gamma", "eta"),
        ),
        Diagnosis(
            "the library's function",
            "this is the library's dcmh_terms, which leaves the slopes to autograd. The task asks for pair_loss: the "
            "weighted mean of the pairs alone, and both slopes by hand.",
            arguments=("outputs", "other", "similarity", "codes", "rest", "gamma", "eta", "form"),
        ),
        Diagnosis(
            "overflow",
            "exp of a large number overflows. log(1 + exp(x)) is np.logaddexp(0, x), which is safe; so is "
            "1 / (1 + exp(-x)), but exp(x) / (1 + exp(x)) is not.",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "theta not halved",
            "theta is the whole dot product of f and g. Here it is half of it.",
            mistake.pairs(theta_of=lambda f, g: f @ g.T, half=1.0),
        ),
        Diagnosis(
            "half missing in the slope",
            "the value is right and the slopes are twice too large: theta is half a dot product, so its slope along f "
            "is half of g.",
            mistake.pairs(half=1.0),
        ),
        Diagnosis(
            "likelihood for loss",
            "value and slopes have the other sign: this is the log-likelihood, which one wants large. A loss is minus "
            "that.",
            mistake.pairs(value_sign=-1.0, slope_sign=-1.0),
        ),
        Diagnosis(
            "slope with the other sign",
            "the value is right, the slopes point downhill: the slope of softplus(theta) - s theta along theta is "
            "sigmoid(theta) - s, not s - sigmoid(theta).",
            mistake.pairs(slope_sign=-1.0),
        ),
        Diagnosis(
            "slopes exchanged",
            "the slopes along f and g are exchanged. Return the value, the slope along f, the slope along g.",
            mistake.slopes_exchanged,
        ),
        Diagnosis(
            "slope along theta",
            "this is the slope along theta, one number per pair. Theta_ij moves with all K numbers of f_i: one more "
            "matrix product.",
            mistake.slope_along_theta,
        ),
        Diagnosis(
            "divided by the number of pairs",
            "the weighted sum is divided by n m. A weighted mean is divided by the sum of the weights.",
            mistake.pairs(divisor=lambda w: float(w.size)),
        ),
        Diagnosis(
            "divided by the pairs that count",
            "the weighted sum is divided by the number of pairs whose weight is not 0. A weighted mean is divided by "
            "the sum of the weights.",
            mistake.pairs(divisor=lambda w: float((w > 0).sum())),
        ),
        Diagnosis(
            "not divided",
            "this is the weighted sum. Divide it by the sum of the weights, so that it does not grow with the batch.",
            mistake.pairs(divisor=lambda w: 1.0),
        ),
        Diagnosis(
            "weights not used",
            "all pairs count alike. Multiply the loss of each pair, and its slope, by its weight.",
            mistake.pairs(counted=np.ones_like, counted_slope=np.ones_like, divisor=lambda w: float(w.size)),
        ),
        Diagnosis(
            "slopes without weights",
            "the value is right, but in the slopes all pairs count alike. The weight of a pair stands in front of its "
            "slope too.",
            mistake.pairs(counted_slope=np.ones_like),
        ),
        Diagnosis(
            "soft similarities made hard",
            "similarities between 0 and 1 are treated as 0 or 1. The loss is softplus(theta) - s theta for every s in "
            "between.",
            mistake.pairs(similarity=lambda s: (s > 0.5).astype(float)),
        ),
        Diagnosis(
            "soft similarities made hard",
            "similarities between 0 and 1 are treated as 1. The loss is softplus(theta) - s theta for every s in "
            "between.",
            mistake.pairs(similarity=lambda s: (s > 0).astype(float)),
        ),
        Diagnosis(
            "clipped",
            "everything is right until theta is large: a clipped theta, or a small number added inside a log, changes "
            "the loss exactly where a pair is most wrong. np.logaddexp(0, theta) needs neither.",
            sees=mistake.fails_when_large,
        ),
    ),
    nudge="What is softplus(theta) nearly, when theta is 5000? And what is its slope, everywhere? In how many thetas "
    "does one row of f stand?",
    hint="theta = f @ g.T / 2. The slope of one pair along theta is w (sigmoid(theta) - s) / sum of w; carry it on to "
    "f with g, and to g with f.",
    outline="share = w / w.sum(); value = (share * (np.logaddexp(0, theta) - s * theta)).sum(); along = share * "
    "(np.exp(-np.logaddexp(0, -theta)) - s); slope_f = along @ g / 2; slope_g = along.T @ f / 2.",
)


GAP = Task(
    id="09.sign_gap",
    signature="sign_gap(f (n, K), g (n, K), old (n, K) -1 or +1, a 0 to 1) -> codes (n, K), before, after, gap",
    difficulty=2,
    minutes=25,
    reference=sign_gap,
    cases=gap_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is one of the lesson's functions of a single matrix: sign_codes, which sends a 0 to -1, or "
            "quantisation_error. The task asks for sign_gap: the codes of two weighted outputs, undecided bits "
            "as they were, and three losses.",
            arguments=("outputs",),
        ),
        Diagnosis("zeros and ones", "the bits are 0 and 1. They are -1 and +1 here.", sees=mistake.zeros_and_ones),
        Diagnosis(
            "zero bits",
            "np.sign(0) is 0, and a code with a 0 in it is no code. Where the weighted mean is 0 both signs cost the "
            "same: the old bit stays.",
            sees=mistake.zero_bits,
        ),
        Diagnosis(
            "undecided bits to -1",
            "where the weighted mean is 0 the bit went to -1. Both signs cost the same, so the old bit stays.",
            mistake.gaps(lambda f, g, old, a: np.where(a * f + (1 - a) * g > 0, 1.0, -1.0)),
        ),
        Diagnosis(
            "undecided bits to +1",
            "where the weighted mean is 0 the bit went to +1. Both signs cost the same, so the old bit stays.",
            mistake.gaps(lambda f, g, old, a: np.where(a * f + (1 - a) * g >= 0, 1.0, -1.0)),
        ),
        Diagnosis(
            "sign of the plain sum",
            "the codes are the signs of F + G. With weights a and 1 - a the nearest code is the sign of "
            "a F + (1 - a) G.",
            mistake.gaps(lambda f, g, old, a: mistake.signs(f + g, old)),
        ),
        Diagnosis(
            "signs voted",
            "the codes come from the signs of F and G. Take the sign last: an output of 3 outweighs one of -0.1.",
            mistake.gaps(lambda f, g, old, a: mistake.signs(a * np.sign(f) + (1 - a) * np.sign(g), old)),
        ),
        Diagnosis(
            "image only",
            "the codes are the signs of F alone.",
            mistake.gaps(lambda f, g, old, a: mistake.signs(f, old)),
        ),
        Diagnosis(
            "a exchanged",
            "a stands before G and 1 - a before F. It is the weight of F, the images.",
            mistake.gaps(lambda f, g, old, a: mistake.signs((1 - a) * f + a * g, old), weight=lambda a: (1 - a, a)),
        ),
        Diagnosis(
            "a exchanged in the codes",
            "the losses are weighted well, but the codes are the signs of (1 - a) F + a G.",
            mistake.gaps(lambda f, g, old, a: mistake.signs((1 - a) * f + a * g, old)),
        ),
        Diagnosis(
            "summed",
            "the losses are sums over all bits of all pairs. Take means, so that codes of different lengths can be "
            "compared.",
            mistake.gaps(reduce=np.sum),
        ),
        Diagnosis(
            "divided by n only",
            "the losses are divided by the number of pairs. Divide by the number of bits too: a mean over all n K.",
            mistake.gaps(reduce=lambda x: x.sum() / len(x)),
        ),
        Diagnosis(
            "not squared",
            "the distances are not squared.",
            mistake.gaps(power=np.abs),
        ),
        Diagnosis(
            "before and after exchanged",
            "the loss of the new codes stands before that of the old ones. The new one is never larger.",
            mistake.gaps(told=lambda before, after, gap: (after, before, gap)),
        ),
        Diagnosis(
            "gap holds the disagreement",
            "the gap is the whole loss of the new codes. Part of that is the disagreement of the two towers, a (1 - a) "
            "|F - G|^2, which no B removes, real or binary. The gap is the rest.",
            mistake.gaps(told=lambda before, after, gap: (before, after, after)),
        ),
        Diagnosis(
            "gap between old and new",
            "the gap is what the new codes gained over the old ones. It is what they cost more than the best *real* B.",
            mistake.gaps(told=lambda before, after, gap: (before, after, before - after)),
        ),
        Diagnosis(
            "gap to the plain mean",
            "the best real B is taken to be (F + G) / 2. With weights a and 1 - a it is a F + (1 - a) G.",
            lambda f, g, old, a: (
                *mistake.gaps()(f, g, old, a)[:3],
                float(((mistake.gaps()(f, g, old, a)[0] - (f + g) / 2) ** 2).mean()),
            ),
        ),
    ),
    nudge="One bit of one pair is one small problem: which of two numbers, -1 or +1, has the smaller a (b - f)^2 + "
    "(1 - a)(b - g)^2? And if b could be any number?",
    hint="b^2 is 1 for both signs, so only the product of b with a f + (1 - a) g matters. That same number is the best "
    "real b. np.where with three outcomes keeps the undecided bits.",
    outline="middle = a * f + (1 - a) * g; codes = np.where(middle == 0, old, np.where(middle > 0, 1, -1)); loss(b) = "
    "np.mean(a * (b - f)**2 + (1 - a) * (b - g)**2) for old and codes; gap = np.mean((codes - middle)**2).",
)
