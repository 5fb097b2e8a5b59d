# %% [markdown]
# # Exercise 11 · Bits with a slope
#
# A sign has no slope, so no network can learn through it. DCHMT lets every bit choose between its two values, softly at
# first; DSPH gives every class a place and asks for no more room between places than codes have. You write both, with
# their slopes by hand, and at the end they train the same two towers.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 11](../../notebooks/11_hashing_transformers.ipynb) and numpy, no PyTorch.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. The bit that selects
#
# <!-- task: 11.selecting_bit -->
#
# Every bit has two scores, $z_0$ for -1 and $z_1$ for +1, and a softmax of its own with a temperature T:
#
# $$ p_1 = \frac{\exp(z_1 / T)}{\exp(z_0 / T) + \exp(z_1 / T)}, \qquad p_0 = 1 - p_1 $$
#
# For the search the bit is the value with the larger score; equal scores give -1. For learning there is the *expected*
# bit $p_1 - p_0$, between -1 and 1. Somewhere above stands a loss, whose slope along the expected bits, `along`, you
# are given. Return bits, expected bits, and the slope of that loss along both scores of every bit.
#
# Is that new, or a tanh in disguise? Find the function of $z_1 - z_0$ that the expected bit is. Scores can be in the
# thousands.
#
# Try it on paper: scores (0, ln 3), T = 1. The chances are 1/4 and 3/4, the bit is +1, the expected bit 1/2. Its slope
# along the second score is 2 · 1/4 · 3/4 = 3/8, along the first -3/8.
#
# <!-- help: 11.selecting_bit -->


# %% nbgrader={"grade_id": "selecting_bit", "solution": true}
def selecting_bit(z, along, temperature):
    """Scores (n, K, 2), slope along the expected bits (n, K), T -> bits (n, K), expected (n, K), slope (n, K, 2)."""
    ### BEGIN SOLUTION
    gap = z[..., 1] - z[..., 0]
    expected = np.tanh(gap / (2 * temperature))
    moved = along * (1 - expected**2) / (2 * temperature)
    return np.where(gap > 0, 1.0, -1.0), expected, np.stack([-moved, moved], axis=2)
    ### END SOLUTION


# %%
check("11.selecting_bit", selecting_bit)

# %% nbgrader={"grade_id": "selecting_bit-basic", "points": 2}
bits, expected, slope = selecting_bit(np.array([[[0.0, np.log(3)]]]), np.ones((1, 1)), 1.0)
assert np.array_equal(bits, [[1]]), "bit of the example above"
assert np.allclose(expected, [[1 / 2]]), "expected bit of the example above"
assert np.allclose(slope, [[[-3 / 8, 3 / 8]]]), "slope of the example above"

# %% nbgrader={"grade_id": "selecting_bit-more", "points": 2}
bits, expected, slope = selecting_bit(np.array([[[7000.0, 7000.0], [9000.0, 0.0]]]), np.array([[4.0, 4.0]]), 2.0)
assert np.array_equal(bits, [[-1, -1]]), "equal scores give -1"
assert np.allclose(expected, [[0, -1]]), "one undecided bit, one that is sure"
assert np.allclose(slope, [[[-1, 1], [0, 0]]]), "what is undecided moves, what is sure does not"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1100)
for n, K, T in ((3, 4, 1.0), (2, 5, 0.3), (4, 1, 2.5)):
    z, along = rng.normal(size=(n, K, 2)), rng.normal(size=(n, K))
    bits, expected, slope = selecting_bit(z, along, T)
    e = np.exp(z / T)
    assert np.array_equal(bits, np.sign(z[..., 1] - z[..., 0])), f"bits, T = {T}"
    assert np.allclose(expected, (e[..., 1] - e[..., 0]) / e.sum(axis=2)), f"expected bits, T = {T}"
    for place in np.ndindex(n, K, 2):
        move = np.zeros((n, K, 2))
        move[place] = 1e-5
        up, down = ((along * selecting_bit(z + s * move, along, T)[1]).sum() for s in (1, -1))
        assert np.isclose(np.asarray(slope)[place], (up - down) / 2e-5, atol=1e-7), f"slope measured, T = {T}"
    far = selecting_bit(5000 * z, along, T)
    assert np.allclose(far[1], bits), "scores in the thousands: all bits are sure"
    assert np.allclose(far[2], 0), "scores in the thousands: nothing moves"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Far enough
#
# <!-- task: 11.distance_loss -->
#
# DCHMT compares the probabilities: $u$ holds $p_1$ and $p_0$ of all K bits, 2K numbers. With the expected bits e of an
# image and f of a text, $p_1 = (1 + e)/2$ and $p_0 = (1 - e)/2$, so
#
# $$ d_{ij}^2 = \|u_i - u_j\|^2 = \tfrac12 \|e_i - f_j\|^2 , $$
#
# and two codes that differ in m bits are $\sqrt{2m}$ apart. Similar pairs come together; the others are pushed apart
# until a share ϑ of the bits differs, $\tau = \sqrt{2 K \vartheta}$, and then left alone:
#
# $$ L = \frac{1}{nm} \sum_{ij} \left[ s_{ij} \, d_{ij}^2 + (1 - s_{ij}) \max(0, \tau - d_{ij})^2 \right] $$
#
# Return L and its slopes along e and f. Images are also compared with images, and an item without a label is not even
# similar to itself: then d = 0 and a root is to be differentiated at 0. There every direction is as good as any other,
# so take the slope 0. The library puts a small number under the root; you need none.
#
# Try it on paper: K = 2, e = (1, 1), the texts (1, -1), similar, and (1, 1), not similar, ϑ = 1/2. The distances are √2
# and 0, τ is √2, so L = (2 + 2)/2 = 2. The first text is pulled: along e (0, 2)/2 = (0, 1), along f the opposite. The
# second gives nothing.
#
# <!-- help: 11.distance_loss -->


# %% nbgrader={"grade_id": "distance_loss", "solution": true}
def code_distance_loss(e, f, similar, vartheta):
    """(n, K), (m, K), (n, m) 0 or 1, float -> value, slope along e (n, K), slope along f (m, K)."""
    ### BEGIN SOLUTION
    away = e[:, None] - f
    d = np.sqrt((away**2).sum(axis=2) / 2)
    missing = np.maximum(np.sqrt(2 * e.shape[1] * vartheta) - d, 0)
    pull = similar - (1 - similar) * missing / np.where(d > 0, d, 1)
    slopes = pull[..., None] * away / similar.size
    value = np.mean(similar * d**2 + (1 - similar) * missing**2)
    return value, slopes.sum(axis=1), -slopes.sum(axis=0)
    ### END SOLUTION


# %%
check("11.distance_loss", code_distance_loss)

# %% nbgrader={"grade_id": "distance_loss-basic", "points": 2}
texts = np.array([[1.0, -1.0], [1.0, 1.0]])
value, slope_e, slope_f = code_distance_loss(np.ones((1, 2)), texts, np.array([[1.0, 0.0]]), 0.5)
assert np.isclose(value, 2), "the example above"
assert np.allclose(slope_e, [[0, 1]]), "slope along e of the example above"
assert np.allclose(slope_f, [[0, -1], [0, 0]]), "slope along f of the example above"

# %% nbgrader={"grade_id": "distance_loss-more", "points": 3}
value, slope_e, _ = code_distance_loss(texts, texts, np.zeros((2, 2)), 0.25)
assert np.isclose(value, 1 / 2), "two items without a label: each is at distance 0 from itself, tau is 1"
assert np.array_equal(slope_e, np.zeros((2, 2))), "no slope at distance 0, none beyond tau"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1101)
for n, m, K, vartheta in ((3, 4, 5, 0.5), (5, 2, 4, 0.2), (4, 4, 6, 0.9)):
    e, f = np.tanh(rng.normal(size=(n, K))), np.tanh(rng.normal(size=(m, K)))
    s = np.round(rng.random((n, m)))
    s[0, 0], s[1, 1] = 1, 0
    value, slope_e, slope_f = code_distance_loss(e, f, s, vartheta)
    u, w = (np.hstack([(1 + x) / 2, (1 - x) / 2]) for x in (e, f))
    total = 0.0
    for i in range(n):
        for j in range(m):
            d = np.linalg.norm(u[i] - w[j])
            total += d**2 if s[i, j] else max(0, np.sqrt(2 * K * vartheta) - d) ** 2
    assert np.isclose(value, total / (n * m)), f"{n} images, {m} texts, vartheta {vartheta}"
    for side, slope in ((0, slope_e), (1, slope_f)):
        for place in np.ndindex(*(e, f)[side].shape):
            move = np.zeros((e, f)[side].shape)
            move[place] = 1e-6
            moved = [(e + t * move, f) if side == 0 else (e, f + t * move) for t in (1, -1)]
            up, down = (code_distance_loss(*both, s, vartheta)[0] for both in moved)
            assert np.isclose(np.asarray(slope)[place], (up - down) / 2e-6, atol=1e-6), "slope measured"
    within = code_distance_loss(e, e, np.eye(n) * (np.arange(n) > 0), vartheta)
    d = np.sqrt(((e[:, None] - e) ** 2).sum(axis=2) / 2)
    tau, off = np.sqrt(2 * K * vartheta), 1 - np.eye(n)
    assert np.isclose(within[0], (off * np.maximum(tau - d, 0) ** 2).mean() + tau**2 / n**2), "images with themselves"
    assert np.allclose(within[1], within[2]), "images with themselves: both slopes are the same"
    assert np.all(np.isfinite(within[1])), "images with themselves"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. As far apart as codes can be
#
# <!-- task: 11.proxy_loss -->
#
# DSPH has one vector per class, a proxy $p_c$. An output $h_i$ turns towards the proxies of its classes and away from
# all others, down to a margin ζ. With $c_{ic} = \cos(h_i, p_c)$, #pos the number of ones in the label matrix of the
# batch and #neg the number of zeros:
#
# $$ L = \frac{1}{\#\mathrm{pos}} \sum_{l_{ic} = 1} (1 - c_{ic}) +
#    \frac{1}{\#\mathrm{neg}} \sum_{l_{ic} = 0} \max(0, c_{ic} - \zeta) $$
#
# A sum over nothing is 0. How far apart can the codes of C classes be? They need $2^q$ words, q the smallest whole
# number from 1 on with $2^q \ge C$, and by Griesmer's bound no linear code of K bits has them d bits apart unless
#
# $$ \sum_{i=0}^{q-1} \left\lceil d / 2^i \right\rceil \le K . $$
#
# Take the largest such d; two codes that differ in d bits have the cosine ζ = 1 - 2 d/K, and to ask for less is to ask
# for what no code has. (The lesson's table of known codes is stricter where the bound cannot be reached.) Return ζ, L,
# and the slope of L along the outputs. Outputs have any length but 0; exactly at the margin the slope is 0.
#
# Try it on paper: K = 3 and three classes, so q = 2, and d = 2 needs 2 + 1 = 3 bits: ζ = -1/3. The output (2, 0, 0) has
# the first class; the proxies are (1, 0, 0), (0, 3, 0), (-1, 0, 0), the cosines 1, 0, -1. L = 0/1 + (1/3 + 0)/2 = 1/6.
# Only the second proxy pushes, across the output and at its length 2: the slope is (0, 1, 0)/2/2 = (0, 1/4, 0).
#
# <!-- help: 11.proxy_loss -->


# %% nbgrader={"grade_id": "proxy_loss", "solution": true}
def proxy_loss(outputs, proxies, labels):
    """(n, K), (C, K), (n, C) 0 or 1 -> margin, value, slope along the outputs (n, K)."""
    ### BEGIN SOLUTION
    bits, q, d = outputs.shape[1], max(1, (len(proxies) - 1).bit_length()), 0
    while sum(np.ceil((d + 1) / 2**i) for i in range(q)) <= bits:
        d += 1
    margin = 1 - 2 * d / bits
    size = np.linalg.norm(outputs, axis=1, keepdims=True)
    h, p = outputs / size, proxies / np.linalg.norm(proxies, axis=1, keepdims=True)
    c = h @ p.T
    positive, negative = labels / max(labels.sum(), 1), (1 - labels) / max((1 - labels).sum(), 1)
    value = (positive * (1 - c) + negative * np.maximum(c - margin, 0)).sum()
    along = negative * (c > margin) - positive
    return margin, value, (along @ p - (along * c).sum(axis=1, keepdims=True) * h) / size
    ### END SOLUTION


# %%
check("11.proxy_loss", proxy_loss)

# %% nbgrader={"grade_id": "proxy_loss-basic", "points": 2}
outputs, proxies = np.array([[2.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0], [-1.0, 0.0, 0.0]])
margin, value, slope = proxy_loss(outputs, proxies, np.array([[1.0, 0.0, 0.0]]))
assert np.isclose(margin, -1 / 3), "margin of the example above"
assert np.isclose(value, 1 / 6), "the example above"
assert np.allclose(slope, [[0, 1 / 4, 0]]), "slope of the example above"

# %% nbgrader={"grade_id": "proxy_loss-more", "points": 4}
wide = np.ones((1, 32))
assert np.isclose(proxy_loss(wide, np.ones((32, 32)), np.ones((1, 32)))[0], 0), "32 bits, 32 classes: d = 16"
assert np.isclose(proxy_loss(wide, np.ones((8, 32)), np.ones((1, 8)))[0], -0.125), "32 bits, 8 classes: d = 18"
assert np.isclose(proxy_loss(wide, np.ones((8, 32)), np.ones((1, 8)))[1], 0), "all classes are right: no negatives"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1102)
for n, K, C, d in ((4, 6, 5, 3), (3, 8, 4, 5), (5, 16, 24, 8), (2, 10, 2, 10), (3, 7, 16, 3)):
    h, p = np.tanh(rng.normal(size=(n, K))), rng.normal(size=(C, K))
    labels = 1.0 * (rng.random((n, C)) < 0.4)
    labels[0, :2] = 1, 0
    margin, value, slope = proxy_loss(h, p, labels)
    assert np.isclose(margin, 1 - 2 * d / K), f"margin, {K} bits, {C} classes"
    near, far = [], []
    for i in range(n):
        for c in range(C):
            cosine = h[i] @ p[c] / np.sqrt((h[i] @ h[i]) * (p[c] @ p[c]))
            (near if labels[i, c] else far).append(1 - cosine if labels[i, c] else max(0, cosine - 1 + 2 * d / K))
    assert np.isclose(value, np.mean(near) + np.mean(far)), f"{n} items, {C} classes"
    for place in np.ndindex(n, K):
        move = np.zeros((n, K))
        move[place] = 1e-6
        up, down = (proxy_loss(h + t * move, p, labels)[1] for t in (1, -1))
        assert np.isclose(np.asarray(slope)[place], (up - down) / 2e-6, atol=1e-6), "slope measured"
    for same in (0.0, 1.0):
        _, value, slope = proxy_loss(h, p, np.full((n, C), same))
        cosines = (h / np.linalg.norm(h, axis=1)[:, None]) @ (p / np.linalg.norm(p, axis=1)[:, None]).T
        wanted = (1 - cosines).mean() if same else np.maximum(cosines - 1 + 2 * d / K, 0).mean()
        assert np.isclose(value, wanted), "all labels or none"
        assert np.all(np.isfinite(slope)), "all labels or none"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Two losses, the same towers
#
# Pairs made from 12 labels, several per pair (the data set `generated`, which needs no file): 500 to learn from, 100
# queries. A linear tower per modality gives two scores per bit; your slopes do the rest. Run this when the three tasks
# are done.

# %%
from xmr_lib.data import load_dataset
from xmr_lib.metrics import map_at_k

pairs = load_dataset("generated", n=600).features
seen, labels = np.arange(100, 600), pairs.labels.astype(float)
sides = [side - side[seen].mean(axis=0) for side in (pairs.image.astype(float), pairs.text.astype(float))]
sides = [side / np.linalg.norm(side[seen], axis=1).mean() for side in sides]
relevant = labels[:100] @ labels[seen].T > 0
print(f"image {sides[0].shape}, text {sides[1].shape}, chance: MAP {relevant.mean():.3f}")


# %%
def scores(x, A):
    """(n, K, 2) from features (n, d) and a tower (d, 2 K)."""
    return (x @ A).reshape(len(x), -1, 2)


def distance_slopes(vartheta):
    """The three blocks of DCHMT."""

    def slopes(e, f, own):
        s = 1.0 * (own @ own.T > 0)
        between = code_distance_loss(e, f, s, vartheta)
        images, texts = (code_distance_loss(x, x, s, vartheta) for x in (e, f))
        return between[1] + images[1] + images[2], between[2] + texts[1] + texts[2]

    return slopes


def proxy_slopes(e, f, own):
    """DSPH without its pairs; the proxy of a class is the mean of its items in the batch."""
    return [proxy_loss(x, own.T @ (e + f) + 1e-3, own)[2] for x in (e, f)]


def train(slopes, rate, temperature, bits=16, steps=300, batch=60):
    """Both towers (d, 2 bits), by gradient descent on batches."""
    rng = np.random.default_rng(0)
    towers = [rng.normal(size=(x.shape[1], 2 * bits)) for x in sides]
    for _ in range(steps):
        i = rng.choice(seen, batch, replace=False)
        z = [scores(x[i], A) for x, A in zip(sides, towers, strict=True)]
        e, f = (selecting_bit(each, np.zeros(each.shape[:2]), temperature)[1] for each in z)
        for x, A, each, along in zip(sides, towers, z, slopes(e, f, labels[i]), strict=True):
            A -= rate * x[i].T @ selecting_bit(each, along, temperature)[2].reshape(batch, -1)
    return towers


# %%
print("16 bits                     T    mean |expected bit|    MAP: expected bits    bits")
for name, slopes, rate, T in (
    ("distances, vartheta 0.4", distance_slopes(0.4), 30, 1.0),
    ("distances, vartheta 0.75", distance_slopes(0.75), 30, 1.0),
    ("distances, vartheta 0.75", distance_slopes(0.75), 10, 0.1),
    ("proxies", proxy_slopes, 300, 1.0),
    ("proxies", proxy_slopes, 100, 0.1),
):
    z = [scores(x, A) for x, A in zip(sides, train(slopes, rate, T), strict=True)]
    hard, soft = zip(*(selecting_bit(each, np.zeros(each.shape[:2]), T)[:2] for each in z), strict=True)
    sure = np.mean([np.abs(each).mean() for each in soft])
    away = ((soft[0][:100, None] - soft[1][seen]) ** 2).sum(axis=2)
    real, found = (float(map_at_k(s, relevant, len(seen))) for s in (-away, hard[0][:100] @ hard[1][seen].T))
    print(f"{name:<25} {T:>3} {sure:>14.2f} {real:>22.3f} {found:>13.3f}")

# %% [markdown]
# **Question.** DCHMT has no quantisation loss: a bit that can choose becomes sure by itself, they say. What do these
# towers say at T = 1? And what does a small temperature give, and take?
#
# <details><summary>Answer</summary>
#
# Nothing in the softmax makes a bit sure: the expected bit is a tanh of half the difference of its scores. Only the
# loss can, by asking for more distance than undecided bits have, so a larger ϑ helps. These linear towers stay
# undecided all the same, and taking the sign costs a lot. With a small T all bits are sure from the first step: nothing
# is lost at the sign, but a bit that is sure has no slope, so the towers learn less.
#
# </details>
#
# **Question.** At T = 1 and the larger ϑ the bits of both losses are about equally undecided. What may be the reason
# that the sign costs the proxies less?
#
# <details><summary>Answer</summary>
#
# A cosine does not see how long an output is, only where it points. The distances reward lengths: two undecided items
# are close to each other whatever their signs are, and the sign throws just that away.
#
# </details>
