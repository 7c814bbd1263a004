"""Standing holds as the store keeps them: one entry each, and who changes it names the revision that was seen.

One that has ended stays until what it held is released (:mod:`softbounce_scheduler.standing_holds`), so that whoever
dies in the middle of that leaves it to the next one.
"""

from __future__ import annotations

import msgspec

from softbounce.events import StoredEvent, encode_event
from softbounce.standing import OF, StandingHold, split_name
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore, of_type
from softbounce.store.scripts import script

__all__ = ["MOST_HOLDS", "begin_hold", "end_hold", "forget_hold", "read_standing"]

MOST_HOLDS = 1_000
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StandingHold).decode
replace = msgspec.structs.replace


def read_standing() -> Operation[dict[str, StandingHold]]:
    """Those that stand, and those whose mail is being released, by name."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "standing"))

    def read(answers: list[StoreAnswer]) -> dict[str, StandingHold]:
        flat = of_type(answers[0], "standing holds", [])
        found = (_hold(name, octets) for name, octets in zip(flat[::2], flat[1::2], strict=True))
        return dict(one for one in found if one is not None)

    return Operation((call,), read)


def _hold(name: bytes, octets: bytes) -> tuple[str, StandingHold] | None:
    """An entry as it is stored; one that cannot be one holds nothing."""
    try:
        text = name.decode()
        if split_name(text)[0] in OF:
            return text, replace(_decode(octets[4:]), revision=int.from_bytes(octets[:4]))
    except (UnicodeDecodeError, msgspec.DecodeError):
        pass
    ignore("standing hold", name)
    return None


def begin_hold(name: str, hold: StandingHold, *, over: StandingHold, keep_events: int) -> Operation[int]:
    """Hold from now on, and tell so. 1: done; 0: another change came first; -1: there are too many.

    :param over: what was known of it.
    """
    event = StoredEvent(kind="hold_began", id=b"", stream=_stream(name), text=name, why=hold.why(name))
    return _change(name, over, hold, (keep_events, encode_event(event)))


def end_hold(name: str, hold: StandingHold, now_ms: int, *, why: str, keep_events: int) -> Operation[int]:
    """End one as it was seen, and tell so: what it held is released from now on. 0: another change came first."""
    event = StoredEvent(kind="hold_ended", id=b"", stream=_stream(name), text=name, why=f"{why} {hold.why_ended(name)}")
    return _change(name, hold, replace(hold, ended_ms=now_ms), (keep_events, encode_event(event)))


def forget_hold(name: str, hold: StandingHold) -> Operation[int]:
    """Forget one that has ended, when all that it held is released."""
    return _change(name, hold, None, (0, b""))


def _stream(name: str) -> str:
    of, value = split_name(name)
    return value if of == "stream" else ""


def _change(name: str, seen: StandingHold, new: StandingHold | None, told: tuple[int, bytes]) -> Operation[int]:
    revision = seen.revision % 0xFFFFFFFF + 1  # 0 is for what is not there
    entry = b"" if new is None else revision.to_bytes(4) + _encode(new)
    names = keys.of(HOME, "standing", "events", "totals", "news")
    call = Call(HOME, script("brake"), names, (name, seen.revision, entry, *told, MOST_HOLDS))
    return Operation((call,), first)
