"""An envelope that ended is sent again: the new one, what the old one becomes, and the events that tell of both."""

from __future__ import annotations

from typing import NamedTuple

from softbounce.duration import MILLISECOND
from softbounce.envelope import Envelope, Record
from softbounce.ids import format_id, next_id
from softbounce.settings import Settings
from softbounce.transitions.binding import policy_of, warn_after
from softbounce.transitions.change import event_of

__all__ = ["Twice", "send_again"]


class Twice(NamedTuple):
    """The old envelope, which knows of the new one; the new one, whose times are zero; and what tells of each.

    :ivar window_ms: how long the new one lives as things stand.
    :ivar look_ms: after how long its expiry is looked at for the first time: when it is late, where that is told.
    """

    old: Record
    new: Record
    window_ms: int
    look_ms: int
    events: tuple[bytes, bytes]


def send_again(
    record: Record, settings: Settings, by: str = "", *, force: bool = False, at_ms: int | None = None
) -> Twice | None:
    """Make a new envelope of one that ended; ``None``: it was sent again as often as it can be.

    Same message, same recipient, same options; attempts and window begin anew, and what the send asked of time
    (``at``, ``spread``) is over.

    :param by: who wants it so.
    :param at_ms: not before this instant: it is one of many that begin one after another.
    :param force: it goes though its address was concluded to be dead.
    """
    identity = next_id(record.id)
    if identity is None:
        return None
    old = record.envelope
    new = Record(id=identity, lane=f"?{old.domain}", stream=record.stream)
    new.envelope = Envelope(
        sender=old.sender,
        recipient=old.recipient,
        domain=old.domain,
        key=f"resent-{format_id(record.id)}",
        body=old.body,
        message_id_header=old.message_id_header,
        window_ms=old.window_ms,
        at_ms=at_ms,
        put_off="" if at_ms is None else "spread",
        dsn=old.dsn,
        tls=old.tls,
        own_tenant=old.own_tenant,
        tags=old.tags,
        metadata=old.metadata,
        forced=force,
        resent_from=record.id,
        way=old.way,
        warn_ms=old.warn_ms,
    )
    old.resent_as = identity
    policy = policy_of(new, settings)
    window_ms = policy.window // MILLISECOND if old.window_ms is None else old.window_ms
    late_ms = warn_after(new.envelope, policy) // MILLISECOND or window_ms
    told = f"{by or 'An operator'} had it sent again, as envelope {format_id(identity)}."
    events = (
        event_of(record, "resent", why=told),
        event_of(new, "accepted", why=f"It sends envelope {format_id(record.id)} again."),
    )
    return Twice(record, new, window_ms, min(window_ms, late_ms), events)
