"""What a lesson needs in one import: ``setup``, ``show_source``, ``environment_report`` and ``check``.

>>> from xmr_lib.notebook import setup, show_source
"""

from __future__ import annotations

import inspect
import os
import random
import re
import sys
import textwrap
import warnings
from typing import Any

import numpy as np

from xmr_lib.config import profile
from xmr_lib.environment import cores, environment_report
from xmr_lib.errors import InvalidInput

__all__ = ["environment_report", "set_seeds", "setup", "show_source"]  # and check, see __getattr__

QUIET_WARNINGS = (DeprecationWarning, FutureWarning, PendingDeprecationWarning)


def __getattr__(name: str) -> Any:
    """``check`` comes from the course's checker and is imported only when an exercise asks for it."""
    if name == "check":
        from xmr_lib.course.checker import check

        return check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def setup(lesson: str, seed: int = 0) -> None:
    """Prepare a lesson: figure style, seeds, fewer warnings, no surprise downloads. Prints one line.

    Models and data come from the installed packages and the cache. To let a lesson fetch models from the Hugging Face
    hub, set the environment variable ``XMR_ONLINE=1`` before you start Jupyter.

    Args:
        lesson: Two digits, as in ``"02"``.
        seed: Start of the global random numbers of Python, numpy and (when it is loaded) torch, for cells that draw
            without a generator; the library takes its seeds as arguments.

    Raises:
        InvalidInput: ``lesson`` is not two digits.

    >>> setup("00")  # doctest: +ELLIPSIS
    Lesson 00 · profile ... · ... cores
    """
    if not re.fullmatch(r"\d\d", str(lesson)):
        raise InvalidInput(f"A lesson is named by two digits, such as '02', but it is {lesson!r}.")
    if os.environ.get("XMR_ONLINE", "0") in ("", "0"):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for category in QUIET_WARNINGS:
        warnings.filterwarnings("ignore", category=category)
    from xmr_lib.plots import use_style

    use_style()
    set_seeds(seed)
    print(f"Lesson {lesson} · profile {profile()} · {cores()} cores")


def set_seeds(seed: int) -> None:
    """Start the random numbers of Python, numpy and, when it is already loaded, torch at ``seed``."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (for learners' own cells; the library uses generators)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


class _Source:
    """Source code that a notebook shows in colour and everything else as plain text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str | None:
        try:
            from pygments import highlight
            from pygments.formatters import HtmlFormatter
            from pygments.lexers import PythonLexer
        except ImportError:
            return None
        narrow = "font-family: monospace; line-height: 125%"
        return str(
            highlight(self.text, PythonLexer(), HtmlFormatter(noclasses=True, style="default", prestyles=narrow))
        )


def source_of(obj: Any) -> str:
    """The source of a function, class, method or module, without common indentation.

    Raises:
        InvalidInput: Python has no source for it (built-in, or a plain value).
    """
    try:
        return textwrap.dedent(inspect.getsource(obj)).rstrip()
    except (TypeError, OSError) as error:
        raise InvalidInput(
            f"There is no Python source for {obj!r}. Pass a function, class or module, not a value or a built-in."
        ) from error


def show_source(obj: Any) -> None:
    """Show the source of a library function, class or module: in colour in a notebook, as plain text elsewhere.

    Raises:
        InvalidInput: Python has no source for it.
    """
    source = _Source(source_of(obj))
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        print(source)
    else:
        from IPython.display import display

        display(source)
