# %% [markdown]
# # Exercise 09 · Eight bytes for a picture
#
# A code of 64 bits fits into eight bytes, and comparing two of them takes a machine two instructions. You write what
# gets you there and what it costs: DCMH's likelihood of pairs with its gradient, the price of the sign, rankings in
# which half the database ties, and codes that are learnt bit by bit. At the end the four meet on real pairs.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 09](../../notebooks/09_hashing_shallow_to_deep.ipynb) and numpy, no PyTorch.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. The likelihood of pairs, and its gradient
#
# <!-- task: 09.pair_loss -->
#
# Row i of f is what the image tower says to picture i, row j of g what the text tower says to text j, K numbers each
# and not yet binary. DCMH makes a chance out of their dot product: similar with $\sigma(\theta_{ij})$, where
# $\theta_{ij} = \frac12 f_i^\top g_j$. In most data sets few pairs are similar, so let every pair have a weight
# $w_{ij} \ge 0$, and take the weighted mean of the negative log-likelihood:
#
# $$ L = \frac{1}{\sum_{ij} w_{ij}} \sum_{ij} w_{ij} \left[ \log(1 + e^{\theta_{ij}}) - s_{ij} \theta_{ij} \right] $$
#
# Return L *and* its slopes along f and along g, by hand. Similarities are anything from 0 to 1, weights can be 0 (but
# not all), and θ can be in the thousands in both directions: nothing may overflow, nothing may be clipped.
#
# Try it on paper, with K = 1: f is 2, the two texts are ln 3 and 0, similarities 1 and 0, weights 3 and 1. The thetas
# are ln 3 and 0, the losses ln 4 - ln 3 and ln 2, so L = (3 ln 4/3 + ln 2)/4 = 0.389. Along the thetas the slopes are
# 3/4 (3/4 - 1) = -3/16 and 1/4 (1/2 - 0) = 1/8. Half of these times f, 2, are the slopes along g: -3/16 and 1/8.
#
# <!-- help: 09.pair_loss -->


# %% nbgrader={"grade_id": "pair_loss", "solution": true}
def pair_loss(f, g, s, w):
    """(n, K), (m, K), similarities (n, m), weights (n, m) -> value, slope along f (n, K), slope along g (m, K)."""
    ### BEGIN SOLUTION
    theta, share = f @ g.T / 2, w / w.sum()
    value = (share * (np.logaddexp(0, theta) - s * theta)).sum()
    along = share * (np.exp(-np.logaddexp(0, -theta)) - s)
    return value, along @ g / 2, along.T @ f / 2
    ### END SOLUTION


# %%
check("09.pair_loss", pair_loss)

# %% nbgrader={"grade_id": "pair_loss-basic", "points": 2}
small = np.array([[2.0]]), np.array([[np.log(3)], [0.0]]), np.array([[1.0, 0.0]]), np.array([[3.0, 1.0]])
value, slope_f, slope_g = pair_loss(*small)
assert np.isclose(value, (3 * np.log(4 / 3) + np.log(2)) / 4), "the example above"
assert np.allclose(slope_g, [[-3 / 16], [1 / 8]]), "slope along g of the example above"
assert np.allclose(slope_f, [[-3 / 32 * np.log(3)]]), "slope along f of the example above"

# %% nbgrader={"grade_id": "pair_loss-more", "points": 3}
value, slope_f, slope_g = pair_loss(
    np.array([[100.0]]), np.array([[100.0], [-100.0]]), np.array([[0.0, 1.0]]), np.ones((1, 2))
)
assert np.isclose(value, 5000), "two pairs that could not be more wrong: theta is 5000 and -5000"
assert np.allclose(slope_f, [[50.0]]), "two pairs that could not be more wrong"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(900)
for n, m, bits in ((2, 3, 4), (4, 2, 3), (1, 5, 8)):
    f, g = rng.normal(size=(n, bits)), rng.normal(size=(m, bits))
    s, w = rng.random((n, m)), rng.uniform(0, 4, (n, m)) * (rng.random((n, m)) < 0.7)
    w[0, 0] = 1.5
    value, slope_f, slope_g = pair_loss(f, g, s, w)
    chance = 1 / (1 + np.exp(-f @ g.T / 2))
    losses = -s * np.log(chance) - (1 - s) * np.log(1 - chance)
    assert np.isclose(value, np.average(losses, weights=w)), f"{n} images, {m} texts, {bits} bits"
    for side, slope in ((0, slope_f), (1, slope_g)):
        moved = (f, g)[side]
        for place in np.ndindex(*moved.shape):
            step = np.zeros(moved.shape)
            step[place] = 1e-5
            up, down = (
                pair_loss(f + t * step if side == 0 else f, g + t * step if side else g, s, w)[0] for t in (1, -1)
            )
            assert np.isclose(np.asarray(slope)[place], (up - down) / 2e-5, atol=1e-7), "slope measured"
    far = pair_loss(90 * f, 90 * g, np.round(s), w)
    theta = 8100 * f @ g.T / 2
    assert np.isclose(far[0], np.average(np.maximum(theta, 0) - np.round(s) * theta, weights=w), atol=0.7), "far out"
    assert np.all(np.isfinite(far[1])), "slopes far out"
    assert np.all(np.isfinite(far[2])), "slopes far out"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The price of the sign
#
# <!-- task: 09.sign_gap -->
#
# Both towers have spoken about the same n pairs, F and G, and every pair needs one code of K bits, -1 or +1. Images
# count with a, texts with 1 - a:
#
# $$ \ell(B) = \frac{1}{nK} \left( a \|B - F\|^2 + (1 - a) \|B - G\|^2 \right) $$
#
# Find the binary B with the smallest ℓ, in closed form. A bit that is undecided because both signs cost the same stays
# what it was in the old codes; it is never 0. With $M = a F + (1 - a) G$ the loss falls into two parts,
#
# $$ \ell(B) = \frac{1}{nK} \|B - M\|^2 + \frac{a(1 - a)}{nK} \|F - G\|^2 , $$
#
# and the second is the quarrel of the towers, which no B settles. The first is what the signs cost: the sign gap.
# Return the new codes, ℓ of the old codes, ℓ of the new ones, and the sign gap of the new ones.
#
# Try it on paper: F = (3, 1, -2), G = (-1, -1, 0), a = 1/4, old codes (-1, 1, -1). M is (0, -1/2, -1/2), so the first
# bit stays -1 and the code is (-1, -1, -1). ℓ goes from 8/3 to 2, the gap is (1 + 1/4 + 1/4)/3 = 1/2, and the quarrel
# 3/16 (16 + 4 + 4)/3 = 3/2 is the rest.
#
# <!-- help: 09.sign_gap -->


# %% nbgrader={"grade_id": "sign_gap", "solution": true}
def sign_gap(f, g, old, a):
    """Outputs (n, K), (n, K), old codes (n, K), weight of f -> codes (n, K), loss before, loss after, sign gap."""
    ### BEGIN SOLUTION
    middle = a * f + (1 - a) * g
    codes = np.where(middle == 0, old, np.where(middle > 0, 1.0, -1.0))
    before, after = (np.mean(a * (b - f) ** 2 + (1 - a) * (b - g) ** 2) for b in (old, codes))
    return codes, before, after, np.mean((codes - middle) ** 2)
    ### END SOLUTION


# %%
check("09.sign_gap", sign_gap)

# %% nbgrader={"grade_id": "sign_gap-basic", "points": 2}
f, g, old = np.array([[3.0, 1.0, -2.0]]), np.array([[-1.0, -1.0, 0.0]]), np.array([[-1.0, 1.0, -1.0]])
codes, before, after, gap = sign_gap(f, g, old, 0.25)
assert np.array_equal(codes, [[-1, -1, -1]]), "codes of the example above"
assert np.allclose([before, after, gap], [8 / 3, 2, 1 / 2]), "losses and gap of the example above"

# %% nbgrader={"grade_id": "sign_gap-more", "points": 3}
codes, *_ = sign_gap(np.zeros((1, 2)), np.zeros((1, 2)), np.array([[1.0, -1.0]]), 0.5)
assert np.array_equal(codes, [[1, -1]]), "two towers that say nothing: the old bits stay"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(901)
for a in (0.5, 0.1, 0.75, 0.0):
    f, g = 2 * rng.normal(size=(6, 5)), 2 * rng.normal(size=(6, 5))
    old = np.where(rng.random((6, 5)) < 0.5, 1.0, -1.0)
    f[:, 2], g[:, 2] = 0, 0
    codes, before, after, gap = sign_gap(f, g, old, a)
    costs = {b: a * (b - f) ** 2 + (1 - a) * (b - g) ** 2 for b in (-1.0, 1.0)}
    wanted = np.where(costs[1.0] < costs[-1.0], 1.0, np.where(costs[1.0] > costs[-1.0], -1.0, old))
    assert np.array_equal(codes, wanted), f"codes, a = {a}"
    assert np.isclose(before, np.where(old > 0, costs[1.0], costs[-1.0]).mean()), f"loss before, a = {a}"
    assert np.isclose(after, np.where(wanted > 0, costs[1.0], costs[-1.0]).mean()), f"loss after, a = {a}"
    assert np.isclose(gap, after - a * (1 - a) * ((f - g) ** 2).mean()), f"gap, a = {a}"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A ranking full of ties
#
# <!-- task: 09.tied_ap -->
#
# Codes arrive packed, eight bits to a byte, as `np.packbits` writes them: the first bit is the highest of the first
# byte. Only the first `bits` count; what is left of the last byte may hold anything. K bits have K + 1 distances, so a
# ranking by Hamming distance is a row of at most K + 1 groups, and inside a group every order is as good as any other.
# With n items in a group, r of them relevant, below N nearer items of which R are relevant, its relevant items add
# these precisions:
#
# $$ \text{highest} \; \sum_{j=1}^{r} \frac{R + j}{N + j}, \qquad
#    \text{lowest} \; \sum_{j=1}^{r} \frac{R + j}{N + n - r + j}, \qquad
#    \text{expected} \; \frac{r}{n} \sum_{j=1}^{n} \frac{R + 1 + (j - 1) \frac{r - 1}{n - 1}}{N + j} $$
#
# The last says: place j holds a relevant item with the chance r/n, and then (j - 1)(r - 1)/(n - 1) relevant ones are
# expected above it in the group (none if n = 1). Add the groups, divide by the number of relevant items, and return
# the lowest, the expected and the highest AP of every query; a query without relevant items has 0 three times. Codes
# can be hundreds of bits long.
#
# Try it on paper: distances 1, 3, 1, 1, the first two items relevant. The group at 1 has n = 3, r = 1: highest 1,
# lowest 1/3, expected (1 + 1/2 + 1/3)/3 = 11/18. The group at 3 adds 2/4 to each. Halved: 5/12, 5/9, 3/4.
#
# <!-- help: 09.tied_ap -->


# %% nbgrader={"grade_id": "tied_ap", "solution": true}
def tied_ap(queries, items, relevant, bits):
    """Packed (q, bytes), (n, bytes), (q, n) bool, int -> lowest, expected, highest AP (q,) each."""
    ### BEGIN SOLUTION
    a, b = (np.unpackbits(codes, axis=1)[:, :bits].astype(np.float32) for codes in (queries, items))
    distances = np.rint(a.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * a @ b.T).astype(int)
    out = np.zeros((3, len(queries)))
    for i, (row, right) in enumerate(zip(distances, relevant, strict=True)):
        above, hits = 0, 0
        sizes, rights = (np.bincount(chosen, minlength=bits + 1) for chosen in (row, row[right]))
        for n, r in zip(sizes, rights, strict=True):
            j, place = np.arange(1, r + 1), np.arange(1, n + 1)
            if r > 0:
                others = (place - 1) * (r - 1) / max(n - 1, 1)
                out[0, i] += ((hits + j) / (above + n - r + j)).sum()
                out[1, i] += r / n * ((hits + 1 + others) / (above + place)).sum()
                out[2, i] += ((hits + j) / (above + j)).sum()
            above, hits = above + n, hits + r
        out[:, i] /= max(hits, 1)
    return tuple(out)
    ### END SOLUTION


# %%
check("09.tied_ap", tied_ap)

# %% nbgrader={"grade_id": "tied_ap-basic", "points": 2}
query = np.array([[0b1111_0110]], dtype=np.uint8)  # 4 bits of code, 4 spare ones
stored = np.array([[0b1110_0000], [0b0001_1001], [0b0111_1111], [0b1101_0110]], dtype=np.uint8)
both = np.array([[True, True, False, False]])
assert np.allclose(tied_ap(query, stored, both, 4), [[5 / 12], [5 / 9], [3 / 4]]), "the example above, packed"

# %% nbgrader={"grade_id": "tied_ap-more", "points": 4}
assert np.allclose(tied_ap(query, stored, both & False, 4), 0), "nothing is relevant: 0 three times"
low, mean, high = tied_ap(query, stored[[0] * 4], both, 8)
assert np.allclose(low, (1 / 3 + 2 / 4) / 2), "four equal codes, two relevant: in the worst order they come last"
assert np.allclose(mean, 49 / 72), "four equal codes, two relevant: the mean of six orders"
### BEGIN HIDDEN TESTS
from itertools import pairwise, permutations

rng = np.random.default_rng(902)
for bits, n in ((3, 6), (9, 6), (300, 5), (16, 6)):
    items, queries = rng.random((n, bits)) < 0.5, rng.random((3, bits)) < 0.5
    if bits == 300:
        queries = ~items[:3] ^ (rng.random((3, bits)) < 0.1)
    relevant = rng.random((3, n)) < 0.5
    relevant[0], relevant[1] = np.arange(n) < 2, False
    distances = (queries[:, None] != items[None]).sum(axis=2)
    wanted = np.zeros((3, 3))
    for i in (0, 2):
        found = []
        for order in permutations(range(n)):
            if all(distances[i][x] <= distances[i][y] for x, y in pairwise(order)):
                ranks = np.flatnonzero(relevant[i][list(order)])
                found.append((np.arange(1, len(ranks) + 1) / (ranks + 1)).sum() / max(len(ranks), 1))
        wanted[:, i] = min(found), np.mean(found), max(found)
    spare = -bits % 8
    packed = [
        np.packbits(np.concatenate([codes, rng.random((len(codes), spare)) < 0.5], axis=1), axis=1)
        for codes in (queries, items)
    ]
    assert np.allclose(tied_ap(*packed, relevant, bits), wanted), f"all orders of {n} items, {bits} bits"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. One bit after the other
#
# <!-- task: 09.code_sweep -->
#
# DCHUC does not make the codes V of the database with a network; it *learns* them. Of n items, m are drawn; item
# `rows[i]` has the outputs $u_i$, K numbers, and all rows are different. The dot products of outputs and codes should
# reach K times the target $s_{ij}$, 1 for similar and something negative for dissimilar pairs. Beside that, a drawn
# item is pulled to its own output:
#
# $$ J(V) = \sum_{i=1}^{m} \sum_{j=1}^{n} w_{ij} \left( u_i^\top v_j - K s_{ij} \right)^2
#    + \gamma \sum_{i=1}^{m} \| v_{\mathrm{rows}[i]} - u_i \|^2 , \qquad V \in \{-1, +1\}^{n \times K} $$
#
# In one bit J is linear, because the square of a bit is 1. So one whole column of V, all others standing still, has a
# minimiser in closed form. Sweep over the columns 0 to K - 1 in order, each seeing the new ones before it, and keep a
# bit where both signs cost the same. Return the codes, and J before the sweep and after each column: K + 1 numbers
# that never rise. The lesson's column has a matrix that serves all items; with weights every item has its own.
#
# Try it on paper: one item, code (-1, -1), its output (1, 1/2), s = 1, w = 1, γ = 0. The dot product is -3/2 and should
# be 2: J = 12.25. Column 0: the other bit gives -1/2, so 5/2 are missing, and +1 helps: J = 2.25. Column 1: the first
# bit gives 1, 1 is missing, +1 again: J = 0.25.
#
# <!-- help: 09.code_sweep -->


# %% nbgrader={"grade_id": "code_sweep", "solution": true}
def code_sweep(codes, outputs, rows, target, weights, gamma):
    """(n, K) -1 or +1, (m, K), (m,) int, (m, n), (m, n), float -> codes (n, K), J on the way (K + 1,)."""

    ### BEGIN SOLUTION
    def objective():
        return (weights * (outputs @ v.T - bits * target) ** 2).sum() + gamma * ((v[rows] - outputs) ** 2).sum()

    v, bits = codes.astype(float), outputs.shape[1]
    trail = [objective()]
    for k in range(bits):
        u = outputs[:, k]
        missing = bits * target - outputs @ v.T + np.outer(u, v[:, k])
        gain = (weights * missing).T @ u
        gain[rows] += gamma * u
        v[:, k] = np.where(gain == 0, v[:, k], np.where(gain > 0, 1.0, -1.0))
        trail.append(objective())
    return v, np.array(trail)
    ### END SOLUTION


# %%
check("09.code_sweep", code_sweep)

# %% nbgrader={"grade_id": "code_sweep-basic", "points": 2}
one = np.ones((1, 1))
codes, trail = code_sweep(-np.ones((1, 2)), np.array([[1.0, 0.5]]), np.array([0]), one, one, 0.0)
assert np.array_equal(codes, [[1, 1]]), "the example above"
assert np.allclose(trail, [12.25, 2.25, 0.25]), "J of the example above"

# %% nbgrader={"grade_id": "code_sweep-more", "points": 4}
start = np.array([[1.0, -1.0], [-1.0, 1.0]])
codes, _ = code_sweep(start, np.array([[1.0, 0.5]]), np.array([1]), np.ones((1, 2)), np.array([[0.0, 1.0]]), 0.0)
assert np.array_equal(codes, [[1, -1], [1, 1]]), "of item 0 nothing is known: it keeps its code"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(903)


def cost(j, code, u, rows, target, weights, gamma):
    """What item j with this code adds to J."""
    own = gamma * sum(((code - x) ** 2).sum() for i, x in enumerate(u) if rows[i] == j)
    return own + sum(weights[i, j] * (x @ code - len(code) * target[i, j]) ** 2 for i, x in enumerate(u))


for m, n, bits, gamma in ((2, 4, 3, 0.0), (4, 9, 6, 3.0), (3, 7, 8, 20.0), (5, 5, 5, 1.0)):
    v, u = np.where(rng.random((n, bits)) < 0.5, 1.0, -1.0), np.tanh(2 * rng.normal(size=(m, bits)))
    rows, target = rng.permutation(n)[:m], np.where(rng.random((m, n)) < 0.4, 1.0, -0.5)
    weights = rng.uniform(0.1, 4, (m, n)) * (rng.random((m, n)) < 0.8)
    alone = np.setdiff1d(np.arange(n), rows)[:1]
    weights[:, alone] = 0
    given = u, rows, target, weights, gamma
    wanted, falls = v.copy(), [sum(cost(j, v[j], *given) for j in range(n))]
    for k in range(bits):
        for j in range(n):
            other = wanted[j].copy()
            other[k] = -other[k]
            if j not in alone and cost(j, other, *given) < cost(j, wanted[j], *given):
                wanted[j] = other
        falls.append(sum(cost(j, wanted[j], *given) for j in range(n)))
    codes, trail = code_sweep(v, *given)
    assert np.array_equal(codes, wanted), f"{n} items, {m} drawn, {bits} bits, gamma {gamma}"
    assert np.shape(trail) == (bits + 1,), "J before the sweep and after each column"
    assert np.allclose(trail, falls), f"J on the way, gamma {gamma}"
### END HIDDEN TESTS

# %% [markdown]
# ## 5. From pictures to bytes
#
# Your slopes train two linear towers, your codes pull them towards signs, your ranking measures what is left. The
# pairs are the [Wikipedia features](../../datasets/README.md) of 2010 if they are here, else pictures of emoji (8 x 8
# pixels) with their English names. Two pairs are similar if they have the same class, and similar pairs weigh as much
# as all others together. Run this when the four tasks are done.

# %%
from xmr_lib.course.practice import practice_pairs

seen, unseen = practice_pairs()
x, y = (side / np.sqrt(side.shape[1]) for side in (seen.image, seen.text))
x_new, n = unseen.image / np.sqrt(x.shape[1]), len(x)
same = seen.labels.astype(float)
relevant = unseen.labels @ seen.labels.T > 0
print(seen.name, x.shape, y.shape, "unseen:", len(x_new), f"chance: MAP {relevant.mean():.3f}")


# %%
def weighted(s):
    """Weights (b, n) with which similar and dissimilar pairs have the same sum."""
    return np.where(s > 0, (1 - s).sum() / s.sum(), 1.0)


def train(bits, gamma, steps=200, batch=128, rate=5.0):
    """Both towers (p, bits), (q, bits) and the codes of the training pairs, by gradient descent on batches."""
    rng = np.random.default_rng(0)
    A, C = rng.normal(size=(x.shape[1], bits)), rng.normal(size=(y.shape[1], bits))
    B = sign_gap(x @ A, y @ C, np.ones((n, bits)), 0.5)[0]
    for step in range(steps):
        i = rng.choice(n, batch, replace=False)
        f, g, s = x[i] @ A, y[i] @ C, same[i] @ same[i].T
        _, slope_f, slope_g = pair_loss(f, g, s, weighted(s))
        A -= rate * x[i].T @ (slope_f + gamma * (f - B[i]) / batch)
        C -= rate * y[i].T @ (slope_g + gamma * (g - B[i]) / batch)
        if step % 20 == 19:
            B = sign_gap(x @ A, y @ C, B, 0.5)[0]
    return A, C, B


# %%
from xmr_lib.metrics import map_at_k

print("bits  gamma  sign gap    real-valued    codes: lowest, expected, highest MAP")
for bits, gamma in ((8, 0), (8, 0.5), (16, 0), (16, 0.5), (64, 0), (64, 0.5)):
    A, C, B = train(bits, gamma)
    *_, gap = sign_gap(x @ A, y @ C, B, 0.5)
    real = map_at_k(x_new @ A @ (y @ C).T, relevant, n)
    packed = (np.packbits(outputs > 0, axis=1) for outputs in (x_new @ A, y @ C))
    low, mean, high = (each.mean() for each in tied_ap(*packed, relevant, bits))
    print(f"{bits:>4} {gamma:>6} {gap:>9.2f} {float(real):>14.3f} {low:>15.3f} {mean:>9.3f} {high:>9.3f}")

# %% [markdown]
# **Question.** A paper with 8 bits sorts by distance and prints one MAP. Which numbers of its row could that be? And
# what would you ask the authors?
#
# <details><summary>Answer</summary>
#
# Any between lowest and highest: how the database happens to be stored decides. With 64 bits there are fewer ties and
# less room. Ask whether the items are stored by class, how equal distances are ordered, and for the expected value.
#
# </details>
#
# **Question.** Without γ the real-valued ranking is better than the expected one of the codes. Two things separate
# them. Which one does γ help against?
#
# <details><summary>Answer</summary>
#
# Outputs far from -1 and +1 lose their size when the sign is taken: that is the sign gap, and γ pulls outputs to their
# codes. But even perfect codes of K bits have only K + 1 distances: the ties stay, and only more bits break them.
#
# </details>

# %%
drawn = np.random.default_rng(1).choice(n, 300, replace=False)
A, C, B = train(16, 0.5)
s, queries = same[drawn] @ same.T, np.packbits(x_new @ A > 0, axis=1)


def found(codes):
    """Expected MAP of the unseen pictures among these codes (n, 16)."""
    return tied_ap(queries, np.packbits(codes > 0, axis=1), relevant, 16)[1].mean()


# %%
print(f"codes of the text tower {found(y @ C):.3f}, of both towers {found(B):.3f}")
V, J = B, None
for sweep in range(3):
    V, trail = code_sweep(V, np.tanh(x[drawn] @ A), drawn, np.where(s > 0, 1.0, -1.0), weighted(s), gamma=50)
    J = J or trail[0]
    rises = (np.diff(trail) > 1e-9 * J).sum()
    print(f"sweep {sweep + 1}: V {found(V):.3f}, J {trail[0] / J:.4f} -> {trail[-1] / J:.4f}, rises {rises}")

# %% [markdown]
# **Question.** Image queries find more in V than in the codes of the text tower. Is this a better way to hash?
#
# <details><summary>Answer</summary>
#
# For these items only. V was made from their *labels*, which a search engine wants to know, not to be told; and an
# item that arrives tomorrow stands nowhere in J, so it has no code. Compare such numbers with each other, never with
# those of hash functions.
#
# </details>
