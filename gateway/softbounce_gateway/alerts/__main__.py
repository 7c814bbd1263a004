"""Run the process that tells alerts: ``python -m softbounce_gateway.alerts [--config FILE]``.

How it ends, and its exit codes: :mod:`softbounce_gateway.own_process`. It says ``ready`` on stdout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softbounce_gateway.own_process import run_process

if TYPE_CHECKING:
    from softbounce_config import Config

    from softbounce_gateway.alerts.service import AlertService

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    return run_process(arguments, "softbounce_gateway.alerts", "Tells a person of trouble.", _service)


def _service() -> Callable[[Config], AlertService]:
    from softbounce_gateway.alerts.service import AlertService  # noqa: PLC0415 - after the signals

    return AlertService


if __name__ == "__main__":
    sys.exit(main())
