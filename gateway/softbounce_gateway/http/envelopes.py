"""One envelope: shown, explained, its transcript, and what is done to it; and pages of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import structlog

from softbounce.errors import NotFound
from softbounce.ids import format_id, parse_id
from softbounce_gateway.http.body import read_query
from softbounce_gateway.http.filters import filters_of
from softbounce_gateway.http.house import Call, answer_json
from softbounce_gateway.http.models import (
    AfterPage,
    Answered,
    BounceQuery,
    Explanation,
    Nothing,
    ReleaseQuery,
    ResendAnswered,
    ResendQuery,
)

__all__ = ["act", "explain", "page", "show", "transcript"]

log = structlog.get_logger("softbounce.http")
ACTS = ("retry", "hold", "cancel")


async def show(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /api/v1/envelopes/{id}``."""
    read_query(call.request, Nothing)
    shown = (await call.house.client.show(_identity(call))).to_dict()
    for attempt in shown["attempts"]:
        attempt.pop("transcript", None)
    return answer_json(shown)


async def explain(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/envelopes/{id}/explanation``."""
    read_query(call.request, Nothing)
    identity = _identity(call)
    return answer_json(Explanation(id=identity, explanation=await call.house.client.explain(identity)))


async def transcript(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/envelopes/{id}/transcript``."""
    read_query(call.request, Nothing)
    shown = await call.house.client.show(_identity(call))
    attempts = [
        {
            "number": one.number,
            "host": one.host,
            "transcript": None if one.transcript is None else one.transcript.to_dict(),
        }
        for one in shown.attempts
    ]
    return answer_json({"id": shown.id, "attempts": attempts})


async def act(call: Call) -> Any:  # noqa: ANN401
    """``POST /api/v1/envelopes/{id}/{retry, hold, release, cancel, bounce, resend}``; a body means nothing."""
    client, identity = call.house.client, _identity(call)
    word = call.request.url.path.rpartition("/")[2]
    by = "" if call.token is None else call.token.name
    match word:
        case "bounce":
            reason = read_query(call.request, BounceQuery).reason
            answer = str(await client.bounce(identity, reason=reason, by=by))
        case "release":
            past_gate = read_query(call.request, ReleaseQuery).past_gate
            answer = str(await client.release(identity, past_gate=past_gate))
        case "resend":
            resent = await client.resend(identity, force=read_query(call.request, ResendQuery).force, by=by)
            log.info("acted", act=word, envelope=identity, answer=str(resent.answer), by=by)
            return answer_json(ResendAnswered(id=identity, answer=str(resent.answer), envelope=resent.envelope_id))
        case _:
            read_query(call.request, Nothing)
            answer = str(await getattr(client, word if word in ACTS else "show")(identity))
    log.info("acted", act=word, envelope=identity, answer=answer, by=by)
    return answer_json(Answered(id=identity, answer=answer))


async def page(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/envelopes``."""
    asked = read_query(call.request, AfterPage)
    async with call.house.walks:
        found = await call.house.client.page(**filters_of(asked), after=asked.after, limit=asked.limit)
    envelopes = [one.to_dict() for one in found.envelopes]
    return answer_json({"envelopes": envelopes, "next": found.next, "unreadable": list(found.unreadable)})


def _identity(call: Call) -> str:
    text = call.path("id")[:64]
    with suppress(NotFound):
        return format_id(parse_id(text))
    raise NotFound(f"{text!r} is no envelope's id: those are in `envelopes` of what a send answers")
