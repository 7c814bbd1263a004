"""Standing holds: listed, begun, ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from softbounce_config.units import parse_duration

from softbounce.client import ShownHold
from softbounce.errors import InvalidArgument
from softbounce.standing import name_as_given, read_name
from softbounce_gateway.http.body import JSON, content_type, read_json, read_query, unsupported
from softbounce_gateway.http.house import Call, House, answer_json
from softbounce_gateway.http.models import HoldQuery, NewHold, Nothing

__all__ = ["add", "add_hold", "end", "end_hold", "length_of", "page"]

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
    hold = await add_hold(call.house, asked.of, asked.value, reason=asked.reason, until=_until(asked), by=call.by)
    return answer_json(hold.to_dict())


async def end(call: Call) -> Any:  # noqa: ANN401
    """``DELETE /api/v1/holds?hold=``."""
    asked = read_query(call.request, HoldQuery)
    return answer_json((await end_hold(call.house, asked.hold, by=call.by)).to_dict())


async def add_hold(  # noqa: PLR0913 - what a hold is told; all by name
    house: House, of: str, value: str, *, reason: str, until: datetime | timedelta | None, by: str
) -> ShownHold:
    """Hold all mail of something, and write down who did.

    :raises SoftbounceError: as the client's call of the same name.
    """
    async with house.noting("add_hold", {"held": read_name(of, value)}, by=by, reason=reason) as answers:
        hold = await house.client.add_hold(of, value, reason=reason, until=until, by=by)
        answers["stands"] = 1
    return hold


async def end_hold(house: House, hold: str, *, by: str) -> ShownHold:
    """End one, and write down who did.

    :raises SoftbounceError: as the client's call of the same name.
    """
    async with house.noting("end_hold", {"held": name_as_given(hold)}, by=by) as answers:
        ended = await house.client.end_hold(hold)
        answers["ended"] = 1
    return ended


def length_of(text: str) -> timedelta:
    """For how long.

    :raises InvalidArgument: that is no duration.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidArgument("for", str(error)) from None


def _until(asked: NewHold) -> datetime | timedelta | None:
    if asked.length is None:
        return asked.until
    if asked.until is not None:
        raise InvalidArgument("for", "give this or until")
    return length_of(asked.length)
