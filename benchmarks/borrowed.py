"""What the benchmarks borrow from the tests: the list of defences, and stores of several servers."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from clusters import Pair, Server, Watched, free_ports, store_options, until  # noqa: E402
from defences.catalogue import PACKAGES, Defence, Stale, copy_tree, read_list, take_away  # noqa: E402
from servers import valkey_binary  # noqa: E402

__all__ = [
    "PACKAGES",
    "ROOT",
    "Defence",
    "Pair",
    "Server",
    "Stale",
    "Watched",
    "copy_tree",
    "free_ports",
    "read_list",
    "store_options",
    "take_away",
    "until",
    "valkey_binary",
]
