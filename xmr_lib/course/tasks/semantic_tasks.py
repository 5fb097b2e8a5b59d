"""The semantic space and its similarity of exercise 02: the tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import semantic_mistakes as mistake
from xmr_lib.course.tasks.subspace_by_hand import gradient_step, normalised_correlation, softmax
from xmr_lib.course.tasks.subspace_cases import correlation_cases, step_cases

SEMANTIC = Task(
    id="02.semantic_space",
    signature="gradient_step(x (n, d), labels (n, c) one-hot, weights (c, d), bias (c,), rate, penalty) "
    "-> weights (c, d), bias (c,)",
    difficulty=3,
    minutes=25,
    reference=gradient_step,
    cases=step_cases,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's posterior, which uses weights that are given. The task asks for gradient_step: it "
            "compares the posterior with the labels and returns better weights and a better bias.",
            arguments=("x", "weights", "bias"),
        ),
        Diagnosis(
            "the lesson's posterior",
            "these are the class probabilities, the posterior of lesson 02. The step begins with them: compare them "
            "with the labels, and return the weights and the bias after the step.",
            sees=mistake.is_posterior,
        ),
        Diagnosis(
            "overflow",
            "exp of a large score overflows. Subtract each row's maximum from the scores first: the "
            "probabilities are the same.",
            sees=mistake.has_nan,
        ),
        Diagnosis(
            "gradient only",
            "this is the gradient. Return where the step leads: weights - rate * gradient, the same for the bias.",
            mistake.gradient_only,
        ),
        Diagnosis(
            "uphill",
            "the step goes up and the loss grows. Go against the gradient: weights - rate * gradient, with "
            "error = probabilities - labels.",
            mistake.step(data=-1.0, decay=-1.0),
        ),
        Diagnosis(
            "labels minus probabilities",
            "the part of the data goes the wrong way: error = probabilities - labels. The penalty is right.",
            mistake.step(data=-1.0),
        ),
        Diagnosis(
            "penalty the wrong way",
            "the penalty makes the weights larger. It pulls them towards 0: + penalty * weights in the gradient.",
            mistake.step(decay=-1.0),
        ),
        Diagnosis(
            "forgotten penalty",
            "the penalty is not used. Its gradient is penalty * weights.",
            mistake.step(decay=0.0),
        ),
        Diagnosis(
            "penalty doubled",
            "the penalty counts twice. The loss has penalty / 2 times the squares, so its gradient is "
            "penalty * weights.",
            mistake.step(decay=2.0),
        ),
        Diagnosis(
            "penalty shared out",
            "the penalty is divided by n like the rest. Only the part of the data is a mean over the n vectors.",
            mistake.shared_penalty,
        ),
        Diagnosis(
            "penalty on the bias",
            "the bias is penalised as well. The loss penalises the weights only: how frequent a class is should cost "
            "nothing.",
            mistake.step(bias_decay=1.0),
        ),
        Diagnosis(
            "not averaged",
            "the errors of all vectors are summed. The loss is a mean: divide by n, else the step grows with the data.",
            mistake.step(divisor=lambda labels: 1),
        ),
        Diagnosis(
            "averaged over classes too",
            "the errors are divided by n * c. The loss is a mean over the n vectors only, not over the classes.",
            mistake.step(divisor=np.size),
        ),
        Diagnosis(
            "rate forgotten",
            "the whole gradient is subtracted. Multiply it by the rate first.",
            lambda x, labels, weights, bias, rate, penalty: gradient_step(x, labels, weights, bias, 1.0, penalty),
        ),
        Diagnosis(
            "bias stays",
            "the bias has not moved. Its gradient is the mean of the errors.",
            mistake.step(bias_moves=False),
        ),
        Diagnosis(
            "forgotten bias",
            "the bias is not added to the scores.",
            mistake.step(bias_in_scores=False),
        ),
        Diagnosis(
            "wrong axis",
            "the probabilities sum to 1 over the vectors. Each row is one vector: normalise with axis=1.",
            mistake.step(lambda scores: softmax(scores, axis=0)),
        ),
        Diagnosis(
            "one sum for all",
            "all probabilities together sum to 1. Every row needs its own sum: axis=1, keepdims=True.",
            mistake.step(lambda scores: softmax(scores, axis=None)),
        ),
        Diagnosis(
            "sigmoid",
            "each class has its own sigmoid, so rows do not sum to 1. Classes exclude each other here: use softmax.",
            mistake.step(mistake.sigmoid),
        ),
        Diagnosis(
            "scores",
            "the scores are compared with the labels. Turn them into probabilities first.",
            mistake.step(lambda scores: scores),
        ),
        Diagnosis(
            "two steps",
            "the bias uses probabilities of the weights that have moved already. Compute both gradients at the same "
            "place, then move.",
            mistake.two_steps,
        ),
    ),
    nudge="The lesson's posterior is given its weights. Here they are to become a little better. For one vector: which "
    "probability is too small, which are too large, and what would you change in w_j?",
    hint="The error `p - labels` has shape (n, c). Mixed with the vectors, `error.T @ x / n` has the shape of the "
    "weights. exp(s) / sum exp(s) does not change if you subtract max(s).",
    outline="Stable posterior; error = p - labels; gradient of the weights `error.T @ x / n + penalty * weights`, of "
    "the bias `error.mean(axis=0)`; subtract rate times both; return new arrays.",
)


NORMALISED = Task(
    id="02.normalised_correlation",
    signature="normalised_correlation(a (n, d), b (m, d)) -> (n, m) in -1..1",
    difficulty=1,
    minutes=10,
    reference=normalised_correlation,
    cases=correlation_cases,
    diagnoses=(
        Diagnosis(
            "dot product",
            "this is the dot product. Divide by the lengths of both vectors.",
            lambda a, b: a @ b.T,
        ),
        Diagnosis(
            "one side only",
            "only one of the two sides is divided by its length.",
            lambda a, b: mistake.unit(a) @ b.T,
        ),
        Diagnosis(
            "one side only", "only one of the two sides is divided by its length.", lambda a, b: a @ mistake.unit(b).T
        ),
        Diagnosis(
            "centred",
            "the mean of each vector is subtracted first (the centred variant, Pearson). The text does not centre.",
            lambda a, b: (
                mistake.unit(a - a.mean(axis=1, keepdims=True)) @ mistake.unit(b - b.mean(axis=1, keepdims=True)).T
            ),
        ),
        Diagnosis(
            "wrong axis",
            "columns are divided by their lengths. A vector is a row: np.linalg.norm(a, axis=1, keepdims=True).",
            lambda a, b: mistake.unit(a, axis=0) @ mistake.unit(b, axis=0).T,
        ),
        Diagnosis(
            "norm of the matrix",
            "np.linalg.norm without axis gives one number for the whole matrix. Every row needs its own: axis=1.",
            lambda a, b: a @ b.T / (np.linalg.norm(a) * np.linalg.norm(b)),
        ),
        Diagnosis(
            "sum instead of length",
            "vectors are divided by the sum of their entries. The length is the root of the sum of squares.",
            lambda a, b: mistake.unit(a, order=1) @ mistake.unit(b, order=1).T,
        ),
        Diagnosis(
            "squared lengths",
            "the lengths are squared: the square root of the sum of squares is missing.",
            mistake.squared_lengths,
        ),
        Diagnosis(
            "distance",
            "this is a distance, 1 - similarity. Larger must mean more alike.",
            lambda a, b: 1 - normalised_correlation(a, b),
        ),
        Diagnosis(
            "transposed",
            "rows must be the vectors of a, columns those of b; here it is the other way round.",
            lambda a, b: normalised_correlation(b, a),
        ),
        Diagnosis(
            "division by zero",
            "a vector of zeros has length 0, and 0 / 0 is not a number. Its similarity to everything is 0: guard the "
            "division. (The cosine of lesson 00 has no such guard; there every vector has a length.)",
            sees=mistake.has_nan,
        ),
    ),
    nudge="What does a vector's length say about its topics? Should a long article be more alike to everything?",
    hint="Divide every row by its length, with keepdims=True, then one matrix product does all pairs.",
    outline="`a @ b.T` divided by the outer product of the lengths; `np.maximum(lengths, 1e-12)` guards rows of zeros.",
)
