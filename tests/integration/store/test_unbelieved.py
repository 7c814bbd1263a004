"""Notes of denials that are not believed, and what is changed of envelopes that bounced by them."""

from __future__ import annotations

import pytest
from mailbag import LANE, Mailbag

from softbounce.envelope import Final, Record, State
from softbounce.events import StoredEvent, encode_event
from softbounce.store import keys, unbelieved
from softbounce.store.unbelieved import Amendment, Whom, amend, forget_unbelieved, note_unbelieved, read_unbelieved

KEEP = 1000
EVENT = "unsuppressed"


def amended(bag: Mailbag, record: Record) -> int:
    """Change what is remembered of one."""
    record.envelope.final = Final(at_ms=1, cause="rejected", suppress=False, why="taken back" * 40)
    event = encode_event(StoredEvent(kind=EVENT, id=record.id))
    return bag.store.run(amend(0, [Amendment(record, event)], keep_events=KEEP))


def told(bag: Mailbag) -> list[str]:
    """The events of amendments."""
    return [event.kind for event in bag.events() if event.kind == EVENT]


def test_what_bounced_is_amended_once_as_it_was_seen(one: Mailbag) -> None:
    """Its version grows, what is kept of it counts as long as it is now, and who saw it before changes nothing."""
    (record,) = one.scheduled()
    one.put(record, State.BOUNCED)
    seen, again = one.record(record.id), one.record(record.id)
    assert [amended(one, seen), amended(one, again)] == [1, 0]
    after = one.record(record.id)
    assert (after.state, after.version, after.envelope.final) == (State.BOUNCED, seen.version + 1, seen.envelope.final)
    assert told(one) == [EVENT]


@pytest.mark.parametrize("state", [State.DELIVERED, State.CANCELLED, State.SCHEDULED, State.HELD])
def test_nothing_but_what_bounced_is_amended(one: Mailbag, state: State) -> None:
    """A late 250, for one, came first: it stays delivered."""
    (record,) = one.scheduled()
    if state is not State.SCHEDULED:
        one.put(record, state)
    before, seen = one.record(record.id), one.record(record.id)
    seen.state = State.BOUNCED
    assert amended(one, seen) == 0
    assert one.record(record.id) == before
    assert told(one) == []


def test_notes_are_read_and_forgotten_as_they_were_seen(one: Mailbag) -> None:
    """One that was written anew meanwhile stays."""
    whom = Whom(LANE, "a.test")
    assert one.store.run(note_unbelieved(whom, 1, 2))
    (first,) = one.store.run(read_unbelieved())
    assert (first.whom, first.since_ms, first.until_ms) == (whom, 1, 2)
    assert one.store.run(note_unbelieved(whom, 3, 4))
    assert one.store.run(forget_unbelieved([first])) == 0
    assert one.store.run(forget_unbelieved(one.store.run(read_unbelieved()))) == 1
    assert one.store.run(read_unbelieved()) == []


def test_there_are_so_many_notes_and_no_more(one: Mailbag, monkeypatch: pytest.MonkeyPatch) -> None:
    """While no scheduler sees to them; one that is there may be written anew."""
    monkeypatch.setattr(unbelieved, "MOST", 3)
    noted = [one.store.run(note_unbelieved(Whom(LANE, f"d{number}.test"), 1, 2)) for number in range(5)]
    assert noted == [True, True, True, False, False]
    assert one.store.run(note_unbelieved(Whom(LANE, "d0.test"), 3, 4))


@pytest.mark.parametrize("field", [b"", b"\xff\n", b"no lane\na.test", b"a.test~1", b"a\nb\nc"])
def test_a_note_that_is_none_is_forgotten_and_takes_nothing_back(one: Mailbag, field: bytes) -> None:
    """It names no lane, and its time is over."""
    one.raw.hset(keys.key(keys.HOME, "unbelieved"), field, b"junk")
    (note,) = one.store.run(read_unbelieved())
    assert (note.whom.lane, note.until_ms) == ("", 0)
    assert one.store.run(forget_unbelieved([note])) == 1
