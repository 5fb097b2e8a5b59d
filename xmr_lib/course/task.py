"""What an exercise task is made of, and the registry of all tasks by identifier ("02.cca_whitening")."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

from xmr_lib.errors import check_choice


@dataclass(frozen=True)
class Case:
    """One input on which a learner's function is tried.

    Attributes:
        text: What it is, as it reads after "for": "two queries, three items, k = 1".
        arguments: Passed by position.
    """

    text: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Diagnosis:
    """A mistake people make, how it is recognised and what helps.

    Attributes:
        name: Short name, used by the tests.
        message: What is probably wrong and where to look, in one or two sentences.
        wrong: The mistake as a function: it is recognised when the learner's results equal these on every case.
        sees: ``sees(case, expected, got) -> bool`` on the first case that fails, for mistakes with many forms.
        arguments: Argument names of a function of the lesson that people paste although the task asks for another: it
            is recognised by them when it cannot be called as the task asks, or raises.
    """

    name: str
    message: str
    wrong: Callable[..., Any] | None = None
    sees: Callable[[Case, Any, Any], bool] | None = None
    arguments: tuple[str, ...] | None = None


def close(expected: Any, got: Any) -> bool:
    """Same shape and equal numbers, to 1e-6 relative and 1e-9 absolute; NaN equals NaN."""
    if isinstance(expected, tuple):
        same_form = isinstance(got, (tuple, list)) and len(got) == len(expected)
        return same_form and all(close(a, b) for a, b in zip(expected, got, strict=True))
    try:
        a, b = np.asarray(expected, dtype=float), np.asarray(got, dtype=float)
    except (TypeError, ValueError):
        return False
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True))


@dataclass(frozen=True)
class Task:
    """One exercise task.

    Attributes:
        id: Lesson and name, "02.cca_whitening".
        signature: How the function is called, with shapes: "normalised_correlation(a (n, d), b (m, d)) -> (n, m)".
        difficulty: 1 (a line) to 5 (an afternoon).
        minutes: What most people need.
        reference: The solution; numpy only, independent of the library.
        cases: Makes the inputs, the same ones every time.
        diagnoses: Tried in order.
        nudge, hint, outline: Help in three steps, each saying more than the one before.
        same: How a result is compared with the reference.
    """

    id: str
    signature: str
    difficulty: int
    minutes: int
    reference: Callable[..., Any]
    cases: Callable[[], list[Case]]
    diagnoses: tuple[Diagnosis, ...]
    nudge: str
    hint: str
    outline: str
    same: Callable[[Any, Any], bool] = close

    @property
    def function(self) -> str:
        """Name of the function to write."""
        return self.reference.__name__

    @property
    def arguments(self) -> list[str]:
        """Names of its arguments, in order."""
        return list(inspect.signature(self.reference).parameters)


@cache
def all_tasks() -> dict[str, Task]:
    """Every task of the course by identifier, from the modules ``xmr_lib/course/tasks/lesson*.py``."""
    package = import_module("xmr_lib.course.tasks")
    found: dict[str, Task] = {}
    for module in iter_modules(package.__path__):
        if module.name.startswith("lesson"):
            tasks: tuple[Task, ...] = import_module(f"{package.__name__}.{module.name}").TASKS
            found.update({task.id: task for task in tasks})
    return found


def get_task(task_id: str) -> Task:
    """Look a task up.

    Raises:
        UnknownName: No task has this identifier; the message lists all.
    """
    tasks = all_tasks()
    return tasks[check_choice(task_id, tasks, "exercise task")]
