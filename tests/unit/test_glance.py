"""A glance reads of a payload what the envelope says, whichever version wrote it."""

from __future__ import annotations

import msgspec
import pytest

from softbounce.client.reply_words import last_reply
from softbounce.client.selection import select
from softbounce.envelope import Attempt, Body, Envelope, Final, Record, State
from softbounce.glance import Glance, read_glance

RENAMED = {"all_attempts": "attempts", "end": "final"}
LOOKED_AT = ("sender", "recipient", "domain", "tenant", "tags", "metadata", "held_why", "held_by", "resent_as")
CHOSEN = ("set_policy", "set_window_ms", "set_route")


def envelope(**more: object) -> Envelope:
    """One with something in what is looked at."""
    return Envelope(
        **{
            "sender": "a@b.test",
            "recipient": "r@c.test",
            "domain": "c.test",
            "key": "k",
            "body": Body(octets=1),
            "held_why": "operator",
            "held_by": b"12345678",
            "tags": ("x", "y"),
            "metadata": {"order": "7"},
            "resent_as": bytes(16),
            "set_policy": "otp",
            "set_window_ms": 5,
            "set_route": "backup",
            **more,
        }
    )  # type: ignore[arg-type]


def attempt(number: int, code: int | None, text: str) -> Attempt:
    """One that ended with this."""
    return Attempt(number=number, started_ms=1, ended_ms=2, code=code, enhanced=code and "4.2.2", text=text)


def test_its_fields_stand_as_the_envelope_s() -> None:
    """In the same places, up to the last one that is looked at."""
    ours = [RENAMED.get(name, name) for name in Glance.__struct_fields__]
    assert ours == list(Envelope.__struct_fields__[: len(ours)])


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"own_tenant": "t", "sender": ""},
        {"attempts": [attempt(1, 450, "greylisted"), attempt(2, 452, "full")]},
        {"attempts": [attempt(1, 450, "said"), attempt(2, None, "")]},
        {"attempts": [attempt(1, None, "no connection")]},
        {"attempts": [attempt(1, None, "")]},
        {"attempts": [attempt(1, 450, "said")], "final": Final(at_ms=1)},
        {"final": Final(at_ms=1, cause="promoted", code=421, enhanced="4.3.2", text="down")},
        {"final": Final(at_ms=1, text="the lane failed")},
    ],
    ids=str,
)
def test_it_says_what_the_envelope_says(more: dict[str, object]) -> None:
    """Of everything that filters ask for, the last reply included."""
    whole = envelope(**more)
    glance = read_glance(msgspec.msgpack.encode(whole))
    for name in (*LOOKED_AT, *CHOSEN):
        assert getattr(glance, name) == getattr(whole, name), name
    assert last_reply(glance) == last_reply(whole)


def test_an_older_payload_is_read() -> None:
    """What it has not gets its default; what a newer one has is passed over."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(envelope()))
    old = read_glance(msgspec.msgpack.encode(fields[:5]))
    assert (old.tags, old.held_by, old.set_route, last_reply(old)) == ((), b"", "", None)
    assert read_glance(msgspec.msgpack.encode([*fields, "more"])).set_route == "backup"


@pytest.mark.parametrize("octets", [b"", b"x", b"\xc1", b"\x91" * 2000, msgspec.msgpack.encode([1, 2])], ids=repr)
def test_what_is_no_payload_is_refused(octets: bytes) -> None:
    """By the same error as the envelope's, so that whoever looks knows which one it is."""
    with pytest.raises(ValueError, match="cannot be read"):
        read_glance(octets)


def test_a_record_that_was_opened_is_not_read_again() -> None:
    """Who changed its envelope sees that."""
    record = Record(id=bytes(16), lane="?c.test", state=State.HELD)
    record.envelope = envelope(held_why="brake")
    assert record.glance is record.envelope
    assert select(held_for="brake", recipient="r@*", tag="y").fits(record, 0)
