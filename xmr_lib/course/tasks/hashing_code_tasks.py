"""Rankings of packed codes and codes learnt bit by bit, of exercise 09: the tasks with what helps."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import hashing_mistakes as mistake
from xmr_lib.course.tasks.hashing_by_hand import code_sweep, tied_ap
from xmr_lib.course.tasks.hashing_cases import sweep_cases, tie_cases
from xmr_lib.course.tasks.sees import holds

TIES = Task(
    id="09.tied_ap",
    signature="tied_ap(queries (q, bytes), items (n, bytes), relevant (q, n), bits) -> lowest, expected, highest (q,)",
    difficulty=4,
    minutes=45,
    reference=tied_ap,
    cases=tie_cases,
    diagnoses=(
        *(
            Diagnosis(
                "the library's function",
                f"this is the library's {name}, one step of the way. The task asks for tied_ap: packed codes with "
                "spare bits in, three average precisions per query out.",
                arguments=arguments,
            )
            for name, arguments in (
                ("pack_codes", ("codes",)),
                ("hamming_distance", ("query_codes", "database_codes")),
                ("distance_histograms", ("distances", "relevance", "levels")),
                ("average_precision_from_histograms", ("histograms",)),
                ("hamming_map", ("distances", "relevance", "empty")),
                ("hamming_radius_precision", ("distances", "relevance", "radius", "empty")),
            )
        ),
        Diagnosis(
            "nothing relevant",
            "a query without relevant items divides 0 by 0. Its average precisions are 0.",
            sees=holds(np.isnan),
        ),
        Diagnosis(
            "bytes for bits",
            "the bytes that differ are counted. Count the bits inside them: np.bitwise_count(a ^ b).",
            mistake.ties(lambda a, b, bits: (a[:, None] != b[None]).sum(2)),
        ),
        Diagnosis(
            "difference of the bytes",
            "the bytes are subtracted as numbers. 127 and 128 are neighbours as numbers and differ in all 8 bits.",
            mistake.ties(lambda a, b, bits: np.abs(a[:, None].astype(int) - b[None]).sum(2)),
        ),
        Diagnosis(
            "spare bits counted",
            "the unused bits of the last byte are counted. They may hold anything: only the first `bits` are the code.",
            mistake.ties(lambda a, b, bits: mistake.hamming(a, b, 8 * a.shape[1])),
        ),
        Diagnosis(
            "wrong end masked",
            "the first bits of the last byte were left out, and the spare ones counted. np.packbits fills a byte from "
            "its highest bit, 128, so the spare ones are the lowest.",
            mistake.ties(
                lambda a, b, bits: (
                    mistake.hamming(a, b, 8 * a.shape[1] - 8)
                    + mistake.hamming(a[:, -1:], b[:, -1:], 8)
                    - mistake.hamming(a[:, -1:], b[:, -1:], -bits % 8)
                )
            ),
        ),
        Diagnosis(
            "distances wrap at 256",
            "a distance of 256 and more became a small one: a sum in uint8 starts again at 0. Sum in a wider type.",
            mistake.ties(mistake.wrapped),
        ),
        Diagnosis(
            "upside down",
            "the farthest items come first. A small distance is a good match.",
            mistake.ties(order=lambda away: -away),
        ),
        Diagnosis(
            "one order only",
            "all three are the average precision of one order, in which equal distances stay as they are stored. Store "
            "the items in another order and that number changes; lowest, expected and highest do not.",
            mistake.stored_order,
        ),
        Diagnosis(
            "middle of lowest and highest",
            "the expected value is taken to be the middle of lowest and highest. It is the mean over all orders, and "
            "most of them are nearer to one side.",
            mistake.ties(told=lambda low, mean, high: (low, (low + high) / 2, high)),
        ),
        Diagnosis(
            "forgets itself",
            "inside a group the relevant items are spread evenly, j r / n up to place j. But a precision counts only "
            "where a relevant item stands: there it is 1 for itself and (j - 1)(r - 1)/(n - 1) for those above it.",
            mistake.ties(group=mistake.spread_evenly),
        ),
        Diagnosis(
            "precision at the end of the group",
            "every relevant item has the precision at the end of its group. Inside the group it may stand anywhere, "
            "at each place with the same probability.",
            mistake.ties(group=mistake.at_the_end),
        ),
        Diagnosis(
            "every group starts anew",
            "in the expected value each group is ranked as if nothing stood above it. N and R count what is nearer.",
            mistake.ties(group=lambda size, right, above, hits: mistake.expected_sum(size, right, 0, 0)),
        ),
        Diagnosis(
            "divided by n",
            "the sums are divided by the number of items. Divide by the number of relevant ones.",
            mistake.ties(divisor=lambda relevant: float(len(relevant))),
        ),
        Diagnosis(
            "lowest and highest exchanged",
            "lowest and highest are exchanged: with the relevant items first in each group the number is highest.",
            mistake.ties(told=lambda low, mean, high: (high, mean, low)),
        ),
        Diagnosis(
            "mean over queries",
            "this is one number for all queries. Return one for each query.",
            mistake.ties(told=lambda low, mean, high: (low.mean(), mean.mean(), high.mean())),
        ),
    ),
    nudge="A code of K bits has K + 1 distances, so a ranking is at most K + 1 groups. Inside one group, which order "
    "is the kindest to the relevant items, which the cruellest, and what does a place get on average?",
    hint="Unpack with np.unpackbits(codes, axis=1)[:, :bits], or mask the last byte, and count differences. Per query "
    "and distance you need four numbers: n and r of the group, N and R above it. Three sums over places follow.",
    outline="For each d with n > 0: highest += sum over j = 1..r of (R + j)/(N + j); lowest += the same with "
    "(N + n - r + j) below; expected += r/n times the sum over j = 1..n of (R + 1 + (j - 1)(r - 1)/(n - 1))/(N + j), "
    "with 0 for the fraction when n = 1. Then N += n, R += r; divide by the number of relevant items, or by 1.",
)


SWEEP = Task(
    id="09.code_sweep",
    signature="code_sweep(codes (n, K), outputs (m, K), rows (m,), target (m, n), weights (m, n), gamma) "
    "-> codes (n, K), trail (K + 1,)",
    difficulty=4,
    minutes=45,
    reference=code_sweep,
    cases=sweep_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's dcc_step, one column without weights. The task asks for code_sweep: weighted pairs, "
            "all columns in turn, undecided bits as they were, and the objective on the way.",
            arguments=("k", "codes", "u", "g", "w", "target", "labels", "omega", "gamma", "beta", "slip"),
        ),
        Diagnosis(
            "the library's function",
            "this is the library's dchuc_objective, the number that should fall. The task asks for code_sweep: the "
            "codes that make it fall, bit by bit, and the objective on the way.",
            arguments=("u", "g", "codes", "w", "target", "labels", "omega", "gamma", "alpha", "mu", "eta", "beta"),
        ),
        Diagnosis(
            "zero bits",
            "np.sign(0) is 0, and a code with a 0 in it is no code. Where both signs cost the same the bit stays as it "
            "is.",
            sees=mistake.zero_bits,
        ),
        Diagnosis(
            "undecided bits to -1",
            "an item of which nothing is known had its bits set to -1. Where both signs cost the same the bit stays as "
            "it is.",
            mistake.sweeps(undecided=lambda old: -np.ones_like(old)),
        ),
        Diagnosis(
            "undecided bits to +1",
            "an item of which nothing is known had its bits set to +1. Where both signs cost the same the bit stays as "
            "it is.",
            mistake.sweeps(undecided=np.ones_like),
        ),
        Diagnosis(
            "all columns at once",
            "every column was computed from the codes before the sweep. Each minimises the objective *while the others "
            "stand still*: it has to see the columns that have moved already, or the objective can rise.",
            mistake.sweeps(at_once=True),
        ),
        Diagnosis(
            "own bit left in",
            "the bit to be set takes part in the dot products that it should complete. Leave column k out of them.",
            mistake.sweeps(own=True),
        ),
        Diagnosis(
            "other bits twice",
            "the other bits count twice beside the target, as in the slip of the released code. Both come from one "
            "square and have the same factor.",
            mistake.sweeps(others=2.0),
        ),
        Diagnosis(
            "other bits not seen",
            "each bit is set from the target alone. It should complete what the other bits have left: K s minus their "
            "dot product.",
            mistake.sweeps(others=0.0),
        ),
        Diagnosis(
            "target not times K",
            "the dot products should reach s. They should reach K s: K bits that all agree give K.",
            mistake.sweeps(
                scale=1.0, trail_of=lambda v, u, rows, s, w, gamma: mistake.objective(v, u, rows, s, w, gamma, 1.0)
            ),
        ),
        Diagnosis(
            "target not times K in the update",
            "the objective is right, but the update aims at s. The dot products should reach K s.",
            mistake.sweeps(scale=1.0),
        ),
        Diagnosis(
            "sign turned",
            "every bit is set to the sign that costs *more*: the objective rises.",
            mistake.sweeps(sign=-1.0),
        ),
        Diagnosis(
            "weights not used",
            "in the update all pairs count alike. The weight of a pair stands before everything that comes from its "
            "square.",
            mistake.sweeps(weigh=np.ones_like),
        ),
        Diagnosis(
            "objective without weights",
            "the codes are right, but in the objective all pairs count alike.",
            mistake.sweeps(trail_of=lambda v, u, rows, s, w, gamma: mistake.objective(v, u, rows, s, 0 * w + 1, gamma)),
        ),
        Diagnosis(
            "gamma not used",
            "the update forgets the last term: a drawn item is pulled to its own output with gamma.",
            mistake.sweeps(gamma_factor=0.0),
        ),
        Diagnosis(
            "gamma on the wrong items",
            "output i pulls at item i. It belongs to item rows[i].",
            mistake.sweeps(place=lambda rows: np.arange(len(rows))),
        ),
        Diagnosis(
            "factor of gamma",
            "gamma counts half beside the pairs. Both terms are squares, and the 2 of their cross terms is common.",
            mistake.sweeps(gamma_factor=0.5),
        ),
        Diagnosis(
            "factor of gamma",
            "gamma counts twice beside the pairs. Both terms are squares, and the 2 of their cross terms is common.",
            mistake.sweeps(gamma_factor=2.0),
        ),
        Diagnosis(
            "objective without gamma",
            "the codes are right, but the objective lacks its last term.",
            mistake.sweeps(trail_of=lambda v, u, rows, s, w, gamma: mistake.objective(v, u, rows, s, w, 0.0)),
        ),
        Diagnosis(
            "one column only",
            "only the first column was set. A sweep goes over all K, in order.",
            mistake.sweeps(most=1),
        ),
        Diagnosis(
            "start not recorded",
            "the codes are right, but the objective before the first column is missing: K + 1 numbers.",
            mistake.sweeps(told=lambda trail: np.array(trail[1:])),
        ),
    ),
    nudge="All bits but one stand still. What is the square of that one bit? So which part of (rest + u v - K s)^2 "
    "still depends on its sign?",
    hint="Item j wants v = +1 in column k when the sum over i of w_ij u_ik (K s_ij - rest_ij) is positive, rest being "
    "the dot product without column k. A drawn item adds gamma times its own output. Zero: leave the bit.",
    outline="v = codes.astype(float); for each k: rest = u @ v.T - np.outer(u[:, k], v[:, k]); gain = (weights * (K * "
    "target - rest)).T @ u[:, k]; gain[rows] += gamma * u[:, k]; v[:, k] = np.where(gain == 0, v[:, k], "
    "np.where(gain > 0, 1, -1)); append (weights * (u @ v.T - K * target)**2).sum() + "
    "gamma * ((v[rows] - u)**2).sum().",
)
