"""A small append-only file a process, in which results stand before they are committed: a killed worker forgets no 250.

Each entry is its length, a checksum and a msgpack of what a move needs. The process that writes the file holds a lock
on it for as long as it lives, so only dead processes' files can be replayed. A torn last entry is cut off.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import crc32

import msgspec

from softbounce.envelope import Record
from softbounce.store.operations import Move

__all__ = ["Entry", "Journal", "open_dead", "read_entries"]

SUFFIX = ".journal"
HEAD_OCTETS = 8
LARGEST_ENTRY = 4 * 1024 * 1024
SHRINK_AT = 4 * 1024 * 1024


class Entry(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A move as it stands in the journal."""

    id: bytes
    token: bytes
    record: bytes
    look_ms: int | None
    event: bytes

    def move(self) -> Move:
        """The move to repeat."""
        record = Record.unpack(self.id, self.record)
        return Move(record=record, token=self.token, look_ms=self.look_ms, event=self.event)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Journal:
    """The journal of this process."""

    def __init__(self, folder: Path, process: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{process}{SUFFIX}"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._octets = 0

    def append(self, moves: Sequence[Move]) -> None:
        """Write results down. Survives the process's death; that of the machine is covered by the marker.

        :raises OSError: the disk is full or broken; the results are not in the journal.
        """
        parts = []
        for move in moves:
            assert move.token is not None, "only claimed envelopes have results"  # noqa: S101
            packed = _encode(
                Entry(
                    id=move.record.id,
                    token=move.token,
                    record=move.record.pack(),
                    look_ms=move.look_ms,
                    event=move.event,
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

    def settled(self) -> None:
        """All that stands in it is committed: forget it once it has grown."""
        if self._octets > SHRINK_AT:
            os.ftruncate(self._file, 0)
            self._octets = 0

    def close(self, *, forget: bool) -> None:
        """Close the file, and remove it when nothing in it is still to be committed."""
        if forget:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def open_dead(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """The journals of dead processes: process, path, and a file that holds the lock until it is closed."""
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
        yield path.name.removesuffix(SUFFIX), path, file


def read_entries(file: int) -> Iterator[Entry]:
    """The whole entries of a journal; reading ends at the first that is torn or broken."""
    with os.fdopen(os.dup(file), "rb") as stream:
        stream.seek(0)
        while len(head := stream.read(HEAD_OCTETS)) == HEAD_OCTETS:
            length = int.from_bytes(head[:4])
            packed = stream.read(length) if length <= LARGEST_ENTRY else b""
            if len(packed) < length or length == 0 or crc32(packed) != int.from_bytes(head[4:]):
                return
            try:
                yield _decode(packed)
            except msgspec.DecodeError:
                return
