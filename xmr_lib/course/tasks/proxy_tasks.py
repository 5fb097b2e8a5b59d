"""Proxies with a margin from coding theory, of exercise 11: the task with what helps."""

from __future__ import annotations

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import differentiable_mistakes as mistake
from xmr_lib.course.tasks.differentiable_by_hand import proxy_loss
from xmr_lib.course.tasks.differentiable_cases import proxy_cases


def margin(distance: int, bits: int) -> float:
    """1 - 2 d / K."""
    return 1 - 2 * distance / bits


PROXIES = Task(
    id="11.proxy_loss",
    signature="proxy_loss(outputs (n, K), proxies (C, K), labels (n, C) 0 or 1) -> margin, value, slope (n, K)",
    difficulty=4,
    minutes=45,
    reference=proxy_loss,
    cases=proxy_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is proxy_loss of the lesson, which is given the margin and leaves the slope to autograd. The task "
            "asks for proxy_loss: margin, value and slope, from three arrays.",
            arguments=("outputs", "proxies", "labels", "margin"),
        ),
        Diagnosis(
            "the lesson's function",
            "this is proxy_margin of the lesson, which looks known codes up in a table. The task asks for proxy_loss: "
            "the margin of Griesmer's bound, the loss, and its slope.",
            arguments=("bits", "n_classes"),
        ),
        Diagnosis(
            "the lesson's function",
            "this is griesmer_distance of the lesson, one step of the way. The task asks for proxy_loss: margin, loss "
            "and slope.",
            arguments=("bits", "q"),
        ),
        Diagnosis(
            "the lesson's function",
            "this is irrelevant_pair_loss of the lesson, the term of pairs. The task asks for proxy_loss: the term of "
            "items and proxies.",
            arguments=("image", "text", "labels", "margin"),
        ),
        Diagnosis(
            "nothing of a kind",
            "a batch without positives (or without negatives) divides 0 by 0. A sum over nothing is 0: divide by "
            "max(count, 1).",
            sees=mistake.nothing_of_a_kind,
        ),
        Diagnosis(
            "one class for one bit",
            "the bound was used with q = C. C classes need 2^q >= C words: q = ceil(log2 C).",
            mistake.proxies(margin_of=lambda bits, classes: margin(mistake.griesmer(bits, classes), bits)),
        ),
        Diagnosis(
            "floor of the logarithm",
            "q was rounded down, so there are fewer words than classes. Round up.",
            mistake.proxies(
                margin_of=lambda bits, classes: margin(mistake.griesmer(bits, max(1, classes.bit_length() - 1)), bits)
            ),
        ),
        Diagnosis(
            "one bit too many for powers of two",
            "4 classes need 2 bits, not 3: q = ceil(log2 C), which is not floor + 1 where C is a power of two.",
            mistake.proxies(margin_of=lambda bits, classes: margin(mistake.griesmer(bits, classes.bit_length()), bits)),
        ),
        Diagnosis(
            "one beyond the bound",
            "the distance is one too large: it is the first that breaks the bound. Take the last that keeps it.",
            mistake.proxies(
                margin_of=lambda bits, classes: margin(mistake.griesmer(bits, mistake.q_of(classes)) + 1, bits)
            ),
        ),
        Diagnosis(
            "distance for cosine",
            "the margin is 1 - d/K. Codes that differ in d of K bits have the dot product K - 2 d: the cosine is "
            "1 - 2 d/K.",
            mistake.proxies(margin_of=lambda bits, classes: 1 - mistake.griesmer(bits, mistake.q_of(classes)) / bits),
        ),
        Diagnosis(
            "margin 0",
            "the margin is 0. It comes from the number of bits and classes, and can be negative.",
            mistake.proxies(margin_of=lambda bits, classes: 0.0),
        ),
        Diagnosis(
            "dot products",
            "these are dot products. Divide by the lengths of output and proxy.",
            mistake.proxies(cosine=False, project=False, divide=False),
        ),
        Diagnosis(
            "proxies not of length 1",
            "the outputs are divided by their lengths, the proxies are not.",
            mistake.proxies(unit_proxies=False),
        ),
        Diagnosis(
            "one count for both",
            "both sums are divided by the same number, n C. With 80 classes the positives would hardly count: each sum "
            "has its own.",
            mistake.proxies(counts=lambda labels: (labels.size, labels.size)),
        ),
        Diagnosis(
            "summed",
            "the sums are not divided. Divide each by the number of its pairs.",
            mistake.proxies(counts=lambda labels: (1.0, 1.0)),
        ),
        Diagnosis(
            "divided by n",
            "both sums are divided by the number of items. Divide by the number of item-class pairs of each kind.",
            mistake.proxies(counts=lambda labels: (len(labels), len(labels))),
        ),
        Diagnosis(
            "mean per item",
            "every item has its own mean, and these are averaged. The counts run over the whole batch: #pos and #neg.",
            mistake.proxies(per_item=True),
        ),
        Diagnosis(
            "counts exchanged",
            "the positives are divided by the number of negatives, and the other way round.",
            mistake.proxies(counts=lambda labels: ((1 - labels).sum(), labels.sum())),
        ),
        Diagnosis(
            "no hinge",
            "cosines below the margin count too, negatively. Where the margin is kept there is nothing to gain: "
            "max(0, cosine - margin).",
            mistake.proxies(hinge=lambda over: over),
        ),
        Diagnosis(
            "slope of unit outputs",
            "the slope is not divided by the length of the output. A long output turns slowly.",
            mistake.proxies(divide=False),
        ),
        Diagnosis(
            "length not taken out",
            "the slope is the proxy over the length of the output. A cosine does not change with the length, so its "
            "slope has no part along the output: take cosine * output of length 1 away.",
            mistake.proxies(project=False),
        ),
        Diagnosis(
            "slope with the other sign",
            "the slope points downhill: turning towards an own proxy lowers the loss.",
            mistake.proxies(sign=-1.0),
        ),
        Diagnosis(
            "positives only",
            "the slope lacks the proxies of the other classes.",
            mistake.proxies(push=0.0),
        ),
        Diagnosis(
            "negatives only",
            "the slope lacks the proxies of the own classes.",
            mistake.proxies(pull=0.0),
        ),
    ),
    nudge="Three parts: how far apart can C code words be at best? Which sum is divided by which count? And in which "
    "directions does a cosine change when the output moves?",
    hint="q = ceil(log2 C), (C - 1).bit_length() for C > 1; try d = 1, 2, ... while sum of ceil(d / 2^i), i < q, is at "
    "most K. The slope of cos(h, p) along h is (p/|p| - cos * h/|h|) / |h|.",
    outline="d -> margin = 1 - 2 d / K; unit rows h, p; c = h @ p.T; value = ((1 - c) * labels).sum() / max(#pos, 1) + "
    "(max(c - margin, 0) * (1 - labels)).sum() / max(#neg, 1); along = -labels / #pos + (1 - labels) * (c > margin) / "
    "#neg; slope = (along @ p - (along * c).sum(axis=1, keepdims=True) * h) / |outputs|.",
)
