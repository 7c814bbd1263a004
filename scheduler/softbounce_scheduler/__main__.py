"""Run the scheduler as a process of its own: ``python -m softbounce_scheduler [--config FILE]``.

Ends with exit code 0 on SIGTERM or SIGINT, and when its parent is gone (SOFTBOUNCE_PARENT_FD names the read end of a
pipe that closes then). Exit codes: 2 the configuration cannot be used, 3 the store cannot be reached. It says ``ready``
on stdout, and logs JSON lines to stderr. Everything heavy is imported after the signals are set.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softbounce_config import Config
    from softbounce_config.own_waits import OwnWaits

__all__ = ["main"]

CANCELLED_WITHIN = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_early)
    import argparse  # noqa: PLC0415 - after the signals
    from pathlib import Path  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m softbounce_scheduler", description="Decides when mail is tried.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: ./softbounce.toml when present")
    options = parser.parse_args(arguments)

    from softbounce_config import load  # noqa: PLC0415
    from softbounce_config.logs import log_json_lines  # noqa: PLC0415
    from softbounce_config.own_waits import OwnWaits  # noqa: PLC0415

    from softbounce.errors import ConfigError, StoreError  # noqa: PLC0415

    try:
        config = load(options.config, environ=os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    log_json_lines()
    try:
        _run(config, OwnWaits(options.config, os.environ, config.settings().waits))
    except StoreError as error:
        print(f"softbounce_scheduler: {error}", file=sys.stderr)
        return 3
    return 0


def _end_early(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _run(config: Config, waits: OwnWaits) -> None:
    import asyncio  # noqa: PLC0415 - after the signals

    import uvloop  # noqa: PLC0415

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, waits))


def _name_of(config: Config) -> str:
    """Our name in the notices that senders get; one that no mail host would take will do for them."""
    from softbounce_config import ehlo_name  # noqa: PLC0415 - after the signals

    from softbounce.errors import ConfigError  # noqa: PLC0415

    try:
        return ehlo_name(config.identity.hostname)
    except ConfigError:
        return "localhost"


async def _serve(config: Config, waits: OwnWaits) -> None:
    import asyncio  # noqa: PLC0415 - after the signals

    from softbounce_config.parent import tell_parent, watch_parent  # noqa: PLC0415

    from softbounce.jobs import jobs_place  # noqa: PLC0415
    from softbounce.store.shards import AsyncShards, Shards  # noqa: PLC0415
    from softbounce_scheduler.service import Scheduler  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    watch_parent(loop, ending.set)

    asking = Shards(config.store_url)
    try:
        place = await asyncio.to_thread(jobs_place, asking, config.jobs.url)
    finally:
        asking.close()
    store = AsyncShards(config.store_url)
    scheduler = Scheduler(
        store,
        place,
        shards=config.store.shards,
        sweep=config.scheduler.sweep,
        lease=config.worker.lease,
        waits=waits,
        hostname=_name_of(config),
    )
    running = asyncio.create_task(scheduler.run())
    told = asyncio.create_task(ending.wait())
    tell_parent("ready", ending.set)
    try:
        await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        running.cancel()
        # A cancellation can be lost on its way (asyncio.wait_for before Python 3.12); the runner then repeats it.
        await asyncio.wait({running}, timeout=CANCELLED_WITHIN)
        await store.close()
    if running.done() and not running.cancelled():
        running.result()
    # At once: uvloop's close has been seen to wait for ever for a handle of a connection that was already closed.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
