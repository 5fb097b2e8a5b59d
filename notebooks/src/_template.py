# %% [markdown]
# # NN · Title of the lesson
#
# One sentence: what you will build and why it matters.
#
# <!-- How to use this template: copy it to notebooks/src/NN_topic.py and keep the order of the sections. A lesson has
# 40-70 cells and 1,200-2,500 words; code cells are short (median 6 lines or less, never more than 25).
# Then: python -m xmr_lib.course.lint NN, python -m xmr_lib.course.notebooks build NN. -->

# %% [markdown]
# ## Goals
#
# After this lesson you can
#
# - **compute** ... by hand on three pictures and three words,
# - **explain** why ...,
# - **choose** ... for your own data.
#
# **What you need first.** [Lesson 01](01_task_data_metrics.ipynb): the similarity matrix and recall at k.
#
# **Time.** Read: 30 min. Run: 60 s on two cores without a GPU.
#
# <!-- last-verified -->

# %%
from xmr_lib.notebook import setup

setup("NN")

# %% tags=["parameters"]
PROFILE = None  # None: XMR_PROFILE, else "course"
SEED = 0

# %% [markdown]
# The picture of what you will build comes first, before the learner knows how it is made.

# %% tags=["plot"]
import matplotlib.pyplot as plt
import numpy as np

similarity = np.array([[0.9, 0.2, 0.1], [0.3, 0.7, 0.4], [0.0, 0.5, 0.8]])
plt.imshow(similarity, cmap="viridis", vmin=0, vmax=1)
plt.xlabel("captions")
plt.ylabel("images")
plt.show()

# %% [markdown]
# *Figure 1. Similarity of three images (rows) and three captions (columns); the right pairs, on the diagonal, are the
# brightest.* Say what the picture shows to someone who cannot see it: this line is its alternative text.

# %% [markdown]
# ## 1. A tiny example by hand
#
# Three pictures, three words, numbers you can check in your head.

# %%
similarity.argmax(axis=1)

# %% [markdown]
# The heart of the lesson: the equation and its lines side by side, with the paper's symbols. A cell tagged `heart`
# defines a function that exists in the library under the same name and with the same arguments; the parity test
# (`tests/notebooks/test_parity.py`, one row per function) compares the two on random input.
#
# $$ \mathrm{NC}(a, b) = \frac{a^\top b}{\lVert a \rVert \, \lVert b \rVert} $$


# %% tags=["heart"]
def cosine_similarity(a, b):
    """NC(a, b): every row of a (n, d) with every row of b (m, d)."""
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return a @ b.T


# %% [markdown]
# **Question.** What happens to the similarity when every image vector is multiplied by ten?
#
# <details><summary>Answer</summary>
#
# Nothing: the norm in the denominator takes the factor out again.
#
# </details>

# %% [markdown]
# ## 2. The same from the library, on real pictures
#
# Run it, look at a picture, ask one question.
#
# **Question.** Which direction is harder, image to text or text to image, and how can you see it?
#
# <details><summary>Answer</summary>
#
# Compare the two rows of the report.
#
# </details>

# %% [markdown]
# ## What the paper reports, what we measured, why they differ
#
# A table, printed by code.

# %% [markdown]
# ## Break it on purpose
#
# Take one piece away and explain what the learner sees.

# %% [markdown]
# ## Common mistakes
#
# | what you see | likely cause | what to do |
# |---|---|---|
# | all similarities are equal | the features were not centred | subtract the mean of the training set |

# %% [markdown]
# ## Recap
#
# Each goal again, as an answer in one sentence. Then the exercise: `exercises/release/NN_topic.ipynb`.

# %% [markdown]
# ## Further reading
#
# - Author, *Title*, venue, year. One reason to read it.
