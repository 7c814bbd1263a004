"""Who may come in, and who may try to log in again."""

from __future__ import annotations

from softbounce_gateway.submission.crowd import Crowd
from softbounce_gateway.submission.login_failures import LONGEST, MOST, LoginGuard


def test_connections_are_bounded_for_all_and_for_each() -> None:
    """One address has its share; all have theirs; whoever leaves makes room."""
    crowd = Crowd(5, 3)
    assert [crowd.enter("a") for _ in range(3)] == [None] * 3
    assert (crowd.enter("a") or "").startswith("421 4.7.0")
    assert [crowd.enter("b") for _ in range(2)] == [None] * 2
    assert (crowd.enter("c") or "").startswith("421 4.3.2")
    assert crowd.is_crowded
    for _ in range(3):
        crowd.leave("a")
    assert not crowd.is_crowded
    assert crowd.enter("a") is None
    assert set(crowd._from) == {"a", "b"}


def test_A12_who_guesses_waits_the_longer() -> None:
    """A few mistakes cost nothing; then each costs twice as much, up to a minute; being right forgets them."""
    now = 0.0
    guard = LoginGuard(lambda: now)
    waits = []
    for _ in range(12):
        guard.note("10.0.0.1", "app")
        waits.append(guard.wait("10.0.0.1", "app"))
    assert waits == [0, 0, 0, 4, 8, 16, 32, *[LONGEST] * 5]
    assert guard.wait("10.0.0.1", "other") == 0
    assert guard.wait("10.0.0.2", "app") == 0
    now = 61.0
    assert guard.wait("10.0.0.1", "app") == 0
    guard.forget("10.0.0.1", "app")
    guard.note("10.0.0.1", "app")
    assert guard.wait("10.0.0.1", "app") == 0


def test_A12_many_names_and_many_addresses_wait_too() -> None:
    """Names tried out from one address, and one name from many."""
    guard = LoginGuard(lambda: 0.0)
    for number in range(40):
        guard.note("10.0.0.1", f"name-{number}")
        guard.note(f"10.0.1.{number}", "app")
    assert guard.wait("10.0.0.1", "new") > 0
    assert guard.wait("10.9.9.9", "app") > 0
    assert guard.wait("10.9.9.9", "new") == 0


def test_what_is_remembered_is_bounded() -> None:
    """However many addresses and names there are."""
    guard = LoginGuard(lambda: 0.0)
    for number in range(MOST):
        guard.note(str(number), str(number))
    assert len(guard._failures) == MOST
