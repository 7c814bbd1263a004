"""Events: what happened to envelopes, as the log keeps it and as readers get it.

One entry of the log is a batch of transitions; its id is the store's time. Order is promised per envelope. A few events
are of a stream as a whole: these have no envelope, so no ids and no recipient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from softbounce.ids import format_id

__all__ = ["Event", "EventKind", "StoredEvent", "decode_events", "encode_event", "encode_events"]

EventKind = str
"""One of accepted, delivered, delivered_late, deferred, bounced, cancelled, held, released, changed, quarantined,
uncertain, warned, suppressed, unsuppressed, returned, complained, resent; of sites, the ``host``: site_closed,
site_opened; of streams: stream_held, stream_released; of standing holds, whose name is the ``text``: hold_began,
hold_ended; and of the receivers of webhooks, whose name is the ``host``: webhook_exhausted, webhook_disabled; of a
machine, the ``host``, and what was looked at there, the ``text``: health_changed."""


class StoredEvent(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One transition, as the log keeps it.

    :ivar way: how the mail came in, of what its sender may be told by mail; else empty.
    :ivar asked: ``SUCCESS``: its sender wants to hear of this delivery, and its host was not asked to tell him.
    """

    kind: EventKind
    id: bytes
    recipient: str = ""
    stream: str = ""
    attempt: int = 0
    host: str | None = None
    stage: str | None = None
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    reason: str | None = None
    cause: str | None = None
    why: str = ""
    next_ms: int | None = None
    tls: str = ""
    tenant: str = ""
    fault: str | None = None
    suppress: bool = False
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    way: str = ""
    asked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One transition, as a reader gets it.

    :ivar cursor: pass it as ``after`` to read on behind this event.
    :ivar at: when, by the store's clock.
    :ivar kind: what happened, see :data:`EventKind`.
    :ivar id: of the envelope; empty, as the message's and the recipient are: it is of none.
    :ivar tls: how the attempt's session was protected, in words; empty: there was none, or an older version wrote it.
    :ivar tenant: whose mail it is; empty: the null sender's, or an older version wrote it.
    :ivar fault: whose it was, of an attempt that failed; ``None`` too where an older version wrote it.
    :ivar suppress: the address is dead: no other message will ever reach it.
    :ivar tags: the app's own words for the message, and
    :ivar metadata: its own values by name.
    """

    cursor: str
    at: datetime
    kind: EventKind
    id: str
    message_id: str
    recipient: str
    stream: str
    attempt: int
    host: str | None
    stage: str | None
    code: int | None
    enhanced: str | None
    text: str
    reason: str | None
    cause: str | None
    why: str
    next_attempt_at: datetime | None
    tls: str = ""
    tenant: str = ""
    fault: str | None = None
    suppress: bool = False
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: StoredEvent, *, cursor: str, at: datetime, next_attempt_at: datetime | None) -> Event:
        """The public form of a stored event."""
        return cls(
            cursor=cursor,
            at=at,
            kind=stored.kind,
            id=format_id(stored.id),
            message_id=format_id(stored.id[:-2]),
            recipient=stored.recipient,
            stream=stored.stream,
            attempt=stored.attempt,
            host=stored.host,
            stage=stored.stage,
            code=stored.code,
            enhanced=stored.enhanced,
            text=stored.text,
            reason=stored.reason,
            cause=stored.cause,
            why=stored.why,
            next_attempt_at=next_attempt_at,
            tls=stored.tls,
            tenant=stored.tenant,
            fault=stored.fault,
            suppress=stored.suppress,
            tags=stored.tags,
            metadata=stored.metadata,
        )


encode_event = msgspec.msgpack.Encoder().encode
encode_events = encode_event
decode_events = msgspec.msgpack.Decoder(list[StoredEvent]).decode
