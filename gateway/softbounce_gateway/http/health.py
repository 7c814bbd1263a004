"""``/healthz`` and ``/readyz``: does the process live; are store, scheduler and a worker there."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from softbounce.errors import StoreError
from softbounce.store import keys, membership
from softbounce.store.call import Call as StoreCall
from softbounce.store.call import first
from softbounce.store.shards import AsyncShards
from softbounce_gateway.http.house import Call, answer_json

__all__ = ["Health", "Readiness", "healthz", "look_now", "readyz"]

LASTS_SECONDS = 1.0
"""Who asks need not log in, and shall not cost the store more than a look a second."""


class Health(msgspec.Struct):
    """The process lives."""

    status: str = "ok"


class Readiness(msgspec.Struct, kw_only=True):
    """Whether mail is taken and delivered; ``checks`` has ``ok``, or what is wrong, for each part."""

    ready: bool
    checks: dict[str, str]


class Look:
    """The last look."""

    def __init__(self) -> None:
        self._at = -LASTS_SECONDS
        self._found = Readiness(ready=False, checks={})

    async def now(self, store: AsyncShards) -> Readiness:
        """What was found within the last second."""
        if time.monotonic() - self._at >= LASTS_SECONDS:
            self._found = await _look(store)
            self._at = time.monotonic()
        return self._found


_last = Look()


async def look_now(store: AsyncShards) -> Readiness:
    """What was found within the last second."""
    return await _last.now(store)


async def healthz(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /healthz``."""
    del call
    return answer_json(Health())


async def readyz(call: Call) -> Any:  # noqa: ANN401
    """``GET /readyz``."""
    found = await look_now(call.house.store)
    return answer_json(found, status=200 if found.ready else 503)


async def _look(store: AsyncShards) -> Readiness:
    listening = StoreCall.read(keys.HOME, b"PUBSUB", b"SHARDNUMSUB", keys.key(keys.HOME, "wake"))
    try:
        _, listeners = first(await store.call([listening]))
        leases = await store.run(membership.leases())
    except StoreError as error:
        return Readiness(ready=False, checks={"store": f"away: {error}"})
    workers = sum(end > leases.now_ms for end in leases.ends.values())
    checks = {
        "store": "ok",
        "scheduler": "ok" if int(listeners) else "no scheduler listens",
        "worker": "ok" if workers else "no worker has a lease",
    }
    return Readiness(ready=set(checks.values()) == {"ok"}, checks=checks)
