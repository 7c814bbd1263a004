"""The messages of the inbox, with what became of each recipient's envelope: what pages and JSON are made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec

from softbounce.client.shown import rfc3339
from softbounce.errors import NotFound
from softbounce.ids import parse_id, parse_message_id
from softbounce.parsed import ParsedMessage, parse_message
from softbounce.store.copies import Copy, read_copies, read_copy
from softbounce.store.reading import fetch
from softbounce_gateway.http.house import House

__all__ = ["Found", "InboxQuery", "MessageView", "Summary", "find", "find_message", "parsed"]

STATES_SHOWN = 5
"""Of a message's recipients, in a list; how many there are is told."""
ENVELOPES_SHOWN = 50
FORGOTTEN = "forgotten"


class InboxQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which messages: those in which these words are, in whatever case."""

    sender: str | None = None
    recipient: str | None = None
    subject: str | None = None
    stream: str | None = None
    before: str | None = None
    limit: int = 50


class Summary(msgspec.Struct, kw_only=True):
    """One message in a list.

    :ivar recipients: the first of them, with the state of each one's envelope.
    """

    id: str
    at: str
    sender: str
    subject: str
    stream: str
    octets: int
    recipients: dict[str, str]
    number_of_recipients: int


class Found(msgspec.Struct, kw_only=True):
    """Messages, the newest first; ``next`` asks for those before, as ``before``."""

    messages: list[Summary]
    next: str | None


class MessageView(msgspec.Struct, kw_only=True):
    """One message, read. ``envelopes`` are as ``softbounce show`` has them."""

    id: str
    at: str
    sender: str
    recipients: list[str]
    stream: str
    tenant: str
    tags: list[str]
    metadata: dict[str, str]
    octets: int
    subject: str
    headers: list[tuple[str, str]]
    text: str
    html: str
    links: list[str]
    attachments: list[dict[str, Any]]
    envelopes: list[dict[str, Any]]


async def find(house: House, asked: InboxQuery) -> Found:
    """The newest messages that fit."""
    copies = await house.store.run(read_copies(before=asked.before))
    fitting = [one for one in copies if _fits(one, asked)]
    limit = max(1, min(asked.limit, 1000))
    shown = fitting[:limit]
    states = await _states(house, shown)
    return Found(
        messages=[_summary(one, states) for one in shown],
        next=shown[-1].cursor if len(fitting) > limit else None,
    )


async def find_message(house: House, text: str) -> MessageView:
    """One of them, by its id. :raises NotFound: it is not there (any more)."""
    copy, octets = await _read(house, text)
    message = await asyncio.to_thread(parse_message, octets)
    facts = copy.facts
    return MessageView(
        id=copy.message_id,
        at=rfc3339(copy.at),
        sender=facts.sender,
        recipients=list(facts.recipients),
        stream=facts.stream,
        tenant=facts.tenant,
        tags=list(facts.tags),
        metadata=dict(facts.metadata),
        octets=facts.octets,
        subject=message.subject,
        headers=list(message.headers),
        text=message.text,
        html=message.html,
        links=list(message.links),
        attachments=[
            {"number": number, "filename": one.filename, "content_type": one.content_type, "octets": len(one.content)}
            for number, one in enumerate(message.attachments)
        ],
        envelopes=[one async for one in _envelopes(house, copy)],
    )


async def parsed(house: House, text: str) -> ParsedMessage:
    """A message's content alone. :raises NotFound: it is not there (any more)."""
    octets = await house.store.run(read_copy(parse_message_id(text)))
    return await asyncio.to_thread(parse_message, octets)


async def _read(house: House, text: str) -> tuple[Copy, bytes]:
    message = parse_message_id(text)
    octets = await house.store.run(read_copy(message))
    for one in await house.store.run(read_copies()):
        if one.facts.message == message:
            return one, octets
    raise NotFound(f"there is no copy of message {text[:64]} (any more)")


async def _envelopes(house: House, copy: Copy) -> AsyncIterator[dict[str, Any]]:
    for recipient, identity in list(copy.envelopes.items())[:ENVELOPES_SHOWN]:
        try:
            yield (await house.client.show(identity)).to_dict()
        except NotFound:
            yield {"id": identity, "recipient": recipient, "state": FORGOTTEN, "attempts": []}


async def _states(house: House, copies: Iterable[Copy]) -> dict[str, str]:
    identities = [one for copy in copies for one in list(copy.envelopes.values())[:STATES_SHOWN]]
    if not identities:
        return {}
    records = await house.store.run(fetch([parse_id(one) for one in identities]))
    return {
        one: FORGOTTEN if record is None else record.state.name.lower()
        for one, record in zip(identities, records, strict=True)
    }


def _summary(copy: Copy, states: dict[str, str]) -> Summary:
    facts = copy.facts
    return Summary(
        id=copy.message_id,
        at=rfc3339(copy.at),
        sender=facts.sender,
        subject=facts.subject,
        stream=facts.stream,
        octets=facts.octets,
        recipients={one: states[identity] for one, identity in copy.envelopes.items() if identity in states},
        number_of_recipients=len(facts.recipients),
    )


def _fits(copy: Copy, asked: InboxQuery) -> bool:
    facts = copy.facts
    wanted = (
        (asked.sender, (facts.sender,)),
        (asked.recipient, facts.recipients),
        (asked.subject, (facts.subject,)),
        (asked.stream, (facts.stream,)),
    )
    return all(word is None or any(_has(one, word) for one in texts) for word, texts in wanted)


def _has(text: str, word: str) -> bool:
    return word.casefold() in text.casefold()
