# %% [markdown]
# # Exercise 05 · Who listens to whom
#
# A graph lets an item borrow from its neighbours, and a discriminator tells what was generated from what is real. Both
# are a few lines, and both have a trap: graphs leak, and generators stop learning. You build the graph, walk on it, let
# new items in without a leak, and write the losses of the two players so that they survive any logit.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 05](../../notebooks/05_generative_and_graph.ipynb) and numpy, no PyTorch.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. A graph of neighbours
#
# <!-- task: 05.neighbour_graph -->
#
# Join every item with the k others that have the largest cosine with it. "Others" is meant: an item is not its own
# neighbour, not even where several items point the same way. An edge has no direction, so
#
# $$ A_{ij} = 1 \ \text{ if } j \text{ is among the } k \text{ nearest of } i, \text{ or } i \text{ among those of } j,
#    \qquad \text{else } 0 $$
#
# Three details decide whether two programs build the same graph. Cosines that agree to nine digits are ties
# (`np.round(cosines, 9)`), because rounding noise must not choose neighbours. Of tied items the one with the smaller
# number is nearer. And a row of zeros has cosine 0 with everything.
#
# Try it on paper, for (1, 0), (2, 0), (0, 1), (0, 3), (1, 1) and k = 1. The first two choose each other, so do the
# third and the fourth. The fifth is as near to all of them and takes number 0, which thereby has two neighbours.
#
# <!-- help: 05.neighbour_graph -->


# %% nbgrader={"grade_id": "neighbour_graph", "solution": true}
def neighbour_graph(x, k):
    """(n, d), int -> A (n, n) of 0 and 1, symmetric, zeros on the diagonal."""
    ### BEGIN SOLUTION
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    cosines = np.round(unit @ unit.T, 9)
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    chosen = np.zeros(cosines.shape)
    np.put_along_axis(chosen, nearest, 1, axis=1)
    return np.maximum(chosen, chosen.T)
    ### END SOLUTION


# %%
check("05.neighbour_graph", neighbour_graph)

# %% nbgrader={"grade_id": "neighbour_graph-basic", "points": 2}
arrows = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [1.0, 1.0]])
edges = np.zeros((5, 5))
for i, j in ((0, 1), (2, 3), (0, 4)):
    edges[i, j] = edges[j, i] = 1
assert np.array_equal(neighbour_graph(arrows, 1), edges), "the example above"

# %% nbgrader={"grade_id": "neighbour_graph-more", "points": 2}
assert np.array_equal(neighbour_graph(np.zeros((3, 2)), 2), 1 - np.eye(3)), "k = 2 of two others: everybody"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(500)
for n, k in ((12, 3), (12, 1), (20, 6), (15, 4)):
    x = np.round(rng.normal(size=(n, 3)) + 0.4, 1) * rng.integers(1, 4, (n, 1))
    x[5], x[2], x[n - 1] = 2 * x[1], 0, 3 * x[1]
    wanted = np.zeros((n, n))
    for i in range(n):
        cosine = [x[i] @ x[j] / max(np.sqrt((x[i] @ x[i]) * (x[j] @ x[j])), 1e-12) for j in range(n)]
        order = sorted((j for j in range(n) if j != i), key=lambda j: (-round(cosine[j], 9), j))
        for j in order[:k]:
            wanted[i, j] = wanted[j, i] = 1
    assert np.array_equal(neighbour_graph(x, k), wanted), f"{n} random rows with ties, k = {k}"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Walking on it
#
# <!-- task: 05.propagation -->
#
# The lesson normalises by both degrees, $D^{-1/2} (A + I) D^{-1/2}$, and learns weights in between. Here nothing is
# learnt: at every step a node takes the *mean* of its neighbours, and a restart reminds it of its own features, so that
# many steps do not make all nodes alike (the idea of APPNP, Gasteiger et al., 2019). With $D_{ii} = \sum_j A_{ij}$,
#
# $$ H^{(0)} = X, \qquad H^{(t+1)} = (1 - r) \, P H^{(t)} + r X, \qquad P = D^{-1} A $$
#
# There are no loops. Edges have weights, 0 or more. A node without any edge hears itself: $P_{ii} = 1$.
#
# Try it on paper: nodes 0 and 1 are joined, node 2 is alone, x = (0, 4, 5), restart 0.5. After one step they have
# (2, 2, 5), after two (1, 3, 5).
#
# <!-- help: 05.propagation -->


# %% nbgrader={"grade_id": "propagation", "solution": true}
def propagate(adjacency, x, steps, restart):
    """(n, n) weights, (n, d), int, float in 0..1 -> features after the steps (n, d)."""
    ### BEGIN SOLUTION
    degree = adjacency.sum(axis=1)
    mean = adjacency / np.where(degree > 0, degree, 1)[:, None] + np.diag(degree == 0)
    state = x
    for _ in range(steps):
        state = (1 - restart) * mean @ state + restart * x
    return state
    ### END SOLUTION


# %%
check("05.propagation", propagate)

# %% nbgrader={"grade_id": "propagation-basic", "points": 2}
pair_and_one = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
x = np.array([[0.0], [4.0], [5.0]])
assert np.allclose(propagate(pair_and_one, x, 1, 0.5), [[2], [2], [5]]), "the example above, one step"
assert np.allclose(propagate(pair_and_one, x, 2, 0.5), [[1], [3], [5]]), "the example above, two steps"

# %% nbgrader={"grade_id": "propagation-more", "points": 2}
weights = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
assert np.allclose(propagate(weights, x, 1, 0.0), [[4.75], [0], [0]]), "a mean by weights: (1 · 4 + 3 · 5) / 4"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(501)
for steps, restart in ((0, 0.3), (1, 0.0), (3, 0.25), (5, 0.1)):
    A = rng.random((8, 8)) * (rng.random((8, 8)) < 0.4)
    A = np.triu(A, 1) + np.triu(A, 1).T
    A[3] = A[:, 3] = 0
    x = rng.normal(size=(8, 2))
    state = [list(row) for row in x]
    for _ in range(steps):
        after = []
        for i in range(8):
            heard = [
                sum(A[i, j] * state[j][c] for j in range(8)) / sum(A[i]) if sum(A[i]) else state[i][c] for c in (0, 1)
            ]
            after.append([(1 - restart) * heard[c] + restart * x[i, c] for c in (0, 1)])
        state = after
    assert np.allclose(propagate(A, x, steps, restart), state), f"8 random nodes, {steps} steps, restart {restart}"
assert np.allclose(propagate(A, np.ones((8, 1)), 4, 0.2), 1), "constant features stay constant"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. New items, without a leak
#
# <!-- task: 05.inductive_rows -->
#
# A query arrives. Put it into the graph, normalise as in the lesson, and it works. But if new items may see each other,
# or raise the degrees of training items, the result of one query depends on which other queries came with it, and a
# test score is not what a user gets. So a new item sees training items and itself, and nothing else changes:
#
# - the degree of *every* item counts its loop and its edges to **training** items:
#   $d_i = 1 + \sum_{j \text{ in training}} A_{ij}$,
# - row i of a new item has $A_{ij} / \sqrt{d_i \, d_j}$ for training items j, $1 / d_i$ for itself, 0 for other new
#   items.
#
# `adjacency` is the graph of everything, the first `n_train` rows and columns are the training items, and edges between
# new items may be in it. Return the rows of the new items, with all n columns.
#
# Try it on paper: training items 0 and 1, new items 2 and 3, edges 0–1 of weight 1, 0–2 of weight 3, 2–3 of weight 2.
# The degrees are 2, 2, 4 and 1. The row of item 2 is (3/√8, 0, 1/4, 0), that of item 3, which knows no training item,
# (0, 0, 0, 1).
#
# <!-- help: 05.inductive_rows -->


# %% nbgrader={"grade_id": "inductive_rows", "solution": true}
def inductive_rows(adjacency, n_train):
    """(n, n) weights with zeros on the diagonal, int -> normalised rows of the new items (n - n_train, n)."""
    ### BEGIN SOLUTION
    degree = 1 + adjacency[:, :n_train].sum(axis=1)
    old, new = degree[:n_train], degree[n_train:]
    edges = adjacency[n_train:, :n_train] / np.sqrt(np.outer(new, old))
    return np.concatenate([edges, np.diag(1 / new)], axis=1)
    ### END SOLUTION


# %%
check("05.inductive_rows", inductive_rows)

# %% nbgrader={"grade_id": "inductive_rows-basic", "points": 2}
four = np.array([[0.0, 1.0, 3.0, 0.0], [1.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 2.0], [0.0, 0.0, 2.0, 0.0]])
rows = inductive_rows(four, 2)
assert np.allclose(rows, [[3 / 8**0.5, 0, 1 / 4, 0], [0, 0, 0, 1]]), "the example above"

# %% nbgrader={"grade_id": "inductive_rows-more", "points": 3}
alone = inductive_rows(four[:3, :3], 2)
assert np.allclose(alone[0], rows[0, :3]), "item 2 alone gets the same row as in company"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(502)
for n, b in ((6, 3), (4, 5), (9, 1)):
    A = rng.random((n + b, n + b)) * 2
    A = np.triu(A, 1) + np.triu(A, 1).T
    got = np.asarray(inductive_rows(A, n))
    assert got.shape == (b, n + b), "shape (n - n_train, n)"
    degree = [1 + sum(A[i, j] for j in range(n)) for i in range(n + b)]
    for i in range(b):
        for j in range(n + b):
            right = A[n + i, j] / np.sqrt(degree[n + i] * degree[j]) if j < n else (j == n + i) / degree[n + i]
            assert np.isclose(got[i, j], right), f"{n} training and {b} new items"
    order = rng.permutation(b)
    mixed = np.concatenate([np.arange(n), n + order])
    again = np.asarray(inductive_rows(A[np.ix_(mixed, mixed)], n))
    assert np.allclose(again[:, :n], got[order, :n]), "the order of the new items makes no difference"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Two players, in logits
#
# <!-- task: 05.gan_losses -->
#
# CM-GANs play four such games. The discriminator gives a logit z, with $D = \sigma(z) = 1 / (1 + \exp(-z))$ the chance
# that what it sees is real. It is easily too sure of itself, so its target for real items is softened to 1 - s (only
# for the real ones: one-sided label smoothing, Salimans et al., 2016):
#
# $$ L_D = \frac{1}{n} \sum_{\text{real}} \left[ -(1 - s) \log \sigma(z) - s \log(1 - \sigma(z)) \right]
#    + \frac{1}{m} \sum_{\text{fake}} \left[ -\log(1 - \sigma(z)) \right], \qquad
#    L_G = \frac{1}{m} \sum_{\text{fake}} \left[ -\log \sigma(z) \right] $$
#
# The generator could also go down $\log(1 - \sigma(z))$, which looks like the same wish. Look at the slopes before you
# believe it: part 5 prints both. Return both losses and the slope of $L_G$ along the m logits of the fakes. Logits of
# 3000 must give the right number, not infinity.
#
# Try it on paper, for the real logit 0, the fake logit ln 3 and s = 0.1. The real one costs ln 2 whatever s is. For the
# fake D = 3/4: it costs the discriminator ln 4, the generator ln(4/3), and the slope is -1/4.
#
# <!-- help: 05.gan_losses -->


# %% nbgrader={"grade_id": "gan_losses", "solution": true}
def gan_losses(real, fake, smoothing):
    """Logits (n,), logits (m,), float -> L_D, L_G, slope of L_G along fake (m,)."""
    ### BEGIN SOLUTION
    of_real = (1 - smoothing) * np.logaddexp(0, -real) + smoothing * np.logaddexp(0, real)
    d_loss = of_real.mean() + np.logaddexp(0, fake).mean()
    slope = -np.exp(-np.logaddexp(0, fake)) / len(fake)
    return d_loss, np.logaddexp(0, -fake).mean(), slope
    ### END SOLUTION


# %%
check("05.gan_losses", gan_losses)

# %% nbgrader={"grade_id": "gan_losses-basic", "points": 2}
d_loss, g_loss, slope = gan_losses(np.zeros(1), np.array([np.log(3)]), 0.1)
assert np.isclose(d_loss, np.log(2) + np.log(4)), "the example above: discriminator"
assert np.isclose(g_loss, np.log(4 / 3)), "the example above: generator"
assert np.allclose(slope, [-0.25]), "the example above: slope"

# %% nbgrader={"grade_id": "gan_losses-more", "points": 3}
d_loss, g_loss, slope = gan_losses(np.array([3000.0]), np.array([-3000.0, 3000.0]), 0.0)
assert np.allclose([d_loss, g_loss], [1500, 1500]), "logits of 3000: one of two fakes is believed"
assert np.allclose(slope, [-0.5, 0]), "a fake that nobody believes gets the full slope"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(503)
for n, m, s in ((6, 4, 0.0), (3, 8, 0.1), (5, 5, 0.3)):
    real, fake = rng.normal(size=n) + 1, rng.normal(size=m)
    d_loss, g_loss, slope = gan_losses(real, fake, s)
    believed, fooled = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    right = np.mean(-(1 - s) * np.log(believed) - s * np.log(1 - believed)) + np.mean(-np.log(1 - fooled))
    assert np.isclose(d_loss, right), f"{n} real, {m} fake, smoothing {s}: discriminator"
    assert np.isclose(g_loss, np.mean(-np.log(fooled))), f"{n} real, {m} fake: generator"
    for j in range(m):
        move = 1e-5 * (np.arange(m) == j)
        measured = (gan_losses(real, fake + move, s)[1] - gan_losses(real, fake - move, s)[1]) / 2e-5
        assert np.isclose(slope[j], measured, atol=1e-7), "slope measured by moving a little"
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Your functions on real data
#
# What does the graph add? The classifiers of SM (lesson 02), once on the features as they are and once on features that
# were mixed with those of ten neighbours, true or random. The data are the
# [Wikipedia features](../../datasets/README.md) of 2010 if they are here, else pictures of emoji (8 x 8 pixels) with
# their English names. Run this when the four tasks are done.

# %%
from xmr_lib.course.practice import practice_pairs
from xmr_lib.methods.base import cosine_similarity

seen, unseen = practice_pairs()
seen = seen.subset(np.arange(800))
print(seen.name, seen.image.shape, seen.text.shape, unseen.image.shape)


# %%
def joined(old, new, k, shuffled=False):
    """Graph of old rows, then new ones: k neighbours each; no old row knows a new one when it chooses."""
    chosen_by = np.random.default_rng(0).permutation(old) if shuffled else old  # shuffled: edges of strangers
    n, b = len(old), len(new)
    graph = np.zeros((n + b, n + b))
    graph[:n, :n], graph[n:, n:] = neighbour_graph(chosen_by, k), neighbour_graph(new, min(k, b - 1))
    nearest = np.argsort(-cosine_similarity(new, chosen_by), axis=1, kind="stable")[:, :k]
    np.put_along_axis(graph[n:, :n], nearest, 1, axis=1)
    graph[:n, n:] = graph[n:, :n].T
    return graph


def symmetric(graph):
    """The lesson's normalised adjacency: all nodes alike, as if nobody were new."""
    loops = graph + np.eye(len(graph))
    scale = loops.sum(axis=1) ** -0.5
    return scale[:, None] * loops * scale


def mixed(old, new, k, shuffled=False):
    """Both features after one convolution without weights; new rows see old rows only."""
    graph, n = joined(old, new, k, shuffled), len(old)
    return symmetric(graph[:n, :n]) @ old, inductive_rows(graph, n) @ np.concatenate([old, new])


# %%
from dataclasses import replace

from xmr_lib.methods.subspace import SM
from xmr_lib.metrics import mean_average_precision

relevant = unseen.labels.astype(int) @ unseen.labels.T.astype(int) > 0
print(f"MAP in %, unseen pairs; chance is about {100 * relevant.mean():.0f}")
print("neighbours    image queries   text queries")
for name, k, shuffled in (("none", 0, False), ("true", 10, False), ("random", 10, True)):
    image, text = mixed(seen.image, unseen.image, k, shuffled), mixed(seen.text, unseen.text, k, shuffled)
    similarity = SM().fit(replace(seen, image=image[0], text=text[0])).similarity(image[1], text[1])
    i2t, t2i = (100 * float(mean_average_precision(s, relevant)) for s in (similarity, similarity.T))
    print(f"{name:<13} {i2t:>13.1f} {t2i:>14.1f}")

# %% [markdown]
# **Question.** Random neighbours are a graph too, with as many edges. What does the third row say about the second?
#
# <details><summary>Answer</summary>
#
# That mixing itself costs: averaging with strangers washes out what an item shows. What the second row has beyond the
# third is the *choice* of the neighbours. Whether it also beats the first row depends on how often neighbours are of
# the same class; a graph is as good as the features that chose its edges. And note how little of itself an item keeps
# here, 1/degree: a network that should gain from a graph gets the item's own features beside the mixed ones.
#
# </details>
#
# Now the leak. One new picture is put into the graph alone, then in the company of all others, with your rows and with
# the symmetric normalisation of the whole graph.

# %%
n, new = len(seen.image), unseen.image
for name, rows in (("your rows", lambda g: inductive_rows(g, n)), ("whole graph", lambda g: symmetric(g)[n:])):
    alone, company = (
        rows(joined(seen.image, guests, 10))[0] @ np.concatenate([seen.image, guests]) for guests in (new[:1], new)
    )
    print(f"{name:<12} moves by {np.linalg.norm(alone - company) / np.linalg.norm(company):.1%} in company")

# %% [markdown]
# **Question.** Who would notice the leak?
#
# <details><summary>Answer</summary>
#
# Nobody who looks only at a score on test items that were all put in at once. But a user asks for one picture at a time
# and gets other features than those that were scored. The proof is the test you just made: alone and in company, in any
# order, an item must get the same result.
#
# </details>
#
# At last the two wishes of a generator, for a fake that the discriminator is more and more sure of.

# %%
print("logit of the fake   slope of -log D   slope of log(1 - D)")
for z in (2.0, 0.0, -2.0, -5.0, -10.0):
    believed = 1 + gan_losses(np.zeros(1), np.array([z]), 0.0)[2][0]  # -slope of -log D is 1 - D
    print(f"{z:>17.0f} {believed - 1:>17.5f} {-believed:>21.5f}")

# %% [markdown]
# **Question.** Both wish that D rises. Why do most programs take the first?
#
# <details><summary>Answer</summary>
#
# Read the last rows. When the discriminator is sure of a fake, log(1 - D) is flat: the generator gets no slope exactly
# when it is bad. -log D has its full slope there and flattens when the fake is good.
#
# </details>
