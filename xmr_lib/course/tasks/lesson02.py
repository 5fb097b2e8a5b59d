"""Exercise 02, subspaces: its four tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.semantic_tasks import NORMALISED, SEMANTIC
from xmr_lib.course.tasks.subspace_tasks import CORRELATION, WHITENING

TASKS = (WHITENING, CORRELATION, SEMANTIC, NORMALISED)
