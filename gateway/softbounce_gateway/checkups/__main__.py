"""One look at all that mail depends on: ``python -m softbounce_gateway.checkups [--config FILE]``; ``up`` runs it.

Exit codes: 0 it looked, or it was not its turn; 2 the configuration cannot be used; 3 the store cannot be reached.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from softbounce_config import load
from softbounce_config.logs import log_json_lines

from softbounce.errors import ConfigError, StoreError
from softbounce_gateway.checkups.looking import look

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Look once; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m softbounce_gateway.checkups", description="Looks at all that mail depends on, once."
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: ./softbounce.toml when present")
    options = parser.parse_args(arguments)
    log_json_lines()
    try:
        look(load(options.config, environ=os.environ))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except StoreError as error:
        sys.stderr.write(f"softbounce_gateway.checkups: {error}\n")
        return 3
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a check that hangs is left behind in its thread, and may hang in the kernel
