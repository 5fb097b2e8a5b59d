"""Exercise 03, the adversarial game: its four tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.adversarial_tasks import PLAYERS, SCHEDULE
from xmr_lib.course.tasks.triplet_tasks import PROBE, TRIPLETS

TASKS = (SCHEDULE, PLAYERS, TRIPLETS, PROBE)
