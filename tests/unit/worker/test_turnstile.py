"""The turnstile: a few in each turn of the loop, all in their order, and none is forgotten."""

from __future__ import annotations

import asyncio

from softbounce_worker.turnstile import A_TURN, Turnstile


async def admitted(number: int, cancelled: range = range(0)) -> list[int]:
    """Let so many in at once; how many had gone on after each turn of the loop."""
    loop = asyncio.get_running_loop()
    turnstile = Turnstile()
    waiters = [loop.create_future() for _ in range(number)]
    for waiter in waiters:
        turnstile.admit(waiter)
    for position in cancelled:
        waiters[position].cancel()
    counts = []
    while not all(waiter.done() for waiter in waiters):
        counts.append(sum(waiter.done() for waiter in waiters))
        assert all(waiter.done() for waiter in waiters[: counts[-1] - len(cancelled)])
        await asyncio.sleep(0)
    return counts


def test_a_few_go_on_in_each_turn() -> None:
    """Never more than the bound, so that the loop soon looks at what arrived; in the order in which they came."""
    assert asyncio.run(admitted(3 * A_TURN)) == [A_TURN, 2 * A_TURN]


def test_who_was_cancelled_keeps_nobody() -> None:
    """A whole turn of cancelled ones is no end."""
    cancelled = range(A_TURN, 2 * A_TURN)
    assert len(asyncio.run(admitted(4 * A_TURN, cancelled))) == 3
