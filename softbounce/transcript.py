"""The transcript of an attempt: what was said by whom, and how long each stage took, as it is kept with the attempt.

Bounded in lines, their length and octets, whatever a host said; compressed, and opaque to everybody but who shows it.
The message's content is never in it, nor is a secret: who writes one leaves these out. Who reads one believes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import zstandard

__all__ = ["MOST_CHARACTERS", "MOST_LINES", "MOST_OCTETS", "Line", "Transcript", "pack_transcript", "unpack_transcript"]

MOST_LINES = 60
MOST_CHARACTERS = 200
"""Of one line."""
MOST_OCTETS = 6000
"""Of all lines together, before they are compressed."""
MOST_STAGES = 16
HEAD = 20
"""So many lines are kept from the beginning where not all are: greeting and offer. The end tells what went wrong."""
MOST_PLAIN = 4 * MOST_OCTETS
LEVEL = 1
OURS, THEIRS, BESIDE = ">", "<", "*"
_compressors = threading.local()  # a compressor serves one thread at a time


class Line(msgspec.Struct, array_like=True, frozen=True):
    """One line of a transcript.

    :ivar ms: since the session's host was dialled.
    :ivar by: ``>``: we said it; ``<``: the host did; ``*``: what happened beside, such as a connection.
    """

    ms: int
    by: str
    text: str


class Transcript(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """An attempt as it was spoken.

    :ivar stage_ms: milliseconds that were waited for the host, by stage; ``content`` is the writing of the message.
        Of commands that were sent together the first one's stage has the wait.
    """

    lines: tuple[Line, ...] = ()
    stage_ms: dict[str, int] = {}

    @classmethod
    def of(cls, lines: Sequence[Line], stage_ms: Mapping[str, int]) -> Transcript:
        """A transcript within its bounds: what is too much is left out in the middle, and a line says so."""
        clipped = [Line(line.ms, line.by, _clipped(line.text)) for line in lines]
        return cls(lines=tuple(_fitting(clipped)), stage_ms=dict(list(stage_ms.items())[:MOST_STAGES]))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Transcript).decode


def pack_transcript(transcript: Transcript) -> bytes:
    """As it is stored."""
    compressor: zstandard.ZstdCompressor | None = getattr(_compressors, "one", None)
    if compressor is None:
        compressor = _compressors.one = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
    return compressor.compress(_encode(transcript))


def unpack_transcript(stored: bytes) -> Transcript | None:
    """What was stored, within the same bounds, whoever wrote it; ``None``: nothing, or nothing that can be read."""
    try:
        if not stored or not 0 < zstandard.frame_content_size(stored) <= MOST_PLAIN:
            return None
        plain = zstandard.ZstdDecompressor().decompress(stored, max_output_size=MOST_PLAIN)
        read = _decode(plain)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return Transcript.of(read.lines, read.stage_ms)


def _clipped(text: str) -> str:
    """Printable, and no longer than a line may be."""
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}..."
    return text if text.isprintable() else "".join(_printable(text))


def _printable(text: str) -> Iterable[str]:
    for character in text:
        yield character if character.isprintable() else f"\\u{ord(character):04x}"


def _fitting(lines: Sequence[Line]) -> Sequence[Line]:
    """Those that fit: from the beginning some, from the end as many as there is room for."""
    room = MOST_OCTETS - sum(_octets(line) for line in lines)
    if len(lines) <= MOST_LINES and room >= 0:
        return lines
    head = list(lines[:HEAD])
    while head and sum(_octets(line) for line in head) > MOST_OCTETS // 2:
        head.pop()
    room = MOST_OCTETS - sum(_octets(line) for line in head)
    tail: list[Line] = []
    for line in reversed(lines[len(head) :]):
        room -= _octets(line)
        if room < 0 or len(head) + len(tail) == MOST_LINES - 1:
            break
        tail.append(line)
    left_out = len(lines) - len(head) - len(tail)
    between = Line(tail[-1].ms if tail else 0, BESIDE, f"({left_out} lines left out)")
    return [*head, between, *reversed(tail)]


def _octets(line: Line) -> int:
    return len(line.text.encode("utf-8", "replace"))
