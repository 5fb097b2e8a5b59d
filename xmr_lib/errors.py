"""Errors that speak to a learner: what was wrong, what was expected, what to do next.

The command line prints the message of an :class:`XmrError` as one line, without a traceback.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from difflib import get_close_matches


class XmrError(Exception):
    """Base of every error the course raises on purpose."""


class InvalidInput(XmrError, ValueError):
    """An argument has the wrong value, shape or type."""


class UnknownName(XmrError, ValueError):
    """A name is not among the choices; the message lists them."""


class MissingData(XmrError, FileNotFoundError):
    """Files of a data set or of an optional package are not here; the message tells how to get them."""


class TrainingDiverged(XmrError, ArithmeticError):
    """A loss became NaN or infinite; the message names the term, the epoch and what to change."""


def check_choice(value: str, choices: Iterable[str], what: str) -> str:
    """Return ``value`` if it is one of ``choices``, else raise :class:`UnknownName` naming them.

    Args:
        value: The name to look up.
        choices: The known names.
        what: What the name stands for, as it reads in a sentence ("data set").
    """
    known = sorted(choices)
    if value in known:
        return value
    near = get_close_matches(str(value), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownName(f"There is no {what} named {value!r}.{hint} The choices are: {', '.join(known)}.")


def check_positive(value: int, what: str) -> int:
    """Return ``value`` if it is a whole number of at least 1, else raise :class:`InvalidInput`."""
    whole = isinstance(value, numbers.Real) and not isinstance(value, bool) and value == int(value)
    if not whole or value < 1:
        raise InvalidInput(f"{what} must be a whole number of at least 1, but it is {value!r}. Use for example 10.")
    return int(value)
