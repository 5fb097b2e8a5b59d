"""Targets from labels and a bit without labels, of exercise 10: the tasks with what helps."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import unsupervised_mistakes as mistake
from xmr_lib.course.tasks.sees import holds
from xmr_lib.course.tasks.unsupervised_by_hand import discrete_bit, label_targets
from xmr_lib.course.tasks.unsupervised_cases import bit_cases, label_cases

TARGETS = Task(
    id="10.label_targets",
    signature="label_targets(a (n, C) bool, b (m, C) bool, share 0 to 1) -> shared, strict, graded (n, m), threshold",
    difficulty=3,
    minutes=30,
    reference=label_targets,
    cases=label_cases,
    diagnoses=(
        *(
            Diagnosis(
                "the lesson's function",
                f"this is {name} of the lesson, one similarity of torch tensors. The task asks for label_targets: "
                "three similarities side by side, and the threshold found from a share of similar pairs.",
                arguments=arguments,
            )
            for name, arguments in (
                ("label_similarity or label_cosine", ("a", "b")),
                ("threshold_similarity", ("a", "b", "threshold")),
                ("label_affinity", ("labels",)),
            )
        ),
        Diagnosis(
            "rows without a label",
            "a row without labels has length 0, and 0 was divided by 0. Its cosine is 0 with all.",
            sees=holds(np.isnan),
        ),
        Diagnosis(
            "counts for shared",
            "the first result counts the labels that are shared. It only says whether there is one: 0 or 1.",
            mistake.targets(shared=lambda count: count),
        ),
        Diagnosis(
            "cosines for strict",
            "the second result holds the cosines. Cut them at the threshold: 0 or 1.",
            mistake.targets(reached=lambda alike, at: alike),
        ),
        Diagnosis(
            "jaccard",
            "likeness is measured by shared / (labels of either), the Jaccard index. Here it is the cosine, "
            "shared / sqrt(labels of one * labels of the other).",
            mistake.targets(alike=mistake.jaccard),
        ),
        Diagnosis(
            "plain counts cut",
            "the number of shared labels is cut at the threshold. Divide it by the lengths of both rows first: one "
            "shared label of one is more than one of four.",
            mistake.targets(alike=mistake.counts),
        ),
        Diagnosis(
            "rounding",
            "cosines that are equal on paper, such as 1/sqrt(2 * 2) and 1/sqrt(1 * 4), differ in their last digit, so "
            "the threshold splits them. Round to 9 digits before you compare, or compare squares of whole numbers.",
            mistake.targets(alike=mistake.unrounded),
        ),
        Diagnosis(
            "above the threshold only",
            "pairs that lie exactly on the threshold are left out. A cosine equal to it has reached it: >=.",
            mistake.targets(reached=lambda alike, at: alike > at),
        ),
        Diagnosis(
            "share for the threshold",
            "the share was used as the threshold. It says how many pairs may be similar; the threshold follows.",
            mistake.cut_at_share,
        ),
        Diagnosis(
            "quantile",
            "this is a quantile of the cosines, which may be 0 or lie between two of them. Try the cosines above 0 "
            "that occur, from the smallest on, and count.",
            mistake.targets(choose=mistake.quantile),
        ),
        Diagnosis(
            "less than the share",
            "a threshold that exactly the share of the pairs reaches was passed over. At most the share: <=.",
            mistake.targets(choose=mistake.first_below),
        ),
        Diagnosis(
            "too many pairs",
            "more than the share of the pairs reach the threshold. Take the next larger cosine.",
            mistake.targets(choose=mistake.last_that_is_too_many),
        ),
        Diagnosis(
            "share of the similar pairs",
            "the share was taken of the pairs that share a label. It is a share of all n m pairs.",
            mistake.targets(choose=mistake.of_the_similar),
        ),
        Diagnosis(
            "always the largest",
            "the threshold is the largest cosine. That is the last resort: take the smallest one that at most the "
            "share of the pairs reaches.",
            mistake.targets(choose=lambda alike, share: float(alike.max()) if alike.any() else 1.0),
        ),
        Diagnosis(
            "affinity of the cosines",
            "the third result is made of cosines. It is made of the *number* of shared labels.",
            mistake.targets(graded=lambda count, alike: np.tanh(alike / 2)),
        ),
        Diagnosis(
            "affinity of yes and no",
            "the third result has one value for all pairs that share a label. It grows with the number of them.",
            mistake.targets(graded=lambda count, alike: np.tanh((count > 0) / 2)),
        ),
        Diagnosis(
            "sigmoid only",
            "the third result is the sigmoid, 1/2 for pairs that share nothing. Stretch it: 2 sigmoid - 1.",
            mistake.targets(graded=lambda count, alike: 1 / (1 + np.exp(-count))),
        ),
        Diagnosis(
            "tanh of the count",
            "2 sigmoid(x) - 1 is tanh(x / 2), not tanh(x).",
            mistake.targets(graded=lambda count, alike: np.tanh(count)),
        ),
        Diagnosis(
            "nothing shared",
            "no pair shares a label here, so there is no cosine above 0 to choose. The threshold is 1, and nothing is "
            "similar.",
            sees=mistake.no_pair_shares,
        ),
    ),
    nudge="All three come from two things you can count: how many labels a pair shares, and how many each row has. "
    "Which of the three need the second? And which cosines can a threshold tell apart at all?",
    hint="counts = a @ b.T as numbers (bool @ bool is bool); cosines = counts / sqrt of the outer product of the row "
    "sums, with at least 1 below, rounded to 9 digits. For the threshold try np.unique(cosines[cosines > 0]) upwards.",
    outline="shared = counts > 0; graded = 2 / (1 + np.exp(-counts)) - 1; threshold = 1.0 and then, over the unique "
    "positive cosines from small to large: threshold = this one; stop if (cosines >= threshold).mean() <= share; "
    "strict = cosines >= threshold.",
)


BIT = Task(
    id="10.discrete_bit",
    signature="discrete_bit(k, codes (n, K), views ((n, d_m), ...), bases ((K, d_m), ...), weights (m,), "
    "graph (n, n), beta) -> bit (n,), trail (n + 1,)",
    difficulty=4,
    minutes=45,
    reference=discrete_bit,
    cases=bit_cases,
    diagnoses=(
        *(
            Diagnosis(
                "the library's function",
                f"this is the library's {name}, one step of the way. The task asks for discrete_bit: the pull of all "
                "views, edges in either direction, one item after the other, and the objective on the way.",
                arguments=arguments,
            )
            for name, arguments in (
                ("update_bit", ("bit", "pull", "edges", "beta", "sets")),
                ("sweep_bits", ("codes", "target", "gram", "edges", "beta", "sets")),
                ("graph_cost", ("graph", "codes")),
                ("view_cost", ("view", "codes", "basis", "graph", "beta")),
            )
        ),
        Diagnosis(
            "zero bits",
            "np.sign(0) is 0, and a code with a 0 in it is no code. Where both signs cost the same the bit stays.",
            sees=mistake.zero_bits,
        ),
        Diagnosis(
            "undecided bits to -1",
            "where both signs cost the same the bit went to -1. It stays as it is.",
            mistake.bits(choose=lambda wish, old: 1.0 if wish > 0 else -1.0),
        ),
        Diagnosis(
            "undecided bits to +1",
            "where both signs cost the same the bit went to +1. It stays as it is.",
            mistake.bits(choose=lambda wish, old: 1.0 if wish >= 0 else -1.0),
        ),
        Diagnosis(
            "all items at once",
            "every item listened to its neighbours as they were before. Two neighbours that swap at the same time gain "
            "nothing and can lose: visit one after the other, and let each see the flips before it.",
            mistake.bits(at_once=True),
        ),
        Diagnosis(
            "last item first",
            "the items are visited from the last to the first. Each sees the flips before it, so the order matters: "
            "0, 1, 2, ...",
            mistake.bits(backwards=True),
        ),
        Diagnosis(
            "own bit left in",
            "the bit to be set takes part in the reconstruction that it should complete. Leave bit k out of the rest.",
            mistake.bits(own=True),
        ),
        Diagnosis(
            "other bits not seen",
            "the bit is set as if it were alone: F u_k. It should explain what the other bits have left of F.",
            mistake.bits(others=0.0),
        ),
        Diagnosis(
            "one direction only",
            "an item listens to graph[i, j] only. Its bit stands in the terms of (i, j) *and* of (j, i), and the graph "
            "need not be symmetric.",
            mistake.bits(both_ways=lambda graph: graph),
        ),
        Diagnosis(
            "one direction only",
            "an item listens to graph[j, i] only. Its bit stands in the terms of (i, j) *and* of (j, i), and the graph "
            "need not be symmetric.",
            mistake.bits(both_ways=lambda graph: graph.T),
        ),
        Diagnosis(
            "graph counted half",
            "the edges are averaged, (graph + graph.T) / 2, but the pull of the views is doubled. With the average "
            "both have the factor 2, or neither has.",
            mistake.bits(both_ways=lambda graph: (graph + graph.T) / 2),
        ),
        Diagnosis(
            "views counted half",
            "the views pull half as much as they should beside the graph. They come from a square, whose slope has a "
            "2; with graph + graph.T the 2 stays.",
            mistake.bits(pull=1.0),
        ),
        Diagnosis(
            "own neighbour",
            "an item's own entry of the graph takes part, so its old bit pulls at its new one. The square of a bit is "
            "1: the diagonal changes nothing and must not pull.",
            mistake.bits(diagonal=True),
        ),
        Diagnosis(
            "near and far exchanged",
            "positive edges push and negative ones pull. Near items, with positive edges, lower J where their bits "
            "agree.",
            mistake.bits(sign=-1.0),
        ),
        Diagnosis(
            "graph not used",
            "the graph takes no part in the decision.",
            mistake.bits(sign=0.0),
        ),
        Diagnosis(
            "beta not used",
            "the graph pulls with weight 1, whatever beta is.",
            mistake.bits(strength=lambda beta: 1.0),
        ),
        Diagnosis(
            "weights not used",
            "all views pull alike. What view m wants counts weights[m].",
            mistake.bits(weigh=np.ones_like),
        ),
        Diagnosis(
            "objective without the graph",
            "the bits are right, but the objective you return lacks the graph.",
            mistake.bits(
                objective=lambda codes, views, bases, weights, graph, beta: mistake.bit_objective(
                    codes, views, bases, weights, graph, 0.0
                )
            ),
        ),
        Diagnosis(
            "objective with the diagonal",
            "the bits are right, but in the objective every item also pairs with itself. The sum runs over i != j.",
            mistake.bits(objective=mistake.with_itself),
        ),
        Diagnosis(
            "objective of bit k",
            "the bits are right, but the graph term of the objective holds bit k only. Codes are compared with all "
            "their bits.",
            mistake.bits(objective=mistake.graph_of_one_bit),
        ),
        Diagnosis(
            "start not recorded",
            "J before the first visit is missing: n + 1 numbers.",
            mistake.bits(told=lambda trail: np.array(trail[1:])),
        ),
        Diagnosis(
            "whole codes",
            "the whole codes came back. Return bit k of every item.",
            mistake.bits(result=lambda codes, k: codes),
        ),
        Diagnosis(
            "objective rises",
            "the objective rises at a visit. An item takes the cheaper of two signs while all others stand still, so J "
            "cannot rise: compare your gain with J of both signs for one item.",
            sees=mistake.rises,
        ),
    ),
    nudge="Write J with the bit of one item as an unknown b, everything else fixed. b * b is 1, so what is left is a "
    "constant plus b times a number. In which terms does b stand?",
    hint="Collect what view m wants: weights[m] times u_k . (F_i minus what the other bits of i explain), times 2. Add "
    "beta times the bits of all others, each times graph[i, j] + graph[j, i]. The sign of the sum is the bit.",
    outline="both = graph + graph.T with a zero diagonal; for i in range(n): rest = b[i] with 0 at k; gain = 2 * sum "
    "of w * (F[i] - rest @ U) @ U[k] + beta * both[i] @ b[:, k]; if gain is not 0 b[i, k] = its sign; append J. "
    "J = sum of w * ((F - b @ U)**2).sum() - beta * (off * (b @ b.T)).sum(), off = graph without its diagonal.",
)
