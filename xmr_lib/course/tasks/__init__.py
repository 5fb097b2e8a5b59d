"""The tasks of the exercises, one module per lesson; :func:`xmr_lib.course.task.all_tasks` collects them."""
