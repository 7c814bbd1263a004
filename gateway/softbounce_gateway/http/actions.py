"""Acts on all envelopes that fit: a preview first, with a token of its own; with that it is begun, in the store.

A token is the request itself with the action's id, so any gateway takes it, and twice the same one is one action.
"""

from __future__ import annotations

import base64
import binascii
import time
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import msgspec
from softbounce_config.units import parse_duration

from softbounce.client.action_book import new_action
from softbounce.client.closed_sites import closed_words
from softbounce.client.matching import ACTS
from softbounce.client.terms import Chosen
from softbounce.errors import InvalidArgument
from softbounce.store.actions import ACTION_OCTETS, Action
from softbounce_gateway.http.body import JSON, content_type, read_json, read_query, unsupported
from softbounce_gateway.http.filters import filters_of
from softbounce_gateway.http.house import Call, House, answer_json
from softbounce_gateway.http.models import (
    ActionsQuery,
    NewAction,
    Nothing,
    Preview,
    QueueQuery,
    Started,
)

__all__ = ["begin", "begin_previewed", "page", "preview", "progress", "undo"]

MOST_OCTETS = 64 * 1024
SAMPLE = 10
GOOD_FOR = 600
MARK_OCTETS = 16
CHOICES = ("policy", "window", "route")
ARGUMENTS = ("grace", "reason", "force", "spread", *CHOICES)
_decoder = msgspec.json.Decoder(NewAction)


class Ticket(msgspec.Struct, array_like=True, frozen=True):
    """What a token says: until when it is good, the id of its action, how many fitted, and what is to be done.

    Behind that, until when what fitted was accepted: what came later nobody saw in the preview, and it is not touched.
    """

    until: int
    id: bytes
    count: int
    action: NewAction
    before_ms: int = 0


_ticket = msgspec.json.Decoder(Ticket)


def token_of(ticket: Ticket) -> str:
    """What a preview is followed by."""
    octets = msgspec.json.encode(ticket)
    return base64.urlsafe_b64encode(_mark(octets) + octets).decode().rstrip("=")


def read_token(text: str) -> Ticket:
    """The ticket of a preview.

    :raises InvalidArgument: it is none, not whole, or too old.
    """
    try:
        octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        mark, told = octets[:MARK_OCTETS], octets[MARK_OCTETS:]
        ticket = _ticket.decode(told) if mark == _mark(told) else None
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        ticket = None
    if ticket is None or len(ticket.id) != ACTION_OCTETS:
        raise InvalidArgument("token", "is none of a preview, or not whole; ask for the preview again")
    if not time.time() < ticket.until <= time.time() + 2 * GOOD_FOR:
        raise InvalidArgument("token", "is older than ten minutes; ask for the preview again")
    return ticket


def _mark(octets: bytes) -> bytes:
    """Shows that a token came whole. It keeps nobody from making one, who may act in any case."""
    return blake2b(octets, digest_size=MARK_OCTETS, person=b"softbounce act").digest()


async def begin(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``POST /api/v1/actions``."""
    read_query(call.request, Nothing)
    if content_type(call.request) != JSON:
        raise unsupported(JSON)
    async with call.house.bodies.read(call.request, MOST_OCTETS) as octets:
        asked: NewAction = read_json(octets, _decoder)
    if asked.token is None:
        return answer_json(await preview(call.house, asked, by=call.by))
    if asked.action is not None or asked.filter is not None or asked.arguments:
        raise InvalidArgument("token", "says what is to be done: give nothing beside it")
    identity = await begin_previewed(call.house, asked.token, by=call.by)
    return answer_json(Started(id=identity), status=202)


async def begin_previewed(house: House, token: str, *, by: str) -> str:
    """Have done what was previewed; the action's id.

    :raises InvalidArgument: it is no token of a preview, or too old.
    """
    ticket = read_token(token)
    begun = await house.client.begin(
        _action(ticket.action, by=by, identity=ticket.id, count=ticket.count, before_ms=ticket.before_ms)
    )
    house.has_actions.set()
    return begun.id


async def preview(house: House, asked: NewAction, *, by: str) -> Preview:
    """What an action would do, and to how many. Nothing is changed.

    :raises InvalidArgument: naming what cannot be so.
    """
    if asked.action is None:
        raise InvalidArgument("action", f"is missing: {', '.join(ACTS)}")
    filters = filters_of(asked.filter or QueueQuery())
    action = _action(asked, by=by)
    async with house.walks:
        found = await house.client.preview(action, sample=SAMPLE)
    waits = ""
    if action.act == "retry" and found.count:
        waits = closed_words(await house.client.closed_sites(site=filters.get("site") or filters.get("domain")))
    token = token_of(Ticket(int(time.time()) + GOOD_FOR, action.id, found.count, asked, found.before_ms))
    effect = f"{found.effect} {waits}".rstrip()
    sample = [one.to_dict() for one in found.sample]
    return Preview(count=found.count, sample=sample, token=token, effect=effect, ends=found.ends)


async def page(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/actions``."""
    asked = read_query(call.request, ActionsQuery)
    found = await call.house.client.actions(limit=asked.limit)
    return answer_json({"actions": [one.to_dict() for one in found]})


async def progress(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/actions/{id}``."""
    read_query(call.request, Nothing)
    return answer_json((await call.house.client.action(call.path("id"))).to_dict())


async def undo(call: Call) -> Any:  # noqa: ANN401
    """``POST /api/v1/actions/{id}/undo``; a body means nothing."""
    read_query(call.request, Nothing)
    undone = await call.house.client.undo_action(call.path("id"))
    call.house.has_actions.set()
    return answer_json(undone.to_dict(), status=202)


def _action(asked: NewAction, *, by: str, identity: bytes | None = None, count: int = -1, before_ms: int = 0) -> Action:
    """The action that is asked for, checked.

    :raises InvalidArgument: naming what cannot be so.
    """
    for name in asked.arguments:
        if name not in ARGUMENTS:
            raise InvalidArgument("arguments", f"there is none named {name[:64]!r}; those are {', '.join(ARGUMENTS)}")
    grace, spread = (_duration(name, asked.arguments.get(name)) for name in ("grace", "spread"))
    reason = asked.arguments.get("reason", "")
    chosen: Chosen = {name: str(asked.arguments[name]) for name in CHOICES if name in asked.arguments}  # type: ignore[assignment]
    return new_action(
        str(asked.action),
        filters_of(asked.filter or QueueQuery()),
        by=by,
        reason=str(reason),
        force=asked.arguments.get("force") in {True, "true"},
        grace=grace,
        spread=spread,
        chosen=chosen,
        identity=identity,
        count=count,
        before_ms=before_ms,
    )


def _duration(name: str, text: object) -> timedelta | None:
    try:
        return None if text is None else parse_duration(str(text))
    except ValueError as error:
        raise InvalidArgument(name, str(error)) from None
