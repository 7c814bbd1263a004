"""What such a process runs: in the folder that comes first, the package that comes next."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import softbounce_gateway.up.service  # noqa: F401 - what most of them are, read once and not by each
from softbounce_gateway.cli.app import command

__all__ = ["main"]

command()


def main(options: Sequence[str]) -> int:
    """Run it; the exit code."""
    folder, package, *arguments = options
    os.chdir(folder)
    sys.argv = [package, *arguments]
    code: int = import_module(f"{package}.__main__").main()
    return code
