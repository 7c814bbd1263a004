"""When a receiver counts as away, and how it is found again."""

from __future__ import annotations

from datetime import timedelta

from softbounce_gateway.webhooks.gate import REFUSING, SILENT, Gate

SECOND = timedelta(seconds=1)


def test_issue14_7_what_is_open_gets_as_many_events_as_it_may_have() -> None:
    """No more than that at one time."""
    gate = Gate(8)
    assert [gate.room(under_way, 0.0) for under_way in (0, 5, 8, 9)] == [8, 3, 0, 0]


def test_issue14_7_one_that_cannot_be_reached_gets_one_at_a_time_after_pauses() -> None:
    """And none before the pause is over; each that fails makes one more pause."""
    gate = Gate(8)
    gate.began()
    gate.close(100.0, 10 * SECOND, None)
    assert (gate.probes, gate.room(0, 109.9), gate.room(0, 110.0), gate.room(1, 110.0)) == (1, 0, 1, 0)
    gate.began()
    gate.close(111.0, timedelta(hours=4), None)
    assert (gate.probes, gate.closed_until) == (2, 111.0 + 300)


def test_issue14_7_what_was_under_way_when_it_closed_counts_once() -> None:
    """Eight that fail together are one sign; a longer wait that one of them states is kept."""
    gate = Gate(8)
    for _ in range(8):
        gate.began()
    for _ in range(7):
        gate.close(100.0, 10 * SECOND, None)
    gate.close(100.0, 10 * SECOND, 60 * SECOND)
    assert (gate.probes, gate.closed_until) == (1, 160.0)


def test_issue14_7_what_comes_up_again_is_not_run_over() -> None:
    """One more at a time with each that it takes."""
    gate = Gate(4)
    gate.began()
    gate.close(100.0, SECOND, None)
    gate.began()
    assert gate.taken()
    rooms = []
    for _ in range(5):
        rooms.append(gate.room(0, 101.0))
        assert not gate.taken()
    assert rooms == [1, 2, 3, 4, 4]


def test_issue14_7_only_the_events_of_many_envelopes_in_a_row_speak_against_a_receiver() -> None:
    """However often one envelope's are refused; and what it takes in between clears it."""
    gate = Gate(8)
    assert not any(gate.refused(b"one", is_silent=True) for _ in range(50))
    rest = [gate.refused(b"%d" % number, is_silent=False) for number in range(REFUSING - 1)]
    assert rest == [False] * (REFUSING - 2) + [True]
    gate.taken()
    assert not gate.refused(b"0", is_silent=False)
    assert [gate.refused(b"%d" % number, is_silent=True) for number in range(SILENT)] == [False] * 4 + [True]


def test_issue14_7_a_person_opens_it() -> None:
    """At once."""
    gate = Gate(8)
    gate.began()
    gate.close(100.0, SECOND, None)
    gate.reset()
    assert (gate.is_closed, gate.probes) == (False, 0)
