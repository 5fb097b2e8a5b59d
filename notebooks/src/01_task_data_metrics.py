# %% [markdown]
# # 01 · The task, the data, the metrics
#
# You score one ranking in a dozen ways, and see why two papers can print very different numbers for it.

# %% [markdown]
# ## Goals
#
# After this lesson you can
#
# - **state** the task in both directions and say which answers count as right,
# - **compute** R@K, the median rank, average precision and NDCG by hand,
# - **read** the data containers of the course: captions, instances, labels, splits,
# - **build** three baselines and compare them with chance,
# - **explain** why published numbers disagree: denominators, ties, captions per image, gallery size, splits.
#
# **What you need first.** [Lesson 00](00_start_here.ipynb): cosine similarity and ranking.
#
# **Time.** Read: 35 min. Run: 30 s on two cores without a GPU, once the features are in the cache.
#
# <!-- last-verified -->

# %%
from xmr_lib.notebook import setup

setup("01")

# %% tags=["parameters"]
PROFILE = None  # None: XMR_PROFILE, else "course". Here it sets only the number of scenes.
SEED = 0

# %% [markdown]
# This is where we are going. One simple method, *nearest name* (part 3), ranks names for pictures. The ranking stays
# the same; only the counting changes.

# %%
from xmr_lib.data import load_dataset
from xmr_lib.encoders import encode_dataset
from xmr_lib.evaluation import evaluate
from xmr_lib.methods.baselines import NearestNeighbourCaption

data = load_dataset("emoji", seed=SEED)
features = encode_dataset(data)
train, test = (
    features.subset(data.splits["train"]),
    features.subset(data.splits["test"], "emoji/test"),
)
nearest_name = NearestNeighbourCaption().fit(train)
by_rank = ["R@1", "R@5", "R@10", "MAP", "MAP@R"]
by_denominator = ["MAP@50/relevant", "MAP@50/min", "MAP@50/first_relevant", "MAP@50/hits"]
report = evaluate(
    nearest_name, test, name="nearest name", metrics=[*by_rank, *by_denominator, "P@10", "NDCG@10"]
)

# %% tags=["plot"]
from xmr_lib import plots

shown = [name.replace("_", " ") for name in report.i2t]
plots.bars(
    shown, {"i2t": [100 * value for value in report.i2t.values()]}, ylabel="percent", decimals=0
)

# %% [markdown]
# *Figure 1. Eleven numbers for one ranking of names for 532 pictures of emoji. They run from 24 to 52 percent. Four of
# the bars are all called "MAP@50" in one paper or another.*
#
# ## 1. The task, with three pictures and three words
#
# A **query** is what we have; the **database** (or *gallery*) is what we search. An image query in a database of
# captions is image to text, **i2t**; a text query in a database of images is text to image, **t2i**.
#
# A method turns $n$ images and $m$ captions into one similarity matrix $S$ of shape $(n, m)$; larger means more alike.
# It serves both directions: i2t sorts each row, t2i sorts each column.

# %% tags=["plot"]
import numpy as np

S = np.array([[0.60, 0.70, 0.10], [0.50, 0.80, 0.20], [0.30, 0.40, 0.35]])
words = ["dog", "cat", "automobile"]
icons = [data.images[data.captions.index(word)] for word in words]
plots.similarity_heatmap(S, icons, words, relevant=np.eye(3))

# %% [markdown]
# *Figure 2. Similarities of three pictures (rows: dog, cat, car) and three words (columns). The right pairs, on the
# diagonal, are framed. The column "cat" is high everywhere.*
#
# Which answers are right? Two definitions are in use.
#
# - **Instance relevance**: only the very partner, the caption written for this picture.
# - **Category relevance**: everything that shares a label. For the dog, "cat" is right too: both are animals.
#
# Instance relevance first. The *rank* of the partner is one more than the number of items that score higher.

# %%
right = np.diag(S)
rank_i2t = 1 + (right[:, None] < S).sum(axis=1)  # along the rows
rank_t2i = 1 + (right[None, :] < S).sum(axis=0)  # along the columns
print("i2t ranks", rank_i2t, "  t2i ranks", rank_t2i)

# %% [markdown]
# Check the dog: in its row "cat" (.70) beats "dog" (.60), so rank 2. The word "dog" looks down its column, .60, .50,
# .30, and finds its picture first.
#
# **Recall at K** is the share of the $q$ queries whose partner (or any of their partners) is among the first $K$:
#
# $$ \mathrm{R@}K = \frac{1}{q} \sum_{i=1}^{q} [\, \mathrm{rank}_i \le K \,] $$
#
# **MedR** is the median of the ranks. Rows are queries in every metric of the library, so t2i passes the transpose.

# %%
from xmr_lib.metrics import median_rank, recall_at_k

same = np.eye(3, dtype=bool)
for direction, scores in (("i2t", S), ("t2i", S.T)):
    values = [recall_at_k(scores, same, k) for k in (1, 2)]
    print(
        f"{direction}  R@1 {values[0]:.0%}  R@2 {values[1]:.0%}  MedR {median_rank(scores, same):.0f}"
    )

# %% [markdown]
# One matrix, 33 % in one direction and 100 % in the other: "cat" is a *hub*, near to every picture. So name the
# direction with every number.
#
# Now category relevance. Several items are right, and we want all of them early. Let $\mathrm{rel}_i$ be 1 if the item
# at rank $i$ is relevant and 0 if not, $\mathrm{hits}(i)$ the number of relevant items up to rank $i$, and $R$ the
# number of relevant items in the whole database (not the R of R@K). **Average precision** takes the precision at the
# rank of every relevant item and averages:
#
# $$ \mathrm{AP} = \frac{1}{R} \sum_{i \,:\, \mathrm{rel}_i = 1} \frac{\mathrm{hits}(i)}{i} $$


# %% tags=["heart"]
def average_precision(ranked_relevance):
    """Mean, over the relevant items, of the precision at their ranks. (n,) of 0 and 1 -> 0..1."""
    ranks = np.flatnonzero(ranked_relevance) + 1  # 1-based
    hits = np.arange(1, len(ranks) + 1)
    return float(np.mean(hits / ranks)) if len(ranks) else 0.0


# %%
from xmr_lib.metrics import ranked_relevance

animal = np.array([1, 1, 0])  # dog, cat, automobile
alike = animal[:, None] == animal[None, :]
for word, row in zip(words, ranked_relevance(S, alike).astype(int), strict=True):
    print(f"picture of {word:<11} relevance in rank order {row}   AP {average_precision(row):.2f}")

# %% [markdown]
# The car's ranking is cat, automobile, dog: the one relevant item stands at rank 2, so AP is 1/2. The mean over all
# queries is **MAP**: $(1 + 1 + 0.5)/3 = 83\,\%$, for the ranking that had R@1 = 33 %.
#
# **Question.** A ranking has relevant items at ranks 1, 3 and 4, and there are no others. What is AP?
#
# <details><summary>Answer</summary>
#
# $(1/1 + 2/3 + 3/4)/3 = 0.81$. Run `average_precision([1, 0, 1, 1, 0])`.
#
# </details>

# %% [markdown]
# ## 2. The data: who belongs to whom
#
# **Emoji**: 1,330 emoji, each drawn in two styles and named once. We take three pictures.

# %% tags=["plot"]
half = data.n_images // 2  # the second half shows the same emoji in the other style
apple, rocket = data.captions.index("red apple"), data.captions.index("rocket")
three = data.subset([apple, apple + half, rocket])
plots.picture_grid(three.images, [f"image {i}" for i in range(3)])

# %% [markdown]
# *Figure 3. Image 0: a red apple in the style Noto. Image 1: the same emoji in the style Twemoji. Image 2: a rocket.*

# %%
print("captions     ", three.captions)
print("caption_image", three.caption_image)
print("instances    ", three.instances)

# %% [markdown]
# Two vectors hold the pairing, since pictures and captions need not come one to one:
#
# - `caption_image`, one entry per caption: the image it was written for. "rocket" belongs to image 2.
# - `instances`, one entry per image: an identifier of what it shows. Both apples have the same one, so "red apple" is
#   right for both.
#
# From them follows instance relevance:


# %% tags=["heart"]
def relevance_from_captions(caption_image, instances=None):
    """Right = written for this image, or for another image of the same instance. (m,), (n,) -> (n, m) bool."""
    caption_image = np.asarray(caption_image)
    instances = np.arange(caption_image.max() + 1) if instances is None else np.asarray(instances)
    return instances[:, None] == instances[caption_image][None, :]


# %%
relevance_from_captions(three.caption_image, three.instances).astype(int)

# %% [markdown]
# Here a text query has two right answers, and finding *one* is a hit. COCO is the other way round: one image, five
# captions.
#
# **Splits.** Fit on `train`, choose on `validation`, report `test`. Emoji are split by *emoji*: a test emoji was seen
# in no style.

# %%
for name, index in data.splits.items():
    print(f"{name:<10} {len(index):>5} images of {len(np.unique(data.instances[index]))} emoji")
assert not set(train.instances) & set(test.instances)

# %% [markdown]
# **Scenes**: pictures that the course draws itself, in the format of COCO. One to four kinds of objects, five captions
# each, 80 object classes.

# %% tags=["plot"]
scenes = load_dataset("scenes", profile=PROFILE, seed=SEED)
scenes_test = scenes.split("test")
for j in scenes_test.captions_of(0):
    print(scenes_test.captions[j])
plots.picture_grid(scenes_test.images[:6], [f"scene {i}" for i in range(6)], columns=6)

# %% [markdown]
# *Figure 4. Six generated scenes: emoji objects on painted backgrounds. The five sentences printed above belong to
# scene 0.*
#
# Each caption tells a part of its scene. "A rose at sunset" may be true of several scenes, but only one counts as
# right. COCO has the same problem.
#
# **Benchmarks** of the papers are not stored in this repository; the [cards](../datasets/README.md) say where to get
# some of them.
#
# | | images | texts | split | reported with | how we know |
# |---|---|---|---|---|---|
# | COCO | 123,287 photographs | five sentences | Karpathy 113,287 / 5,000 / 5,000 | R@K, "1K" and "5K" | reported |
# | Flickr30k | 31,014 of 31,783 photographs | five sentences | Karpathy 29,000 / 1,014 / 1,000 | R@K | reported |
# | Wikipedia | 2,866, as features | ten topics | 2,173 / 693 | MAP over all | checked here |
# | MIRFlickr-25K | 20,015 in hashing papers | user tags, 24 labels | 2,000 queries / 18,015 database | MAP | reported |
#
# *Checked here*: code of this course read it from the files; *reported*: we rely on papers and pages. If you have the
# files, the next cell shows two traps in them.

# %% tags=["nbval-ignore-output"]
from collections import Counter

from xmr_lib.data.coco import load_captions
from xmr_lib.errors import MissingData
from xmr_lib.metrics import chance_level, mean_average_precision, relevance_from_labels

try:
    coco = load_captions("val")
    often = Counter(text.lower() for text in coco.captions)
    repeated = sum(count for count in often.values() if count > 1)
    print(
        f"COCO val2017: {repeated} of {coco.n_captions} captions have the same words as another caption"
    )
except MissingData:
    print(
        "The COCO captions are not on this computer (datasets/coco.md); the lesson goes on without them."
    )
try:
    shared = relevance_from_labels(load_dataset("wikipedia").split("test").labels)
    print(f"Wikipedia: {shared.mean():.3f} of the pairs share a class,", end=" ")
    print(f"yet a random order has MAP {chance_level(mean_average_precision, shared):.3f}")
except MissingData:
    print("The Wikipedia features are not on this computer (datasets/wikipedia.md).")

# %% [markdown]
# **Question.** Two photographs have the same caption, word for word. What does that do to R@1 of a perfect model?
#
# <details><summary>Answer</summary>
#
# The caption fits two photographs, but only one counts. The model must guess, and R@1 stays below 100 %.
#
# </details>
#
# ## 3. Three baselines
#
# A number means little alone. What does guessing reach?

# %%
from xmr_lib.methods.baselines import RandomRanking

guess = evaluate(
    RandomRanking(seed=SEED), test, name="random", metrics=["R@1", "R@10", "MedR", "MAP"]
)
print(guess)

# %% [markdown]
# *i2t* and *t2i* show one random order, *chance* the exact mean over all orders. For R@1 it is 1/266: one name of 266
# is right. MAP does not start at zero: many names share the picture's category, and a random order scores about 17 %.
#
# The other two baselines **borrow**. An unseen picture $x$ takes the caption vector $t(x)$ of the most similar training
# picture. Then we compare text with text: $s(x, t) = \cos(t(x), t)$.

# %% tags=["plot"]
train_data, test_data = data.split("train"), data.split("test")
some = np.sort(np.random.default_rng(SEED).choice(test.n_images, 8, replace=False))
lenders = nearest_name.nearest(test.image[some])[:, 0]
pictures = [test_data.images[i] for i in some] + [train_data.images[i] for i in lenders]
own = [test_data.captions[test_data.captions_of(i)[0]] for i in some]
lent = [train_data.captions[train_data.captions_of(i)[0]] for i in lenders]
plots.picture_grid(pictures, own + lent)

# %% [markdown]
# *Figure 5. Upper row: eight unseen emoji with their names, which the method does not see. Below each: its nearest
# training picture and the name it lends. Some mean something similar, others only look similar.*
#
# How are the two names compared? In two ways:
#
# - **bag of words**: a name is the set of its words; two names are alike if they share words;
# - **nearest name**: MiniLM vectors, so that "ship" is near "boat" although they share no word.

# %%
from xmr_lib.evaluation import leaderboard

bow_features = encode_dataset(data, text="bow")
bow_train = bow_features.subset(data.splits["train"])
bow_test = bow_features.subset(data.splits["test"], "emoji/test")
bag_of_words = NearestNeighbourCaption().fit(bow_train)
bow_report = evaluate(
    bag_of_words, bow_test, name="bag of words", metrics=["R@1", "R@10", "MedR", "MAP"]
)
near_report = evaluate(
    nearest_name, test, name="nearest name", metrics=["R@1", "R@10", "MedR", "MAP"]
)
assert 50 < near_report.value("R@1", "i2t") / near_report.chance["i2t"]["R@1"] < 90
print(leaderboard([guess, bow_report, near_report]))

# %% [markdown]
# A rule that trains nothing is about 60 times better than chance at R@1. Later lessons have to beat *this*, not only
# chance. A few results:

# %% tags=["plot"]
similarity = nearest_name.similarity(test.image, test.text)
plots.show_retrieval(similarity, test_data, some[:4], direction="i2t", k=4)

# %% [markdown]
# *Figure 6. Four of the unseen emoji as queries, and the four names that score best by nearest name. A tick and a
# solid border mark the right name, a cross and a dashed border a wrong one.*
#
# **Question.** The median rank of the bag of words is exactly that of chance, but its R@1 is not. How can that be?
#
# <details><summary>Answer</summary>
#
# A borrowed name often shares no word with the right name. The right name then has similarity 0, like most others, and
# its place among them is luck. When a word is shared the method is good; otherwise it is blind. Part 5 comes back to
# these ties.
#
# </details>

# %% [markdown]
# ## 4. One ranking, every metric
#
# Users look at the first results only, so MAP is often cut at rank $k$. The sum is clear. What do we divide it by?
#
# $$ \mathrm{AP@}k = \frac{1}{D} \sum_{i \le k,\ \mathrm{rel}_i = 1} \frac{\mathrm{hits}(i)}{i} \qquad
# D = R, \quad \min(k, R) \quad \text{or} \quad \mathrm{hits}(k) $$
#
# A fourth version cuts elsewhere: it averages over the first $\min(k, R)$ *relevant* items, wherever they stand.


# %% tags=["heart"]
def average_precision_at_k(ranked_relevance, k, denominator="min", total_relevant=None):
    """AP of one ranking with a cut-off. Denominators: relevant, min, hits, first_relevant."""
    ranks = np.flatnonzero(ranked_relevance) + 1
    total = len(ranks) if total_relevant is None else total_relevant
    precision = np.arange(1, len(ranks) + 1) / ranks
    counted = precision[:k] if denominator == "first_relevant" else precision[ranks <= k]
    divisor = {"relevant": total, "hits": len(counted)}.get(denominator, min(k, total))
    return float(counted.sum() / divisor) if len(counted) else 0.0


# %%
from xmr_lib.metrics import DENOMINATORS

toy = [1, 0, 1, 0, 0, 1, 1, 1]
for name in DENOMINATORS:
    print(f"AP@3 divided by {name:<15} {average_precision_at_k(toy, 3, name):.3f}")

# %% [markdown]
# By hand: the sum is $1/1 + 2/3$. Divided by $R = 5$, by $\min(3, 5) = 3$ or by $\mathrm{hits}(3) = 2$ it gives .333,
# .556 or .833. The fourth takes the relevant items at ranks 1, 3, 6: $(1 + 2/3 + 3/6)/3 = .722$.
#
# Labels may also be shared in **degrees**. Let $g_i$ be the gain of the item at rank $i$, such as the number of shared
# labels. NDCG discounts every rank and divides by the best possible order:
#
# $$ \mathrm{DCG@}k = \sum_{i=1}^{k} \frac{2^{g_i} - 1}{\log_2(i + 1)}, \qquad
# \mathrm{NDCG@}k = \frac{\mathrm{DCG@}k}{\mathrm{DCG@}k \text{ of the best order}} $$


# %% tags=["heart"]
def ndcg(gains, k=None, gain="exponential"):
    """NDCG@k of one ranking; gains (n,) of the whole database in rank order."""
    gains = np.asarray(gains, dtype=float)
    worth = 2.0**gains - 1 if gain == "exponential" else gains
    discount = 1 / np.log2(np.arange(len(worth)) + 2)
    dcg, best = ((order * discount)[:k].sum() for order in (worth, np.sort(worth)[::-1]))
    return float(dcg / best) if best else 0.0


# %%
print(
    f"exponential {ndcg([2, 0, 1, 0, 1]):.3f}   linear (scikit-learn) {ndcg([2, 0, 1, 0, 1], gain='linear'):.3f}"
)

# %% [markdown]
# Even NDCG has two versions. Now all numbers of Figure 1 in both directions. `MAP@R` cuts at each query's own $R$;
# `P@10` is the share of relevant items among the first ten.

# %%
print(report)
cut = [report.value(name, "t2i") for name in by_denominator]
print(f"t2i: the largest MAP@50 is {max(cut) / min(cut):.1f} times the smallest")
assert 2.8 < max(cut) / min(cut) < 4.2

# %% [markdown]
# Read the chance columns: a random order has a MAP@50 of about 21 % with `hits`, and of 2 to 4 % with `relevant`.
# In a larger database the spread is wider. To see it, we give the scenes a perfect *tagger*: it knows which classes a
# scene shows, and compares their names with each caption as bags of words.

# %%
from xmr_lib.encoders import load_text_encoder
from xmr_lib.metrics import map_at_k

bow = load_text_encoder("bow", fit_on=scenes.split("train").captions)
tags = [" ".join(np.array(scenes.class_names)[row]) for row in scenes_test.labels]
tagger = bow.encode(tags) @ bow.encode(scenes_test.captions).T  # (scenes, captions)
few = slice(0, 200)  # the first queries are enough here
shares_class = relevance_from_labels(scenes_test.labels[few], scenes_test.caption_labels)
spread = {name: map_at_k(tagger[few], shares_class, 50, denominator=name) for name in DENOMINATORS}
spread["all ranks"] = mean_average_precision(tagger[few], shares_class)
for name, value in spread.items():
    print(f"MAP {name:<15} {value:6.1%}")
assert spread["hits"] > max(1.8 * spread["relevant"], 1.4 * spread["all ranks"])

# %% [markdown]
# The tagger's first fifty captions are nearly all relevant, and so are hundreds further down. Is it perfect, half as
# good, or poor? The first four have all been printed as "MAP@50". How do they depend on $k$?

# %% tags=["plot"]
from xmr_lib.metrics import precision_recall_curve

category = relevance_from_labels(test.labels, test.caption_labels)
cuts = [1, 2, 5, 10, 20, 50, 100, 266]
lines = {
    name: [map_at_k(similarity, category, k, denominator=name) for k in cuts]
    for name in DENOMINATORS
}
assert np.ptp([values[-1] for values in lines.values()]) < 1e-9  # at the end all four agree
lines = {name.replace("_", " "): values for name, values in lines.items()}
plots.curve(cuts, lines, xlabel="cut-off k", ylabel="MAP@k (i2t, category)", log=True)

# %% [markdown]
# *Figure 7. MAP@k of nearest name on emoji against the cut-off k, with four denominators. "Hits" and "first relevant"
# come down from above .6, "relevant" comes up from near 0, "min" falls and rises; all meet at k = 266, the whole
# database.*
#
# A **precision-recall curve** shows all cut-offs at once.

# %% tags=["plot"]
by_words = bag_of_words.similarity(bow_test.image, bow_test.text)
curves = {
    "nearest name": precision_recall_curve(similarity, category),
    "bag of words": precision_recall_curve(by_words, category),
}
plots.pr_curve(curves, chance=category.mean())

# %% [markdown]
# *Figure 8. Precision against recall of the category, i2t, mean over queries at each rank. Nearest name lies above the
# bag of words at almost every recall; both end at the level of chance, where everything has been returned.*
#
# **Question.** With the denominator `hits`, model A finds one relevant item at rank 1 and no other among 50. Model B
# finds it too, and twenty more below rank 25. Which has the higher AP@50?
#
# <details><summary>Answer</summary>
#
# Model A: $1/1 = 100\,\%$. The further hits of model B have a lower precision and pull its mean down. With `min` or
# `relevant` a further hit never hurts.
#
# </details>

# %% [markdown]
# ## 5. Three more choices that move a number
#
# ### Ties
#
# When items score the same, the method has not ranked them. Programs keep the order of storage (`index`), or count only
# items that score strictly higher, which puts the right one first (`optimistic`). The library takes the exact mean over
# all orders (`expected`). The bag of words ties nearly everything:

# %% tags=["plot"]
from xmr_lib.metrics import TIES

instance = relevance_from_captions(test.caption_image, test.instances)
tied = {
    "R@1": [100 * recall_at_k(by_words, instance, 1, ties=rule) for rule in TIES],
    "MAP (category)": [
        100 * mean_average_precision(by_words, category, ties=rule) for rule in TIES
    ],
}
np.testing.assert_allclose(tied["MAP (category)"], [27, 91, 19, 32], atol=4)
print(f"{(by_words == 0).mean():.0%} of all similarities are exactly 0")
plots.bars(TIES, tied, ylabel="percent (i2t)")

# %% [markdown]
# *Figure 9. R@1 and MAP of the bag of words under four tie rules. Optimistic counting lifts R@1 from 22 to 58 percent
# and MAP from 27 to over 90. The order of storage leaves R@1 as it is but adds 5 points of MAP.*
#
# Why does the order of storage help? Emoji are stored by category, so tied items of one category stand together.
#
# ### Captions per image
#
# On COCO an image query is right when *any* of its five captions comes first. Other papers draw one caption per image.
# We keep one to five captions per scene and change nothing else.

# %% tags=["plot"]
rng = np.random.default_rng(SEED)
mine = relevance_from_captions(scenes_test.caption_image)
i2t, t2i = [], []
for count in range(1, 6):
    keep = np.concatenate([rng.permutation(5)[:count] + 5 * i for i in range(scenes_test.n_images)])
    i2t.append(recall_at_k(tagger[:, keep], mine[:, keep], 1))
    t2i.append(recall_at_k(tagger[:, keep].T, mine[:, keep].T, 1))
assert i2t[4] / i2t[0] > 1.3 > 1.1 > t2i[4] / t2i[0]
names = [f"{count} per image" for count in range(1, 6)]
plots.bars(names, {"i2t": 100 * np.array(i2t), "t2i": 100 * np.array(t2i)}, ylabel="R@1 in percent")

# %% [markdown]
# *Figure 10. R@1 of the tagger on scenes with one to five captions per image. i2t rises with every caption, t2i stays
# where it is.*
#
# Five chances help image queries; a text query still has one right image. This is one reason why i2t numbers on COCO
# are higher than t2i numbers.
#
# ### Gallery size
#
# "COCO 5K" searches all 5,000 test images. "COCO 1K" searches inside five folds of 1,000 and averages. We cut our test
# scenes in the same way.

# %% tags=["plot"]
n = scenes_test.n_images
sizes, folded = [], {"i2t": [], "t2i": []}
for folds in (20, 10, 5, 2, 1):
    size = n // folds
    parts = [
        (slice(f * size, (f + 1) * size), slice(5 * f * size, 5 * (f + 1) * size))
        for f in range(folds)
    ]
    sizes.append(size)
    folded["i2t"].append(np.mean([recall_at_k(tagger[p], mine[p], 1) for p in parts]))
    folded["t2i"].append(np.mean([recall_at_k(tagger[p].T, mine[p].T, 1) for p in parts]))
print(f"five folds of {sizes[2]}: t2i R@1 {folded['t2i'][2]:.1%}   all {n}: {folded['t2i'][4]:.1%}")
assert np.diff([folded["i2t"], folded["t2i"]]).max() < 0  # a larger gallery is always harder
plots.curve(sizes, folded, xlabel="images in the gallery", ylabel="R@1", log=True)

# %% [markdown]
# *Figure 11. R@1 of the same tagger against the size of the gallery. Both directions fall steadily as the gallery
# grows.*
#
# **Question.** A paper compares its "1K" result with another paper's "5K" result and wins. What do you say?
#
# <details><summary>Answer</summary>
#
# Nothing has been shown. A gallery of a fifth of the size lifts R@1 for any model; the printed line shows ours.
#
# </details>
#
# ## What the papers report, what we measured, why they differ
#
# Every row is a reason why two honest papers print different numbers for one model: who does what, and what it made of
# *our* models. "Read in code": the evaluation code of the systems named; "reported": descriptions.

# %%
one = report.i2t
skip = [average_precision([1, 0, 1, 1, 0]), average_precision([0, 1, 1, 0, 1])]
zero = [*skip, 0.0]  # a third query has no right answer
r1_fair, r1_lucky = np.array(tied["R@1"][:2]) / 100
traps = [
    ("MAP@50 denominator", "R: trec_eval; hits: ACMR, DJSRH", min(cut), max(cut), "read in code"),
    ("cut-off", "all ranks: DSCMR; 50: ACMR", one["MAP"], one["MAP@50/hits"], "read in code"),
    ("ties", "all orders; strictly higher", r1_fair, r1_lucky, "read in code"),
    ("captions per image", "one; five: COCO", i2t[0], i2t[4], "reported"),
    ("gallery", "COCO 5K; COCO 1K", folded["t2i"][4], folded["t2i"][2], "reported"),
    ("what is right", "the partner; a shared label", one["R@1"], one["P@10"], "reported"),
    (
        "nothing relevant",
        "count 0: DCMH; skip the query",
        np.mean(zero),
        np.mean(skip),
        "read in code",
    ),
]
for what, who, low, high, evidence in traps:
    print(f"{what:<20}{who:<33}{low:4.0%} or {high:4.0%}   {evidence}")

# %% [markdown]
# A last trap is chance itself. On MIRFlickr-25K about 54 % of all pairs share a label (reported), so a MAP of 57 % is
# hardly better than guessing.
#
# ## Break it on purpose
#
# ### A model that is dead
#
# Suppose a training run collapsed and every item gets the same 16-bit code. All distances are 0.

# %%
from xmr_lib.metrics import hamming_distance, pack_codes

code = pack_codes(np.ones((test.n_images, 16)))
dead = -hamming_distance(code, code[: test.n_captions]).astype(int)  # (images, captions), all 0
strict_rank = 1 + (dead[:, :1] < dead).sum(axis=1)
print(f"R@1 when counting strictly higher scores: {np.mean(strict_rank <= 1):.0%}")
print(f"R@1 expected over ties: {recall_at_k(dead, instance, 1):.1%}, one in {test.n_captions}")
shuffled = np.random.default_rng(SEED).permutation(test.n_captions)
for order, columns in (("grouped by category", np.arange(test.n_captions)), ("shuffled", shuffled)):
    by_rule = [
        mean_average_precision(dead, category[:, columns], ties=rule)
        for rule in ("index", "expected")
    ]
    print(f"database {order:<20} MAP in storage order {by_rule[0]:.1%}   expected {by_rule[1]:.1%}")
assert abs(by_rule[1] - chance_level(mean_average_precision, category)) < 1e-9

# %% [markdown]
# The dead model is perfect by one rule, and by another it seems to have learnt something: 29 % against 17 % for
# guessing. Shuffle the database and that is gone. The expected value tells the truth in both cases.
#
# ### A test that leaks
#
# We fit nearest name on one drawing style and test it in galleries of equal size: the training pictures themselves, the
# *same emoji* in the other style, and unseen emoji in the other style.

# %% tags=["plot"]
split = load_dataset("emoji", seed=SEED, protocol="new_style").splits
one_style = NearestNeighbourCaption().fit(features.subset(split["train"]))
leak = []
for part in ("train", "test_seen", "test"):
    chosen = np.random.default_rng(SEED).choice(split[part], len(split["test"]), replace=False)
    leak.append(100 * evaluate(one_style, features.subset(chosen), metrics=["R@1"]).value("R@1"))
np.testing.assert_allclose(leak, [100, 50, 11], atol=8)
asked = ["training pictures", "same emoji, new style", "unseen emoji, new style"]
plots.bars(asked, {"mean of i2t and t2i": leak}, ylabel="R@1 in percent")

# %% [markdown]
# *Figure 12. R@1 of nearest name on training pictures, on the same emoji in another style, and on unseen emoji. It
# falls from 100 to about half and then to about a tenth.*
#
# Every training picture is its own nearest neighbour. The middle bar is the dangerous one: no test picture was seen in
# training, but its twin was. Split by *picture* where you should split by *thing*, and you measure memory.

# %% [markdown]
# ## Common mistakes
#
# | what you see | likely cause | what to do |
# |---|---|---|
# | R@1 of 100 % on the first try | constant scores counted with `>`, or training data | check ties and split |
# | t2i equals i2t to the last digit | forgot the transpose | rows are queries: pass `S.T` and `relevance.T` |
# | R@1 near zero, loss fine | images and captions in different orders | use `caption_image`, not `5 * i` |
# | MAP changes when the database is reordered | ties broken by storage order | `ties="expected"` |
# | your MAP is half of the paper's | another denominator or cut-off | name both; compute theirs too |
# | NaN in the mean | a query with nothing relevant | `empty="skip"`, and report how many |

# %% [markdown]
# ## Recap
#
# - **State.** i2t sorts rows, t2i sorts columns of one matrix; right means the partner (instance) or a shared label
#   (category).
# - **Compute.** R@K: is a partner among the first K? AP: mean precision at the relevant ranks. NDCG: discounted gains
#   as a share of the best order.
# - **Read.** `caption_image` and `instances` carry the pairing; split by thing, not by picture.
# - **Build.** Random; borrow the nearest picture's caption and compare words; or compare meanings: the one to beat.
# - **Explain.** Denominators, ties, captions per image, gallery size and splits each moved a number by a third or more
#   while the method stayed the same.
#
# **Exercise.** Write the metrics yourself and let them be checked:
# [exercise 01](../exercises/release/01_task_data_metrics.ipynb). Next: [lesson 02](02_subspace_cca.ipynb).
#
# ## Further reading
#
# - F. McSherry, M. Najork, *Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied
#   Scores*, ECIR, 2008. The formulas behind `ties="expected"`.
# - A. Karpathy, L. Fei-Fei, *Deep Visual-Semantic Alignments for Generating Image Descriptions*, CVPR, 2015. The split
#   that nearly every R@K on COCO and Flickr30k uses.
# - K. Musgrave, S. Belongie, S.-N. Lim, *A Metric Learning Reality Check*, ECCV, 2020. Years of progress shrink when
#   everything is measured alike.
# - S. Chun and others, *ECCV Caption: Correcting False Negatives by Collecting Machine-and-Human-verified Image-Caption
#   Associations for MS-COCO*, ECCV, 2022. How many captions "wrong" by COCO are right.
