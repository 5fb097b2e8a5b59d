# %% [markdown]
# # 06 · Two towers: CLIP and ALIGN
#
# One network reads pictures, another reads sentences, and a single loss brings them together: every picture must find
# its sentence among all others of the batch.

# %% [markdown]
# ## Goals
#
# After this lesson you can
#
# - **write** symmetric InfoNCE with a temperature, and keep captions of one image from fighting each other,
# - **train** two towers from random weights, and read loss, scale and similarity matrix while they learn,
# - **explain** what temperature and batch size do, from curves over three seeds,
# - **judge** what such a model knows: unseen drawings, wrong word order, wrong training captions,
# - **run** the same training in several processes without changing its result.
#
# **What you need first.** [Lesson 01](01_task_data_metrics.ipynb): R@K.
# [Lesson 03](03_adversarial_acmr.ipynb): a training loop in PyTorch.
#
# **Time.** Read: 45 min. Run: 3 to 4 min on two cores without a GPU once the trained towers are stored; training them
# takes about half an hour, the first time only (`make models` does it).
#
# <!-- last-verified -->

# %%
from xmr_lib.notebook import setup

setup("06")

# %% tags=["parameters"]
PROFILE = None  # None: XMR_PROFILE, else "course"
SEED = 0

# %%
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from xmr_lib import plots
from xmr_lib.config import profile
from xmr_lib.data.pixels import scene_splits
from xmr_lib.evaluation import compare
from xmr_lib.methods.dual_tower import ALIGN, CLIP
from xmr_lib.methods.stored import stored_fit

smoke = profile(PROFILE) == "smoke"
seeds = [SEED, SEED + 1] if smoke else [SEED, SEED + 1, SEED + 2]
scenes = scene_splits(PROFILE)  # pictures as bytes in memory: train, validation, test

# %% [markdown]
# `stored_fit` trains a method and keeps it in the cache; the next time it loads what is there. The table names the
# seconds of its training, by the clock of a busy computer.

# %% tags=["nbval-ignore-output"]
recipe = CLIP(**CLIP.preset(profile(PROFILE)))
course = compare(
    {"CLIP": recipe}, lambda _: scenes, seeds, metrics=["R@1", "R@5", "R@10"], fit=stored_fit
)
clip = course.fitted["CLIP"][0]
course

# %% tags=["plot"]
similarity = clip.similarity(scenes.test.images, scenes.test.captions)  # (images, captions)
plots.show_retrieval(similarity, scenes.test, queries=[11, 63, 124, 290], k=5, names=False)

# %% [markdown]
# *Figure 1. What you will build. Four sentences about unseen scenes and the five best of the test pictures; the right
# one has a tick. The wrong ones share things that the sentence names.*
#
# ## 1. The loss, by hand
#
# Three pictures $v_i$ and three words $t_j$ in a plane, all of length one, so that products are cosines:

# %%
pictures = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])  # dog, owl, bus
words = torch.tensor([[0.8, 0.6], [0.6, 0.8], [0.0, 1.0]])
cosines = pictures @ words.T  # (3, 3), row: picture, column: word
cosines

# %% [markdown]
# Multiply by a *scale* $s = 1/\tau$ ($\tau$ is the *temperature*) to get *logits*; a softmax turns each row into
# chances of the words. The loss is minus the logarithm of the right one:
#
# $$ \mathrm{loss}_i = -\log \frac{\exp(s\, v_i \cdot t_i)}{\sum_j \exp(s\, v_i \cdot t_j)} $$
#
# With $s = 10$ the dog has the logits 8, 6, 0 and the loss $\log(1 + e^{-2} + e^{-8}) = 0.127$. All pictures find their
# word. But the *word* dog has the logits 8, 9.6, 6 over the pictures: the owl is nearer, and the loss is
# $\log(1 + e^{1.6} + e^{-2}) = 1.81$. CLIP takes the mean of both directions.

# %%
own = torch.arange(3)
by_picture = F.cross_entropy(10 * cosines, own, reduction="none")
by_word = F.cross_entropy(10 * cosines.T, own, reduction="none")
print(by_picture, by_word, (by_picture.mean() + by_word.mean()) / 2, sep="\n")

# %% tags=["plot"]
plots.similarity_snapshots(
    {f"temperature {tau}": (cosines / tau).softmax(1) for tau in (1, 0.1, 0.01)},
    rows="dog, owl, bus",
    columns="the words dog, owl, bus",
    label="chance",
    shared_scale=True,
)

# %% [markdown]
# *Figure 2. The same cosines at three temperatures, as chances of the words for each picture (white frame: largest). At
# 1 everything is about equally likely; at 0.01 every row is certain, although the cosines differ by little.*
#
# Where does the gradient go? The slope of a row along its logits is chance minus target: the right word gains what the
# wrong ones lose, each in proportion to its chance. A low temperature looks at the hardest negative only, a high one at
# all alike. And before anything is learnt? If all logits are about equal, each of $B$ candidates has the chance $1/B$:

# %%
for tau in (1.0, 0.1, 0.01):
    dog, bus = (cosines[1, [0, 2]] / tau).softmax(0).tolist()
    print(f"owl, temperature {tau}: push on dog (cosine 0.96) {dog:.2f}, on bus (0.80) {bus:.2f}")

# %%
draw = torch.Generator().manual_seed(SEED)
for b in (2, 8, 128, 512):
    v, t = (F.normalize(torch.randn(b, 128, generator=draw), dim=1) for _ in range(2))
    print(f"B = {b}: loss {F.cross_entropy(v @ t.T, torch.arange(b)):.2f}, ln B {np.log(b):.2f}")

# %% [markdown]
# **Question.** Your training prints a loss of 4.85 for hours, with batches of 128 pairs. What has it learnt?
#
# <details><summary>Answer</summary>
#
# Nothing: $\ln 128 = 4.85$ is the price of guessing. Are all embeddings alike? Do gradients arrive? Are pictures and
# captions paired at all?
#
# </details>
#
# ## 2. Several captions per image: the trap of false negatives
#
# Our scenes have five captions each. If two captions of one picture are in a batch, the plain loss calls one of them
# wrong. Take two pictures with two captions each, and towers that are already *perfect*: cosine 1 to their own
# captions, 0 to the others.

# %%
perfect = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]])  # (2 pictures, 4 captions)
twice = perfect.repeat_interleave(2, 0)  # each picture once per caption, as the plain loss wants it
F.cross_entropy(100 * twice, torch.arange(4))

# %% [markdown]
# It costs $\ln 2 = 0.693$, for ever, and the gradient drives captions of one picture apart. The cure: compare every
# right pair with the *wrong* captions only.
#
# $$ \mathrm{loss}_{ij} = -\log \frac{\exp(l_{ij})}{\exp(l_{ij}) + \sum_{k\ \text{wrong for}\ i} \exp(l_{ik})} $$


# %% tags=["heart"]
def same_instance(rows, columns):
    """(r, c) bool: which rows and columns show the same thing, from their instance numbers."""
    return rows[:, None] == columns[None, :]


# %% tags=["heart"]
def pair_losses(logits, positive, smoothing=0.0):
    """One loss per right pair, against the wrong partners of its row. (r, c), bool (r, c) -> (p,)."""
    rows, columns = positive.nonzero(as_tuple=True)
    wrong = logits.masked_fill(positive, -torch.inf).logsumexp(1)  # (r,)
    right = logits[rows, columns]  # (p,)
    total = torch.logaddexp(right, wrong[rows])  # (p,) log of the sum over all candidates
    candidates = (~positive).sum(1)[rows] + 1
    mean = (logits.masked_fill(positive, 0).sum(1)[rows] + right) / candidates
    return total - (1 - smoothing) * right - smoothing * mean


# %% tags=["heart"]
def symmetric_info_nce(logits, positive, smoothing=0.0):
    """CLIP's loss: the mean of both directions."""
    i2t = pair_losses(logits, positive, smoothing).mean()
    return (i2t + pair_losses(logits.T, positive.T, smoothing).mean()) / 2


# %%
positive = same_instance(torch.tensor([7, 9]), torch.tensor([7, 7, 9, 9]))
print(symmetric_info_nce(100 * perfect, positive))
print(symmetric_info_nce(10 * cosines, torch.eye(3, dtype=torch.bool)))  # part 1 again

# %% [markdown]
# Perfect towers now pay nothing, and with one caption each it is the loss of part 1. (`smoothing` is for part 9.)
#
# **Question.** Some released code multiplies the logits of same-image pairs by 0 instead. Why is that not the same?
#
# <details><summary>Answer</summary>
#
# $\exp(0) = 1$ stays in the sum, a negative with cosine 0. It must be $\exp(-\infty) = 0$.
#
# </details>
#
# ## 3. Two towers
#
# The picture tower: three strided convolutions, and one transformer block on the 6 x 6 grid that is left. The text
# tower: the mean of the word vectors and one hidden layer. The temperature is one more weight.

# %%
from xmr_lib.nn.contrastive import Temperature
from xmr_lib.nn.towers import ConvTower
from xmr_lib.notebook import show_source

show_source(ConvTower.forward)
show_source(Temperature.forward)


# %% tags=["heart"]
def masked_mean(x, mask):
    """Mean over the tokens that are there: (b, t, d), (b, t) bool -> (b, d)."""
    if mask is None:
        return x.mean(1)
    weight = mask.unsqueeze(2).to(x.dtype)  # (b, t, 1)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)


# %%
caption = scenes.test.captions[11]
numbers = clip.tokenizer_.encode([caption])
print(clip.tokenizer_.tokens(numbers[0]), numbers[0, :8].tolist())
for name in ("image_tower", "text_tower", "image_projection", "text_projection"):
    part = getattr(clip.model_, name)
    print(f"{name}: {sum(p.numel() for p in part.parameters()):,} parameters")

# %% [markdown]
# One matrix behind each tower leads into a common space of 128 dimensions, and every vector is brought to length 1. The
# paper's towers are transformers of a dozen layers and more. In our two minutes that is no choice: at equal CPU seconds
# even small transformers stay far behind convolutions and words ([the search](../benchmarks/README.md)).
#
# **Question.** "A dog left of a cat" and "a cat left of a dog": which is nearer to a given picture?
#
# <details><summary>Answer</summary>
#
# Neither: as bags of words they are the same vector. Part 7 shows the price.
#
# </details>
#
# ## 4. Watch them learn
#
# To see every step we write the loop ourselves, for smaller towers on 48 x 48 pixels and 4,096 scenes.

# %%
from xmr_lib.data.caption_batches import CaptionBatches
from xmr_lib.data.tokens import CaptionTokenizer
from xmr_lib.methods.towers import TwoTowers, warm_up_then_cosine

tiny = scene_splits(PROFILE, 48)
few = tiny.train.subset(np.arange(min(4096, tiny.train.n_images)))
towers = {
    "image": {"kind": "conv", "size": 48, "channels": [32, 64, 128], "layers": 0},
    "text": {"kind": "bag", "width": 64, "hidden": 128},
}
tokenizer = CaptionTokenizer.learn(few.captions)
batches = CaptionBatches(few, few.images.pixels, tokenizer.encode(few.captions), 64, 5, SEED)
torch.manual_seed(SEED)
network = TwoTowers(**towers, vocabulary=tokenizer.size, length=tokenizer.length, dim=64)
gallery = tiny.validation.subset(np.arange(min(200, tiny.validation.n_images)))


# %%
def look():
    """Cosines of 200 validation pictures and their 1,000 captions, as the network is now."""
    network.eval()
    with torch.inference_mode():
        image = network.embed_image(gallery.images.pixels)  # (n, d)
        text = network.embed_text(tokenizer.encode(gallery.captions))  # (m, d)
    network.train()
    return (image @ text.T).numpy()


# %% tags=["nbval-ignore-output"]
epochs = 1 if smoke else 12
optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
snapshots, losses, scales = {0: look()}, [], []
for epoch in range(epochs):
    for number, batch in enumerate(batches(epoch)):
        done = (epoch + number / len(batches)) / epochs
        optimiser.param_groups[0]["lr"] = 5e-3 * warm_up_then_cosine(done)
        loss = network(batch, "all", done)["contrastive"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        scales.append(network.temperature().item())
    snapshots[epoch + 1] = look()
print(f"{len(losses)} steps, loss {losses[0]:.2f} -> {np.mean(losses[-20:]):.2f}")

# %% tags=["plot"]
import matplotlib.pyplot as plt

from xmr_lib.metrics import recall_at_k

guess = (np.log(63 * 5 + 1) + np.log(64)) / 2  # 1 of 316 captions; 1 of 64 pictures
right = same_instance(gallery.instances, gallery.caption_instances)
found = {e: 100 * recall_at_k(s, right, 10) for e, s in snapshots.items()}
_, (left, middle, last) = plt.subplots(1, 3, figsize=(11, 3))
left.plot(losses, linewidth=0.6)
left.axhline(guess, color="grey", linewidth=0.8)
left.set(xlabel="step", ylabel="loss")
middle.plot(scales)
middle.set(xlabel="step", ylabel="scale s")
last.plot(found.keys(), found.values(), "o-")
last.set(xlabel="epoch", ylabel="R@10, 200 pictures, %")
plt.tight_layout()
plt.show()

# %% [markdown]
# *Figure 3. One training. Left: the loss starts above the price of guessing (grey), because a scale of 14 is sure of
# random cosines, and falls below it within a few steps. Middle: the scale sinks at first and rises when the pairs begin
# to fit. Right: R@10 on validation pictures, image queries.*

# %% tags=["plot"]
five = np.array([gallery.captions_of(i) for i in range(12)])  # (12, 5) which captions
half, twelve = max(1, epochs // 2), [scenes.validation.images[i] for i in range(12)]
moments = {"before training": snapshots[0], f"after epoch {half}": snapshots[half]}
moments |= {
    "at the end": snapshots[epochs],
    "course fit": clip.similarity(twelve, gallery.captions),
}
plots.similarity_snapshots(
    {title: matrix[:12][:, five].mean(2) for title, matrix in moments.items()}, pictures=twelve
)

# %% [markdown]
# *Figure 4. Twelve validation pictures (rows) against their captions (columns: mean cosine over the five captions of a
# picture), each matrix with its own colours; a white frame marks the best column of a row. Before training one or two
# columns win nearly every row. Then a diagonal appears, and in the stored course fit it is sharp.*

# %% tags=["plot"]
query = 4
show = sorted({0, 1, max(1, epochs // 4), max(1, epochs // 2), epochs})
best = {f"epoch {e}": np.argsort(-snapshots[e][query], kind="stable")[:3] for e in show}
better = clip.similarity([scenes.validation.images[query]], gallery.captions)[0]
best["course fit"] = np.argsort(-better, kind="stable")[:3]
plots.answers_over_time(
    scenes.validation.images[query],
    {moment: [gallery.captions[j] for j in row] for moment, row in best.items()},
    {moment: list(right[query][row]) for moment, row in best.items()},
)

# %% [markdown]
# *Figure 5. One unseen picture and the three nearest of 1,000 captions, from the untrained network to the stored
# course fit. First the place is right (buildings), then the things and their numbers.*
#
# **Question.** Why does the scale sink at first?
#
# <details><summary>Answer</summary>
#
# While the order of candidates is nearly random, being sure is punished. The scale measures how far the model can trust
# its cosines.
#
# </details>
#
# ## 5. The course fit against a linear method
#
# CCA of lesson 02 gets the same 10,000 scenes as thumbnails of 12 x 12 pixels and counts of words: a rival that, like
# ours, starts from nothing.

# %%
from xmr_lib.data.base import PairedFeatures
from xmr_lib.encoders import load_text_encoder
from xmr_lib.evaluation import evaluate, leaderboard
from xmr_lib.methods.subspace import CCA

counts = load_text_encoder("bow", fit_on=tiny.train.captions)


def thumbnails(data):
    """12 x 12 pixels of every picture and the words of every caption."""
    pixels = F.avg_pool2d(data.images.pixels.float(), 4).flatten(1).numpy()
    return PairedFeatures(pixels, counts.encode(data.captions), data.caption_image, name=data.name)


cca = CCA(100, ridge=0.01, correlation_power=1).fit(thumbnails(tiny.train))
linear = evaluate(
    cca, thumbnails(tiny.test), name="CCA on thumbnails", metrics=["R@1", "R@5", "R@10"]
)

# %% tags=["nbval-ignore-output"]
if not smoke:
    assert course.values("CLIP", "R@1", "i2t").min() > 0.6
    assert course.values("CLIP", "R@1", "t2i").min() > 0.4
columns = [f"{direction} R@{k}" for direction in ("i2t", "t2i") for k in (1, 5, 10)]
leaderboard([course.summary("CLIP"), linear], columns)

# %% [markdown]
# Two of three pictures find one of their own captions first among 5,000, and about half of the captions find their own
# picture among 1,000.
#
# **Question.** Why is image-to-text so much higher than text-to-image, with the same similarities?
#
# <details><summary>Answer</summary>
#
# A picture has five right captions, and any of them counts. A caption has one picture, and a sentence like "A rose at
# sunset." fits several.
#
# </details>
#
# ## 6. Temperature and batch size
#
# Now many small trainings like that of part 4, three seeds each. First the temperature: kept at five values, or learnt
# from two starts.

# %%
settings = {"epochs": epochs, "batch_size": 64, "captions": 5, "lr": 5e-3}
settings |= {"weight_decay": 0.05, "warm_up": 0.03}
small = CLIP(**towers, **settings, dim=64)


def small_scenes(seed, train=few):
    """The same pictures at 48 x 48 pixels for every seed."""
    return tiny._replace(train=train)


run = partial(compare, metrics=["R@10", "R@1"], fit=stored_fit, jobs=1 if smoke else 2)
taus = [0.03, 1.0] if smoke else [0.01, 0.03, 0.1, 0.3, 1.0]
variants = {f"kept at {tau}": small.clone(temperature=tau, learn_temperature=False) for tau in taus}
variants |= {"learnt from .07": small, "learnt from 1": small.clone(temperature=1.0)}

# %% tags=["nbval-ignore-output"]
temperatures = run(variants, small_scenes, seeds)
if not smoke:
    learnt = temperatures.values("learnt from .07").mean()
    assert learnt > temperatures.values("kept at 1.0").mean() + 0.05
    assert learnt > temperatures.values("kept at 0.01").mean() + 0.03
temperatures


# %% tags=["plot"]
def percent(result, names):
    """(mean, deviation) over the seeds, one number per name."""
    values = np.array([100 * result.values(name) for name in names])
    return values.mean(1), values.std(1, ddof=1)


lines = {"kept": percent(temperatures, [f"kept at {tau}" for tau in taus])}
for name in ("learnt from .07", "learnt from 1"):
    lines[name] = percent(temperatures, [name] * len(taus))
fits = [*temperatures.fitted["learnt from .07"], clip]
print("scales reached:", *(f"{fit.model_.temperature().item():.1f}" for fit in fits))
plots.curve(taus, lines, xlabel="temperature", ylabel="test R@10, %", log=True, chance=1.0)

# %% [markdown]
# *Figure 6. R@10 (mean of both directions, bands: one deviation over seeds) against the temperature. Kept fixed, it has
# an optimum near 0.1 and loses on both sides, most at 1. Learnt from .07 it needs no search (horizontal line); learnt
# from 1 it spends its time on the way.*
#
# The last of the printed scales is that of the course fit: the better the pairs fit, the larger a scale pays. CLIP
# stops it at 100, so that a cosine gap of 0.01 never counts for more than one unit.
#
# Next the batch size, in two fair comparisons: every run sees the same *number of images* (small batches take more
# steps), or takes the same *number of steps* (large batches cost more). The learning rate grows with the square root of
# the batch.


# %% tags=["nbval-ignore-output"]
def sized(b, passes):
    return small.clone(batch_size=b, epochs=1 if smoke else passes, lr=5e-3 * (b / 64) ** 0.5)


sizes = [32, 128] if smoke else [32, 64, 128, 256]
variants = {f"{b}, same images": sized(b, 12) for b in sizes}
variants |= {f"{b}, same steps": sized(b, 12 * b // 128) for b in sizes}
batch_sizes = run(variants, small_scenes, seeds)
batch_sizes

# %% tags=["plot"]
lines = {
    kind: percent(batch_sizes, [f"{b}, {kind}" for b in sizes])
    for kind in ("same images", "same steps")
}
plots.curve(sizes, lines, xlabel="images per batch", ylabel="test R@10, %", log=True, chance=1.0)

# %% [markdown]
# *Figure 7. R@10 against the batch size. With the same number of steps larger batches win, up to 128: more negatives
# per step, at a higher price. With the same number of images small batches win, because they take more steps.*
#
# "The larger the batch the better" is the rising line: in the papers' long runs steps are not scarce. Here they are.
#
# Last, a control: all captions exchanged at random.

# %% tags=["nbval-ignore-output"]
from xmr_lib.data.noise import mismatch_captions


def noisy_scenes(seed, share=1.0, n=4096):
    """A share of the training captions belongs to another picture; validation and test stay right."""
    some = tiny.train.subset(np.arange(min(n, tiny.train.n_images)))
    return small_scenes(seed, mismatch_captions(some, share, seed)[0])


shuffled = run({"all captions wrong": small}, noisy_scenes, seeds)
assert smoke or shuffled.values("all captions wrong").max() < 0.02
shuffled

# %% [markdown]
# Chance: what the others find comes from the pairs, and nothing leaks.
#
# **Question.** You may double the batch or the width of the towers. How do you decide?
#
# <details><summary>Answer</summary>
#
# Give both the same seconds of training, three seeds, and compare on validation. Where steps are scarce, a larger batch
# alone loses.
#
# </details>
#
# ## 7. What a bag of words cannot know
#
# For each test scene we know captions that are *false by one detail*. A model gets a point where the true caption
# scores higher, half a point for a tie. Guessing has 50 %.

# %%
from xmr_lib.evaluation.hard_negatives import contrast_accuracy

contrasts = [contrast_accuracy(fit, scenes.test) for fit in course.fitted["CLIP"]]
contrasts[0]

# %% tags=["plot"]
kinds = list(contrasts[0].kinds)
shares = np.array([[100 * c.kinds[kind].accuracy for kind in kinds] for c in contrasts])
plots.bars(kinds, {"CLIP": (shares.mean(0), shares.std(0, ddof=1))}, ylabel="right, %", chance=50)

# %% [markdown]
# *Figure 8. Share of true captions that score above a false one, by the kind of the detail, mean and deviation over
# seeds. Background, object and colour are known; count and size partly; order, relation and binding not at all.*
#
# *Order* and *binding* hold the same words on both sides: exactly 50 %, by construction. *Relation* changes a word,
# left to right, and the model could know it; but the vector of "left" is averaged with all others and does not say
# *what* is left. R@1 shows nothing of this. Larger CLIPs, with word order in their text tower, were
# found not far above guessing on such pairs (Yuksekgonul and others, 2023): a batch hardly ever asks for it.
#
# **Question.** Would a transformer as text tower mend it?
#
# <details><summary>Answer</summary>
#
# It makes it possible, not likely: the loss must need it. Put such captions into the batch as negatives, or let the two
# modalities look at each other (lesson 08).
#
# </details>
#
# ## 8. Classes it was never taught: zero-shot classification
#
# A class is a sentence, so a retriever is a classifier: the class whose sentences are nearest. The pictures now show a
# single thing on white, which no scene does; once in the drawing style of the scenes (Noto), once in another (Twemoji).

# %%
from xmr_lib.evaluation.zero_shot import emoji_for_zero_shot, scene_prompts, zero_shot

styles = {style: emoji_for_zero_shot(style) for style in ("noto", "twemoji")}
prompts = scene_prompts()
print(prompts["dog"])
for style, e in styles.items():
    answers = [zero_shot(fit, e.images, prompts) for fit in course.fitted["CLIP"]]
    right_share = np.array([100 * answer.accuracy(e.labels) for answer in answers])
    print(f"{style}: {right_share.mean():.0f} ± {right_share.std(ddof=1):.0f} % of 80 classes")

# %% tags=["plot"]
chosen, shown, titles = range(5, 96, 12), [], []
for e in styles.values():
    answer = zero_shot(clip, e.images, prompts)
    for i in chosen:
        name = answer.class_names[answer.predicted[i]]
        shown.append(e.images[i])
        titles.append(f"{'✓' if e.labels[i][answer.predicted[i]] else '✗'} {name}")
plots.picture_grid(shown, titles, columns=8)

# %% [markdown]
# *Figure 9. Every twelfth thing, in the style of the training (above) and in another (below), with the class that the
# model chose: a tick where it is right.*
#
# Guessing has 1.25 %. The model never saw a class label, and no plain white picture. Yet the drawings of another artist
# are mostly lost on it. "Zero-shot" means no labels, not no training data: the pretraining pictures decide.
#
# **Question.** Has the model really never seen these classes?
#
# <details><summary>Answer</summary>
#
# It has seen every one of them, with its name in the captions, hundreds of times. Only the *task* is new. The same
# holds for most benchmarks on which large models are called zero-shot.
#
# </details>
#
# ## 9. ALIGN: what if the captions are wrong?
#
# Captions from the web are often about something else. ALIGN took them by the billion, almost unfiltered. Its loss is
# the *sum* of both directions, $\tau$ is learnt itself, and there is *label smoothing*: a share $e$ of the target goes
# to all candidates evenly, because no pair is certain.

# %%
from xmr_lib.methods.dual_tower.align import smoothing_floor

own = torch.tensor([[True, False, False]])
for high in (2.0, 4.0, 8.0):
    logits = torch.tensor([[high, 0.0, 0.0]])
    print(f"{pair_losses(logits, own).item():.3f} {pair_losses(logits, own, 0.1).item():.3f}")
print("smallest possible with smoothing:", round(smoothing_floor(3, 0.1), 3))

# %% [markdown]
# Left, without smoothing: the surer, the better. Right, with it: being *too* sure costs, and the floor is reached at a
# finite scale. Now 0, 20 and 40 % of the training captions belong to another picture. In one more run the noisy set is
# twice as large, with the same number of steps.

# %% tags=["nbval-ignore-output"]
align = ALIGN(**towers, **settings, temperature=0.07)
pair = {"smoothing .1": align, "no smoothing": align.clone(smoothing=0.0)}
noise = {
    0: run(pair, partial(noisy_scenes, share=0), seeds),
    20: run({"smoothing .1": align}, partial(noisy_scenes, share=0.2), seeds),
    40: run(pair, partial(noisy_scenes, share=0.4), seeds),
}
more = partial(noisy_scenes, share=0.4, n=8192)
double = run({"twice the images": align.clone(epochs=max(1, epochs // 2))}, more, seeds)

# %% tags=["plot"]
values = [100 * result.values("smoothing .1") for result in noise.values()]
last = 100 * double.values("twice the images")
lines = {
    "4,096 images": (np.mean(values, 1), np.std(values, 1, ddof=1)),
    "8,192 images, same steps": [np.nan, np.nan, last.mean()],
}
plots.curve(list(noise), lines, xlabel="wrong captions, %", ylabel="test R@10, %", chance=1.0)

# %% [markdown]
# *Figure 10. R@10 of ALIGN against the share of wrong training captions (test captions are right). It falls steeply;
# twice as many images, as noisy, bring back about half of the loss.*

# %%
from xmr_lib.evaluation.tables import Table

rows = []
for share, result in ((0, noise[0]), (40, noise[40]), (40, double)):
    for name, fits in result.fitted.items():
        scales = np.array([fit.model_.temperature().item() for fit in fits])
        losses = np.array([fit.history_.terms["contrastive"][-1] for fit in fits])
        cells = [
            f"{x.mean():.1f} ± {x.std(ddof=1):.1f}"
            for x in (100 * result.values(name), losses, scales)
        ]
        rows.append([f"{share} % wrong, {name}", *cells])
Table(["", "R@10, %", "training loss", "scale reached"], rows, "ALIGN, mean ± deviation over seeds")

# %% [markdown]
# - **Smoothing** keeps the scale down, as its floor says. R@10 hardly notices.
# - **Noise** costs more than its share. Each wrong caption comes back in all twelve epochs, and is learnt by heart.
# - **Twice the images** at the same number of steps: the *higher* training loss and the better R@10, so less is learnt
#   by heart. That is ALIGN's bet: rather more pairs than cleaner pairs.
#
# **Question.** Why does label smoothing keep the scale down?
#
# <details><summary>Answer</summary>
#
# With smoothing the best chance of the right partner is $1 - e + e/K$ and not 1. Cosines differ by 2 at most, so beyond
# some scale every further step makes the right partner too likely.
#
# </details>
#
# ## 10. Many processes, one batch
#
# CLIP's batches had tens of thousands of pairs, on hundreds of GPUs. Each GPU computes its share of the vectors, but
# the *negatives* must come from all. With eight pairs:

# %%
v, t = (F.normalize(torch.randn(8, 16, generator=draw), dim=1) for _ in range(2))
logits, eye = 10 * v @ t.T, torch.eye(8, dtype=torch.bool)
shares = [slice(r, None, 2) for r in range(2)]  # process r holds the rows r, r + 2, ...
alone = [symmetric_info_nce(logits[s, s], eye[s, s]) for s in shares]
gathered = [
    (pair_losses(logits[s], eye[s]).mean() + pair_losses(logits.T[s], eye[s]).mean()) / 2
    for s in shares
]
print(f"one process: {symmetric_info_nce(logits, eye):.4f}")
print(f"two, gathered: {sum(gathered) / 2:.4f}   two, each alone: {sum(alone) / 2:.4f}")

# %% [markdown]
# Gathered, the average over the processes *is* the loss of the whole batch, and the averaged gradient its gradient, as
# long as gathering passes gradients on (`xmr_lib.processes.gather_rows`). Alone, every row
# has three wrong partners instead of seven: the loss looks better and the model is worse.
#
# ```bash
# xmr train clip scenes --out my_clip                                              # one process
# torchrun --standalone --nproc-per-node 2 -m xmr_lib.cli train clip scenes        # two, on the CPU or on two GPUs
# accelerate launch --multi_gpu --num_processes 4 -m xmr_lib.cli train clip scenes # four GPUs of one machine
# torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -m xmr_lib.cli train clip scenes
# ```
#
# The last line is started on both machines, with the name of one of them as HOST. `batch_size` counts all processes
# together, so the result does not depend on their number.
#
# **Question.** You double the processes and keep `batch_size`. What changes in the result, what in the time?
#
# <details><summary>Answer</summary>
#
# The result stays, up to rounding. Each process encodes half as many pictures, so a step takes a little more than half
# the time.
#
# </details>
#
# ## What the papers report, what we measured, why they differ

# %%
from xmr_lib.published import published

lines = [
    [row.system, row.dataset, row.split, row.direction, f"{100 * row.value:.1f}", row.evidence]
    for system in ("CLIP", "ALIGN")
    for row in published(system)
    if row.metric == "R@1" and "zero-shot" in row.split
]
for direction in ("i2t", "t2i"):
    ours = f"{100 * course.values('CLIP', 'R@1', direction).mean():.1f}"
    lines.append(
        ["CLIP, ours", "scenes", "trained on scenes, test 1000", direction, ours, "measured here"]
    )
Table(["", "data", "split", "", "R@1", "evidence"], lines, "R@1, percent")

# %% [markdown]
# The numbers cannot be compared, and that is the point. Theirs are *zero-shot* on photographs, after hundreds of
# millions of web pairs; ours come from 10,000 scenes of the generator that made the test, and fewer than a million
# weights. What can be compared is behaviour: the loss starts at $\ln B$, a learnt temperature is the safe choice, more
# pairs make up for noise, word order is lost.
#
# ## Break it on purpose
#
# A dead network has found nothing, but a careless metric gives it 100 %. A vector of zeros has no direction. Vectors
# that are not normalised turn a scale of 14 into logits of hundreds. And evaluating with *one* right caption per
# picture, although five are right, counts hits as errors.

# %%
flat, truth = np.ones((100, 100)), np.eye(100, dtype=bool)
careless = (flat.diagonal() >= flat.max(1)).mean()  # "my partner is among the best"
print(f"R@1 of a constant: careless {careless:.0%}, ours {recall_at_k(flat, truth, 1):.0%}")

# %%
zero = torch.zeros(3)
print("0 / |0|:", (zero / zero.norm())[0].item(), "normalize:", F.normalize(zero, dim=0)[0].item())
v, t = (torch.randn(64, 128, generator=draw) for _ in range(2))
loss = symmetric_info_nce(v @ t.T / 0.07, torch.eye(64, dtype=torch.bool))
print(f"not normalised: loss {loss:.0f}, ln B {np.log(64):.1f}")

# %%
test = scenes.test
all_five = same_instance(test.instances, test.caption_instances)
one = np.zeros_like(all_five)
one[np.arange(test.n_images), [test.captions_of(i)[0] for i in range(test.n_images)]] = True
for name, relevant in (("any of five", all_five), ("only the first", one)):
    print(f"image query, R@1 with {name} right: {100 * recall_at_k(similarity, relevant, 1):.1f} %")

# %% [markdown]
# ## Common mistakes
#
# | what you see | likely cause | what to do |
# |---|---|---|
# | loss stays at $\ln B$ | pictures and captions not paired; collapsed tower | train on 10 pairs: it must reach 0 |
# | loss stays at $\ln 2$ or $\ln 5$ | captions of one image as negatives | mask by instance |
# | all similarities equal | dead units, learning rate too high | look at the matrix of figure 4 |
# | loss NaN | zero vectors, exp of a huge scale | `F.normalize`; clamp the scale |
# | the scale hits 100 and stays | memorised pairs, or twins in the data | look for duplicates |
# | the loss *improves* on more GPUs | negatives are not gathered | compare with one process at the same batch |
# | R@1 of 100 % | ties count as hits | average over ties |
#
# ## Recap
#
# - **Write.** Cross-entropy over the batch in both directions, without other captions of the same image.
# - **Train.** The loss starts at $\ln B$; the scale sinks, then grows with what the model can tell apart.
# - **Explain.** Temperature decides how many negatives count; batch size trades steps for negatives.
# - **Judge.** High R@1 goes with blindness to word order and to another drawing style.
# - **Run.** With gathered negatives and gradients, k processes are one, only faster.
#
# **Exercise.** The loss, its slopes, a temperature that learns and a batch in many processes, in numpy:
# [exercise 06](../exercises/release/06_dual_tower_contrastive.ipynb).
#
# ## Further reading
#
# - A. van den Oord and others, *Representation Learning with Contrastive Predictive Coding*, arXiv, 2018. InfoNCE.
# - A. Radford and others, *Learning Transferable Visual Models From Natural Language Supervision*, ICML, 2021. CLIP.
# - C. Jia and others, *Scaling Up Visual and Vision-Language Representation Learning With Noisy Text Supervision*,
#   ICML, 2021. ALIGN.
# - M. Yuksekgonul and others, *When and Why Vision-Language Models Behave like Bags-of-Words*, ICLR, 2023. Part 7, for
#   large models.
