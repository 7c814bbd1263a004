"""Our events as Anymail's: the same words for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason, tracking

from softbounce.errors import InvalidArgument
from softbounce.events import Event

__all__ = ["ESP_NAME", "send_tracking", "tracking_event"]

ESP_NAME = "Softbounce"
TYPES = {
    "accepted": EventType.QUEUED,
    "resent": EventType.QUEUED,
    "delivered": EventType.DELIVERED,
    "delivered_late": EventType.DELIVERED,
    "deferred": EventType.DEFERRED,
    "bounced": EventType.BOUNCED,
    "returned": EventType.BOUNCED,
    "complained": EventType.COMPLAINED,
    "cancelled": EventType.FAILED,
}
"""What became of mail. Other kinds (held, warned, uncertain ...) are :data:`EventType.UNKNOWN`."""
OF_CAUSES = {
    "promoted": RejectReason.TIMED_OUT,
    "uncertain": RejectReason.TIMED_OUT,
    "unroutable": RejectReason.INVALID,
    "suppressed": RejectReason.BLOCKED,
}
OF_REASONS = {
    "bad_mailbox": RejectReason.INVALID,
    "bad_domain": RejectReason.INVALID,
    "inactive": RejectReason.INVALID,
    "spam_content": RejectReason.SPAM,
    "ip_reputation": RejectReason.BLOCKED,
    "auth": RejectReason.BLOCKED,
    "policy": RejectReason.BLOCKED,
    "sender_refused": RejectReason.BLOCKED,
}


def tracking_event(event: Event | Mapping[str, Any]) -> AnymailTrackingEvent | None:
    """Anymail's form of an event; ``None``: it is of a stream, and of no mail.

    ``message_id`` is the envelope's id, as ``message.anymail_status.recipients`` has it; ``event_id`` is the cursor.

    :param event: of ``Client.events()``, or what a webhook's ``data`` says.
    :raises InvalidArgument: it is no event.
    """
    said = asdict(event) if isinstance(event, Event) else event
    kind, identity = said.get("kind"), said.get("id")
    if not isinstance(kind, str) or not isinstance(identity, str):
        raise InvalidArgument("event", "has no kind and id")
    if not identity:
        return None
    cause = said.get("cause")
    kind_here = TYPES.get(kind, EventType.UNKNOWN)
    reply = " ".join(str(part) for part in (said.get("code"), said.get("enhanced"), said.get("text")) if part)
    return AnymailTrackingEvent(
        event_type=EventType.REJECTED if cause == "suppressed" and kind == "bounced" else kind_here,
        timestamp=_instant(said.get("at")),
        event_id=said.get("cursor"),
        message_id=identity,
        recipient=said.get("recipient"),
        reject_reason=_reject_reason(kind, cause, said.get("reason")),
        description=said.get("why") or said.get("text") or None,
        mta_response=reply or None,
        tags=list(said.get("tags") or ()),
        metadata=dict(said.get("metadata") or {}),
        esp_event=dict(said),
    )


def send_tracking(event: Event | Mapping[str, Any]) -> None:
    """Send Anymail's ``tracking`` signal for an event.

    ``for event in client.events(after=cursor, follow=True): send_tracking(event)``, and keep the cursor where the app
    keeps what it learnt.

    :raises InvalidArgument: it is no event.
    """
    made = tracking_event(event)
    if made is not None:
        tracking.send(sender=send_tracking, event=made, esp_name=ESP_NAME)


def _reject_reason(kind: str, cause: object, reason: object) -> str | None:
    if kind == "complained":
        return str(RejectReason.SPAM)
    if kind == "returned":
        return str(RejectReason.BOUNCED)
    if kind != "bounced":
        return None
    return str(OF_CAUSES.get(str(cause)) or OF_REASONS.get(str(reason), RejectReason.BOUNCED))


def _instant(at: object) -> datetime:
    try:
        instant = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    except ValueError as error:
        raise InvalidArgument("event", "has no time") from error
    if instant.utcoffset() is None:
        raise InvalidArgument("event", "has a time without a zone")
    return instant
