"""Dialling two addresses: who is taken, when the second begins, and that nobody is left behind (RFC 8305)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
import uvloop
from softbounce_worker.session.race import DELAY, Raced, race

from softbounce.reply import Trouble, TroubleKind

FIRST, RIVAL = "2001:db8::1", "192.0.2.1"
NEVER = 60.0
Plan = dict[str, tuple[float, bool]]


class Line:
    """A connection that counts whether it is open."""

    def __init__(self) -> None:
        self.is_open = True

    def abort(self) -> None:
        """End it."""
        self.is_open = False


class Network:
    """Where each address answers after so many seconds, well or not, even to who has given up in that moment."""

    def __init__(self, plan: Plan, *, stubborn: bool = False) -> None:
        self.dialled: dict[str, float] = {}
        self.lines: list[Line] = []
        self._plan, self._stubborn = plan, stubborn

    async def connect(self, address: str) -> Line | Trouble:
        """Dial."""
        self.dialled[address] = time.monotonic()
        seconds, is_good = self._plan[address]
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if not self._stubborn:
                raise
        if not is_good:
            return Trouble(kind=TroubleKind.CONNECT_REFUSED, text=address)
        self.lines.append(Line())
        return self.lines[-1]


def run(network: Network, may_begin: Callable[[str], bool] = lambda _: True) -> tuple[Raced[Line], float]:
    """How it went, and how long that took."""

    async def go() -> tuple[Raced[Line], float]:
        began = time.monotonic()
        raced = await race(FIRST, RIVAL, network.connect, may_begin)
        took = time.monotonic() - began
        assert len(asyncio.all_tasks()) == 1
        return raced, took

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(go())


@pytest.mark.parametrize(
    ("plan", "winner", "both"),
    [
        ({FIRST: (0, True), RIVAL: (0, True)}, FIRST, False),
        ({FIRST: (NEVER, True), RIVAL: (0, True)}, RIVAL, True),
        ({FIRST: (DELAY + 0.2, True), RIVAL: (NEVER, True)}, FIRST, True),
        ({FIRST: (DELAY + 0.2, True), RIVAL: (0, False)}, FIRST, True),
        ({FIRST: (DELAY + 0.1, False), RIVAL: (0.3, True)}, RIVAL, True),
        ({FIRST: (0, False), RIVAL: (0, True)}, None, False),
        ({FIRST: (DELAY + 0.1, False), RIVAL: (0, False)}, None, True),
    ],
    ids=["at-once", "black-hole", "slow", "rival-refuses", "first-fails-late", "first-refuses", "both-fail"],
)
def test_D18_the_second_address_begins_when_the_first_is_silent(plan: Plan, winner: str | None, *, both: bool) -> None:
    """After a quarter of a second, and who connects first is taken; a refusal is for the caller to go on from."""
    network = Network(plan)
    raced, took = run(network)
    assert (raced.winner[0] if raced.winner else None) == winner
    assert (RIVAL in network.dialled) == both
    assert took < DELAY + 1
    if both:
        assert network.dialled[RIVAL] - network.dialled[FIRST] >= DELAY - 0.01
    assert [line.is_open for line in network.lines].count(True) == (winner is not None)


def test_D18_no_place_no_rival() -> None:
    """Where its address is full the first one is waited for, as ever."""
    network = Network({FIRST: (DELAY + 0.1, True), RIVAL: (0, True)})
    raced, _ = run(network, lambda _: False)
    assert raced.winner is not None
    assert raced.winner[0] == FIRST
    assert RIVAL not in network.dialled


@pytest.mark.parametrize("is_good", [True, False])
def test_D18_nobody_is_left_behind(*, is_good: bool) -> None:
    """Who connects in the moment it is given up hangs up."""
    network = Network({FIRST: (NEVER, is_good), RIVAL: (0, True)}, stubborn=True)
    raced, _ = run(network)
    assert raced.winner is not None
    assert raced.winner[1].is_open
    assert sum(line.is_open for line in network.lines) == 1


def test_D18_a_race_that_is_called_off_leaves_nobody() -> None:
    """A lane that ends, or a process: both are given up, whatever becomes of them in that moment."""
    network = Network({FIRST: (NEVER, True), RIVAL: (NEVER, True)}, stubborn=True)

    async def go() -> None:
        task = asyncio.ensure_future(race(FIRST, RIVAL, network.connect, lambda _: True))
        await asyncio.sleep(2 * DELAY)
        assert len(network.dialled) == 2
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert len(asyncio.all_tasks()) == 1

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(go())
    assert len(network.lines) == 2
    assert not any(line.is_open for line in network.lines)
