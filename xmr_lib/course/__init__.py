"""The course machinery, a room on top of the library: lessons are built, checked and run; exercises are generated,
checked and graded. Nothing below imports it.

In an exercise one name is enough::

    from xmr_lib.course import check
    check("02.cca_whitening", pca_whitening)
"""

from xmr_lib.course.checker import CheckResult, check

__all__ = ["CheckResult", "check"]
