"""Notes what is said on a connection, at hardly any cost, so that an attempt that fails can show it.

Where mail goes well nothing is made of the notes: an entry is a time and what was at hand anyway. The message is never
among them, only the number of its octets. Nor is a secret: only commands that are known to hold none are shown, and of
any other, such as AUTH, its name; what a host repeats of one it has to be cleaned of before it comes here. What is made
of the notes: :mod:`.talk`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import TypeAlias

import msgspec
from msgspec.structs import replace
from softbounce_config.process_settings import Transcripts

from softbounce.envelope import Tls
from softbounce.transcript import MOST_CHARACTERS
from softbounce_worker.smtp import (
    Answer,
    Chunk,
    Command,
    Content,
    Data,
    Ehlo,
    Event,
    Helo,
    Mail,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)

__all__ = [
    "Connected",
    "Dials",
    "Entry",
    "Heard",
    "Masked",
    "Notes",
    "Recorder",
    "Said",
    "Secured",
    "Wrote",
    "recorder_at_hand",
    "recording",
]

PUBLIC: frozenset[type] = frozenset({Ehlo, Helo, StartTls, Mail, Rcpt, Data, Rset, Quit})
"""Commands whose line holds nothing but what may be shown."""
CONTENT: frozenset[type] = frozenset({Content, Chunk})
"""Commands that hold a message: whoever kept one would keep the message too, though its room is free again."""
MOST_ENTRIES = 500
"""Of one transaction, and of all that came before the first; beyond them the older half is forgotten."""
MOST_OF_A_REPLY = 40
"""Lines of one reply."""


class Dials(msgspec.Struct, frozen=True, gc=False):
    """An address of a host is dialled."""

    host: str
    address: str


class Connected(msgspec.Struct, frozen=True, gc=False):
    """The connection is there."""


class Masked(msgspec.Struct, frozen=True, gc=False):
    """A command that is not shown."""

    name: str


class Said(msgspec.Struct, frozen=True, gc=False):
    """Commands were written, and these are their lines; of one that is not shown there is none."""

    commands: Sequence[Command | Masked]
    lines: Sequence[bytes]


class Wrote(msgspec.Struct, frozen=True, gc=False):
    """So many octets of a message were written."""

    octets: int


class Heard(msgspec.Struct, frozen=True, gc=False):
    """Events came."""

    events: Sequence[Event]


class Secured(msgspec.Struct, frozen=True, gc=False):
    """TLS is on."""

    tls: Tls


Entry: TypeAlias = Dials | Connected | Said | Wrote | Heard | Secured
Timed: TypeAlias = tuple[float, Entry]


class Notes(msgspec.Struct, frozen=True):
    """What was noted of one transaction.

    :ivar opening: of how the session was had, earlier tries included.
    :ivar own: of the transaction; it grows while that is under way.
    :ivar number: the how-manieth of the session it is.
    """

    opening: Sequence[Timed]
    own: Sequence[Timed]
    number: int
    keeps: Transcripts


class Recorder:
    """All that happens while a session is had, and on it.

    :ivar host: whose address is dialled.
    :param keeps: which attempts keep their transcript; *none*: nothing is noted.
    """

    __slots__ = ("_entries", "_is_off", "_keeps", "_opening", "_transactions", "host")

    def __init__(self, keeps: Transcripts = "failed") -> None:
        self.host = ""
        self._keeps: Transcripts = keeps
        self._is_off = keeps == "none"
        self._entries: list[Timed] = []
        self._opening: Sequence[Timed] = ()
        self._transactions = 0

    def note(self, entry: Entry) -> None:
        """Something happens just now."""
        if self._is_off:
            return
        if len(self._entries) >= MOST_ENTRIES:
            del self._entries[: MOST_ENTRIES // 2]
        self._entries.append((monotonic(), entry))

    def take(self, other: Recorder) -> None:
        """What was noted apart belongs here."""
        self._entries += other._entries
        other._entries = []

    def said(self, commands: Sequence[Command], lines: Sequence[bytes]) -> None:
        """Commands are about to be written."""
        if self._is_off:
            return
        if PUBLIC.issuperset(map(type, commands)):
            self.note(Said(commands, lines))
            return
        for command, line in zip(commands, lines, strict=True):
            if type(command) in PUBLIC:
                self.note(Said((command,), (line,)))
            else:
                self.note(Said((Masked(type(command).__name__),), (b"",)))

    def heard(self, events: Sequence[Event]) -> None:
        """Events came."""
        if self._is_off:
            return
        for event in events:
            if type(event) is Answer and (type(event.command) in CONTENT or not _is_short(event.reply.lines)):
                events = [_clipped(one) for one in events]
                break
        self.note(Heard(events))

    def begins(self) -> Notes:
        """A transaction begins: what was noted so far is how the session was had, or of transactions before it."""
        if not self._transactions:
            self._opening = tuple(self._entries)
        self._transactions += 1
        self._entries = []
        return Notes(self._opening, self._entries, self._transactions, self._keeps)

    @property
    def opening(self) -> Notes:
        """What was noted before any transaction."""
        return Notes(self._opening or tuple(self._entries), [], 0, self._keeps)


_at_hand: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Whatever connections the task opens meanwhile, and those that it begins, are noted there."""
    token = _at_hand.set(recorder)
    try:
        yield
    finally:
        _at_hand.reset(token)


def recorder_at_hand() -> Recorder:
    """Where a connection that is opened now is noted; nowhere, where nobody said."""
    return _at_hand.get() or Recorder("none")


def _is_short(lines: Sequence[str]) -> bool:
    """Whether no more is kept by a reply than can be shown."""
    return not lines or (len(lines) == 1 and len(lines[0]) <= MOST_CHARACTERS)


def _clipped(event: Event) -> Event:
    """No more of a long reply than can be shown, and nothing of the message that it answers."""
    if not isinstance(event, Answer):
        return event
    reply, command = event.reply, None if type(event.command) in CONTENT else event.command
    if not _is_short(reply.lines):
        reply = replace(reply, lines=tuple(line[: MOST_CHARACTERS + 1] for line in reply.lines[:MOST_OF_A_REPLY]))
    return Answer(command=command, stage=event.stage, reply=reply)
