"""How long a call that many share waits for others."""

from __future__ import annotations

from softbounce_worker.gathering import Gathering


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_who_comes_alone_does_not_wait() -> None:
    """A new domain needs some calls, one after the other: none waits for others, be it the hundredth such domain."""
    clock = Clock()
    gathering = Gathering(0.02, clock)
    for _ in range(300):
        assert gathering.left == 0.0
        gathering.went(1)
        clock.now += 0.012


def test_a_burst_shares_its_calls() -> None:
    """Where a thousand come a second, the next call waits, but never for longer than was said."""
    clock = Clock()
    gathering = Gathering(0.02, clock)
    calls = 0
    until, came = clock.now + 1.0, 0
    while clock.now < until:
        clock.now += 0.002
        came += 2
        assert gathering.left <= 0.02
        if gathering.left <= 0.0:
            gathering.went(came)
            calls, came = calls + 1, 0
    assert calls <= 60
    clock.now += 2.0
    assert gathering.left == 0.0
