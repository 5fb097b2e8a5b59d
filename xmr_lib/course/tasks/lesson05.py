"""Exercise 05, graphs and generators: its four tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.graph_tasks import NEIGHBOURS, PROPAGATION
from xmr_lib.course.tasks.inductive_tasks import GAN, INDUCTIVE

TASKS = (NEIGHBOURS, PROPAGATION, INDUCTIVE, GAN)
