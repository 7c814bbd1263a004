"""Standing holds: listed, begun, ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from softbounce_config.units import parse_duration

from softbounce.errors import InvalidArgument
from softbounce_gateway.http.body import JSON, content_type, read_json, read_query, unsupported
from softbounce_gateway.http.house import Call, answer_json
from softbounce_gateway.http.models import HoldQuery, NewHold, Nothing

__all__ = ["add", "end", "page"]

MOST_OCTETS = 16 * 1024
_decoder = msgspec.json.Decoder(NewHold)


async def page(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /api/v1/holds``."""
    read_query(call.request, Nothing)
    return answer_json({"holds": [one.to_dict() for one in await call.house.client.holds()]})


async def add(call: Call) -> Any:  # noqa: ANN401
    """``POST /api/v1/holds``."""
    read_query(call.request, Nothing)
    if content_type(call.request) != JSON:
        raise unsupported(JSON)
    async with call.house.bodies.read(call.request, MOST_OCTETS) as octets:
        asked: NewHold = read_json(octets, _decoder)
    until = _until(asked)
    hold = await call.house.client.add_hold(asked.of, asked.value, reason=asked.reason, until=until, by=call.by)
    await call.house.note("add_hold", {"held": hold.hold}, by=call.by, answers={"stands": 1}, reason=asked.reason)
    return answer_json(hold.to_dict())


async def end(call: Call) -> Any:  # noqa: ANN401
    """``DELETE /api/v1/holds?hold=``."""
    asked = read_query(call.request, HoldQuery)
    ended = await call.house.client.end_hold(asked.hold)
    await call.house.note("end_hold", {"held": ended.hold}, by=call.by, answers={"ended": 1})
    return answer_json(ended.to_dict())


def _until(asked: NewHold) -> datetime | timedelta | None:
    if asked.length is None:
        return asked.until
    if asked.until is not None:
        raise InvalidArgument("for", "give this or until")
    try:
        return parse_duration(asked.length)
    except ValueError as error:
        raise InvalidArgument("for", str(error)) from None
