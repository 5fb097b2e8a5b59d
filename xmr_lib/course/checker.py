"""``check("02.cca_whitening", my_function)``: an answer in sentences.

It says what was expected, what came, the likely cause and the next hint. Every failed check of the same task moves
the hint one step: nudge, hint, outline.
"""

from __future__ import annotations

import copy
import html
import inspect
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from xmr_lib.course.task import Case, Task, close, get_task

PASSED, NOT_DONE, WRONG = "passed", "not done yet", "not right yet"
SIGNS = {PASSED: "✓", NOT_DONE: "○", WRONG: "✗"}
_failures: Counter[str] = Counter()


@dataclass(frozen=True)
class CheckResult:
    """What :func:`check` answers; true when the task is solved, and readable in a notebook and in a terminal.

    Attributes:
        task: Identifier of the task.
        status: "passed", "not done yet" or "not right yet".
        lines: The sentences.
        diagnosis: Name of the mistake that was recognised, or "".
    """

    task: str
    status: str
    lines: tuple[str, ...]
    diagnosis: str = ""

    @property
    def passed(self) -> bool:
        """Whether every case came out right."""
        return self.status == PASSED

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return "\n".join([f"{SIGNS[self.status]} {self.task}: {self.status}", *(f"  {line}" for line in self.lines)])

    def _repr_html_(self) -> str:
        edge = {PASSED: "#1a7f37", NOT_DONE: "#6e7781", WRONG: "#bc4c00"}[self.status]
        body = "<br>".join(html.escape(line) for line in self.lines)
        return (
            f'<div style="border-left:4px solid {edge};padding:.3em .8em">'
            f"<b>{SIGNS[self.status]} {html.escape(self.task)}: {self.status}</b><br>{body}</div>"
        )


class _Stopped(Exception):
    """Ends a check early with a status and its sentences."""

    def __init__(self, status: str, *lines: str, diagnosis: str = "") -> None:
        super().__init__(status)
        self.status, self.lines, self.diagnosis = status, lines, diagnosis


def check(task_id: str, function: Callable[..., Any]) -> CheckResult:
    """Try a learner's function on the cases of a task.

    Args:
        task_id: Such as "01.recall_at_k".
        function: The function itself, without brackets behind its name.

    Returns:
        The answer; ``result.passed`` is true when all cases are right. The learner's function never makes it raise.

    Raises:
        UnknownName: There is no such task; the message lists all.

    >>> check("01.eleven_point_ap", lambda ranked_relevance: None).status
    'not done yet'
    """
    task = get_task(task_id)
    try:
        _check(task, function)
    except _Stopped as answer:
        lines = list(answer.lines)
        if answer.status == WRONG:
            steps = (f"Think about: {task.nudge}", f"Hint: {task.hint}", f"Outline: {task.outline}")
            lines.append(steps[min(_failures[task.id], len(steps) - 1)])
            _failures[task.id] += 1
        return CheckResult(task.id, answer.status, tuple(lines), answer.diagnosis)
    _failures.pop(task.id, None)
    return CheckResult(task.id, PASSED, (f"All {len(task.cases())} cases are right.",))


def _check(task: Task, function: Callable[..., Any]) -> None:
    """Return if all cases are right, else raise the answer."""
    if not callable(function):
        raise _Stopped(
            NOT_DONE if function is None or function is ... else WRONG,
            f"Expected the function {task.function} itself, but a {type(function).__name__} came. "
            f'Write check("{task.id}", {task.function}) without brackets behind the name.',
        )
    _check_arguments(task, function)
    cases = task.cases()
    expected = [task.reference(*copy.deepcopy(case.arguments)) for case in cases]
    got = [_call(task, function, case) for case in cases]
    right = [task.same(a, b) for a, b in zip(expected, got, strict=True)]
    if all(right):
        return
    first = right.index(False)
    came = [f"For {cases[first].text} the expected result is {show(expected[first])}, but {show(got[first])} came."]
    if any(right):
        numbers = ", ".join(str(i) for i, ok in enumerate(right, start=1) if ok)
        came.append(f"Of {len(right)} cases these are right: {numbers}.")
    name, cause = _diagnose(task, cases, expected, got, first)
    raise _Stopped(WRONG, *came, *([f"Likely cause: {cause}"] if cause else []), diagnosis=name)


def _check_arguments(task: Task, function: Callable[..., Any]) -> None:
    wanted = task.arguments
    try:
        inspect.signature(function).bind(*wanted)
    except TypeError:
        came = f"{getattr(function, '__name__', 'it')}{inspect.signature(function)}"
        line = f"Expected a function with the arguments ({', '.join(wanted)}), but {came} came."
        raise _no_result(task, function, f"{line} Keep the signature as given.", "arguments") from None
    except ValueError:  # a built-in without signature
        return


def _no_result(task: Task, function: Callable[..., Any], line: str, name: str) -> _Stopped:
    """The answer when there is no result to look at; a pasted function of the lesson is known by its arguments."""
    with suppress(ValueError):  # a built-in without signature
        arguments = tuple(inspect.signature(function).parameters)
        for diagnosis in task.diagnoses:
            if diagnosis.arguments == arguments:
                return _Stopped(WRONG, line, f"Likely cause: {diagnosis.message}", diagnosis=diagnosis.name)
    return _Stopped(WRONG, line, diagnosis=name)


def _call(task: Task, function: Callable[..., Any], case: Case) -> Any:
    """The learner's result for one case; stubs, exceptions and changed inputs end the check."""
    arguments = copy.deepcopy(case.arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*arguments)
    except NotImplementedError:
        raise _Stopped(NOT_DONE, f"{task.function} still raises NotImplementedError. Write its body first.") from None
    except Exception as error:
        came = f"{type(error).__name__} came: {error or 'without a message'}.{_where(error)}"
        raise _no_result(task, function, f"For {case.text} a result was expected, but {came}", "exception") from None
    if result is None or result is ...:
        raise _Stopped(
            NOT_DONE,
            f"{task.function} returns {result}. If you have written it already, it lacks a return statement.",
        )
    held = [pair for pair in zip(case.arguments, arguments, strict=True) if isinstance(pair[0], (np.ndarray, tuple))]
    if any(not close(a, b) for a, b in held):
        raise _Stopped(
            WRONG,
            f"{task.function} changes the arrays it is given. Work on a new array: x = x - 1 instead of x -= 1.",
            diagnosis="changes its input",
        )
    return result


def _where(error: Exception) -> str:
    """The line of the learner's code on which an exception was raised, as far as it is known."""
    step, line = error.__traceback__, None
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if name != __file__ and "site-packages" not in name:
            line = step.tb_lineno
        step = step.tb_next
    return f" It was raised by line {line} of your cell." if line else ""


def _diagnose(task: Task, cases: list[Case], expected: list[Any], got: list[Any], first: int) -> tuple[str, str]:
    """Name and message of the first mistake that explains the results: the task's own, then general ones."""
    for diagnosis in task.diagnoses:
        if diagnosis.wrong is not None and _same_everywhere(task, diagnosis.wrong, cases, got):
            return diagnosis.name, diagnosis.message
        if diagnosis.sees is not None and diagnosis.sees(cases[first], expected[first], got[first]):
            return diagnosis.name, diagnosis.message
    return _general(expected[first], got[first])


def _same_everywhere(task: Task, wrong: Callable[..., Any], cases: list[Case], got: list[Any]) -> bool:
    for case, result in zip(cases, got, strict=True):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                mistaken = wrong(*copy.deepcopy(case.arguments))
        except Exception:
            return False
        if not task.same(mistaken, result):
            return False
    return True


def _general(expected: Any, got: Any) -> tuple[str, str]:
    """Mistakes of form that any task can have."""
    if isinstance(expected, tuple):
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            return "number of results", f"The function must return {len(expected)} values, in the order of the text."
        pairs = list(zip(expected, got, strict=True))
        a, b = next((pair for pair in pairs if not close(*pair)), pairs[0])
        return _general(a, b)
    try:
        a, b = np.asarray(expected, dtype=float), np.asarray(got, dtype=float)
    except (TypeError, ValueError):
        return "type", f"The result must be made of numbers, but its type is {type(got).__name__}."
    if a.shape != b.shape:
        if a.shape == b.shape[::-1]:
            return "transposed", "Rows and columns are exchanged. Transpose the result, or swap the two arguments."
        return "shape", f"The shape must be {a.shape or 'that of a single number'}, but it is {b.shape}."
    if np.isfinite(a).all() and not np.isfinite(b).all():
        return "not finite", "The result holds NaN or infinity: look for a division by zero or exp of a large number."
    scale = float((a * b).sum() / max(float((a * a).sum()), 1e-300))
    if close(a * scale, b) and abs(scale) > 1e-9:
        if abs(scale - 100) < 1e-6:
            return "percent", "The values are percentages. Return fractions between 0 and 1."
        return "factor", f"All values of this case are {scale:.4g} times what they should be: a factor is missing."
    return "", ""


def show(value: Any) -> str:
    """A value in one line, shortened when it is long."""
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(show(item) for item in value) + ")"
    if isinstance(value, (bool, int)):
        return str(value)
    if isinstance(value, (float, np.number)):
        return f"{float(value):.4g}"
    if isinstance(value, np.ndarray) and value.size > 12:
        head = np.array2string(value.ravel()[:4], precision=3, separator=", ")
        return f"an array of shape {value.shape} that begins {head}"
    if isinstance(value, np.ndarray):
        return " ".join(np.array2string(value, precision=4, separator=", ").split())
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
