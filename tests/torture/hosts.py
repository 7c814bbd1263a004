"""The world outside, a process: the playground's hosts and names, those of neighbours and of strangers.

``python -m torture.hosts`` prints the playground's ``ready`` line, with the nameserver that knows all. One ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import uvloop
from softbounce_playground import Playground

from torture.neighbours import Neighbours
from torture.odd_names import OddNames
from torture.strangers import Strangers

__all__ = ["main"]


def main() -> int:
    """Run it until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m torture.hosts", description=__doc__)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    uvloop.run(_serve(options.ledger, options.seed))
    return 0


async def _serve(ledger: Path, seed: int) -> None:
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    playground = Playground(ledger=ledger)
    playground.ledger.in_memory = False
    async with (
        playground,
        Neighbours(playground.smtp_port, playground.ledger) as neighbours,
        Strangers(playground.smtp_port, playground.ledger, seed),
        OddNames(playground.dns_address, seed) as names,
    ):
        playground.zone.update(neighbours.zones)
        print(f"ready dns=127.0.0.1:{names.port} smtp={playground.smtp_port}", flush=True)  # noqa: T201 - what the house waits for
        await ending.wait()


if __name__ == "__main__":
    sys.exit(main())
