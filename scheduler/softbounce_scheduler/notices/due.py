"""Which events a sender is told of by mail, and which of them together. Pure: events and settings come as arguments.

==========================  ==========================================================================================
bounced, returned           *failed*, unless the sender asked for other news only, or for none (NOTIFY, RFC 3461 §4.1)
warned                      *delayed*, where he asked for that; where he said nothing, as ``[notices] delay`` has it,
                            or as he said when (``BY=...;N``, RFC 2852)
delivered, delivered_late   *relayed*, where he asked for that and the host could not be asked to tell him; or where he
                            said by when, and the host does not know of it (RFC 2852 §4.1.4)
anything else               nothing. Who cancels mail knows of it
==========================  ==========================================================================================

Never about mail from the null sender, so about no bounce message of anybody's; and never about a notice, whatever its
record says of its sender.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from softbounce.dsn import DELAY, FAILURE, NEVER, SUCCESS
from softbounce.envelope import Envelope
from softbounce.events import StoredEvent
from softbounce.ids import ENVELOPE_OCTETS, format_id, message_of
from softbounce.settings import Notices

__all__ = ["MOST_TOGETHER", "Action", "Due", "action_of", "due", "is_wanted", "may_tell"]

MOST_TOGETHER = 100
"""Recipients of one notice."""
NOTICE = "notice"
BY_SUBMISSION = frozenset({"smtp", "lmtp"})
"""Ways in of a sender who waits for a bounce message, as SMTP has it: nobody else tells him what became of it."""
WORDS = (b"bounced", b"warned", b"returned", SUCCESS.encode())


class Action(StrEnum):
    """What a notice says of its recipients (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"


ACTIONS = {
    "bounced": Action.FAILED,
    "returned": Action.FAILED,
    "warned": Action.DELAYED,
    "delivered": Action.RELAYED,
    "delivered_late": Action.RELAYED,
}


class Due(NamedTuple):
    """A notice that is due: events of one message and kind, told by one entry of the log.

    An entry never changes, so these are the same ones whenever it is read.
    """

    action: Action
    events: tuple[StoredEvent, ...]
    at_ms: int

    @property
    def key(self) -> str:
        """The idempotency key under which it is sent."""
        return f"notice-{format_id(self.events[0].id)}-{self.events[0].kind}"


def may_tell(octets: bytes) -> bool:
    """Whether an entry of the log may tell something, as far as can be seen without reading it."""
    return any(word in octets for word in WORDS)


def due(events: Iterable[StoredEvent], at_ms: int, notices: Notices) -> list[Due]:
    """The notices that an entry's events are reason for, as far as events tell."""
    together: dict[tuple[bytes, str], list[StoredEvent]] = {}
    for event in events:
        if len(event.id) == ENVELOPE_OCTETS and action_of(event, notices) is not None:
            together.setdefault((message_of(event.id), event.kind), []).append(event)
    return [
        Due(ACTIONS[kind], tuple(some[start : start + MOST_TOGETHER]), at_ms)
        for (_, kind), some in together.items()
        for start in range(0, len(some), MOST_TOGETHER)
    ]


def action_of(event: StoredEvent, notices: Notices) -> Action | None:
    """What would be said of an event; ``None``: nothing."""
    action = ACTIONS.get(event.kind)
    if action is None or event.way == NOTICE or (action is Action.RELAYED and event.asked != SUCCESS):
        return None
    if notices.about == "none" or (notices.about == "submission" and event.way not in BY_SUBMISSION):
        return None
    return action


def is_wanted(envelope: Envelope, action: Action, notices: Notices) -> bool:
    """Whether an envelope's sender wants to hear of it, by what he asked for."""
    if not envelope.sender or envelope.way == NOTICE:
        return False
    asked = "" if envelope.dsn is None else envelope.dsn.notify
    if asked == NEVER:
        return False
    match action:
        case Action.FAILED:
            return not asked or FAILURE in asked
        case Action.DELAYED:
            return DELAY in asked if asked else notices.delay or bool(envelope.warn_ms)
        case Action.RELAYED:
            return SUCCESS in asked or envelope.deliver_by is not None
