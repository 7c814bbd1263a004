"""Does mail flow: as ``softbounce top`` tells it. One look serves all who ask within a second or two."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from softbounce.client import Now
from softbounce.client.now.reading import with_finding, without_store
from softbounce.errors import StoreError, StoreUnavailable
from softbounce_gateway.disk_room import disk_trouble
from softbounce_gateway.http.body import read_query
from softbounce_gateway.http.house import Call, House, answer_json
from softbounce_gateway.http.models import Nothing, SitesQuery

__all__ = ["look_at", "now", "site", "sites"]

LASTS_SECONDS = 2.0
LOOK_SECONDS = 5.0
"""A store that takes longer hangs: whoever looks wants to hear that."""


class Last:
    """The last look of a house."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._house: House | None = None
        self._at = -LASTS_SECONDS
        self._found: Now | None = None

    async def of(self, house: House) -> Now:
        """How the service does. Of a store that is away too something is told."""
        async with self._lock:
            found = self._found
            if found is None or self._house is not house or time.monotonic() - self._at >= LASTS_SECONDS:
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        found = await house.client.now()
                except StoreError as error:
                    found = without_store(error, datetime.now(UTC))
                except TimeoutError:
                    hangs = StoreUnavailable(f"the store does not answer within {LOOK_SECONDS:g} s")
                    found = without_store(hangs, datetime.now(UTC))
                disk = disk_trouble(house.config)
                if disk is not None:
                    found = with_finding(found, disk)
                self._house, self._found, self._at = house, found, time.monotonic()
            return found


_last = Last()


async def look_at(house: House) -> Now:
    """What was seen within the last two seconds, or is now."""
    return await _last.of(house)


async def now(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /api/v1/now``."""
    read_query(call.request, Nothing)
    return answer_json((await look_at(call.house)).to_dict())


async def sites(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/sites``."""
    asked = read_query(call.request, SitesQuery)
    found, more = await call.house.client.sites(limit=asked.limit)
    return answer_json({"sites": [one.to_dict() for one in found], "more": more})


async def site(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/sites/{site}``."""
    read_query(call.request, Nothing)
    found = await call.house.client.site(call.path("site"))
    return answer_json(found.to_dict())
