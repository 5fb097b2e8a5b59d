"""Run one notebook with papermill and look at what came out.

Used by the builder, by ``run_course`` and by the tests, so that all three mean the same by "the lesson works".
"""

from __future__ import annotations

import base64
import copy
import io
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from xmr_lib.course.source import caption_of, outputs_of, tags_of
from xmr_lib.errors import XmrError

WIDGET = "application/vnd.jupyter.widget-view+json"


class LessonFailed(XmrError, RuntimeError):
    """A lesson stopped with an error; the message names the lesson, the cell and the error."""


@dataclass(frozen=True)
class Executed:
    """A notebook with outputs and how long it took."""

    notebook: NotebookNode
    seconds: float


KERNEL_ENVIRONMENT = {
    "TQDM_DISABLE": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # whatever the caller's shell says, figures are stored
}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the time of a ``with`` block; a kernel started inside inherits them."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def execute(
    notebook: NotebookNode,
    name: str,
    *,
    profile: str,
    parameters: Mapping[str, Any] | None = None,
    cwd: Path | None = None,
    timeout: int = 900,
    progress: bool = True,
) -> Executed:
    """Execute every cell in a fresh kernel.

    Args:
        notebook: Left as it is; the result is a copy.
        name: How messages call the lesson.
        profile: Value of ``XMR_PROFILE`` inside the kernel.
        parameters: Injected after the cell tagged ``parameters``.
        cwd: Working directory of the kernel.
        timeout: Seconds one cell may take.
        progress: Show a bar that counts cells.

    Raises:
        LessonFailed: A cell raised, took too long, or killed the kernel.
    """
    import logging

    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    start = time.perf_counter()
    try:
        with environment({"XMR_PROFILE": profile, **KERNEL_ENVIRONMENT}):
            done = papermill.execute_notebook(
                copy.deepcopy(notebook),
                None,
                parameters=dict(parameters or {}),
                kernel_name="python3",
                progress_bar={"desc": name, "leave": False} if progress else False,
                log_output=False,
                cwd=None if cwd is None else str(cwd),
                execution_timeout=timeout,
                extra_arguments=["--IPKernelApp.log_level=40"],  # no remarks of the kernel in the terminal
            )
    except PapermillExecutionError as error:
        first = _first_line(error.source)
        raise LessonFailed(
            f"Lesson {name} stopped in cell [{error.exec_count}] ({first!r}) with {error.ename}: {error.evalue}"
        ) from error
    except CellTimeoutError as error:
        raise LessonFailed(
            f"Lesson {name} stopped: a cell took longer than {timeout} s. {_first_line(str(error))}"
        ) from error
    except DeadKernelError as error:
        raise LessonFailed(
            f"Lesson {name} stopped: its kernel died, most often for want of memory. Close other programs, or choose "
            "a smaller profile with --profile smoke."
        ) from error
    seconds = time.perf_counter() - start
    describe_figures(done)
    return Executed(clean(done), seconds)


def clean(notebook: NotebookNode) -> NotebookNode:
    """Take out what changes from run to run without meaning, and what is dead on a page.

    That is: time stamps, papermill's notes, cuts in a stream; live widgets (progress bars) and their state.
    """
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            cell.outputs = joined([output for output in cell.outputs if not is_widget(output)])
    return notebook


def is_widget(output: NotebookNode) -> bool:
    """Whether an output is a live widget, which only a running kernel can draw."""
    return WIDGET in output.get("data", {})


def describe_figures(notebook: NotebookNode) -> None:
    """Give the pictures of plot cells their caption as alternative text, for readers who cannot see them."""
    for index, cell in enumerate(notebook.cells):
        caption = caption_of(notebook, index) if "plot" in tags_of(cell) else ""
        for output in cell.get("outputs", []):
            if caption and "image/png" in output.get("data", {}):
                output.metadata["image/png"] = {"alt": caption}


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of one text stream as one output: where a kernel cuts them is a matter of timing."""
    result: list[NotebookNode] = []
    for output in outputs:
        before = result[-1] if result else None
        if before is not None and output.output_type == "stream" and before.get("name") == output.name:
            before["text"] += output.text
        else:
            result.append(output)
    return result


def output_problems(notebook: NotebookNode) -> list[str]:
    """What is wrong with the outputs of an executed notebook, one sentence each; empty when all is well.

    No error, nothing on stderr, no live widget, no path of this machine; a picture that is not blank in every cell
    tagged ``plot``.
    """
    said: list[str] = []
    if "widgets" in notebook.metadata:
        said.append("The notebook stores the state of live widgets. Build it again, or clear it before you save.")
    for number, _, output in outputs_of(notebook):
        if output.output_type == "error":
            said.append(f"Cell {number} holds an error output: {output.ename}: {output.evalue}.")
        elif output.get("name") == "stderr":
            said.append(f"Cell {number} wrote on stderr: {_first_line(output.text)!r}. Mend the cause of the warning.")
        elif is_widget(output):
            said.append(f"Cell {number} shows a live widget, which is dead on a page. Use xmr_lib.progress for bars.")
        for place in (Path.home(), Path.cwd()):
            if len(place.parts) > 1 and str(place) in str(output):
                said.append(f"The output of cell {number} shows the path {place}. Print names, not paths.")
    for number, cell in enumerate(notebook.cells, start=1):
        if "plot" in tags_of(cell) and cell.cell_type == "code":
            pictures = [out.data["image/png"] for out in cell.outputs if "image/png" in out.get("data", {})]
            if not pictures:
                said.append(f"Cell {number} is tagged 'plot' but shows no PNG. End it with the plot.")
            elif all(is_blank(picture) for picture in pictures):
                said.append(f"The picture of cell {number} is blank: all its pixels are equal.")
    return said


def is_blank(png: str) -> bool:
    """Whether all pixels of a picture (PNG in base64) have one colour."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    low_high: Any = picture.getextrema()
    return all(low == high for low, high in low_high)


def _first_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[0][:100] if lines else ""
