# %% [markdown]
# # Exercise 10 · Who says that two things are alike?
#
# Somebody has to. Labels can, in three ways that do not agree; neighbours can, near and far ones, when there are no
# labels; and a second network can at least say what good codes look like as a crowd. You write all three voices, and
# at the end they meet on pairs with several labels each.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 10](../../notebooks/10_hashing_adversarial_unsupervised.ipynb) and numpy, no
# PyTorch.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. Three answers to one question
#
# <!-- task: 10.label_targets -->
#
# Two items with several labels each: are they similar? With $n_{ij}$ the number of labels they share and $n_i$, $n_j$
# how many they have, the three answers in use are
#
# $$ \text{shared}_{ij} = [\, n_{ij} > 0 \,], \qquad
#    \text{strict}_{ij} = [\, n_{ij} / \sqrt{n_i n_j} \ge \lambda \,], \qquad
#    \text{graded}_{ij} = 2 \sigma(n_{ij}) - 1 $$
#
# DCMH, SSAH and DCHMT ask the first, Bi-CMR the second, HMAH the third. The first can call half of all pairs similar;
# Bi-CMR's λ is .4 on one data set and .7 on another. So let the data choose: λ is the **smallest** cosine above 0 that
# occurs among these pairs and that at most a `share` of all pairs reaches. If even the largest cosine is reached by
# too many, take that one; if no pair shares a label, λ is 1.
#
# A row without a label has cosine 0 with all. And $1/\sqrt{2 \cdot 2}$, $1/\sqrt{1 \cdot 4}$ are the same cosine:
# cosines that agree to 9 digits may not end up on two sides of λ. Return the three as 0 and 1 or floats, and λ.
#
# Try it on paper: an image with labels {0, 1}; texts with {0, 1}, {0, 2}, {0, 1, 2, 3} and {3}. They share 2, 1, 2, 0
# labels, the cosines are 1, 1/2, 1/√2, 0. With share 1/2, λ = 1/2 is reached by three of four, too many; 1/√2 by two.
# So shared is 1, 1, 1, 0, strict is 1, 0, 1, 0, graded 0.762, 0.462, 0.762, 0.
#
# <!-- help: 10.label_targets -->


# %% nbgrader={"grade_id": "label_targets", "solution": true}
def label_targets(a, b, share):
    """(n, C) bool, (m, C) bool, share of the pairs -> shared, strict, graded, each (n, m), and the threshold."""
    ### BEGIN SOLUTION
    counts = a.astype(float) @ b.T.astype(float)
    sizes = np.outer(a.sum(axis=1), b.sum(axis=1))
    cosines = np.round(counts / np.sqrt(np.maximum(sizes, 1)), 9)
    threshold = 1.0
    for threshold in np.unique(cosines[cosines > 0]):
        if (cosines >= threshold).mean() <= share:
            break
    return 1.0 * (counts > 0), 1.0 * (cosines >= threshold), 2 / (1 + np.exp(-counts)) - 1, threshold
    ### END SOLUTION


# %%
check("10.label_targets", label_targets)

# %% nbgrader={"grade_id": "label_targets-basic", "points": 2}
image = np.array([[1, 1, 0, 0]], dtype=bool)
texts = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1]], dtype=bool)
shared, strict, graded, threshold = label_targets(image, texts, 0.5)
assert np.array_equal(shared, [[1, 1, 1, 0]]), "shared, in the example above"
assert np.array_equal(strict, [[1, 0, 1, 0]]), "strict, in the example above"
assert np.allclose(graded, [np.tanh([1, 0.5, 1, 0])]), "graded, in the example above"
assert np.isclose(threshold, np.sqrt(0.5)), "threshold of the example above"

# %% nbgrader={"grade_id": "label_targets-more", "points": 3}
*targets, threshold = label_targets(image, np.zeros((2, 4), dtype=bool), 0.5)
assert np.array_equal(targets, np.zeros((3, 1, 2))), "two texts without a label"
assert threshold == 1, "two texts without a label"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1000)
for n, m, classes, share in ((5, 7, 4, 0.3), (12, 15, 8, 0.15), (4, 4, 6, 0.5), (6, 9, 3, 0.0), (8, 8, 9, 1.0)):
    a, b = rng.random((n, classes)) < 0.4, rng.random((m, classes)) < 0.5
    a[1] = False
    both = [[int((x & y).sum()) for y in b] for x in a]
    squares = [[both[i][j] ** 2 / max(a[i].sum() * b[j].sum(), 1) for j in range(m)] for i in range(n)]
    found = sorted({round(x, 9) for row in squares for x in row if x > 0})
    reach = [sum(x > at - 1e-8 for row in squares for x in row) / (n * m) for at in found]
    lowest = next((at for at, part in zip(found, reach, strict=True) if part <= share), found[-1])
    shared, strict, graded, threshold = label_targets(a, b, share)
    assert np.array_equal(shared, np.array(both) > 0), f"shared, {n} images, {m} texts"
    assert np.allclose(graded, np.tanh(np.array(both) / 2)), f"graded, {n} images, {m} texts"
    assert np.isclose(threshold, np.sqrt(lowest)), f"threshold, share {share}"
    assert np.array_equal(strict, np.array(squares) > lowest - 1e-8), f"strict, share {share}"
sets = np.tri(8, dtype=bool)[[0, 1, 3, 7, 2]]  # of 1, 2, 4, 8 and 3 labels
others = np.roll(sets, 1, axis=1)
squares = (sets.astype(int) @ others.T) ** 2 / np.outer(sets.sum(axis=1), others.sum(axis=1))
for share in (0.6, 0.52, 0.3):
    strict, threshold = label_targets(sets, others, share)[1::2]
    assert np.array_equal(strict, squares > threshold**2 - 1e-8), "cosines that are equal on paper stay together"
whole = label_targets(np.eye(4, dtype=bool), np.eye(4, dtype=bool), 0.25)
assert np.array_equal(whole[1], np.eye(4)), "exactly the share"
half = label_targets(image, texts, 0.75)
assert np.array_equal(half[1], [[1, 1, 1, 0]]), "exactly the share"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. One bit, without a label
#
# <!-- task: 10.discrete_bit -->
#
# UDCMH knows nothing but the pairs. One code matrix $B \in \{-1, +1\}^{n \times K}$ must explain the features $F_m$ of
# all modalities, and the codes of neighbours must agree. With a graph $A$, positive between near items and negative
# between far ones, not necessarily symmetric:
#
# $$ J(B) = \sum_m w_m \, \| F_m - B U_m \|_F^2 - \beta \sum_{i \ne j} A_{ij} \, b_i^\top b_j $$
#
# No bit is ever relaxed to a real number. Visit the items 0, 1, ..., n - 1 in this order, and set bit k of each to the
# sign that makes J smaller while *everything else stands still*, the flips before it included; where both signs cost
# the same the bit stays. The diagonal of A may hold anything: the square of a bit is 1, so no item is its own
# neighbour. Return bit k of all items, and J before the first and after every visit: n + 1 numbers that never rise.
#
# Try it on paper: two items of one bit, codes -1 and 1, F = (1, -2), U = 1, β = 1, one edge of 3/2 from the first to
# the second. J is (1 + 1)² + (-2 - 1)² + 3/2 = 14.5. The first item: its feature wants +1, and so does its neighbour;
# J = 0 + 9 - 3/2 = 7.5. The second: its feature pulls to -1 with 2 · 2, its neighbour to +1 with 3/2. It flips, and J
# is 0 + 1 + 3/2 = 2.5.
#
# <!-- help: 10.discrete_bit -->


# %% nbgrader={"grade_id": "discrete_bit", "solution": true}
def discrete_bit(k, codes, views, bases, weights, graph, beta):
    """int, (n, K), F_m (n, d_m), U_m (K, d_m), w (m,), A (n, n), float -> bit k (n,), J on the way (n + 1,)."""

    ### BEGIN SOLUTION
    def objective():
        errors = (((view - b @ basis) ** 2).sum() for view, basis in zip(views, bases, strict=True))
        return sum(w * error for w, error in zip(weights, errors, strict=True)) - beta * (edges * (b @ b.T)).sum()

    b, edges = codes.astype(float), graph - np.diag(np.diag(graph))
    both, trail = edges + edges.T, [objective()]
    for i in range(len(b)):
        rest = np.where(np.arange(b.shape[1]) == k, 0, b[i])
        wishes = [2 * (view[i] - rest @ basis) @ basis[k] for view, basis in zip(views, bases, strict=True)]
        gain = weights @ wishes + beta * both[i] @ b[:, k]
        if gain != 0:
            b[i, k] = np.sign(gain)
        trail.append(objective())
    return b[:, k], np.array(trail)
    ### END SOLUTION


# %%
check("10.discrete_bit", discrete_bit)

# %% nbgrader={"grade_id": "discrete_bit-basic", "points": 2}
codes, edge = np.array([[-1.0], [1.0]]), np.array([[0.0, 1.5], [0.0, 0.0]])
bit, trail = discrete_bit(0, codes, (np.array([[1.0], [-2.0]]),), (np.ones((1, 1)),), np.ones(1), edge, 1.0)
assert np.array_equal(bit, [1, -1]), "the example above"
assert np.allclose(trail, [14.5, 7.5, 2.5]), "J of the example above"

# %% nbgrader={"grade_id": "discrete_bit-more", "points": 4}
silent = np.zeros((2, 1)), np.zeros((1, 1))
bit, _ = discrete_bit(0, codes, silent[:1], silent[1:], np.ones(1), 9 * np.eye(2), 1.0)
assert np.array_equal(bit, [-1, 1]), "nothing is known of either item: the bits stay"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1001)


def cost(b, views, bases, weights, graph, beta):
    """J in loops over items and pairs."""
    errors = sum(
        w * sum(((f - x @ U) ** 2).sum() for f, x in zip(F, b, strict=True))
        for w, F, U in zip(weights, views, bases, strict=True)
    )
    return errors - beta * sum(graph[i, j] * (b[i] @ b[j]) for i in range(len(b)) for j in range(len(b)) if i != j)


for n, bits, k, beta in ((6, 3, 0, 0.0), (9, 4, 3, 0.6), (8, 5, 2, 0.3), (7, 2, 1, 1.5)):
    start = np.where(rng.random((n, bits)) < 0.5, 1.0, -1.0)
    views = rng.normal(size=(n, 5)), 2 * rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    bases = 0.6 * rng.normal(size=(bits, 5)), 0.6 * rng.normal(size=(bits, 3)), rng.normal(size=(bits, 2))
    weights, graph = np.array([0.5, 0.2, 0.9]), np.round(rng.normal(size=(n, n)), 1) * (rng.random((n, n)) < 0.6)
    graph[-1], graph[:, -1] = 0, 0
    views = tuple(np.where(np.arange(n)[:, None] == n - 1, 0, view) for view in views)
    if n == 6:
        bases = tuple(np.where(np.arange(bits)[:, None] == k, 0, basis) for basis in bases)
    given = views, bases, weights, graph, beta
    wanted, falls = start.copy(), [cost(start, *given)]
    for i in range(n):
        other = wanted.copy()
        other[i, k] = -other[i, k]
        if cost(other, *given) < falls[-1] - 1e-9:
            wanted = other
        falls.append(cost(wanted, *given))
    bit, trail = discrete_bit(k, start, *given)
    assert np.array_equal(bit, wanted[:, k]), f"{n} items, bit {k} of {bits}, beta {beta}"
    assert np.shape(trail) == (n + 1,), "J before the first and after every visit"
    assert np.allclose(trail, falls), f"J on the way, beta {beta}"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A judge for the crowd
#
# <!-- task: 10.code_game -->
#
# HMAH's teacher plays a game: its codes, as a crowd, should look like draws from a normal distribution, spread over all
# directions. A judge scores rows, $D(x) = v^\top \mathrm{relu}(W x + c)$, and wants 1 for draws, 0 for codes; the
# teacher wants 1 for its codes. Both pay squares:
#
# $$ J_D = \frac{1}{r} \sum_{j=1}^{r} (D(z_j) - 1)^2 + \frac{1}{n} \sum_{i=1}^{n} D(h_i)^2, \qquad
#    J_T = \frac{1}{n} \sum_{i=1}^{n} (D(h_i) - 1)^2 $$
#
# Return both losses and, by hand, what each player moves along: the slope of $J_D$ along v, and the slope of $J_T$
# along every code. Each moves for its own loss only. In the released code of SSAH, which plays a similar game, the
# codes reach the judge as constants, so the teacher's slope is 0, and the judge takes part in the teacher's step: it
# learns to be fooled. A unit whose sum is exactly 0 is silent.
#
# Try it on paper: one code -1/2, one draw 1, two units W = (1, -1), c = 0, v = (1/2, 1). The draw opens unit 0, and D
# is 1/2; the code opens unit 1, and D is 1/2. So $J_D$ = 1/4 + 1/4 and $J_T$ = 1/4. Along v: 2 (1/2 - 1) · 1 = -1 from
# the draw, and 2 · 1/2 · 1/2 = 1/2 from the code. Along the code: 2 (1/2 - 1) · 1 · (-1) = 1.
#
# <!-- help: 10.code_game -->


# %% nbgrader={"grade_id": "code_game", "solution": true}
def code_game(h, prior, W, c, v):
    """Codes (n, K), draws (r, K), judge (u, K), (u,), (u,) -> J_D, J_T, slope of J_D along v, of J_T along h."""

    ### BEGIN SOLUTION
    def D(x):
        units = np.maximum(x @ W.T + c, 0)
        return units @ v, units

    (real, units_real), (made, units_made) = D(prior), D(h)
    judge, teacher = np.mean((real - 1) ** 2) + np.mean(made**2), np.mean((made - 1) ** 2)
    slope_v = 2 * (real - 1) @ units_real / len(prior) + 2 * made @ units_made / len(h)
    along = 2 * (made - 1) / len(h)
    return judge, teacher, slope_v, (along[:, None] * v * (units_made > 0)) @ W
    ### END SOLUTION


# %%
check("10.code_game", code_game)

# %% nbgrader={"grade_id": "code_game-basic", "points": 2}
small = np.array([[-0.5]]), np.array([[1.0]]), np.array([[1.0], [-1.0]]), np.zeros(2), np.array([0.5, 1.0])
judge, teacher, slope_v, slope_h = code_game(*small)
assert np.allclose([judge, teacher], [0.5, 0.25]), "losses of the example above"
assert np.allclose(slope_v, [-1, 0.5]), "slope along v of the example above"
assert np.allclose(slope_h, [[1]]), "slope along the code of the example above"

# %% nbgrader={"grade_id": "code_game-more", "points": 3}
judge, teacher, slope_v, slope_h = code_game(np.zeros((2, 1)), *small[1:])
assert np.isclose(judge, 0.25), "two codes of zeros: no unit is open, D is 0"
assert np.array_equal(slope_h, [[0], [0]]), "no unit is open, so the codes feel nothing"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1002)
for n, r, bits, units in ((3, 5, 4, 6), (6, 2, 3, 5), (4, 4, 2, 8)):
    h, prior = np.tanh(2 * rng.normal(size=(n, bits))), rng.normal(size=(r, bits))
    W, c, v = rng.normal(size=(units, bits)), rng.normal(size=units), rng.normal(size=units)

    def scored(rows, v, W=W, c=c):
        return np.array([sum(a * max(w @ x + b, 0) for a, w, b in zip(v, W, c, strict=True)) for x in rows])

    def losses(h, v, prior=prior, scored=scored):
        return np.mean((scored(prior, v) - 1) ** 2) + np.mean(scored(h, v) ** 2), np.mean((scored(h, v) - 1) ** 2)

    judge, teacher, slope_v, slope_h = code_game(h, prior, W, c, v)
    assert np.allclose([judge, teacher], losses(h, v)), f"{n} codes, {r} draws"
    for u in range(units):
        step = 1e-6 * (np.arange(units) == u)
        measured = (losses(h, v + step)[0] - losses(h, v - step)[0]) / 2e-6
        assert np.isclose(np.asarray(slope_v)[u], measured, atol=1e-6), "slope of the judge, measured"
    for place in np.ndindex(n, bits):
        step = np.zeros((n, bits))
        step[place] = 1e-6
        measured = (losses(h + step, v)[1] - losses(h - step, v)[1]) / 2e-6
        assert np.isclose(np.asarray(slope_h)[place], measured, atol=1e-6), "slope of the teacher, measured"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Labels, neighbours, a judge
#
# 240 pairs made from 12 labels, several per pair (the data set `generated`, which needs no file): 140 to learn from,
# 100 queries. Run this when the three tasks are done.

# %%
from xmr_lib.data import load_dataset
from xmr_lib.metrics import map_at_k

pairs = load_dataset("generated", n=240).features
seen, rng = np.arange(100, 240), np.random.default_rng(0)
labels = pairs.labels.astype(bool)
for share in (0.5, 0.2, 0.1, 0.05):
    shared, strict, graded, threshold = label_targets(labels[seen], labels[seen], share)
    print(f"share {share}: threshold {threshold:.3f}", end=", ")
    print(f"similar by it {strict.mean():.2f}, by one shared label {shared.mean():.2f}, mean grade {graded.mean():.2f}")


# %%
def scaled(x):
    """Centred, and so large that |F|^2 = n."""
    x = x - x.mean(axis=0)
    return x * np.sqrt(len(x)) / np.linalg.norm(x)


def neighbours(x, near, far):
    """(n, n): 1/near for the nearest rows of each row (itself among them), -1/far for the farthest, by cosine."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    order = np.argsort(unit @ unit.T + 1e-9 * rng.random((len(x), len(x))), axis=1)
    A = np.zeros((len(x), len(x)))
    np.put_along_axis(A, order[:, -near - 1 :], 1 / max(near, 1), axis=1)
    np.put_along_axis(A, order[:, :far], -1 / max(far, 1), axis=1)
    return A * (near > 0 or far > 0)


def learn(bits, near, far, beta, sweeps=2):
    """Codes (n, bits) of the seen pairs without a label, and J over all visits."""
    raw = pairs.image[seen].astype(float), pairs.text[seen].astype(float)
    views, weights = tuple(map(scaled, raw)), np.full(2, 0.25)
    A = sum(w * neighbours(x, near, far) for w, x in zip(weights, raw, strict=True))
    B = np.where(np.hstack(views) @ rng.normal(size=(sum(v.shape[1] for v in views), bits)) > 0, 1.0, -1.0)
    falls = []
    for _ in range(sweeps):
        bases = tuple(np.linalg.solve(B.T @ B + 1e-8 * np.eye(bits), B.T @ view) for view in views)
        for k in range(bits):
            B[:, k], trail = discrete_bit(k, B, views, bases, weights, A, beta)
            falls.append(np.diff(trail).max() <= 1e-9)
    return B, views, all(falls)


# %%
relevant = labels[:100] @ labels[seen].T
print(f"chance: MAP {relevant.mean():.3f}")
for near, far, beta in ((10, 10, 0.0), (10, 0, 0.05), (10, 10, 0.05), (10, 0, 0.5), (10, 10, 0.5)):
    B, _, falls = learn(16, near, far, beta)
    x = pairs.image.astype(float) - pairs.image[seen].mean(axis=0)
    hashing = np.linalg.solve(x[seen].T @ x[seen] + 10 * np.eye(x.shape[1]), x[seen].T @ B)
    found = float(map_at_k(np.sign(x[:100] @ hashing) @ B.T, relevant, len(seen)))
    different = len(np.unique(B, axis=0))
    print(f"near {near}, far {far:>2}, beta {beta:<4}: MAP {found:.3f}, {different:>3} different codes, falls {falls}")

# %% [markdown]
# **Question.** With near neighbours only and a large β few different codes are left. Why is J content with that, and
# what do far neighbours do about it?
#
# <details><summary>Answer</summary>
#
# If all items have one code, all near pairs agree in all bits: for the graph alone nothing is better, and a large β
# makes it outweigh the reconstruction. Far pairs then agree too, which costs as much as near pairs gain.
#
# </details>

# %%
h = np.tanh(0.2 * rng.normal(size=(40, 4)) + [1, -1, 1, 0])  # codes huddled in a corner
W, c, v = rng.normal(size=(64, 4)) / 8, rng.normal(size=64) / 8, np.zeros(64)
for turn in range(301):
    for _ in range(10):
        v -= 0.3 * code_game(h, rng.normal(size=(200, 4)), W, c, v)[2]
    judge, teacher, _, slope_h = code_game(h, rng.normal(size=(200, 4)), W, c, v)
    if turn % 100 == 0:
        corners, same_sign = len(np.unique(h > 0, axis=0)), np.abs(np.sign(h).mean(axis=0)).max()
        print(f"turn {turn:>3}: J_D {judge:.3f}, J_T {teacher:.3f}, {corners:>2} of 16 corners", end=", ")
        print(f"most unbalanced bit {same_sign:.2f}")
    h = np.clip(h - 5 * slope_h, -1, 1)

# %% [markdown]
# **Question.** If judge and teacher both answer 1/2 to everything, what are $J_D$ and $J_T$? Did the game get there,
# and what did the codes gain?
#
# <details><summary>Answer</summary>
#
# 1/4 + 1/4 and 1/4, and both are nearly there: the judge can hardly tell codes from draws any more, because the codes
# have left their corner and every bit has both signs. Nothing in this game knows what an item shows; that must come
# from labels or neighbours.
#
# </details>
