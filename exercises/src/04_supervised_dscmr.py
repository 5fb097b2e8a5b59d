# %% [markdown]
# # Exercise 04 · The loss of DSCMR, and its slope
#
# DSCMR is three short formulas. You write what stands behind them: the slope of the label regression and what happens
# where its error is zero, the likelihood for pictures with several labels, the slope of the rest by hand, and
# prototypes that move. At the end you train with nothing but your own functions.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 04](../../notebooks/04_supervised_dscmr.ipynb) and numpy, no PyTorch.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. Label regression, and where it is flat
#
# <!-- task: 04.label_regression -->
#
# J1 compares the label scores with the one-hot labels, without a softmax. With $r_i$ = scores of item i minus its
# labels, the released code takes the mean of n norms, and the paper one norm over the whole batch:
#
# $$ J_{\mathrm{sample}} = \frac{1}{n} \sum_{i=1}^{n} |r_i|, \qquad
#    J_{\mathrm{batch}} = \frac{1}{n} \sqrt{\sum_{i=1}^{n} |r_i|^2} $$
#
# They are not the same number, and they do not teach the same: in the first every item pulls equally hard, in the
# second items pull in proportion to their error. Return the value and its slope along the scores, for one side
# (pictures or texts). Where the error is zero the slope is 0, not NaN.
#
# Try it on paper, for the errors (3, 4) and (0, 12). Their lengths are 5 and 12. As a mean of norms J is 8.5 and the
# slope (0.3, 0.4) and (0, 0.5). As one norm it is 13/2 and the slope (3, 4)/26 and (0, 12)/26.
#
# <!-- help: 04.label_regression -->


# %% nbgrader={"grade_id": "label_regression", "solution": true}
def label_regression_slope(scores, labels, form):
    """(n, c), one-hot (n, c), "sample" or "batch" -> value, slope along the scores (n, c)."""
    ### BEGIN SOLUTION
    error = scores - labels
    if form == "sample":
        lengths = np.linalg.norm(error, axis=1, keepdims=True)
        value = lengths.mean()
    else:
        lengths = np.linalg.norm(error)
        value = lengths / len(error)
    return value, error / np.maximum(lengths, 1e-12) / len(error)
    ### END SOLUTION


# %%
check("04.label_regression", label_regression_slope)

# %% nbgrader={"grade_id": "label_regression-basic", "points": 2}
scores, labels = np.array([[4.0, 4.0], [0.0, 13.0]]), np.eye(2)
value, slope = label_regression_slope(scores, labels, "sample")
assert np.isclose(value, 8.5), "the example above: mean of norms"
assert np.allclose(slope, [[0.3, 0.4], [0.0, 0.5]]), "the example above: slope of the mean of norms"
value, slope = label_regression_slope(scores, labels, "batch")
assert np.isclose(value, 6.5), "the example above: one norm"
assert np.allclose(slope, np.array([[3, 4], [0, 12]]) / 26), "the example above: slope of one norm"

# %% nbgrader={"grade_id": "label_regression-more", "points": 2}
assert np.allclose(label_regression_slope(labels, labels, "batch")[1], 0), "no error at all: the slope is 0"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(400)
scores, labels = rng.normal(size=(5, 4)), np.eye(4)[[0, 3, 1, 1, 2]]
for form in ("sample", "batch"):
    value, slope = label_regression_slope(scores, labels, form)
    rows = [np.sqrt(sum(row**2)) for row in scores - labels]
    right = sum(rows) / 5 if form == "sample" else np.sqrt(sum(r**2 for r in rows)) / 5
    assert np.isclose(value, right), f"5 random items, {form}"
    for i in range(5):
        for j in range(4):
            move = np.zeros((5, 4))
            move[i, j] = 1e-5
            up, down = (label_regression_slope(scores + s * move, labels, form)[0] for s in (1, -1))
            assert np.isclose(slope[i, j], (up - down) / 2e-5, atol=1e-7), f"slope measured by moving, {form}"
scores[2] = labels[2]
for form in ("sample", "batch"):
    slope = np.asarray(label_regression_slope(scores, labels, form)[1])
    assert np.all(slope[2] == 0), f"one row without error, {form}"
    assert np.all(np.abs(slope[[0, 1, 3, 4]]).sum(axis=1) > 0.01), f"the other rows pull all the same, {form}"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The likelihood with several labels
#
# <!-- task: 04.multi_label_likelihood -->
#
# J2 asks of every pair "same class?". A photograph shows a dog *and* a cat, so on multi-label data the answer is a
# degree. Take the share of common labels,
#
# $$ S_{ij} = \frac{|\, L_i \cap L_j \,|}{|\, L_i \cup L_j \,|}, \qquad
#    \ell = \frac{1}{n m} \sum_{i=1}^{n} \sum_{j=1}^{m} \left[ \log(1 + \exp(z_{ij})) - S_{ij} \, z_{ij} \right] $$
#
# Two items without any label have nothing in common: S = 0. (Some programs take the plain count of common labels for S.
# Then ℓ has no lower bound: a pair with two common labels lowers the loss for ever by raising z.) The logits z are
# given. They need not be halves of cosines as in the lesson and can be in the thousands; exp must not overflow.
#
# Try it on paper, for one pair with z = ln 3, labels {dog, cat} and {cat}: S = 1/2, and the loss is
# ln 4 - 1/2 · ln 3 = 0.837.
#
# <!-- help: 04.multi_label_likelihood -->


# %% nbgrader={"grade_id": "multi_label_likelihood", "solution": true}
def pair_likelihood(logits, labels_a, labels_b):
    """(n, m), multi-hot bool (n, c), multi-hot bool (m, c) -> float."""
    ### BEGIN SOLUTION
    a, b = labels_a.astype(float), labels_b.astype(float)
    shared = a @ b.T
    either = a.sum(axis=1)[:, None] + b.sum(axis=1) - shared
    similar = shared / np.maximum(either, 1)
    return float(np.mean(np.logaddexp(0, logits) - similar * logits))
    ### END SOLUTION


# %%
check("04.multi_label_likelihood", pair_likelihood)

# %% nbgrader={"grade_id": "multi_label_likelihood-basic", "points": 2}
dog_and_cat, cat = np.array([[True, True, False]]), np.array([[False, True, False]])
loss = pair_likelihood(np.array([[np.log(3)]]), dog_and_cat, cat)
assert np.isclose(loss, np.log(4) - np.log(3) / 2), "the example above"

# %% nbgrader={"grade_id": "multi_label_likelihood-more", "points": 2}
assert np.isclose(pair_likelihood(np.array([[5000.0]]), cat, cat), 0), "z = 5000 and S = 1: nothing to pay"
nothing = np.zeros((1, 3), dtype=bool)
assert np.isclose(pair_likelihood(np.array([[2.0]]), nothing, nothing), np.log(1 + np.exp(2))), "no labels: S = 0"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(401)
for n, m, c, share in ((6, 4, 5, 0.5), (5, 9, 8, 0.3), (7, 7, 3, 0.2)):
    z, a, b = 3 * rng.normal(size=(n, m)), rng.random((n, c)) < share, rng.random((m, c)) < share
    total = 0.0
    for i in range(n):
        for j in range(m):
            left, right = set(np.flatnonzero(a[i])), set(np.flatnonzero(b[j]))
            similar = len(left & right) / max(len(left | right), 1)
            total += np.log(1 + np.exp(z[i, j])) - similar * z[i, j]
    assert np.isclose(pair_likelihood(z, a, b), total / (n * m)), f"{n} and {m} random items, {c} labels"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. The slope of the rest, by hand
#
# <!-- task: 04.image_slope -->
#
# Back to one class per item, $S_{ij} = 1$ where the classes of i and j agree, else 0. The part of the loss in which the
# image embeddings u stand, apart from J1, is
#
# $$ J(u) = \alpha \left[ \ell(u, u) + \ell(u, v) \right] + \frac{\beta}{n} \sum_{i=1}^{n} |u_i - v_i|, \qquad
#    \ell(a, b) = \frac{1}{n^2} \sum_{i,j} \left[ \log(1 + \exp(G_{ij})) - S_{ij} G_{ij} \right], \qquad
#    G_{ij} = \tfrac{1}{2} \cos(a_i, b_j) $$
#
# Return its slope along u. Two pieces are all you need, and the chain rule:
#
# $$ \frac{\partial}{\partial G} \left[ \log(1 + \exp(G)) - S G \right] = \sigma(G) - S, \qquad
#    \frac{\partial \cos(u_i, w)}{\partial u_i} =
#    \frac{1}{|u_i|} \left( \frac{w}{|w|} - \cos(u_i, w) \frac{u_i}{|u_i|} \right) $$
#
# The second says: only the part of w *across* u turns u; longer embeddings turn less. Count in how many places of
# $\ell(u, u)$ one $u_i$ stands. Where $u_i = v_i$ the slope of their distance is 0.
#
# Try it on paper, for one pair u = (2, 0), v = (0, 2), α = 8, β = √2. cos(u, u) is always 1: no slope. cos(u, v) = 0,
# so σ(0) - 1 = -1/2, times 1/2 for G, times (0, 1) / 2: (0, -1/8), times α: (0, -1). The distance gives
# √2 · (2, -2) / √8 = (1, -1). Together (1, -2).
#
# <!-- help: 04.image_slope -->


# %% nbgrader={"grade_id": "image_slope", "solution": true}
def image_slope(u, v, classes, alpha, beta):
    """(n, d), (n, d) row i beside row i, (n,), float, float -> slope of J along u (n, d)."""
    ### BEGIN SOLUTION
    n, length = len(u), np.linalg.norm(u, axis=1, keepdims=True)
    a, b = u / length, v / np.linalg.norm(v, axis=1, keepdims=True)
    same = classes[:, None] == classes
    within, across = ((1 / (1 + np.exp(-a @ other.T / 2)) - same) / (2 * n * n) for other in (a, b))
    pull = 2 * within @ a + across @ b  # within is symmetric: u stands left and right
    turn = (pull - (pull * a).sum(axis=1, keepdims=True) * a) / length
    gap = u - v
    return alpha * turn + beta * gap / np.maximum(np.linalg.norm(gap, axis=1, keepdims=True), 1e-12) / n
    ### END SOLUTION


# %%
check("04.image_slope", image_slope)

# %% nbgrader={"grade_id": "image_slope-basic", "points": 2}
slope = image_slope(np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([3]), 8.0, np.sqrt(2))
assert np.allclose(slope, [[1.0, -2.0]]), "the example above"

# %% nbgrader={"grade_id": "image_slope-more", "points": 4}
u, v = np.array([[1.0, 0.0], [0.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
slope = image_slope(u, v, np.array([0, 1]), 16.0, 0.0)
assert np.allclose(slope, [[0, 3], [1, 0]]), "a right angle, other classes: three pushes, two in l(u, u)"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(402)
u, v, classes = 2 * rng.normal(size=(5, 3)), rng.normal(size=(5, 3)) + 1, np.array([1, 0, 1, 2, 0])


def part_of_loss(u, alpha, beta):
    total = 0.0
    for other in (u, v):
        for i in range(5):
            for j in range(5):
                g = u[i] @ other[j] / np.sqrt((u[i] @ u[i]) * (other[j] @ other[j])) / 2
                total += alpha * (np.log(1 + np.exp(g)) - (classes[i] == classes[j]) * g) / 25
    return total + beta * np.mean([np.sqrt(sum(row**2)) for row in u - v])


for alpha, beta in ((3.0, 0.0), (0.0, 0.7), (2.0, 0.4)):
    slope = image_slope(u, v, classes, alpha, beta)
    for i in range(5):
        for j in range(3):
            move = np.zeros((5, 3))
            move[i, j] = 1e-5
            measured = (part_of_loss(u + move, alpha, beta) - part_of_loss(u - move, alpha, beta)) / 2e-5
            assert np.isclose(slope[i, j], measured, atol=1e-7), f"slope measured, alpha {alpha}, beta {beta}"
u[3] = v[3]
assert np.all(np.isfinite(image_slope(u, v, classes, 1.0, 1.0))), "a picture and its text in one point"
assert np.allclose(image_slope(u, v, classes, 0.0, 1.0)[3], 0), "a picture and its text in one point"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Prototypes that move
#
# <!-- task: 04.prototypes -->
#
# CLIP4CMR compares every embedding with one prototype per class. The prototypes can be fixed, or learnt by gradients;
# a third way needs no gradient: after every batch a prototype moves a little towards the mean of its class,
#
# $$ c_k \leftarrow \frac{\tilde c_k}{|\tilde c_k|}, \qquad
#    \tilde c_k = \mathrm{momentum} \cdot c_k + (1 - \mathrm{momentum}) \cdot
#    \frac{1}{n_k} \sum_{i:\, y_i = k} x_i $$
#
# for every class k that occurs in the batch, $n_k$ times. The embeddings enter as they are. A class that does not occur
# keeps its prototype.
#
# Try it on paper: prototypes (1, 0) and (0, 1), embeddings (0, 2) and (0, 4), both of class 0, momentum 0.75. The mean
# is (0, 3), the mixture (0.75, 0.75), and of length 1 it is (0.71, 0.71). The second prototype stays.
#
# <!-- help: 04.prototypes -->


# %% nbgrader={"grade_id": "prototypes", "solution": true}
def move_prototypes(prototypes, embeddings, classes, momentum):
    """(c, d) of length 1, (n, d), (n,), float -> the prototypes after this batch (c, d)."""
    ### BEGIN SOLUTION
    moved = prototypes.copy()
    for k in np.unique(classes):
        mixed = momentum * prototypes[k] + (1 - momentum) * embeddings[classes == k].mean(axis=0)
        moved[k] = mixed / np.linalg.norm(mixed)
    return moved
    ### END SOLUTION


# %%
check("04.prototypes", move_prototypes)

# %% nbgrader={"grade_id": "prototypes-basic", "points": 1}
moved = move_prototypes(np.eye(2), np.array([[0.0, 2.0], [0.0, 4.0]]), np.array([0, 0]), 0.75)
assert np.allclose(moved, [[0.5**0.5, 0.5**0.5], [0, 1]]), "the example above"

# %% nbgrader={"grade_id": "prototypes-more", "points": 2}
assert np.allclose(move_prototypes(np.eye(2), np.eye(2), np.array([1, 1]), 1.0), np.eye(2)), "momentum 1: all stay"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(403)
for momentum in (0.9, 0.5, 0.0):
    start = rng.normal(size=(5, 3))
    start = start / np.linalg.norm(start, axis=1, keepdims=True)
    x, y = 3 * rng.normal(size=(12, 3)) + 0.5, rng.choice([0, 1, 1, 1, 4], size=12)
    moved = move_prototypes(start, x, y, momentum)
    for k in range(5):
        mixed = start[k]
        if sum(y == k):
            mixed = momentum * start[k] + (1 - momentum) * sum(x[y == k]) / sum(y == k)
        assert np.allclose(moved[k], mixed / np.sqrt(sum(mixed**2))), f"12 random items, momentum {momentum}"
### END HIDDEN TESTS

# %% [markdown]
# ## 5. DSCMR without PyTorch
#
# Now train with your slopes alone, on the [Wikipedia features](../../datasets/README.md) of 2010 if they are here, else
# on pictures of emoji (8 x 8 pixels) with their English names. Each side has one linear layer, the label head P is
# shared, and the loss is the lesson's, $J_1 + \alpha J_2 + \beta J_3$. Your `image_slope` serves the texts as well:
# with u and v exchanged it gives their slope. Run this when the four tasks are done.

# %%
from xmr_lib.course.practice import practice_pairs

seen, unseen = practice_pairs()
seen = seen.subset(np.arange(800))
classes, classes_new = seen.labels.argmax(axis=1), unseen.labels.argmax(axis=1)
print(seen.name, seen.image.shape, seen.text.shape, unseen.image.shape)


# %%
def train(alpha, beta, form="sample", epochs=20, rate=0.1, d=16):
    """Both layers, the label head and the prototypes after some epochs of batches of 80."""
    rng = np.random.default_rng(0)
    n_classes = seen.labels.shape[1]
    w_image, w_text = (rng.normal(size=(f.shape[1], d)) / np.sqrt(f.shape[1]) for f in (seen.image, seen.text))
    head, prototypes = 0.3 * rng.normal(size=(d, n_classes)), np.eye(n_classes, d)  # any start of length 1
    for _ in range(epochs):
        for rows in rng.permutation(len(classes)).reshape(-1, 80):
            u, v, y = seen.image[rows] @ w_image, seen.text[rows] @ w_text, classes[rows]
            one_hot = np.eye(n_classes)[y]
            by_u, by_v = (label_regression_slope(side @ head, one_hot, form)[1] for side in (u, v))
            w_image = w_image - rate * seen.image[rows].T @ (by_u @ head.T + image_slope(u, v, y, alpha, beta))
            w_text = w_text - rate * seen.text[rows].T @ (by_v @ head.T + image_slope(v, u, y, alpha, beta))
            head = head - rate * (u.T @ by_u + v.T @ by_v)
            prototypes = move_prototypes(prototypes, np.concatenate([u, v]), np.concatenate([y, y]), 0.9)
    return w_image, w_text, head, prototypes


# %%
from xmr_lib.methods.base import cosine_similarity
from xmr_lib.metrics import mean_average_precision

relevant = classes_new[:, None] == classes_new
print(f"MAP in %, unseen pairs; chance is about {100 * relevant.mean():.0f}")
print("alpha  beta   image queries  text queries   J2(u, v)   |u - v|   texts right by: head  prototypes")
for alpha, beta in ((0, 0), (0.001, 0), (0, 0.1), (0.001, 0.1), (10, 0), (0, 1)):
    w_image, w_text, head, prototypes = train(alpha, beta)
    u, v = unseen.image @ w_image, unseen.text @ w_text
    cosines = cosine_similarity(u, v)
    scores = [100 * float(mean_average_precision(s, relevant)) for s in (cosines, cosines.T)]
    likelihood = pair_likelihood(cosines / 2, unseen.labels, unseen.labels)
    gap = np.linalg.norm(u - v, axis=1).mean()
    right = [np.mean((v @ by).argmax(axis=1) == classes_new) for by in (head, prototypes.T)]
    print(
        f"{alpha:<6} {beta:<6} {scores[0]:>12.1f} {scores[1]:>13.1f} {likelihood:>10.3f} {gap:>9.2f}"
        f" {right[0]:>20.2f} {right[1]:>11.2f}"
    )

# %% [markdown]
# **Question.** The released code uses α = 0.001 and β = 0.1, the fourth row. Which of the two does the work?
#
# <details><summary>Answer</summary>
#
# β. The rows with α = 0 and α = 0.001 are nearly the same, with and without β: the slope of J2 is a mean over n² pairs
# of numbers below 1/2, and a thousandth of that moves nothing. With α = 10 the term can be seen, and J2 of the unseen
# pairs falls.
#
# </details>
#
# **Question.** With β = 1 a picture and its text lie closest together. Why is the MAP not the best?
#
# <details><summary>Answer</summary>
#
# J3 is small as well when everything lies near one point. It says nothing about the pairs of other classes, which must
# stay away for a ranking to be good. A loss term that falls is not yet a better ranking: measure both.
#
# </details>
