# %% [markdown]
# # 00 · Start here: a first retriever
#
# In this lesson you type a few words and a computer finds pictures that fit, although nobody ever wrote those words
# next to those pictures.
#
# The pictures are emoji. They install with the course, so everything below works without a connection.

# %% [markdown]
# ## Goals
#
# After this lesson you can
#
# - **search** a collection of pictures with words you type, and words with a picture,
# - **compute** a cosine similarity and a ranking by hand,
# - **explain** the three steps of a retriever: encode, project, rank,
# - **recognise** two ways in which a retriever fails,
# - **find** each family of methods, and its lesson, on the map of the field.
#
# **What you need first.** Python, and what a vector and a matrix are. No earlier lesson.
#
# **Time.** Read: 25 min. Run: 30 s on two cores without a GPU, once the features are in the cache. The first run on a
# new computer computes them, which takes a few minutes.
#
# <!-- last-verified -->

# %%
from xmr_lib.notebook import setup

setup("00")

# %% tags=["parameters"]
PROFILE = None  # None: XMR_PROFILE, else "course". This lesson is the same in every profile.
SEED = 0

# %% [markdown]
# This is what you will build. The next cell prepares a retriever: pictures and names become vectors, and a small
# method called CCA brings both into one space. Part 2 opens it up.

# %%
from time import perf_counter

from xmr_lib.retriever import Retriever

start = perf_counter()
retriever = Retriever.build("emoji", seed=SEED)
print(retriever)
print(f"ready after {perf_counter() - start:.0f} s")

# %% tags=["plot"]
retriever.show("red fruit", "a happy animal", "something you drive", k=6)

# %% [markdown]
# *Figure 1. Three typed queries (left) and the six emoji that score best for each. The name and the similarity stand
# below every picture. The first row shows mostly fruit, not all of it red, the second animals, the third vehicles. An
# emoji can appear twice because each is drawn in two styles.*
#
# No emoji is called "red fruit" or "something you drive". The retriever works with meaning, not with matching words.
# It is not perfect: count how many pictures in the first row are red, and look at the mood of each animal.
#
# **Your turn.** Change the words and run the cell again.

# %% tags=["plot"]
retriever.show("a musical instrument", "winter weather", k=6)

# %% [markdown]
# *Figure 2. Results for two more queries, about musical instruments and winter weather.*
#
# ## 1. Three pictures, three texts, by hand
#
# A retriever compares *vectors*. Suppose that somebody describes pictures and texts with two numbers: how much it is
# about **eating**, and how much about **moving**. Such a list of numbers is called an *embedding*, and the space in
# which pictures and texts live together is the *common space*.

# %%
import numpy as np

pictures = np.array([[5, 0], [3, 4], [0, 2]])  # an apple, a fish, a car
texts = np.array([[1, 0], [0, 1], [6, 8]])  # "something to eat", "something that moves", "seafood"

# %% [markdown]
# How alike are a picture and a text? We look at the *angle* between the two vectors, not at their length. The measure
# is the cosine of the angle. For two vectors $a$ and $b$
#
# $$ \cos(a, b) = \frac{a^\top b}{\lVert a \rVert \, \lVert b \rVert} $$
#
# It is 1 when they point the same way, 0 when they are at right angles, and -1 when they are opposed. Check one in
# your head: the fish is $(3, 4)$ and has length 5, "something to eat" is $(1, 0)$ and has length 1. The numerator is
# $3 \cdot 1 + 4 \cdot 0 = 3$, so the similarity is $3 / 5 = 0.6$.
#
# In code, for all pairs at once. `a` has one row per picture, `b` one row per text:


# %% tags=["heart"]
def cosine_similarity(a, b):
    """Cosine of every row of a (n, d) with every row of b (m, d): (n, m), in -1..1."""
    a = a / np.linalg.norm(a, axis=1, keepdims=True)  # every row gets length 1
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return a @ b.T


# %%
similarity = cosine_similarity(pictures, texts)
similarity

# %% [markdown]
# Rows are pictures, columns are texts. This *similarity matrix*, of shape (n images, m captions), stays with us
# through the whole course: every method, from 2010 to today, ends in one.

# %% tags=["plot"]
from xmr_lib import plots
from xmr_lib.data import load_dataset

data = load_dataset("emoji", seed=SEED)
icons = [data.images[data.captions.index(name)] for name in ("red apple", "fish", "automobile")]
plots.similarity_heatmap(
    similarity,
    icons,
    ["something to eat", "something that moves", "seafood"],
    relevant=np.eye(3)[:, [0, 2, 1]],
)

# %% [markdown]
# *Figure 3. The similarity matrix of three pictures (rows: apple, fish, car) and three texts (columns). The pairs
# that belong together are framed, and each is the largest number, 1, in its row and column.*
#
# To *retrieve* is to sort. For a text query, take its column and list the pictures from the largest number down:


# %% tags=["heart"]
def top_k(scores, k):
    """Positions of the k largest scores, best first; equal scores keep their order."""
    return np.argsort(-scores, kind="stable")[:k]


# %%
top_k(similarity[:, 2], k=3)  # the query is "seafood"

# %% [markdown]
# Picture 1 (the fish), then picture 2 (the car), then picture 0 (the apple). Text to image is called `t2i` in this
# course. Reading along a *row* instead finds texts for a picture, `i2t`.
#
# **Question.** "Seafood" is $(6, 8)$, twice as long as the fish. What changes if we make it ten times longer still?
#
# <details><summary>Answer</summary>
#
# Nothing. Both vectors are divided by their lengths, so only directions count. This is useful: a long text or a large
# picture should not win only because its numbers are large.
#
# </details>

# %% [markdown]
# ## 2. The same on real pictures, in ten lines
#
# Nobody will type two numbers for every picture. Neural networks that were trained on other tasks do it for us, with
# many more numbers. We take the retriever of Figure 1 apart.
#
# **The data.** Pictures with their official names, drawn in two styles.

# %%
data = load_dataset("emoji", seed=SEED)
data

# %% tags=["plot"]
names = ["red apple", "fish", "automobile", "violin", "sunflower", "owl", "key", "rocket"]
chosen = [data.captions.index(name) for name in names]
half = data.n_images // 2  # the second half shows the same emoji in the other style
plots.picture_grid([data.images[i] for i in chosen + [i + half for i in chosen]], names * 2)

# %% [markdown]
# *Figure 4. Eight emoji, each in two drawing styles (upper row Noto, lower row Twemoji), with their names.*
#
# The emoji are cut into three *splits*. The method learns from `train`, its settings were chosen on `validation`, and
# `test` holds emoji that it has never seen in any style. Figure 1 searched all three together, so some of its
# pictures were known. Part 3 counts them.

# %% [markdown]
# **Encode.** EfficientNet-Lite0, trained to sort photographs into 1,000 classes, turns a picture into numbers.
# MiniLM, trained to compare sentences, does the same for a text. Neither was trained to match pictures with texts.

# %%
from xmr_lib.encoders import encode_dataset

features = encode_dataset(data)
features

# %% [markdown]
# Can we compare the two right away? Try:

# %%
try:
    cosine_similarity(features.image, features.text)
except ValueError as error:
    print("It does not work:", error)

# %% [markdown]
# The two kinds of vectors have different lengths. And even if they were equally long, the seventh number of a picture
# and the seventh number of a text would mean different things. This is the *heterogeneity gap*, and closing it is
# what this field is about.
#
# **Project.** Canonical correlation analysis (CCA, 1936) looks at the training pairs and finds directions in the
# picture numbers and directions in the text numbers that rise and fall together. Along those directions the two sides
# can be compared. Lesson 02 derives it; here we only use it.

# %%
from xmr_lib.methods.subspace import CCA
from xmr_lib.retriever import CHOSEN

train = features.subset(data.splits["train"])
cca = CCA(**CHOSEN).fit(train)
image_index = cca.encode_image(features.image)
print(
    f"{train.n_images} training pictures, {train.n_captions} training names -> {image_index.shape[1]} dimensions"
)

# %% [markdown]
# `CHOSEN` holds three settings of CCA that did best on the validation split (of seed 0). `image_index` holds all
# pictures in the common space. It is computed once and kept: that is why search is fast.
#
# **Rank.** The query goes the same way, and then we do what we did by hand.

# %%
from xmr_lib.encoders import load_text_encoder

query = load_text_encoder("minilm").encode(["red fruit"])  # (1, 384)
scores = cosine_similarity(image_index, cca.encode_text(query))[:, 0]  # one score per picture
for i in top_k(scores, k=5):
    print(f"{scores[i]:.2f}  {data.captions[data.captions_of(i)[0]]}")

# %% [markdown]
# These are the names in the first row of Figure 1. All together it is ten lines, which you can take into your own
# project:

# %%
from xmr_lib.data import load_dataset
from xmr_lib.encoders import encode_dataset, load_text_encoder
from xmr_lib.methods.subspace import CCA

data = load_dataset("emoji", seed=SEED)
features = encode_dataset(data)
cca = CCA(n_components=300, ridge=1.0, correlation_power=1.0).fit(
    features.subset(data.splits["train"])
)
image_index = cca.encode_image(features.image)
query = cca.encode_text(load_text_encoder("minilm").encode(["red fruit"]))
scores = cosine_similarity(image_index, query)[:, 0]
print([data.captions[data.captions_of(i)[0]] for i in top_k(scores, k=5)])

# %% [markdown]
# **Question.** Which of the steps would have to run again if you added one picture to the collection?
#
# <details><summary>Answer</summary>
#
# Only the encoding and projecting of that one picture: one more row in `image_index`. The networks and CCA stay as
# they are. A method that has to look at picture and text *together* (lesson 08) loses this advantage.
#
# </details>

# %% [markdown]
# ## 3. The other direction, and how good it is
#
# In the common space, pictures can be the queries too. From here on we use only the **test** split: emoji that CCA
# has never seen. Now we know the right answers and can mark them.

# %%
test = features.subset(data.splits["test"])
test_data = data.split("test")
test_similarity = cca.similarity(test.image, test.text)
test_similarity.shape

# %% tags=["plot"]
rng = np.random.default_rng(SEED)
some = np.sort(rng.choice(test.n_images, 4, replace=False))
plots.show_retrieval(test_similarity, test_data, some, direction="i2t", k=4)

# %% [markdown]
# *Figure 5. Four unseen emoji, drawn at random, as queries, and the four names that score best for each. A tick and a
# solid border mark the right name, a cross and a dashed border a wrong one.*
#
# Wrong names are often near misses. How often is the right one first? *Recall at k*, written R@K, is the share of
# queries with a right answer among the first k.

# %%
from xmr_lib.evaluation import evaluate

print(evaluate(cca, test, metrics=["R@1", "R@10"]))

# %% [markdown]
# The columns called *chance* show what a random order would reach. Lesson 01 is about such numbers: what they mean,
# and why two papers can print different ones for the same ranking.
#
# How does this common space look? We draw twelve unseen emoji and their names.

# %% tags=["plot"]
from xmr_lib.methods.base import l2_normalise

few = test.subset(rng.choice(test.n_images // 2, 12, replace=False))
words = [
    test_data.captions[np.flatnonzero(test.caption_instances == i)[0]]
    for i in few.caption_instances
]
icons = [data.images[int(i)] for i in few.instances]
sides = l2_normalise(cca.encode_image(few.image)), l2_normalise(cca.encode_text(few.text))
plots.embedding_map(*sides, caption_image=few.caption_image, pictures=icons, words=words)

# %% [markdown]
# *Figure 6. Twelve unseen emoji and their names (triangles) in the common space, squeezed from many dimensions into
# two. A thin line joins each picture with its name; some lines are short, some are long.*
#
# **Question.** Two dimensions show only part of the distances (the axes say how much). What follows for a long line?
#
# <details><summary>Answer</summary>
#
# Little. Pictures and names can be near in the full space although the map draws them apart, and the other way round.
# A map like this gives ideas; the ranking is done with all dimensions.
#
# </details>

# %% [markdown]
# ## 4. Break it on purpose
#
# ### What if the pairs are wrong?
#
# CCA learns from which name belongs to which picture. We keep every picture and every name but deal the training
# names out at random. If the method still worked, our test would be broken.

# %%
from dataclasses import replace

shuffled = replace(train, text=rng.permutation(train.text))
broken = CCA(**CHOSEN).fit(shuffled)
print(evaluate(broken, test, metrics=["R@1", "R@10"]))

# %% [markdown]
# It falls to chance, as it should. The knowledge that connects the two sides comes from the pairs, and from nothing
# else.
#
# ### Is it fair to search emoji that were used for training?
#
# We compare unseen emoji with seen ones. The two collections must have the same size, because finding one of many is
# harder than finding one of few.

# %%
emoji_seen = rng.choice(np.unique(train.instances), len(np.unique(test.instances)), replace=False)
seen = features.subset(np.isin(features.instances, emoji_seen))
reports = [evaluate(m, d, metrics=["R@10"]) for m, d in ((cca, seen), (cca, test), (broken, test))]
i2t, t2i = ([100 * report.value("R@10", way) for report in reports] for way in ("i2t", "t2i"))

# %% tags=["plot"]
plots.bars(
    ["seen emoji", "unseen emoji", "unseen, pairs shuffled"],
    {"i2t": i2t, "t2i": t2i},
    ylabel="R@10 in percent",
)

# %% [markdown]
# *Figure 7. R@10 in both directions for emoji seen in training, for unseen emoji, and for unseen emoji after training
# on shuffled pairs. Seen emoji score much higher than unseen ones; with shuffled pairs almost nothing is found.*
#
# Seen emoji look far better than unseen ones. A demonstration on training data flatters, and Figure 1 did that too:

# %%
from collections import Counter

for text in ("red fruit", "a happy animal", "something you drive"):
    print(f"{text:<20}", dict(Counter(hit.split for hit in retriever.search(text, k=6))))

# %% [markdown]
# ### A failure of another kind
#
# Now ask for everything except dogs.

# %% tags=["plot"]
retriever.show("a dog", "not a dog", k=6)

# %% [markdown]
# *Figure 8. The results for "a dog" and for "not a dog" share most of their pictures: both rows are full of dogs.*

# %%
a, b = ({hit.image for hit in retriever.search(text, k=6)} for text in ("a dog", "not a dog"))
print(f"{len(a & b)} of 6 results are the same")

# %% [markdown]
# The text encoder gives one vector per sentence, and that vector says what the sentence is *about*. Both are about
# dogs. "Not" hardly moves it. Counting ("two dogs") and relations ("a dog on a car") fail in the same way. Much
# larger models of this kind show the same weakness. Lesson 08 measures it and lets picture and text look at each
# other; lesson 14 rewrites the query.
#
# **Question.** A shop writes "shoes without laces" into its search box. What will a retriever like ours show, and
# what would you do about it?
#
# <details><summary>Answer</summary>
#
# Shoes, many with laces. One remedy: split the query into what is wanted and what is not, search for "shoes", and
# push down what is similar to "laces". Another: let a second, slower model check the best results.
#
# </details>

# %% [markdown]
# ## 5. The map of the field
#
# What you built, encode on each side, project, compare, is one of the oldest designs. This is where the others stand.

# %% tags=["plot"]
plots.field_map("00")

# %% [markdown]
# *Figure 9. A tree of methods with the numbers of the lessons. Real-valued vectors: subspace (lesson 02), deep
# methods on features (03 to 05), dual tower (06, 07), single tower (08). Binary codes, also called hashing: shallow
# and first deep (09), adversarial and with few labels (10), transformers (11). Multimodal large language models:
# bridges to a frozen model (13), dialogue and composed queries (14), generative retrieval (15). Lessons 00, 01, 12
# and 16 serve all families.*
#
# The families follow the survey by Li and others (2024). Three questions tell them apart:
#
# 1. **What is kept per item?** A vector of real numbers; a short string of bits, which is small and quick to compare;
#    or nothing, because a language model writes the identifier of the answer.
# 2. **When do picture and text meet?** At the very end (dual tower, as here), or inside the network (single tower):
#    better, but every pair must be computed.
# 3. **What is it learnt from?** Pairs, class labels, or hundreds of millions of pictures with texts from the web.

# %% [markdown]
# **Question.** You have ten million pictures and want answers on a telephone within a blink. Where on the map do you
# look first?
#
# <details><summary>Answer</summary>
#
# At binary codes: 64 bits per picture are 80 MB for all ten million, and comparing bits is fast. 1,280 real numbers
# per picture would be 51 GB. A slower model may still re-order the best hundred results.
#
# </details>

# %% [markdown]
# ## Your computer, and help
#
# If something in the course does not work, run this cell and paste its text into a bug report. It names no folder and
# no user.

# %% tags=["nbval-ignore-output"]
from xmr_lib.notebook import environment_report

print(environment_report())

# %% [markdown]
# In a terminal, `xmr doctor` runs the same checks and says what to do about each problem, and `xmr search "red
# fruit"` searches without a notebook. To see how a function of the library works, ask for its source:

# %%
from xmr_lib.notebook import show_source

show_source(Retriever.search)

# %% [markdown]
# Optional: a box to type into. It needs a running notebook, so it shows nothing on a printed page.

# %% tags=["skip-execution", "nbval-skip"]
from ipywidgets import interact_manual

_ = interact_manual(lambda text: retriever.show(text, k=8), text="a blue heart")

# %% [markdown]
# ## Common mistakes
#
# | what you see | likely cause | what to do |
# |---|---|---|
# | an error that speaks of shapes or a dimension mismatch | the two sides were compared unprojected | project first |
# | results look random | pictures and texts stand in different orders | look at a few pairs, as in Figure 4 |
# | wonderful results here, poor ones on new pictures | training pictures were searched | use the test split |
# | the same few pictures for every query | features were not centred | subtract the mean of the training split |
# | the first cell takes minutes | features are computed for the first time | wait once; stopping does no harm |
# | every emoji comes twice | there are two drawing styles | `load_dataset("emoji", styles=("noto",))` |

# %% [markdown]
# ## Recap
#
# - **Search.** `Retriever.build("emoji")`, then `search("red fruit")` for pictures, `search_by_image(picture)` for
#   names.
# - **Compute.** Divide the dot product by both lengths; sort from the largest number down.
# - **Explain.** *Encode* each side with its own network, *project* both into a common space learnt from pairs, *rank*
#   by cosine similarity. Pictures are prepared once; only the query is computed when you search.
# - **Recognise.** Good on seen pictures, worse on unseen ones: measure on a test split. And one vector per sentence
#   loses "not", numbers and relations.
# - **Find.** Real-valued vectors, binary codes and language models are the three families; Figure 9 has the lessons.
#
# Next: [lesson 01](01_task_data_metrics.ipynb) makes "good" precise.

# %% [markdown]
# ## Further reading
#
# - T. Li, L. Kong, X. Yang, B. Wang, J. Xu, *Bridging Modalities: A Survey of Cross-Modal Image-Text Retrieval*,
#   Chinese Journal of Information Fusion, 2024. The survey behind the map: read its figure of the families first.
# - N. Rasiwasia and others, *A New Approach to Cross-Modal Multimedia Retrieval*, ACM Multimedia, 2010. The paper
#   that brought CCA to this task; lesson 02 reproduces its table.
# - A. Radford and others, *Learning Transferable Visual Models From Natural Language Supervision* (CLIP), ICML, 2021.
#   The same three steps with both networks trained together on 400 million pairs.
# - M. Yuksekgonul and others, *When and Why Vision-Language Models Behave like Bags-of-Words, and What to Do About
#   It?*, ICLR, 2023. Shows that the failure of Figure 8 is not a matter of size.
