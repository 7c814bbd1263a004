"""What is counted: the names of all counters, which are closed, and what an envelope's change adds to them.

A counter is a field of the hash ``metrics``, added to by the very script that makes what it counts: so none is lost
with a worker, and none tells of what never came to be. Its name has no address, no domain and no word of a host: there
are never more than the sets of words below make.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import product
from typing import TypeAlias

from softbounce.decide import Cause
from softbounce.stage import Stage
from softbounce.verdict import Reason, VerdictWord

__all__ = [
    "ACCEPTED",
    "ATTEMPTS",
    "COUNTERS",
    "DELIVERY",
    "DELIVERY_SECONDS",
    "ENDED",
    "ENDS",
    "FINISHED",
    "OLDEST",
    "SMTP",
    "SMTP_SECONDS",
    "SUM",
    "UNANSWERED",
    "UNCERTAIN",
    "WAYS",
    "Counts",
    "attempts",
    "delivered_after",
    "ended",
    "field_of",
    "slot_of",
    "slots",
    "smtp",
]

Counts: TypeAlias = tuple[tuple[str, int], ...]
"""Fields, and how much is added to each."""

ACCEPTED, ATTEMPTS, ENDED, UNCERTAIN = "accepted", "attempts", "ended", "uncertain"
DELIVERY, SMTP = "delivery", "smtp"
FINISHED = "finished"
"""How many of what ended are kept, by state; what the trim forgets is taken off again."""
OLDEST = "oldest"
"""When the oldest envelope of a state was accepted, ms, as the scheduler's walk saw it."""

WAYS = ("python", "http", "smtp", "lmtp", "command", "resend", "outbox", "notice")
"""How mail came in."""
UNANSWERED = "unanswered"
"""The verdict of an attempt that ended unanswered after its dot may have left."""
ENDS = (
    ("delivered", ""),
    ("delivered_late", ""),
    *(("bounced", str(cause)) for cause in Cause),
    ("cancelled", ""),
)
"""Kinds of events that are ends, and their causes."""
DELIVERY_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 432000)
SMTP_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BEYOND = "inf"
SUM = "ms"


def field_of(*parts: str) -> str:
    """The field of a counter: what it counts, and its labels."""
    return "|".join(parts)


def slot_of(bounds: tuple[float, ...], seconds: float) -> str:
    """The name of the slot of a histogram that seconds fall into: its upper bound."""
    at = bisect_left(bounds, seconds)
    return f"{bounds[at]:g}" if at < len(bounds) else BEYOND


def slots(bounds: tuple[float, ...]) -> list[str]:
    """All of them, and the one for the sum, in milliseconds."""
    return [*(f"{bound:g}" for bound in bounds), BEYOND, SUM]


def attempts(verdict: str | None, stage: str, reason: str | None) -> tuple[str, int]:
    """One attempt."""
    return f"{ATTEMPTS}|{verdict or UNANSWERED}|{stage}|{reason or ''}", 1


def ended(kind: str, cause: str | None = None) -> tuple[str, int]:
    """One end."""
    return f"{ENDED}|{kind}|{cause or ''}", 1


def delivered_after(waited_ms: int) -> Counts:
    """A delivery, so long after it could begin."""
    waited_ms = max(0, waited_ms)
    return (f"{DELIVERY}|{slot_of(DELIVERY_SECONDS, waited_ms / 1000)}", 1), (f"{DELIVERY}|{SUM}", waited_ms)


def smtp(stage: str, slot: str) -> str:
    """A slot of how long a stage took."""
    return f"{SMTP}|{stage}|{slot}"


def _counters() -> Iterator[str]:
    for way in WAYS:
        yield field_of(ACCEPTED, way)
    verdicts = (*map(str, VerdictWord), UNANSWERED)
    for verdict, stage, reason in product(verdicts, map(str, Stage), ("", *map(str, Reason))):
        yield field_of(ATTEMPTS, verdict, stage, reason)
    for kind, cause in ENDS:
        yield field_of(ENDED, kind, cause)
    yield UNCERTAIN
    for slot in slots(DELIVERY_SECONDS):
        yield field_of(DELIVERY, slot)
    for stage, slot in product(map(str, Stage), slots(SMTP_SECONDS)):
        yield smtp(stage, slot)


COUNTERS = tuple(_counters())
"""Every counter that there can be."""
