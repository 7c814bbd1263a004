"""Run the process that hears of what comes back: ``python -m softbounce_gateway.returns [--config FILE]``.

How it ends, and its exit codes: :mod:`softbounce_gateway.own_process`. It says ``ready`` on stdout. A process of its
own, because it reads what strangers wrote: what that costs costs nobody who hands mail over.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softbounce_gateway.own_process import run_process

if TYPE_CHECKING:
    from softbounce_config import Config

    from softbounce_gateway.returns.service import ReturnsService

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    return run_process(arguments, "softbounce_gateway.returns", "Hears of what comes back.", _service)


def _service() -> Callable[[Config], ReturnsService]:
    from softbounce_gateway.returns.service import ReturnsService  # noqa: PLC0415 - after the signals

    return ReturnsService


if __name__ == "__main__":
    sys.exit(main())
