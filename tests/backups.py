"""Backups of a store that are put back, and the hour in between that neither the store nor a journal knows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import redis
from servers import Valkey
from service import Service

from softbounce.envelope import Flag, State
from softbounce.store import keys

__all__ = ["HOUR_MS", "age_by_an_hour", "back_up", "forget_journals", "marked", "put_back", "witness_of"]

HOUR_MS = 3_600_000


def back_up(server: Valkey) -> Path:
    """Copy the log of a running store."""
    backup = server.folder / "backup"
    shutil.copytree(server.folder / "appendonlydir", backup)
    return backup


def put_back(server: Valkey, backup: Path) -> None:
    """Kill the store, and start it again on the copy."""
    server.kill()
    shutil.rmtree(server.folder / "appendonlydir")
    backup.rename(server.folder / "appendonlydir")
    server.start()


def forget_journals(service: Service) -> None:
    """As an hour of deliveries would: no journal knows what was delivered just after the backup."""
    for path in (service.folder / "var" / "journal").iterdir():
        path.unlink()


def witness_of(service: Service) -> Path:
    """The file that remembers how far the store was seen."""
    return service.folder / "var" / "witness"


def age_by_an_hour(service: Service) -> None:
    """As if the store had been seen an hour later than it was, after an hour of deliveries."""
    path = witness_of(service)
    written = json.loads(path.read_text())
    written["seen_ms"] = [one + HOUR_MS for one in written["seen_ms"]]
    path.write_text(json.dumps(written))  # in its place: the file stays the same one


def marked(client: redis.Redis, shards: int) -> int:
    """How many envelopes are being tried whose final dot may have left."""
    found = 0
    for shard in range(shards):
        for record in client.hgetall(keys.key(shard, "e")).values():
            found += record[1] == State.ATTEMPTING and bool(record[2] & Flag.MARKED)
    return found
