"""Neighbours and propagation of exercise 05: the tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import graph_mistakes as mistake
from xmr_lib.course.tasks.graph_by_hand import neighbour_graph, propagate
from xmr_lib.course.tasks.graph_cases import neighbour_cases, propagation_cases
from xmr_lib.course.tasks.sees import holds, not_finite

NEIGHBOURS = Task(
    id="05.neighbour_graph",
    signature="neighbour_graph(x (n, d), k) -> A (n, n) of 0 and 1, symmetric, zeros on the diagonal",
    difficulty=2,
    minutes=20,
    reference=neighbour_graph,
    cases=neighbour_cases,
    diagnoses=(
        Diagnosis(
            "the library's function",
            "this is the library's nearest_rows, which lists neighbours. The task asks for neighbour_graph: a "
            "symmetric matrix of 0 and 1, made with numpy.",
            arguments=("queries", "gallery", "k", "own"),
        ),
        Diagnosis(
            "row of zeros",
            "a row of zeros has no direction, and 0 / 0 is not a number. Its cosine with everything is 0.",
            sees=holds(np.isnan),
        ),
        Diagnosis(
            "first one dropped",
            "the nearest of each row is dropped, as if it always were the row itself. Of rows that point the same way "
            "another may come first: take the row itself out before sorting (set its cosine to -inf).",
            mistake.neighbours(choose=lambda s, k: mistake.best(s, 1, k + 1)),
        ),
        Diagnosis(
            "self as a neighbour",
            "rows are their own neighbours: there are ones on the diagonal. The loop comes later, with A + I; here "
            "take the row itself out before sorting.",
            mistake.neighbours(choose=lambda s, k: mistake.best(s, 0, k)),
        ),
        Diagnosis(
            "self as a neighbour",
            "rows are their own neighbours: there are ones on the diagonal. Take the row itself out before sorting.",
            sees=mistake.has_self_loops,
        ),
        Diagnosis(
            "self takes a place",
            "each row itself is among its k and is taken out afterwards, so k - 1 others are left. Take it out before "
            "sorting.",
            mistake.neighbours(choose=lambda s, k: mistake.best(s, 0, k) * (1 - np.eye(len(s)))),
        ),
        Diagnosis(
            "not symmetric",
            "i chose j, but j need not have chosen i: the matrix is not symmetric. An edge is there as soon as one of "
            "the two chose the other.",
            mistake.neighbours(join=np.asarray),
        ),
        Diagnosis(
            "both must choose",
            "an edge is there only when both chose each other. One choice is enough.",
            mistake.neighbours(join=lambda graph: graph * graph.T),
        ),
        Diagnosis(
            "averaged",
            "edges chosen by one side are 1/2. An edge is there or not: 1 as soon as one of the two chose it.",
            mistake.neighbours(join=lambda graph: (graph + graph.T) / 2),
        ),
        Diagnosis(
            "counted twice",
            "edges chosen by both sides are 2. An edge is there or not: 1.",
            mistake.neighbours(join=lambda graph: graph + graph.T),
        ),
        Diagnosis(
            "farthest",
            "these are the rows with the smallest cosines. Sort downwards.",
            mistake.neighbours(lambda x: -mistake.cosines(x)),
        ),
        Diagnosis(
            "dot product",
            "rows are compared by dot products, so long rows are everybody's neighbours. Divide by the lengths.",
            mistake.neighbours(lambda x: (x @ x.T).round(9)),
        ),
        Diagnosis(
            "Euclidean distance",
            "rows are compared by their distance. The task takes the cosine.",
            mistake.neighbours(mistake.euclidean),
        ),
        Diagnosis(
            "ties to the larger number",
            "of two equally near rows the one with the larger number was taken. Take the smaller: "
            'np.argsort(-cosines, kind="stable").',
            mistake.neighbours(choose=mistake.larger_numbers_first),
        ),
        Diagnosis(
            "cosines as weights",
            "the edges carry their cosines. This graph has ones.",
            mistake.weighted,
        ),
    ),
    nudge="Take (1, 0) and (2, 0): each is the other's nearest, but which one comes first in the sorted row of (2, "
    "0)? And if i chose j, has j chosen i?",
    hint="Set the diagonal of the cosines to -inf before sorting. A stable sort of the negated cosines, rounded to "
    "nine digits, gives ties to the smaller number.",
    outline="Unit rows (guard zeros); cosines rounded to 9 digits; diagonal -inf; stable argsort of -cosines, first k "
    "columns; ones there (np.put_along_axis); maximum of the matrix and its transpose.",
)


PROPAGATION = Task(
    id="05.propagation",
    signature="propagate(adjacency (n, n), x (n, d), steps, restart in 0..1) -> (n, d)",
    difficulty=3,
    minutes=20,
    reference=propagate,
    cases=propagation_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's graph_convolution, which is one learnt layer on a matrix that is normalised "
            "already. The task asks for propagate: row means, several steps, a restart, nothing learnt.",
            arguments=("adjacency", "x", "weight"),
        ),
        Diagnosis(
            "the lesson's function",
            "this is the lesson's normalised_adjacency, which is symmetric and with loops. The task asks for "
            "propagate: the mean over the neighbours, several steps, a restart.",
            arguments=("weights",),
        ),
        Diagnosis(
            "node without edges",
            "a node without edges has degree 0, and 0 / 0 is not a number. It hears itself.",
            sees=holds(not_finite),
        ),
        Diagnosis(
            "node without edges",
            "a node without edges hears zeros and fades away. It hears itself.",
            mistake.propagation(lambda a: mistake.row_means(a, alone=0.0)),
        ),
        Diagnosis(
            "the lesson's normalisation",
            "this is D^-1/2 (A + I) D^-1/2 of the lesson. Here every node takes the mean of its neighbours: D^-1 A, "
            "without loops.",
            mistake.propagation(lambda a: mistake.symmetric(a, loops=1.0)),
        ),
        Diagnosis(
            "symmetric normalisation",
            "this is D^-1/2 A D^-1/2, whose rows do not sum to 1: constant features would change. Take D^-1 A.",
            mistake.propagation(mistake.symmetric),
        ),
        Diagnosis(
            "loops",
            "every node is its own neighbour: A + I. Here the restart reminds it of itself; leave the loops out.",
            mistake.propagation(lambda a: mistake.row_means(a + np.eye(len(a)))),
        ),
        Diagnosis(
            "columns",
            "columns are divided by the degrees, so what a node sends is shared out. Divide rows: what it hears is a "
            "mean.",
            mistake.propagation(lambda a: mistake.row_means(a).T),
        ),
        Diagnosis(
            "not normalised",
            "the neighbours are summed. Divide by the degree, the sum of the node's weights.",
            mistake.propagation(lambda a: a + np.diag(a.sum(axis=1) == 0)),
        ),
        Diagnosis(
            "number of neighbours",
            "the sum is divided by the number of neighbours. The edges have weights: divide by the sum of the weights.",
            mistake.propagation(
                lambda a: (
                    a / np.maximum((a > 0).sum(axis=1), 1)[:, None] + np.diag((a > 0).sum(axis=1) == 0).astype(float)
                )
            ),
        ),
        Diagnosis(
            "restart exchanged",
            "restart multiplies the neighbours. It is the share of the own features: (1 - restart) * neighbours + "
            "restart * x.",
            mistake.propagation(update=lambda heard, state, x, r: r * heard + (1 - r) * x),
        ),
        Diagnosis(
            "restart from the last step",
            "each step is mixed with the state before it. The restart goes back to the own features x, else these are "
            "forgotten in the end.",
            mistake.propagation(update=lambda heard, state, x, r: (1 - r) * heard + r * state),
        ),
        Diagnosis(
            "restart added",
            "restart * x is added to the full mean, so the features grow. The neighbours have 1 - restart.",
            mistake.propagation(update=lambda heard, state, x, r: heard + r * x),
        ),
        Diagnosis(
            "no restart",
            "the restart is not used.",
            mistake.propagation(update=lambda heard, state, x, r: heard),
        ),
        Diagnosis(
            "restart at the end",
            "the own features are mixed in once, after all steps. Mix them in at every step.",
            mistake.restart_at_the_end,
        ),
        Diagnosis(
            "one step only",
            "only one step is done. Repeat it: what the neighbours heard comes along in the next.",
            mistake.propagation(count=lambda steps: min(steps, 1)),
        ),
        Diagnosis(
            "one step too many",
            "there is one step too many. No step at all gives x.",
            mistake.propagation(count=lambda steps: steps + 1),
        ),
    ),
    nudge="If all neighbours of a node have the same features, what should it hear? What does a node hear that has no "
    "neighbour? And what remains of x after very many steps without a restart?",
    hint="The matrix D^-1 A has rows that sum to 1. Put a 1 on the diagonal for a node without edges, then its row "
    "sums to 1 as well, and one product per step is all.",
    outline="degree = adjacency.sum(axis=1); P = adjacency / np.maximum(degree, tiny)[:, None] + np.diag(degree == "
    "0); h = x; steps times h = (1 - restart) * P @ h + restart * x.",
)
