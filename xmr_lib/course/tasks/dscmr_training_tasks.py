"""The slope of the whole loss and moving prototypes, of exercise 04: the tasks with what helps."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import dscmr_mistakes as mistake
from xmr_lib.course.tasks.dscmr_by_hand import image_slope, move_prototypes
from xmr_lib.course.tasks.dscmr_cases import prototype_cases, slope_cases
from xmr_lib.course.tasks.sees import holds

SLOPE = Task(
    id="04.image_slope",
    signature="image_slope(u (n, d), v (n, d), classes (n,), alpha, beta) -> slope along u (n, d)",
    difficulty=4,
    minutes=40,
    reference=image_slope,
    cases=slope_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's discrimination, which gives the value of J2. The task asks for image_slope: how that "
            "value and J3 change when the image embeddings move, by hand.",
            arguments=("image", "text", "classes"),
        ),
        Diagnosis(
            "the library's function",
            "this is the library's invariance, which gives the value of J3. The task asks for image_slope: how that "
            "value and J2 change when the image embeddings move, by hand.",
            arguments=("image", "text", "norms"),
        ),
        Diagnosis(
            "partners in one point",
            "where a picture and its text have the same embedding, their distance is 0, and 0 / 0 is not a number. "
            "There the slope of J3 is 0.",
            sees=holds(np.isnan),
        ),
        Diagnosis(
            "u counted once",
            "in l(u, u) every u_i stands on the left and on the right. Only one of the two places was counted.",
            mistake.slope(as_right=0.0),
        ),
        Diagnosis(
            "l(u, u) forgotten",
            "only l(u, v) is there. J2 also compares the pictures with each other: l(u, u).",
            mistake.slope(as_left=0.0, as_right=0.0),
        ),
        Diagnosis(
            "l(u, v) forgotten",
            "only l(u, u) is there. J2 also compares the pictures with the texts: l(u, v).",
            mistake.slope(cross=0.0),
        ),
        Diagnosis(
            "not projected",
            "the cosine does not change when u_i becomes longer, but this slope has a part along u_i. Take it away: "
            "g - (g . a) a, with a = u_i / |u_i|.",
            mistake.slope(project=False),
        ),
        Diagnosis(
            "length of u forgotten",
            "this is the slope along the unit vectors u / |u|. A long u turns less for the same step: divide by |u_i|.",
            mistake.slope(unit=False),
        ),
        Diagnosis(
            "slope of the unit vectors",
            "this is the slope along u / |u| before any step back to u. Project, g - (g . a) a, and divide by |u_i|.",
            mistake.slope(unit=False, project=False),
        ),
        Diagnosis(
            "half forgotten",
            "G is half the cosine. The 1/2 stands inside the sigmoid and once more in front, by the chain rule.",
            mistake.slope(half=1.0),
        ),
        Diagnosis(
            "divided by n",
            "l is a mean over all n * n pairs, but the slope was divided by n only.",
            mistake.slope(divisor=lambda n: n),
        ),
        Diagnosis(
            "logits for chances",
            "G - S was taken for the slope of log(1 + exp(G)) - S G. The slope is sigmoid(G) - S.",
            mistake.slope(error=lambda g, same: g - same),
        ),
        Diagnosis(
            "sign of S",
            "pairs of one class are pushed apart and the others pulled together: the error is sigmoid(G) - S.",
            mistake.slope(error=lambda g, same: same - 1 / (1 + np.exp(-g))),
        ),
        Diagnosis(
            "only partners",
            "S is 1 for i = j only. It is 1 for all pairs of the same class.",
            mistake.slope(only_partners=True),
        ),
        Diagnosis(
            "alpha forgotten",
            "alpha is not used: it multiplies the two terms l.",
            mistake.slope(use_alpha=False),
        ),
        Diagnosis(
            "beta forgotten",
            "beta is not used: it multiplies J3.",
            mistake.slope(use_beta=False),
        ),
        Diagnosis(
            "J3 squared",
            "this is the slope of the squared distances. J3 takes the distances, so each pair pulls with strength "
            "beta / n, however far it is apart.",
            mistake.slope(invariance=lambda gap: 2 * gap),
        ),
        Diagnosis(
            "J3 summed",
            "the distances of J3 are summed. J3 is their mean: divide by n.",
            mistake.slope(spread=lambda n: 1.0),
        ),
        Diagnosis(
            "J3 upside down",
            "partners are pushed apart: the distance |u - v| grows along + (u - v).",
            mistake.slope(invariance=lambda gap: -gap / np.maximum(np.linalg.norm(gap, axis=1)[:, None], 1e-300)),
        ),
    ),
    nudge="Three steps, from the loss backwards: how does l change with one G_ij, how does a cosine change when u_i "
    "moves, and in how many of the cosines does u_i occur?",
    hint="With unit rows a = u / |u| the slope of cos(u_i, w) along u_i is (w / |w| - cos a_i) / |u_i|: the part of w "
    "that is across u_i. And log(1 + exp(G)) - S G has the slope sigmoid(G) - S.",
    outline="Unit rows a, b; errors E_uu, E_uv = (sigmoid(cos / 2) - S) / (2 n n); pull = alpha ((E_uu + E_uu') a + "
    "E_uv b); take away its part along a; divide by |u|; add beta (u - v) / |u - v| / n, 0 where the distance is 0.",
)


PROTOTYPES = Task(
    id="04.prototypes",
    signature="move_prototypes(prototypes (c, d) of length 1, embeddings (n, d), classes (n,), momentum) -> (c, d)",
    difficulty=2,
    minutes=15,
    reference=move_prototypes,
    cases=prototype_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's prototype_contrastive, which gives the loss against given prototypes. The task asks "
            "for move_prototypes: where the prototypes are after this batch.",
            arguments=("x", "classes", "prototypes"),
        ),
        Diagnosis(
            "absent class",
            "a class without an item in the batch has no mean: 0 / 0 is not a number. Its prototype stays as it is.",
            sees=holds(np.isnan),
        ),
        Diagnosis(
            "absent class",
            "the prototype of an absent class is pulled towards zero. It stays as it is.",
            mistake.absent_fade,
        ),
        Diagnosis(
            "not rescaled",
            "the prototypes have lost their length of 1. Divide each moved prototype by its length.",
            mistake.prototypes(rescale=False),
        ),
        Diagnosis(
            "columns rescaled",
            "columns have been given length 1. A prototype is a row: axis=1, keepdims=True.",
            mistake.prototypes(axis=0),
        ),
        Diagnosis(
            "momentum exchanged",
            "the momentum multiplies the mean of the batch. It says how much of the old prototype stays.",
            mistake.prototypes(keep=lambda momentum: 1 - momentum),
        ),
        Diagnosis(
            "momentum forgotten",
            "the old prototype has no say: these are the means of the batch, of length 1.",
            mistake.prototypes(keep=lambda momentum: 0.0),
        ),
        Diagnosis(
            "sum instead of mean",
            "a class with many items in the batch pulls harder, for the sum is taken. Take the mean of its items.",
            mistake.prototypes(lambda members: members.sum(axis=0)),
        ),
        Diagnosis(
            "mean over the batch",
            "the items of a class are summed and divided by the whole batch. Divide by the number of its own items.",
            mistake.mean_of_batch,
        ),
        Diagnosis(
            "mean of unit vectors",
            "the embeddings were given length 1 before their mean. The task takes the mean as they are.",
            mistake.prototypes(lambda members: (members / np.linalg.norm(members, axis=1, keepdims=True)).mean(axis=0)),
        ),
        Diagnosis(
            "mean rescaled first",
            "the mean of the class was given length 1 before it was mixed in. Mix first, rescale once at the end.",
            mistake.prototypes(lambda members: members.mean(axis=0) / np.linalg.norm(members.mean(axis=0))),
        ),
        Diagnosis(
            "one item after the other",
            "the prototype moves once per item, so the last items count most. Move once per batch, to their mean.",
            mistake.one_by_one,
        ),
    ),
    nudge="A batch of 64 holds few items of each class and none of some. What should happen to a prototype that has no "
    "news?",
    hint="Go through `np.unique(classes)`, the classes that are there. For each: the mean of its embeddings, mixed "
    "with the old prototype, then length 1.",
    outline="moved = prototypes.copy(); for k in np.unique(classes): mixed = momentum * prototypes[k] + (1 - "
    "momentum) * embeddings[classes == k].mean(axis=0); moved[k] = mixed / np.linalg.norm(mixed); return moved.",
)
