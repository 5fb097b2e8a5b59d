"""Exercise 02, subspaces: the four tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import subspace_mistakes as mistake
from xmr_lib.course.tasks.subspace_by_hand import (
    cca,
    cca_cases,
    correlation_cases,
    matrix_power,
    normalised_correlation,
    posterior,
    posterior_cases,
    same_directions,
    whitening_cases,
    whitening_matrix,
)

WHITENING = Task(
    id="02.cca_whitening",
    signature="whitening_matrix(covariance (d, d), ridge) -> (d, d)",
    difficulty=2,
    minutes=15,
    reference=whitening_matrix,
    cases=whitening_cases,
    diagnoses=(
        Diagnosis(
            "square root",
            "this is the square root of S. Whitening divides by the spread: the exponent is -1/2, not 1/2.",
            lambda s, ridge: matrix_power(s, ridge, 0.5),
        ),
        Diagnosis(
            "inverse",
            "this is the inverse, exponent -1. Whitening is applied on both sides, so each side takes half: -1/2.",
            lambda s, ridge: matrix_power(s, ridge, -1.0),
        ),
        Diagnosis(
            "forgotten ridge",
            "the ridge is not used. Without it a covariance with too few vectors has no inverse root.",
            sees=lambda case, _, got: mistake.close_to(got, matrix_power(case.arguments[0], 0.0, -0.5)),
        ),
        Diagnosis(
            "ridge not scaled",
            "the ridge is added as it is. Scale it by the mean variance tr(S)/d, so that it means the same for "
            "all features.",
            lambda s, ridge: matrix_power(s + ridge * np.eye(len(s)), 0.0, -0.5),
        ),
        Diagnosis(
            "trace not divided",
            "the ridge is scaled by tr(S), the sum of all variances. Their mean is tr(S)/d.",
            lambda s, ridge: matrix_power(s, ridge * len(s), -0.5),
        ),
        Diagnosis(
            "ridge everywhere",
            "the ridge is added to every entry of S. It belongs on the diagonal only: multiply by np.eye(d).",
            lambda s, ridge: matrix_power(s + ridge * np.trace(s) / len(s), 0.0, -0.5),
        ),
        Diagnosis(
            "not turned back",
            "the eigenvectors are scaled but not turned back. The symmetric root is V diag(values^-1/2) V'; the "
            "last V' "
            "is missing.",
            sees=lambda case, expected, got: mistake.has_form(case, got, lambda values, v: v * values**-0.5),
        ),
        Diagnosis(
            "rows instead of columns",
            "eigh gives the eigenvectors as columns, but rows were used. Write (vectors * scale) @ vectors.T.",
            sees=lambda case, expected, got: mistake.has_form(
                case, got, lambda values, v: v.T @ np.diag(values**-0.5) @ v
            ),
        ),
        Diagnosis(
            "Cholesky",
            "this is the inverse of a triangular Cholesky factor. It whitens too, but the task asks for the "
            "symmetric root.",
            sees=lambda case, expected, got: (
                np.shape(got) == expected.shape
                and not np.allclose(got, np.transpose(got))
                and np.allclose(np.transpose(got) @ got, expected @ expected)
            ),
        ),
        Diagnosis(
            "entry by entry",
            "the power is taken of each entry. A power of a matrix is taken of its eigenvalues.",
            lambda s, ridge: (s + ridge * np.trace(s) / len(s) * np.eye(len(s))) ** -0.5,
        ),
    ),
    nudge="What must W S W be? For S = diag(4, 1) you can write W down.",
    hint="With `values, vectors = np.linalg.eigh(S)` a power of S is the same power of its eigenvalues.",
    outline="Add ridge * trace / d to the diagonal; eigh; `(vectors * values**-0.5) @ vectors.T`.",
)


CORRELATION = Task(
    id="02.cca",
    signature="cca(x (n, d_x), y (n, d_y), n_components, ridge) -> W_x (d_x, k), W_y (d_y, k), rho (k,)",
    difficulty=3,
    minutes=30,
    reference=cca,
    cases=cca_cases,
    same=same_directions,
    diagnoses=(
        Diagnosis(
            "not mapped back",
            "these are the singular vectors of the whitened problem. Map them back: W_x = S_xx^(-1/2) U, the "
            "same for y.",
            mistake.without_mapping_back,
        ),
        Diagnosis(
            "columns of V'",
            "svd returns V transposed: the directions of y are its first rows, vt[:k].T, not its first columns.",
            mistake.columns_of_vt,
        ),
        Diagnosis(
            "whitened by the inverse",
            "the whitening uses S^-1. It must use S^(-1/2) on both sides, else the singular values are no "
            "correlations.",
            mistake.whiten_with(np.linalg.inv),
        ),
        Diagnosis(
            "not whitened",
            "this is the svd of the covariance S_xy itself (PLS): directions with large variance win. Whiten "
            "both views.",
            mistake.whiten_with(lambda s: np.eye(len(s))),
        ),
        Diagnosis(
            "scaled only",
            "each feature is scaled, but features of one view are still correlated. Whiten with the whole matrix.",
            mistake.whiten_with(lambda s: np.diag(np.diag(s) ** -0.5)),
        ),
        Diagnosis(
            "squared correlations",
            "rho holds squared correlations, the eigenvalues of M'M. The correlations are the singular values of M.",
            lambda x, y, k, ridge: (*cca(x, y, k, ridge)[:2], cca(x, y, k, ridge)[2] ** 2),
        ),
        Diagnosis(
            "smallest first",
            "these are the directions with the smallest correlations. np.linalg.svd sorts downwards, eigh upwards.",
            mistake.smallest,
        ),
        Diagnosis(
            "forgotten ridge",
            "the ridge is not used in the covariances of x and y.",
            lambda x, y, k, ridge: cca(x, y, k, 0.0),
        ),
        Diagnosis(
            "covariance without 1/n",
            "one of the three covariances is not divided by n: S_xx = x'x / n, S_yy = y'y / n, S_xy = x'y / n.",
            lambda x, y, k, ridge: (*cca(x, y, k, ridge)[:2], cca(x, y, k, ridge)[2] * len(x)),
        ),
        Diagnosis(
            "no covariance divided",
            "the directions are too short: none of the covariances is divided by n.",
            lambda x, y, k, ridge: tuple(
                part / np.sqrt(len(x)) if i < 2 else part for i, part in enumerate(cca(x, y, k, ridge))
            ),
        ),
        Diagnosis(
            "divided by n - 1",
            "the covariances are divided by n - 1. The text divides by n; the correlations are the same, the "
            "directions not.",
            lambda x, y, k, ridge: tuple(
                part * np.sqrt((len(x) - 1) / len(x)) if i < 2 else part for i, part in enumerate(cca(x, y, k, ridge))
            ),
        ),
        Diagnosis(
            "all directions",
            "all directions are returned. Keep the first n_components columns and correlations.",
            lambda x, y, k, ridge: cca(x, y, min(x.shape[1], y.shape[1]), ridge),
        ),
        Diagnosis(
            "signs",
            "a direction was turned in one view only. Both may point either way, but together.",
            sees=mistake.flipped,
        ),
    ),
    nudge="After whitening, a covariance is a correlation. Which matrix do you take apart, and where do its "
    "vectors live?",
    hint="`u, rho, vt = np.linalg.svd(W @ S_xy @ V)` with the two whitening matrices W and V; u and vt live in "
    "the whitened "
    "spaces.",
    outline="Three covariances / n; whiten x and y; svd of the whitened S_xy; multiply u[:, :k] and vt[:k].T by the "
    "whitening matrices; return rho[:k] as well.",
)

SEMANTIC = Task(
    id="02.semantic_space",
    signature="posterior(x (n, d), weights (c, d), bias (c,)) -> (n, c), rows sum to 1",
    difficulty=2,
    minutes=15,
    reference=posterior,
    cases=posterior_cases,
    diagnoses=(
        Diagnosis(
            "wrong axis",
            "the columns sum to 1. Each row is one vector and its class probabilities must sum to 1: axis=1.",
            lambda x, w, b: mistake.softmax(x @ w.T + b, axis=0),
        ),
        Diagnosis(
            "one sum for all",
            "the whole matrix sums to 1. Every row needs its own sum: axis=1, keepdims=True.",
            lambda x, w, b: mistake.softmax(x @ w.T + b, axis=None),
        ),
        Diagnosis("forgotten bias", "the bias is not added to the scores.", lambda x, w, b: posterior(x, w, 0 * b)),
        Diagnosis(
            "sigmoid",
            "each class has its own sigmoid, so rows do not sum to 1. Classes exclude each other here: use softmax.",
            lambda x, w, b: np.exp(-np.logaddexp(0.0, -(x @ w.T + b))),
        ),
        Diagnosis(
            "scores", "these are the scores x w' + b. Turn them into probabilities.", lambda x, w, b: x @ w.T + b
        ),
        Diagnosis(
            "not divided",
            "exp of the scores is not divided by its sum over the classes.",
            sees=lambda case, expected, got: mistake.close_to(
                got, np.exp(case.arguments[0] @ case.arguments[1].T + case.arguments[2])
            ),
        ),
        Diagnosis(
            "logarithm",
            "these are logarithms of the probabilities. Return the probabilities.",
            sees=lambda case, expected, got: mistake.close_to(got, np.log(np.maximum(expected, 1e-300))),
        ),
        Diagnosis(
            "decision",
            "only the best class of each row is kept. A semantic space keeps how sure the classifier is of every "
            "class.",
            lambda x, w, b: np.eye(len(b))[(x @ w.T + b).argmax(axis=1)],
        ),
        Diagnosis(
            "overflow",
            "exp of a large score overflows. Subtract each row's maximum from the scores first: the result is "
            "the same.",
            sees=mistake.has_nan,
        ),
    ),
    nudge="Three steps: scores, something positive, something that sums to 1. In which direction does it sum to 1?",
    hint="`x @ weights.T + bias` has shape (n, c). exp(s) / sum exp(s) does not change if you subtract max(s).",
    outline="Scores; subtract the row maximum (keepdims); exp; divide by the row sum (keepdims).",
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
            "a vector of zeros has length 0. Its similarity to everything is 0: guard the division.",
            sees=mistake.has_nan,
        ),
    ),
    nudge="What does a vector's length say about its topics? Should a long article be more alike to everything?",
    hint="Divide every row by its length, with keepdims=True, then one matrix product does all pairs.",
    outline="`a @ b.T` divided by the outer product of the lengths; `np.maximum(lengths, 1e-12)` guards rows of zeros.",
)

TASKS = (WHITENING, CORRELATION, SEMANTIC, NORMALISED)
