"""The ``softbounce`` command of an app's own installation: it finds the service, or says how to get it."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line; 2 when only the client is installed."""
    try:
        from softbounce_gateway.hang_up import EARLY  # noqa: PLC0415 - its absence is an answer

        EARLY.begin()  # before anything is imported that takes time
        from softbounce_gateway.cli import main as run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        missing = f"{error.name} is missing; the command needs the service: pip install 'softbounce[service]'"
        sys.stderr.write(f"softbounce: {missing}\n")
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
