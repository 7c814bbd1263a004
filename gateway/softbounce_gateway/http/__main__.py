"""Run the process that serves HTTP: ``python -m softbounce_gateway.http [--config FILE]``.

How it ends, and its exit codes: :mod:`softbounce_gateway.own_process`. It says ``ready`` on stdout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softbounce_gateway.own_process import run_process

if TYPE_CHECKING:
    from softbounce_config import Config

    from softbounce_gateway.http.service import HttpService

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    return run_process(arguments, "softbounce_gateway.http", "Serves HTTP.", _service)


def _service() -> Callable[[Config], HttpService]:
    from softbounce_gateway.http.service import HttpService  # noqa: PLC0415 - after the signals

    return HttpService


if __name__ == "__main__":
    sys.exit(main())
