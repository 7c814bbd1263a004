"""Envelopes on their way, and what attempts for them saw: for tests of what becomes of them."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from softbounce import transitions
from softbounce.envelope import Body, Envelope, Flag, Record, State
from softbounce.events import StoredEvent, decode_events
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.settings import Policy, Settings
from softbounce.stage import Stage
from softbounce.transitions import Change, Seen
from softbounce.verdict import Fault, Reason, Verdict, VerdictWord

NOW = 1_800_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TOKEN = b"token--1"
PLAIN = Policy(name="default", delays=(timedelta(minutes=5),), jitter=0, final_attempt=False)
SOFT = Verdict(word=VerdictWord.SOFT, fault=Fault.RECIPIENT, reason=Reason.MAILBOX_FULL, rule="full")
DEAD = Verdict(word=VerdictWord.HARD, fault=Fault.RECIPIENT, reason=Reason.BAD_MAILBOX, rule="unknown", suppress=True)
NO_HOST = Verdict(word=VerdictWord.HARD, reason=Reason.BAD_DOMAIN, rule="nxdomain", stage=Stage.ROUTE)
TAKEN = Verdict(word=VerdictWord.DELIVERED, rule="builtin:accepted")


def settings(**changes: object) -> Settings:
    """Settings with one policy, changed as a test says."""
    policy = {name: value for name, value in changes.items() if name in Policy.__struct_fields__}
    rest = {name: value for name, value in changes.items() if name not in policy}
    return Settings(policies={"default": msgspec.structs.replace(PLAIN, **policy)}, **rest)  # type: ignore[arg-type]


def claimed(flags: Flag = Flag(0), **envelope: object) -> Record:
    """A claimed envelope, created a minute ago."""
    record = Record(
        id=bytes(16),
        state=State.ATTEMPTING,
        flags=flags,
        claims=2,
        version=7,
        token=TOKEN,
        created_ms=NOW - MINUTE,
        next_ms=NOW - MINUTE,
        expires_ms=NOW + 5 * DAY,
        lane="mx.example",
        stream="otp",
    )
    record.envelope = Envelope(
        sender="app@example.com",
        recipient="a@example.net",
        domain="example.net",
        key="k",
        body=Body(octets=1),
        **envelope,  # type: ignore[arg-type]
    )
    return record


def seen(code: int = 452, text: str = "full", *, uncertain: bool = False, at_ms: int = NOW) -> Seen:
    """An attempt that was answered."""
    reply = Reply(code=code, enhanced=f"{code // 100}.2.2", lines=(text,))
    what: Reply | Trouble = (
        Trouble(kind=TroubleKind.CONNECTION_LOST, text="lost", enhanced="4.4.2") if uncertain else reply
    )
    return Seen(
        what=what,
        stage=Stage.END_OF_DATA,
        started_ms=at_ms - 1000,
        ended_ms=at_ms,
        host="mx.example",
        address="192.0.2.1",
        uncertain=uncertain,
    )


def event_in(change: Change) -> StoredEvent:
    """The event of a change, read as readers do."""
    return decode_events(b"\x91" + change.event)[0]


def reread(record: Record) -> Record:
    """The record as it comes back from the store."""
    return Record.unpack(record.id, record.pack())


def bounced_by_promotion() -> Record:
    """Deferred once, then promoted."""
    record = claimed()
    transitions.conclude(record, seen(at_ms=NOW - HOUR), SOFT, settings(), NOW - HOUR)
    transitions.promote(record, settings(), NOW)
    return reread(record)
