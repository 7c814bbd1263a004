"""Runs one service of the gateway as a process of its own, until it is told to end or its parent is gone.

Ends with exit code 0 on SIGTERM or SIGINT, and when its parent is gone. Exit codes: 1 it cannot listen, 2 the
configuration cannot be used, 3 the store cannot be reached. It logs JSON lines to stderr; that it is ready the service
says itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from softbounce_config import Config

__all__ = ["run_process"]


class Service(Protocol):
    """What such a process runs."""

    async def run(self) -> None:
        """Until it is told to end, and all that was promised is kept."""


def run_process(
    arguments: Sequence[str] | None, name: str, description: str, service: Callable[[], Callable[[Config], Service]]
) -> int:
    """Run until told to end; the exit code.

    :param name: of the module that is run.
    :param service: imports what makes the service of a configuration; called when signals are set, for it takes time.
    """
    for number in (signal.SIGTERM, signal.SIGINT):  # before anything is imported that takes time
        signal.signal(number, _end_early)
    import argparse  # noqa: PLC0415 - after the signals
    from pathlib import Path  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: ./softbounce.toml when present")
    options = parser.parse_args(arguments)

    import uvloop  # noqa: PLC0415
    from softbounce_config import load  # noqa: PLC0415
    from softbounce_config.logs import log_json_lines  # noqa: PLC0415

    from softbounce.errors import ConfigError, StoreError  # noqa: PLC0415

    make = service()

    async def serve() -> None:
        await make(load(options.config, environ=os.environ)).run()
        sys.stderr.flush()
        os._exit(0)  # all that was promised is in the store; uvloop has been seen to wait for handles that are closed

    log_json_lines()
    try:
        uvloop.run(serve())
    except ConfigError as error:
        _say(str(error))
        return 2
    except StoreError as error:
        _say(f"{name}: {error}")
        return 3
    except OSError as error:
        _say(f"{name}: cannot listen: {error.strerror or error}")
        return 1
    return 0


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def _end_early(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
