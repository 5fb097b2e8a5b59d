# %% [markdown]
# # Exercise 07 · One vector, a set, every token
#
# A picture with four things in one vector is a blur. You write what looks closer: a similarity of sets that covers
# everything from the mean to the maximum, slots that compete for tokens, words that listen to patches, and a second
# stage that re-orders without breaking its promise. At the end the four meet on 120 pictures.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 07](../../notebooks/07_dual_tower_fine_grained.ipynb) and numpy, no PyTorch.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. From the mean to the maximum, and who gets the gradient
#
# <!-- task: 07.set_similarity -->
#
# The lesson's smooth-Chamfer similarity takes the log of a *sum*, so a set gains $\log(q)/\alpha$ when all its members
# are copied often enough to make q of them. Take the log of the *mean* instead, and sets of different sizes can be
# compared:
#
# $$ s_\alpha = \frac{1}{2p} \sum_{i=1}^{p} \frac{1}{\alpha} \log \frac{1}{q} \sum_{j=1}^{q} \exp(\alpha c_{ij})
#    + \frac{1}{2q} \sum_{j=1}^{q} \frac{1}{\alpha} \log \frac{1}{p} \sum_{i=1}^{p} \exp(\alpha c_{ij}) $$
#
# Now both limits are similarities too: $\alpha \to 0$ gives the mean of all cosines, $\alpha \to \infty$ the Chamfer
# similarity, with a maximum in place of each log. Return the value *and* its slope along every cosine, for α = 0,
# α = `np.inf` and everything between. α times a cosine can be in the thousands; exp must not overflow. At the infinite
# α equal maxima share the slope equally, as the limit does.
#
# Try it on paper, for cosines 1 and 0.5 in the first row, 0 and 0.5 in the second. At α = 0 the value is 0.5, and all
# slopes are 1/4. At the infinite α the rows have maxima 1 and 0.5, and so have the columns: the value is 0.75. The
# pair (0, 0) wins its row and its column, 1/4 + 1/4. The second column is a tie: 1/8 each.
#
# <!-- help: 07.set_similarity -->


# %% nbgrader={"grade_id": "set_similarity", "solution": true}
def set_similarity(c, alpha):
    """Cosines (p, q), alpha from 0 to infinity -> value, slope along the cosines (p, q)."""
    ### BEGIN SOLUTION
    value, slope = 0.0, np.zeros(c.shape)
    for axis in (1, 0):
        top = c.max(axis=axis, keepdims=True)
        if np.isinf(alpha):
            each, shares = top, (c == top).astype(float)
        else:
            shares = np.exp(alpha * (c - top))
            each = c.mean(axis=axis, keepdims=True)
            if alpha > 0:
                each = top + np.log(shares.mean(axis=axis, keepdims=True)) / alpha
        value += each.mean() / 2
        slope += shares / shares.sum(axis=axis, keepdims=True) / each.size / 2
    return value, slope
    ### END SOLUTION


# %%
check("07.set_similarity", set_similarity)

# %% nbgrader={"grade_id": "set_similarity-basic", "points": 2}
cosines = np.array([[1.0, 0.5], [0.0, 0.5]])
value, slope = set_similarity(cosines, 0.0)
assert np.isclose(value, 0.5), "the example above, alpha 0"
assert np.allclose(slope, 0.25), "the example above, alpha 0"
value, slope = set_similarity(cosines, np.inf)
assert np.isclose(value, 0.75), "the example above, infinite alpha"
assert np.allclose(slope, [[1 / 2, 1 / 8], [0, 3 / 8]]), "slope of the example above, infinite alpha"

# %% nbgrader={"grade_id": "set_similarity-more", "points": 3}
value, slope = set_similarity(np.full((2, 5), 0.3), 4.0)
assert np.isclose(value, 0.3), "ten equal cosines: their value, and a tenth each"
assert np.allclose(slope, 0.1), "ten equal cosines: their value, and a tenth each"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(700)
for p, q in ((3, 5), (4, 2), (1, 6)):
    cosines = rng.uniform(-1, 1, (p, q))
    for alpha in (0.5, 16.0):
        value, slope = set_similarity(cosines, alpha)
        forth = sum(np.log(sum(np.exp(alpha * c) for c in row) / q) / alpha for row in cosines) / p
        back = sum(np.log(sum(np.exp(alpha * c) for c in row) / p) / alpha for row in cosines.T) / q
        assert np.isclose(value, (forth + back) / 2), f"sets of {p} and {q}, alpha {alpha}"
        for i in range(p):
            for j in range(q):
                move = np.zeros((p, q))
                move[i, j] = 1e-5
                up, down = (set_similarity(cosines + s * move, alpha)[0] for s in (1, -1))
                assert np.isclose(slope[i, j], (up - down) / 2e-5, atol=1e-7), f"slope measured, alpha {alpha}"
    steep, limit = set_similarity(cosines, 1e6), set_similarity(cosines, np.inf)
    flat, mean = set_similarity(cosines, 1e-6), set_similarity(cosines, 0.0)
    assert np.isclose(steep[0], limit[0], atol=1e-4), "alpha a million"
    assert np.allclose(steep[1], limit[1]), "alpha a million"
    assert np.isclose(flat[0], mean[0], atol=1e-4), "alpha a millionth"
    assert np.allclose(flat[1], mean[1], atol=1e-4), "alpha a millionth"
    tied = np.round(cosines)
    assert np.allclose(set_similarity(tied, np.inf)[1], set_similarity(tied, 1e5)[1]), "ties share as in the limit"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Slots compete
#
# <!-- task: 07.slot_steps -->
#
# A slot is a place for one part of a picture. Every *token* divides itself among the k slots, so what one slot takes
# the others lack; then every slot moves to the weighted mean of what it got. With slots $s_i$, tokens $x_j$, d numbers
# each:
#
# $$ A_{ij} = \frac{\exp(s_i^\top x_j / \sqrt{d})}{\sum_{l=1}^{k} \exp(s_l^\top x_j / \sqrt{d})}, \qquad
#    W_{ij} = \frac{A_{ij}}{\sum_{j} A_{ij}}, \qquad s_i \leftarrow \sum_j W_{ij} \, x_j $$
#
# That is k-means with soft borders. Repeat it `steps` times (at least once) and return the slots and the last W.
# Padded tokens, `real` False, hold any numbers and take no part: their weights are 0. A slot that got nothing, because
# all its shares are exactly 0, stays where it is with weights 0. Scores can be in the thousands.
#
# Try it on paper, with d = 1, slots 0 and ln 3, tokens 1 and -1. Token 1 has the scores 0 and ln 3, so it divides
# itself 1/4 to 3/4; token -1 divides itself 3/4 to 1/4. The slots move to -1/2 and 1/2.
#
# <!-- help: 07.slot_steps -->


# %% nbgrader={"grade_id": "slot_steps", "solution": true}
def slot_steps(slots, tokens, real, steps):
    """(k, d), (n, d), (n,) bool, int -> slots (k, d), weights of the last step (k, n)."""
    ### BEGIN SOLUTION
    for _ in range(steps):
        scores = slots @ tokens.T / np.sqrt(slots.shape[1])
        shares = np.exp(scores - scores.max(axis=0))
        shares = shares / shares.sum(axis=0) * real
        total = shares.sum(axis=1, keepdims=True)
        weights = shares / np.where(total > 0, total, 1)
        slots = np.where(total > 0, weights @ tokens, slots)
    return slots, weights
    ### END SOLUTION


# %%
check("07.slot_steps", slot_steps)

# %% nbgrader={"grade_id": "slot_steps-basic", "points": 2}
start, tokens = np.array([[0.0], [np.log(3)]]), np.array([[1.0], [-1.0], [9.0]])
slots, weights = slot_steps(start, tokens, np.array([True, True, False]), 1)
assert np.allclose(slots, [[-0.5], [0.5]]), "the example above, with a padded token 9"
assert np.allclose(weights, [[0.25, 0.75, 0], [0.75, 0.25, 0]]), "weights of the example above"

# %% nbgrader={"grade_id": "slot_steps-more", "points": 3}
one, _ = slot_steps(np.zeros((1, 1)), tokens, np.ones(3, dtype=bool), 1)
assert np.allclose(one, [[3.0]]), "a single slot takes the mean of all tokens"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(701)
for n, hidden in ((6, []), (8, [1, 6, 7])):
    slots, tokens = rng.normal(size=(3, 5)), 2 * rng.normal(size=(n, 5))
    real = ~np.isin(np.arange(n), hidden)
    state = slots.copy()
    for step in (1, 2, 3):
        shares = np.zeros((3, n))
        for j in np.flatnonzero(real):
            e = [np.exp(s @ tokens[j] / np.sqrt(5)) for s in state]
            shares[:, j] = np.array(e) / sum(e)
        wanted = shares / shares.sum(axis=1)[:, None]
        state = wanted @ tokens
        moved, weights = slot_steps(slots, tokens, real, step)
        assert np.allclose(moved, state), f"{n} tokens, {len(hidden)} padded"
        assert np.allclose(weights, wanted), f"{n} tokens, {len(hidden)} padded"
    far = np.vstack([slots, 500 * np.ones(5)])
    moved, weights = slot_steps(far, 100 * np.abs(tokens) + 1, real, 1)
    assert np.allclose(moved[:3], slots), "slots that hold nothing stay"
    assert np.all(weights[:3] == 0), "slots that hold nothing stay"
    assert np.allclose(moved[3], (100 * np.abs(tokens) + 1)[real].mean(axis=0)), "the slot that holds everything"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Words listen to patches
#
# <!-- task: 07.token_scores -->
#
# TEAM's idea without its learnt layers: every word of a sentence asks the picture for itself, and the sentence fits
# when every word got itself as the answer. With word vectors $t_w$ and patch vectors $v_p$, all scaled to length 1:
#
# $$ a_{wp} = \mathrm{softmax}_p \left( t_w^\top v_p / \tau \right), \qquad h_w = \sum_p a_{wp} v_p, \qquad
#    \mathrm{score} = \frac{1}{|W|} \sum_{w \in W} \cos(t_w, h_w) $$
#
# W are the real words of the sentence: without padding, and without the *first and the last real token*, which mark
# begin and end. (TEAM's released code leaves these two in the mean.) Padding may be zeros. A sentence with no word at
# all scores 0. Small τ must not overflow. Return every picture against every sentence, images in rows.
#
# Try it on paper: the word (2, 0) between begin and end, patches (3, 0) and (0, 2), τ = 1/ln 3. The cosines are 1 and
# 0, their weights 3/4 and 1/4, the answer (3/4, 1/4), and its cosine with the word 3/√10 = 0.949.
#
# <!-- help: 07.token_scores -->


# %% nbgrader={"grade_id": "token_scores", "solution": true}
def token_scores(words, real, patches, tau):
    """(m, t, d), (m, t) bool, (n, p, d), float -> (n, m)."""

    ### BEGIN SOLUTION
    def unit(x):
        return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)

    words, patches = unit(words), unit(patches)
    scores = np.einsum("jwd,ipd->ijwp", words, patches, optimize=True) / tau
    attention = np.exp(scores - scores.max(axis=3, keepdims=True))
    attention = attention / attention.sum(axis=3, keepdims=True)
    answers = unit(np.einsum("ijwp,ipd->ijwd", attention, patches, optimize=True))
    place, length = real.cumsum(axis=1), real.sum(axis=1, keepdims=True)
    counted = real & (place > 1) & (place < length)
    each = np.where(counted, (words * answers).sum(axis=3), 0)
    return each.sum(axis=2) / np.maximum(counted.sum(axis=1), 1)
    ### END SOLUTION


# %%
check("07.token_scores", token_scores)

# %% nbgrader={"grade_id": "token_scores-basic", "points": 2}
words = np.array([[[0.0, 5.0], [2.0, 0.0], [0.0, -5.0], [7.0, 7.0]]])
real, patches = np.array([[True, True, True, False]]), np.array([[[3.0, 0.0], [0.0, 2.0]]])
assert np.allclose(token_scores(words, real, patches, 1 / np.log(3)), 3 / np.sqrt(10)), "the example above"

# %% nbgrader={"grade_id": "token_scores-more", "points": 4}
silent = np.array([[True, True, False, False]])
assert np.allclose(token_scores(words, silent, patches, 1.0), 0), "begin and end only: no word, score 0"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(702)
words, patches = rng.normal(size=(4, 6, 3)), rng.normal(size=(3, 5, 3)) * rng.uniform(0.3, 4, (3, 5, 1))
lengths = np.array([6, 3, 5, 4])
real = np.arange(6) < lengths[:, None]
words[~real] = 0
for tau in (1.0, 0.2, 0.001):
    scores = np.asarray(token_scores(words, real, patches, tau))
    assert scores.shape == (3, 4), "images in rows"
    for i in range(3):
        for j in range(4):
            total = 0.0
            for w in range(1, lengths[j] - 1):
                t = words[j, w] / np.sqrt(sum(words[j, w] ** 2))
                v = [patch / np.sqrt(sum(patch**2)) for patch in patches[i]]
                top = max(t @ x for x in v)
                a = [np.exp((t @ x - top) / tau) for x in v]
                h = sum(b * x for b, x in zip(a, v, strict=True))
                total += t @ h / np.sqrt(h @ h)
            assert np.isclose(scores[i, j], total / (lengths[j] - 2)), f"3 pictures, 4 sentences, tau {tau}"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Two stages
#
# <!-- task: 07.two_stages -->
#
# A fine score for all pairs is too dear, so a coarse first stage chooses k items and the fine second stage puts those
# in order. Return the items of every query from best to worst: the k best of the first stage sorted by the second,
# then *all others in the order of the first stage*. So the set of the best k never changes, and R@k stays what it was.
#
# In both stages larger is better. Of equal first scores the smaller item number comes first; of equal second scores
# the better of the first stage. The second stage may know nothing about the others: its scores there can be NaN. Nor
# is anything known about its scale. (TEAM's released code gives the others -1000, which is safe for sums of cosines
# and for nothing else.)
#
# Try it on paper: first scores 0.9, 0.8, 0.7, 0.1, second -5000, -2000, NaN, NaN and k = 2. The order is 1, 0, 2, 3.
#
# <!-- help: 07.two_stages -->


# %% nbgrader={"grade_id": "two_stages", "solution": true}
def two_stages(first, second, k):
    """(q, n), (q, n), int -> item numbers from best to worst (q, n)."""
    ### BEGIN SOLUTION
    order = np.argsort(-first, axis=1, kind="stable")
    top, rest = order[:, :k], order[:, k:]
    own = np.take_along_axis(second, top, axis=1)
    again = np.argsort(-own, axis=1, kind="stable")
    return np.concatenate([np.take_along_axis(top, again, axis=1), rest], axis=1)
    ### END SOLUTION


# %%
check("07.two_stages", two_stages)

# %% nbgrader={"grade_id": "two_stages-basic", "points": 1}
first, second = np.array([[0.9, 0.8, 0.7, 0.1]]), np.array([[-5000, -2000, np.nan, np.nan]])
assert np.array_equal(two_stages(first, second, 2), [[1, 0, 2, 3]]), "the example above"

# %% nbgrader={"grade_id": "two_stages-more", "points": 2}
ties = np.array([[1.0, 2.0, 2.0, 0.0]])
assert np.array_equal(two_stages(ties, np.zeros((1, 4)), 3), [[1, 2, 0, 3]]), "equal second scores keep the first order"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(703)
for n, k, digits in ((8, 3, 6), (12, 5, 0), (6, 1, 6), (5, 9, 0)):
    first, second = np.round(2 * rng.normal(size=(6, n)), digits), np.round(2 * rng.normal(size=(6, n)), digits)
    wanted = []
    for f, s in zip(first, second, strict=True):
        ranked = sorted(range(n), key=lambda i: (-f[i], i))
        wanted.append(sorted(ranked[:k], key=lambda i: (-s[i], ranked.index(i))) + ranked[k:])
    assert np.array_equal(two_stages(first, second, k), wanted), f"6 queries, {n} items, k = {k}"
    for row, order in enumerate(wanted):
        second[row, order[k:]] = np.nan
    assert np.array_equal(two_stages(first, second - 9000, k), wanted), "NaN outside the best k, low scores inside"
### END HIDDEN TESTS

# %% [markdown]
# ## 5. One vector against sets against tokens
#
# 120 pictures of 25 patches; each shows four of 40 things, on one to five patches, before a background. Its sentence
# names two or three of them. Things, patches and names share one space, as behind two trained towers, and all carry
# noise. Nothing is learnt here; run this when the four tasks are done.

# %%
from xmr_lib.course.practice_tokens import practice_tokens

patches, words, real = practice_tokens()
n = len(patches)
print("patches", patches.shape, "words", words.shape, "of which real", int(real.sum()))


# %%
def unit(x):
    """Vectors of length 1."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def hits(order, k):
    """Share of the rows whose own number is among the first k, in %."""
    return 100 * np.mean((order[:, :k] == np.arange(n)[:, None]).any(axis=1))


def line(name, scores, dots):
    """R@1 both ways, R@10 of the text queries, and how many dot products one pair costs."""
    i2t, t2i = np.argsort(-scores, axis=1, kind="stable"), np.argsort(-scores.T, axis=1, kind="stable")
    print(f"{name:<34} {hits(i2t, 1):>6.1f} {hits(t2i, 1):>6.1f} {hits(t2i, 10):>6.1f} {dots:>6}")


# %%
sentences = [unit(row[mask][1:-1]) for row, mask in zip(words, real, strict=True)]  # the words that count
one = unit(patches.mean(axis=1)) @ unit(np.array([s.mean(axis=0) for s in sentences])).T
print(f"{'':<34} {'i2t R@1':>6} {'t2i':>5} {'R@10':>6} {'dots':>6}")
line("one vector: means", one, 1)
for k in (2, 4, 6):
    start = np.random.default_rng(1).normal(size=(k, patches.shape[2]))
    sets = [unit(slot_steps(start, 20 * unit(p), np.ones(len(p), dtype=bool), 4)[0]) for p in patches]
    for alpha in (0, 16, np.inf) if k == 6 else (16,):
        scores = np.array([[set_similarity(a @ b.T, alpha)[0] for b in sentences] for a in sets])
        line(f"{k} slots, alpha {alpha}", scores, f"{k} x t")
fine = token_scores(words, real, patches, 0.1)
line("tokens", fine, "25 x t")

# %%
for k in (1, 5, 10, 30, n):
    order = two_stages(one.T, fine.T, k)
    print(
        f"re-rank {k:>3}: text queries R@1 {hits(order, 1):.1f}, R@10 {hits(order, 10):.1f}, R@{k} {hits(order, k):.1f}"
    )

# %% [markdown]
# **Question.** Six slots at α = 0 are hardly better than one vector. Why do all those vectors not help?
#
# <details><summary>Answer</summary>
#
# The mean of all cosines is the dot product of the two mean vectors: the set is averaged after all. A set needs a
# similarity in which its members can be chosen.
#
# </details>
#
# **Question.** Re-ranking 10 items by tokens cannot reach what tokens reach alone. What is the most it can reach, and
# where in the table does that number stand?
#
# <details><summary>Answer</summary>
#
# R@10 of the first stage: a partner that is not among its 10 is never seen by the second. R@10 itself is the same
# before and after, because the set is.
#
# </details>
