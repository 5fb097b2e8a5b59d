"""Every check of the repository, cheapest first; stops at the first failure and prints the time of each step.

``make test`` and the hosted CI run this file, so the list of checks exists once. Some steps alone:
``python tests/run_all.py style types``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# No hub is asked; sizes that run in seconds.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "XMR_PROFILE": "smoke",
    "PYTHONUTF8": "1",
}
if os.environ.get("CI"):
    ENVIRONMENT["TQDM_DISABLE"] = "1"  # progress bars belong on a terminal, not in a log
# In steps with parallel processes, each computes on one thread.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def steps(jobs: int) -> dict[str, list[str]]:
    """Name -> arguments of ``python -m``, in the order they run."""
    notebooks = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    parallel = ["-n", str(jobs)]
    scenes = ["xmr_lib.cli", "data", "build", "scenes", "--protocol", "single_label"]
    hashing = ["xmr_lib.cli", "data", "build", "scenes", "--hashing"]
    return {
        "style": ["ruff", "check", "."],
        "format": ["ruff", "format", "--check", "."],
        "types": ["mypy"],
        "notebooks": ["xmr_lib.course.notebooks", "build", "--check"],
        "exercises": ["xmr_lib.course.exercises", "build", "--check"],
        # Features once, with all cores, before several processes ask for them.
        "data": ["xmr_lib.cli", "data", "build", "emoji"],
        "levels": [
            *("xmr_lib.cli", "data", "build", "emoji"),
            *("--image", "efficientnet-lite0-levels", "--text", "minilm-layers"),
        ],
        # Lessons run in course size in "unit" and in smoke size, the profile of these steps, in "nbval".
        "scenes": [*scenes, "--profile", "course"],
        "scenes-smoke": scenes,
        "hashing": [*hashing, "--profile", "course"],
        "hashing-smoke": hashing,
        "unit": ["pytest", *parallel],
        # One kernel per notebook needs --dist loadfile.
        "nbval": [
            *("pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "600"),
            *(*parallel, "--dist", "loadfile", *notebooks),
        ],
    }


def main() -> int:
    """Run the steps; the exit status is that of the first one that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", nargs="*", help="names of the steps to run (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="parallel test processes (default 2)")
    parser.add_argument("--list", action="store_true", help="print the steps and stop")
    arguments = parser.parse_args()

    known = steps(arguments.jobs)
    unknown = [name for name in arguments.step if name not in known]
    if unknown:
        parser.error(f"there is no step named {', '.join(unknown)}; the steps are: {', '.join(known)}")
    chosen = {name: command for name, command in known.items() if not arguments.step or name in arguments.step}
    if arguments.list:
        for name, command in chosen.items():
            print(f"{name:<13} python -m {' '.join(command)}")
        return 0

    times: dict[str, float] = {}
    for name, command in chosen.items():
        print(f"== {name}: {' '.join(command)}", flush=True)
        start = time.perf_counter()
        environment = {**os.environ, **ENVIRONMENT, **(ONE_THREAD if "-n" in command else {})}
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False)
        times[name] = time.perf_counter() - start
        if done.returncode:
            print(f"== {name} failed after {times[name]:.0f} s. Alone: python tests/run_all.py {name}", file=sys.stderr)
            return done.returncode
    print("== all steps passed: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in times.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
