"""Exercise 04, the loss of DSCMR: its four tasks in order."""

from __future__ import annotations

from xmr_lib.course.tasks.dscmr_loss_tasks import LIKELIHOOD, REGRESSION
from xmr_lib.course.tasks.dscmr_training_tasks import PROTOTYPES, SLOPE

TASKS = (REGRESSION, LIKELIHOOD, SLOPE, PROTOTYPES)
