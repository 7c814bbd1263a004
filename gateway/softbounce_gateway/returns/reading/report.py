"""What a message that came back says, in whatever form: a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Kind", "Outcome", "Report"]


class Kind(StrEnum):
    """What it is. These words are counted, and shown."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    """Delivered, passed on or expanded: no failure, whatever it is."""
    COMPLAINT = "complaint"
    OTHER_FEEDBACK = "other_feedback"
    """Feedback that complains of nothing: that it is no spam, or how it was authenticated."""
    AUTO_REPLY = "auto_reply"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is said of one recipient.

    :ivar kind: failed, delayed or delivered.
    :ivar addresses: the recipient, as the reporter calls it and as it was called before it was forwarded.
    :ivar final: the address that was tried in the end; empty: it is not said apart from those.
    :ivar status: the enhanced status code; empty: none was given.
    :ivar diagnostic: what the host said, its lines kept apart.
    :ivar host: whose words these are; empty: it is not said.
    """

    kind: Kind
    addresses: tuple[str, ...] = ()
    final: str = ""
    status: str = ""
    diagnostic: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that it says.

    :ivar outcomes: of each recipient that is named; of a complaint: none.
    :ivar reporter: who wrote it; empty: it is not said.
    :ivar feedback: the kind of feedback, as RFC 5965 has it.
    :ivar source: the address of ours that the mail complained of came from.
    :ivar addresses: the recipients that the complaint names.
    :ivar why: how it was read, or what is missing, in words.
    """

    kind: Kind
    outcomes: tuple[Outcome, ...] = ()
    reporter: str = ""
    feedback: str = ""
    source: str = ""
    addresses: tuple[str, ...] = ()
    why: str = ""
