"""Which streams are held as a whole, and why: by a brake, until a person releases them.

A worker that claims mail of such a stream moves it to *held*, and the scheduler does so with what waits. So mail that
is accepted meanwhile meets the hold too.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from softbounce.events import StoredEvent, encode_event
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME, STREAM
from softbounce.store.nonsense import ignore, of_type
from softbounce.store.scripts import script

__all__ = ["MOST_STREAMS", "StreamHold", "forget_release", "held_among", "hold_stream", "read_holds", "release_stream"]

MOST_STREAMS = 1_000


class StreamHold(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What is known of a stream that is held, or was.

    :ivar revision: grows by one with each change; 0: nothing is known of it.
    :ivar held_ms: since when; 0: it is released.
    :ivar released_ms: when it was released last; what happened before is no evidence any more. 0: never.
    :ivar reason: what there was too much of, in one word: ``hard_bounces``, ``sender_faults`` or ``complaints``.
    :ivar why: the same in words, with the figures.
    :ivar refused: so many of :attr:`of` messages were.
    """

    revision: int = 0
    held_ms: int = 0
    released_ms: int = 0
    reason: str = ""
    why: str = ""
    refused: int = 0
    of: int = 0

    @property
    def is_held(self) -> bool:
        """Whether it is still."""
        return self.held_ms > 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StreamHold).decode


def read_holds() -> Operation[dict[str, StreamHold]]:
    """The streams that are held, and those that were of late."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "brake"))

    def read(answers: list[StoreAnswer]) -> dict[str, StreamHold]:
        flat = of_type(answers[0], "held streams", [])
        found = ((name, _hold(name, octets)) for name, octets in zip(flat[::2], flat[1::2], strict=True))
        return {name.decode(): hold for name, hold in found if hold is not None}

    return Operation((call,), read)


def _hold(name: bytes, octets: bytes) -> StreamHold | None:
    """An entry as it is stored; one that cannot be one holds nothing."""
    try:
        if STREAM.fullmatch(name.decode()):
            return msgspec.structs.replace(_decode(octets[4:]), revision=int.from_bytes(octets[:4]))
    except (UnicodeDecodeError, msgspec.DecodeError):
        pass
    ignore("held stream", name)
    return None


def hold_stream(stream: str, hold: StreamHold, *, over: StreamHold, keep_events: int) -> Operation[bool]:
    """Hold a stream, and tell so. False: somebody held or released it since it was seen, or too many are held.

    :param over: what was known of it.
    """
    event = StoredEvent(kind="stream_held", id=b"", stream=stream, reason=hold.reason, why=f"{hold.why}.")
    held = msgspec.structs.replace(hold, released_ms=over.released_ms)
    return _change(stream, over, held, (keep_events, encode_event(event)))


def release_stream(stream: str, hold: StreamHold, now_ms: int, *, keep_events: int) -> Operation[bool]:
    """Release a stream as it was seen, and tell so: it is counted anew. False: another change came first."""
    why = f"The hold was lifted. It was held because {hold.why}."
    event = StoredEvent(kind="stream_released", id=b"", stream=stream, reason=hold.reason, why=why)
    released = msgspec.structs.replace(hold, held_ms=0, released_ms=now_ms)
    return _change(stream, hold, released, (keep_events, encode_event(event)))


def forget_release(stream: str, hold: StreamHold) -> Operation[bool]:
    """Forget that a stream was held once."""
    return _change(stream, hold, None, (0, b""))


def held_among(holds: Mapping[str, StreamHold]) -> dict[str, StreamHold]:
    """Those that are held still."""
    return {stream: hold for stream, hold in holds.items() if hold.is_held}


def _change(stream: str, seen: StreamHold, new: StreamHold | None, told: tuple[int, bytes]) -> Operation[bool]:
    revision = seen.revision % 0xFFFFFFFF + 1  # 0 is for what is not there
    entry = b"" if new is None else revision.to_bytes(4) + _encode(new)
    names = keys.of(HOME, "brake", "events", "totals", "news")
    call = Call(HOME, script("brake"), names, (stream, seen.revision, entry, *told, MOST_STREAMS))
    return Operation((call,), lambda answers: first(answers) == 1)
