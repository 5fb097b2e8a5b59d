# %% [markdown]
# # Exercise 02 · From pixels and words to one space
#
# You build the first cross-modal retrieval system there was (Rasiwasia et al., 2010) in four functions: whitening,
# canonical correlation analysis, the semantic space, and the similarity it is searched with.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 02](../../notebooks/02_subspace_cca.ipynb) and numpy.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. Whitening
#
# <!-- task: 02.cca_whitening -->
#
# A text is described by how much of ten topics it holds. The proportions add up to one: if you know nine, you know the
# tenth. So the covariance S of these features is singular, and S^(-1/2), which CCA needs, does not exist. A small
# *ridge* on the diagonal makes it exist. It is measured in units of the mean variance, so that 0.1 means the same for
# pixels (0 to 255) and for proportions (0 to 1):
#
# $$ W = \left( S + \mathrm{ridge} \cdot \frac{\mathrm{tr}\, S}{d} \, I \right)^{-1/2}, \qquad
#    W \left( S + \mathrm{ridge} \cdot \frac{\mathrm{tr}\, S}{d} \, I \right) W = I $$
#
# Write the symmetric W.
#
# <!-- help: 02.cca_whitening -->


# %% nbgrader={"grade_id": "cca_whitening", "solution": true}
def whitening_matrix(covariance, ridge):
    """The symmetric (S + ridge * tr(S)/d * I)^(-1/2). (d, d), float -> (d, d)."""
    ### BEGIN SOLUTION
    d = len(covariance)
    regular = covariance + ridge * np.trace(covariance) / d * np.eye(d)
    values, vectors = np.linalg.eigh(regular)
    return (vectors / np.sqrt(values)) @ vectors.T
    ### END SOLUTION


# %%
check("02.cca_whitening", whitening_matrix)

# %% nbgrader={"grade_id": "cca_whitening-basic", "points": 2}
assert np.allclose(whitening_matrix(np.diag([4.0, 1.0]), 0.0), np.diag([0.5, 1.0])), "S = diag(4, 1), no ridge"
assert np.allclose(whitening_matrix(np.diag([4.0, 1.0]), 2.0), np.diag([1 / 3, 6**-0.5])), "ridge 2: diag(9, 6)^(-1/2)"

# %% nbgrader={"grade_id": "cca_whitening-more", "points": 2}
S = np.array([[2.0, 1.0], [1.0, 2.0]])
W = whitening_matrix(S, 0.0)
assert np.allclose(W @ S @ W, np.eye(2)), "W S W must be the unit matrix"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(201)
x = rng.normal(size=(5, 8)) * rng.uniform(0.1, 9, 8)
S = x.T @ x / 5
W = whitening_matrix(S, 0.2)
assert np.allclose(W @ (S + 0.2 * np.trace(S) / 8 * np.eye(8)) @ W, np.eye(8)), "5 vectors with 8 features, ridge 0.2"
assert np.allclose(W, W.T), "W must be symmetric"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Canonical correlation analysis
#
# <!-- task: 02.cca -->
#
# Row i of `x` describes a picture, row i of `y` its text; both are centred. Find directions in which the two views say
# the same. Whiten both, and the cross-covariance turns into correlations; a singular value decomposition finds the
# largest:
#
# $$ M = S_{xx}^{-1/2} S_{xy} S_{yy}^{-1/2} = U \, \mathrm{diag}(\rho) \, V^\top, \qquad
#    W_x = S_{xx}^{-1/2} U_k, \quad W_y = S_{yy}^{-1/2} V_k $$
#
# with $S_{xx} = x^\top x / n$, $S_{yy} = y^\top y / n$, $S_{xy} = x^\top y / n$, and the ridge of task 1 in both
# whitenings. A direction may point either way, as long as it does so in both views.
#
# <!-- help: 02.cca -->


# %% nbgrader={"grade_id": "cca", "solution": true}
def cca(x, y, n_components, ridge):
    """(n, d_x), (n, d_y), int, float -> W_x (d_x, k), W_y (d_y, k), rho (k,), largest correlation first."""
    ### BEGIN SOLUTION
    n, k = len(x), n_components
    whiten_x = whitening_matrix(x.T @ x / n, ridge)
    whiten_y = whitening_matrix(y.T @ y / n, ridge)
    u, rho, vt = np.linalg.svd(whiten_x @ (x.T @ y / n) @ whiten_y, full_matrices=False)
    return whiten_x @ u[:, :k], whiten_y @ vt[:k].T, rho[:k]
    ### END SOLUTION


# %%
check("02.cca", cca)

# %% nbgrader={"grade_id": "cca-basic", "points": 3}
rng = np.random.default_rng(0)
z = rng.normal(size=(200, 2))
x, y = z @ [[1.0, 2.0], [0.0, 1.0]], z @ [[3.0, 0.0], [1.0, 1.0]]
x, y = x - x.mean(axis=0), y - y.mean(axis=0)
w_x, w_y, rho = cca(x, y, 2, 0.0)
assert np.allclose(rho, 1), "y is a linear map of x, so both correlations are 1"
assert np.shape(w_x) == np.shape(w_y) == (2, 2), "two directions in each view"

# %% nbgrader={"grade_id": "cca-more", "points": 3}
x = z + rng.normal(size=z.shape)
x, y = x - x.mean(axis=0), np.c_[z, rng.normal(size=(200, 3))]
y = y - y.mean(axis=0)
w_x, w_y, rho = cca(x, y, 2, 0.0)
measured = [np.corrcoef(x @ w_x[:, j], y @ w_y[:, j])[0, 1] for j in range(2)]
assert np.allclose(rho, measured), "rho must be the correlations of the two projections"
### BEGIN HIDDEN TESTS
assert np.allclose((x @ w_x).T @ (x @ w_x) / 200, np.eye(2)), "projections have variance 1 and are not correlated"
S = np.block([[x.T @ x, x.T @ y], [y.T @ x, y.T @ y]]) / 200
values = np.linalg.eigvals(np.linalg.solve(S[:2, :2], S[:2, 2:]) @ np.linalg.solve(S[2:, 2:], S[2:, :2]))
assert np.allclose(np.sort(values.real)[::-1], np.asarray(rho) ** 2), "squared correlations are eigenvalues"
few_x, few_y = rng.normal(size=(6, 9)), rng.normal(size=(6, 4))
few_x, few_y = few_x - few_x.mean(axis=0), few_y - few_y.mean(axis=0)
w_x, w_y, rho = cca(few_x, few_y, 3, 0.5)
assert np.all(np.isfinite(w_x)), "fewer pairs than features need the ridge"
assert np.all(np.asarray(rho) < 0.999), "with a ridge of 0.5 no correlation reaches 1"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. The semantic space
#
# <!-- task: 02.semantic_space -->
#
# A picture and a text can also be compared through what they are *about*: a classifier for pictures and one for texts
# say how likely each of c categories (art, biology, sport, ...) is. The vector of these probabilities is a point in a
# *semantic space* that both sides share. For a multinomial logistic regression with weights w and bias b
#
# $$ \pi_j(x) = \frac{\exp(w_j^\top x + b_j)}{\sum_{l=1}^{c} \exp(w_l^\top x + b_l)} $$
#
# The scores of real classifiers can be in the thousands; exp must not overflow.
#
# <!-- help: 02.semantic_space -->


# %% nbgrader={"grade_id": "semantic_space", "solution": true}
def posterior(x, weights, bias):
    """Class probabilities. (n, d), (c, d), (c,) -> (n, c), every row sums to 1."""
    ### BEGIN SOLUTION
    scores = x @ weights.T + bias
    exponent = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponent / exponent.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %%
check("02.semantic_space", posterior)

# %% nbgrader={"grade_id": "semantic_space-basic", "points": 2}
p = posterior(np.array([[0.0, 0.0], [1.0, 0.0]]), np.eye(2), np.zeros(2))
assert np.allclose(p[0], 0.5), "equal scores give equal probabilities"
assert np.allclose(p[1], [np.e / (np.e + 1), 1 / (np.e + 1)]), "scores 1 and 0"

# %% nbgrader={"grade_id": "semantic_space-more", "points": 2}
assert np.allclose(posterior(np.array([[5000.0]]), np.array([[1.0], [0.0]]), np.zeros(2)), [[1, 0]]), "a score of 5000"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(203)
x, weights, bias = rng.normal(size=(4, 3)), rng.normal(size=(5, 3)), rng.normal(size=5)
result = np.asarray(posterior(x, weights, bias))
for i in range(4):
    exponents = [np.exp(sum(weights[j] * x[i]) + bias[j]) for j in range(5)]
    assert np.allclose(result[i], np.array(exponents) / sum(exponents)), "4 random vectors, 5 classes"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Normalised correlation
#
# <!-- task: 02.normalised_correlation -->
#
# How alike are two points of the common space? A long article has large projections, but it is not more alike to every
# picture. The paper compared several similarities and settled on the one that ignores length:
#
# $$ \mathrm{NC}(a, b) = \frac{a^\top b}{|a| \, |b|} $$
#
# Compute it for every row of `a` with every row of `b`. A row of zeros has similarity 0 to everything.
#
# <!-- help: 02.normalised_correlation -->


# %% nbgrader={"grade_id": "normalised_correlation", "solution": true}
def normalised_correlation(a, b):
    """NC of all pairs of rows. (n, d), (m, d) -> (n, m) in -1..1."""
    ### BEGIN SOLUTION
    a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
    b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-12)
    return a @ b.T
    ### END SOLUTION


# %%
check("02.normalised_correlation", normalised_correlation)

# %% nbgrader={"grade_id": "normalised_correlation-basic", "points": 1}
a, b = np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 2.0], [6.0, 8.0]])
assert np.allclose(normalised_correlation(a, b), [[0.6, 0.8, 1.0], [1.0, 0.0, 0.6]]), "two against three vectors"

# %% nbgrader={"grade_id": "normalised_correlation-more", "points": 1}
assert np.allclose(normalised_correlation(np.zeros((1, 2)), b), 0), "a row of zeros"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(204)
a, b = rng.normal(size=(6, 5)) + 1, rng.normal(size=(4, 5)) + 1
result = np.asarray(normalised_correlation(a, b))
assert result.shape == (6, 4), "shape (n, m)"
for i in range(6):
    for j in range(4):
        assert np.isclose(result[i, j], sum(a[i] * b[j]) / (sum(a[i] ** 2) * sum(b[j] ** 2)) ** 0.5), "random vectors"
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Your functions on real data
#
# With the [Wikipedia features](../../datasets/README.md) of the 2010 paper you rebuild its system; without them
# you correlate pictures of emoji (8 x 8 pixels) with the words of their names. Run this when the four tasks are done.

# %%
from xmr_lib.data import load_dataset
from xmr_lib.errors import MissingData


def emoji_views(n_words=300):
    """Thumbnails and bags of words of all emoji: training pairs and unseen pairs."""
    emoji = load_dataset("emoji", styles=("noto",))
    pixels = np.array([np.asarray(image.resize((8, 8)), dtype=float).ravel() for image in emoji.images])
    words, counts = np.unique(" ".join(emoji.captions).split(), return_counts=True)
    words = words[np.argsort(-counts, kind="stable")[:n_words]]
    bags = np.array([[word in caption.split() for word in words] for caption in emoji.captions], dtype=float)
    seen, unseen = emoji.splits["train"], emoji.splits["test"]
    return pixels[seen], bags[seen], pixels[unseen], bags[unseen]


# %%
try:
    wikipedia = load_dataset("wikipedia")
    seen, unseen = wikipedia.split("train"), wikipedia.split("test")
    x, y, x_new, y_new = seen.image, seen.text, unseen.image, unseen.text
    print("Wikipedia:", x.shape, y.shape)
except MissingData:
    x, y, x_new, y_new = emoji_views()
    print("No Wikipedia features here, so: emoji", x.shape, y.shape)
x, x_new = x - x.mean(axis=0), x_new - x.mean(axis=0)
y, y_new = y - y.mean(axis=0), y_new - y.mean(axis=0)


# %%
def median_rank(similarity):
    """Median rank of the right text, ties counted half; divided by the number of texts: chance is 0.5."""
    right = np.diag(similarity)[:, None]
    ranks = (similarity > right).sum(axis=1) + ((similarity == right).sum(axis=1) + 1) / 2
    return np.median(ranks) / len(similarity)


print("ridge   largest correlations   median rank: seen   unseen   (chance .5)")
for ridge in (0.001, 0.01, 0.1, 1.0):
    w_x, w_y, rho = cca(x, y, 7, ridge)
    seen_rank = median_rank(normalised_correlation(x @ w_x, y @ w_y))
    unseen_rank = median_rank(normalised_correlation(x_new @ w_x, y_new @ w_y))
    print(f"{ridge:<7} {rho[:3].round(2)!s:<22} {seen_rank:>17.3f} {unseen_rank:>8.3f}")

# %% [markdown]
# **Question.** The right text ranks better among the pairs the directions were learnt from than among unseen pairs.
# Why, and what does the ridge do about it?
#
# <details><summary>Answer</summary>
#
# With many features and few pairs, CCA finds agreement that is there by chance. A ridge takes this freedom away: seen
# pairs get worse, unseen ones often better, and the two come closer. Which ridge is best must be decided on validation
# pairs. Lesson 02 draws the curve.
#
# </details>
