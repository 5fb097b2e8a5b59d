# %% [markdown]
# # Exercise 01 · The metrics by hand
#
# A search engine returns a ranking. How good is it? You write four metrics, see how they differ from their namesakes,
# and then use them on real pictures.
#
# **How it works.** Replace `raise NotImplementedError()` with your lines, run the cell, and read what `check(...)`
# says: what was expected, what came, the likely cause, the next hint. The cells below it are the graded tests; leave
# them as they are. You need [lesson 01](../../notebooks/01_task_data_metrics.ipynb), numpy, and a sheet of paper.
#
# Everywhere: rows of `similarity` are queries (q), columns are database items (n), larger is more alike. There are no
# ties. A query without any relevant item has nothing to find and is left out of the mean.

# %% nbgrader={"grade_id": "setup", "locked": true}
import numpy as np

from xmr_lib.course import check

# %% [markdown]
# ## 1. Recall at k
#
# <!-- task: 01.recall_at_k -->
#
# You type *red apple* and look at the first row of pictures. Is an apple among them? In image-text retrieval R@k is
# the share of queries for which **at least one** relevant item is among the first k:
#
# $$ R@k = \frac{1}{q} \sum_{i=1}^{q} [\, \text{a relevant item of query } i \text{ has rank} \leq k \,] $$
#
# Try it on paper first, with k = 1:
#
# | | 🍎 | 🍅 | 🍏 | 🚒 |
# |---|---|---|---|---|
# | *red apple* | **0.9** | 0.7 | 0.6 | 0.4 |
# | *tomato* | 0.8 | **0.6** | 0.3 | 0.5 |
# | *fire engine* | 0.4 | 0.3 | 0.1 | **0.7** |
#
# (The bold numbers are the relevant pairs.)
#
# <!-- help: 01.recall_at_k -->


# %% nbgrader={"grade_id": "recall_at_k", "solution": true}
def recall_at_k(similarity, relevance, k):
    """Share of queries with a relevant item among their first k. (q, n), (q, n) bool, int -> float in 0..1."""
    ### BEGIN SOLUTION
    top = np.argsort(-similarity, axis=1)[:, :k]
    hit = np.take_along_axis(relevance, top, axis=1).any(axis=1)
    return float(hit[relevance.any(axis=1)].mean())
    ### END SOLUTION


# %%
check("01.recall_at_k", recall_at_k)

# %% nbgrader={"grade_id": "recall_at_k-basic", "points": 2}
similarity = np.array([[0.9, 0.7, 0.6, 0.4], [0.8, 0.6, 0.3, 0.5], [0.4, 0.3, 0.1, 0.7]])
relevance = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=bool)
assert np.isclose(recall_at_k(similarity, relevance, 1), 2 / 3), "the table above: two of three queries hit at rank 1"
assert np.isclose(recall_at_k(similarity, relevance, 2), 1), "the table above: the tomato comes at rank 2"

# %% nbgrader={"grade_id": "recall_at_k-more", "points": 2}
two = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]], dtype=bool)
assert np.isclose(recall_at_k(similarity, two, 1), 1), "two relevant items still count as one hit; row 2 has none"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(101)
scores, related = rng.random((30, 40)), rng.random((30, 40)) < 0.05
for k in (1, 3, 10, 100):
    hits = []
    for row, right in zip(scores, related, strict=True):
        if right.any():
            first = sorted(range(40), key=lambda j: -row[j])[:k]
            hits.append(any(right[j] for j in first))
    assert np.isclose(recall_at_k(scores, related, k), np.mean(hits)), f"30 random queries, 40 items, k = {k}"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Average precision at eleven levels
#
# <!-- task: 01.eleven_point_ap -->
#
# R@k stops at the first hit. When many items are relevant (all pictures of food), we want to know whether **all** of
# them come early. Lesson 01 averages the precision over the relevant items. TREC in the 1990s and the first PASCAL VOC
# challenges printed another number, also called "AP": the mean height of the precision-recall curve at eleven levels of
# recall, 0, 0.1, ..., 1. With precision $\mathrm{hits}(i) / i$ and recall $\mathrm{hits}(i) / R$ at rank $i$,
#
# $$ \mathrm{AP}_{11} = \frac{1}{11} \sum_{t=0}^{10} \; \max_{i \,:\, \mathrm{hits}(i) / R \, \geq \, t / 10}
#    \frac{\mathrm{hits}(i)}{i} $$
#
# A level gets the **best** precision at any rank that reaches it, also further down; this takes the teeth out of the
# curve. Try it on paper, for relevant items at ranks 1, 3 and 4:
#
# | rank | 1 | 2 | 3 | 4 | 5 |
# |---|---|---|---|---|---|
# | relevant | 1 | 0 | 1 | 1 | 0 |
# | precision | 1 | 1/2 | 2/3 | 3/4 | 3/5 |
# | recall | 1/3 | 1/3 | 2/3 | 1 | 1 |
#
# Rank 1 reaches four levels (0, 0.1, 0.2, 0.3) with precision 1. The other seven are reached from rank 3 on, and the
# best there is 3/4. So it is (4 · 1 + 7 · 3/4) / 11 = 0.84; the AP of lesson 01 is 0.81. A ranking without anything
# relevant scores 0.
#
# <!-- help: 01.eleven_point_ap -->


# %% nbgrader={"grade_id": "eleven_point_ap", "solution": true}
def eleven_point_ap(ranked_relevance):
    """Mean, over the recall levels 0, 0.1, ..., 1, of the best precision that reaches them. (n,) of 0 and 1 -> 0..1."""
    ### BEGIN SOLUTION
    hits = np.cumsum(ranked_relevance)
    total = hits[-1]
    if total == 0:
        return 0.0
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / total
    return float(np.mean([precision[recall >= t / 10].max() for t in range(11)]))
    ### END SOLUTION


# %%
check("01.eleven_point_ap", eleven_point_ap)

# %% nbgrader={"grade_id": "eleven_point_ap-basic", "points": 2}
expected = (4 * 1 + 7 * 3 / 4) / 11
assert np.isclose(eleven_point_ap(np.array([1, 0, 1, 1, 0])), expected), "the table above: (4 * 1 + 7 * 3/4) / 11"
assert np.isclose(eleven_point_ap(np.array([1, 1, 0])), 1), "everything relevant on top is 1"

# %% nbgrader={"grade_id": "eleven_point_ap-more", "points": 2}
assert eleven_point_ap(np.array([0, 0, 0])) == 0, "nothing relevant is 0"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(102)
for share in (0.1, 0.3, 0.9):
    ranking = (rng.random(60) < share).astype(int)
    ranking[17] = 1
    found = [int(ranking[: i + 1].sum()) for i in range(60)]
    best = [max(found[i] / (i + 1) for i in range(60) if 10 * found[i] >= t * found[-1]) for t in range(11)]
    assert np.isclose(eleven_point_ap(ranking), sum(best) / 11), f"60 random items, {share:.0%} relevant"
for on_top in (3, 6, 7):  # 0.1 * 3, 0.1 * 6 and 0.1 * 7 are a little more than 3 / 10, 6 / 10 and 7 / 10
    tenths = np.repeat([1, 0, 1], [on_top, 90, 10 - on_top])
    expected = (on_top + 1 + (10 - on_top) * 10 / 100) / 11
    assert np.isclose(eleven_point_ap(tenths), expected), f"{on_top} of 10 relevant items on top reach level .{on_top}"
### END HIDDEN TESTS

# %% [markdown]
# ## 3. MAP at k, with its denominator's name
#
# <!-- task: 01.map_at_k -->
#
# Papers print "MAP@50" and mean different numbers. All sum the precisions at the hits among the first k ranks. They
# divide by
#
# | name | divides by | who |
# |---|---|---|
# | `"relevant"` | R, all relevant items of the database | trec_eval |
# | `"min"` | min(k, R) | the default of this course |
# | `"hits"` | the hits among the first k | ACMR, DSCMR, many hashing papers |
#
# For the ranking `1 0 1 0 0 1 1 1` and k = 3 the sum is 1/1 + 2/3. Divide it by 5, by 3 and by 2: three "MAP@3" of one
# ranking. Write all three; without a hit the value is 0.
#
# <!-- help: 01.map_at_k -->


# %% nbgrader={"grade_id": "map_at_k", "solution": true}
def map_at_k(similarity, relevance, k, denominator):
    """Mean over queries of the precision sum of the first k ranks, divided as ``denominator`` says."""
    ### BEGIN SOLUTION
    values = []
    for scores, relevant in zip(similarity, relevance, strict=True):
        total = int(relevant.sum())
        if total == 0:
            continue
        ranks = np.flatnonzero(relevant[np.argsort(-scores)][:k]) + 1
        hits = len(ranks)
        precision_sum = (np.arange(1, hits + 1) / ranks).sum()
        values.append(precision_sum / max({"relevant": total, "min": min(k, total), "hits": hits}[denominator], 1))
    return float(np.mean(values))
    ### END SOLUTION


# %%
check("01.map_at_k", map_at_k)

# %% nbgrader={"grade_id": "map_at_k-basic", "points": 3}
toy, order = np.array([[1, 0, 1, 0, 0, 1, 1, 1]], dtype=bool), -np.arange(8.0)[None]
for name, divisor in [("relevant", 5), ("min", 3), ("hits", 2)]:
    value = map_at_k(order, toy, 3, name)
    assert np.isclose(value, (1 / 1 + 2 / 3) / divisor), f"{name!r}: (1/1 + 2/3) / {divisor} was expected, not {value}"

# %% nbgrader={"grade_id": "map_at_k-more", "points": 3}
late = np.array([[0, 0, 0, 0, 1, 0, 0, 0]], dtype=bool)
assert all(map_at_k(order, late, 3, name) == 0 for name in ("relevant", "min", "hits")), "no hit among the first 3 is 0"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(103)
scores, related = rng.random((20, 30)), rng.random((20, 30)) < 0.1
related[7] = False  # a query without anything relevant is left out of the mean
for k in (1, 5, 30):
    for name in ("relevant", "min", "hits"):
        values = []
        for row, right in zip(scores, related, strict=True):
            ranking = right[np.argsort(-row)]
            total, hits, precision = right.sum(), 0, 0.0
            for i in range(k):
                if ranking[i]:
                    hits += 1
                    precision += hits / (i + 1)
            if total:
                below = {"relevant": total, "min": min(k, total), "hits": hits}[name]
                values.append(precision / below if hits else 0.0)
        assert np.isclose(map_at_k(scores, related, k, name), np.mean(values)), f"20 queries, k = {k}, {name!r}"
### END HIDDEN TESTS

# %% [markdown]
# ## 4. NDCG
#
# <!-- task: 01.ndcg_at_k -->
#
# Relevance has degrees: for a picture of an apple and a pear, a caption that shares two objects is better than one that
# shares one. Grade g is worth 2^g - 1, and the item at rank i counts 1 / log2(i + 1) of it:
#
# $$ \mathrm{DCG}@k = \sum_{i=1}^{k} \frac{2^{g_i} - 1}{\log_2 (i + 1)}, \qquad
#    \mathrm{NDCG}@k = \frac{\mathrm{DCG}@k}{\mathrm{DCG}@k \ \text{of the best order of all n items}} $$
#
# Average it over the queries that have any grade above 0.
#
# <!-- help: 01.ndcg_at_k -->


# %% nbgrader={"grade_id": "ndcg_at_k", "solution": true}
def ndcg_at_k(similarity, gains, k):
    """DCG@k as a share of the best possible DCG@k, mean over queries. (q, n), (q, n) of grades, int -> float."""

    ### BEGIN SOLUTION
    def dcg(grades):
        top = grades[:, :k]
        return ((2.0**top - 1) / np.log2(np.arange(2, top.shape[1] + 2))).sum(axis=1)

    keep = gains.any(axis=1)
    ranked = np.take_along_axis(gains, np.argsort(-similarity, axis=1), axis=1)
    best = np.sort(gains, axis=1)[:, ::-1]
    return float((dcg(ranked)[keep] / dcg(best)[keep]).mean())
    ### END SOLUTION


# %%
check("01.ndcg_at_k", ndcg_at_k)

# %% nbgrader={"grade_id": "ndcg_at_k-basic", "points": 2}
grades, order = np.array([[2, 0, 1, 0, 1]]), -np.arange(5.0)[None]
assert np.isclose(ndcg_at_k(order, grades, 5), 0.940915, atol=1e-6), "grades 2 0 1 0 1 in rank order, k = 5"
assert np.isclose(ndcg_at_k(np.array([[3.0, 2.0, 1.0]]), np.array([[3, 1, 0]]), 3), 1), "the best order is 1"

# %% nbgrader={"grade_id": "ndcg_at_k-more", "points": 2}
assert ndcg_at_k(np.array([[3.0, 2.0, 1.0]]), np.array([[0, 1, 3]]), 1) == 0, "nothing of value at rank 1"
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(104)
scores = rng.random((15, 20))
graded = rng.integers(0, 4, size=(15, 20)) * (rng.random((15, 20)) < 0.3)
graded[7] = 0  # a query without any gain is left out of the mean
for k in (1, 4, 20):
    values = []
    for row, g in zip(scores, graded, strict=True):
        ranking, best = g[np.argsort(-row)], sorted(g, reverse=True)
        reached = sum((2 ** int(ranking[i]) - 1) / np.log2(i + 2) for i in range(k))
        possible = sum((2 ** int(best[i]) - 1) / np.log2(i + 2) for i in range(k))
        if possible:
            values.append(reached / possible)
    assert np.isclose(ndcg_at_k(scores, graded, k), np.mean(values)), f"15 random queries, k = {k}"
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Your numbers on real pictures
#
# Two companies draw the same emoji. Take a drawing of one, look for the same emoji among the drawings of the other, and
# compare nothing but 8 x 8 pixels. How far does that get? Run this when the four tasks are done.

# %%
from xmr_lib.data import load_dataset

emoji = load_dataset("emoji")
n = len(emoji.captions)  # images: n drawings in the first style, then the same n in the second
chosen = np.arange(0, n, 4)  # every fourth emoji


def thumbnails(images):
    pixels = np.array([np.asarray(image.resize((8, 8)), dtype=float).ravel() for image in images])
    pixels -= pixels.mean(axis=0)
    return pixels / np.linalg.norm(pixels, axis=1, keepdims=True)


noto = thumbnails([emoji.images[i] for i in chosen])
twemoji = thumbnails([emoji.images[i] for i in chosen + n])
by_pixels = twemoji @ noto.T
same_emoji = np.eye(len(chosen), dtype=bool)
same_category = emoji.labels[chosen].astype(int) @ emoji.labels[chosen].T.astype(int) > 0

# %%
print(f"R@1  {recall_at_k(by_pixels, same_emoji, 1):.3f}   R@10 {recall_at_k(by_pixels, same_emoji, 10):.3f}")
rankings = np.take_along_axis(same_category, np.argsort(-by_pixels, axis=1), axis=1)
print(f"MAP of the category over all ranks  {map_at_k(by_pixels, same_category, len(chosen), 'relevant'):.3f}")
print(f"MAP of the category at eleven levels {np.mean([eleven_point_ap(row) for row in rankings]):.3f}")
for name in ("relevant", "min", "hits"):
    print(f"MAP@50 of the category, divided by {name:<8} {map_at_k(by_pixels, same_category, 50, name):.3f}")
print(f"NDCG@50 of the category {ndcg_at_k(by_pixels, same_category.astype(int), 50):.3f}")

# %% [markdown]
# **Question.** The same ranking has three "MAP@50". Which of them would you compare with a paper, and what would you
# look for in the paper before you do?
#
# <details><summary>Answer</summary>
#
# None, before the paper (or its code) tells how it divides. The three differ only in the denominator: `hits` is the
# largest because it never asks what was missed, `relevant` the smallest because it counts relevant items that no list
# of 50 could hold.
#
# </details>
