"""A small append-only file a process, in which results stand before they are committed: a killed worker forgets no 250.

Each entry is its length, a checksum and a msgpack of what a move needs. The process that writes the file holds a lock
on it for as long as it lives, so only dead processes' files can be replayed; it is locked before it has its name, so
that nobody ever finds it without its lock. A torn last entry is cut off. Entries stay
for at least :data:`KEPT` seconds after their commit: a store that turns out to be another one, restored or failed over,
is told them again. Two generations do that: the file that is written, and the one before it.

A newer version may append fields to an entry; they are passed over. A whole entry that cannot be understood at all
keeps its file: it is set aside, and looked at again when a worker starts, until one of a version that knows it does.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import msgspec

from softbounce.envelope import Record
from softbounce.private_files import make_private_folder, open_private
from softbounce.store.moving import Move

__all__ = ["KEPT", "DeadJournal", "Journal", "JournalEntry", "dead_journals", "read_entries", "take_up_again"]

KEPT = 60.0
"""Seconds for which an entry stays after its commit, unless so many are written that the file would grow too large."""
AFTER_FAILURE = 5.0
SUFFIX = ".journal"
ASIDE = ".aside"
BEFORE = ".before"
UNNAMED = ".new"
HEAD_OCTETS = 8
LARGEST_ENTRY = 4 * 1024 * 1024
LARGEST_GENERATION = 64 * 1024 * 1024


class JournalEntry(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A move as it stands in the journal. ``at``: when it was written, seconds of this machine's clock.

    ``heard``: the version up to which all that was asked meanwhile is in it.
    """

    id: bytes
    token: bytes
    record: bytes
    look_ms: int | None
    event: bytes
    at: float
    ahead: bytes = b""
    line: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    heard: int | None = None

    def move(self) -> Move:
        """The move to repeat."""
        record = Record.unpack(self.id, self.record)
        record.counts = self.counts
        return Move(
            record=record,
            token=self.token,
            version=self.heard,
            look_ms=self.look_ms,
            event=self.event,
            ahead=self.ahead,
            line=self.line,
        )


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(JournalEntry).decode


class Journal:
    """The journal of this process."""

    def __init__(self, folder: Path, process: str) -> None:
        make_private_folder(folder)
        self.path = folder / f"{process}{SUFFIX}"
        self._before = self.path.with_name(f"{process}{BEFORE}{SUFFIX}")
        self._file = _create_locked(self.path)
        self._before_file: int | None = None
        self._octets = 0
        self._newest_at = 0.0
        self._began_at = time.monotonic()
        self._no_turn_before = 0.0

    def append(self, moves: Sequence[Move]) -> None:
        """Write results down. Survives the process's death; that of the machine is covered by the marker.

        :raises OSError: the disk is full or broken; the results are not in the journal.
        """
        parts = []
        now = time.time()
        for move in moves:
            assert move.token is not None, "only claimed envelopes have results"  # noqa: S101
            packed = _encode(
                JournalEntry(
                    id=move.record.id,
                    token=move.token,
                    record=move.octets(),
                    look_ms=move.look_ms,
                    event=move.event,
                    at=now,
                    ahead=move.ahead,
                    line=move.line,
                    counts=move.record.counts,
                    heard=move.version,
                )
            )
            parts.append(len(packed).to_bytes(4) + crc32(packed).to_bytes(4))
            parts.append(packed)
        octets = b"".join(parts)
        written = os.write(self._file, octets)
        if written < len(octets):
            os.ftruncate(self._file, self._octets)
            raise OSError(f"{self.path}: only {written} of {len(octets)} octets could be written")
        self._octets += written
        self._newest_at = now

    def turn(self) -> bool:
        """Begin a new generation when it is time, and forget the one before the last; whether it did.

        Call it only when everything that was written before the last turn is committed.

        :raises OSError: the new file could not be made; the old one is written on, and the next try is a while later.
        """
        now = time.monotonic()
        is_time = now - self._began_at >= KEPT or self._octets >= LARGEST_GENERATION
        if not self._octets or not is_time or now < self._no_turn_before:
            return False
        self._no_turn_before = now + AFTER_FAILURE
        file = _create_locked(self.path, before=self._before)
        if self._before_file is not None:
            os.close(self._before_file)
        self._before_file = self._file
        self._file = file
        self._octets = 0
        self._began_at = now
        return True

    def recent(self) -> Iterator[JournalEntry]:
        """The entries of the last :data:`KEPT` seconds before the newest one, oldest first.

        Before the newest, not before now: the store may have been away for longer, while nothing could be written.
        """
        since = self._newest_at - KEPT
        for path in (self._before, self.path):
            if path.exists():
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    yield from (entry for entry in read_entries(file) if entry.at >= since)
                finally:
                    os.close(file)

    def close(self, *, forget: bool) -> None:
        """Close the files, and remove them when nothing in them is still to be committed."""
        if forget:
            self.path.unlink(missing_ok=True)
            self._before.unlink(missing_ok=True)
        os.close(self._file)
        if self._before_file is not None:
            os.close(self._before_file)


class DeadJournal:
    """A file that a dead process left, locked until it is closed.

    :ivar unread: how many of its whole entries were of another version's making, as far as it was read.
    """

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self.unread = 0
        self.process = path.name.removesuffix(SUFFIX).removesuffix(BEFORE)
        self._file = file

    def moves(self) -> Iterator[Move]:
        """The moves of its whole entries that can be understood."""
        for packed in _whole_entries(self._file):
            try:
                move = _decode(packed).move()
                move.record.envelope  # noqa: B018 - reads it
                yield move
            except (msgspec.DecodeError, ValueError):
                self.unread += 1

    def is_last(self) -> bool:
        """Whether the process left no other file."""
        return not [path for path in self.path.parent.glob(f"{self.process}*") if path != self.path]

    def close(self, *, forget: bool) -> None:
        """Give the lock up; *forget*: first remove the file, or set it aside where something in it was not read."""
        if forget and self.unread:
            self.path.replace(self.path.with_name(self.path.name + ASIDE))
        elif forget:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def take_up_again(folder: Path) -> None:
    """Make journals that were set aside dead journals once more: this version may know what stands in them."""
    for path in folder.glob(f"*{SUFFIX}{ASIDE}"):
        with suppress(FileNotFoundError):  # a sibling was faster
            path.replace(path.with_name(path.name.removesuffix(ASIDE)))


def dead_journals(folder: Path) -> Iterator[DeadJournal]:
    """The journals of dead processes, one after another."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        yield DeadJournal(path, file)


def read_entries(file: int) -> Iterator[JournalEntry]:
    """The whole entries of a journal of this version; reading ends at the first that is torn or broken."""
    return map(_decode, _whole_entries(file))


def _whole_entries(file: int) -> Iterator[bytes]:
    with os.fdopen(os.dup(file), "rb") as stream:
        stream.seek(0)
        while len(head := stream.read(HEAD_OCTETS)) == HEAD_OCTETS:
            length = int.from_bytes(head[:4])
            packed = stream.read(length) if 0 < length <= LARGEST_ENTRY else b""
            if not packed or len(packed) < length or crc32(packed) != int.from_bytes(head[4:]):
                return
            yield packed


def _create_locked(path: Path, *, before: Path | None = None) -> int:
    """Make a file, lock it, and give it its name; the one that had it is called *before* from then on."""
    unnamed = path.with_name(f".{path.name}{UNNAMED}")
    file = open_private(unnamed, os.O_RDWR | os.O_TRUNC | os.O_APPEND)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if before is not None and path.exists():
            path.replace(before)
        unnamed.replace(path)
    except OSError:
        unnamed.unlink(missing_ok=True)
        os.close(file)
        raise
    return file
