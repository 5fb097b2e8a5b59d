"""Exercise 06, symmetric InfoNCE: its four tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.contrastive_tasks import CROSS_ENTROPY, SEVERAL_CAPTIONS
from xmr_lib.course.tasks.gathering_tasks import GATHERED, TEMPERATURE

TASKS = (CROSS_ENTROPY, SEVERAL_CAPTIONS, TEMPERATURE, GATHERED)
