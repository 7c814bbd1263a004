"""Who gets how much of the room for bodies."""

from __future__ import annotations

from collections import Counter

from softbounce_worker.body_budget import BodyBudget, Reservation

ROOM = 1000


def nothing() -> None:
    """Nobody waits."""


def fill(room: BodyBudget, lane: str, octets: int) -> list[Reservation]:
    """A lane takes all that it can get."""
    places = []
    while room.fits(lane, octets):
        places.append(room.take(lane, octets))
    return places


def test_lanes_that_come_later_find_some_room() -> None:
    """However greedy each is: one alone gets half of the room, the next one half of the rest, and so on."""
    room = BodyBudget(ROOM, nothing)
    places = {lane: fill(room, lane, 10) for lane in "abcdef"}
    assert [len(one) for one in places.values()] == [50, 25, 13, 6, 3, 2]
    assert room.held <= ROOM


def test_a_lane_with_nothing_needs_only_what_is_free() -> None:
    """So a large message is not kept out by its own size while others hold little."""
    room = BodyBudget(ROOM, nothing)
    kept = [room.take("a", 400)]
    assert room.fits("b", 600)
    assert not room.fits("b", 601)
    assert room.fits("a", 200)
    assert not room.fits("a", 201)
    assert room.held == 400 * len(kept)


def test_a_small_message_of_a_lane_with_nothing_is_little() -> None:
    """A 256th of the room; a lane that holds something wants more than that."""
    room = BodyBudget(256 * 10, nothing)
    assert room.is_little("a", 10)
    assert not room.is_little("a", 11)
    place = room.take("a", 5)
    assert not room.is_little("a", 5)
    assert room.is_little("b", 5)
    del place


def test_the_largest_message_fits_where_nothing_is_held() -> None:
    """It would wait for ever otherwise."""
    room = BodyBudget(ROOM, nothing)
    assert room.fits("a", 50 * ROOM)
    place = room.take("a", 50 * ROOM)
    assert not room.fits("b", 1)
    del place
    assert room.fits("b", 1)


def test_room_is_free_again_when_nobody_has_the_place() -> None:
    """And whoever waits for it is told."""
    told = Counter[str]()
    room = BodyBudget(ROOM, lambda: told.update(["freed"]))
    place = room.take("a", 700)
    also = place
    del place
    assert (room.held, told["freed"], room.has_some("a")) == (700, 0, True)
    del also
    assert (room.held, told["freed"], room.has_some("a")) == (0, 1, False)
