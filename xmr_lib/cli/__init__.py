"""The command line ``xmr``: look at this computer, at the data, search, train, run a lesson, grade an exercise.

Exit status: 0 all well, 1 something on this computer is missing or broken, 2 the command was used wrongly. A mistake
gives one line on stderr, never a traceback. Heavy imports happen inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xmr_lib.cli.common import SavePng, examples, save_figure
from xmr_lib.cli.data import data_app
from xmr_lib.cli.train import EPILOG, train
from xmr_lib.errors import InvalidInput, UnknownName, XmrError

if TYPE_CHECKING:
    from xmr_lib.retriever import Hit, Retriever


app = typer.Typer(
    help="The course on cross-modal image-text retrieval, from the command line.\n\n"
    'Start with `xmr doctor`, then `xmr search "red fruit"`. Settings come from the environment: XMR_PROFILE '
    "(smoke, course, paper), XMR_CACHE_DIR (features), XMR_DATA_DIR (benchmark data sets).",
    epilog=examples(
        "xmr doctor                          is everything here?",
        'xmr search "red fruit"              type a query, see what is found',
        "xmr data list                       the data sets",
        "xmr train clip scenes               train a dual tower, in one process or in several",
        "xmr run 02                          execute lesson 02 into build/course",
        "xmr grade 02_subspace_cca.ipynb     grade a finished exercise",
    ),
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")
app.command(epilog=EPILOG)(train)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without emoji prints "?" instead of failing
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = app(given or ["--help"], prog_name="xmr", standalone_mode=False)
    except XmrError as error:
        return _complain(error, 2 if isinstance(error, (InvalidInput, UnknownName)) else 1)
    except OSError as error:
        return _complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("Stopped.", 130)
    except Exception as error:
        if not hasattr(error, "format_message"):  # a bug, not a mistake of the user: the traceback is needed
            raise
        command = " ".join(["xmr", *(word for word in given[:2] if word in COMMANDS)])
        return _complain(f"{error.format_message().rstrip('.')}. See: {command} --help", 2)
    return status if isinstance(status, int) else 0


COMMANDS = ("doctor", "data", "list", "show", "build", "search", "train", "run", "grade")


def _complain(message: object, status: int) -> int:
    print("xmr: " + " ".join(str(message).split()), file=sys.stderr)
    return status


@app.command(epilog=examples("xmr doctor", "xmr doctor --report      a text to paste into a bug report"))
def doctor(
    report: Annotated[
        bool, typer.Option("--report", help="Print a report without folder names, for a bug report.")
    ] = False,
) -> int:
    """Check this computer, with remedies.

    Looks at versions, cores, the cache folder, and what works offline.

    Exit status 1, with a remedy, when something that the course needs is missing.
    """
    from xmr_lib.environment import cores, environment_report, memory_gb, run_checks

    if report:
        print(environment_report())
        return 0
    memory = memory_gb()
    print(f"{cores()} cores" + (f", {memory:.0f} GB memory" if memory else ""))
    checks = run_checks(deep=True)
    for check in checks:
        print(f"{'ok' if check.ok else '--' if check.optional else 'XX'}  {check.name:<29}{check.detail}")
    for check in checks:
        if not check.ok and check.optional:
            print(f"Optional, {check.name}: {check.remedy}.")
    wrong = [check for check in checks if not check.ok and not check.optional]
    for check in wrong:
        print(f"xmr: {check.name}: {check.detail}. {check.remedy}.", file=sys.stderr)
    if not wrong:
        print("Everything the course needs is here.")
    return 1 if wrong else 0


@app.command(
    epilog=examples(
        'xmr search "red fruit"',
        'xmr search "something you drive" -k 12 --save drive.png',
        "xmr search --image cat.png          which names fit a picture?",
    )
)
def search(
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="What the picture shows.", show_default=False)
    ] = None,
    dataset: Annotated[str, typer.Option(metavar="NAME", help="Where to search: a data set with pictures.")] = "emoji",
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many results.")] = 5,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="Search with a picture instead of a text.")] = None,
    save: SavePng = None,
) -> None:
    """Search with a typed query or a picture.

    Pretrained encoders turn pictures and texts into vectors; CCA, fitted on the training split, brings both into one
    space; results are sorted by cosine similarity. The last column names the split: the method never saw "test".
    """
    if (query is None) == (image is None):
        raise InvalidInput('Give either a query or --image FILE, for example: xmr search "red fruit".')
    if query is not None and not query.strip():
        raise InvalidInput("The query is empty. Type what the picture shows, for example 'red fruit'.")
    if k < 1:
        raise InvalidInput(f"-k must be at least 1, but it is {k}. Use for example -k 5.")
    picture = None if image is None else _open_picture(image)
    from xmr_lib.data.registry import REGISTRY
    from xmr_lib.errors import check_choice

    check_choice(dataset, REGISTRY, "data set")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the encoders are installed: no need to ask the hub
    from xmr_lib.retriever import Retriever

    retriever = Retriever.build(dataset)
    hits = retriever.search(query, k) if query is not None else retriever.search_by_image(picture, k)
    for rank, hit in enumerate(hits, start=1):
        print(f"{rank:>3}  {hit.score:5.2f}  {_describe(retriever, hit)}")
    if save is not None:
        save_figure(retriever.show(query if query is not None else picture, k=k), save)


@app.command(epilog=examples("xmr run 00", "xmr run 02 --profile smoke", "xmr run              all lessons"))
def run(
    lessons: Annotated[
        list[str] | None, typer.Argument(metavar="[NN]...", help="Lessons by number; none: all.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="smoke, course or paper.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Execute even what is up to date.")] = False,
) -> None:
    """Execute lessons into build/course.

    Writes notebooks with outputs, a page for each, and an index; a lesson that is up to date is not run again.
    """
    from xmr_lib.config import profile as active_profile

    name = active_profile(profile)
    from xmr_lib.course.run_course import course_root, print_times, run_course

    root = course_root()
    print_times(run_course(root, name, lessons or (), force), name)
    print(f"Open {(root / 'build' / 'course' / 'index.html').as_uri()} in a browser.")


@app.command(
    epilog=examples(
        "xmr grade 02_subspace_cca.ipynb",
        "xmr grade 02_subspace_cca.ipynb --strict     for scripts: status 1 unless all is solved",
    )
)
def grade(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A finished exercise notebook.", show_default=False)],
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 1 unless every task is solved.")] = False,
) -> int:
    """Grade an exercise notebook.

    It runs in a process of its own; the points of every task are printed.

    Exit status: 0 graded, whatever the points; 1 it could not be graded here; 2 wrong use, such as no such file.
    """
    if not file.is_file():
        raise InvalidInput(f"There is no file {file}. Give the path of an exercise notebook (.ipynb).")
    from xmr_lib.course.grading import grade as grade_notebook

    report = grade_notebook(file)
    if not report.exercise:
        raise InvalidInput(" ".join([f"{file.name} was not graded.", *report.notes]))
    print(report)
    return 1 if strict and not report.passed else 0


def _describe(retriever: Retriever, hit: Hit) -> str:
    """What the terminal shows of one result: the character and style of an emoji, the caption, the split."""
    data = retriever.dataset
    character, style = (data.metadata.get(key) for key in ("character", "style"))
    parts = [] if character is None else [character[hit.image]]
    parts += [f"{hit.text:<36}", f"image {hit.image:<6}"]
    parts += [] if style is None else [f"{style[hit.image]:<8}"]
    return "  ".join([*parts, hit.split])


def _open_picture(path: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise InvalidInput(f"There is no file {path}. Give the path of a picture (PNG, JPEG, ...).")
    try:
        picture = Image.open(path)
        picture.load()
    except (UnidentifiedImageError, OSError) as error:
        raise InvalidInput(f"{path} cannot be read as a picture. Use a PNG or JPEG file.") from error
    return picture
