"""What a transition makes: the record as it shall be stored, and the event that tells of it."""

from __future__ import annotations

from dataclasses import dataclass

from softbounce.envelope import Attempt, Final, Record
from softbounce.events import StoredEvent, encode_event

__all__ = ["Change", "event_of"]

TOLD_BY_MAIL = frozenset({"bounced", "warned"})
"""What a sender may be told by a message of ours (:mod:`softbounce_scheduler.notices`), whatever he asked for."""


@dataclass(slots=True)
class Change:
    """A record as it shall be stored, its event, and when to look at its expiry (``None``: as before).

    :ivar ahead: an event that comes before it: an attempt closed as uncertain, whatever becomes of the envelope then.
    :ivar line: the line in which it waits, if any (:mod:`softbounce.store.lines`).
    """

    record: Record
    event: bytes
    look_ms: int | None = None
    ahead: bytes = b""
    line: str = ""


def event_of(  # noqa: PLR0913 - what an event may say; all by name
    record: Record,
    kind: str,
    *,
    attempt: Attempt | None = None,
    final: Final | None = None,
    why: str = "",
    cause: str | None = None,
    reason: str | None = None,
    asked: str = "",
) -> bytes:
    """The encoded event of a transition; without an attempt it tells its end's reply, or has a reason of its own.

    :param asked: that the sender asked to be told of this, if he did.
    """
    told = attempt or final
    return encode_event(
        StoredEvent(
            kind=kind,
            id=record.id,
            recipient=record.envelope.recipient,
            stream=record.stream,
            attempt=attempt.number if attempt else 0,
            host=attempt.host if attempt else None,
            stage=attempt.stage if attempt else None,
            code=told.code if told else None,
            enhanced=told.enhanced if told else None,
            text=told.text if told else "",
            reason=told.reason if told else reason,
            cause=cause,
            why=why,
            next_ms=attempt.next_ms if attempt else None,
            tls=attempt.tls.words if attempt and attempt.tls else "",
            tenant=record.envelope.tenant,
            fault=attempt.fault if attempt else None,
            suppress=final.suppress if final else False,
            tags=record.envelope.tags,
            metadata=record.envelope.metadata,
            way=record.envelope.way if asked or kind in TOLD_BY_MAIL else "",
            asked=asked,
        )
    )
