"""What all figures share: colours, fonts, and the conversion of foreign pictures and texts into drawable ones."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from xmr_lib.errors import InvalidInput

# Okabe and Ito's colours, told apart with any colour vision; the yellow is too pale for lines on white and comes last.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#F0E442")
RIGHT, WRONG, QUIET = COLOURS[2], COLOURS[4], "#8A8A8A"
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++", "oo")

STYLE: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so figures look the same everywhere
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "legend.frameon": False,
    "figure.dpi": 80,  # a notebook full of pictures stays under a megabyte
    "savefig.dpi": 80,
    "figure.facecolor": "white",
    "image.cmap": "cividis",
}

P = ParamSpec("P")
R = TypeVar("R")


def use_style() -> None:
    """Make the style of the course the default for every figure drawn after this call."""
    plt.rcParams.update(STYLE)


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a plotting function under the style of the course, whatever the caller's settings are."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with plt.rc_context(STYLE):
            return function(*args, **kwargs)

    return inner


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` x ``height`` inches that a notebook shows once: when it is a cell's last value."""
    figure = plt.figure(figsize=(width, height), layout="constrained")
    plt.close(figure)  # pyplot forgets it, otherwise the notebook would draw it a second time
    return figure


def as_picture(value: Any) -> NDArray[np.uint8]:
    """A picture as (height, width, 3) bytes; transparent parts become white.

    Args:
        value: ``PIL.Image.Image``, or an array (h, w), (h, w, 3) or (h, w, 4) of bytes or of floats in 0..1.

    Raises:
        InvalidInput: Not a picture.
    """
    if isinstance(value, Image.Image):
        picture = value
    else:
        array = np.asarray(value)
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
            raise InvalidInput(
                f"A picture must be a PIL image or an array (height, width, 3), but it is {type(value).__name__} of "
                f"shape {array.shape}. A batch of tensors (n, 3, h, w) needs .permute(0, 2, 3, 1) first."
            )
        if np.issubdtype(array.dtype, np.floating):
            if not np.isfinite(array).all() or array.min() < -1e-6 or array.max() > 1 + 1e-6:
                raise InvalidInput(
                    f"A picture of floats must lie in 0..1, but it spans {array.min():.3g}..{array.max():.3g}. "
                    "Undo the encoder's normalisation or divide by 255."
                )
            array = np.clip(array, 0, 1) * 255
        picture = Image.fromarray(array.astype(np.uint8))
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap())


def as_label(text: Any, width: int = 0, lines: int = 3) -> str:
    """A text that can be drawn: no formulas, no missing glyphs, wrapped to ``width`` letters, at most ``lines`` lines.

    Example:
        >>> as_label("the cost of a red apple", width=10, lines=2)
        'the cost\\nof a red …'
    """
    plain = "".join(c if (ord(c) in _glyphs() and ord(c) < 0x10000) or c.isspace() else "□" for c in str(text))
    plain = plain.replace("$", r"\$")
    if not width:
        return plain
    return "\n".join(textwrap.wrap(plain, width, max_lines=lines, placeholder=" …"))


def check_same_length(**named: Any) -> int:
    """The common length of the named sequences; :class:`InvalidInput` names them when they differ."""
    sizes = {name: len(value) for name, value in named.items() if value is not None}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise InvalidInput(f"These must have the same length, but {told}.")
    return next(iter(sizes.values()), 0)


def as_matrix(value: Any, what: str, columns: int | None = None) -> NDArray[np.float64]:
    """``value`` as a finite, non-empty matrix of floats, or :class:`InvalidInput` naming ``what``."""
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size or (columns is not None and matrix.shape[1] != columns):
        shape = "(rows, columns)" if columns is None else f"(rows, {columns})"
        raise InvalidInput(f"{what} must be a matrix {shape} that is not empty, but its shape is {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise InvalidInput(f"{what} holds NaN or infinity. Look for a division by a zero norm.")
    return matrix
