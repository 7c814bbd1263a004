"""Run the process that takes mail in: ``python -m softbounce_gateway.submission [--config FILE]``.

How it ends, and its exit codes: :mod:`softbounce_gateway.own_process`. It says ``ready`` on stdout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softbounce_gateway.own_process import run_process

if TYPE_CHECKING:
    from softbounce_config import Config

    from softbounce_gateway.submission.service import SubmissionService

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    return run_process(arguments, "softbounce_gateway.submission", "Takes mail in.", _service)


def _service() -> Callable[[Config], SubmissionService]:
    from softbounce_gateway.submission.service import SubmissionService  # noqa: PLC0415 - after the signals

    return SubmissionService


if __name__ == "__main__":
    sys.exit(main())
