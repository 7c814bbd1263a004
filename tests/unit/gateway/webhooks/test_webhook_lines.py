"""Which event goes next, and how far the log is settled."""

from __future__ import annotations

from softbounce_gateway.webhooks.lines import Lines, Waiting, line_of, place_of
from softbounce_gateway.webhooks.window import Window

from softbounce.client.event_log import LogPosition
from softbounce.events import StoredEvent
from softbounce.store.webhooks import Try, Untold


def waiting(number: int, line: bytes, *, next_ms: int = 0, ended_ms: int = 0) -> Waiting:
    """An event of a line."""
    tries = (Try(started_ms=ended_ms, ended_ms=ended_ms, rule="webhook:500"),) if ended_ms else ()
    event = Untold(stored=StoredEvent(kind="held", id=line), at_ms=number, cursor="", next_ms=next_ms, tries=tries)
    return Waiting(place=b"%03d" % number, event=event)


def test_issue14_7_of_a_line_only_the_head_goes() -> None:
    """The next one goes when it is done; other lines go beside it, first come, first served."""
    lines = Lines()
    for number, line in enumerate((b"a", b"a", b"b", b"c")):
        lines.add(waiting(number, line))
    first, second, third = (lines.begin(0) for _ in range(3))
    assert [one and one.place for one in (first, second, third)] == [b"000", b"002", b"003"]
    assert lines.begin(0) is None
    assert first is not None
    lines.done(first)
    again = lines.begin(0)
    assert again is not None
    assert again.place == b"001"
    assert b"a" in lines


def test_issue14_7_what_waits_for_its_time_goes_then_and_takes_turns_with_what_is_new() -> None:
    """So that a receiver that gets one at a time gets of both."""
    lines = Lines()
    for number in range(3):
        lines.add(waiting(number, b"late%d" % number, next_ms=100))
    for number in range(3, 6):
        lines.add(waiting(number, b"new%d" % number))
    assert lines.next_due() == 100
    order = [lines.begin(100) for _ in range(6)]
    kinds = ["late" if one and one.line.startswith(b"late") else "new" for one in order]
    assert sorted(kinds[:2]) == sorted(kinds[2:4]) == sorted(kinds[4:]) == ["late", "new"]


def test_issue14_7_what_failed_while_the_receiver_was_away_comes_forward_when_it_is_back() -> None:
    """And what failed before keeps its own time."""
    lines = Lines()
    lines.add(waiting(0, b"own", next_ms=9_000, ended_ms=10))
    lines.add(waiting(1, b"away", next_ms=9_000, ended_ms=50))
    lines.bring_forward(50)
    first = lines.begin(60)
    assert first is not None
    assert first.line == b"away"
    assert lines.begin(60) is None
    assert lines.next_due() == 9_000


def test_issue14_7_an_event_has_one_place_for_ever_in_the_order_of_the_log() -> None:
    """By shard, entry, and where it is in it; the last of an entry is behind the others."""
    places = [
        place_of(0, LogPosition(5, 0, 1, 1)),
        place_of(0, LogPosition(5, 0, 1, 2)),
        place_of(0, LogPosition(5, 0, 1, 0)),
        place_of(0, LogPosition(5, 1, 2, 0)),
        place_of(1, LogPosition(4, 0, 1, 0)),
    ]
    assert places == sorted(set(places))
    assert place_of(0, LogPosition(5, 1, 77, 0)) == places[3]


def test_issue14_7_events_of_no_envelope_have_a_line_by_what_they_are_about() -> None:
    """A stream's are told in order too."""
    held, released = (StoredEvent(kind=f"stream_{what}", id=b"", stream="news") for what in ("held", "released"))
    assert line_of(held) == line_of(released) != line_of(StoredEvent(kind="stream_held", id=b"", stream="otp"))


def test_issue14_7_the_cursor_stays_before_what_is_not_settled() -> None:
    """In each shard by itself; what is none of the receiver's does not hold it."""
    window = Window((LogPosition(), LogPosition()))
    first = window.add(0, LogPosition(1, 0, 1, 0))
    window.pass_over(0, LogPosition(2, 0, 2, 0))
    second = window.add(0, LogPosition(3, 0, 3, 0))
    window.pass_over(1, LogPosition(9, 0, 5, 0))
    assert window.cursor == (LogPosition(), LogPosition(9, 0, 5, 0))
    window.settle(second)
    assert (window.cursor[0], len(window)) == (LogPosition(), 1)
    window.settle(first)
    window.settle(first)
    assert (window.cursor[0], len(window)) == (LogPosition(3, 0, 3, 0), 0)


def test_issue14_7_what_is_passed_over_takes_no_memory() -> None:
    """A million events that are none of the receiver's behind one that is under way."""
    window = Window(())
    slot = window.add(0, LogPosition(1, 0, 1, 0))
    for number in range(2, 10_000):
        window.pass_over(0, LogPosition(number, 0, number, 0))
    assert len(window._slots[0]) == 2
    window.settle(slot)
    assert window.cursor == (LogPosition(9_999, 0, 9_999, 0),)
