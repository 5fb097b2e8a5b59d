"""Train what some lessons load: ``python -m xmr_lib.course.models``, or ``make models``.

Some lessons show methods that train for minutes, or compare many of them. They ask ``fit_or_load`` for them, which
trains and stores what is not stored yet. This command runs those lessons once for that purpose, so that the next run
takes its normal time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from xmr_lib.config import PROFILES, profile
from xmr_lib.course.execute import execute
from xmr_lib.course.source import course_root, find_sources, read_script, to_notebook
from xmr_lib.errors import XmrError

CELL_SECONDS = 3 * 3600


def lessons_with_stored_fits(folder: Path) -> list[Path]:
    """The sources below ``notebooks/src`` that load stored fits."""
    return [
        path
        for path in find_sources(folder)
        if any(word in read_script(path) for word in ("fit_or_load", "stored_fit", "stored_training"))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m xmr_lib.course.models``; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m xmr_lib.course.models", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, help="size of the fits (default: XMR_PROFILE, else course)")
    options = parser.parse_args(arguments)
    try:
        root, name = course_root(), profile(options.profile)
        for source in lessons_with_stored_fits(root / "notebooks" / "src"):
            print(f"{source.stem}: training what it loads, or loading what is stored ...", flush=True)
            done = execute(
                to_notebook(read_script(source)),
                source.stem,
                profile=name,
                cwd=root / "notebooks",
                timeout=CELL_SECONDS,
            )
            print(f"{source.stem}: ready after {done.seconds:.0f} s", flush=True)
    except XmrError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
