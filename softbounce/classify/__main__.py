"""``python -m softbounce.classify``: JSON lines from standard input to standard output, by the built-in rules."""

from __future__ import annotations

import sys

from softbounce.classify import classify_lines
from softbounce.settings import BUILT_IN


def main() -> int:
    """Classify standard input; 2 when a line cannot be read."""
    try:
        for answer in classify_lines(sys.stdin, BUILT_IN):
            sys.stdout.write(answer + "\n")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
