"""Messages that come in together are stored together, and each hears of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from softbounce_gateway.together import Together

from softbounce.errors import InvalidMessage, KeyReused, StoreUnavailable

if TYPE_CHECKING:
    from conftest import StartStore
    from servers import Valkey

    from softbounce.client.send.arguments import Outgoing

TEXT = b"From: a@shop.test\r\nSubject: hi\r\n\r\nhello\r\n"


def outgoing(number: int, **more: object) -> Outgoing:
    """A small message."""
    return {  # type: ignore[typeddict-item]
        "sender": "a@shop.test", "recipients": [f"b{number}@example.net"], "message": TEXT, "key": f"k{number}", **more
    }  # fmt: skip


class Broken:
    """Recipients that nobody can read: a fault of ours, say."""

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError


def test_issue14_who_comes_together_is_stored_together(store_server: Valkey) -> None:
    """200 at once take few round trips; what is wrong with one, or goes wrong at it, is that one's alone."""
    others = {
        7: (outgoing(7, recipients=["bad"]), InvalidMessage),
        50: (outgoing(1000, stream="other"), KeyReused),
        150: (outgoing(150, recipients=Broken()), ZeroDivisionError),
    }

    async def run() -> list[object]:
        together = Together(store_server.url, patience=1.0, way="http")
        try:
            await together.send(outgoing(1000), octets=100)  # it knows the store from here on
            calls = [others[number][0] if number in others else outgoing(number) for number in range(200)]
            sends = (together.send(one, octets=100) for one in calls)
            return list(await asyncio.gather(*sends, return_exceptions=True))
        finally:
            await together.close()

    with Redis.from_url(store_server.url) as store:
        store.config_resetstat()
        outcomes = asyncio.run(run())
        reads = store.info("stats")["total_reads_processed"]
    assert reads < 60, reads
    for number, outcome in enumerate(outcomes):
        if number in others:
            assert isinstance(outcome, others[number][1]), outcome
        else:
            assert getattr(outcome, "key", "") == f"k{number}", outcome


def test_issue14_a_large_message_keeps_nobody_waiting(store_server: Valkey) -> None:
    """While one of 25 MB is prepared and stored, small ones go on: none waits as long as that one takes."""
    large = TEXT + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 340_000

    async def run() -> tuple[float, float, int]:
        together = Together(store_server.url, patience=5.0, way="http")
        loop = asyncio.get_running_loop()
        try:
            await together.send(outgoing(1000), octets=100)
            began = loop.time()
            slow = asyncio.create_task(together.send(outgoing(1, message=large), octets=len(large)))
            longest, number = 0.0, 1
            while not slow.done():
                number += 1
                before = loop.time()
                await together.send(outgoing(number), octets=100)
                longest = max(longest, loop.time() - before)
            await slow
            return loop.time() - began, longest, number
        finally:
            await together.close()

    took, longest, number = asyncio.run(run())
    assert number > 10, (took, longest, number)
    assert longest < took


def test_issue14_a_store_that_is_gone_is_told_to_each_that_waits(start_store: StartStore) -> None:
    """Nobody is left waiting, and nothing is claimed to be stored."""
    store = start_store()

    async def run() -> list[object]:
        together = Together(store.url, patience=0.5, way="http")
        try:
            await together.send(outgoing(1000), octets=100)
            store.kill()
            sends = (together.send(outgoing(number), octets=100) for number in range(120))
            return list(await asyncio.gather(*sends, return_exceptions=True))
        finally:
            await together.close()

    outcomes = asyncio.run(run())
    assert len(outcomes) == 120
    assert all(isinstance(one, Exception) for one in outcomes)
    assert {type(one).__name__ for one in outcomes} <= {StoreUnavailable.__name__, "StoreUncertain"}


def test_issue14_who_went_before_its_turn_has_sent_nothing(store_server: Valkey) -> None:
    """A request that was given up while it waited is not stored; those behind it are."""

    async def run() -> int:
        together = Together(store_server.url, patience=1.0, way="http")
        try:
            await together.send(outgoing(1000), octets=100)
            sends = [asyncio.create_task(together.send(outgoing(number), octets=100)) for number in range(150)]
            await asyncio.sleep(0)
            for one in sends[120:]:
                one.cancel()
            outcomes = await asyncio.gather(*sends, return_exceptions=True)
            assert sum(isinstance(one, asyncio.CancelledError) for one in outcomes) == 30
            return (await together.client.queue()).total
        finally:
            await together.close()

    assert asyncio.run(run()) == 121


@pytest.mark.parametrize("number", [1, 50])
def test_issue14_who_is_alone_waits_for_nobody(store_server: Valkey, number: int) -> None:
    """One after another, each is stored at once: there is no timer in it."""

    async def run() -> float:
        together = Together(store_server.url, patience=1.0, way="http")
        loop = asyncio.get_running_loop()
        try:
            await together.send(outgoing(1000), octets=100)
            waits = []
            for one in range(number):
                before = loop.time()
                await together.send(outgoing(one), octets=100)
                waits.append(loop.time() - before)
            return min(waits)
        finally:
            await together.close()

    assert asyncio.run(run()) < 0.05
