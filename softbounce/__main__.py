"""The ``softbounce`` command of an app's own installation: it finds the service, or says how to get it."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line; 2 when only the client is installed."""
    try:
        import typer as typer  # noqa: PLC0414, PLC0415 - its absence is an answer
    except ImportError:
        sys.stderr.write("softbounce: the service is not installed; for it: pip install 'softbounce[service]'\n")
        return 2
    from softbounce_gateway.cli import main as run  # noqa: PLC0415 - only where the service is installed

    return run()


if __name__ == "__main__":
    sys.exit(main())
