"""The ledger: what the mail hosts took, refused and lost, one entry a transaction.

An entry is made by every transaction that reached DATA, or in which a recipient was refused. The hosts' side of the
truth: tests and demos compare it with what softbounce says became of its mail. Entries go to a file of JSON lines, to
memory, or to both.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from softbounce.private_files import make_private_folder, open_private

__all__ = ["Command", "Entry", "Ledger", "Refusal", "read_ledger"]

FLUSH_SECONDS = 0.1
TAKEN_250 = 250


class Refusal(msgspec.Struct, frozen=True):
    """A recipient that was refused at RCPT."""

    recipient: str
    code: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction as the host saw it.

    :ivar at: when it ended, RFC 3339 UTC; of one whose dot was answered, the moment at which the answer left.
    :ivar host: the host's own name.
    :ivar address: the host's address.
    :ivar peer: address and port of the client.
    :ivar ehlo: the name that the client gave.
    :ivar sender: the reverse path, without angle brackets; empty for ``<>``.
    :ivar recipients: those accepted at RCPT.
    :ivar message_id: the Message-ID field of the message.
    :ivar octets: length of the body that arrived, dot-stuffing undone.
    :ivar sha256: of that body, in hexadecimal; empty while it is not complete.
    :ivar data_begun: the host answered 354.
    :ivar complete: the whole body and the final dot arrived.
    :ivar kept: the host has the message, whether it said so or not.
    :ivar answer: the code that was given to the final dot (or to DATA, when that was refused); null: none.
    :ivar kind: the word in the recipients' addresses, of the first one that is not ``accept``.
    :ivar connections: how many connections the address had open at that moment.
    """

    at: str
    host: str
    address: str
    peer: str
    ehlo: str
    sender: str
    recipients: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    message_id: str = ""
    octets: int = 0
    sha256: str = ""
    data_begun: bool = False
    complete: bool = False
    kept: bool = False
    answer: int | None = None
    kind: str = "accept"
    connections: int = 1

    @property
    def is_taken(self) -> bool:
        """Whether the whole message arrived and was answered 250."""
        return self.complete and self.answer == TAKEN_250


class Command(msgspec.Struct, frozen=True):
    """A command line as it arrived, without its line end."""

    address: str
    peer: str
    octets: bytes


class Ledger:
    """Where the hosts write entries down.

    :ivar entries: all entries so far; empty when not ``in_memory``.
    :ivar in_memory: keep entries and counts by recipient. Switch it off before a load that would fill the memory.
    :ivar bodies: set it to a dict to keep each complete body too, by its SHA-256.
    :ivar transcript: set it to a list or a bounded deque to keep every command line.
    :ivar counters: ``entries``, ``complete``, ``taken``, ``kept`` and ``refused`` (recipients), ``kind:...``.
    :ivar violations: what clients did against the rules, by rule.
    """

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode
        self._unwritten: list[bytes] = []
        self._flush_timer: asyncio.TimerHandle | None = None
        self._taken: Counter[str] = Counter()
        self._copies: Counter[str] = Counter()
        self.entries: list[Entry] = []
        self.in_memory = True
        self.bodies: dict[str, bytes] | None = None
        self.transcript: list[Command] | deque[Command] | None = None
        self.counters: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()

    def taken(self, recipient: str) -> int:
        """How many complete messages for this recipient were answered 250."""
        return self._taken[recipient]

    def copies(self, recipient: str) -> int:
        """How many copies a host has for this recipient, those included whose final dot it never answered."""
        return self._copies[recipient]

    def now(self) -> str:
        """The time, as entries carry it."""
        return datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z"

    def add(self, entry: Entry) -> None:
        """Write an entry down; it reaches the file within 100 ms."""
        counters = self.counters
        counters["entries"] += 1
        counters["complete"] += entry.complete
        counters["taken"] += entry.is_taken
        counters["kept"] += entry.kept
        counters["refused"] += len(entry.refused)
        counters[f"kind:{entry.kind}"] += 1
        if self.in_memory:
            self.entries.append(entry)
            for recipient in entry.recipients:
                self._taken[recipient] += entry.is_taken
                self._copies[recipient] += entry.kept
        if self._path is not None:
            self._unwritten.append(self._encode(entry))
            if self._flush_timer is None:
                self._flush_timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def open(self) -> None:
        """Open the file for appending, with its folder where that is missing."""
        if self._path is not None:
            make_private_folder(self._path.parent)
            self._file = os.fdopen(open_private(self._path, os.O_WRONLY | os.O_APPEND), "ab", buffering=0)

    def flush(self) -> None:
        """Hand what is not yet written to the system."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._file is not None and self._unwritten:
            lines = b"\n".join(self._unwritten) + b"\n"
            self._unwritten.clear()
            written = 0
            while written < len(lines):
                written += self._file.write(lines[written:])

    def close(self) -> None:
        """Flush, and close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None


def read_ledger(path: Path) -> list[Entry]:
    """Read a ledger's file, also while it is being written: a torn last line is left out.

    :raises ValueError: a line before the last is not an entry; names the line.
    """
    lines = path.read_bytes().split(b"\n")
    decode = msgspec.json.Decoder(Entry).decode
    entries: list[Entry] = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            entries.append(decode(line))
        except msgspec.MsgspecError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return entries
