"""Exercise 09, hashing from shallow to deep: its four tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.hashing_code_tasks import SWEEP, TIES
from xmr_lib.course.tasks.hashing_pair_tasks import GAP, PAIRS

TASKS = (PAIRS, GAP, TIES, SWEEP)
