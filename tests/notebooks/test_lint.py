"""Every lesson keeps the rules of a lesson; and the lint finds each way to break one (a bad example per rule)."""

from __future__ import annotations

from pathlib import Path

import pytest

from xmr_lib.course.lint import figures, lint_lesson, main, sizes, skeleton, word_count
from xmr_lib.course.source import find_sources, read_script, to_notebook

ROOT = Path(__file__).resolve().parents[2]
LESSONS = find_sources(ROOT / "notebooks" / "src")
TEMPLATE = read_script(ROOT / "notebooks" / "src" / "_template.py")


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_lesson_keeps_the_rules(source: Path) -> None:
    assert lint_lesson(source, ROOT / "notebooks" / f"{source.stem}.ipynb") == []


def test_the_template_has_every_part() -> None:
    notebook = to_notebook(TEMPLATE)
    assert skeleton(notebook, "02_template") == []
    assert figures(notebook, ROOT / "notebooks") == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# # NN", "# ## NN", "first cell must be the title"),
        ("# One sentence: what you will build and why it matters.", "#", "one sentence must say"),
        ("# ## Recap", "# # Recap", "more than one heading of level 1"),
        ("# ## Goals", "# ## Hello", "lacks goals"),
        ("# - **explain** why ...,\n", "", "states 2 goals"),
        ("**What you need first.**", "**Hello.**", "lacks prerequisites"),
        ("**Time.** Read: 30 min. Run: 60 s", "**Time.** Some", "how long the lesson takes"),
        ("# <!-- last-verified -->", "#", "lacks the line"),
        ("from xmr_lib.notebook import setup", "import numpy", "first code cell must be the set-up"),
        ('tags=["parameters"]', "", "must be tagged 'parameters'"),
        ("SEED = 0", "", "must set PROFILE and SEED"),
        ('# %% tags=["plot"]', "# %%", "One picture"),
        ("# ## 2. The same", "# ## The same", "has 1 parts"),
        ("# <details><summary>Answer</summary>\n#\n# Nothing", "# Nothing", "2 parts but 1 questions"),
        ("# </details>\n\n# %% [markdown]\n# ## What", "# %% [markdown]\n# ## What", "not closed"),
        ("# ## What the paper reports, what we measured, why they differ", "# ## A table", "What the paper reports"),
        ("# ## Break it on purpose", "# ## More", "lacks an ablation"),
        ("# ## Common mistakes", "# ## More", "lacks common mistakes"),
        ("# ## Recap", "# ## More", "lacks a recap"),
        ("# ## Further reading", "# ## More", "lacks further reading"),
    ],
)
def test_each_missing_part_is_named(old: str, new: str, words: str) -> None:
    assert TEMPLATE.count(old) >= 1, "the bad example no longer fits the template"
    said = skeleton(to_notebook(TEMPLATE.replace(old, new)), "02_template")
    assert any(words in sentence for sentence in said), said


def test_lessons_without_a_paper_need_no_comparison() -> None:
    script = TEMPLATE.replace("# ## What the paper reports, what we measured, why they differ", "# ## A table")
    assert skeleton(to_notebook(script), "01_task") == []


def cells(*code: str) -> str:
    return "\n".join(f"# %%\n{source}\n" for source in code)


def test_sizes() -> None:
    text = "# %% [markdown]\n# # T\n#\n# " + "word " * 1300 + "\n\n"
    good = text + cells(*["x = 1\ny = 2"] * 45)
    assert sizes(to_notebook(good)) == []
    long_cell = "\n".join(f"x{i} = {i}" for i in range(26))
    assert "Cell 47 has 26 lines" in sizes(to_notebook(good + cells(long_cell)))[0]
    assert "median code cell has 7 lines" in sizes(to_notebook(text + cells(*["\n".join(["x = 1"] * 7)] * 45)))[0]
    assert "The lesson has 39 cells" in sizes(to_notebook(text + cells(*["x = 1"] * 38)))[0]
    assert "The lesson has 71 cells" in sizes(to_notebook(text + cells(*["x = 1"] * 70)))[0]
    assert "words of text" in sizes(to_notebook(good.replace("word ", "", 400)))[0]
    assert "words of text" in sizes(to_notebook(good + "\n# %% [markdown]\n# " + "word " * 1300))[0]


def test_words_are_those_a_learner_reads() -> None:
    script = (
        "# %% [markdown]\n# # Two words\n#\n# well-known isn't `code()` $x + y$ [link](http://a.b/c) <b>bold</b>\n#\n"
        "# ```python\n# print(1)\n# ```\n"
    )
    assert word_count(to_notebook(script)) == 6


CAPTION = "\n# %% [markdown]\n# *Figure 1. A line.*\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('# %% tags=["plot"]\nx\n', "has no caption"),
        ('# %% tags=["plott"]\nx\n', "unknown tag 'plott'"),
        ('# %% tags=["NBVAL_SKIP"]\nx\n', "unknown tag 'NBVAL_SKIP'"),
        ("# %% [markdown]\n# ![a map](https://example.org/a.png)\n", "picture from the network"),
        ('# %% [markdown]\n# <img alt="a" src="http://example.org/a.png">\n', "picture from the network"),
        ("# %% [markdown]\n# ![](a.png)\n", "without alternative text"),
        ('# %% [markdown]\n# <img src="a.png">\n', "without alternative text"),
        ("# %% [markdown]\n# ![a map](no/such.png)\n", "not in the repository"),
    ],
)
def test_each_fault_of_a_figure_is_named(script: str, words: str, tmp_path: Path) -> None:
    said = figures(to_notebook(script), tmp_path)
    assert any(words in sentence for sentence in said), said


def test_good_figures_pass(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    plot = '# %% tags=["plot"]\nx\n'
    assert figures(to_notebook(plot + CAPTION), tmp_path) == []
    assert figures(to_notebook(CAPTION.lstrip() + "\n" + plot), tmp_path) == []
    assert figures(to_notebook("# %% [markdown]\n# ![a map](a.png)\n"), tmp_path) == []
    fenced = "# %% [markdown]\n# ```\n# ![](https://example.org/a.png)\n# ```\n"
    assert figures(to_notebook(fenced), tmp_path) == []


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "notebooks" / "src"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    (folder / "05_bad.py").write_text("# %%\nx = 1\n", encoding="utf-8")
    assert main([]) == 1
    assert "05_bad: The first cell must be the title" in capsys.readouterr().out
    assert main(["77"]) == 2
