"""What made a first attempt, or a retry, begin later than its time: quotas, a spread, quiet hours, in words."""

from __future__ import annotations

from datetime import datetime

from softbounce.client.explain.situation import clock, moment
from softbounce.duration import from_epoch_ms
from softbounce.envelope import Record

__all__ = ["binding_words", "put_off_words"]

QUOTA = "quota:"
YOUNG = "It is not older for it: its window opens then"


def put_off_words(put_off: str, start: datetime) -> str:
    """Why a first attempt comes no earlier."""
    match put_off:
        case "spread":
            return f"The send was spread: this one begins at {clock(start)}. {YOUNG}."
        case "quiet":
            return f"Quiet hours put it off until {clock(start)}. {YOUNG}."
        case _ if put_off.startswith(QUOTA):
            return f"The quota {put_off.removeprefix(QUOTA)} is used up until {clock(start)}. {YOUNG}."
        case _:
            return f"The app asked for it not before {clock(start)}."


def binding_words(record: Record, now: datetime) -> str | None:
    """What binds a scheduled envelope beside its own clock, and until when; ``None``: nothing does."""
    envelope, until = record.envelope, from_epoch_ms(record.next_ms)
    if until <= now:
        return None
    if envelope.quiet_ms:
        return f"Quiet hours, {moment(until, now)}."
    if envelope.attempts or not envelope.put_off:
        return None
    what = envelope.put_off
    named = f"The quota {what.removeprefix(QUOTA)}" if what.startswith(QUOTA) else WORDS.get(what, what)
    return f"{named}, {moment(until, now)}."


WORDS = {"spread": "The spread of its send", "quiet": "Quiet hours"}
