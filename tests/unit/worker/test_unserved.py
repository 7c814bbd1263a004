"""How long mail waits that no session may carry, before one of them goes for it."""

from softbounce_worker.lane.unserved import Unserved


def test_it_waits_its_time_and_then_anew() -> None:
    """From when it is first missed, however often anyone looks meanwhile."""
    unserved = Unserved[str](1.0)
    looks = [10.0, 10.4, 10.9, 11.0, 11.1, 12.0, 12.2]
    assert [unserved.has_waited("verified", now) for now in looks] == [False, False, False, True, False, False, True]


def test_issue12_what_else_misses_a_session_does_not_put_it_back() -> None:
    """A flood that wants more of the sessions there are is served by those, and says so at every look."""
    unserved = Unserved[str](1.0)
    waited: list[bool] = []
    for now in (10.0, 10.5, 11.0):
        unserved.forget_all_but({"any": 3, "verified": 1})
        unserved.is_served("any")
        waited.append(unserved.has_waited("verified", now))
        unserved.is_served("any")
    assert waited == [False, False, True]


def test_issue12_each_waits_by_itself() -> None:
    """Whoever came second has its own second."""
    unserved = Unserved[str](1.0)
    assert not unserved.has_waited("b", 10.0)
    assert not unserved.has_waited("c", 10.5)
    assert unserved.has_waited("b", 11.0)
    assert unserved.has_waited("c", 11.5)


def test_it_begins_anew_when_it_was_served_or_gone() -> None:
    """Only time at a stretch counts."""
    unserved = Unserved[str](1.0)
    assert not unserved.has_waited("b", 10.0)
    unserved.is_served("b")
    assert not unserved.has_waited("b", 11.0)
    unserved.forget_all_but(())
    assert not unserved.has_waited("b", 12.0)
