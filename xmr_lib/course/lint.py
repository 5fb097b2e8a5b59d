"""Does a lesson have the parts a lesson has? ``python -m xmr_lib.course.lint [NN ...]``

Three questions, each a function from a notebook to a list of sentences (empty = well): is the skeleton there
(:func:`skeleton`), are cells and text of the right size (:func:`sizes`), are figures described and local
(:func:`figures`). What was stored as output is looked at by :func:`xmr_lib.course.execute.output_problems`.

A new rule goes into this file together with a bad example in ``tests/notebooks/test_lint.py``.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode

from xmr_lib.course.execute import output_problems
from xmr_lib.course.source import (
    caption_of,
    code_cells,
    course_root,
    find_sources,
    read_notebook,
    read_script,
    tagged,
    tags_of,
    to_notebook,
)
from xmr_lib.errors import InvalidInput, XmrError

MAX_LINES, MEDIAN_LINES = 25, 6
CELLS = (40, 70)
WORDS = (1200, 2500)
GOALS = (3, 5)
WITHOUT_PAPER = ("00", "01")  # lessons that teach no published system
KNOWN_TAGS = {
    "parameters",
    "plot",
    "heart",
    "nbval-ignore-output",
    "nbval-check-output",
    "nbval-skip",
    "skip-execution",
    "hide-input",
    "remove-cell",
}
SECTIONS = {  # what must stand in a heading -> how the message calls it
    r"goal|you will be able|what you will learn|after this lesson": "goals ('## Goals')",
    r"what you need|prerequisite|before you start|you need first": "prerequisites ('## What you need first')",
    r"ablation|on purpose|break|fail|goes wrong": "an ablation or a failure ('## Break it on purpose')",
    r"common mistakes": "common mistakes by symptom ('## Common mistakes')",
    r"recap": "a recap ('## Recap')",
    r"further reading": "further reading ('## Further reading')",
}
PAPER = r"paper.*report|report.*measure|published.*measure"


def headings(notebook: NotebookNode) -> list[tuple[int, str]]:
    """(level, text) of every Markdown heading outside code fences, in order."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```", "", cell.source, flags=re.S)
            found += [(len(marks), line.strip()) for marks, line in re.findall(r"^(#{1,6})\s+(.+)$", text, flags=re.M)]
    return found


def skeleton(notebook: NotebookNode, lesson: str) -> list[str]:
    """What is missing from the order of a lesson: title, goals, set-up, parts, comparison, mistakes, recap.

    Args:
        notebook: Made from the source.
        lesson: Name of the lesson; its number decides whether a paper must be compared with.
    """
    said: list[str] = []
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    whole = "\n\n".join(texts)
    heads = headings(notebook)
    if not notebook.cells or not re.match(r"# \S", notebook.cells[0].source):
        said.append("The first cell must be the title: a Markdown cell that starts with '# '.")
    elif not re.search(
        r"\w.*\w[.!?]", re.sub(r"^# .*$|!\[.*|<!--[\s\S]*?-->", "", notebook.cells[0].source, flags=re.M)
    ):
        said.append("Under the title, one sentence must say what the lesson is about.")
    if sum(level == 1 for level, _ in heads) > 1:
        said.append("There is more than one heading of level 1. Only the title has one '#'.")
    for pattern, what in SECTIONS.items():
        if not any(re.search(pattern, text, flags=re.I) for _, text in heads) and not _bold(pattern, whole):
            said.append(f"The lesson lacks {what}.")
    if lesson[:2] not in WITHOUT_PAPER and not any(re.search(PAPER, text, flags=re.I) for _, text in heads):
        said.append("The lesson lacks '## What the paper reports, what we measured, why they differ'.")
    goals = _items_after(whole, r"goal|you will be able|what you will learn|after this lesson")
    if goals is not None and not GOALS[0] <= goals <= GOALS[1]:
        said.append(f"The lesson states {goals} goals; state {GOALS[0]} to {GOALS[1]} as a list, each with a verb.")
    said += _opening(notebook)
    parts = [text for level, text in heads if level == 2 and re.match(r"(part\s+)?\d", text, flags=re.I)]
    if len(parts) < 2:
        said.append(f"The lesson has {len(parts)} parts; number them: '## 1. ...', '## 2. ...' (at least 2).")
    questions = len(re.findall(r"<details", whole))
    if questions < len(parts):
        said.append(
            f"There are {len(parts)} parts but {questions} questions. Close each part with a question and "
            "'<details><summary>Answer</summary> ... </details>'."
        )
    if whole.count("<details") != whole.count("</details>"):
        said.append("A <details> is not closed, or closed twice.")
    return said


def _bold(pattern: str, whole: str) -> bool:
    """Short sections of the opening may be a bold lead instead of a heading: **What you need first.**"""
    return any(re.search(pattern, lead, flags=re.I) for lead in re.findall(r"\*\*([^*\n]+)\*\*", whole))


def _items_after(whole: str, pattern: str) -> int | None:
    """Number of list items in the first list after a heading or bold lead that fits; None without such a lead."""
    lines = whole.splitlines()
    for start, line in enumerate(lines):
        if re.match(r"#|\*\*", line) and re.search(pattern, line, flags=re.I):
            count, begun = 0, False
            for later in lines[start + 1 :]:
                if re.match(r"([-*+]|\d+[.)])\s", later):
                    count, begun = count + 1, True
                elif later.startswith("#") or (begun and later.strip() and not later.startswith(" ")):
                    break
            return count
    return None


def _opening(notebook: NotebookNode) -> list[str]:
    """Times, last-verified line, one picture, then the set-up cell and the parameters cell."""
    said: list[str] = []
    code = code_cells(notebook)
    first = notebook.cells.index(code[0]) if code else len(notebook.cells)
    opening = "\n".join(cell.source for cell in notebook.cells[:first])
    minutes = re.findall(r"\d+\s*(?:min|s\b|sec)", opening)
    if len(minutes) < 2 or not re.search(r"read", opening, re.I) or not re.search(r"\brun", opening, re.I):
        said.append("Before the set-up cell, say how long the lesson takes to read and to run ('Read: 25 min').")
    if "<!-- last-verified -->" not in opening:
        said.append("The opening lacks the line '<!-- last-verified -->'; the build fills it.")
    start = notebook.cells[: first + 6]
    drawn = any("plot" in tags_of(cell) for cell in start)
    if not drawn and not any(re.search(r"!\[[^\]]+\]\([^)]+\)", cell.source) for cell in start):
        said.append("One picture of what the learner will build must stand at the start (an image, or a plot cell).")
    if (
        not code
        or not re.search(r"from xmr_lib\.notebook import .*setup", code[0].source)
        or "setup(" not in code[0].source
    ):
        said.append('The first code cell must be the set-up: from xmr_lib.notebook import setup, then setup("NN").')
    if len(code) < 2 or "parameters" not in tags_of(code[1]):
        said.append("The second code cell must be tagged 'parameters'.")
    elif not re.search(r"^PROFILE = ", code[1].source, re.M) or not re.search(r"^SEED = ", code[1].source, re.M):
        said.append("The parameters cell must set PROFILE and SEED.")
    if len(tagged(notebook, "parameters")) > 1:
        said.append("Only one cell may be tagged 'parameters'.")
    return said


def word_count(notebook: NotebookNode) -> int:
    """Words of the text a learner reads: Markdown without code, formulas, tags and addresses."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for pattern in (r"```.*?```", r"\$\$.*?\$\$", r"\$[^$\n]+\$", r"<[^>]+>", r"\]\([^)]*\)", r"`[^`\n]*`"):
        text = re.sub(pattern, " ", text, flags=re.S)
    return len(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text))


def sizes(notebook: NotebookNode) -> list[str]:
    """Cells and text outside their limits: short cells, 40-70 of them, 1,200-2,500 words."""
    said = []
    lines = [sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in code_cells(notebook)]
    for cell, count in zip(code_cells(notebook), lines, strict=True):
        if count > MAX_LINES:
            number = notebook.cells.index(cell) + 1
            said.append(
                f"Cell {number} has {count} lines of code; the cap is {MAX_LINES}. Move the body to the library."
            )
    if lines and statistics.median(lines) > MEDIAN_LINES:
        said.append(f"The median code cell has {statistics.median(lines):g} lines; the limit is {MEDIAN_LINES}.")
    if not CELLS[0] <= len(notebook.cells) <= CELLS[1]:
        said.append(f"The lesson has {len(notebook.cells)} cells; lessons have {CELLS[0]} to {CELLS[1]}.")
    words = word_count(notebook)
    if not WORDS[0] <= words <= WORDS[1]:
        said.append(f"The lesson has {words} words of text; lessons have {WORDS[0]} to {WORDS[1]}.")
    return said


def figures(notebook: NotebookNode, folder: Path | None = None) -> list[str]:
    """Figures without a caption, pictures from the network or without alternative text, unknown tags.

    Args:
        notebook: Made from the source.
        folder: Where local pictures are looked up; None: not looked up.
    """
    said = []
    for number, cell in enumerate(notebook.cells, start=1):
        unknown = set(tags_of(cell)) - KNOWN_TAGS
        if unknown:
            said.append(
                f"Cell {number} has the unknown tag {sorted(unknown)[0]!r}. Known: {', '.join(sorted(KNOWN_TAGS))}."
            )
        if "plot" in tags_of(cell) and not caption_of(notebook, number - 1):
            said.append(
                f"The figure of cell {number} has no caption. Begin a line of the text before or after it with "
                "'*Figure' and say what the picture shows to someone who cannot see it."
            )
        if cell.cell_type != "markdown":
            continue
        text = re.sub(r"```.*?```", "", cell.source, flags=re.S)
        if re.search(r"!\[[^\]]*\]\(\s*(https?:)?//|<img[^>]+src=[\"']?(https?:)?//", text):
            said.append(f"Cell {number} shows a picture from the network. Keep pictures in the repository.")
        if re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=)[^>]*>", text):
            said.append(f"Cell {number} shows a picture without alternative text: ![what it shows](file.png).")
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", text):
            if (
                folder
                and "//" not in target
                and not target.startswith("attachment:")
                and not (folder / target).exists()
            ):
                said.append(f"Cell {number} names the picture {target}, which is not in the repository.")
    return said


def lint_lesson(source: Path, built: Path | None = None) -> list[str]:
    """All sentences about one lesson.

    Args:
        source: ``notebooks/src/NN_topic.py``.
        built: Its notebook; outputs are looked at when it exists.
    """
    notebook = to_notebook(read_script(source))
    said = skeleton(notebook, source.stem) + sizes(notebook) + figures(notebook, source.parent.parent)
    if built is not None and built.exists():
        try:
            said += output_problems(read_notebook(built))
        except InvalidInput as error:
            said.append(str(error))
    return [f"{source.stem}: {sentence}" for sentence in said]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m xmr_lib.course.lint``; exit status 1 when a lesson breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m xmr_lib.course.lint", description="Check how lessons are built.")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="lessons by number or name; default: all")
    options = parser.parse_args(arguments)
    try:
        folder = course_root() / "notebooks"
        sources = find_sources(folder / "src", options.lessons)
        said = [line for path in sources for line in lint_lesson(path, folder / f"{path.stem}.ipynb")]
    except XmrError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(said) or f"All {len(sources)} lessons keep the rules.")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
