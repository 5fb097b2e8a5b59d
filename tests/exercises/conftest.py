"""What the tests of all exercises share: hints start anew, and functions pasted from a lesson are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from xmr_lib.course import check
from xmr_lib.course.checker import WRONG, _failures
from xmr_lib.course.task import get_task


@pytest.fixture(autouse=True)
def fresh_hints() -> None:
    """No failed check of another test counts."""
    _failures.clear()


@pytest.fixture
def is_known_as_pasted() -> Callable[[str, Callable[..., Any]], None]:
    """Asserts that a function solves no task as it is, that the answer knows it, and says what the task wants."""

    def known(task_id: str, function: Callable[..., Any]) -> None:
        result = check(task_id, function)
        assert result.status == WRONG
        assert result.diagnosis in ("the lesson's function", "the library's function"), result
        assert f"The task asks for {get_task(task_id).function}: " in repr(result)

    return known
