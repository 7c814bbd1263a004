"""What ``up`` and its parts tell the person at the terminal, in lines. What commands print: ``cli/output.py``."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress

__all__ = ["complain", "complain_of_fault", "say"]


def say(text: str) -> None:
    """Tell the person at the terminal; a terminal that is gone is no reason to stop."""
    with suppress(OSError, ValueError):
        print(text, flush=True)  # noqa: T201 - what a person reads


def complain(text: str) -> None:
    """The same, on stderr."""
    with suppress(OSError, ValueError):
        print(f"softbounce: {text}", file=sys.stderr, flush=True)  # noqa: T201 - what a person reads


def complain_of_fault(what: str, error: Exception) -> None:
    """The same, of a fault of ours, with its trace."""
    complain(f"{what}: {''.join(traceback.format_exception(error))}")
