"""brake: a stream is held or released as it was seen, once; what is nothing of ours there holds nothing."""

from __future__ import annotations

import pytest
from mailbag import Mailbag

from softbounce.store import held_streams, keys
from softbounce.store.held_streams import StreamHold, forget_release, hold_stream, read_holds, release_stream

KEEP = 1000
HOLD = StreamHold(held_ms=5, reason="hard_bounces", why="60 of its last 100 messages were refused", refused=60, of=100)


def hold(bag: Mailbag, stream: str, over: StreamHold | None = None) -> bool:
    """Hold it."""
    return bag.store.run(hold_stream(stream, HOLD, over=over or StreamHold(), keep_events=KEEP))


def release(bag: Mailbag, stream: str, seen: StreamHold, now_ms: int = 9) -> bool:
    """Let it go on."""
    return bag.store.run(release_stream(stream, seen, now_ms, keep_events=KEEP))


def test_a_stream_is_held_once_and_released_as_it_was_seen(one: Mailbag) -> None:
    """Two schedulers at once hold it once, and who saw it before its release does not hold it again by what he saw."""
    assert [hold(one, "news"), hold(one, "news")] == [True, False]
    seen = one.store.run(read_holds())["news"]
    assert (seen.is_held, seen.why, seen.revision) == (True, HOLD.why, 1)
    assert [release(one, "news", seen), release(one, "news", seen)] == [True, False]
    assert not hold(one, "news")
    assert not hold(one, "news", seen)
    released = one.store.run(read_holds())["news"]
    assert (released.is_held, released.released_ms) == (False, 9)
    assert hold(one, "news", released)
    again = one.store.run(read_holds())["news"]
    assert (again.is_held, again.released_ms, again.revision) == (True, 9, 3)
    told = [(event.kind, event.stream, event.id) for event in one.events()]
    assert told == [(kind, "news", b"") for kind in ("stream_held", "stream_released", "stream_held")]


def test_what_was_released_is_forgotten_as_it_was_seen(one: Mailbag) -> None:
    """And by no event."""
    assert hold(one, "")
    assert release(one, "", one.store.run(read_holds())[""])
    seen = one.store.run(read_holds())[""]
    assert [one.store.run(forget_release("", seen)), one.store.run(forget_release("", seen))] == [True, False]
    assert one.store.run(read_holds()) == {}
    assert len(one.events()) == 2


def test_so_many_streams_are_held_and_no_more(one: Mailbag, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that makes up streams cannot fill the store with them."""
    monkeypatch.setattr(held_streams, "MOST_STREAMS", 3)
    assert [hold(one, f"s{number}") for number in range(5)] == [True, True, True, False, False]


@pytest.mark.parametrize("octets", [b"", b"\x00", b"\x00\x00\x00\x01", b"\x00\x00\x00\x07junk", b"\xff" * 40])
def test_an_entry_that_is_none_holds_nothing(one: Mailbag, octets: bytes) -> None:
    """And the others are read."""
    assert hold(one, "news")
    key = keys.key(keys.HOME, "brake")
    one.raw.hset(key, "odd", octets)
    one.raw.hset(key, b"no stream \xff", b"\x00\x00\x00\x01\x90")
    assert list(one.store.run(read_holds())) == ["news"]


def test_a_key_of_another_type_is_no_hold(one: Mailbag) -> None:
    """It is put out of the way when a stream is held."""
    one.raw.set(keys.key(keys.HOME, "brake"), "junk")
    assert one.store.run(read_holds()) == {}
    assert hold(one, "news")
    assert list(one.store.run(read_holds())) == ["news"]
