"""Exercise 07, sets and tokens: its four tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.alignment_tasks import ALIGNMENT, STAGES
from xmr_lib.course.tasks.set_tasks import SIMILARITY, SLOTS

TASKS = (SIMILARITY, SLOTS, ALIGNMENT, STAGES)
