"""Queue, traffic, lanes, plans, and what replies mean: as the commands tell it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from softbounce.address import parse_address, parse_sender
from softbounce.classify import classify_lines
from softbounce.client.lanes import LaneView
from softbounce.errors import InvalidAddress, InvalidArgument, NotFound
from softbounce.plan import plan_of_mail
from softbounce.settings import BUILT_IN, Settings
from softbounce.store.published import read_settings
from softbounce_gateway.http.body import JSON, content_type, read_json, read_query, unsupported
from softbounce_gateway.http.filters import filters_of
from softbounce_gateway.http.house import NAMELESS, Call, answer_json
from softbounce_gateway.http.models import LanesQuery, Nothing, PlanQuery, QueueQuery, ReplyToJudge, TrafficQuery

__all__ = ["classify", "health", "lane", "lanes", "plan", "probe", "queue", "traffic"]

MOST_REPLIES = 1_000
MOST_OCTETS = 8 * 1024 * 1024
_replies = msgspec.json.Decoder(ReplyToJudge | list[ReplyToJudge])


async def queue(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /api/v1/queue``."""
    asked = read_query(call.request, QueueQuery)
    async with call.house.walks:
        counts = await call.house.client.queue(**filters_of(asked))
    return answer_json(counts.to_dict())


async def traffic(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/traffic``. It takes no turn: it goes through nothing."""
    asked = read_query(call.request, TrafficQuery)
    points = await call.house.client.traffic(minutes=asked.minutes, step=asked.step)
    return answer_json({"points": [one.to_dict() for one in points]})


async def health(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/health``."""
    read_query(call.request, Nothing)
    return answer_json({"machines": [one.to_dict() for one in await call.house.client.health()]})


async def lanes(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/lanes``."""
    asked = read_query(call.request, LanesQuery)
    return answer_json({"lanes": [one.to_dict() for one in await _lanes(call, asked.site)]})


async def lane(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/lanes/{lane}``."""
    read_query(call.request, Nothing)
    name = call.path("lane")
    for one in await _lanes(call, None):
        if one.lane == name:
            return answer_json(one.to_dict())
    raise NotFound(f"no lane {name[:320]!r} has mail now; GET /api/v1/lanes has those that do")


async def probe(call: Call) -> Any:  # noqa: ANN401
    """``POST /api/v1/sites/{site}/probe``; a body means nothing."""
    read_query(call.request, Nothing)
    found = await call.house.client.probe(call.path("site"), by=call.by or NAMELESS)
    return answer_json({"lanes": [one.to_dict() for one in found]}, status=202)


async def _lanes(call: Call, site: str | None) -> list[LaneView]:
    async with call.house.walks:
        return await call.house.client.lanes(site=site)


async def plan(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/plan``, by the published settings."""
    asked = read_query(call.request, PlanQuery)
    try:
        domain = "" if asked.to is None else parse_address(asked.to, field="to").domain
        sender = parse_sender(asked.sender, field="from").canonical
    except InvalidAddress as error:
        raise InvalidArgument(error.field, error.reason) from None
    settings = await _settings(call)
    make = partial(
        plan_of_mail,
        settings,
        stream=asked.stream,
        domain=domain,
        site=asked.site,
        sender=sender,
        tenant=asked.tenant,
        starts_at=datetime.now(UTC),
    )
    async with call.house.walks:
        made = await asyncio.to_thread(make)
    return answer_json(made.plan.to_dict(made.policy))


async def classify(call: Call) -> Any:  # noqa: ANN401
    """``POST /api/v1/classify``: a list, or one by itself, which is answered by itself."""
    read_query(call.request, Nothing)
    if content_type(call.request) != JSON:
        raise unsupported(JSON)
    async with call.house.bodies.read(call.request, MOST_OCTETS) as octets:
        said: ReplyToJudge | list[ReplyToJudge] = read_json(octets, _replies)
        replies = said if isinstance(said, list) else [said]
        if len(replies) > MOST_REPLIES:
            raise InvalidArgument("body", f"more than {MOST_REPLIES} replies")
        settings = await _settings(call)
        lines = [msgspec.json.encode(one).decode() for one in replies]
        async with call.house.walks:
            try:
                judged = await asyncio.to_thread(lambda: [json.loads(one) for one in classify_lines(lines, settings)])
            except ValueError as error:
                raise InvalidArgument("body", str(error)) from None
    return answer_json(judged if isinstance(said, list) else judged[0])


async def _settings(call: Call) -> Settings:
    return await call.house.store.run(read_settings()) or BUILT_IN
