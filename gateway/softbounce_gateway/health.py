"""Are these roles healthy? ``python -m softbounce_gateway.health ROLE... [--config FILE]``, for containers.

Exit code 0: yes. 1: no, with the reason on stderr. 2: wrong usage or configuration. Asks the store only, and briefly:

=============  ======================================================================
``store``      it answers PING, its log read
``scheduler``  that, and a scheduler listens for what becomes due
``worker``     that, and a worker process of this host has a lease that has not ended
=============  ======================================================================
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from softbounce_config import load
from softbounce_config.identity import host_label

from softbounce.errors import ConfigError, StoreError
from softbounce.store import keys, membership
from softbounce.store.call import Call, first
from softbounce.store.shards import Shards

__all__ = ["ROLES", "main", "trouble"]

ROLES = ("store", "scheduler", "worker")
TIMEOUT_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Say whether each of some roles is healthy."""
    parser = argparse.ArgumentParser(
        prog="python -m softbounce_gateway.health", description="Are these roles healthy here?"
    )
    parser.add_argument("roles", choices=ROLES, nargs="+", metavar="ROLE", help=", ".join(ROLES))
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: ./softbounce.toml when present")
    options = parser.parse_args(arguments)
    try:
        config = load(options.config, environ=os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - an entry point
        return 2
    for role in options.roles:
        found = trouble(config.store_url, role)
        if found:
            print(f"{role}: {found}", file=sys.stderr)  # noqa: T201 - an entry point
            return 1
    return 0


def trouble(store_url: str, role: str) -> str:
    """What is wrong with a role, in words; empty when nothing is."""
    store = Shards(store_url, timeout=TIMEOUT_SECONDS, patience=0.0)
    try:
        first(store.call([Call.read(keys.HOME, b"PING")]))
        match role:
            case "scheduler":
                return _scheduler_trouble(store)
            case "worker":
                return _worker_trouble(store)
            case _:
                return ""
    except StoreError as error:
        return str(error)
    finally:
        store.close()


def _scheduler_trouble(store: Shards) -> str:
    channel = keys.key(keys.HOME, "wake")
    _, listeners = first(store.call([Call.read(keys.HOME, b"PUBSUB", b"SHARDNUMSUB", channel)]))
    return "" if int(listeners) else "no scheduler listens"


def _worker_trouble(store: Shards) -> str:
    leases = store.run(membership.leases())
    host = host_label()
    alive = [name for name, end in leases.ends.items() if end > leases.now_ms]
    if any(name in leases.infos and leases.infos[name].host == host for name in alive):
        return ""
    return f"no worker process of {host} has a lease ({len(alive)} elsewhere)"


if __name__ == "__main__":
    sys.exit(main())
