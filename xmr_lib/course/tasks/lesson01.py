"""Exercise 01, the metrics by hand: the four tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import metrics_mistakes as mistake
from xmr_lib.course.tasks.metrics_by_hand import (
    ap_cases,
    divisor,
    eleven_point_ap,
    map_at_k,
    map_cases,
    ndcg_at_k,
    ndcg_cases,
    precision_sum,
    recall_at_k,
    recall_cases,
)

ASCENDING = (
    "the ranking is upside down. Larger similarity is better, but argsort puts the smallest first: sort -similarity."
)
EMPTY = (
    "queries without anything relevant are in the mean and count as 0. Leave them out: they have nothing to find. "
    "(Published code differs here; the course leaves them out.)"
)

RECALL = Task(
    id="01.recall_at_k",
    signature="recall_at_k(similarity (q, n), relevance (q, n) of bool, k) -> float in 0..1",
    difficulty=1,
    minutes=10,
    reference=recall_at_k,
    cases=recall_cases,
    diagnoses=(
        Diagnosis("ascending", ASCENDING, lambda s, r, k: recall_at_k(-s, r, k)),
        Diagnosis(
            "wrong axis",
            "the queries are ranked for every item. Rows are queries: sort along axis 1 and take the first k columns.",
            lambda s, r, k: recall_at_k(s.T, r.T, k),
        ),
        Diagnosis(
            "one too few",
            "only k - 1 items are looked at. The slice [:, :k] already holds k items, because Python counts from 0.",
            mistake.recall(lambda top: top.any(axis=1), shift=-1),
        ),
        Diagnosis(
            "one too many",
            "k + 1 items are looked at. The slice [:, :k] holds exactly k items; do not add 1.",
            mistake.recall(lambda top: top.any(axis=1), shift=1),
        ),
        Diagnosis(
            "share of the relevant items",
            "this is recall as a web search engine counts it, found / relevant. In image-text retrieval R@k is a hit "
            "rate: a query counts as 1 as soon as any relevant item is among the first k.",
            mistake.found_share,
        ),
        Diagnosis(
            "precision",
            "this divides the hits by k, which is precision at k. For R@k it only matters whether there is a hit.",
            mistake.recall(lambda top: top.mean(axis=1)),
        ),
        Diagnosis(
            "all instead of any",
            "a query counts only if all of its first k items are relevant. One relevant item is enough: any, not all.",
            mistake.recall(lambda top: top.all(axis=1)),
        ),
        Diagnosis("empty queries", EMPTY, mistake.hits_of_all),
        Diagnosis(
            "percent",
            "the value is a percentage. Return a fraction between 0 and 1; tables multiply by 100 when they print.",
            lambda s, r, k: 100 * recall_at_k(s, r, k),
        ),
        Diagnosis(
            "not divided",
            "hits are counted but not divided by the number of queries that have something relevant.",
            lambda s, r, k: recall_at_k(s, r, k) * r.any(axis=1).sum(),
        ),
    ),
    nudge="For one query, what would you look at on paper? Do that for a row, then for all rows.",
    hint="`np.argsort(-similarity, axis=1)[:, :k]` gives the items on top; "
    "`np.take_along_axis` looks up their relevance.",
    outline="Order each row, take k columns, look up relevance, `any` along axis 1, keep the queries that have "
    "something relevant, mean.",
)

ELEVEN_POINT_AP = Task(
    id="01.eleven_point_ap",
    signature="eleven_point_ap(ranked_relevance (n,) of 0 and 1, in rank order) -> float in 0..1",
    difficulty=2,
    minutes=20,
    reference=eleven_point_ap,
    cases=ap_cases,
    diagnoses=(
        Diagnosis(
            "nothing relevant",
            "a ranking without anything relevant gives 0 / 0. Return 0.0 for it.",
            sees=lambda case, expected, got: not np.any(case.arguments[0]) and mistake.is_nan(case, expected, got),
        ),
        Diagnosis(
            "average precision",
            "this is the average precision of lesson 01, a mean over the relevant items. Here the mean goes over "
            "eleven levels of recall: 0, 0.1, ..., 1.",
            mistake.plain_ap,
        ),
        Diagnosis(
            "not interpolated",
            "the precision is taken at the first rank that reaches the level. A later rank, with more recall, may have "
            "a better precision: take the largest of all ranks whose recall is at least the level.",
            mistake.at_levels(lambda precision, recall, level: precision[[np.argmax(recall >= level)]]),
        ),
        Diagnosis(
            "at most",
            "the ranks before the level are searched. Take the largest precision where the recall is at least the "
            "level: recall >= level.",
            mistake.at_levels(lambda precision, recall, level: precision[recall <= level]),
        ),
        Diagnosis(
            "more than",
            "ranks whose recall equals the level are left out. They reach it: recall >= level, not >.",
            mistake.at_levels(lambda precision, recall, level: precision[recall > level]),
        ),
        Diagnosis(
            "level 0 left out",
            "there are eleven levels: 0 is the first. At recall 0 the best precision of the whole ranking counts.",
            mistake.at_levels(levels=mistake.TENTHS[1:]),
        ),
        Diagnosis(
            "level 1 left out",
            "there are eleven levels: 1 is the last, and np.arange(0, 1, 0.1) stops before it.",
            mistake.at_levels(levels=mistake.TENTHS[:-1]),
        ),
        Diagnosis(
            "rounding",
            "np.linspace and 0.1 * t give 0.30000000000000004 for three tenths, more than a recall of 3 / 10. Write "
            "the levels as t / 10, or compare whole numbers: 10 * hits >= t * R.",
            mistake.at_levels(levels=np.linspace(0, 1, 11).tolist()),
        ),
        Diagnosis(
            "recall of the length",
            "hits are divided by the length of the list. Recall is hits / R, with R the number of relevant items.",
            mistake.at_levels(of_all=True),
        ),
        Diagnosis(
            "ranks from zero",
            "ranks start at 1, but Python counts from 0: the precision at position i is hits / (i + 1).",
            mistake.at_levels(first_rank=0),
        ),
    ),
    nudge="Write hits, precision and recall below each of the five ranks of [1, 0, 1, 1, 0]. Which ranks have a recall "
    "of at least 0.4? Which precision is the largest there?",
    hint="`np.cumsum(ranked_relevance)` counts the hits up to every rank; precision divides them by 1..n, recall by R.",
    outline="Hits, precision and recall at every rank; for t = 0..10 the largest precision where recall >= t / 10; the "
    "mean of these eleven; 0.0 when nothing is relevant.",
)

MAP = Task(
    id="01.map_at_k",
    signature="map_at_k(similarity (q, n), relevance (q, n) of bool, k, denominator) -> float in 0..1",
    difficulty=3,
    minutes=25,
    reference=map_at_k,
    cases=map_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's average_precision_at_k, which scores one ranking. The task asks for map_at_k: it "
            "gets the similarities of q queries, ranks every row itself and takes the mean.",
            arguments=("ranked_relevance", "k", "denominator", "total_relevant"),
        ),
        Diagnosis("ascending", ASCENDING, lambda s, r, k, name: map_at_k(-s, r, k, name)),
        Diagnosis(
            "no cut-off",
            "the cut-off k is not used in the sum: only the first k ranks count. (R still counts the whole database.)",
            mistake.map_at_k(lambda row, k, name: precision_sum(row) / divisor(row, k, name)),
        ),
        Diagnosis(
            "one too few",
            "only k - 1 ranks are summed. The slice [:k] already holds k ranks.",
            mistake.map_at_k(lambda row, k, name: precision_sum(row[: k - 1]) / divisor(row, k, name)),
        ),
        Diagnosis(
            "always min",
            "the argument denominator is not used: every name divides by min(k, R).",
            mistake.map_at_k(lambda row, k, name: precision_sum(row[:k]) / divisor(row, k, "min")),
        ),
        Diagnosis(
            "always hits",
            "the argument denominator is not used: every name divides by the hits among the first k. "
            "This happens when average_precision gets the cut list, or when R counts only the "
            "relevant items of the cut list. R belongs to the whole database.",
            mistake.map_at_k(lambda row, k, name: precision_sum(row[:k]) / divisor(row, k, "hits")),
        ),
        Diagnosis(
            "always relevant",
            "the argument denominator is not used: every name divides by R.",
            mistake.map_at_k(lambda row, k, name: precision_sum(row[:k]) / divisor(row, k, "relevant")),
        ),
        Diagnosis(
            "k instead of min(k, R)",
            "'min' must divide by min(k, R). With fewer than k relevant items, k would make 1.0 out of reach.",
            mistake.map_at_k(
                lambda row, k, name: precision_sum(row[:k]) / (k if name == "min" else divisor(row, k, name))
            ),
        ),
        Diagnosis(
            "first k relevant items",
            "the cut-off counts relevant items instead of ranks. Cut the ranking after k ranks, then look for hits.",
            mistake.map_at_k(mistake.first_relevant),
        ),
        Diagnosis(
            "no hits",
            "a query without a hit among the first k gives 0 / 0 for 'hits'. Its value is 0.",
            sees=lambda case, expected, got: case.arguments[3] == "hits" and mistake.is_nan(case, expected, got),
        ),
        Diagnosis(
            "empty queries",
            EMPTY,
            mistake.map_at_k(lambda row, k, name: precision_sum(row[:k]) / divisor(row, k, name), keep_empty=True),
        ),
    ),
    nudge="The three names share one numerator: the sum of the precisions at the hits among the first k ranks.",
    hint="Compute hits and R for each query, then look up the divisor: "
    "`{'relevant': R, 'min': min(k, R), 'hits': hits}`.",
    outline="Rank the relevance of each query; R from the whole row; precision sum over the first k; divide by the "
    "named denominator (0 if there is no hit); mean over the queries with R > 0.",
)

NDCG = Task(
    id="01.ndcg_at_k",
    signature="ndcg_at_k(similarity (q, n), gains (q, n) of grades >= 0, k) -> float in 0..1",
    difficulty=3,
    minutes=20,
    reference=ndcg_at_k,
    cases=ndcg_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's ndcg, which scores one ranking. The task asks for ndcg_at_k: it gets the "
            "similarities of q queries, ranks the grades of every row itself and takes the mean.",
            arguments=("gains", "k", "gain"),
        ),
        Diagnosis("ascending", ASCENDING, mistake.ndcg(flip=True)),
        Diagnosis(
            "not normalised",
            "this is DCG. Divide it by the DCG of the best possible order of the same grades.",
            mistake.ndcg(ideal="none"),
        ),
        Diagnosis(
            "ideal of the retrieved items",
            "the best order is made of the first k items only. The best grades may stand further down: sort the grades "
            "of the whole database.",
            mistake.ndcg(ideal="top"),
        ),
        Diagnosis(
            "ideal without cut-off",
            "the best order is summed over the whole list. Cut it at k as well, else 1.0 is out of reach.",
            mistake.ndcg(ideal="uncut"),
        ),
        Diagnosis(
            "linear gain",
            "the gain is the grade itself. Here it is 2^g - 1, so grade 3 is worth seven times grade 1.",
            mistake.ndcg(gain=lambda g: g.astype(float)),
        ),
        Diagnosis(
            "gain without minus one",
            "the gain is 2^g instead of 2^g - 1, so irrelevant items (grade 0) are rewarded.",
            mistake.ndcg(gain=lambda g: 2.0**g),
        ),
        Diagnosis(
            "discount starts too late",
            "the discount of rank 1 must be log2(2) = 1. Ranks start at 1: divide rank i by log2(i + 1).",
            mistake.ndcg(start=3),
        ),
        Diagnosis(
            "discount starts too early",
            "the discount of rank 1 is log2(1) = 0, and you divide by it. Divide rank i by log2(i + 1), i from 1.",
            sees=lambda case, expected, got: (
                np.ndim(got) == 0 and not np.all(np.isfinite(np.asarray(got, dtype=float)))
            ),
        ),
        Diagnosis(
            "no cut-off",
            "the cut-off k is not used: only the first k ranks count.",
            lambda s, g, k: ndcg_at_k(s, g, g.shape[1]),
        ),
        Diagnosis("empty queries", EMPTY, mistake.ndcg(keep_empty=True)),
    ),
    nudge="What order of the same grades would be the best one? How does the value change when you divide by its DCG?",
    hint="Write a function dcg(grades in rank order, k) first and call it twice: "
    "on the ranked and on the sorted grades.",
    outline="Rank the grades; gains 2^g - 1; divide by log2(2), log2(3), ...; sum the first k; the same for the sorted "
    "grades; ratio; mean over the queries that have a gain.",
)

TASKS = (RECALL, ELEVEN_POINT_AP, MAP, NDCG)
