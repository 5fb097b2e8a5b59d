"""Every lesson runs from a cold start in its full (course) size; and the runner notices lessons that do not.

nbval runs the stored notebooks once more, in smoke size (tests/run_all.py).
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from xmr_lib.course.execute import Executed, LessonFailed, clean, execute, is_blank, joined, output_problems
from xmr_lib.course.models import lessons_with_stored_fits
from xmr_lib.course.pages import formula, lesson_page
from xmr_lib.course.run_course import main, run_course
from xmr_lib.course.source import code_cells, find_sources, read_notebook, read_script, tags_of, to_notebook
from xmr_lib.errors import MissingData

ROOT = Path(__file__).resolve().parents[2]
LESSONS = find_sources(ROOT / "notebooks" / "src")
CELL_SECONDS = 300
PLOT = '# %% tags=["plot"]\nimport matplotlib.pyplot as plt\n\nplt.plot([1, 2])\nplt.show()\n'


@pytest.mark.notebook
@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_lesson_runs(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMR_FITS", "load")  # hours of training belong to `make models`, not to a test
    try:
        done = run_in_course_size(source)
    except LessonFailed as error:
        if source in lessons_with_stored_fits(ROOT / "notebooks" / "src") and "Run `make models`" in str(error):
            pytest.skip("its fits are not stored here: make models. It runs in smoke size in any case (nbval).")
        raise
    assert output_problems(done.notebook) == []
    run = [cell for cell in code_cells(done.notebook) if cell.source.strip() and "skip-execution" not in tags_of(cell)]
    assert all(cell.execution_count for cell in run)


def run_in_course_size(source: Path) -> Executed:
    notebook = to_notebook(read_script(source))
    parameters = {"PROFILE": "course", "SEED": 0}
    cwd = ROOT / "notebooks"
    return execute(
        notebook, source.stem, profile="course", parameters=parameters, cwd=cwd, timeout=CELL_SECONDS, progress=False
    )


@pytest.mark.notebook
def test_figures_are_stored_whatever_backend_the_shell_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    done = execute(to_notebook(PLOT), "00_a", profile="smoke", cwd=tmp_path, timeout=CELL_SECONDS, progress=False)
    assert output_problems(done.notebook) == []


def png(colours: list[tuple[int, int, int]]) -> str:
    picture = Image.new("RGB", (len(colours), 1))
    picture.putdata(colours)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def one_cell(output: dict, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.from_dict(output)], metadata={"tags": list(tags)})
    return nbformat.v4.new_notebook(cells=[cell])


def picture_output(data: str) -> dict:
    return {"output_type": "display_data", "data": {"image/png": data}, "metadata": {}}


def test_blank_pictures_are_seen() -> None:
    blank, drawn = png([(255, 255, 255)] * 4), png([(255, 255, 255), (0, 0, 0)])
    assert is_blank(blank)
    assert not is_blank(drawn)
    assert output_problems(one_cell(picture_output(drawn), ("plot",))) == []
    assert "blank" in output_problems(one_cell(picture_output(blank), ("plot",)))[0]
    assert output_problems(one_cell(picture_output(blank))) == []  # only cells that promise a plot


WIDGET = {
    "output_type": "display_data",
    "data": {
        "application/vnd.jupyter.widget-view+json": {"model_id": "a1", "version_major": 2, "version_minor": 0},
        "text/plain": "laying out scenes:  89%",
    },
    "metadata": {},
}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"output_type": "stream", "name": "stderr", "text": "UserWarning: old"}, "wrote on stderr"),
        ({"output_type": "error", "ename": "ValueError", "evalue": "bad", "traceback": []}, "error output: ValueError"),
        (WIDGET, "live widget"),
        ({"output_type": "stream", "name": "stdout", "text": f"read {Path.home()}/x"}, "shows the path"),
    ],
)
def test_bad_outputs_are_named(output: dict, words: str) -> None:
    assert words in output_problems(one_cell(output))[0]


def test_plot_cell_without_picture_is_named() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "done"}
    assert "shows no PNG" in output_problems(one_cell(output, ("plot",)))[0]


@pytest.mark.notebook
def test_parameters_are_injected_and_nothing_else_changes() -> None:
    notebook = to_notebook(
        '# %% tags=["parameters"]\nSEED = 0\n\n# %%\nimport os\nprint(SEED, os.environ["XMR_PROFILE"])\n'
    )
    done = execute(notebook, "sample", profile="smoke", parameters={"SEED": 7}, progress=False)
    assert done.notebook.cells[-1].outputs[0].text == "7 smoke\n"
    assert notebook.cells[-1].outputs == []
    assert done.seconds > 0


def test_pieces_of_a_stream_are_joined() -> None:
    stream = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in ("oa", "ob", "ec", "od")]
    assert [(output.name, output.text) for output in joined(stream)] == [("o", "ab"), ("e", "c"), ("o", "d")]


def test_live_widgets_are_dropped() -> None:
    notebook = one_cell(WIDGET)
    notebook.cells[0].outputs.append(nbformat.v4.new_output("stream", name="stdout", text="done"))
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    assert [words.split()[0] for words in output_problems(notebook)] == ["The", "Cell"]  # the state, and the view
    clean(notebook)
    assert [output.output_type for output in notebook.cells[0].outputs] == ["stream"]
    assert output_problems(notebook) == []


BARS = """# %%
from xmr_lib.progress import progress

for _ in progress(range(3), delay=0, leave=True):
    pass
print("done")
"""


@pytest.mark.notebook
def test_bars_are_silent_while_notebooks_are_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xmr_lib.course.execute.is_widget", lambda output: False)  # nothing is swept away afterwards
    done = execute(to_notebook(BARS), "bars", profile="smoke", progress=False)
    assert [output.output_type for output in done.notebook.cells[0].outputs] == ["stream"]
    assert "widgets" not in done.notebook.metadata


@pytest.mark.notebook
def test_endless_cell_is_stopped() -> None:
    with pytest.raises(LessonFailed, match="longer than 2 s"):
        execute(to_notebook("# %%\nwhile True:\n    pass\n"), "endless", profile="smoke", timeout=2, progress=False)


@pytest.mark.notebook
def test_dead_kernel_is_named() -> None:
    with pytest.raises(LessonFailed, match="kernel died"):
        execute(to_notebook("# %%\nimport os\n\nos._exit(1)\n"), "dead", profile="smoke", progress=False)


@pytest.mark.notebook
def test_run_course(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lessons run, are skipped the second time, run again when changed, and an error names lesson and cell."""
    folder = tmp_path / "notebooks" / "src"
    folder.mkdir(parents=True)
    with pytest.raises(MissingData):
        run_course(tmp_path, "smoke")
    caption = "# %% [markdown]\n# *Figure 1. A rising line.*\n#\n# More.\n"
    (folder / "00_a.py").write_text(f"# %% [markdown]\n# # First $a^2$\n\n{PLOT}\n{caption}", encoding="utf-8")
    (folder / "01_b.py").write_text("# %% [markdown]\n# # Second <lesson>\n\n# %%\nprint(1)\n", encoding="utf-8")
    rows = run_course(tmp_path, "smoke")
    assert [(row.stem, row.figures, executed) for row, executed in rows] == [("00_a", 1, True), ("01_b", 0, True)]
    assert [executed for _, executed in run_course(tmp_path, "smoke")] == [False, False]
    index = (tmp_path / "build" / "course" / "index.html").read_text(encoding="utf-8")
    assert 'href="00_a.html"' in index
    assert 'alt="Figure 1. A rising line."' in (tmp_path / "build" / "course" / "00_a.html").read_text(encoding="utf-8")
    assert "Second &lt;lesson&gt;" in index
    assert output_problems(read_notebook(tmp_path / "build" / "course" / "00_a.ipynb")) == []

    (folder / "01_b.py").write_text("# %% [markdown]\n# # Second\n\n# %%\nundefined\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["--profile", "smoke"]) == 1
    assert "Lesson 01_b stopped in cell [1] ('undefined') with NameError" in capsys.readouterr().err


def test_pages_need_no_network() -> None:
    notebook = to_notebook("# %% [markdown]\n# # T\n#\n# Inline $x^2$ and\n#\n# $$\\sum_i a_i$$\n\n# %%\n1 + 1\n")
    page = lesson_page(notebook, "T", ROOT)
    assert "<svg" in page
    assert 'aria-label="x^2"' in page
    for loader in ('src="http', "src='http", "cdnjs", "unpkg", "jsdelivr", '<link rel="stylesheet" href="http'):
        assert loader not in page


def test_answers_stay_folded_in_the_page() -> None:
    text = "**Question.** Why?\n\n<details><summary>Answer</summary>\n\nBecause of $x$.\n\n</details>"
    page = lesson_page(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)]), "T", ROOT)
    inside = page[page.index("<details>") : page.index("</details>")]
    assert "Because of" in inside


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_every_formula_of_a_lesson_is_drawn(source: Path) -> None:
    assert 'class="tex"' not in lesson_page(to_notebook(read_script(source)), "T", ROOT / "notebooks")


def test_short_fractions_are_drawn() -> None:
    assert formula(r"\tfrac12 + \sqrt2 + \tfrac{1}{n}", display=False).startswith("<svg")


def test_formulas_fall_back_to_text() -> None:
    assert formula(r"\pi_c(x) = \frac{\exp(w_c^\top x)}{\lVert x \rVert}", display=False).startswith("<svg")
    assert formula(r"\begin{aligned} a &= b \\ c &\le d \end{aligned}", display=True).count("<svg") == 2
    assert formula(r"\unknowncommand{a<b}", display=False) == r'<code class="tex">\unknowncommand{a&lt;b}</code>'
