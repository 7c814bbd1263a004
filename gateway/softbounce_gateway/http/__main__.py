"""Run the process that serves HTTP: ``python -m softbounce_gateway.http [--config FILE]``.

Ends with exit code 0 on SIGTERM or SIGINT, and when its parent is gone. Exit codes: 1 it cannot listen, 2 the
configuration cannot be used, 3 the store cannot be reached. It says ``ready`` on stdout, and logs JSON lines to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):  # before anything is imported that takes time
        signal.signal(number, _end_early)
    import argparse  # noqa: PLC0415 - after the signals
    from pathlib import Path  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m softbounce_gateway.http", description="Serves HTTP.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: ./softbounce.toml when present")
    options = parser.parse_args(arguments)

    import uvloop  # noqa: PLC0415
    from softbounce_config import load  # noqa: PLC0415
    from softbounce_config.logs import log_json_lines  # noqa: PLC0415

    from softbounce.errors import ConfigError, StoreError  # noqa: PLC0415
    from softbounce_gateway.http.service import HttpService  # noqa: PLC0415

    async def serve() -> None:
        await HttpService(load(options.config, environ=os.environ)).run()
        sys.stderr.flush()
        os._exit(0)  # all that was promised is in the store; uvloop has been seen to wait for handles that are closed

    log_json_lines()
    try:
        uvloop.run(serve())
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except StoreError as error:
        print(f"softbounce_gateway.http: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"softbounce_gateway.http: cannot listen: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


def _end_early(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
