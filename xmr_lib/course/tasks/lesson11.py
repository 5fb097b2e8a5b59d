"""Exercise 11, differentiable bits: its three tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.differentiable_tasks import DISTANCE, SELECTING
from xmr_lib.course.tasks.proxy_tasks import PROXIES

TASKS = (SELECTING, DISTANCE, PROXIES)
