# %% [markdown]
# # Exercise 06 · InfoNCE, by hand
#
# Two towers learn from one number: how surely does every picture find its sentence among all the others? Here you
# write that number with its slopes, for several captions per image, with a temperature that learns, and shared by
# several processes.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 06](../../notebooks/06_dual_tower_contrastive.ipynb) and numpy, no PyTorch.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. Cross-entropy and its slope
#
# <!-- task: 06.cross_entropy -->
#
# A row of logits is turned into chances by the softmax; the loss is minus the logarithm of the chance of the right
# column $t_i$:
#
# $$ p_{ij} = \frac{\exp(l_{ij})}{\sum_k \exp(l_{ik})}, \qquad \mathrm{loss}_i = -\log p_{i t_i} $$
#
# Return the r losses, and the slope of their **mean** along every logit,
#
# $$ \frac{\partial}{\partial l_{ij}} \, \frac{1}{r} \sum_{i'} \mathrm{loss}_{i'} =
#    \frac{1}{r} \left( p_{ij} - [\,j = t_i\,] \right) $$
#
# Logits can be in the thousands; exp must not overflow.
#
# Try it on paper, for the single row (ln 2, 0, 0) with target 0. The chances are 1/2, 1/4, 1/4; the loss is ln 2, the
# slope (-1/2, 1/4, 1/4): what the target gains, the others lose.
#
# <!-- help: 06.cross_entropy -->


# %% nbgrader={"grade_id": "cross_entropy", "solution": true}
def cross_entropy(logits, target):
    """(r, c) scores, (r,) right columns -> losses (r,), slope of their mean (r, c)."""
    ### BEGIN SOLUTION
    rows = np.arange(len(logits))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_chance = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    slope = np.exp(log_chance)
    slope[rows, target] -= 1
    return -log_chance[rows, target], slope / len(logits)
    ### END SOLUTION


# %%
check("06.cross_entropy", cross_entropy)

# %% nbgrader={"grade_id": "cross_entropy-basic", "points": 2}
losses, slope = cross_entropy(np.array([[np.log(2), 0, 0]]), np.array([0]))
assert np.allclose(losses, [np.log(2)]), "the example above: loss"
assert np.allclose(slope, [[-0.5, 0.25, 0.25]]), "the example above: slope"

# %% nbgrader={"grade_id": "cross_entropy-more", "points": 2}
losses, slope = cross_entropy(np.array([[3000.0, 0.0], [0.0, 2000.0]]), np.array([0, 0]))
assert np.allclose(losses, [0, 2000]), "large logits: one sure and right, one sure and wrong"
assert np.allclose(slope, [[0, 0], [-0.5, 0.5]]), "large logits: only the wrong row pulls, with half its weight"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(600)
for r, c in ((1, 4), (5, 3), (3, 6)):
    logits, target = rng.normal(size=(r, c)), rng.integers(c, size=r)
    before = logits.copy()
    losses, slope = cross_entropy(logits, target)
    assert np.array_equal(logits, before), "the logits that are given must stay as they are"
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(losses, [-np.log(chances[i, target[i]]) for i in range(r)]), f"losses, {r} x {c} logits"
    for i in range(r):
        for j in range(c):
            move = np.zeros((r, c))
            move[i, j] = 1e-5
            up, down = (cross_entropy(logits + sign * move, target)[0].mean() for sign in (1, -1))
            assert np.isclose(slope[i, j], (up - down) / 2e-5, atol=1e-8), f"slope by moving a logit, {r} x {c}"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Any right caption will do
#
# <!-- task: 06.several_captions -->
#
# The lesson gives every right pair a loss of its own. There is a gentler way (MIL-NCE, Miech et al., 2020): an image
# with several captions should find **any** of them. For image i, with $R_i$ its right captions,
#
# $$ \mathrm{loss}_i = -\log \frac{\sum_{j \in R_i} \exp(l_{ij})}{\sum_{j} \exp(l_{ij})} $$
#
# An image and a caption belong together when their instance numbers are equal; they come in any order. Take the mean
# over the images that have a right caption in the table, and leave the others out.
#
# Try it on paper. The table holds exp(l): image 0 has (1, 2, 1), image 1 has (1, 1, 3); the captions 0 and 1 belong to
# image 0, caption 2 to image 1. The shares of the right ones are 3/4 and 3/5, the loss is
# (ln 4/3 + ln 5/3) / 2 = 0.399.
#
# Scores can be in the thousands here too.
#
# <!-- help: 06.several_captions -->


# %% nbgrader={"grade_id": "several_captions", "solution": true}
def any_right_loss(logits, image_instance, caption_instance):
    """(n, m) scores, (n,) and (m,) instance numbers -> mean loss of the images that have a caption, a float."""
    ### BEGIN SOLUTION
    right = image_instance[:, None] == caption_instance
    keep = right.any(axis=1)

    def log_sum(x):
        top = x.max(axis=1, keepdims=True)
        return top[:, 0] + np.log(np.exp(x - top).sum(axis=1))

    all_captions, of_this_image = log_sum(logits[keep]), log_sum(np.where(right, logits, -np.inf)[keep])
    return float(np.mean(all_captions - of_this_image))
    ### END SOLUTION


# %%
check("06.several_captions", any_right_loss)

# %% nbgrader={"grade_id": "several_captions-basic", "points": 2}
table = np.log(np.array([[1.0, 2.0, 1.0], [1.0, 1.0, 3.0]]))
loss = any_right_loss(table, np.array([0, 1]), np.array([0, 0, 1]))
assert np.isclose(loss, (np.log(4 / 3) + np.log(5 / 3)) / 2), "the example above"

# %% nbgrader={"grade_id": "several_captions-more", "points": 3}
loss = any_right_loss(table, np.array([0, 5]), np.array([0, 0, 1]))
assert np.isclose(loss, np.log(4 / 3)), "the second image has no caption here: only the first counts"
assert np.isclose(any_right_loss(np.zeros((2, 4)), np.array([3, 8]), np.array([8, 3, 8, 3])), np.log(2)), "2 of 4"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(601)
for n, m, scale in ((5, 12, 1.0), (3, 9, 3.0), (8, 8, 0.5)):
    instances = rng.permutation(20)[:n]
    captions = np.concatenate([instances[:-1], rng.choice([*instances[:-1], 99], m - n + 1)])
    captions = rng.permutation(captions)
    logits = scale * rng.normal(size=(n, m))
    losses = []
    for i in range(n - 1):
        e = np.exp(logits[i])
        losses.append(-np.log(sum(e[j] for j in range(m) if captions[j] == instances[i]) / sum(e)))
    assert np.isclose(any_right_loss(logits, instances, captions), np.mean(losses)), f"{n} images, {m} captions"
    far = any_right_loss(3000 * logits, instances, captions)
    assert np.isfinite(far), "scores in the thousands"
    assert far >= 0, "scores in the thousands: a loss is not negative"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. A temperature that learns
#
# <!-- task: 06.temperature_step -->
#
# The logits of CLIP are $l_{ij} = s \cos(v_i, t_j)$. What is learnt is $\log s$, so that $s$ stays positive. Write one
# step of gradient descent for it. The loss is the mean of both directions over n pairs, row i beside column i,
#
# $$ L = \frac{1}{2n} \sum_i \Big( \log \sum_j \exp(l_{ij}) - l_{ii} \Big)
#      + \frac{1}{2n} \sum_j \Big( \log \sum_i \exp(l_{ij}) - l_{jj} \Big) $$
#
# Find $\partial L / \partial \log s$ yourself: when $\log s$ grows by a little ε, every logit l grows by ε l. Then
#
# $$ \log s \leftarrow \min\Big( \log s - \mathrm{rate} \cdot \frac{\partial L}{\partial \log s}, \ \log
#    \mathrm{maximum} \Big) $$
#
# Return the loss *before* the step, and the new log s.
#
# Try it on paper, for two pairs with cosines ((1, 0), (0, 1)) and s = 1. A row has the chances e / (e + 1) = 0.731 and
# 0.269, so the loss is 0.313. What a row expects is 0.731 · 1 + 0.269 · 0, what it has is 1: the slope is -0.269. With
# rate 1 the new log s is 0.269. The pairs fit, so the scale grows.
#
# <!-- help: 06.temperature_step -->


# %% nbgrader={"grade_id": "temperature_step", "solution": true}
def temperature_step(cosines, log_scale, rate, maximum):
    """(n, n) cosines, log s, learning rate, largest s -> loss (float), new log s (float)."""
    ### BEGIN SOLUTION
    loss = slope = 0.0
    for table in (cosines, cosines.T):
        logits = np.exp(log_scale) * table
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_chance = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        expected = (np.exp(log_chance) * logits).sum(axis=1)
        loss -= np.diag(log_chance).mean() / 2
        slope += (expected - np.diag(logits)).mean() / 2
    return float(loss), float(min(log_scale - rate * slope, np.log(maximum)))
    ### END SOLUTION


# %%
check("06.temperature_step", temperature_step)

# %% nbgrader={"grade_id": "temperature_step-basic", "points": 2}
loss, moved = temperature_step(np.eye(2), 0.0, 1.0, 100.0)
assert np.isclose(loss, np.log(1 + np.exp(-1))), "the example above: loss"
assert np.isclose(moved, 1 / (1 + np.e)), "the example above: the new log s"

# %% nbgrader={"grade_id": "temperature_step-more", "points": 3}
_, moved = temperature_step(0.05 * np.eye(3), np.log(99.9), 5.0, 100.0)
assert np.isclose(moved, np.log(100)), "a step beyond the maximum is cut"
_, moved = temperature_step(-np.eye(3), np.log(100), 0.001, 100.0)
assert moved < np.log(100), "at the maximum, but the pairs do not fit: the scale must be able to fall"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(602)
for n, start in ((2, 0.3), (5, 1.5), (7, 2.66)):
    cosines = np.clip(0.4 * rng.normal(size=(n, n)), -1, 1)

    def loss_at(log_scale, cosines=cosines):
        logits = np.exp(log_scale) * cosines
        rows = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
        columns = np.log(np.exp(logits).sum(axis=0)) - np.diag(logits)
        return (rows.mean() + columns.mean()) / 2

    loss, moved = temperature_step(cosines, start, 0.01, 100.0)
    measured = (loss_at(start + 1e-5) - loss_at(start - 1e-5)) / 2e-5
    assert np.isclose(loss, loss_at(start)), f"loss of {n} random pairs"
    assert np.isclose(moved, start - 0.01 * measured, atol=1e-7), "slope of the loss measured by moving log s a little"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Many processes, one batch
#
# <!-- task: 06.gathered_loss -->
#
# A batch of B pairs is shared by k processes: process r holds the rows r, r + k, r + 2k, ... of pictures and sentences.
# Shares may differ by a row. Each process sends its vectors to all others, so everybody knows all shares. Process r
# then computes the loss of *its own* rows against *all* partners, in both directions, at cosines times a scale s:
#
# $$ L_r = \frac{k}{B} \sum_{i \in \mathrm{rows}(r)} \frac{1}{2} \Big[ \mathrm{loss}(v_i \text{ among all } t) +
#    \mathrm{loss}(t_i \text{ among all } v) \Big] $$
#
# The plain average of $L_0, \dots, L_{k-1}$ is then the loss of the undivided batch.
#
# Try it on paper: two processes with one pair each, pictures (2, 0) and (0, 1), sentences equal to the pictures, s = 1.
# All vectors get length 1. Process 0 has one picture with the logits (1, 0) and one sentence with the same, each with
# a loss of 0.313; k/B is 2/2, so it reports 0.313.
#
# <!-- help: 06.gathered_loss -->


# %% nbgrader={"grade_id": "gathered_loss", "solution": true}
def process_loss(images, texts, rank, scale):
    """k arrays (n_r, d) of pictures, the same of sentences, 0 <= rank < k, float -> what process ``rank`` reports."""
    ### BEGIN SOLUTION
    world, batch = len(images), sum(len(share) for share in images)
    sides = []
    for shares in (images, texts):
        whole = np.empty((batch, shares[0].shape[1]))
        for r, share in enumerate(shares):
            whole[r::world] = share / np.linalg.norm(share, axis=1, keepdims=True)
        sides.append(whole)
    own, total = np.arange(rank, batch, world), 0.0
    for a, b in (sides, sides[::-1]):
        logits = scale * a[own] @ b.T
        top = logits.max(axis=1)
        log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        total += (log_sum - logits[np.arange(len(own)), own]).sum() / 2
    return float(total * world / batch)
    ### END SOLUTION


# %%
check("06.gathered_loss", process_loss)

# %% nbgrader={"grade_id": "gathered_loss-basic", "points": 2}
axes = [np.array([[2.0, 0.0]]), np.array([[0.0, 1.0]])]
assert np.isclose(process_loss(axes, axes, 0, 1.0), np.log(1 + np.exp(-1))), "the example above"

# %% nbgrader={"grade_id": "gathered_loss-more", "points": 3}
rows = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
shares = [rows[0::2], rows[1::2]]
average = (process_loss(shares, shares, 0, 2.0) + process_loss(shares, shares, 1, 2.0)) / 2
whole = process_loss([rows], [rows], 0, 2.0)
assert np.isclose(average, whole), "3 pairs: the average of two processes is what one process gets for all"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(603)
for batch, world, scale in ((6, 2, 1.0), (7, 3, 5.0), (9, 4, 20.0)):
    v, t = rng.normal(size=(2, batch, 5)) * rng.uniform(0.2, 4, size=(2, batch, 1))
    cosines = (v / np.linalg.norm(v, axis=1)[:, None]) @ (t / np.linalg.norm(t, axis=1)[:, None]).T
    e = np.exp(scale * cosines)
    losses = -np.log(np.diag(e) / e.sum(axis=1)) / 2 - np.log(np.diag(e) / e.sum(axis=0)) / 2
    shares = [v[r::world] for r in range(world)], [t[r::world] for r in range(world)]
    reported = [process_loss(*shares, r, scale) for r in range(world)]
    for r in range(world):
        assert np.isclose(reported[r], losses[r::world].sum() * world / batch), f"{batch} rows, process {r} of {world}"
    assert np.isclose(np.mean(reported), losses.mean()), "the average over the processes"
### END HIDDEN TESTS

# %% [markdown]
# ## 5. A retriever in twenty lines
#
# Your slopes are enough to train one. On the [Wikipedia features](../../datasets/README.md) of 2010 if they are here,
# else on pictures of emoji (8 x 8 pixels) with their English names, a picture x and a text y get the logit
# $x^\top A\, y$: two linear towers multiplied into one matrix. Its slope is $\sum_{ij} g_{ij}\, x_i y_j^\top$ with
# $g$ the slope along the logits, and your `cross_entropy` gives that for both directions. Run this when the four tasks
# are done.

# %%
from xmr_lib.course.practice import practice_pairs

seen, unseen = practice_pairs()
x, y = (side / np.sqrt(side.shape[1]) for side in (seen.image, seen.text))
x_new, y_new = (side / np.sqrt(side.shape[1]) for side in (unseen.image, unseen.text))
print(seen.name, x.shape, y.shape, "unseen:", len(x_new))


# %%
def train(batch, steps, rate=5.0, decay=1e-3):
    """A (p, q) after some steps of gradient descent on batches of so many pairs, and the first and last loss."""
    rng = np.random.default_rng(0)
    A, losses, own = np.zeros((x.shape[1], y.shape[1])), [], np.arange(batch)
    for _ in range(steps):
        rows = rng.choice(len(x), batch, replace=False)
        logits = x[rows] @ A @ y[rows].T
        (image_loss, image_slope), (text_loss, text_slope) = (cross_entropy(table, own) for table in (logits, logits.T))
        losses.append((image_loss.mean() + text_loss.mean()) / 2)
        A = (1 - rate * decay) * A - rate * x[rows].T @ ((image_slope + text_slope.T) / 2) @ y[rows]
    return A, losses[0], np.mean(losses[-20:])


# %%
from xmr_lib.metrics import recall_at_k

right = np.eye(len(x_new), dtype=bool)
print(f"chance: R@10 {1000 / len(x_new):.1f} %")
for batch in (4, 32, 256):
    A, first, last = train(batch, steps=300)
    scores = x_new @ A @ y_new.T
    recall = 50 * (float(recall_at_k(scores, right, 10)) + float(recall_at_k(scores.T, right, 10)))
    print(f"batch {batch:>3}: ln B {np.log(batch):.2f}, loss {first:.2f} -> {last:.2f}, unseen R@10 {recall:.1f} %")

# %% [markdown]
# **Question.** The first loss is ln B to all digits. Why, and why is the last loss of the small batch so much lower
# although its retriever is not better?
#
# <details><summary>Answer</summary>
#
# A starts at 0, all logits are equal, and each of B candidates has the chance 1/B. A loss can only be compared at the
# same B: finding a partner among 4 is easier than among 256. Compare retrievers by recall in one and the same database.
#
# </details>
#
# **Question.** You let two processes with 128 pairs each train *without* gathering. Which of the rows above does that
# resemble, and what would the printed loss say?
#
# <details><summary>Answer</summary>
#
# A batch of 128 whose gradient is averaged over two such batches: less noise, but each picture meets 127 wrong
# sentences instead of 255. The printed loss would be lower than that of 256 gathered pairs (it starts at ln 128), and
# nobody would notice: a forgotten gather *improves* the number on the screen.
#
# </details>
