"""Token alignment and the second stage, of exercise 07: the tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import sets_mistakes as mistake
from xmr_lib.course.tasks.sees import holds, not_finite
from xmr_lib.course.tasks.sets_by_hand import token_scores, two_stages
from xmr_lib.course.tasks.sets_cases import stage_cases, token_cases

ALIGNMENT = Task(
    id="07.token_scores",
    signature="token_scores(words (m, t, d), real (m, t) bool, patches (n, p, d), tau) -> (n, m)",
    difficulty=4,
    minutes=40,
    reference=token_scores,
    cases=token_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's alignment_score, which compares words with answers that are given. The task asks for "
            "token_scores: it also asks the patches, for every picture and every sentence.",
            arguments=("found", "words", "mask"),
        ),
        Diagnosis(
            "sentence without words",
            "a sentence of begin and end only has no word to average, and 0 / 0 is not a number. Its score is 0.",
            sees=mistake.no_words,
        ),
        Diagnosis(
            "padding of zeros",
            "a padded word of zeros has no direction: 0 / 0, and NaN times 0 is still NaN. Guard the length, or choose "
            "with np.where instead of multiplying.",
            sees=mistake.padded_zeros,
        ),
        Diagnosis(
            "overflow",
            "exp(cosine / tau) overflows for a small tau. Subtract the largest over the patches first.",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "begin and end counted",
            "the first and the last real token of a sentence, begin and end, are averaged with the words. They say "
            "nothing about the picture: leave them out.",
            mistake.tokens(lambda real: mistake.counted_words(real, skip_begin=False, skip_end=False)),
        ),
        Diagnosis(
            "only one end left out",
            "begin is left out, but the last real token is not. It is a different place in each sentence.",
            mistake.tokens(lambda real: mistake.counted_words(real, skip_end=False)),
        ),
        Diagnosis(
            "only one end left out",
            "begin is left out, but the last real token is not. It is a different place in each sentence.",
            mistake.tokens(
                lambda real: real & (np.arange(real.shape[1]) > 0) & (np.arange(real.shape[1]) < real.shape[1] - 1)
            ),
        ),
        Diagnosis(
            "divided by t",
            "the sum over the words is divided by the number of places t. Divide by the words that count.",
            mistake.tokens(average=lambda each, keep: each.sum(2) / keep.shape[1]),
        ),
        Diagnosis(
            "summed over words",
            "the words are summed, so long sentences win. Take their mean.",
            mistake.tokens(average=lambda each, keep: each.sum(2)),
        ),
        Diagnosis(
            "best word only",
            "only the best word of a sentence counts. Take the mean over its words: all of them should be in the "
            "picture.",
            mistake.tokens(average=lambda each, keep: np.where(keep.any(1), np.where(keep, each, -np.inf).max(2), 0.0)),
        ),
        Diagnosis(
            "softmax over words",
            "the softmax runs over the words. A word asks the patches: its weights over the patches sum to 1.",
            mistake.tokens(axis=2),
        ),
        Diagnosis(
            "roles exchanged",
            "the patches ask and the words answer. TEAM lets the words ask: a patch of sky that no word mentions must "
            "not lower the score.",
            mistake.patches_ask,
        ),
        Diagnosis(
            "patches of their own length",
            "patches enter the mean with their own lengths, so long patches drown the others. Divide by the lengths "
            "first.",
            mistake.tokens(prepare=np.asarray, scale=lambda c, tau: c / tau),
        ),
        Diagnosis(
            "answer not of length 1",
            "this is the dot product with the answer, a mean of unit vectors that is shorter than 1. Take the cosine: "
            "divide by the answer's length.",
            mistake.tokens(compare=lambda word, heard: (word * heard).sum(-1)),
        ),
        Diagnosis(
            "tau multiplies",
            "the cosines are multiplied by tau. Divide by it: a small tau looks at few patches.",
            mistake.tokens(scale=lambda cosines, tau: cosines * tau),
        ),
        Diagnosis(
            "tau not used",
            "tau is not used.",
            mistake.tokens(scale=lambda cosines, tau: cosines),
        ),
        Diagnosis(
            "no attention",
            "every word hears the plain mean of the patches. Weight them by the softmax of cosine / tau.",
            mistake.tokens(scale=lambda cosines, tau: 0 * cosines),
        ),
        Diagnosis(
            "best patch",
            "every word takes its best patch. Here it takes a weighted mean of all; only for a very small tau the two "
            "agree.",
            mistake.tokens(scale=lambda cosines, tau: 1e6 * cosines),
        ),
        Diagnosis(
            "texts in rows",
            "rows are sentences and columns are pictures. The course keeps images in rows: (n, m).",
            lambda *case: token_scores(*case).T,
        ),
    ),
    nudge='Take the word "heart". Which patches should it listen to, and how do you see that they answered? Which '
    "tokens of a sentence have nothing to ask?",
    hint="Make words and patches unit vectors (guard zeros). einsum('jwd,ipd->ijwp') gives all cosines at once; the "
    "softmax runs over the last axis. The places that count: real.cumsum(axis=1) > 1 and < the number of real ones.",
    outline="a = softmax(cosines / tau) over p; heard = einsum('ijwp,ipd->ijwd', a, patches); each = sum(word * heard) "
    "/ |heard|; keep = (place > 1) & (place < length) & real with place = real.cumsum(1); np.where(keep, each, "
    "0).sum(2) / np.maximum(keep.sum(1), 1).",
)


STAGES = Task(
    id="07.two_stages",
    signature="two_stages(first (q, n), second (q, n), k) -> order (q, n), item numbers from best to worst",
    difficulty=2,
    minutes=20,
    reference=two_stages,
    cases=stage_cases,
    diagnoses=(
        Diagnosis(
            "the library's function",
            "this is the library's rerank, which calls a function for the second scores and returns scores. The task "
            "asks for two_stages: two tables of scores, and the items in order.",
            arguments=("first", "score", "k"),
        ),
        Diagnosis(
            "filler",
            "everything outside the best k was given one low score, and all were sorted by the second stage. Scores "
            "below the filler then fall behind, and the rest loses the order of the first stage.",
            mistake.filled(-1000.0),
        ),
        Diagnosis(
            "rest by number",
            "the rest is in the order of the item numbers. Keep the order of the first stage.",
            mistake.filled(-np.inf),
        ),
        Diagnosis(
            "rest by number",
            "the rest is in the order of the item numbers. Keep the order of the first stage.",
            mistake.stages(rest=lambda order, k: np.sort(order[:, k:], axis=1)),
        ),
        Diagnosis(
            "first stage only",
            "this is the order of the first stage; the second was not asked.",
            mistake.stages(top=lambda order, scores, k: order[:, :k]),
        ),
        Diagnosis(
            "second stage everywhere",
            "all items are sorted by the second stage. It may move only the best k of the first: the others were never "
            "scored.",
            lambda first, second, k: mistake.ranked(second),
        ),
        Diagnosis(
            "scores added",
            "the two scores are added. They are not on one scale, and NaN plus anything is NaN: sort by the second "
            "stage alone.",
            mistake.added,
        ),
        Diagnosis(
            "places for items",
            "position 0 of the k was taken for item 0: argsort gives places among the k. Look the items up in the "
            "first order (np.take_along_axis).",
            mistake.stages(
                top=lambda order, scores, k: np.argsort(
                    -np.take_along_axis(scores, order[:, :k], axis=1), axis=1, kind="stable"
                )
            ),
        ),
        Diagnosis(
            "wrong columns",
            "the second stage was read in the columns 0 to k - 1, not in those of the best k items.",
            mistake.stages(
                top=lambda order, scores, k: np.take_along_axis(
                    order[:, :k], np.argsort(-scores[:, :k], axis=1, kind="stable"), axis=1
                )
            ),
        ),
        Diagnosis(
            "upside down",
            "the best k are sorted upwards. Larger scores are better.",
            mistake.stages(top=lambda order, scores, k: mistake.reorder(order[:, :k], scores, sign=1.0)),
        ),
        Diagnosis(
            "ties turned round",
            "equal scores came out in the opposite order: argsort followed by [::-1] turns ties round. Sort the "
            'negated scores with kind="stable".',
            mistake.turned,
        ),
        Diagnosis(
            "ties by number",
            "of equal scores in the second stage the smaller number came first. The first stage decides: sort its "
            "order, not the sorted numbers.",
            mistake.stages(top=lambda order, scores, k: mistake.reorder(np.sort(order[:, :k], axis=1), scores)),
        ),
        Diagnosis(
            "ranks for items",
            "these are the places of the items (entry i: the place of item i). Return the items in order (entry 0: the "
            "best item).",
            mistake.places,
        ),
    ),
    nudge="What does the second stage know about item k + 1? And what would you have to promise about its scores to be "
    "allowed to put one number in their place?",
    hint="Three lines: the order of the first stage (stable sort of the negated scores); its first k columns, "
    "re-ordered by their second scores; the other columns as they are.",
    outline='order = np.argsort(-first, axis=1, kind="stable"); top, rest = order[:, :k], order[:, k:]; own = '
    'np.take_along_axis(second, top, axis=1); by = np.argsort(-own, axis=1, kind="stable"); concatenate '
    "np.take_along_axis(top, by, axis=1) and rest.",
)
