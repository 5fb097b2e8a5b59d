"""Whitening and CCA of exercise 02: the tasks with what helps when a solution is not right yet."""

from __future__ import annotations

import numpy as np

from xmr_lib.course.task import Diagnosis, Task
from xmr_lib.course.tasks import subspace_mistakes as mistake
from xmr_lib.course.tasks.subspace_by_hand import paired_cca, pca_whitening, same_directions, same_whitening
from xmr_lib.course.tasks.subspace_cases import cca_cases, whitening_cases

WHITENING = Task(
    id="02.cca_whitening",
    signature="pca_whitening(x (n, d) not centred, n_components, ridge) -> mean (d,), W (d, k)",
    difficulty=2,
    minutes=20,
    reference=pca_whitening,
    cases=whitening_cases,
    same=same_whitening,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's whitening_matrix, which turns a covariance into a symmetric (d, d) matrix. The task "
            "asks for pca_whitening: it gets the vectors themselves and returns their mean and k columns.",
            arguments=("covariance", "ridge"),
        ),
        Diagnosis(
            "the lesson's matrix",
            "this is the symmetric (d, d) matrix of lesson 02. It turns the whitened vectors back and so keeps all d "
            "directions. Here stay with the k strongest: stop before the last V', and return the mean as well.",
            sees=mistake.is_symmetric_root,
        ),
        Diagnosis(
            "columns of the lesson's matrix",
            "these are k columns of the lesson's symmetric matrix, and a column of it belongs to a feature, not to a "
            "direction. Choose among the eigenvectors before anything is turned back.",
            mistake.columns_of_the_root,
        ),
        Diagnosis(
            "only W",
            "W came without the mean. Return both: whoever whitens new vectors needs the mean of the old ones.",
            sees=mistake.only_w,
        ),
        Diagnosis(
            "whitened features",
            "these are the whitened features themselves. Return the mean and W, so that new vectors can be whitened.",
            sees=mistake.is_whitened_data,
        ),
        Diagnosis(
            "not centred",
            "x'x / n is a covariance only when the mean is zero. Subtract the mean of every feature first.",
            mistake.whitening(centre=False),
        ),
        Diagnosis(
            "weakest directions",
            "these are the directions with the smallest variance: eigh sorts upwards, so the strongest come last.",
            mistake.whitening(pick=lambda values, k: np.argsort(values)[:k]),
        ),
        Diagnosis(
            "strongest last",
            "the k directions are right, but the strongest must come first. eigh sorts upwards.",
            mistake.whitening(pick=lambda values, k: np.argsort(values)[-k:]),
        ),
        Diagnosis(
            "all directions",
            "all directions are kept. Take the n_components columns with the largest eigenvalues.",
            mistake.whitening(pick=lambda values, k: np.argsort(-values)),
        ),
        Diagnosis(
            "not scaled",
            "these are the principal directions, of length 1. Whitening also divides each by its standard deviation.",
            mistake.whitening(power=0.0),
        ),
        Diagnosis(
            "divided by the variance",
            "each direction is divided by its variance, which leaves a variance of 1/lambda. Divide by the square "
            "root, the standard deviation.",
            mistake.whitening(power=-1.0),
        ),
        Diagnosis(
            "multiplied",
            "the strong directions become stronger still: divide by the standard deviation, do not multiply.",
            mistake.whitening(power=0.5),
        ),
        Diagnosis(
            "forgotten ridge",
            "the ridge is not used. Add ridge * tr(S)/d to every variance before the square root.",
            mistake.whitening(shift=lambda values, ridge, k: 0.0),
        ),
        Diagnosis(
            "ridge not scaled",
            "the ridge is added as it is. Scale it by the mean variance tr(S)/d, so that it means the same for "
            "all features.",
            mistake.whitening(shift=lambda values, ridge, k: ridge),
        ),
        Diagnosis(
            "trace not divided",
            "the ridge is scaled by tr(S), the sum of all variances. Their mean is tr(S)/d.",
            mistake.whitening(shift=lambda values, ridge, k: ridge * values.sum()),
        ),
        Diagnosis(
            "mean of the kept variances",
            "the ridge is scaled by the mean of the k variances that are kept. tr(S)/d is the mean over all d "
            "directions, else the ridge changes with k.",
            mistake.whitening(shift=lambda values, ridge, k: ridge * np.sort(values)[-k:].mean()),
        ),
        Diagnosis(
            "divided by n - 1",
            "the covariance is divided by n - 1 (as np.cov does). The course divides by n: np.cov(x.T, bias=True).",
            mistake.whitening(divisor=lambda n: n - 1),
        ),
        Diagnosis(
            "not divided by n",
            "x'x is not divided by n. Only then are its eigenvalues variances.",
            mistake.whitening(divisor=lambda n: 1),
        ),
        Diagnosis(
            "rows instead of columns",
            "eigh gives the eigenvectors as columns, but rows were used. Write vectors[:, chosen].",
            sees=mistake.rows_of_eigh,
        ),
    ),
    nudge="The lesson's whitening_matrix gets a covariance and returns (d, d). Here you get the vectors themselves, "
    "far from zero, and return only k columns. What is a column of W made of: which direction, and how long?",
    hint="`values, vectors = np.linalg.eigh(S)` sorts upwards. Column j of `vectors` is a direction, `values[j]` the "
    "variance of x along it.",
    outline="Mean; S of x - mean, divided by n; eigh; the k columns with the largest values; divide each by "
    "`np.sqrt(value + ridge * values.mean())`, because tr(S)/d is the mean of all values; return mean and W.",
)


CORRELATION = Task(
    id="02.cca",
    signature="paired_cca(images (n, d_x), captions (m, d_y), caption_image (m,), n_components, ridge) "
    "-> W_x (d_x, k), W_y (d_y, k), rho (k,)",
    difficulty=3,
    minutes=30,
    reference=paired_cca,
    cases=cca_cases,
    same=same_directions,
    diagnoses=(
        Diagnosis(
            "the lesson's function",
            "this is the lesson's cca, which takes two centred views, row i beside row i. The task asks for "
            "paired_cca: it gets n images and m captions, and has to pair and to centre them first.",
            arguments=("x", "y", "n_components", "ridge"),
        ),
        Diagnosis(
            "the lesson's cca",
            "this is the cca of lesson 02 on the pairs as they are. It takes for granted that both views are centred; "
            "these are not. Subtract the means over the pairs first.",
            mistake.with_pairs(lambda images, captions, owner: (images[owner], captions), centre=False),
        ),
        Diagnosis(
            "centred over images",
            "the images are centred by their mean over the n images. CCA sees an image once per caption, so take the "
            "mean over the m pairs.",
            mistake.with_pairs(
                lambda images, captions, owner: (
                    (images - images.mean(axis=0))[owner],
                    captions - captions.mean(axis=0),
                ),
                centre=False,
            ),
        ),
        Diagnosis(
            "captions in order",
            "the captions are taken to be sorted by image. They come in any order: images[caption_image] puts the "
            "right image beside every caption.",
            mistake.with_pairs(mistake.in_order),
        ),
        Diagnosis(
            "one caption per image",
            "only the first caption of each image is used. Every caption makes a pair: m pairs, not n.",
            mistake.with_pairs(mistake.first_captions),
        ),
        Diagnosis(
            "captions averaged",
            "the captions of an image are averaged. Every caption makes a pair of its own: m pairs, not n.",
            mistake.with_pairs(mistake.mean_captions),
        ),
        Diagnosis(
            "not transposed",
            "W_x S_xy W_y is the lesson's formula, and there W_x is symmetric. The W of task 1 is not: W_x' S_xy W_y.",
            sees=mistake.not_transposed,
        ),
        Diagnosis(
            "not mapped back",
            "these are the singular vectors of the whitened problem. Map them back with the whitening matrices: "
            "W_x U, W_y V.",
            sees=mistake.not_mapped_back,
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
            lambda *case: (*paired_cca(*case)[:2], paired_cca(*case)[2] ** 2),
        ),
        Diagnosis(
            "smallest first",
            "these are the directions with the smallest correlations. np.linalg.svd sorts downwards, eigh upwards.",
            mistake.smallest,
        ),
        Diagnosis(
            "forgotten ridge",
            "the ridge is not used in the covariances of x and y.",
            lambda images, captions, owner, k, ridge: paired_cca(images, captions, owner, k, 0.0),
        ),
        Diagnosis(
            "divided by the number of images",
            "the covariances are divided by n, the number of images. There are m pairs, one per caption.",
            mistake.rescaled(lambda n, m: (n / m) ** 0.5),
        ),
        Diagnosis(
            "covariance without 1/m",
            "the cross-covariance is not divided by m like the other two: S_xy = x'y / m.",
            mistake.rescaled(lambda n, m: 1.0, lambda n, m: m),
        ),
        Diagnosis(
            "no covariance divided",
            "the directions are too short: none of the covariances is divided by m.",
            mistake.rescaled(lambda n, m: m**-0.5),
        ),
        Diagnosis(
            "divided by m - 1",
            "the covariances are divided by m - 1. The text divides by m; the correlations are the same, the "
            "directions not.",
            mistake.rescaled(lambda n, m: (1 - 1 / m) ** 0.5),
        ),
        Diagnosis(
            "all directions",
            "all directions are returned. Keep the first n_components columns and correlations.",
            lambda images, captions, owner, k, ridge: paired_cca(
                images, captions, owner, min(images.shape[1], captions.shape[1]), ridge
            ),
        ),
        Diagnosis(
            "signs",
            "a direction was turned in one view only. Both may point either way, but together.",
            sees=mistake.flipped,
        ),
    ),
    nudge="The lesson's cca gets two centred views of equal length, row i beside row i. Here there are n images and m "
    "captions, and nothing is centred. Which m rows stand beside the captions, and over what is the mean taken?",
    hint="`x = images[caption_image]` stands beside `captions`. Task 1 whitens each view, with all its directions; "
    "then `u, rho, vt = np.linalg.svd(M, full_matrices=False)`, and u and vt live in the whitened spaces.",
    outline="Pair; `pca_whitening` of each view with `x.shape[1]` directions gives mean and matrix; centre; "
    "M = A' S_xy B with S_xy divided by m; svd; return `A @ u[:, :k]`, `B @ vt[:k].T`, `rho[:k]`.",
)
