"""Exercise 10, hashing with an adversary and without labels: its three tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.code_game_tasks import GAME
from xmr_lib.course.tasks.unsupervised_tasks import BIT, TARGETS

TASKS = (TARGETS, BIT, GAME)
