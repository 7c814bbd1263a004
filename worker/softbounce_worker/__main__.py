"""Run a worker as a process of its own: ``python -m softbounce_worker [--config FILE]``.

Ends with exit code 0 on SIGTERM or SIGINT, and when its parent is gone (SOFTBOUNCE_PARENT_FD names the read end of a
pipe that closes then). Exit codes: 2 the configuration cannot be used, 3 the store cannot be reached, 75 the lease was
lost: start it anew. It says ``ready`` on stdout, and logs JSON lines to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Container, Sequence
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softbounce_config import Config
    from softbounce_config.own_roads import OwnRoads

    from softbounce_worker.service import WorkerSettings

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):  # before anything is imported that takes time
        signal.signal(number, _end_early)
    import argparse  # noqa: PLC0415 - after the signals
    from pathlib import Path  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m softbounce_worker", description="Tries mail at its hosts.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: ./softbounce.toml when present")
    options = parser.parse_args(arguments)

    import uvloop  # noqa: PLC0415
    from softbounce_config import load  # noqa: PLC0415
    from softbounce_config.logs import log_json_lines  # noqa: PLC0415
    from softbounce_config.own_roads import OwnRoads  # noqa: PLC0415
    from softbounce_config.own_waits import OwnWaits  # noqa: PLC0415

    from softbounce.errors import ConfigError, StoreError  # noqa: PLC0415

    log_json_lines()
    try:
        config = load(options.config, environ=os.environ)
        waits = OwnWaits(options.config, os.environ, config.settings().waits)
        roads = OwnRoads(options.config, os.environ, config)
        roads.check()
        uvloop.run(_work(settings_of(config, waits, roads)))
        raise AssertionError("the worker ends the process itself")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except StoreError as error:
        print(f"softbounce_worker: {error}", file=sys.stderr)
        return 3


def settings_of(config: Config, waits: Container[str], roads: OwnRoads) -> WorkerSettings:
    """What a worker is told of the configuration.

    :param waits: the strategies that it names.
    :param roads: the roads.
    :raises ConfigError: there is no name that it could give to mail hosts, or a key to sign with cannot be used.
    """
    from softbounce_config import ehlo_name  # noqa: PLC0415 - after the signals

    from softbounce_worker.dkim.rules import load_rules  # noqa: PLC0415
    from softbounce_worker.route import RouteSettings  # noqa: PLC0415
    from softbounce_worker.service import WorkerSettings  # noqa: PLC0415
    from softbounce_worker.session.dialling import DialSettings, Timeouts  # noqa: PLC0415

    timeouts = config.smtp.timeouts
    hostname = ehlo_name(config.identity.hostname)
    return WorkerSettings(
        store_url=config.store_url,
        jobs_url=config.jobs.url,
        shards=config.store.shards,
        journal=config.data_dir / "journal",
        limits=DialSettings(
            hostname=hostname,
            port=config.smtp.port,
            connections_per_address=config.smtp.connections_per_address,
            tlsrpt=config.smtp.tlsrpt,
            transcripts=config.smtp.transcripts,
            timeouts=Timeouts(
                **{name: getattr(timeouts, name).total_seconds() for name in Timeouts.__dataclass_fields__}
            ),
        ),
        route=RouteSettings(
            nameservers=tuple(config.dns.nameservers),
            trusted=tuple(config.dns.trusted),
            timeout=config.dns.timeout,
            own_hostname=hostname,
            own_addresses=config.identity.addresses,
            allow_private=config.smtp.allow_private_addresses,
            nxdomain_storm=config.dns.nxdomain_storm,
        ),
        sessions=config.worker.sessions,
        body_octets=config.worker.bodies,
        drain=config.worker.drain,
        lease=config.worker.lease,
        waits=waits,
        own_roads=roads,
        signing=load_rules([table.told() for table in config.dkim], os.environ),
        gate=config.gate.rules(),
    )


async def _work(settings: WorkerSettings) -> None:
    """Work, and end the process when that is over.

    At once, because all is in the store by then: uvloop's close has been seen to wait for ever for a handle of a
    connection that was already closed.
    """
    from softbounce_worker.service import run_worker  # noqa: PLC0415

    code = await run_worker(settings)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_early(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
