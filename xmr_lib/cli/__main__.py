"""``python -m xmr_lib.cli``: the same as ``xmr``."""

from xmr_lib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
